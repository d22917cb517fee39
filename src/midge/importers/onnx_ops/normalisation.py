"""Normalisations, softmax and log_softmax."""

from __future__ import annotations

import math

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Attributes, Tensor
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.div import Div
from midge.graph.ops.elementary_functions import Rsqrt, Sqrt, Square
from midge.graph.ops.extremum import Maximum
from midge.graph.ops.layer_norm import LayerNorm
from midge.graph.ops.log_softmax import LogSoftmax
from midge.graph.ops.mul import Mul
from midge.graph.ops.reductions import Mean, Sum
from midge.graph.ops.sign_and_rounding import Abs
from midge.graph.ops.softmax import Softmax
from midge.importers.onnx_ops.operands import OnnxOp, axes_of, axis_of
from midge.importers.onnx_ops.registry import Converted, converts


def _epsilon(op: OnnxOp) -> float:
    """The attribute: what is added to a variance."""
    found = op.real("epsilon", 1e-5)
    if not 0 <= found < 1:
        raise UserError(f"attribute epsilon is {found:g}; expected from 0 to under 1")
    return found


@converts("BatchNormalization")
def convert_batch_normalization(op: OnnxOp) -> Converted:
    """A product and a sum, whose constants follow from known statistics."""
    op.ignore("momentum")
    if op.flag("training_mode"):
        raise UnsupportedError("training_mode is 1; supported: 0, as in inference")
    if op.has_output(1) or op.has_output(2):
        raise UnsupportedError("gives running statistics; supported: in inference, without")
    x, epsilon = op.float32(0), _epsilon(op)
    if len(x.shape) < 2:
        raise UserError(f"{x.name} has shape {list(x.shape)}; expected [n, c, ...]")
    channels = x.shape[1]
    scale, shift, mean, variance = (op.array(i).astype(np.float64) for i in range(1, 5))
    for values in (scale, shift, mean, variance):
        if values.shape != (channels,):
            raise UserError(f"statistics of shape {list(values.shape)} for {channels} channels")
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + epsilon)
        offset = shift - mean * factor
    shape = (channels, *[1] * (len(x.shape) - 2))
    product = op.emit(Mul(), x, op.constant(factor.reshape(shape), part="factor"), part="mul")
    return op.emit(Add(), product, op.constant(offset.reshape(shape), part="offset"))


def normalised(op: OnnxOp, x: Tensor, axes: tuple[int, ...], epsilon: float) -> Tensor:
    """``(x - mean) / sqrt(variance + epsilon)`` over some dimensions."""
    return _moments(op, x, axes, epsilon)[0]


def _moments(
    op: OnnxOp, x: Tensor, axes: tuple[int, ...], epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The same, the mean, and one over the deviation."""
    mean = op.emit(Mean(axes=axes, keep_dims=True), x, part="mean")
    centred = op.emit(Sub(), x, mean, part="centred")
    squares = op.emit(Square(), centred, part="squares")
    variance = op.emit(Mean(axes=axes, keep_dims=True), squares, part="variance")
    raised = op.emit(Add(), variance, op.constant(epsilon, part="epsilon"), part="raised")
    inverse = op.emit(Rsqrt(), raised, part="rsqrt")
    return op.emit(Mul(), centred, inverse, part="normalised"), mean, inverse


def _channels(op: OnnxOp, values: Tensor, rank: int) -> Tensor:
    """[c] as [c, 1, ...], which broadcasts along the second dimension of that many."""
    return op.builder.reshaped(values, (*values.shape, *[1] * (rank - 2)))


@converts("InstanceNormalization")
def convert_instance_normalization(op: OnnxOp) -> Converted:
    """Over the pixels of each channel."""
    x, scale, shift = op.float32(0), op.float32(1), op.float32(2)
    rank, epsilon = len(x.shape), _epsilon(op)
    if rank < 3 or scale.shape != (x.shape[1],) or shift.shape != (x.shape[1],):
        raise UserError(f"scale {list(scale.shape)}, B {list(shift.shape)} of {list(x.shape)}")
    even = normalised(op, x, tuple(range(2, rank)), epsilon)
    product = op.emit(Mul(), even, _channels(op, scale, rank), part="mul")
    return op.emit(Add(), product, _channels(op, shift, rank))


@converts("GroupNormalization")
def convert_group_normalization(op: OnnxOp) -> Converted:
    """Over the pixels of each group of channels."""
    op.ignore("stash_type")
    x, scale, shift = op.float32(0), op.float32(1), op.float32(2)
    groups, epsilon, rank = op.whole("num_groups"), _epsilon(op), len(x.shape)
    if rank < 3 or groups < 1 or x.shape[1] % groups:
        raise UserError(f"{groups} groups of {x.name}{list(x.shape)}")
    entries = x.shape[1] if op.since >= 21 else groups
    if scale.shape != (entries,) or shift.shape != (entries,):
        raise UserError(f"scale {list(scale.shape)}; expected [{entries}]")
    by_group = op.builder.reshaped(x, (x.shape[0], groups, x.size // x.shape[0] // groups))
    even = normalised(op, by_group, (2,), epsilon)
    if op.since < 21:
        product = op.emit(Mul(), even, _channels(op, scale, 3), part="mul")
        return op.builder.reshaped(op.emit(Add(), product, _channels(op, shift, 3)), x.shape)
    even = op.builder.reshaped(even, x.shape)
    product = op.emit(Mul(), even, _channels(op, scale, rank), part="mul")
    return op.emit(Add(), product, _channels(op, shift, rank))


@converts("LayerNormalization")
def convert_layer_normalization(op: OnnxOp) -> Converted:
    """Over the dimensions from an axis on."""
    if op.whole("stash_type", 1) != 1:
        raise UnsupportedError(f"stash_type {op.whole('stash_type')}; supported: 1, float32")
    x, scale = op.float32(0), op.float32(1)
    alone = not op.has_output(1) and not op.has_output(2)
    shift = op.float32(2) if op.has(2) else None
    axis, epsilon = axis_of(op.whole("axis", -1), len(x.shape)), _epsilon(op)
    rows = x.shape[axis:]
    if alone and all(t is None or (t.is_constant and t.shape == rows) for t in (scale, shift)):
        length = math.prod(rows)
        by_row = op.builder.reshaped(x, (*x.shape[:axis], length))
        gamma, beta = (
            None if t is None else op.builder.reshaped(t, (length,)) for t in (scale, shift)
        )
        y = op.emit(LayerNorm(epsilon=epsilon), by_row, gamma, beta)
        return op.builder.reshaped(y, x.shape)
    even, mean, inverse = _moments(op, x, tuple(range(axis, len(x.shape))), epsilon)
    product = op.emit(Mul(), even, scale, part="mul")
    y = op.emit(Add(), product, shift, part="add") if shift is not None else product
    return y if alone else (y, mean, inverse)


@converts("RMSNormalization")
def convert_rms_normalization(op: OnnxOp) -> Converted:
    """``x / sqrt(mean(x**2) + epsilon) * scale`` over the dimensions from an axis on."""
    if op.whole("stash_type", 1) != 1:
        raise UnsupportedError(f"stash_type {op.whole('stash_type')}; supported: 1, float32")
    x, scale = op.float32(0), op.float32(1)
    axis = axis_of(op.whole("axis", -1), len(x.shape))
    axes = tuple(range(axis, len(x.shape)))
    squares = op.emit(Square(), x, part="squares")
    mean = op.emit(Mean(axes=axes, keep_dims=True), squares, part="mean")
    raised = op.emit(Add(), mean, op.constant(_epsilon(op), part="epsilon"), part="raised")
    even = op.emit(Mul(), x, op.emit(Rsqrt(), raised, part="rsqrt"), part="normalised")
    return op.emit(Mul(), even, scale)


@converts("MeanVarianceNormalization")
def convert_mean_variance_normalization(op: OnnxOp) -> Converted:
    """Over all but the channels, or over the named axes; 1e-9 is added to the deviation."""
    x = op.float32(0)
    axes = tuple(sorted(axes_of(op.wholes("axes") or [0, 2, 3], len(x.shape))))
    mean = op.emit(Mean(axes=axes, keep_dims=True), x, part="mean")
    centred = op.emit(Sub(), x, mean, part="centred")
    squares = op.emit(Square(), centred, part="squares")
    deviation = op.emit(Sqrt(), op.emit(Mean(axes=axes, keep_dims=True), squares, part="variance"))
    raised = op.emit(Add(), deviation, op.constant(1e-9, part="epsilon"), part="raised")
    return op.emit(Div(), centred, raised)


@converts("LpNormalization")
def convert_lp_normalization(op: OnnxOp) -> Converted:
    """Divided by the norm along an axis; zeros where that is 0."""
    x, order = op.float32(0), op.whole("p", 2)
    axis = axis_of(op.whole("axis", -1), len(x.shape))
    if order not in (1, 2):
        raise UserError(f"attribute p is {order}; expected 1 or 2")
    powers = op.emit(Square() if order == 2 else Abs(), x, part="power")
    norm = op.emit(Sum(axes=(axis,), keep_dims=True), powers, part="sum")
    norm = op.emit(Sqrt(), norm, part="norm") if order == 2 else norm
    least = op.constant(np.finfo(np.float32).smallest_subnormal, part="least")
    return op.emit(Div(), x, op.emit(Maximum(), norm, least, part="divisor"))


@converts("Softmax")
def convert_softmax(op: OnnxOp) -> Converted:
    """Along an axis, which is brought to the end."""
    return _along(op, Softmax())


@converts("LogSoftmax")
def convert_log_softmax(op: OnnxOp) -> Converted:
    """Along an axis, which is brought to the end."""
    return _along(op, LogSoftmax())


def _along(op: OnnxOp, made: Attributes) -> Tensor:
    x = op.float32(0)
    rank = len(x.shape)
    axis = axis_of(op.whole("axis", -1), rank)
    order = [d for d in range(rank) if d != axis] + [axis]
    y = op.emit(made, op.builder.transposed(x, order))
    return op.builder.transposed(y, [order.index(d) for d in range(rank)])
