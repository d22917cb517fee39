"""SOFTMAX beyond int8, LOG_SOFTMAX, L2_NORMALIZATION."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from midge.synthetic import float_simulation as simulate
from midge.synthetic.growth import Case, Growth, Step
from midge.synthetic.model_description import Fields, Quantization, SoftmaxOptions
from midge.synthetic.network_builder import NetworkBuilder

Reals = NDArray[np.float64]
Shape = tuple[int, ...]

LONGEST_SOFTMAX = 511
FLATTEST = 2.0**-26
"""TFLite Micro refuses an int8 softmax or log_softmax whose beta * scale is not over this."""
LARGEST_INT16 = 4.0
"""Beta times scale of an int16 softmax; from 5 on differences overflow."""

# From the types of input and output to the output's quantisation.
_SOFTMAX_OUTPUTS: dict[tuple[str, str], Quantization | None] = {
    ("int8", "int8"): Quantization((1 / 256,), (-128,)),
    ("int8", "int16"): Quantization((1 / 65536,), (-32768,)),
    ("int16", "int16"): Quantization((1 / 32768,), (0,)),
    ("float32", "float32"): None,
}
_LOG_SOFTMAX_OUTPUTS = {"int8": Quantization((1 / 16,), (127,)), "float32": None}
_L2_OUTPUTS = {"int8": Quantization((1 / 128,), (0,)), "float32": None}


def _softmax(builder: NetworkBuilder, x: str, beta: float, to: str) -> str:
    real = simulate.softmax(builder.values(x), beta)
    output = _SOFTMAX_OUTPUTS[builder.dtype(x), to]
    options = SoftmaxOptions(beta)
    return builder.operator("SOFTMAX", (x,), options, real, output, dtype=to, version=2)


def _log_softmax(builder: NetworkBuilder, x: str) -> str:
    values = builder.values(x)
    difference = values - values.max(axis=-1, keepdims=True)
    real: Reals = difference - np.log(np.exp(difference).sum(axis=-1, keepdims=True))
    output = _LOG_SOFTMAX_OUTPUTS[builder.dtype(x)]
    options = Fields.of("LogSoftmaxOptions")
    return builder.operator("LOG_SOFTMAX", (x,), options, real, output, dtype=builder.dtype(x))


def _l2_normalization(builder: NetworkBuilder, x: str) -> str:
    values = builder.values(x)
    norm = np.sqrt((values**2).sum(axis=-1, keepdims=True))
    real: Reals = values / np.maximum(norm, 1e-6)
    output = _L2_OUTPUTS[builder.dtype(x)]
    options = Fields.of("L2NormOptions", FusedActivationFunction=0)
    return builder.operator(
        "L2_NORMALIZATION", (x,), options, real, output, dtype=builder.dtype(x), version=2
    )


def _grow_softmax(growth: Growth, x: str) -> str | None:
    builder, choices = growth.builder, growth.choices
    dtype, shape = builder.dtype(x), builder.shape(x)
    to = "float32" if dtype == "float32" else "int16"
    if (dtype, to) not in _SOFTMAX_OUTPUTS or not shape:
        return None
    beta = choices.one_of((1.0, 1.0, 0.5, 0.1, 0.03, 20.0))
    if dtype != "float32":
        quantization = builder.quantization(x)
        if dtype == "int8" and beta * quantization.scale <= FLATTEST:
            return None
        if dtype == "int16" and (
            quantization.zero_point != 0 or beta * quantization.scale > LARGEST_INT16
        ):
            return None
    if dtype == "int8" and shape[-1] > LONGEST_SOFTMAX:
        return None
    return growth.done(_softmax(builder, x, beta, to), x)


def _grow_log_softmax(growth: Growth, x: str) -> str | None:
    builder = growth.builder
    dtype, shape = builder.dtype(x), builder.shape(x)
    if dtype not in _LOG_SOFTMAX_OUTPUTS or not shape or shape[-1] > LONGEST_SOFTMAX:
        return None
    if dtype == "int8" and builder.quantization(x).scale <= FLATTEST:
        return None
    return growth.done(_log_softmax(builder, x), x)


def _grow_l2_normalization(growth: Growth, x: str) -> str | None:
    builder = growth.builder
    # TFLite Micro takes up to four dimensions.
    if builder.dtype(x) not in _L2_OUTPUTS or not 1 <= len(builder.shape(x)) <= 4:
        return None
    return growth.done(_l2_normalization(builder, x), x)


STEPS: dict[str, Step] = {
    "SOFTMAX": _grow_softmax,
    "LOG_SOFTMAX": _grow_log_softmax,
    "L2_NORMALIZATION": _grow_l2_normalization,
}

# name -> (shape, scale of integers, beta)
_ROWS: dict[str, tuple[Shape, float, float]] = {
    "rank_1": ((7,), 0.08, 1.0),
    "rank_2": ((1, 12), 0.08, 1.0),
    "rank_3": ((2, 3, 5), 0.08, 1.0),
    "rank_4": ((1, 2, 3, 4), 0.08, 1.0),
    "batch_4": ((4, 10), 0.08, 1.0),
    "depth_1": ((3, 1), 0.08, 1.0),
    "depth_2": ((5, 2), 0.11, 1.0),
    "depth_511": ((1, 511), 0.002, 1.0),
    "beta_0.3": ((3, 9), 0.08, 0.3),
    "beta_10": ((3, 9), 0.08, 10.0),
    "beta_0.001": ((3, 9), 0.08, 0.001),
    "one_code_is_a_factor_of_e": ((3, 9), 1.0, 1.0),
    "multiplier_at_its_cap": ((3, 9), 40.0, 1.0),
    "nearly_flat": ((3, 9), 1e-7, 1.0),
}
# More than an int8 softmax takes: the sums have 12 integer bits.
_LONG_ROWS = {"depth_4095": ((1, 4095), 0.002, 1.0), "depth_1000": ((2, 1000), 1e-6, 1.0)}
# For int16 alone: scales for which differences span from nothing to more than exp(-10).
_INT16_ROWS: dict[str, tuple[Shape, float, float]] = {
    **{
        name: (shape, scale / 256, beta)
        for name, (shape, scale, beta) in (_ROWS | _LONG_ROWS).items()
        if scale < 40
    },
    "a_step_is_a_step_of_the_table": ((3, 9), 10 / 65535, 1.0),
    "flat": ((3, 9), 1e-9, 1.0),
    "factor_of_2^-33": ((3, 9), 1e-14, 1.0),
    "beta_0": ((3, 9), 0.08, 0.0),
    "steep": ((3, 9), 0.4, 10.0),
    "depth_3000": ((1, 3000), 1e-4, 1.0),
}


def _case(
    name: str,
    shape: Shape,
    quantization: Quantization | None,
    dtype: str,
    add: Callable[[NetworkBuilder, str], str],
) -> Case:
    return name, lambda builder: add(builder, builder.input(shape, quantization, dtype))


def _softmax_case(
    name: str, row: tuple[Shape, float, float], types: tuple[str, str], zero_point: int
) -> Case:
    shape, scale, beta = row
    first, to = types
    quantization = None if first == "float32" else Quantization((scale,), (zero_point,))
    what = f"SOFTMAX/{first}/{f'to_{to}/' if to != first else ''}{name}"
    return _case(what, shape, quantization, first, lambda b, x: _softmax(b, x, beta, to))


def _l2_quantization(scale: float, zero_point: int) -> Quantization:
    return Quantization((scale,), (zero_point,))


# name -> (shape, zero point)
_L2: dict[str, tuple[Shape, int]] = {
    "rank_1": ((7,), -20),
    "rank_2": ((3, 12), -20),
    "rank_3": ((2, 3, 5), 9),
    "rank_4": ((2, 2, 3, 4), 0),
    "depth_1": ((6, 1), 3),
    "depth_2": ((9, 2), 3),
    "zero_point_-128": ((3, 8), -128),
    "zero_point_127": ((3, 8), 127),
    "long": ((1, 1500), -3),
    "squares_up_to_int32": ((1, 33025), -128),
}


CASES: list[Case] = [
    *(
        _softmax_case(f"{name}/zero_point_{zero_point}", row, ("int8", "int16"), zero_point)
        for name, row in (_ROWS | _LONG_ROWS).items()
        for zero_point in (4, -128)
    ),
    *(_softmax_case(name, row, ("int16", "int16"), 0) for name, row in _INT16_ROWS.items()),
    *(
        _softmax_case(name, row, ("float32", "float32"), 0)
        for name, row in _ROWS.items()
        if row[1] in (0.08, 0.11, 0.002)
    ),
    *(
        _case(
            f"LOG_SOFTMAX/int8/{name}/zero_point_{zero_point}",
            shape,
            Quantization((scale,), (zero_point,)),
            "int8",
            _log_softmax,
        )
        for name, (shape, scale, beta) in (_ROWS | _LONG_ROWS).items()
        for zero_point in (4, 127)
        if beta == 1.0
    ),
    *(
        _case(f"LOG_SOFTMAX/float32/{name}", shape, None, "float32", _log_softmax)
        for name, (shape, scale, beta) in _ROWS.items()
        if (beta == 1.0 and scale < 1e-2) or scale in (0.08, 0.11)
    ),
    *(
        _case(
            f"L2_NORMALIZATION/int8/{name}",
            shape,
            _l2_quantization(0.031, zero_point),
            "int8",
            _l2_normalization,
        )
        for name, (shape, zero_point) in _L2.items()
    ),
    *(
        _case(f"L2_NORMALIZATION/float32/{name}", shape, None, "float32", _l2_normalization)
        for name, (shape, _) in _L2.items()
        if len(shape) < 2 or shape[-1] < 2000
    ),
]
