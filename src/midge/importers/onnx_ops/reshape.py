"""The reshape family, and what passes its input through."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.ops.broadcast_to import BroadcastTo
from midge.graph.ops.reshape import Reshape
from midge.importers.onnx_file import HIGHEST_RANK, Constant
from midge.importers.onnx_ops.operands import OnnxOp, axes_of, axis_of
from midge.importers.onnx_ops.registry import Converted, converts


def reshape(op: OnnxOp, x: Tensor, shape: Sequence[int]) -> Tensor:
    """The elements under another shape; nothing is done where it is the same."""
    extents = tuple(int(n) for n in shape)
    return x if extents == x.shape else op.emit(Reshape(shape=extents), x)


@converts("Reshape", keeps_codes=True)
def convert_reshape(op: OnnxOp) -> Converted:
    """0 keeps an extent, -1 is what is left."""
    x, shape = op.tensor(0), op.integers(1)
    if len(shape) > HIGHEST_RANK:
        raise UserError(f"to {len(shape)} dimensions; up to {HIGHEST_RANK} are supported")
    if not op.flag("allowzero"):
        if any(n == 0 and d >= len(x.shape) for d, n in enumerate(shape)):
            raise UserError(f"shape {shape} keeps a dimension that {list(x.shape)} has not")
        shape = [x.shape[d] if n == 0 else n for d, n in enumerate(shape)]
    if shape.count(-1) > 1 or any(n < -1 or n == 0 for n in shape):
        raise UserError(f"shape {shape}; expected extents from 1 and at most one -1")
    if -1 in shape:
        known = math.prod(n for n in shape if n != -1)
        if x.size % known:
            raise UserError(f"{x.size} elements of {x.name} do not suit shape {shape}")
        shape[shape.index(-1)] = x.size // known
    return reshape(op, x, shape)


@converts("Flatten", keeps_codes=True)
def convert_flatten(op: OnnxOp) -> Converted:
    """A matrix: the dimensions in front of an axis, and those from it on."""
    x, axis = op.tensor(0), op.whole("axis", 1)
    rank = len(x.shape)
    if not -rank <= axis <= rank:
        raise UserError(f"axis {axis} of {x.name}{list(x.shape)}")
    axis = axis + rank if axis < 0 else axis
    return reshape(op, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@converts("Squeeze", keeps_codes=True)
def convert_squeeze(op: OnnxOp) -> Converted:
    """Without dimensions of extent 1: those that are named, or all."""
    x = op.tensor(0)
    rank = len(x.shape)
    if op.has(1):
        axes = axes_of(op.integers(1), rank)
        if any(x.shape[axis] != 1 for axis in axes):
            raise UserError(f"axes {list(axes)} of {x.name}{list(x.shape)} are not all of extent 1")
    else:
        axes = tuple(d for d, n in enumerate(x.shape) if n == 1)
    return reshape(op, x, [n for d, n in enumerate(x.shape) if d not in axes])


@converts("Unsqueeze", keeps_codes=True)
def convert_unsqueeze(op: OnnxOp) -> Converted:
    """With further dimensions of extent 1."""
    x, named = op.tensor(0), op.integers(1)
    rank = len(x.shape) + len(named)
    if rank > HIGHEST_RANK:
        raise UserError(f"to {rank} dimensions; up to {HIGHEST_RANK} are supported")
    axes = axes_of(named, rank)
    rest = iter(x.shape)
    return reshape(op, x, [1 if d in axes else next(rest) for d in range(rank)])


@converts("Transpose", keeps_codes=True)
def convert_transpose(op: OnnxOp) -> Converted:
    """Dimensions in another order, by default the reverse one."""
    x = op.tensor(0)
    order = op.wholes("perm")
    if order is None:
        order = list(range(len(x.shape)))[::-1]
    if sorted(order) != list(range(len(x.shape))):
        raise UserError(f"attribute perm {order[:16]} is no order of {len(x.shape)} dimensions")
    return op.builder.transposed(x, order)


@converts("Expand", keeps_codes=True)
def convert_expand(op: OnnxOp) -> Converted:
    """Repeated along dimensions that are missing or of extent 1, of either shape."""
    x, shape = op.tensor(0), op.integers(1)
    if len(shape) > HIGHEST_RANK or any(n < 1 for n in shape):
        raise UserError(f"shape {shape[:16]}; expected up to {HIGHEST_RANK} extents of at least 1")
    length = max(len(shape), len(x.shape))
    pairs = zip(
        (*[1] * (length - len(x.shape)), *x.shape),
        (*[1] * (length - len(shape)), *shape),
        strict=True,
    )
    extents = []
    for own, wanted in pairs:
        if 1 not in (own, wanted) and own != wanted:
            raise UserError(f"{x.name}{list(x.shape)} does not broadcast with {shape}")
        extents.append(max(own, wanted))
    if tuple(extents) == x.shape:
        return x
    return op.emit(BroadcastTo(shape=tuple(extents)), x)


@converts("Identity", keeps_codes=True)
def convert_identity(op: OnnxOp) -> Converted:
    """Its input."""
    return op.value(0)


@converts("Dropout")
def convert_dropout(op: OnnxOp) -> Converted:
    """Its input, as in inference; the mask says that everything is kept."""
    op.ignore("seed")
    if op.has(2) and op.array(2).any():
        raise UnsupportedError("training_mode is true; supported: inference")
    value = op.value(0)
    if not op.has_output(1):
        return value
    shape = value.data.shape if isinstance(value, Constant) else value.shape
    one = op.constant(np.True_, np.bool_, part="kept")
    mask = op.emit(BroadcastTo(shape=shape), one, part="mask") if shape else one
    return value, mask


def as_axis(op: OnnxOp, name: str, default: int | None, rank: int) -> int:
    """An attribute that names a dimension, counted from the front."""
    return axis_of(op.whole(name, default), rank)
