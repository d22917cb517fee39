"""Parts of a tensor: SLICE, STRIDED_SLICE, SPLIT, SPLIT_V, UNPACK, GATHER."""

from __future__ import annotations

from collections.abc import Sequence

import tflite

from midge.errors import UnsupportedError, UserError
from midge.graph.ops.gather import Gather
from midge.graph.ops.slice import Slice
from midge.graph.ops.split import Split, Unpack
from midge.importers.tflite_ops.axes import expect_inputs
from midge.importers.tflite_ops.constant_inputs import integers, one_integer, resolved
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts


@converts("SLICE", Slice)
def slice_(op: Operands) -> Converted:
    """A size of -1 reaches to the end."""
    expect_inputs(op, 3)
    x = op.input(0)
    begin, size = (integers(op, i, len(x.shape)) for i in (1, 2))
    sizes = tuple(
        extent - b if n == -1 else n for extent, b, n in zip(x.shape, begin, size, strict=True)
    )
    return Slice(begin=begin, size=sizes, step=(1,) * len(sizes), shape=sizes), (x,)


@converts("STRIDED_SLICE", Slice)
def strided_slice(op: Operands) -> Converted:
    """Begins, ends and strides, with masks that make exceptions of some of them.

    Where the ellipsis stands, or where entries are missing at the end, dimensions are whole.
    TFLite Micro overlooks the ellipsis and new axes, and expects an entry for each dimension.
    """
    expect_inputs(op, 4)
    x, options = op.input(0), op.options(tflite.StridedSliceOptions)
    begin = integers(op, 1)
    end, strides = (integers(op, i, len(begin)) for i in (2, 3))
    if options.Offset():
        raise UnsupportedError("ends that are counted from the begin are not supported")

    def marked(mask: int) -> list[bool]:
        return [bool(mask >> i & 1) for i in range(len(begin))]

    ellipsis, new_axis = marked(options.EllipsisMask()), marked(options.NewAxisMask())
    from_start, to_end = marked(options.BeginMask()), marked(options.EndMask())
    shrink = marked(options.ShrinkAxisMask())
    named = sum(not (e or n) for e, n in zip(ellipsis, new_axis, strict=True))
    rank = len(x.shape)
    if sum(ellipsis) > 1 or named > rank:
        raise UserError(
            f"names {named} dimensions of {x.name}{list(x.shape)} and {sum(ellipsis)} ellipses"
        )
    cuts: list[tuple[int, int, int]] = []
    shape: list[int] = []

    def whole(count: int) -> None:
        for extent in x.shape[len(cuts) : len(cuts) + count]:
            cuts.append((0, extent, 1))
            shape.append(extent)

    for i in range(len(begin)):
        if ellipsis[i]:
            whole(rank - named)
        elif new_axis[i]:
            shape.append(1)
        else:
            extent = x.shape[len(cuts)]
            first = None if from_start[i] else begin[i]
            last = None if to_end[i] else end[i]
            cut = _taken(extent, first, last, strides[i], single=shrink[i])
            cuts.append(cut)
            if not shrink[i]:
                shape.append(cut[1])
    whole(rank - len(cuts))
    starts, sizes, steps = zip(*cuts, strict=True) if cuts else ((), (), ())
    return Slice(begin=starts, size=sizes, step=steps, shape=tuple(shape)), (x,)


def _taken(
    extent: int, begin: int | None, end: int | None, stride: int, *, single: bool
) -> tuple[int, int, int]:
    """One dimension's first index, number of indices and step (TFLM `strided_slice_logic.h`).

    Args:
        extent: Of the dimension.
        begin: The first index, from the end where negative; None for the first of all.
        end: The first that is left out; None for none.
        stride: From one to the next.
        single: One index is taken, and the dimension goes away.
    """
    if not stride or (single and stride < 0):
        raise UserError(f"stride {stride} of a dimension of {extent}")
    low, high = (0, extent) if stride > 0 else (-1, extent - 1)

    def clamped(index: int) -> int:
        return min(max(index + extent if index < 0 else index, low), high)

    first = (0 if stride > 0 else high) if begin is None else clamped(begin)
    if single:
        if first >= extent:
            raise UserError(f"index {begin} is outside a dimension of {extent}")
        return first, 1, 1
    last = (high if stride > 0 else low) if end is None else clamped(end)
    count = -((first - last) // stride)
    if count < 1:
        raise UserError(f"no index from {begin} to {end} by {stride} in a dimension of {extent}")
    return first, count, stride if count > 1 else 1


@converts("SPLIT", Split)
def split(op: Operands) -> Converted:
    """Equal pieces; the axis comes first."""
    expect_inputs(op, 2)
    x = op.input(1)
    axis = resolved(one_integer(op, 0), len(x.shape))
    count = op.options(tflite.SplitOptions).NumSplits()
    if count != len(op.outputs) or count < 1 or x.shape[axis] % count:
        raise UserError(
            f"splits dimension {axis} of {x.name}{list(x.shape)} into {count} equal pieces for "
            f"{len(op.outputs)} outputs"
        )
    return Split(axis=axis, sizes=(x.shape[axis] // count,) * count), (x,)


@converts("SPLIT_V", Split)
def split_v(op: Operands) -> Converted:
    """Pieces of given sizes, of which one may be -1: what is left."""
    expect_inputs(op, 3)
    x = op.input(0)
    axis = resolved(one_integer(op, 2), len(x.shape))
    sizes = integers(op, 1, len(op.outputs))
    return Split(axis=axis, sizes=_with_rest(sizes, x.shape[axis])), (x,)


def _with_rest(sizes: Sequence[int], extent: int) -> tuple[int, ...]:
    if list(sizes).count(-1) > 1:
        raise UserError(f"sizes {list(sizes)} have more than one -1")
    rest = extent - sum(size for size in sizes if size != -1)
    return tuple(rest if size == -1 else size for size in sizes)


@converts("UNPACK", Unpack)
def unpack(op: Operands) -> Converted:
    """An output for each index of the axis."""
    expect_inputs(op, 1)
    x, options = op.input(0), op.options(tflite.UnpackOptions)
    if options.Num() != len(op.outputs):
        raise UserError(f"unpacks {options.Num()} values; has {len(op.outputs)} outputs")
    return Unpack(axis=resolved(options.Axis(), len(x.shape))), (x,)


@converts("GATHER", Gather)
def gather(op: Operands) -> Converted:
    """Axis and batch dimensions may count from the end, of the input and of the indices."""
    expect_inputs(op, 2)
    x, indices, options = op.input(0), op.input(1), op.options(tflite.GatherOptions)
    batch_dims = options.BatchDims()
    if batch_dims < 0:
        batch_dims += len(indices.shape)
    return Gather(axis=resolved(options.Axis(), len(x.shape)), batch_dims=batch_dims), (x, indices)
