"""Parts of tensors: slices, rows by index, and tensors in whose place parts are written."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, DType, Tensor
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.gather import Gather
from midge.graph.ops.slice import Slice
from midge.importers.torch_ops.call import Call, axis_of
from midge.importers.torch_ops.registry import converts

LARGEST_INDEX = (1 << 63) - 1
"""What PyTorch writes for an open end."""


@converts("aten.slice.Tensor", may_alias=True)
def slice_tensor(call: Call) -> Tensor:
    """Every so many elements of a range."""
    x = call.tensor("self")
    axis, begin, end, step = _range(call, x)
    return _sliced(call, x, axis, begin, len(range(begin, end, step)), step)


def _range(call: Call, x: Tensor) -> tuple[int, int, int, int]:
    """Dimension, begin, end and step, ends within the tensor."""
    if not x.shape:
        raise UserError(f"takes a slice of the scalar {x.name}")
    axis, step = axis_of(call.integer("dim", 0), len(x.shape)), call.integer("step", 1)
    extent = x.shape[axis]
    begin, end = call.integer("start", 0), call.integer("end", LARGEST_INDEX)
    if step < 1:
        raise UserError(f"step is {step}; expected at least 1")
    begin, end, _ = slice(begin, end, step).indices(extent)
    return axis, begin, max(begin, end), step


def _sliced(call: Call, x: Tensor, axis: int, begin: int, size: int, step: int) -> Tensor:
    if size < 1:
        raise UnsupportedError(f"takes no element of {x.name}{list(x.shape)}")
    if size == x.shape[axis] and step == 1:
        return x
    rank = len(x.shape)
    taken = tuple(size if d == axis else n for d, n in enumerate(x.shape))
    attributes = Slice(
        begin=tuple(begin if d == axis else 0 for d in range(rank)),
        size=taken,
        step=tuple(step if d == axis else 1 for d in range(rank)),
        shape=taken,
    )
    return call.emit(attributes, x)


@converts("aten.narrow.default", may_alias=True)
def narrow(call: Call) -> Tensor:
    """So many elements from one on."""
    x = call.tensor("self")
    axis, size = axis_of(call.integer("dim"), len(x.shape)), call.integer("length")
    begin = call.integer("start")
    begin = begin + x.shape[axis] if begin < 0 else begin
    return _sliced(call, x, axis, begin, size, 1)


@converts("aten.select.int", may_alias=True)
def select(call: Call) -> Tensor:
    """One index of a dimension, which goes."""
    x = call.tensor("self")
    axis, index = _place(call, x)
    part = _sliced(call, x, axis, index, 1, 1)
    return call.reshaped(part, (*x.shape[:axis], *x.shape[axis + 1 :]))


def _place(call: Call, x: Tensor) -> tuple[int, int]:
    axis, index = axis_of(call.integer("dim"), len(x.shape)), call.integer("index")
    if not x.shape or not -x.shape[axis] <= index < x.shape[axis]:
        raise UserError(f"index {index} of dimension {axis} of {x.name}{list(x.shape)}")
    return axis, index % x.shape[axis]


@converts("aten.slice_scatter.default")
def slice_scatter(call: Call) -> Tensor:
    """The tensor with another in the place of a slice."""
    x, source = call.tensor("self"), call.tensor("src")
    axis, begin, end, step = _range(call, x)
    if step != 1:
        raise UnsupportedError(f"writes every {step} elements; supported: each")
    return _with_part(call, x, source, axis, begin, end)


@converts("aten.select_scatter.default")
def select_scatter(call: Call) -> Tensor:
    """The tensor with another in the place of one index."""
    x, source = call.tensor("self"), call.tensor("src")
    axis, index = _place(call, x)
    part = call.reshaped(source, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    return _with_part(call, x, part, axis, index, index + 1)


def _with_part(call: Call, x: Tensor, part: Tensor, axis: int, begin: int, end: int) -> Tensor:
    expected = (*x.shape[:axis], end - begin, *x.shape[axis + 1 :])
    if part.shape != expected:
        raise UserError(f"writes {list(part.shape)} in the place of {list(expected)}")
    part = call.cast(part, x.dtype)
    extent = x.shape[axis]
    pieces = [part]
    if begin > 0:
        pieces.insert(0, _sliced(call, x, axis, 0, begin, 1))
    if end < extent:
        pieces.append(_sliced(call, x, axis, end, extent - end, 1))
    return part if len(pieces) == 1 else call.emit(Concatenation(axis=axis), *pieces)


@converts("aten.flip.default")
def flip(call: Call) -> Tensor:
    """Dimensions backwards."""
    x = call.tensor("self")
    axes = {axis_of(axis, len(x.shape)) for axis in call.integers("dims")}
    attributes = Slice(
        begin=tuple(n - 1 if d in axes else 0 for d, n in enumerate(x.shape)),
        size=x.shape,
        step=tuple(-1 if d in axes else 1 for d in range(len(x.shape))),
        shape=x.shape,
    )
    return call.emit(attributes, x)


@converts("aten.roll.default")
def roll(call: Call) -> Tensor:
    """What leaves at one end comes in at the other."""
    x = call.tensor("self")
    shifts, named = call.integers("shifts"), call.integers("dims", ())
    y = x if named else call.reshaped(x, (x.size,))
    axes = [axis_of(axis, len(y.shape)) for axis in named] or [0]
    if len(axes) != len(shifts) or not y.shape:
        raise UserError(f"rolls dimensions {list(named)} by {list(shifts)}")
    for axis, shift in zip(axes, shifts, strict=True):
        extent = y.shape[axis]
        at = (extent - shift) % extent
        if at:
            back = _sliced(call, y, axis, at, extent - at, 1)
            y = call.emit(Concatenation(axis=axis), back, _sliced(call, y, axis, 0, at, 1))
    return call.reshaped(y, x.shape)


@converts("aten.embedding.default")
def embedding(call: Call) -> Tensor:
    """Rows of a table."""
    for name in ("padding_idx", "scale_grad_by_freq", "sparse"):
        call.ignore(name)
    table, indices = call.tensor("weight"), _indices(call, call.tensor("indices"))
    return call.emit(Gather(axis=0), table, indices)


@converts("aten.index_select.default")
def index_select(call: Call) -> Tensor:
    """Slices by index."""
    x, indices = call.tensor("self"), _indices(call, call.tensor("index"))
    axis = axis_of(call.integer("dim"), len(x.shape))
    if not x.shape:
        raise UnsupportedError(f"index_select of the scalar {x.name}")
    return call.emit(Gather(axis=axis), x, _wrapped(call, indices, x.shape[axis]))


@converts("aten.index.Tensor", "aten._unsafe_index.Tensor")
def index(call: Call) -> Tensor:
    """By one tensor of indices, or by constant ones of several neighbouring dimensions."""
    x, given = call.tensor("self"), call.optional_tensors("indices")
    axes = [axis for axis, at in enumerate(given) if at is not None]
    found = [_indices(call, at) for at in given if at is not None]
    if not found or len(given) > len(x.shape) or axes != list(range(axes[0], axes[-1] + 1)):
        raise UnsupportedError(f"indexes dimensions {axes} of {x.name}{list(x.shape)} apart")
    first = axes[0]
    extents = x.shape[first : axes[-1] + 1]
    if len(found) == 1:
        return call.emit(Gather(axis=first), x, _wrapped(call, found[0], extents[0]))
    known = np.broadcast_arrays(
        *(_positive(call.known_values(at), n) for at, n in zip(found, extents, strict=True))
    )
    flat = np.ravel_multi_index(tuple(known), extents, mode="clip").astype(np.int32)
    rows = call.reshaped(x, (*x.shape[:first], int(np.prod(extents)), *x.shape[axes[-1] + 1 :]))
    return call.emit(Gather(axis=first), rows, call.vector(flat, "indices"))


def _indices(call: Call, at: Tensor) -> Tensor:
    if at.dtype in (DType.BOOL, DType.FLOAT32):
        raise UnsupportedError(f"indexes by {at.dtype.value}; supported: integers")
    return call.settled(call.cast(at, DType.INT32))


def _wrapped(call: Call, indices: Tensor, extent: int) -> Tensor:
    """Constant indices counted from the front; computed ones are from 0 up, as of an embedding."""
    if not indices.is_constant:
        return indices
    values = np.asarray(indices.data)
    if not values.size or values.min() >= 0:
        return indices
    return call.vector(_positive(values, extent), "indices")


def _positive(values: Array, extent: int) -> npt.NDArray[np.int32]:
    at = values.astype(np.int64)
    if at.size and not -extent <= at.min() <= at.max() < extent:
        raise UserError(f"indices from {at.min()} to {at.max()} of {extent} elements")
    return np.where(at < 0, at + extent, at).astype(np.int32)
