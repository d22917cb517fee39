"""What a graph's operators do with tensors of PyTorch: differentiable, on float32.

`OPERATORS` is the table, by kind. The meaning is the interpreter's up to the order of sums.
Operators that only move elements need no entry: where each element of the output comes from is
asked of the interpreter once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the conventional name
from torch import Tensor

from midge.errors import UserError
from midge.graph import Activation, Array, DType, Op
from midge.graph import Tensor as GraphTensor
from midge.graph.movement import Movement

Operands = Sequence[Any]
"""Tensors, None where an optional one is left out."""
Operator = Callable[[Any, Operands, GraphTensor], Tensor]
"""(attributes, operands, the first output) -> the output."""

_CLAMPS: dict[Activation, tuple[float, float | None]] = {
    Activation.RELU: (0.0, None),
    Activation.RELU6: (0.0, 6.0),
    Activation.RELU_N1_TO_1: (-1.0, 1.0),
}
_CHANNELS_FIRST, _CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def _activated(y: Tensor, attributes: Any) -> Tensor:
    """Behind the clamp that is fused into the operator."""
    ends = _CLAMPS.get(getattr(attributes, "activation", Activation.NONE))
    return y if ends is None else y.clamp(*ends)


def _padded(x: Tensor, attributes: Any, fill: float = 0.0) -> Tensor:
    """An image [n, c, h, w] with its padding."""
    (top, left), (bottom, right) = attributes.pad_before, attributes.pad_after
    if not any((top, left, bottom, right)):
        return x
    return F.pad(x, (left, right, top, bottom), value=fill)


def _conv_2d(a: Any, v: Operands, _: GraphTensor) -> Tensor:
    x, w, bias = v[0].permute(_CHANNELS_FIRST), v[1].permute(_CHANNELS_FIRST), _optional(v, 2)
    groups = x.shape[1] // w.shape[1]
    y = F.conv2d(_padded(x, a), w, bias, a.stride, 0, a.dilation, groups)
    return _activated(y.permute(_CHANNELS_LAST), a)


def _depthwise_conv_2d(a: Any, v: Operands, _: GraphTensor) -> Tensor:
    x, w = v[0].permute(_CHANNELS_FIRST), v[1].permute(3, 0, 1, 2)
    y = F.conv2d(_padded(x, a), w, _optional(v, 2), a.stride, 0, a.dilation, x.shape[1])
    return _activated(y.permute(_CHANNELS_LAST), a)


def _transpose_conv(a: Any, v: Operands, _: GraphTensor) -> Tensor:
    x, w, bias = v[0].permute(_CHANNELS_FIRST), v[1].permute(3, 0, 1, 2), _optional(v, 2)
    whole = F.conv_transpose2d(x, w, None, a.stride)
    (top, left), (height, width) = a.pad_before, a.extent
    # What the kernel does not reach is the bias alone.
    beyond = max(0, top + height - whole.shape[2]), max(0, left + width - whole.shape[3])
    y = F.pad(whole, (0, beyond[1], 0, beyond[0]))[:, :, top : top + height, left : left + width]
    y = y.permute(_CHANNELS_LAST)
    return _activated(y if bias is None else y + bias, a)


def _fully_connected(a: Any, v: Operands, y: GraphTensor) -> Tensor:
    rows = v[0].reshape(-1, v[1].shape[1])
    return _activated(F.linear(rows, v[1], _optional(v, 2)).reshape(y.shape), a)


def _batch_matmul(a: Any, v: Operands, _: GraphTensor) -> Tensor:
    x = v[0].transpose(-1, -2) if a.adj_x else v[0]
    return x @ (v[1].transpose(-1, -2) if a.adj_y else v[1])


def _max_pool_2d(a: Any, v: Operands, _: GraphTensor) -> Tensor:
    x = _padded(v[0].permute(_CHANNELS_FIRST), a, float("-inf"))
    return _activated(F.max_pool2d(x, a.kernel, a.stride).permute(_CHANNELS_LAST), a)


def _average_pool_2d(a: Any, v: Operands, _: GraphTensor) -> Tensor:
    x = v[0].permute(_CHANNELS_FIRST)
    y = F.avg_pool2d(_padded(x, a), a.kernel, a.stride)
    if any((*a.pad_before, *a.pad_after)):
        inside = F.avg_pool2d(_padded(torch.ones_like(x[:, :1]), a), a.kernel, a.stride)
        y = y / inside
    return _activated(y.permute(_CHANNELS_LAST), a)


def _resize_bilinear(a: Any, v: Operands, y: GraphTensor) -> Tensor:
    if not (a.align_corners or a.half_pixel_centers):
        raise UserError("resizes with neither align_corners nor half_pixel_centers")
    x, size = v[0].permute(_CHANNELS_FIRST), y.shape[1:3]
    made = F.interpolate(x, size, mode="bilinear", align_corners=a.align_corners)
    return made.permute(_CHANNELS_LAST)


def _layer_norm(a: Any, v: Operands, _: GraphTensor) -> Tensor:
    return F.layer_norm(v[0], v[0].shape[-1:], _optional(v, 1), _optional(v, 2), a.epsilon)


def _gru(a: Any, v: Operands, _: GraphTensor) -> Tensor:
    x = v[0] if a.time_major else v[0].transpose(0, 1)
    weights, recurrent = v[1], v[2]
    units = recurrent.shape[1]
    sums = F.linear(x, weights, _optional(v, 3))
    first, bias = _optional(v, 5), _optional(v, 4)
    hidden = x.new_zeros(x.shape[1], units) if first is None else first.reshape(-1, units)
    steps = []
    for step in range(x.shape[0]):
        r, z, n = sums[step].split(units, -1)
        if a.linear_before_reset:
            of_r, of_z, of_n = F.linear(hidden, recurrent, bias).split(units, -1)
            reset = torch.sigmoid(r + of_r)
            new = torch.tanh(n + reset * of_n)
        else:
            both = None if bias is None else bias[: 2 * units]
            of_r, of_z = F.linear(hidden, recurrent[: 2 * units], both).split(units, -1)
            reset = torch.sigmoid(r + of_r)
            last = None if bias is None else bias[2 * units :]
            new = torch.tanh(n + F.linear(reset * hidden, recurrent[2 * units :], last))
        hidden = new + torch.sigmoid(z + of_z) * (hidden - new)
        steps.append(hidden)
    return torch.stack(steps, 0 if a.time_major else 1)


def _lstm(a: Any, v: Operands, _: GraphTensor) -> Tensor:
    x = v[0] if a.time_major else v[0].transpose(0, 1)
    weights, recurrent, biases = torch.cat(v[1:5]), torch.cat(v[5:9]), torch.cat(v[9:13])
    units = v[5].shape[1]
    sums = F.linear(x, weights, biases)
    hidden = x.new_zeros(x.shape[1], units)
    cell = hidden
    steps = []
    for step in range(x.shape[0]):
        i, f, g, o = (sums[step] + F.linear(hidden, recurrent)).split(units, -1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        if a.cell_clip > 0:
            cell = cell.clamp(-a.cell_clip, a.cell_clip)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        steps.append(hidden)
    return torch.stack(steps, 0 if a.time_major else 1)


def _gather(a: Any, v: Operands, y: GraphTensor) -> Tensor:
    if a.batch_dims:
        raise UserError("gathers with batch_dims")
    indices = v[1].reshape(-1).long()
    return v[0].index_select(a.axis, indices).reshape(y.shape)


def _mean(a: Any, v: Operands, _: GraphTensor) -> Tensor:
    return v[0].mean(a.axes, a.keep_dims) if a.axes else v[0]


def _sum(a: Any, v: Operands, _: GraphTensor) -> Tensor:
    return v[0].sum(a.axes, a.keep_dims) if a.axes else v[0]


def _pad(a: Any, v: Operands, _: GraphTensor) -> Tensor:
    ends = [e for pair in zip(reversed(a.before), reversed(a.after), strict=True) for e in pair]
    return F.pad(v[0], ends)


def _optional(v: Operands, index: int) -> Tensor | None:
    return v[index] if index < len(v) else None


def _of_one(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda _a, v, _y: function(v[0])


def _of_two(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda a, v, _y: _activated(function(v[0], v[1]), a)


OPERATORS: dict[str, Operator] = {
    "conv_2d": _conv_2d,
    "depthwise_conv_2d": _depthwise_conv_2d,
    "transpose_conv": _transpose_conv,
    "fully_connected": _fully_connected,
    "batch_matmul": _batch_matmul,
    "max_pool_2d": _max_pool_2d,
    "average_pool_2d": _average_pool_2d,
    "resize_bilinear": _resize_bilinear,
    "layer_norm": _layer_norm,
    "gru": _gru,
    "lstm": _lstm,
    "gather": _gather,
    "mean": _mean,
    "sum": _sum,
    "reduce_max": lambda a, v, _: v[0].amax(a.axes, a.keep_dims),
    "reduce_min": lambda a, v, _: v[0].amin(a.axes, a.keep_dims),
    "pad": _pad,
    "reshape": lambda _a, v, y: v[0].reshape(y.shape),
    "transpose": lambda a, v, _: v[0].permute(a.permutation),
    "concatenation": lambda a, v, _: _activated(torch.cat(list(v), a.axis), a),
    "softmax": lambda a, v, _: F.softmax(a.beta * v[0], -1),
    "log_softmax": _of_one(lambda x: F.log_softmax(x, -1)),
    "l2_normalization": lambda a, v, _: _activated(F.normalize(v[0], dim=-1, eps=1e-6), a),
    "prelu": lambda _a, v, _y: torch.where(v[0] >= 0, v[0], v[0] * v[1]),
    "add": _of_two(torch.add),
    "sub": _of_two(torch.sub),
    "mul": _of_two(torch.mul),
    "div": _of_two(torch.div),
    "squared_difference": _of_two(lambda x, y: (x - y) ** 2),
    "minimum": _of_two(torch.minimum),
    "maximum": _of_two(torch.maximum),
    "relu": _of_one(F.relu),
    "relu6": _of_one(lambda x: x.clamp(0, 6)),
    "relu_n1_to_1": _of_one(lambda x: x.clamp(-1, 1)),
    "leaky_relu": lambda a, v, _: F.leaky_relu(v[0], a.alpha),
    "elu": _of_one(F.elu),
    "gelu": lambda a, v, _: F.gelu(v[0], approximate="tanh" if a.approximate else "none"),
    "silu": _of_one(F.silu),
    "mish": _of_one(F.mish),
    "softplus": _of_one(F.softplus),
    "hard_swish": _of_one(lambda x: x * (x + 3).clamp(0, 6) / 6),
    "hard_sigmoid": lambda a, v, _: (a.alpha * v[0] + a.beta).clamp(0, 1),
    "logistic": _of_one(torch.sigmoid),
    "tanh": _of_one(torch.tanh),
    "erf": _of_one(torch.erf),
    "exp": _of_one(torch.exp),
    "log": _of_one(torch.log),
    "sqrt": _of_one(torch.sqrt),
    "rsqrt": _of_one(torch.rsqrt),
    "square": _of_one(torch.square),
    "sin": _of_one(torch.sin),
    "cos": _of_one(torch.cos),
    "abs": _of_one(torch.abs),
    "neg": _of_one(torch.neg),
    "cast": lambda _a, v, y: v[0].to(torch.float32 if y.dtype is DType.FLOAT32 else torch.int64),
    "read_variable": _of_one(lambda x: x),
}


def is_known(op: Op) -> bool:
    """Whether `run` has the operator."""
    return op.kind in OPERATORS or isinstance(op.attributes, Movement)


def run(
    op: Op, operands: Operands, inputs: Sequence[GraphTensor | None], outputs: Sequence[GraphTensor]
) -> tuple[Tensor, ...]:
    """One operator.

    Args:
        op: Of a kind that `is_known`.
        operands: Of the shapes that the graph says.
        inputs: The graph's tensors that they stand for.
        outputs: Likewise of the outputs.

    Raises:
        UserError: an attribute has a value for which there is no meaning here.
    """
    known = OPERATORS.get(op.kind)
    if known is not None:
        return (known(op.attributes, operands, outputs[0]),)
    flat = torch.cat([v.reshape(-1) for v in operands if v is not None])
    return tuple(
        flat.index_select(0, torch.from_numpy(source.reshape(-1)).to(flat.device)).reshape(y.shape)
        for source, y in zip(_sources(op, inputs, outputs), outputs, strict=True)
    )


def _sources(
    op: Op, inputs: Sequence[GraphTensor | None], outputs: Sequence[GraphTensor]
) -> list[Array]:
    """For each element of the outputs of what moves elements: its place among all inputs'."""
    numbered: list[GraphTensor | None] = []
    places: list[Array | None] = []
    count = 0
    for x in inputs:
        if x is None:
            numbered.append(None)
            places.append(None)
            continue
        numbered.append(GraphTensor(x.name, x.shape, DType.INT32))
        places.append(np.arange(count, count + x.size, dtype=np.int32).reshape(x.shape))
        count += x.size
    made = [GraphTensor(y.name, y.shape, DType.INT32) for y in outputs]
    found = op.attributes.evaluate(places, numbered, made)
    return [np.asarray(place, np.int64) for place in found]
