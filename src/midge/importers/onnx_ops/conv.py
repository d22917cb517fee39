"""Conv and ConvTranspose: over one or two dimensions, grouped, dilated, padded."""

from __future__ import annotations

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.split import Split
from midge.graph.ops.transpose_conv import TransposeConv
from midge.graph.window import LARGEST_PARAMETER, reach
from midge.importers.onnx_ops.operands import OnnxOp
from midge.importers.onnx_ops.registry import Converted, converts
from midge.importers.onnx_ops.windows import (
    as_image,
    auto_pad_of,
    from_image,
    image_of,
    kernel_of,
    listed,
    pair,
    spatial_of,
)

MOST_GROUPS = 64
"""Of a transposed convolution: each becomes one of its own."""


@converts("Conv")
def convert_conv(op: OnnxOp) -> Converted:
    """[n, c, ...] with weights [o, c / group, ...] and a bias [o]."""
    return convolved(op, op.float32(0), op.float32(1), op.optional(2))


def convolved(op: OnnxOp, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """A convolution over x under the node's attributes; where every channel is a group, depthwise.

    Args:
        op: The node.
        x: [n, c, l] or [n, c, h, w].
        w: [o, c / group, ...].
        b: [o].
    """
    image = image_of(op, x)
    groups = op.whole("group", 1)
    if len(w.shape) != len(x.shape):
        raise UserError(f"weights {list(w.shape)} for an input {list(x.shape)}")
    channels = x.shape[1]
    if groups < 1 or channels != groups * w.shape[1] or w.shape[0] % groups:
        raise UserError(
            f"weights {list(w.shape)} in {groups} groups do not suit {channels} channels"
        )
    spatial = spatial_of(op, image, kernel_of(op, len(image), w.shape[2:]))
    weights = w
    if len(image) == 1:
        weights = _with_height(op, w)
    stride, dilation = pair(spatial.stride, 1), pair(spatial.dilation, 1)
    before, after = pair(spatial.before, 0), pair(spatial.after, 0)
    made: Conv2D | DepthwiseConv2D
    if groups == channels and groups > 1:
        order: tuple[int, ...] = (1, 2, 3, 0)
        made = DepthwiseConv2D(stride=stride, dilation=dilation, pad_before=before, pad_after=after)
    else:
        order = (0, 2, 3, 1)
        made = Conv2D(stride=stride, dilation=dilation, pad_before=before, pad_after=after)
    y = op.emit(made, as_image(op, x), op.builder.transposed(weights, order), b)
    return from_image(op, y, len(x.shape))


def _with_height(op: OnnxOp, w: Tensor) -> Tensor:
    """[o, c, l] as [o, c, 1, l]."""
    return op.builder.unsqueezed(w, 2)


@converts("ConvTranspose")
def convert_conv_transpose(op: OnnxOp) -> Converted:
    """[n, c, ...] with weights [c, o / group, ...] and a bias [o]."""
    x, w, b = op.float32(0), op.float32(1), op.optional(2)
    image = image_of(op, x)
    rank, groups = len(image), op.whole("group", 1)
    if len(w.shape) != len(x.shape) or w.shape[0] != x.shape[1]:
        raise UserError(f"weights {list(w.shape)} for an input {list(x.shape)}")
    if not 1 <= groups <= MOST_GROUPS or x.shape[1] % groups:
        raise UnsupportedError(
            f"{groups} groups of {x.shape[1]} channels; supported: up to {MOST_GROUPS} that "
            "divide them"
        )
    kernel_of(op, rank, w.shape[2:])
    dilation = listed(op, "dilations", rank, 1, 1)
    weights = _dilated(op, w, dilation)
    before, extent = _transposed_geometry(op, image, w.shape[2:], dilation)
    if rank == 1:
        weights = _with_height(op, weights)
    made = TransposeConv(
        extent=pair(extent, 1),
        stride=pair(listed(op, "strides", rank, 1, 1), 1),
        pad_before=pair(before, 0),
    )
    image_x = as_image(op, x)
    if groups == 1:
        kernels = op.builder.transposed(weights, (1, 2, 3, 0))
        return from_image(op, op.emit(made, image_x, kernels, b), len(x.shape))
    sizes = (x.shape[1] // groups,) * groups
    parts = op.emit_all(Split(axis=3, sizes=sizes), image_x)
    kernels_of = op.emit_all(Split(axis=0, sizes=sizes), weights)
    outputs = (w.shape[1],) * groups
    biases = op.emit_all(Split(axis=0, sizes=outputs), b) if b is not None else (None,) * groups
    results = [
        op.emit(made, part, op.builder.transposed(kernel, (1, 2, 3, 0)), bias)
        for part, kernel, bias in zip(parts, kernels_of, biases, strict=True)
    ]
    return from_image(op, op.emit(Concatenation(axis=3), *results), len(x.shape))


def _dilated(op: OnnxOp, w: Tensor, dilation: tuple[int, ...]) -> Tensor:
    """Weights with zeros between their taps."""
    if all(d == 1 or k == 1 for d, k in zip(dilation, w.shape[2:], strict=True)):
        return w
    if not w.is_constant:
        raise UnsupportedError(f"dilations {list(dilation)} of weights that are computed")
    extents = [reach(k, d) for k, d in zip(w.shape[2:], dilation, strict=True)]
    if int(np.prod(extents)) > 1 << 16:
        raise UnsupportedError(f"dilations {list(dilation)} of {list(w.shape[2:])} taps")
    spread = np.zeros((*w.shape[:2], *extents), np.float32)
    steps = tuple(slice(None, None, d) for d in dilation)
    spread[(slice(None), slice(None), *steps)] = np.asarray(w.data)
    return op.constant(spread, part="weight")


def _transposed_geometry(
    op: OnnxOp, image: tuple[int, ...], kernel: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Padding in front, and the output's extents."""
    rank = len(image)
    stride = listed(op, "strides", rank, 1, 1)
    extra = listed(op, "output_padding", rank, 0, 0)
    pads = listed(op, "pads", 2 * rank, 0, 0)
    spans = [reach(k, d) for k, d in zip(kernel, dilation, strict=True)]
    full = [
        s * (n - 1) + e + span for s, n, e, span in zip(stride, image, extra, spans, strict=True)
    ]
    auto_pad = auto_pad_of(op)
    wanted = op.wholes("output_shape")
    if wanted is None and auto_pad in ("NOTSET", "VALID"):
        pads = pads if auto_pad == "NOTSET" else (0,) * (2 * rank)
        extent = tuple(f - pads[d] - pads[rank + d] for d, f in enumerate(full))
        return pads[:rank], extent
    if wanted is None:
        wanted = [s * n for s, n in zip(stride, image, strict=True)]
    wanted = wanted[-rank:]
    if len(wanted) != rank or min(wanted) < 1 or max(wanted) > LARGEST_PARAMETER:
        raise UserError(f"attribute output_shape {wanted[:16]}; expected {rank} extents")
    # Where windows reach less than is wanted the rest lies behind them.
    totals = [max(f - n, 0) for f, n in zip(full, wanted, strict=True)]
    upper = auto_pad == "SAME_UPPER"
    before = tuple(t // 2 if upper else t - t // 2 for t in totals)
    return before, tuple(wanted)
