"""Single operators on each element of one tensor: every type, both ends, extreme scales."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from midge.synthetic.calibration import COVERING, Calibration
from midge.synthetic.growth import Case
from midge.synthetic.model_description import Fields, Quantization
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.steps.elementwise_unary import (
    TYPES,
    add_cast,
    add_dequantize,
    add_quantize,
    add_unary,
)

_Shape = tuple[int, ...]
_IMAGE: _Shape = (1, 3, 4, 5)
_MANY: _Shape = (2, 129)


def _q(scale: float, zero_point: int = 0) -> Quantization:
    return Quantization((scale,), (zero_point,))


# name -> (shape, input, output)
_Numbers = tuple[_Shape, Quantization, Calibration | Quantization]
_INT8: dict[str, _Numbers] = {
    "image": (_MANY, _q(0.031, -20), COVERING),
    "ends_of_zero_points": ((7,), _q(0.043, 127), Calibration(one_sided=True)),
    "saturating": ((2, 1, 3, 2, 9), _q(0.06, 4), Calibration(stretch=0.2)),
    "few_codes": ((1, 33), _q(0.02, -128), Calibration(stretch=20.0)),
}
_INT16: dict[str, _Numbers] = {
    "image": (_MANY, _q(0.0003), COVERING),
    "saturating": ((9,), _q(0.001), Calibration(stretch=0.2)),
    "few_codes": ((2, 1, 3, 2, 2), _q(0.00007), Calibration(stretch=300.0)),
}
# Where a fixed output leaves nothing to choose.
_LOGISTIC_INT8: dict[str, _Numbers] = {
    "coarse": ((5, 7), _q(3.7, 5), COVERING),
    "coarsest": ((5, 7), _q(9.0, 5), COVERING),
    "fine": ((5, 7), _q(1e-7, 5), COVERING),
}
_LOGISTIC_INT16: dict[str, _Numbers] = {
    "power_of_two": (_MANY, _q(2.0**-12), COVERING),
    "twice_that": (_MANY, _q(2.0**-11), COVERING),
    "nearly_a_power_of_two": (_MANY, _q(1.0005 * 2.0**-12), COVERING),
    "coarse": (_MANY, _q(2.5), COVERING),
    "fine": (_MANY, _q(1e-9), COVERING),
}
# TFLite Micro takes no negative number here.
_RSQRT_INT8: dict[str, _Numbers] = {
    "image": (_MANY, _q(0.031, -128), COVERING),
    "one_sided": ((7,), _q(0.3, -128), Calibration(one_sided=True)),
    "saturating": ((2, 1, 3, 2, 9), _q(0.002, -128), Calibration(stretch=0.2)),
    "few_codes": ((1, 33), _q(1.7, -128), Calibration(stretch=20.0)),
}
_RSQRT_INT16: dict[str, _Numbers] = {
    "coarse": ((2, 33), _q(40.0), _q(0.00002)),
    "fine": ((2, 33), _q(1e-9), _q(1.7)),
}
_FLOAT_SHAPES: dict[str, _Shape] = {"image": _IMAGE, "rank_1": (31,), "rank_5": (2, 1, 3, 2, 2)}


def _numbers(op: str, dtype: str) -> dict[str, _Numbers]:
    if dtype == "int16":
        own = {"LOGISTIC": _LOGISTIC_INT16, "TANH": _LOGISTIC_INT16, "RSQRT": _RSQRT_INT16}
        return _INT16 | own.get(op, {})
    if op == "RSQRT":
        return _RSQRT_INT8
    return _INT8 | (_LOGISTIC_INT8 if op in ("LOGISTIC", "TANH") else {})


def _function_cases() -> Iterator[Case]:
    for op, dtypes in TYPES.items():
        for dtype in dtypes:
            if dtype == "float32":
                for name, shape in _FLOAT_SHAPES.items():
                    yield _function(op, dtype, name, shape, None, COVERING)
                continue
            for name, (shape, x, y) in _numbers(op, dtype).items():
                yield _function(op, dtype, name, shape, x, y)


def _function(
    op: str,
    dtype: str,
    name: str,
    shape: _Shape,
    x: Quantization | None,
    y: Calibration | Quantization,
    **attributes: float | bool,
) -> Case:
    def build(builder: NetworkBuilder) -> str:
        return add_unary(builder, op, builder.input(shape, x, dtype), y, **attributes)  # type: ignore[arg-type]

    return f"{op}/{dtype}/{name}", build


_SLOPES = {"negative": -0.4, "over_1": 2.5, "zero": 0.0, "tiny": 1e-9, "one": 1.0}


def _attribute_cases() -> Iterator[Case]:
    scales = {"int8": _q(0.031, -20), "int16": _q(0.0003), "float32": None}
    for dtype, x in scales.items():
        for name, slope in _SLOPES.items():
            yield _function("LEAKY_RELU", dtype, f"slope_{name}", _MANY, x, COVERING, slope=slope)
        yield _function("GELU", dtype, "approximate", _MANY, x, COVERING, approximate=True)


# An output of the same scale, of one far away, and of zero points at the ends.
_Pair = tuple[Quantization | None, Quantization]
_QUANTIZE: dict[tuple[str, str], dict[str, _Pair]] = {
    ("float32", "int8"): {
        "unit": (None, _q(1.0, 3)),
        "low_zero_point": (None, _q(1.5, -128)),
        "high_zero_point": (None, _q(2.7, 127)),
        "coarse": (None, _q(60.0)),
        "power_of_two": (None, _q(4.0, -7)),
    },
    ("float32", "int16"): {
        "unit": (None, _q(1.0)),
        "zero_point": (None, _q(1.1, -300)),
        "fine": (None, _q(0.6)),
        "coarse": (None, _q(7e4)),
        "power_of_two": (None, _q(2.0)),
    },
    ("int8", "int8"): {
        "same": (_q(0.1, 3), _q(0.1, 3)),
        "other_zero_point": (_q(0.1, -128), _q(0.1, 127)),
        "finer": (_q(0.1, 3), _q(0.013, -9)),
        "coarser": (_q(0.1, 3), _q(1.9, -9)),
        "far_finer": (_q(0.1, 3), _q(1e-6, -9)),
    },
    ("int8", "uint8"): {
        "same": (_q(0.1, -128), _q(0.1, 0)),
        "rescaled": (_q(0.1, 3), _q(0.07, 250)),
    },
    ("uint8", "int8"): {
        "same": (_q(0.1, 128), _q(0.1, 0)),
        "rescaled": (_q(0.1, 250), _q(0.07, 3)),
    },
    ("int8", "int16"): {
        "finer": (_q(0.1, 3), _q(0.001)),
        "same": (_q(0.1, 3), _q(0.1)),
        "coarser": (_q(0.1, -128), _q(0.45, 11)),
        "saturating": (_q(0.1, 127), _q(1e-4)),
        "far_finer": (_q(0.1, 3), _q(1e-7)),
    },
    ("int8", "int32"): {
        "finer": (_q(0.1, 3), _q(1e-5)),
        "same": (_q(0.1, 3), _q(0.1)),
        "coarser": (_q(0.1, -128), _q(0.45, 11)),
        "far_finer": (_q(0.1, 127), _q(1e-8)),
        "to_the_end": (_q(0.1, 127), _q(0.1, 2**31 - 100)),
    },
    ("int16", "int8"): {
        "ordinary": (_q(0.0001), _q(0.02, 5)),
        "same": (_q(0.02), _q(0.02, -128)),
        "saturating": (_q(0.0001, 77), _q(0.004, 127)),
        "finer": (_q(0.1), _q(0.01)),
        "far_finer": (_q(0.1), _q(1e-7)),
    },
    ("int16", "int16"): {
        "ordinary": (_q(0.0001), _q(0.00013)),
        "same": (_q(0.0001), _q(0.0001)),
        "zero_points": (_q(0.0001, 32767), _q(0.0002, -32768)),
        "finer": (_q(0.1), _q(0.01, 5)),
        "far_finer": (_q(0.1), _q(1e-7)),
    },
    ("int16", "int32"): {
        "ordinary": (_q(0.0001), _q(1e-7)),
        "same": (_q(0.0001, -5), _q(0.0001)),
        "coarser": (_q(0.0001), _q(0.0137, -1000)),
        "finer": (_q(0.1, 5), _q(1e-5, 12345)),
        "far_finer": (_q(0.1), _q(1e-9)),
    },
    ("int32", "int8"): {
        "ordinary": (_q(1e-9), _q(0.02, 5)),
        "saturating": (_q(1e-9), _q(0.004, -128)),
        "zero_point": (_q(1e-9, 1000), _q(0.02, 127)),
        "nearly_nothing": (_q(1e-12), _q(0.02)),
        "coarse": (_q(4e-9), _q(0.1)),
    },
    ("int32", "int16"): {
        "ordinary": (_q(1e-9), _q(1e-4)),
        "saturating": (_q(1e-9), _q(1e-5)),
        "zero_point": (_q(1e-9, -1000), _q(1e-4, 77)),
        "nearly_nothing": (_q(1e-12), _q(0.02)),
        "coarse": (_q(4e-9), _q(0.1)),
    },
}


def _quantize_cases() -> Iterator[Case]:
    shapes = (_MANY, (1,), (2, 1, 3, 2, 2), (13,), _IMAGE)
    for (source, target), pairs in _QUANTIZE.items():
        for (name, (x, y)), shape in zip(pairs.items(), shapes, strict=False):
            yield _quantize(source, target, name, x, y, shape)


def _quantize(
    source: str, target: str, name: str, x: Quantization | None, y: Quantization, shape: _Shape
) -> Case:
    def build(builder: NetworkBuilder) -> str:
        return add_quantize(builder, builder.input(shape, x, source), target, y)

    return f"QUANTIZE/{source}/{target}/{name}", build


_DEQUANTIZE: dict[str, tuple[Quantization, ...]] = {
    "int8": (_q(0.1, 3), _q(1e-30, -128), _q(1e36, 127), _q(1.0), _q(1e-40)),
    "int16": (_q(0.0001), _q(1e-30, -32768), _q(5e33, 32767), _q(1.0, 1), _q(1e-40)),
    "uint8": (_q(0.1, 128), _q(1e-30), _q(1e36, 255), _q(1.0), _q(1e-40)),
}


def _dequantize_cases() -> Iterator[Case]:
    shapes = (_MANY, (1,), (2, 1, 3, 2, 2), (13,), _IMAGE)
    for dtype, scales in _DEQUANTIZE.items():
        for x, shape in zip(scales, shapes, strict=True):
            yield _dequantize(dtype, x, shape)


def _dequantize(dtype: str, x: Quantization, shape: _Shape) -> Case:
    def build(builder: NetworkBuilder) -> str:
        return add_dequantize(builder, builder.input(shape, x, dtype))

    return f"DEQUANTIZE/{dtype}/scale_{x.scale:.3g}_zero_point_{x.zero_point}", build


_IN_TFLM = ("bool", "float32", "int16", "int32", "int8")
_CAST = {
    **dict.fromkeys(_IN_TFLM, _IN_TFLM),
    **dict.fromkeys(("int64", "uint8"), (*_IN_TFLM, "int64", "uint8")),
}


def _cast_cases() -> Iterator[Case]:
    for source, targets in _CAST.items():
        for target in targets:
            yield _cast(source, target, None, "plain")
    yield _cast("int8", "float32", _q(0.3, -7), "quantized")
    yield _cast("int16", "int8", _q(0.3), "quantized")


def _cast(source: str, target: str, x: Quantization | None, name: str) -> Case:
    def build(builder: NetworkBuilder) -> str:
        return add_cast(builder, builder.input((3, 43), x, source), target)

    return f"CAST/{source}/{target}/{name}", build


def _logical_not_cases() -> Iterator[Case]:
    for shape in ((1,), (13,), (2, 9), _IMAGE, (2, 1, 3, 2, 2)):
        yield _logical_not(shape)


def _logical_not(shape: _Shape) -> Case:
    def build(builder: NetworkBuilder) -> str:
        x = builder.input(shape, None, "bool")
        real = 1 - np.asarray(builder.values(x))
        options = Fields.of("LogicalNotOptions")
        return builder.operator("LOGICAL_NOT", (x,), options, real, None, dtype="bool")

    return f"LOGICAL_NOT/bool/{'x'.join(map(str, shape))}", build


CASES: list[Case] = [
    *_function_cases(),
    *_attribute_cases(),
    *_quantize_cases(),
    *_dequantize_cases(),
    *_cast_cases(),
    *_logical_not_cases(),
]
