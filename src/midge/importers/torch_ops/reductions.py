"""Tensors made smaller along some dimensions."""

from __future__ import annotations

import math

from midge.errors import UnsupportedError, UserError
from midge.graph import Attributes, DType, Tensor
from midge.graph.ops.add import Sub
from midge.graph.ops.argument import ArgMax, ArgMin, Argument
from midge.graph.ops.cumsum import Cumsum
from midge.graph.ops.elementary_functions import Sqrt, Square
from midge.graph.ops.mul import Mul
from midge.graph.ops.reductions import Mean, ReduceAll, ReduceMax, ReduceMin, Reduction, Sum
from midge.graph.ops.sign_and_rounding import Abs, LogicalNot
from midge.importers.torch_ops.call import Call, axis_of
from midge.importers.torch_ops.registry import Converted, converts


@converts("aten.mean.default", "aten.mean.dim")
def mean(call: Call) -> Tensor:
    """Of float32."""
    return _reduced(call, Mean)


@converts("aten.sum.default", "aten.sum.dim_IntList")
def total(call: Call) -> Tensor:
    """Of float32."""
    return _reduced(call, Sum)


@converts("aten.amax.default")
def amax(call: Call) -> Tensor:
    """The largest."""
    return _reduced(call, ReduceMax)


@converts("aten.amin.default")
def amin(call: Call) -> Tensor:
    """The least."""
    return _reduced(call, ReduceMin)


@converts("aten.max.default")
def max_of_all(call: Call) -> Tensor:
    """The largest."""
    return _reduced(call, ReduceMax)


@converts("aten.min.default")
def min_of_all(call: Call) -> Tensor:
    """The least."""
    return _reduced(call, ReduceMin)


@converts("aten.max.dim")
def max_along(call: Call) -> Converted:
    """The largest, and where it stands."""
    return _reduced(call, ReduceMax), _argument(call, ArgMax)


@converts("aten.min.dim")
def min_along(call: Call) -> Converted:
    """The least, and where it stands."""
    return _reduced(call, ReduceMin), _argument(call, ArgMin)


@converts("aten.all.default", "aten.all.dim", "aten.all.dims")
def all_true(call: Call) -> Tensor:
    """Of bool."""
    return _reduced(call, ReduceAll)


@converts("aten.any.default", "aten.any.dim", "aten.any.dims")
def any_true(call: Call) -> Tensor:
    """Of bool: not all are false."""
    x, axes = call.tensor("self"), _axes(call)
    if not x.shape:
        return x
    every = ReduceAll(axes=axes, keep_dims=call.flag("keepdim"))
    false = call.emit(LogicalNot(), x, suffix="not")
    return call.emit(LogicalNot(), call.emit(every, false, suffix="all"))


@converts("aten.argmax.default")
def argmax(call: Call) -> Tensor:
    """The first of equals, along one dimension or of all elements."""
    return _argument(call, ArgMax)


@converts("aten.argmin.default")
def argmin(call: Call) -> Tensor:
    """The first of equals, along one dimension or of all elements."""
    return _argument(call, ArgMin)


@converts("aten.var.correction", "aten.var.dim", "aten.var.default")
def variance(call: Call) -> Tensor:
    """The mean of the squared distances to the mean, corrected."""
    return _variance(call)


@converts("aten.std.correction", "aten.std.dim", "aten.std.default")
def deviation(call: Call) -> Tensor:
    """The root of the variance."""
    return call.emit(Sqrt(), _variance(call))


@converts("aten.var_mean.correction")
def variance_and_mean(call: Call) -> Converted:
    """Both."""
    return _variance(call), _reduced(call, Mean)


@converts("aten.linalg_vector_norm.default", "aten.norm.ScalarOpt_dim", "aten.norm.Scalar")
def norm(call: Call) -> Tensor:
    """Of order 1, 2 or infinity."""
    order = call.real("ord" if call.node.op.startswith("aten.linalg") else "p", 2.0)
    if order == 2:
        return call.emit(Sqrt(), _reduced(call, Sum, Square()))
    if order not in (1, math.inf):
        raise UnsupportedError(f"order is {order:g}; supported: 1, 2 and infinity")
    return _reduced(call, Sum if order == 1 else ReduceMax, Abs())


@converts("aten.cumsum.default")
def cumsum(call: Call) -> Tensor:
    """Running sums."""
    x = call.tensor("self")
    if call.dtype("dtype", x.dtype) is not x.dtype:
        raise UnsupportedError("gives another type than its input's")
    return call.emit(Cumsum(axis=axis_of(call.integer("dim"), len(x.shape))), x)


def _variance(call: Call) -> Tensor:
    x, axes = call.tensor("self"), _axes(call)
    correction = call.real("correction", 1.0) if call.flag("unbiased", True) else 0.0
    count = math.prod(x.shape[a] for a in axes)
    if count <= correction:
        raise UnsupportedError(f"variance of {count} elements with correction {correction:g}")
    centre = call.emit(Mean(axes=axes, keep_dims=True), x, suffix="mean")
    distance = call.emit(Sub(), x, centre, suffix="centred")
    squares = call.emit(Square(), distance, suffix="squares")
    y = call.emit(Mean(axes=axes, keep_dims=call.flag("keepdim")), squares, suffix="variance")
    if correction == 0:
        return y
    return call.emit(Mul(), y, call.number(count / (count - correction), y), suffix="corrected")


def _axes(call: Call) -> tuple[int, ...]:
    """All dimensions where none is named."""
    x = call.tensor("self")
    named = call.integers("dim", ())
    rank = len(x.shape)
    axes = tuple(sorted({axis_of(axis, rank) for axis in named})) if named else tuple(range(rank))
    if named and len(axes) != len(named):
        raise UserError(f"names a dimension twice: {list(named)}")
    return axes


def _reduced(call: Call, kind: type[Reduction], behind: Attributes | None = None) -> Tensor:
    """The reduction, behind a function of each element if there is one."""
    x, axes = call.tensor("self"), _axes(call)
    wanted = call.dtype("dtype")
    if wanted not in (None, x.dtype):
        if wanted is not DType.FLOAT32:
            raise UnsupportedError(f"from {x.dtype.value} to {wanted.value}; supported: float32")
        x = call.cast(x, wanted)
    if behind is not None:
        x = call.emit(behind, x, suffix=behind.kind)
    if not x.shape:
        return x
    return call.emit(kind(axes=axes, keep_dims=call.flag("keepdim")), x)


def _argument(call: Call, kind: type[Argument]) -> Tensor:
    x, keep = call.tensor("self"), call.flag("keepdim")
    if not call.has("dim"):
        flat = call.reshaped(x, (x.size,))
        y = call.emit(kind(axis=0), flat)
        return call.reshaped(y, (1,) * len(x.shape)) if keep else y
    axis = axis_of(call.integer("dim"), len(x.shape))
    if not x.shape:
        raise UnsupportedError(f"looks for an element of the scalar {x.name}")
    y = call.emit(kind(axis=axis), x)
    return call.reshaped(y, (*x.shape[:axis], 1, *x.shape[axis + 1 :])) if keep else y
