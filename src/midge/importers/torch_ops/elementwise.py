"""Arithmetic, comparisons and functions of each element."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from midge.errors import UnsupportedError
from midge.graph import Array, Attributes, DType, Tensor
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.comparison import Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual
from midge.graph.ops.div import Div
from midge.graph.ops.elementary_functions import Cos, Exp, Log, Rsqrt, Sin, Sqrt, Square
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.floor_division import FloorDiv, FloorMod
from midge.graph.ops.logical import LogicalAnd, LogicalOr
from midge.graph.ops.mul import Mul
from midge.graph.ops.select import Select
from midge.graph.ops.sigmoid_units import Erf
from midge.graph.ops.sign_and_rounding import Abs, Ceil, Floor, LogicalNot, Neg, Round
from midge.graph.ops.smooth_units import Elu
from midge.importers.torch_ops.call import Call
from midge.importers.torch_ops.registry import converts

_RANKS = {DType.BOOL: 0, DType.UINT8: 1, DType.INT8: 1, DType.INT16: 2, DType.INT32: 3}
"""What integers are widened to: the type of the higher rank; float32 is above all."""
LARGEST_POWER = 16
"""Of a power that is a product."""

_UNARY: dict[str, Attributes] = {
    "abs": Abs(),
    "ceil": Ceil(),
    "cos": Cos(),
    "erf": Erf(),
    "exp": Exp(),
    "floor": Floor(),
    "log": Log(),
    "logical_not": LogicalNot(),
    "neg": Neg(),
    "round": Round(),
    "rsqrt": Rsqrt(),
    "sin": Sin(),
    "sqrt": Sqrt(),
    "square": Square(),
}


_OF_INTEGERS: dict[str, Callable[[Array], Array]] = {"abs": np.abs, "neg": np.negative}


def _what(call: Call) -> str:
    return call.node.op.split(".")[1]


@converts(*(f"aten.{name}.default" for name in _UNARY), "aten.bitwise_not.default")
def unary(call: Call) -> Tensor:
    """A function that the graph has; of integers where they are known."""
    x = call.tensor("self")
    if x.dtype is DType.INT32 and _what(call) in _OF_INTEGERS:
        return call.vector(_OF_INTEGERS[_what(call)](call.known_values(x)), "numbers")
    return call.emit(_UNARY[_what(call).replace("bitwise", "logical")], x)


@converts("aten.sign.default", "aten.sgn.default")
def sign(call: Call) -> Tensor:
    """-1, 0 or 1."""
    x = call.tensor("self")
    zero = call.number(0, x, "zero")
    above, below = (
        call.cast(call.emit(kind, x, zero, suffix=kind.kind), x.dtype)
        for kind in (Greater(), Less())
    )
    return call.emit(Sub(), above, below)


@converts("aten.expm1.default")
def expm1(call: Call) -> Tensor:
    """``exp(x) - 1``: for negative x an ELU, which loses no digits."""
    x = call.tensor("self")
    zero = call.number(0, x, "zero")
    below = call.emit(Elu(), call.emit(Minimum(), x, zero, suffix="negative"), suffix="below")
    grown = call.emit(Exp(), call.emit(Maximum(), x, zero, suffix="positive"), suffix="exp")
    above = call.emit(Sub(), grown, call.number(1, x, "one"), suffix="above")
    return call.emit(Add(), above, below)


@converts("aten.log1p.default")
def log1p(call: Call) -> Tensor:
    """``log(1 + x)``, whose absolute error is that of ``1 + x``."""
    x = call.tensor("self")
    return call.emit(Log(), call.emit(Add(), x, call.number(1, x, "one"), suffix="one_more"))


@converts("aten.fmod.Scalar", "aten.fmod.Tensor")
def fmod(call: Call) -> Tensor:
    """Of numbers that are known."""
    a, b = (call.known_values(t) for t in _operands(call))
    if not np.all(b):
        raise UnsupportedError("divides by zero")
    return call.vector(np.fmod(a, b), "numbers")


@converts("aten.reciprocal.default")
def reciprocal(call: Call) -> Tensor:
    """``1 / x``."""
    x = call.tensor("self")
    return call.emit(Div(), call.number(1, x), x)


_BINARY: dict[str, Attributes] = {
    "mul": Mul(),
    "multiply": Mul(),
    "minimum": Minimum(),
    "maximum": Maximum(),
    "eq": Equal(),
    "ne": NotEqual(),
    "gt": Greater(),
    "ge": GreaterEqual(),
    "lt": Less(),
    "le": LessEqual(),
    "logical_and": LogicalAnd(),
    "logical_or": LogicalOr(),
}
_SYNONYMS = {
    "max": "maximum",
    "min": "minimum",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "__and__": "logical_and",
    "__or__": "logical_or",
}


@converts(
    *(f"aten.{name}.{form}" for name in ("mul", "multiply") for form in ("Tensor", "Scalar")),
    *(f"aten.{n}.{f}" for n in ("eq", "ne", "gt", "ge", "lt", "le") for f in ("Tensor", "Scalar")),
    *(f"aten.{name}.default" for name in ("minimum", "maximum", "logical_and", "logical_or")),
    *("aten.bitwise_and.Tensor", "aten.bitwise_or.Tensor"),
    *("aten.__and__.Tensor", "aten.__or__.Tensor"),
    *("aten.max.other", "aten.min.other"),
)
def binary(call: Call) -> Tensor:
    """Operands are brought to one type first."""
    a, b = _operands(call)
    what = _SYNONYMS.get(_what(call), _what(call))
    return call.emit(_BINARY[what], a, b)


@converts(
    *(f"aten.{name}.{form}" for name in ("add", "sub", "rsub") for form in ("Tensor", "Scalar"))
)
def add_or_sub(call: Call) -> Tensor:
    """``self + alpha * other``, or minus; `rsub` takes the first from the second."""
    a, b = _operands(call)
    alpha, what = call.real("alpha", 1.0), _what(call)
    if what == "rsub":
        a = _scaled(call, a, alpha)
        return call.emit(Sub(), b, a)
    b = _scaled(call, b, alpha)
    return call.emit(Add() if what == "add" else Sub(), a, b)


@converts(*(f"aten.{n}.{f}" for n in ("div", "true_divide") for f in ("Tensor", "Scalar")))
def div(call: Call) -> Tensor:
    """A true quotient, also of integers."""
    a, b = (call.cast(t, DType.FLOAT32) for t in _operands(call))
    return call.emit(Div(), a, b)


@converts("aten.div.Tensor_mode", "aten.div.Scalar_mode")
def div_rounded(call: Call) -> Tensor:
    """Rounded down."""
    a, b = _operands(call)
    if not call.has("rounding_mode"):
        return call.emit(Div(), call.cast(a, DType.FLOAT32), call.cast(b, DType.FLOAT32))
    call.expect("rounding_mode", "floor")
    return call.emit(FloorDiv(), a, b)


@converts("aten.floor_divide.default", "aten.floor_divide.Scalar")
def floor_divide(call: Call) -> Tensor:
    """Rounded down."""
    return call.emit(FloorDiv(), *_operands(call))


@converts("aten.remainder.Tensor", "aten.remainder.Scalar")
def remainder(call: Call) -> Tensor:
    """With the divisor's sign."""
    return call.emit(FloorMod(), *_operands(call))


@converts("aten.pow.Tensor_Scalar")
def power(call: Call) -> Tensor:
    """Roots, and products of up to 16 factors."""
    x, exponent = call.tensor("self"), call.real("exponent")
    if exponent in (0.5, -0.5):
        return call.emit(Sqrt() if exponent > 0 else Rsqrt(), x)
    times = abs(exponent)
    if times != int(times) or not 1 <= times <= LARGEST_POWER:
        raise UnsupportedError(
            f"exponent is {exponent:g}; supported: 0.5, -0.5 and whole numbers of 1 to "
            f"{LARGEST_POWER} and their negatives"
        )
    y = _repeated(call, x, int(times))
    return y if exponent > 0 else call.emit(Div(), call.number(1, x), y)


def _repeated(call: Call, x: Tensor, times: int) -> Tensor:
    """The tensor to a whole power, by squares."""
    result: Tensor | None = None
    square = x
    while times:
        if times & 1:
            result = (
                square if result is None else call.emit(Mul(), result, square, suffix="product")
            )
        times >>= 1
        if times:
            kind = Square() if x.dtype is DType.FLOAT32 else None
            square = (
                call.emit(kind, square, suffix="square")
                if kind
                else call.emit(Mul(), square, square, suffix="square")
            )
    return x if result is None else result


@converts("aten.where.self", "aten.where.ScalarSelf", "aten.where.ScalarOther")
@converts("aten.where.Scalar")
def where(call: Call) -> Tensor:
    """``self if condition else other``."""
    a, b = _operands(call)
    return call.emit(Select(), call.tensor("condition"), a, b)


@converts("aten.masked_fill.Scalar", "aten.masked_fill.Tensor")
def masked_fill(call: Call) -> Tensor:
    """The value where the mask is true."""
    x, value = call.tensor("self"), call.operand("value")
    filled = call.cast(value, x.dtype) if isinstance(value, Tensor) else call.number(value, x)
    return call.emit(Select(), call.tensor("mask"), filled, x)


@converts("aten.addcmul.default")
def addcmul(call: Call) -> Tensor:
    """``self + value * tensor1 * tensor2``."""
    product = call.emit(Mul(), call.tensor("tensor1"), call.tensor("tensor2"), suffix="product")
    return call.emit(Add(), call.tensor("self"), _scaled(call, product, call.real("value", 1.0)))


@converts("aten.addcdiv.default")
def addcdiv(call: Call) -> Tensor:
    """``self + value * tensor1 / tensor2``."""
    quotient = call.emit(Div(), call.tensor("tensor1"), call.tensor("tensor2"), suffix="quotient")
    return call.emit(Add(), call.tensor("self"), _scaled(call, quotient, call.real("value", 1.0)))


def _scaled(call: Call, x: Tensor, by: float) -> Tensor:
    return x if by == 1 else call.emit(Mul(), x, call.number(by, x, "alpha"), suffix="scaled")


def _operands(call: Call) -> tuple[Tensor, Tensor]:
    """`self` and `other` in one type.

    Source: PyTorch, "Type Promotion": a number raises the type of a tensor only where it is of a
    higher kind (bool, integer, floating-point).
    """
    a, b = call.operand("self"), call.operand("other")
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        dtype = DType.FLOAT32 if isinstance(a, float) or isinstance(b, float) else DType.INT32
        blank = Tensor("", (), dtype)
        return call.number(a, blank, "self"), call.number(b, blank, "other")
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        common = _common(a, b)
        return call.cast(a, common), call.cast(b, common)
    if isinstance(a, Tensor):
        a = call.cast(a, _beside(a, b))
        return a, call.number(_number(b), a, "other")
    b = call.cast(_tensor(b), _beside(_tensor(b), a))
    return call.number(_number(a), b, "self"), b


def _tensor(value: Tensor | bool | int | float) -> Tensor:
    if not isinstance(value, Tensor):
        raise UnsupportedError("computes with numbers alone")
    return value


def _number(value: Tensor | bool | int | float) -> float:
    if isinstance(value, Tensor):
        raise UnsupportedError("computes with tensors alone")
    return value


def _beside(x: Tensor, number: object) -> DType:
    """The type of a tensor beside a number."""
    if isinstance(number, float):
        return DType.FLOAT32
    if x.dtype is DType.BOOL and not isinstance(number, bool):
        return DType.INT32
    return x.dtype


def _common(a: Tensor, b: Tensor) -> DType:
    """The type of two tensors; a scalar one does not raise the other within its kind."""
    if a.dtype is b.dtype:
        return a.dtype
    if DType.FLOAT32 in (a.dtype, b.dtype):
        return DType.FLOAT32
    if {a.dtype, b.dtype} == {DType.UINT8, DType.INT8}:
        return DType.INT16
    if bool(a.shape) != bool(b.shape) and DType.BOOL not in (a.dtype, b.dtype):
        return a.dtype if a.shape else b.dtype
    return a.dtype if _RANKS[a.dtype] > _RANKS[b.dtype] else b.dtype
