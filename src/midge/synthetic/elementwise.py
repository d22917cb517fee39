"""Adds operators on each element of several tensors to a network, with scales that suit them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from midge.synthetic import float_simulation as simulate
from midge.synthetic.calibration import COVERING, FINEST_SCALE, Calibration, at_least, resolve
from midge.synthetic.model_description import Fields, Quantization
from midge.synthetic.network_builder import NetworkBuilder, code_limits

Reals = NDArray[np.float64]

MEANINGS: dict[str, Callable[..., Any]] = {
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "DIV": lambda a, b: np.divide(a, np.where(b == 0, 1, b)),
    "SQUARED_DIFFERENCE": lambda a, b: (a - b) ** 2,
    "MINIMUM": np.minimum,
    "MAXIMUM": np.maximum,
    "FLOOR_DIV": lambda a, b: np.floor(np.divide(a, np.where(b == 0, 1, b))),
    "FLOOR_MOD": lambda a, b: np.mod(a, np.where(b == 0, 1, b)),
    "PRELU": lambda x, slope: np.where(x >= 0, x, x * slope),
    "EQUAL": np.equal,
    "NOT_EQUAL": np.not_equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "LOGICAL_AND": np.logical_and,
    "LOGICAL_OR": np.logical_or,
    "ADD_N": lambda *values: np.sum(values, axis=0),
    "SELECT_V2": np.where,
}
"""What each operator does to real numbers, to see what values come out."""
_TABLES = {
    "PRELU": "",
    "MINIMUM": "MaximumMinimumOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "ADD_N": "AddNOptions",
    "SELECT_V2": "SelectV2Options",
}
COMPARISONS = ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
LOGICAL = ("LOGICAL_AND", "LOGICAL_OR")
ACTIVATED = ("ADD", "SUB", "MUL", "DIV")
_MOVED = ("MINIMUM", "MAXIMUM", "SELECT_V2")
"""Operators whose output has the quantisation of their last operand."""
LEAST_QUOTIENT = 70.0
"""What one is, at least, in steps of an int8 quotient's output: TFLite Micro shifts right by more
than 31 bits, which is nothing defined, where small quotients are less than half a step of it."""


_SPECIAL_FLOATS = (
    *(np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-45, -3e-39, 1e-38, 3.4e38, -3.4e38),
    *(1.0, -1.0, 0.5, 16777216.0, -7.75),
)


_HUGE = 1e38
"""What infinities count as when scales are chosen."""


def needs_divisors(op: str, dtype: str) -> bool:
    """Whether TFLite Micro divides by the second operand and dies, or refuses, where it is 0."""
    return op == "FLOOR_DIV" or (op == "DIV" and dtype != "float32")


def constant_of(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    dtype: str,
    style: str = "mixed",
    zero_point: int = 0,
) -> NDArray[Any]:
    """Elements of a constant operand.

    Args:
        rng: Their source.
        shape: Of the operand.
        dtype: Of the operand.
        style: ``"mixed"``; ``"special"``, with the ends of the type, infinities and what is no
            number; ``"divisors"``, without `zero_point` and, of floats, without what is no number.
        zero_point: What stands for 0.
    """
    count = int(np.prod(shape))
    values: NDArray[Any]
    if dtype == "bool":
        values = rng.random(count) < 0.5
    elif dtype == "float32":
        special = np.resize(np.array(_SPECIAL_FLOATS, np.float32), count)
        values = rng.standard_normal(count).astype(np.float32)
        if style == "special":
            values = special
        elif style == "divisors":
            usable = ~np.isnan(special) & (special != 0) & (rng.random(count) < 0.5)
            values = np.where(usable, special, values + np.copysign(np.float32(0.1), values))
    else:
        low, high = code_limits(dtype)
        near = (-1000, 1000) if dtype in ("int32", "int64") else (low, high)
        values = rng.integers(near[0], near[1], count, endpoint=True)
        if style == "special":
            ends = np.array([low, high, low + 1, high // 2, high - 500, -1, 0, 1])
            values = np.where(rng.random(count) < 0.5, np.resize(ends, count), values)
        elif style == "divisors":
            values = np.where(values == zero_point, zero_point - 1 if zero_point > 0 else 7, values)
    return values.reshape(shape).astype(dtype)


def elementwise(
    builder: NetworkBuilder,
    op: str,
    inputs: tuple[str, ...],
    *,
    activation: str = "NONE",
    output: Calibration | Quantization = COVERING,
    **fields: Any,
) -> str:
    """Add an operator of `MEANINGS`.

    Args:
        builder: The network.
        op: Its schema name.
        inputs: Operands that broadcast.
        activation: Fused, where the operator may have one.
        output: The output's quantisation or the rule for it; kept to what TFLite Micro takes.
        fields: Further fields of the options table.
    """
    real = simulate.activate(_real(builder, op, inputs), activation)
    if op in ACTIVATED:
        fields["FusedActivationFunction"] = getattr(tflite.ActivationFunctionType, activation)
    camel = "".join(word.title() for word in op.split("_"))
    options = Fields.of(_TABLES.get(op, f"{camel}Options"), **fields)
    dtype = builder.dtype(inputs[-1] if op == "SELECT_V2" else inputs[0])
    quantization = None
    if op in (*COMPARISONS, *LOGICAL):
        dtype = "bool"
    elif dtype in ("int8", "int16"):
        if op in _MOVED:
            quantization = builder.quantization(inputs[-1])
        else:
            quantization = _suitable(builder, op, inputs, resolve(output, real, dtype))
            if quantization.scale < FINEST_SCALE and activation != "NONE":
                # A quotient's scale may have to be so fine that a clamp cannot be said in int32.
                return elementwise(builder, op, inputs, activation="NONE", output=output)
    return builder.operator(op, inputs, options, real, quantization, dtype=dtype, version=2)


def _real(builder: NetworkBuilder, op: str, inputs: tuple[str, ...]) -> Reals:
    rank = max(len(builder.shape(name)) for name in inputs)
    operands = []
    for name in inputs:
        samples, *shape = builder.values(name).shape
        padded = (1,) * (rank - len(shape)) + tuple(shape)
        operands.append(builder.values(name).reshape(samples, *padded))
    with np.errstate(all="ignore"):
        real: Reals = np.asarray(MEANINGS[op](*operands)).astype(float)
    return np.clip(np.nan_to_num(real), -_HUGE, _HUGE)


def _suitable(
    builder: NetworkBuilder, op: str, inputs: tuple[str, ...], chosen: Quantization
) -> Quantization:
    """The quantisation with a scale at which no sum, product or shift leaves its range."""
    first, second = (builder.quantization(name).scale for name in inputs[:2])
    wide = builder.dtype(inputs[0]) == "int16"
    larger, product = max(first, second), first * second
    if op == "DIV":
        quotient = first / second
        scale = np.clip(chosen.scale, quotient / 2**21, quotient / LEAST_QUOTIENT)
        return Quantization((float(scale),), chosen.zero_points)
    floor = {
        "MUL": product * (2 if wide else 2**-13),
        "SQUARED_DIFFERENCE": larger**2 * (8 if wide else 2**-11),
        "PRELU": max(first, product) * (2**-4 if wide else 2**-13),
    }.get(op, larger * 2**-10)
    return at_least(max(floor, FINEST_SCALE), chosen)
