"""Smaller networks of the same kind as a given one: what a budget's advice is measured on.

A variant has the structure, and so the RAM, flash and time, that the named change would leave. What
it computes is what is left of the network without training: its accuracy says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph import Attributes, DType, Graph, Op, Quantization, Tensor, verify
from midge.graph.elementwise_unary import Unary
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.pad import Pad
from midge.graph.ops.pool_2d import Pool2D
from midge.graph.ops.reductions import Mean
from midge.graph.ops.reshape import Reshape

Mask = npt.NDArray[np.bool_]
"""Which entries of a tensor's last dimension stay."""


def takes_int4(graph: Graph, op: Op) -> bool:
    """Whether a layer is fully connected or a 1x1 convolution with int8 weights around zero."""
    if not isinstance(op.attributes, Conv2D | FullyConnected):
        return False
    x, w = graph.op_inputs(op)[:2]
    if x is None or w is None or not w.is_constant or w.quantization is None:
        return False
    pointwise = len(w.shape) == 2 or w.shape[1:3] == (1, 1)
    centred = not np.any(w.quantization.zero_point)
    return pointwise and centred and x.dtype is DType.INT8 and w.dtype is DType.INT8


def with_int4_weights(graph: Graph, names: Collection[str]) -> Graph:
    """The graph with the weights of some layers in four bits, each rounded to the nearest.

    Args:
        graph: A verified integer graph.
        names: Of ops for which `takes_int4` holds.

    Raises:
        UserError: a scale or a bias leaves its type.
    """
    tensors = dict(graph.tensors)
    ops = []
    for op in graph.ops:
        if op.name not in names:
            ops.append(op)
            continue
        w, b = graph.tensors[op.inputs[1]], graph.op_inputs(op)[2:3]
        narrow, ratio = _narrow(w)
        made = [replace(narrow, name=f"{op.name}/weights_int4")]
        if b and b[0] is not None:
            wide = np.asarray(b[0].data)
            # A unit of the sum is as much larger as the weights' scale is.
            rescaled = np.rint(wide.astype(np.float64) / ratio).astype(wide.dtype)
            made.append(replace(b[0], name=f"{op.name}/bias_int4", data=rescaled))
        tensors |= {t.name: t for t in made}
        ops.append(replace(op, inputs=(op.inputs[0], *(t.name for t in made))))
    return verify(graph.with_ops(ops, tensors))


def _narrow(w: Tensor) -> tuple[Tensor, npt.NDArray[np.float64]]:
    """int4 weights, a scale an output, and by how much each scale has grown; none shrinks."""
    assert w.quantization is not None, "takes_int4 has looked"
    stored = np.asarray(w.data).astype(np.float64)
    rows = stored.reshape(w.shape[0], -1)
    ratio = np.maximum(np.abs(rows).max(axis=1) / 7, 1)
    column = ratio.reshape(-1, *[1] * (stored.ndim - 1))
    data = np.clip(np.rint(stored / column), -7, 7).astype(np.int8)
    scale = (w.quantization.scale.astype(np.float64) * ratio).astype(np.float32)
    zero = np.zeros(w.shape[0], np.int64)
    narrow = replace(w, dtype=DType.INT4, data=data, quantization=Quantization(scale, zero, axis=0))
    return narrow, ratio


def with_half_the_channels(graph: Graph, name: str) -> Graph | None:
    """The graph without half of one layer's output channels, those with the smallest weights.

    Args:
        graph: A verified graph.
        name: Of a convolution or fully connected layer.

    Returns:
        None where the channels meet others on their way, or leave the network.
    """
    op = next(op for op in graph.ops if op.name == name)
    w = graph.tensors[op.inputs[1]]
    if not isinstance(op.attributes, Conv2D | FullyConnected) or w.shape[0] < 2:
        return None
    norms = np.abs(np.asarray(w.data).astype(np.float64)).reshape(w.shape[0], -1).sum(axis=1)
    mask = np.zeros(w.shape[0], np.bool_)
    mask[np.argsort(-norms, kind="stable")[: w.shape[0] // 2]] = True
    return _rebuilt(graph, {op.outputs[0]: mask}, {})


def with_half_the_input(graph: Graph) -> Graph | None:
    """The graph on images of half their height and width.

    Returns:
        None where no input is an image, or a layer cannot do with less.
    """
    shapes = {}
    for name in graph.inputs:
        shape = graph.tensors[name].shape
        if len(shape) == 4 and max(shape[1:3]) > 1:
            shapes[name] = (shape[0], *(max(1, e // 2) for e in shape[1:3]), shape[3])
    return _rebuilt(graph, {}, shapes) if shapes else None


class _CannotShrinkError(Exception):
    """A layer needs what is no longer there."""


def _rebuilt(
    graph: Graph, masks: dict[str, Mask], shapes: Mapping[str, tuple[int, ...]]
) -> Graph | None:
    """The graph with fewer channels in some tensors, or with smaller inputs."""
    tensors = dict(graph.tensors)
    for name, shape in shapes.items():
        tensors[name] = replace(tensors[name], shape=shape)
    ops: list[Op] = []
    try:
        for op in graph.ops:
            operands = [tensors[n] if n else None for n in op.inputs]
            attributes, operands = _shrunk(op, operands, masks)
            tensors |= {t.name: t for t in operands if t is not None}
            types = attributes.infer(operands)
            for output, made in zip(op.outputs, types, strict=True):
                tensors[output] = replace(tensors[output], shape=made.shape)
            names = tuple(t.name if t is not None else "" for t in operands)
            ops.append(replace(op, attributes=attributes, inputs=names))
        if any(name in masks for name in graph.outputs):
            return None
        return verify(graph.with_ops(ops, tensors))
    except (UserError, _CannotShrinkError):
        return None


def _shrunk(
    op: Op, operands: list[Tensor | None], masks: dict[str, Mask]
) -> tuple[Attributes, list[Tensor | None]]:
    """The op with constants that fit its smaller operands; its output's mask is entered."""
    attributes, x = op.attributes, operands[0]
    mask, others = masks.get(op.inputs[0]), [n for n in op.inputs[1:] if n in masks]
    if x is None or others:
        raise _CannotShrinkError
    if isinstance(attributes, Conv2D | FullyConnected | DepthwiseConv2D):
        return attributes, _cut_weights(op, operands, masks)
    if isinstance(attributes, Reshape):
        return _cut_reshape(op, attributes, x, masks), operands
    if mask is not None:
        if not _keeps_channels(attributes, len(x.shape) - 1):
            raise _CannotShrinkError
        masks[op.outputs[0]] = mask
    return attributes, operands


def _keeps_channels(attributes: Attributes, last: int) -> bool:
    """Each channel of the output comes of the same one of the input, and of no constant."""
    if isinstance(attributes, Pad):
        return attributes.before[last] == attributes.after[last] == 0
    if isinstance(attributes, Mean):
        return last not in attributes.axes
    return isinstance(attributes, Pool2D | Unary)


def _cut_weights(
    op: Op, operands: list[Tensor | None], masks: dict[str, Mask]
) -> list[Tensor | None]:
    """Weights and bias without the channels that are gone on either side."""
    x, w, *rest = operands
    if x is None or w is None or not w.is_constant:
        raise _CannotShrinkError
    mask, own = masks.get(op.inputs[0]), masks.get(op.outputs[0])
    by_channel = isinstance(op.attributes, DepthwiseConv2D)
    if mask is not None and by_channel:
        if w.shape[3] != mask.size:
            raise _CannotShrinkError
        own = masks[op.outputs[0]] = mask
    elif mask is not None:
        # Features of a smaller image come first; those of channels repeat along them.
        if w.shape[-1] != mask.size:
            raise _CannotShrinkError
        w = _cut(w, mask, len(w.shape) - 1)
    elif isinstance(op.attributes, FullyConnected) and x.size % w.shape[1]:
        w = _cut(w, np.arange(w.shape[1]) < math.prod(x.shape[1:]), 1)
    if own is not None:
        w = _cut(w, own, 3 if by_channel else 0)
        rest = [None if b is None else _cut(b, own, 0) for b in rest]
    names = ("weights", "bias")
    cut = [
        None if t is None else replace(t, name=f"{op.name}/smaller_{n}")
        for t, n in zip((w, *rest), names, strict=False)
    ]
    return [x, *cut]


def _cut(tensor: Tensor, mask: Mask, axis: int) -> Tensor:
    """A constant without some entries along a dimension, nor the scales that belong to them."""
    data = np.ascontiguousarray(np.compress(mask, np.asarray(tensor.data), axis))
    quantization = tensor.quantization
    if quantization is not None and quantization.axis == axis:
        scale, zero = quantization.scale[mask], quantization.zero_point[mask]
        quantization = Quantization(scale, zero, axis)
    return replace(tensor, shape=data.shape, data=data, quantization=quantization)


def _cut_reshape(op: Op, attributes: Reshape, x: Tensor, masks: dict[str, Mask]) -> Reshape:
    """A reshape that keeps the last dimension, or makes one of all but the first."""
    mask, shape = masks.get(op.inputs[0]), attributes.shape
    features = math.prod(x.shape[1:])
    before = shape[-1] if mask is None else mask.size
    if shape[-1:] == (before,) and math.prod((*shape[:-1], x.shape[-1])) == x.size:
        if mask is not None:
            masks[op.outputs[0]] = mask
        return replace(attributes, shape=(*shape[:-1], x.shape[-1]))
    if len(shape) == 2 and shape[0] == x.shape[0]:
        if mask is not None:
            masks[op.outputs[0]] = np.tile(mask, shape[1] // mask.size)
        return replace(attributes, shape=(shape[0], features))
    raise _CannotShrinkError
