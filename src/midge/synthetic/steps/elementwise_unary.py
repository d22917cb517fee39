"""Operators on each element of one tensor: activations, elementary functions, conversions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from midge.synthetic.calibration import COVERING, FINEST_SCALE, Calibration, at_least, resolve
from midge.synthetic.growth import Growth, Step
from midge.synthetic.model_description import Fields, Quantization
from midge.synthetic.network_builder import NetworkBuilder, Reals
from midge.synthetic.random_numbers import (
    random_calibration,
    random_quantization,
    random_scale,
)

_LARGEST_FLOAT = 1e6
"""Beyond it samples are cut, so that squares of squares stay numbers."""

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _gelu(x: Reals) -> Reals:
    real: Reals = x / 2 * (1 + _erf(x / math.sqrt(2)))
    return real


_REAL: dict[str, Callable[[Reals], Reals]] = {
    "RELU": lambda x: np.maximum(x, 0),
    "RELU6": lambda x: np.clip(x, 0, 6),
    "RELU_N1_TO_1": lambda x: np.clip(x, -1, 1),
    "LEAKY_RELU": lambda x: x,
    "LOGISTIC": lambda x: 1 / (1 + np.exp(-np.clip(x, -50, 50))),
    "TANH": np.tanh,
    "ELU": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "GELU": _gelu,
    "HARD_SWISH": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "ABS": np.abs,
    "NEG": np.negative,
    "SQUARE": np.square,
    "SQRT": lambda x: np.sqrt(np.maximum(x, 0)),
    "RSQRT": lambda x: 1 / np.sqrt(np.maximum(x, 1e-2)),
    "EXP": lambda x: np.exp(np.clip(x, -50, 5)),
    "LOG": lambda x: np.log(np.maximum(x, 1e-2)),
    "SIN": np.sin,
    "COS": np.cos,
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "ROUND": np.rint,
}
"""What comes out for the samples; where there is no value, one that is near."""

_ALL, _BYTE_OR_FLOAT = ("int8", "int16", "float32"), ("int8", "float32")
TYPES: dict[str, tuple[str, ...]] = {
    op: _BYTE_OR_FLOAT if op in ("SQUARE", "SQRT", "SIN", "COS", "FLOOR", "CEIL", "ROUND") else _ALL
    for op in _REAL
}
"""Element types that Midge takes."""
_TFLM_TYPES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "ABS"), _ALL),
    **dict.fromkeys(("ELU", "HARD_SWISH", "RSQRT"), _BYTE_OR_FLOAT),
    **dict.fromkeys(("RELU_N1_TO_1", "GELU"), ()),
}
NOT_IN_TFLM: set[tuple[str, str]] = {
    (op, kind)
    for op, kinds in TYPES.items()
    for kind in kinds
    if kind not in _TFLM_TYPES.get(op, ("float32",))
} | {("CAST", "int64"), ("CAST", "uint8")}

_FIXED = {
    ("LOGISTIC", "int8"): Quantization((1 / 256,), (-128,)),
    ("TANH", "int8"): Quantization((1 / 128,), (0,)),
    ("LOGISTIC", "int16"): Quantization((2.0**-15,), (0,)),
    ("TANH", "int16"): Quantization((2.0**-15,), (0,)),
}
"""Outputs that can have no other scale."""


def add_unary(
    builder: NetworkBuilder,
    op: str,
    x: str,
    output: Calibration | Quantization = COVERING,
    *,
    slope: float = 0.1,
    approximate: bool = False,
) -> str:
    """Add an operator that is a function of reals; its output has x's type.

    Args:
        builder: Collects the operator.
        op: One of `TYPES`.
        x: Its input.
        output: The output's quantisation, where that is free.
        slope: Of LEAKY_RELU under zero.
        approximate: Of GELU.
    """
    dtype = builder.dtype(x)
    real = _REAL[op](builder.values(x))
    options = Fields()
    if op == "LEAKY_RELU":
        real = np.where(real < 0, slope * real, real)
        options = Fields.of("LeakyReluOptions", Alpha=slope)
    elif op == "GELU":
        options = Fields.of("GeluOptions", Approximate=approximate)
    if dtype == "float32":
        real = np.clip(real, -_LARGEST_FLOAT, _LARGEST_FLOAT)
        return builder.operator(op, (x,), options, real, None, dtype=dtype)
    if (op, dtype) in _FIXED:
        chosen = _FIXED[op, dtype]
    elif op == "RELU6":  # TFLite Micro does not rescale
        chosen = builder.quantization(x)
    else:
        # A factor is under 2**30.
        floor = max(FINEST_SCALE, builder.quantization(x).scale * 2.0**-29)
        if op == "HARD_SWISH":  # TFLite Micro's factors are under 1
            floor = max(floor, builder.quantization(x).scale / 127)
        chosen = at_least(floor, resolve(output, real, dtype))
    return builder.operator(op, (x,), options, real, chosen, dtype=dtype)


def add_quantize(
    builder: NetworkBuilder, x: str, dtype: str, output: Calibration | Quantization = COVERING
) -> str:
    """Add a QUANTIZE to another scale, or type."""
    real = builder.values(x)
    chosen = resolve(output, real, dtype)
    options = Fields.of("QuantizeOptions")
    return builder.operator("QUANTIZE", (x,), options, real, chosen, dtype=dtype)


def add_dequantize(builder: NetworkBuilder, x: str) -> str:
    """Add a DEQUANTIZE."""
    options = Fields.of("DequantizeOptions")
    real = builder.values(x)
    return builder.operator("DEQUANTIZE", (x,), options, real, None, dtype="float32")


def add_cast(builder: NetworkBuilder, x: str, dtype: str) -> str:
    """Add a CAST; small integers that come out stand for themselves, at a scale of 1."""
    stored: NDArray[np.float64] = builder.values(x)
    if builder.is_quantized(x):
        quantization = builder.quantization(x)
        stored = np.rint(stored / quantization.scale) + quantization.zero_point
    real = (stored != 0).astype(float) if dtype == "bool" else stored
    if dtype not in ("bool", "float32"):
        info = np.iinfo(dtype)
        real = np.clip(np.trunc(real), float(info.min), float(info.max))
    output = Quantization((1.0,), (0,)) if dtype in ("int8", "int16") else None
    options = Fields.of("CastOptions")
    return builder.operator("CAST", (x,), options, real, output, dtype=dtype)


def _takes(op: str, builder: NetworkBuilder, x: str) -> bool:
    """Whether x is of a type and scale that the operator has, in TFLite Micro as well."""
    dtype = builder.dtype(x)
    if dtype == "float32":
        # A few numbers may all lie where TFLite Micro's logistic is cruder than Midge's.
        return op != "LOGISTIC" or builder.values(x)[0].size >= 16
    if dtype not in TYPES[op] or not builder.is_quantized(x):
        return False
    quantization = builder.quantization(x)
    if op == "SQUARE" and quantization.scale > 1e3:
        # Squares of squares leave the factors that are supported.
        return False
    is_saturating = op in ("LOGISTIC", "TANH")
    if dtype == "int16":
        return quantization.zero_point == 0 and not (is_saturating and quantization.scale >= 2)
    if op == "RSQRT":  # TFLite Micro ends a run that meets a negative number
        return quantization.zero_point == -128
    return not is_saturating or quantization.scale >= 2.0**-20


def _unary(op: str, growth: Growth, x: str) -> str | None:
    builder, choices = growth.builder, growth.choices
    if not _takes(op, builder, x):
        return None
    slope = choices.one_of((0.1, 0.01, 0.3, 1.5, -0.5, 0.0)) if op == "LEAKY_RELU" else 0.1
    approximate = op == "GELU" and choices.one_in(2)
    output = random_calibration(choices)
    made = add_unary(builder, op, x, output, slope=slope, approximate=approximate)
    return growth.done(made, x)


_QUANTIZED_TO = {
    "float32": ("int8", "int16"),
    "int8": ("int8", "int16", "int32", "uint8"),
    "int16": ("int8", "int16", "int32"),
    "int32": ("int8", "int16"),
    "uint8": ("int8",),
}


def _quantize(growth: Growth, x: str) -> str | None:
    builder, choices = growth.builder, growth.choices
    kind = builder.dtype(x)
    if kind not in _QUANTIZED_TO or (kind != "float32" and not builder.is_quantized(x)):
        return None
    if kind == "float32" and builder.operator_count == 0:
        return None  # numbers of any size, which TFLite Micro does not hold within int32
    dtype = choices.one_of(_QUANTIZED_TO[kind])
    output: Calibration | Quantization = random_calibration(choices)
    if dtype == "uint8":
        int8 = random_quantization(choices)
        output = Quantization(int8.scales, (int8.zero_point + 128,))
    elif dtype == "int32":
        output = Quantization((random_scale(choices) / 2**12,), (0,))
    return growth.done(add_quantize(builder, x, dtype, output), x)


def _dequantize(growth: Growth, x: str) -> str | None:
    builder = growth.builder
    if builder.dtype(x) not in ("int8", "int16", "uint8") or not builder.is_quantized(x):
        return None
    return growth.done(add_dequantize(builder, x), x)


def _cast(growth: Growth, x: str) -> str | None:
    if growth.builder.dtype(x) not in ("int8", "int16", "int32", "float32", "bool"):
        return None
    dtype = growth.choices.one_of(("float32", "int8", "int16", "int32", "bool"))
    return growth.done(add_cast(growth.builder, x, dtype), x)


def _logical_not(growth: Growth, x: str) -> str | None:
    builder = growth.builder
    if builder.dtype(x) != "bool":
        return None
    real = 1 - builder.values(x)
    options = Fields.of("LogicalNotOptions")
    made = builder.operator("LOGICAL_NOT", (x,), options, real, None, dtype="bool")
    return growth.done(made, x)


STEPS: dict[str, Step] = {
    **{op: partial(_unary, op) for op in TYPES},
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _dequantize,
    "CAST": _cast,
    "LOGICAL_NOT": _logical_not,
}
