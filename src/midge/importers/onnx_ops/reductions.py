"""Reductions, arg_max and arg_min, running sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, DType, Tensor
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.argument import ArgMax, ArgMin
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.cumsum import Cumsum
from midge.graph.ops.elementary_functions import Exp, Log, Sqrt, Square
from midge.graph.ops.mul import Mul
from midge.graph.ops.reductions import Mean, ReduceAll, ReduceMax, ReduceMin, Sum
from midge.graph.ops.sign_and_rounding import Abs, LogicalNot
from midge.importers.onnx_ops.operands import OnnxOp, axes_of, axis_of
from midge.importers.onnx_ops.parts import sliced
from midge.importers.onnx_ops.registry import Converted, converts

LARGEST_INTEGER_REDUCTION = 1 << 12
"""Elements of a known list of integers that is reduced while a file is read."""
_SUMS = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSum", "ReduceSumSquare"),
)
_OF_INTEGERS: dict[str, Callable[..., Array]] = {
    "ReduceMax": np.max,
    "ReduceMin": np.min,
    "ReduceProd": np.prod,
    "ReduceSum": np.sum,
}


def _axes(op: OnnxOp, rank: int) -> tuple[tuple[int, ...], bool]:
    """The dimensions that go, and whether they stay with extent 1."""
    named = op.integers(1) if op.has(1) else op.wholes("axes") or []
    axes = tuple(sorted(axes_of(named, rank)))
    keep = op.flag("keepdims", default=True)
    if not op.flag("noop_with_empty_axes") and not axes:
        axes = tuple(range(rank))
    return axes, keep


@converts("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", *_SUMS)
def convert_reduction(op: OnnxOp) -> Converted:
    """Of floats; of integers where they are known, or the largest and least of int8."""
    x = op.tensor(0)
    axes, keep = _axes(op, len(x.shape))
    kind = op.record.op_type
    if x.dtype in (DType.INT32, DType.INT64) and x.is_constant and kind in _OF_INTEGERS:
        if x.size > LARGEST_INTEGER_REDUCTION:
            raise UnsupportedError(f"reduces {x.size} integers while the file is read")
        reduced = _OF_INTEGERS[kind](np.asarray(x.data), axis=axes, keepdims=keep)
        return op.constant(reduced, x.dtype.numpy)
    if kind == "ReduceProd":
        return _product(op, op.float32(0), axes, keep=keep)
    if x.dtype is DType.BOOL:
        return _of_bool(op, x, kind, axes, keep=keep)
    if kind in ("ReduceMax", "ReduceMin"):
        made = ReduceMax if kind == "ReduceMax" else ReduceMin
        return op.emit(made(axes=axes, keep_dims=keep), x) if axes else x
    x = op.float32(0)
    if kind == "ReduceMean":
        return op.emit(Mean(axes=axes, keep_dims=keep), x) if axes else x
    return _sum(op, x, kind, axes, keep=keep)


def _of_bool(op: OnnxOp, x: Tensor, kind: str, axes: tuple[int, ...], *, keep: bool) -> Tensor:
    """Whether all are true; any is where not all are false."""
    if not axes:
        return x
    if kind == "ReduceMin":
        return op.emit(ReduceAll(axes=axes, keep_dims=keep), x)
    if kind != "ReduceMax":
        raise UserError(f"input {x.name} is bool; expected numbers")
    none = op.emit(LogicalNot(), x, part="not")
    return op.emit(LogicalNot(), op.emit(ReduceAll(axes=axes, keep_dims=keep), none, part="none"))


def _product(op: OnnxOp, x: Tensor, axes: tuple[int, ...], *, keep: bool) -> Tensor:
    """Halves of a dimension are multiplied with each other until one element is left."""
    kept = [1 if d in axes else n for d, n in enumerate(x.shape) if keep or d not in axes]
    for axis in axes:
        while x.shape[axis] > 1:
            half = x.shape[axis] // 2

            def part(first: int, count: int, x: Tensor = x, axis: int = axis) -> Tensor:
                begin, size = [0] * len(x.shape), list(x.shape)
                begin[axis], size[axis] = first, count
                return sliced(op, x, begin, size, [1] * len(x.shape))

            product = op.emit(Mul(), part(0, half), part(half, half))
            if x.shape[axis] % 2:
                rest = part(2 * half, 1)
                product = op.emit(Concatenation(axis=axis), product, rest, part="rest")
            x = product
    return op.builder.reshaped(x, kept)


def _sum(op: OnnxOp, x: Tensor, kind: str, axes: tuple[int, ...], *, keep: bool) -> Tensor:
    """Of elements, magnitudes, squares or exponentials; then a root or a logarithm."""
    if kind == "ReduceLogSumExp":
        return _log_sum_exp(op, x, axes, keep=keep)
    if kind == "ReduceL1":
        x = op.emit(Abs(), x, part="abs")
    elif kind in ("ReduceL2", "ReduceSumSquare"):
        x = op.emit(Square(), x, part="square")
    total = op.emit(Sum(axes=axes, keep_dims=keep), x) if axes else x
    if kind == "ReduceL2":
        return op.emit(Sqrt(), total, part="root")
    if kind == "ReduceLogSum":
        return op.emit(Log(), total, part="log")
    return total


def _log_sum_exp(op: OnnxOp, x: Tensor, axes: tuple[int, ...], *, keep: bool) -> Tensor:
    """``max + log(sum(exp(x - max)))``, which does not overflow."""
    if not axes:
        return x
    largest = op.emit(ReduceMax(axes=axes, keep_dims=True), x, part="max")
    powers = op.emit(Exp(), op.emit(Sub(), x, largest, part="sub"), part="exp")
    logs = op.emit(Log(), op.emit(Sum(axes=axes, keep_dims=True), powers, part="sum"), part="log")
    y = op.emit(Add(), logs, largest)
    rest = [n for d, n in enumerate(x.shape) if d not in axes]
    return y if keep else op.builder.reshaped(y, rest)


@converts("ArgMax", "ArgMin")
def convert_argument(op: OnnxOp) -> Converted:
    """The first of equals, or the last; int32."""
    x = op.tensor(0)
    axis = axis_of(op.whole("axis", 0), len(x.shape))
    made = ArgMax if op.record.op_type == "ArgMax" else ArgMin
    last = op.flag("select_last_index")
    extent = x.shape[axis]
    if last:
        begin, step = [0] * len(x.shape), [1] * len(x.shape)
        begin[axis], step[axis] = extent - 1, -1
        x = sliced(op, x, begin, list(x.shape), step) if extent > 1 else x
    y = op.emit(made(axis=axis, index_type=DType.INT32), x)
    if last:
        y = op.emit(Sub(), op.constant(extent - 1, np.int32, part="end"), y, part="from_the_front")
    if op.flag("keepdims", default=True):
        y = op.builder.reshaped(y, [1 if d == axis else n for d, n in enumerate(x.shape)])
    return y


@converts("CumSum")
def convert_cumsum(op: OnnxOp) -> Converted:
    """Along a known axis."""
    x = op.float32(0)
    if not x.shape:
        raise UserError(f"{x.name} is a scalar")
    made = Cumsum(
        axis=axis_of(op.integer(1), len(x.shape)),
        exclusive=op.flag("exclusive"),
        reverse=op.flag("reverse"),
    )
    return op.emit(made, x)
