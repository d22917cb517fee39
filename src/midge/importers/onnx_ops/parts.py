"""Parts of tensors: Concat, Split, Slice, Gather, Tile, DepthToSpace, SpaceToDepth."""

from __future__ import annotations

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import DType, Tensor
from midge.graph.ops.add import Add
from midge.graph.ops.argument import ArgMax, ArgMin
from midge.graph.ops.broadcast_to import Tile
from midge.graph.ops.comparison import Less
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.gather import Gather
from midge.graph.ops.mul import Mul
from midge.graph.ops.slice import Slice
from midge.graph.ops.space import DepthToSpace, SpaceToDepth
from midge.graph.ops.split import Split
from midge.importers.onnx_file import Constant
from midge.importers.onnx_ops.constants import code_of
from midge.importers.onnx_ops.elementwise_binary import alike
from midge.importers.onnx_ops.operands import OnnxOp, axes_of
from midge.importers.onnx_ops.registry import Converted, converts
from midge.importers.onnx_ops.reshape import as_axis

MOST_PARTS = 1 << 10
"""Outputs of a split."""


@converts("Concat", keeps_codes=True)
def convert_concat(op: OnnxOp) -> Converted:
    """The inputs one behind the other; empty constants are dropped."""
    indices = [i for i in range(op.count) if not _is_empty(op, i)]
    if not indices:
        raise UserError("has no inputs")
    operands = alike(op, [op.tensor(i) for i in indices])
    axis = as_axis(op, "axis", None, len(operands[0].shape))
    if len(operands) == 1:
        return operands[0]
    return op.emit(Concatenation(axis=axis), *operands)


def _is_empty(op: OnnxOp, index: int) -> bool:
    value = op.value(index)
    return isinstance(value, Constant) and value.data.size == 0


@converts("Split", keeps_codes=True)
def convert_split(op: OnnxOp) -> Converted:
    """Pieces of known sizes, or as many equal ones as there are outputs; the last may be less."""
    x = op.tensor(0)
    axis = as_axis(op, "axis", 0, len(x.shape))
    count = len(op.record.outputs)
    if not 1 <= count <= MOST_PARTS:
        raise UnsupportedError(f"into {count} pieces; supported: 1 to {MOST_PARTS}")
    if op.whole("num_outputs", count) != count:
        raise UserError(f"attribute num_outputs is {op.whole('num_outputs')}, outputs are {count}")
    if op.has(1):
        sizes = op.integers(1)
    else:
        extent = x.shape[axis]
        size = -(-extent // count)
        sizes = [size] * (count - 1) + [extent - size * (count - 1)]
    if len(sizes) != count or min(sizes) < 0:
        raise UserError(f"sizes {sizes[:16]} for {count} outputs; expected one each")
    full = tuple(size for size in sizes if size)
    pieces = iter(op.emit_all(Split(axis=axis, sizes=full), x) if len(full) > 1 else (x,))
    rest = [[*x.shape[:axis], 0, *x.shape[axis + 1 :]]] * count
    return tuple(
        next(pieces) if size else _empty(op, index, x, rest[index])
        for index, size in enumerate(sizes)
    )


@converts("Slice", keeps_codes=True)
def convert_slice(op: OnnxOp) -> Converted:
    """From starts to ends in steps along the named axes; ends beyond the tensor are cut."""
    x = op.tensor(0)
    rank = len(x.shape)
    starts, ends = op.integers(1), op.integers(2)
    axes = axes_of(op.integers(3) if op.has(3) else list(range(len(starts))), rank)
    steps = op.integers(4) if op.has(4) else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise UserError(
            f"has {len(starts)} starts, {len(ends)} ends, {len(axes)} axes and {len(steps)} steps"
        )
    begin, size, step = [0] * rank, list(x.shape), [1] * rank
    for axis, start, end, stride in zip(axes, starts, ends, steps, strict=True):
        if stride == 0:
            raise UserError("a step is 0")
        # Python's own slices clamp as ONNX says.
        taken = range(x.shape[axis])[start:end:stride]
        if not taken and x.is_constant:
            size[axis] = 0
            continue
        if not taken:
            raise UnsupportedError(f"leaves nothing of dimension {axis} of {x.name}{list(x.shape)}")
        begin[axis], size[axis] = taken[0], len(taken)
        step[axis] = taken.step if len(taken) > 1 else 1
    if 0 in size:
        return _empty(op, 0, x, size)
    return sliced(op, x, begin, size, step)


def _empty(op: OnnxOp, index: int, x: Tensor, shape: list[int]) -> Constant:
    """Nothing: of no use but to be joined to something, which drops it."""
    data = np.zeros(shape, x.dtype.numpy)
    return Constant(op.record.outputs[index], data, code_of(x.dtype))


def sliced(op: OnnxOp, x: Tensor, begin: list[int], size: list[int], step: list[int]) -> Tensor:
    """That part of x; x itself where it is all of it."""
    if tuple(size) == x.shape and all(s == 1 or n == 1 for s, n in zip(step, size, strict=True)):
        return x
    made = Slice(begin=tuple(begin), size=tuple(size), step=tuple(step), shape=tuple(size))
    return op.emit(made, x)


@converts("Gather")
def convert_gather(op: OnnxOp) -> Converted:
    """Slices at indices, which may count from the end; one known index is a slice."""
    x = op.tensor(0)
    axis = as_axis(op, "axis", 0, len(x.shape))
    extent = x.shape[axis]
    if op.is_known(1):
        found = op.array(1)
        if found.dtype.kind not in "iu" or found.size == 0:
            raise UserError(f"indices are {found.dtype}{list(found.shape)}; expected integers")
        low, high = int(found.min()), int(found.max())
        if low < -extent or high >= extent:
            raise UserError(f"indices from {low} to {high} of {extent} slices")
        whole = found.astype(np.int64)
        positive = np.where(whole < 0, whole + extent, whole).astype(np.int32)
        if positive.ndim == 0:
            rest = [n for d, n in enumerate(x.shape) if d != axis]
            begin, size = [0] * len(x.shape), list(x.shape)
            begin[axis], size[axis] = int(positive), 1
            part = sliced(op, x, begin, size, [1] * len(x.shape))
            return op.builder.reshaped(part, rest)
        indices = op.constant(positive, np.int32, part="indices")
        return op.emit(Gather(axis=axis), x, indices)
    return op.emit(Gather(axis=axis), x, _from_the_front(op, op.tensor(1), extent))


def _from_the_front(op: OnnxOp, indices: Tensor, extent: int) -> Tensor:
    """Computed indices with the extent added to those under 0."""
    narrow = op.cast(indices, DType.INT32)
    producer = op.builder.producer(indices)
    if producer is not None and isinstance(producer.attributes, ArgMax | ArgMin):
        return narrow
    zero = op.constant(0, np.int32, part="zero")
    negative = op.cast(op.emit(Less(), narrow, zero, part="negative"), DType.INT32)
    end = op.constant(extent, np.int32, part="extent")
    return op.emit(Add(), narrow, op.emit(Mul(), negative, end, part="offset"), part="indices")


@converts("Tile", keeps_codes=True)
def convert_tile(op: OnnxOp) -> Converted:
    """As often as said along each dimension."""
    x, repeats = op.tensor(0), op.integers(1)
    if len(repeats) != len(x.shape) or any(n < 1 for n in repeats):
        raise UserError(f"repeats {repeats[:16]} of {x.name}{list(x.shape)}")
    return op.emit(Tile(multiples=tuple(repeats)), x) if max(repeats, default=1) > 1 else x


def _blocks(op: OnnxOp) -> tuple[Tensor, int]:
    x, block = op.tensor(0), op.whole("blocksize")
    if len(x.shape) != 4 or block < 1:
        raise UserError(f"blocks of {block} of {x.name}{list(x.shape)}; expected [n, c, h, w]")
    return x, block


def _mode(op: OnnxOp) -> str:
    mode = op.text("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise UserError(f"attribute mode is {mode!r}; expected 'DCR' or 'CRD'")
    return mode


@converts("DepthToSpace", keeps_codes=True)
def convert_depth_to_space(op: OnnxOp) -> Converted:
    """Channels as blocks of pixels: the place in a block outside (DCR) or inside (CRD)."""
    x, block = _blocks(op)
    mode = _mode(op)
    batch, channels, height, width = x.shape
    if channels % block**2:
        raise UserError(f"{channels} channels are no blocks of {block} x {block}")
    if mode == "CRD":
        split = (batch, channels // block**2, block**2, height, width)
        turned = op.builder.transposed(op.builder.reshaped(x, split), (0, 2, 1, 3, 4))
        x = op.builder.reshaped(turned, x.shape)
    y = op.emit(DepthToSpace(block=block), op.builder.channels_last(x))
    return op.builder.channels_first(y)


@converts("SpaceToDepth", keeps_codes=True)
def convert_space_to_depth(op: OnnxOp) -> Converted:
    """Blocks of pixels as channels: the place in a block outside (DCR) or inside (CRD)."""
    x, block = _blocks(op)
    mode = _mode(op)
    made = op.emit(SpaceToDepth(block=block), op.builder.channels_last(x))
    y = op.builder.channels_first(made)
    if mode == "DCR":
        return y
    split = op.builder.reshaped(y, (y.shape[0], block**2, x.shape[1], *y.shape[2:]))
    return op.builder.reshaped(op.builder.transposed(split, (0, 2, 1, 3, 4)), y.shape)
