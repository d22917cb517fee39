"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_ALL, ARG_MAX, ARG_MIN, CUMSUM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from midge.synthetic.calibration import COVERING, Calibration
from midge.synthetic.growth import Case, Growth, Step
from midge.synthetic.model_description import Fields, Quantization
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.random_numbers import random_calibration

Reals = NDArray[np.float64]
Shape = tuple[int, ...]

NUMBERS = ("int8", "int16", "float32")
LONGEST_CUMSUM = 15
"""TFLite Micro's int8 sums overflow from 4096 steps on; so many never reach that."""

_LINEAR: dict[str, Callable[..., Reals]] = {"MEAN": np.mean, "SUM": np.sum}
_EXTREME: dict[str, Callable[..., Reals]] = {"REDUCE_MAX": np.max, "REDUCE_MIN": np.min}
_ARGUMENT: dict[str, Callable[..., Any]] = {"ARG_MAX": np.argmax, "ARG_MIN": np.argmin}


def _reduce(
    builder: NetworkBuilder,
    op: str,
    x: str,
    axes: int | Shape,
    keep_dims: bool,
    output: Calibration | Quantization = COVERING,
) -> str:
    rank = len(builder.shape(x))
    written = builder.constant(np.array(axes, np.int32))
    along = tuple(sorted(axis % rank + 1 for axis in np.atleast_1d(axes).tolist()))
    values, quantization = builder.values(x), None
    if op == "REDUCE_ALL":
        real = np.all(values, axis=along, keepdims=keep_dims).astype(float)
    else:
        real = (_LINEAR | _EXTREME)[op](values, axis=along, keepdims=keep_dims)
        if builder.is_quantized(x):
            quantization = output if op in _LINEAR else builder.quantization(x)
    options = Fields.of("ReducerOptions", KeepDims=keep_dims)
    return builder.operator(
        op, (x, written), options, real, quantization, dtype=builder.dtype(x), version=2
    )


def _argument(
    builder: NetworkBuilder, op: str, x: str, axis: int | Shape, index: str = "int32"
) -> str:
    written = builder.constant(np.array(axis, np.int32))
    along = int(np.atleast_1d(axis)[0]) % len(builder.shape(x)) + 1
    real = _ARGUMENT[op](builder.values(x), axis=along).astype(float)
    table = "ArgMaxOptions" if op == "ARG_MAX" else "ArgMinOptions"
    options = Fields.of(table, OutputType=getattr(tflite.TensorType, index.upper()))
    return builder.operator(op, (x, written), options, real, None, dtype=index)


def _cumsum(
    builder: NetworkBuilder,
    x: str,
    axis: int,
    options: Fields,
    output: Calibration | Quantization = COVERING,
) -> str:
    written = builder.constant(np.array(axis, np.int32))
    real = np.cumsum(builder.values(x), axis=axis % len(builder.shape(x)) + 1)
    quantization = output if builder.is_quantized(x) else None
    return builder.operator(
        "CUMSUM", (x, written), options, real, quantization, dtype=builder.dtype(x)
    )


def _grow_reduction(op: str) -> Step:
    types = ("bool",) if op == "REDUCE_ALL" else NUMBERS

    def step(growth: Growth, x: str) -> str | None:
        builder, choices = growth.builder, growth.choices
        rank = len(builder.shape(x))
        if builder.dtype(x) not in types or rank < 1:
            return None
        axes = [axis for axis in range(rank) if choices.one_in(2)] or [choices.integer(0, rank - 1)]
        keep_dims = len(axes) == rank or choices.one_in(2)
        written = tuple(axis - rank if choices.one_in(3) else axis for axis in axes)
        result = _reduce(builder, op, x, written, keep_dims, random_calibration(choices))
        return growth.done(result, x)

    return step


def _grow_argument(op: str) -> Step:
    def step(growth: Growth, x: str) -> str | None:
        builder, choices = growth.builder, growth.choices
        rank = len(builder.shape(x))
        if builder.dtype(x) not in NUMBERS or rank < 2:
            return None
        axis = choices.one_of((-1, choices.integer(0, rank - 1)))
        return growth.done(_argument(builder, op, x, axis), x)

    return step


def _grow_cumsum(growth: Growth, x: str) -> str | None:
    builder, choices = growth.builder, growth.choices
    shape = builder.shape(x)
    if builder.dtype(x) not in ("int8", "float32") or not shape:
        return None
    axis = choices.integer(0, len(shape) - 1)
    if shape[axis] > LONGEST_CUMSUM:
        return None
    options = _cumsum_options(choices.one_in(2), choices.one_in(2))
    return growth.done(_cumsum(builder, x, axis, options, random_calibration(choices)), x)


def _cumsum_options(exclusive: bool, reverse: bool) -> Fields:
    return Fields.of("CumsumOptions", Exclusive=exclusive, Reverse=reverse)


STEPS: dict[str, Step] = {
    **{op: _grow_reduction(op) for op in (*_LINEAR, *_EXTREME, "REDUCE_ALL")},
    **{op: _grow_argument(op) for op in _ARGUMENT},
    "CUMSUM": _grow_cumsum,
}
NOT_IN_TFLM = {(op, "int16") for op in (*_EXTREME, *_ARGUMENT)}

_QUANTIZATIONS: dict[str, Quantization | None] = {
    "int8": Quantization((0.031,), (-20,)),
    "int16": Quantization((0.0007,), (0,)),
    "float32": None,
    "bool": None,
}

# name -> (shape, axes as written, keep_dims)
_REDUCTIONS: dict[str, tuple[Shape, int | Shape, bool]] = {
    "image": ((1, 5, 4, 3), (1, 2), True),
    "image_squeezed": ((1, 5, 4, 3), (1, 2), False),
    "image_axes_turned": ((2, 3, 4, 5), (2, 1), True),
    "image_negative_axes": ((2, 3, 4, 5), (-3, -2), False),
    "channels": ((2, 3, 4, 7), (-1,), False),
    "channels_kept": ((2, 3, 4, 7), (3,), True),
    "scalar_axis": ((2, 3, 4, 7), 2, False),
    "batch": ((3, 2, 2, 2), (0,), False),
    "outer_two": ((3, 5, 4), (0, 1), False),
    "first_and_last": ((3, 4, 5), (0, 2), True),
    "every_other": ((2, 3, 2, 4, 3), (0, 2, 4), False),
    "every_other_from_the_second": ((2, 3, 2, 4, 3, 2), (1, 3, 5), True),
    "everything": ((2, 3, 4), (0, 1, 2), True),
    "everything_to_a_scalar": ((3, 5), (0, 1), False),
    "rank_1": ((9,), (0,), True),
    "extent_1": ((2, 1, 3), (1,), False),
    "one_element": ((1, 1), (0, 1), True),
    "one_of_289": ((1, 17, 17, 2), (1, 2), True),
    "power_of_two": ((1, 8, 8, 5), (1, 2), True),
}

# name -> (input, output); of MEAN and SUM over the 15 elements of an image
_SCALES: dict[str, tuple[Quantization, Calibration | Quantization]] = {
    "input_zero_point_-128": (Quantization((0.05,), (-128,)), COVERING),
    "input_zero_point_127": (Quantization((0.05,), (127,)), COVERING),
    "output_zero_point_at_an_end": (Quantization((0.05,), (3,)), Calibration(one_sided=True)),
    "output_zero_point_127": (Quantization((0.05,), (3,)), Quantization((0.05,), (127,))),
    "equal_scales": (Quantization((0.05,), (3,)), Quantization((0.05,), (3,))),
    "saturating": (Quantization((0.05,), (3,)), Calibration(stretch=0.05)),
    "few_codes": (Quantization((0.05,), (3,)), Calibration(stretch=30.0)),
    "factor_of_2^-20": (Quantization((1.0,), (3,)), Quantization((1.3 * 2.0**20,), (7,))),
    "factor_of_2^-31": (Quantization((1.0,), (3,)), Quantization((1.3 * 2.0**31,), (7,))),
    "factor_of_2^-33": (Quantization((1.0,), (3,)), Quantization((1.3 * 2.0**33,), (7,))),
    "factor_of_2^15": (Quantization((1.0,), (3,)), Quantization((1.3 * 2.0**-15,), (7,))),
    "just_over_one": (Quantization((1.0001,), (3,)), Quantization((1.0,), (3,))),
}


def _reduction_case(
    name: str,
    op: str,
    dtype: str,
    row: tuple[Shape, int | Shape, bool],
    quantizations: tuple[Quantization, Calibration | Quantization] | None = None,
) -> Case:
    def build(builder: NetworkBuilder) -> str:
        first = _QUANTIZATIONS[dtype] if quantizations is None else quantizations[0]
        output = COVERING if quantizations is None else quantizations[1]
        return _reduce(builder, op, builder.input(row[0], first, dtype), *row[1:], output)

    return f"{op}/{dtype}/{name}", build


def _scaled_cases(op: str) -> list[Case]:
    cases = [
        _reduction_case(name, op, "int8", ((2, 3, 5, 2), (1, 2), True), row)
        for name, row in _SCALES.items()
    ]
    for name in ("saturating", "few_codes"):
        row = (Quantization((0.0004,), (0,)), _SCALES[name][1])
        cases.append(_reduction_case(name, op, "int16", ((2, 3, 5, 2), (1, 2), True), row))
    row = (Quantization((0.0004,), (90,)), Quantization((0.0005,), (-33,)))
    cases.append(_reduction_case("zero_points", op, "int16", ((2, 3, 5, 2), (1, 2), True), row))
    return cases


# name -> (shape, axis as written)
_ARGUMENTS: dict[str, tuple[Shape, int | Shape]] = {
    "classes": ((1, 10), 1),
    "negative_axis": ((3, 7), -1),
    "axis_of_one_dimension": ((3, 7), (1,)),
    "outermost": ((5, 2, 3), 0),
    "middle": ((2, 4, 3, 2), 1),
    "extent_1": ((2, 1, 3), 1),
    "rank_1_to_a_scalar": ((9,), 0),
    "long": ((2, 300), 1),
}


def _argument_case(
    name: str, op: str, dtype: str, row: tuple[Shape, int | Shape], index: str = "int32"
) -> Case:
    def build(builder: NetworkBuilder) -> str:
        x = builder.input(row[0], _QUANTIZATIONS[dtype], dtype)
        return _argument(builder, op, x, row[1], index)

    return f"{op}/{dtype}/{name}", build


# name -> (shape, axis as written)
_CUMSUMS: dict[str, tuple[Shape, int]] = {
    "rank_1": ((12,), 0),
    "innermost": ((2, 3, 8), -1),
    "outermost": ((6, 2, 3), 0),
    "middle": ((2, 3, 5, 2), 2),
    "extent_1": ((2, 1, 3), 1),
    "longest": ((2, LONGEST_CUMSUM), 1),
}
_CUMSUM_SCALES = {
    name: row for name, row in _SCALES.items() if name not in ("factor_of_2^-31", "factor_of_2^-33")
} | {
    "factor_of_2^-14": (Quantization((1.0,), (3,)), Quantization((2.0**14,), (7,))),
    "factor_of_2^18": (Quantization((1.0,), (3,)), Quantization((1.7 * 2.0**-18,), (7,))),
}


def _cumsum_cases() -> list[Case]:
    cases = []
    for dtype in ("int8", "float32"):
        for number, (name, row) in enumerate(_CUMSUMS.items()):
            for flags in range(4):
                if number < 4 or flags == number % 4:
                    cases.append(_cumsum_case(name, dtype, row, flags))
    for number, (name, quantizations) in enumerate(_CUMSUM_SCALES.items()):
        cases.append(_cumsum_case(name, "int8", ((2, 7), 1), number % 4, quantizations))
    return cases


def _cumsum_case(
    name: str,
    dtype: str,
    row: tuple[Shape, int],
    flags: int,
    quantizations: tuple[Quantization, Calibration | Quantization] | None = None,
) -> Case:
    exclusive, reverse = bool(flags & 1), bool(flags & 2)

    def build(builder: NetworkBuilder) -> str:
        first = _QUANTIZATIONS[dtype] if quantizations is None else quantizations[0]
        output = COVERING if quantizations is None else quantizations[1]
        x = builder.input(row[0], first, dtype)
        return _cumsum(builder, x, row[1], _cumsum_options(exclusive, reverse), output)

    words = f"{'_exclusive' * exclusive}{'_reverse' * reverse}"
    return f"CUMSUM/{dtype}/{name}{words}", build


CASES: list[Case] = [
    *(
        _reduction_case(name, op, dtype, row)
        for op in (*_LINEAR, *_EXTREME, "REDUCE_ALL")
        for dtype in (("bool",) if op == "REDUCE_ALL" else NUMBERS)
        for name, row in _REDUCTIONS.items()
    ),
    *(case for op in _LINEAR for case in _scaled_cases(op)),
    *(
        _argument_case(name, op, dtype, row)
        for op in _ARGUMENT
        for dtype in NUMBERS
        for name, row in _ARGUMENTS.items()
    ),
    *(
        _argument_case(f"{name}_int64", op, "int16", row, "int64")
        for op in _ARGUMENT
        for name, row in _ARGUMENTS.items()
    ),
    *_cumsum_cases(),
]
