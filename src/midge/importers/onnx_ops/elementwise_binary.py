"""Operators on each element of two or more tensors, which broadcast."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Attributes, DType, Tensor
from midge.graph.elementwise import broadcast_shape
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.broadcast_to import BroadcastTo
from midge.graph.ops.comparison import Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual
from midge.graph.ops.conversions import Cast
from midge.graph.ops.div import Div
from midge.graph.ops.elementary_functions import Exp, Log, Rsqrt, Sqrt, Square
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.floor_division import FloorMod
from midge.graph.ops.logical import LogicalAnd, LogicalOr
from midge.graph.ops.mul import Mul
from midge.graph.ops.select import Select
from midge.graph.ops.sign_and_rounding import Abs, Floor, LogicalNot, Neg
from midge.importers.onnx_ops.operands import OnnxOp
from midge.importers.onnx_ops.registry import Converted, converts

NARROW = (DType.INT8, DType.INT16, DType.UINT8)
"""Plain integers that are computed with as int32, and cut down to their own bits again."""
LARGEST_CHOICE = 1 << 16
"""Integers that are chosen while a file is read."""
LARGEST_EXPONENT = 8
"""Of a power that becomes products."""

_ARITHMETIC: dict[str, Attributes] = {"Add": Add(), "Sub": Sub(), "Mul": Mul(), "Div": Div()}
_COMPARISONS: dict[str, Attributes] = {
    "Equal": Equal(),
    "Greater": Greater(),
    "GreaterOrEqual": GreaterEqual(),
    "Less": Less(),
    "LessOrEqual": LessEqual(),
}


def alike(op: OnnxOp, operands: list[Tensor]) -> list[Tensor]:
    """int64 constants beside computed int32 as int32; of other types all must be one."""
    if not all(t.is_constant for t in operands):
        operands = [op.builder.narrow(t) for t in operands]
    if len({t.dtype for t in operands}) > 1:
        found = ", ".join(f"{t.name} {t.dtype.value}" for t in operands[:4])
        raise UserError(f"operands are of different types: {found}")
    return operands


def plain(op: OnnxOp, operands: list[Tensor]) -> tuple[list[Tensor], DType]:
    """The operands in a type that the graph computes plain numbers in, and the type they had."""
    operands = alike(op, operands)
    dtype = operands[0].dtype
    if any(t.quantization is not None for t in operands) or op.reads_shifted():
        raise UnsupportedError(
            "computes with quantised integers; supported: between DequantizeLinear and "
            "QuantizeLinear"
        )
    if dtype in NARROW:
        return [op.cast(t, DType.INT32) for t in operands], dtype
    return operands, dtype


@converts("Add", "Sub", "Mul", "Div")
def convert_arithmetic(op: OnnxOp) -> Converted:
    """Of floats, or of integers, which wrap around."""
    operands, dtype = plain(op, [op.tensor(0), op.tensor(1)])
    return op.cast(op.emit(_ARITHMETIC[op.record.op_type], *operands), dtype)


@converts("Sum", "Max", "Min", "Mean")
def convert_variadic(op: OnnxOp) -> Converted:
    """One operand after the other."""
    folded = {"Sum": Add(), "Mean": Add(), "Max": Maximum(), "Min": Minimum()}[op.record.op_type]
    operands = op.tensors()
    if not operands:
        raise UserError("has no inputs")
    operands, dtype = plain(op, operands)
    total = reduce(lambda a, b: op.emit(folded, a, b), operands)
    if op.record.op_type == "Mean" and len(operands) > 1:
        total = op.emit(Div(), total, op.constant(len(operands), part="count"), part="mean")
    return op.cast(total, dtype)


@converts("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
def convert_comparison(op: OnnxOp) -> Converted:
    """bool, of floats, integers or (equality) bool."""
    operands, _ = plain(op, [op.tensor(0), op.tensor(1)])
    return op.emit(_COMPARISONS[op.record.op_type], *operands)


@converts("And", "Or", "Xor")
def convert_logic(op: OnnxOp) -> Converted:
    """Of bool."""
    made = {"And": LogicalAnd(), "Or": LogicalOr(), "Xor": NotEqual()}[op.record.op_type]
    operands = [op.tensor(0), op.tensor(1)]
    for operand in operands:
        if operand.dtype is not DType.BOOL:
            raise UserError(f"input {operand.name} is {operand.dtype.value}; expected bool")
    return op.emit(made, *operands)


@converts("Where")
def convert_where(op: OnnxOp) -> Converted:
    """A choice; of plain integers in float32 where all of them are exact there."""
    condition = op.tensor(0)
    a, b = alike(op, [op.tensor(1), op.tensor(2)])
    if condition.dtype is not DType.BOOL:
        raise UserError(f"input {condition.name} is {condition.dtype.value}; expected bool")
    if all(t.is_constant for t in (condition, a, b)) and a.dtype not in (DType.FLOAT32,):
        if math.prod(broadcast_shape(condition, a, b)) > LARGEST_CHOICE:
            raise UnsupportedError(f"chooses over {LARGEST_CHOICE} known integers")
        chosen = np.where(*(np.asarray(t.data) for t in (condition, a, b)))
        return op.constant(chosen, a.dtype.numpy)
    if a.dtype in (DType.FLOAT32, DType.INT8, DType.INT16):
        return op.emit(Select(), condition, a, b)
    if a.dtype is DType.BOOL:
        chosen_a = op.emit(LogicalAnd(), condition, a, part="first")
        otherwise = op.emit(LogicalNot(), condition, part="otherwise")
        return op.emit(LogicalOr(), chosen_a, op.emit(LogicalAnd(), otherwise, b, part="second"))
    # b + condition * (a - b), which wraps around to what it should be.
    wide = [op.cast(t, DType.INT32) for t in (condition, a, b)]
    step = op.emit(Mul(), wide[0], op.emit(Sub(), wide[1], wide[2], part="sub"), part="mul")
    return op.cast(op.emit(Add(), wide[2], step), a.dtype)


@converts("Mod")
def convert_mod(op: OnnxOp) -> Converted:
    """With the divisor's sign, or with the dividend's where `fmod`."""
    fmod = op.flag("fmod")
    (a, b), dtype = plain(op, [op.tensor(0), op.tensor(1)])
    if a.dtype is DType.FLOAT32:
        if not fmod:
            return op.emit(FloorMod(), a, b)
        magnitudes = [op.emit(Abs(), t, part="abs") for t in (a, b)]
        rest = op.emit(FloorMod(), *magnitudes, part="remainder")
        negative = op.emit(Less(), a, op.constant(0, part="zero"), part="negative")
        return op.emit(Select(), negative, op.emit(Neg(), rest, part="neg"), rest)
    if a.dtype not in (DType.INT32, DType.INT64):
        raise UserError(f"input {a.name} is {a.dtype.value}; expected numbers")
    # Division truncates, so that the remainder has the dividend's sign.
    product = op.emit(Mul(), op.emit(Div(), a, b, part="quotient"), b, part="product")
    rest = op.emit(Sub(), a, product, part="remainder")
    if not fmod:
        zero = op.constant(0, a.dtype.numpy, part="zero")
        crosses = op.emit(
            LogicalAnd(),
            op.emit(NotEqual(), rest, zero, part="left"),
            op.emit(
                NotEqual(),
                op.emit(Less(), rest, zero, part="negative"),
                op.emit(Less(), b, zero, part="negative_divisor"),
                part="signs",
            ),
            part="crosses",
        )
        missing = op.emit(Mul(), op.emit(Cast(to=a.dtype), crosses, part="as_number"), b)
        rest = op.emit(Add(), rest, missing)
    return op.cast(rest, dtype)


@converts("Pow")
def convert_pow(op: OnnxOp) -> Converted:
    """By products and roots where one constant exponent allows it, else by logarithms."""
    x = op.tensor(0)
    (x,), dtype = plain(op, [x])
    if op.is_known(1):
        exponents = np.unique(op.array(1).astype(np.float64))
        if exponents.size == 1 and op.array(1).ndim <= len(x.shape):
            made = _of_one_exponent(op, x, float(exponents[0]))
            if made is not None:
                return op.cast(made, dtype)
    if dtype is not DType.FLOAT32:
        raise UnsupportedError(
            f"powers of {dtype.value} with such exponents; supported: one whole exponent from 0 to "
            f"{LARGEST_EXPONENT}"
        )
    return _by_logarithms(op, x, op.cast(op.tensor(1), DType.FLOAT32))


def _of_one_exponent(op: OnnxOp, x: Tensor, exponent: float) -> Tensor | None:
    """By products and roots; None where there is no such way."""
    whole = exponent.is_integer() and abs(exponent) <= LARGEST_EXPONENT
    if whole and exponent >= 0:
        return _power(op, x, int(exponent))
    if x.dtype is not DType.FLOAT32:
        return None
    if exponent == 0.5:
        return op.emit(Sqrt(), x)
    if exponent == -0.5:
        return op.emit(Rsqrt(), x)
    if whole:
        one = op.constant(1, part="one")
        return op.emit(Div(), one, _power(op, x, -int(exponent)), part="reciprocal")
    return None


def _by_logarithms(op: OnnxOp, x: Tensor, y: Tensor) -> Tensor:
    """``exp(y * log(|x|))``; of x under 0 with the sign of a whole y, and no number elsewhere.

    Its relative error grows with the logarithm of the result: some 2**-24 times that.
    """
    zero, one = op.constant(0, part="zero"), op.constant(1, part="one")
    logs = op.emit(Log(), op.emit(Abs(), x, part="abs"), part="log")
    size = op.emit(Exp(), op.emit(Mul(), y, logs, part="product"), part="exp")
    size = op.emit(Select(), op.emit(Equal(), y, zero, part="none"), one, size, part="size")
    half = op.emit(Mul(), y, op.constant(0.5, part="half"), part="halved")
    is_whole = op.emit(Equal(), op.emit(Floor(), y, part="floor"), y, part="whole")
    is_even = op.emit(Equal(), op.emit(Floor(), half, part="floor"), half, part="even")
    negated = op.emit(Select(), is_even, size, op.emit(Neg(), size, part="neg"), part="signed")
    nan = op.constant(np.nan, part="nan")
    below = op.emit(Select(), is_whole, negated, nan, part="below")
    is_below = op.emit(Less(), x, zero, part="negative")
    return op.emit(Select(), is_below, below, size)


def _power(op: OnnxOp, x: Tensor, exponent: int) -> Tensor:
    """By squaring."""
    if exponent == 0:
        one = op.constant(1, x.dtype.numpy, part="one")
        return op.emit(BroadcastTo(shape=x.shape), one) if x.shape else one
    if exponent == 1:
        return x
    if exponent == 2 and x.dtype is DType.FLOAT32:
        return op.emit(Square(), x)
    half = _power(op, x, exponent // 2)
    whole = op.emit(Mul(), half, half)
    return op.emit(Mul(), whole, x) if exponent % 2 else whole
