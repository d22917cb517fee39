"""Operators on each element of one tensor: what they refuse, and values worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from graph_builders import one_op, per_channel, per_tensor, plain, refuses

from midge.errors import UserError
from midge.graph import (
    OPS,
    Attributes,
    DType,
    Rounding,
    Tensor,
    TensorType,
    format_graph,
    interpret,
    parse_graph,
    verify,
)
from midge.graph.elementwise_unary import PiecewiseLinear, RealOrQuantized, Unary
from midge.graph.ops.conversions import QUANTIZED_TO, Cast, Dequantize, Quantize
from midge.graph.ops.elementary_functions import Exp, Log, Rsqrt, Sqrt, Square
from midge.graph.ops.logistic_tanh import Logistic, Tanh
from midge.graph.ops.rectifiers import LeakyRelu, Relu, Relu6, ReluN1To1
from midge.graph.ops.sign_and_rounding import Abs, Ceil, Floor, LogicalNot, Neg, Round
from midge.graph.ops.smooth_units import Elu, Gelu, HardSwish

INT8, INT16, INT32, UINT8 = DType.INT8, DType.INT16, DType.INT32, DType.UINT8
FLOAT = DType.FLOAT32
NAN, INF = float("nan"), float("inf")
WITH_ATTRIBUTES: dict[str, Attributes] = {
    "leaky_relu": LeakyRelu(alpha=0.25),
    "quantize": Quantize(to=INT8),
    "cast": Cast(to=FLOAT),
}
FAMILY = {kind: op for kind, op in OPS.items() if issubclass(op, Unary)}


def quantized(
    name: str, dtype: DType, scale: float = 0.5, zero_point: int = 0, shape: tuple[int, ...] = (3,)
) -> Tensor:
    return Tensor(name, shape, dtype, per_tensor(scale, zero_point))


def check(attributes: Attributes, x: Tensor, y: Tensor) -> None:
    attributes.infer([x])
    attributes.check([x], [y])


def evaluate(attributes: Attributes, values: Any, x: Tensor, y: Tensor) -> Any:
    """The operator on these values, through the whole graph room."""
    array = np.array(values, x.dtype.numpy)
    x, y = replace(x, shape=array.shape), replace(y, shape=array.shape)
    graph = verify(one_op(attributes, [x], y))
    return interpret(graph, {"x": array})["y"]


def on_floats(attributes: Attributes, values: Sequence[float]) -> Any:
    return evaluate(attributes, values, plain("x", 1, dtype=FLOAT), plain("y", 1, dtype=FLOAT))


def on_codes(
    attributes: Attributes, values: Any, x: tuple[float, int], y: tuple[float, int], dtype: DType
) -> list[int]:
    found = evaluate(attributes, values, quantized("x", dtype, *x), quantized("y", dtype, *y))
    codes: list[int] = found.tolist()
    return codes


def bits(values: Any) -> Any:
    return np.asarray(values, np.float32).view(np.uint32)


@pytest.mark.tiny
@pytest.mark.parametrize("kind", FAMILY)
def test_output_has_the_shape_of_the_input(kind: str) -> None:
    attributes = WITH_ATTRIBUTES.get(kind) or FAMILY[kind]()
    for dtype in attributes.types:
        for shape in ((), (4,), (2, 1, 3, 1, 2, 1, 1, 2)):
            (result,) = attributes.infer([plain("x", *shape, dtype=dtype)])
            expected = {"quantize": INT8, "cast": FLOAT, "dequantize": FLOAT}.get(kind, dtype)
            assert result == TensorType(shape, expected)
    refused = [t for t in DType if t not in attributes.types]
    names = ", ".join(t.value for t in attributes.types)
    for dtype in refused:
        with refuses(f"x is {dtype.value}; supported here: {names}"):
            attributes.infer([plain("x", 3, dtype=dtype)])


@pytest.mark.tiny
@pytest.mark.parametrize("kind", FAMILY)
def test_text_form_keeps_the_operator(kind: str) -> None:
    attributes = WITH_ATTRIBUTES.get(kind) or FAMILY[kind]()
    x = plain("x", 3, dtype=attributes.types[-1])
    if x.dtype is not FLOAT and x.dtype is not DType.BOOL:
        x = replace(x, quantization=per_tensor(0.5, 0))
    (result,) = attributes.infer([x])
    y = Tensor("y", result.shape, result.dtype)
    if kind == "quantize":
        y = replace(y, quantization=per_tensor(0.5, 0))
    graph = verify(one_op(attributes, [x], y))
    assert parse_graph(format_graph(graph)) == graph


@pytest.mark.parametrize("kind", [k for k, op in FAMILY.items() if issubclass(op, RealOrQuantized)])
def test_integers_have_one_scale_each(kind: str) -> None:
    attributes = WITH_ATTRIBUTES.get(kind) or FAMILY[kind]()
    x, y = quantized("x", INT8), quantized("y", INT8)
    with refuses("x is int8 without quantisation parameters"):
        check(attributes, replace(x, quantization=None), y)
    with refuses("y is quantised per channel; supported here: per tensor"):
        check(attributes, x, replace(y, quantization=per_channel([0.5, 0.25, 1], 0)))
    if INT16 in attributes.types and kind != "quantize":
        with refuses("x is int16 with zero point 5; supported here: 0"):
            check(attributes, quantized("x", INT16, 0.5, 5), quantized("y", INT16))
        with refuses("y is int16 with zero point -1; supported here: 0"):
            check(attributes, quantized("x", INT16), quantized("y", INT16, 0.5, -1))


REFUSED: list[tuple[Attributes, Tensor, Tensor, str]] = [
    (
        Logistic(),
        quantized("x", INT8),
        quantized("y", INT8, 1 / 256, 0),
        "y has scale 0.00390625 and zero point 0; expected 1/256 and -128",
    ),
    (
        Tanh(),
        quantized("x", INT8),
        quantized("y", INT8, 1 / 256, 0),
        "y has scale 0.00390625 and zero point 0; expected 1/128 and 0",
    ),
    (
        Tanh(),
        quantized("x", INT16),
        quantized("y", INT16, 2.0**-14),
        "y has scale 6.10352e-05 and zero point 0; expected 1/32768 and 0",
    ),
    (
        Tanh(),
        quantized("x", INT8, 2.0**-29),
        quantized("y", INT8, 1 / 128),
        "x has scale 1.86265e-09; expected one from 2**-28 to 2**35",
    ),
    (
        Logistic(),
        quantized("x", INT8, 2.0**35),
        quantized("y", INT8, 1 / 256, -128),
        "x has scale 3.43597e+10; expected one from 2**-28 to 2**35",
    ),
    (
        Logistic(),
        quantized("x", INT16, 2.75),
        quantized("y", INT16, 2.0**-15),
        "x has scale 2.75; expected one under 8/3",
    ),
    (
        Relu(),
        quantized("x", INT8, 2.0**31),
        quantized("y", INT8, 1.0),
        "the scales give a factor of 2.14748e+09; expected one from 0 to under 2**30",
    ),
    (
        Relu6(),
        quantized("x", INT8),
        quantized("y", INT8, 1e-9),
        "y has scale 1e-09, too fine for relu6: 6 is 6e+09 steps, over int32",
    ),
    (
        ReluN1To1(rounding=Rounding.HALF_EVEN),
        quantized("x", INT8),
        quantized("y", INT8),
        "rounding half_even; supported here: tflite_double, single",
    ),
    (
        LeakyRelu(alpha=NAN),
        plain("x", 3, dtype=FLOAT),
        plain("y", 3, dtype=FLOAT),
        "alpha nan is not a finite float32",
    ),
    (
        LeakyRelu(alpha=1e39),
        plain("x", 3, dtype=FLOAT),
        plain("y", 3, dtype=FLOAT),
        "alpha 1e+39 is not a finite float32",
    ),
    (
        LeakyRelu(alpha=-3e38),
        quantized("x", INT8),
        quantized("y", INT8),
        "the scales give a factor of 3e+38; expected one from 0 to under 2**30",
    ),
    (
        HardSwish(),
        quantized("x", INT8, 1.0),
        quantized("y", INT8, 1 / 128),
        "y has scale 0.0078125 for an input of 1; expected over 1/128 and up to 512 times it",
    ),
    (
        HardSwish(),
        quantized("x", INT8, 1.0),
        quantized("y", INT8, 600.0),
        "y has scale 600 for an input of 1; expected over 1/128 and up to 512 times it",
    ),
    (
        HardSwish(),
        quantized("x", INT8, 1e-7),
        quantized("y", INT8, 1e-7),
        "x has scale 1e-07; expected at least 3 * 2**-24",
    ),
    (
        Rsqrt(rounding=Rounding.SINGLE),
        quantized("x", INT8),
        quantized("y", INT8),
        "rounding single; supported here: tflite_double",
    ),
    (
        Rsqrt(),
        quantized("x", INT8, 1.0),
        quantized("y", INT8, 5000.0),
        "y has scale 5000, too coarse for a root of steps of 1",
    ),
    (
        Exp(),
        quantized("x", INT8, 1e-39),
        quantized("y", INT8),
        "x has scale 1e-39, beyond float32's range",
    ),
    (
        Gelu(),
        quantized("x", INT16),
        quantized("y", INT16, 1e35),
        "y has scale 1e+35, beyond float32's range",
    ),
    (
        Quantize(to=INT8),
        plain("x", 3, dtype=FLOAT),
        quantized("y", INT8, 1e-39),
        "y has scale 1e-39, beyond float32's range",
    ),
    (
        Quantize(to=INT8),
        plain("x", 3, dtype=FLOAT),
        plain("y", 3),
        "y is int8 without quantisation parameters",
    ),
    (
        Quantize(to=INT16),
        plain("x", 3, dtype=INT32),
        quantized("y", INT16),
        "x is int32 without quantisation parameters",
    ),
    (
        Quantize(to=INT32),
        quantized("x", INT32),
        quantized("y", INT32),
        "x is int32, to be quantised to int32; supported from it: int8, int16",
    ),
    (
        Dequantize(),
        replace(quantized("x", INT8), quantization=per_channel([0.5, 1, 2], 0)),
        plain("y", 3, dtype=FLOAT),
        "x is quantised per channel; supported here: per tensor",
    ),
    (
        Cast(to=DType.INT4),
        plain("x", 3, dtype=FLOAT),
        plain("y", 3, dtype=DType.INT4),
        "casts to int4; supported: int8, int16, int32, int64, uint8, bool, float32",
    ),
]


@pytest.mark.tiny
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[0].kind}: {case[3][:40]}")
def test_refusal_says_what_was_expected(case: tuple[Attributes, Tensor, Tensor, str]) -> None:
    attributes, x, y, message = case
    with pytest.raises(UserError) as refused:
        check(attributes, x, y)
    assert str(refused.value) == message


def test_what_a_family_leaves_open_is_not_implemented() -> None:
    x = quantized("x", INT8)
    values = np.zeros(3, np.int8)
    with pytest.raises(NotImplementedError):
        RealOrQuantized().real(values.astype(np.float32))
    with pytest.raises(NotImplementedError):
        RealOrQuantized().check_quantized(x, x)
    with pytest.raises(NotImplementedError):
        RealOrQuantized().evaluate_quantized(values, x, x)
    with pytest.raises(NotImplementedError):
        PiecewiseLinear().pieces(x, x)


FLOATS: list[tuple[Attributes, list[float], list[float]]] = [
    (Relu(), [-1.5, -0.0, 0.0, 7.0, INF, -INF, NAN], [0.0, -0.0, 0.0, 7.0, INF, 0.0, NAN]),
    (Relu6(), [-1.5, 5.5, 6.5, INF, NAN], [0.0, 5.5, 6.0, 6.0, NAN]),
    (ReluN1To1(), [-1.5, -1.0, 0.25, 1.5, NAN], [-1.0, -1.0, 0.25, 1.0, NAN]),
    (LeakyRelu(alpha=0.25), [-8.0, -0.0, 0.0, 8.0, -INF], [-2.0, -0.0, 0.0, 8.0, -INF]),
    (LeakyRelu(alpha=-2.0), [-8.0, -0.0, 3.0], [16.0, 0.0, 3.0]),
    (Elu(), [0.0, -0.0, 3.0, -INF, NAN], [0.0, -0.0, 3.0, -1.0, NAN]),
    (Gelu(), [0.0, 10.0, -10.0, INF], [0.0, 10.0, -0.0, INF]),
    (Gelu(approximate=True), [0.0, 10.0, -10.0], [0.0, 10.0, -0.0]),
    (HardSwish(), [-4.0, -3.0, 0.0, 3.0, 4.0, 1.0], [-0.0, -0.0, 0.0, 3.0, 4.0, 2 / 3]),
    (HardSwish(), [INF, -INF, NAN], [INF, NAN, NAN]),
    (Abs(), [-0.0, -2.5, INF, -INF], [0.0, 2.5, INF, INF]),
    (Neg(), [0.0, -0.0, 2.5, INF], [-0.0, 0.0, -2.5, -INF]),
    (Square(), [-3.0, 1e30, 1e-30], [9.0, INF, 0.0]),
    (Sqrt(), [4.0, -0.0, -1.0, INF], [2.0, -0.0, NAN, INF]),
    (Rsqrt(), [4.0, 0.0, -0.0, -1.0, INF], [0.5, INF, -INF, NAN, 0.0]),
    (Floor(), [-1.5, -0.5, -0.0, 0.5, 2.0**23 + 1, -INF], [-2, -1, -0.0, 0, 2.0**23 + 1, -INF]),
    (Ceil(), [-1.5, -0.5, 0.0, 0.5, -(2.0**24), NAN], [-1, -0.0, 0.0, 1, -(2.0**24), NAN]),
    (
        Round(),
        [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, -0.3, -0.0, 0.49999997, 8388606.5, INF, NAN],
        [0.0, 2.0, 2.0, 0.0, -2.0, -2.0, 0.0, -0.0, 0.0, 8388606.0, INF, NAN],
    ),
]


@pytest.mark.tiny
@pytest.mark.parametrize("case", FLOATS, ids=lambda case: case[0].kind)
def test_floats_worked_out_by_hand(case: tuple[Attributes, list[float], list[float]]) -> None:
    attributes, values, expected = case
    found = on_floats(attributes, values)
    wanted = np.array(expected, np.float32)
    assert np.array_equal(np.isnan(found), np.isnan(wanted))
    number = ~np.isnan(wanted)
    assert np.array_equal(bits(found[number]), bits(wanted[number]))


CODES: list[
    tuple[Attributes, DType, tuple[float, int], tuple[float, int], list[int], list[int]]
] = [
    (Relu(), INT8, (0.5, 10), (0.5, -128), [-128, 10, 11, 127], [-128, -128, -127, -11]),
    (Relu6(), INT8, (0.5, -4), (0.5, -4), [-128, -4, 7, 8, 9], [-4, -4, 7, 8, 8]),
    (Relu6(), INT8, (0.5, 0), (0.25, -128), [-1, 1, 12, 13], [-128, -126, -104, -104]),
    (ReluN1To1(), INT8, (0.5, 0), (0.25, 3), [-3, -2, -1, 2, 3], [-1, -1, 1, 7, 7]),
    (Relu(), INT16, (0.5, 0), (0.25, 0), [-9, 9, 32767], [0, 18, 32767]),
    (LeakyRelu(alpha=0.5), INT8, (1.0, 0), (1.0, 0), [-3, -4, 5], [-1, -2, 5]),
    (LeakyRelu(alpha=-0.5), INT8, (1.0, 0), (1.0, 0), [-3, -4, 5], [1, 2, 5]),
    (Abs(), INT8, (1.0, 0), (1.0, 0), [-128, -127, 5], [127, 127, 5]),
    (Abs(), INT16, (1.0, 0), (2.0, 0), [-32768, -3, 3], [16384, 2, 2]),
    (Neg(), INT8, (1.0, 5), (1.0, -5), [-128, 5, 6], [127, -5, -6]),
    (Neg(), INT16, (1.0, 0), (1.0, 0), [-32768, 5], [32767, -5]),
    (Square(), INT8, (1.0, 0), (2.0, 0), [3, -3, 100], [5, 5, 127]),
    (Log(), INT8, (1.0, 0), (1.0, 0), [-5, 0, 1, 20], [-128, -128, 0, 3]),
    (Sqrt(), INT8, (1.0, 0), (0.5, 0), [-1, 0, 4, 100], [-128, 0, 4, 20]),
    (Exp(), INT8, (1.0, 0), (1.0, 0), [-9, 0, 1, 5, 100], [0, 1, 3, 127, 127]),
    (Rsqrt(), INT8, (1.0, 0), (0.125, 0), [-1, 0, 1, 4, 16], [127, 127, 8, 4, 2]),
    (
        Rsqrt(),
        INT16,
        (1.0, 0),
        (2.0**-10, 0),
        [-1, 0, 1, 2, 3, 16],
        [32767, 32767, 1024, 724, 591, 256],
    ),
    (Floor(), INT8, (0.5, 0), (1.0, 0), [-3, 3], [-2, 1]),
    (Ceil(), INT8, (0.5, 0), (1.0, 0), [-3, 3], [-1, 2]),
    (Round(), INT8, (0.5, 0), (1.0, 0), [-3, -1, 1, 3], [-2, 0, 0, 2]),
    (HardSwish(), INT8, (0.1, 0), (0.1, 0), [-128, -30, 0, 30, 127], [0, 0, 0, 30, 127]),
    (Elu(), INT8, (1.0, 0), (0.5, 0), [-100, 0, 3], [-2, 0, 6]),
    # TFLite's 512 lines share 65535 steps: the place of code 0 is -0.5.
    (Elu(), INT16, (1.0, 0), (1.0, 0), [0, 3 * 128, 32767], [-1, 383, 32766]),
    (Tanh(), INT8, (1.0, 0), (1 / 128, 0), [-100, 0, 100], [-128, 0, 127]),
    (Logistic(), INT8, (1.0, 0), (1 / 256, -128), [-100, 0, 100], [-128, 0, 127]),
    # From 8 on every code but the zero point saturates, and it as well, as TFLite Micro has it.
    (Logistic(), INT8, (8.0, 0), (1 / 256, -128), [-1, 0, 1], [-128, -128, 127]),
    (Tanh(), INT16, (2.0**-12, 0), (2.0**-15, 0), [-32768, 0, 32767], [-32767, 0, 32767]),
    (Logistic(), INT16, (2.0**-12, 0), (2.0**-15, 0), [0, 32767], [16384, 32757]),
]


@pytest.mark.tiny
@pytest.mark.parametrize("case", CODES, ids=lambda case: f"{case[0].kind}-{case[1].value}")
def test_codes_worked_out_by_hand(case: Any) -> None:
    attributes, dtype, x, y, values, expected = case
    assert on_codes(attributes, values, x, y, dtype) == expected


def test_interpolated_function_keeps_to_its_type_where_it_explodes() -> None:
    codes = np.arange(-32768, 32768)
    found = on_codes(Exp(), codes, (0.003, 0), (1e-5, 0), INT16)
    assert min(found) == 0
    assert max(found) == 32767
    assert np.all(np.diff(found) >= 0)
    far = on_codes(Exp(), [-32768, 0, 32767], (1e4, 0), (1e-30, 0), INT16)
    assert far[2] == 32767


def test_quantize_of_floats() -> None:
    values = [0.0, 0.25, -0.25, 0.24, 1e10, -1e10, INF, -INF, NAN]
    x, y = plain("x", 1, dtype=FLOAT), quantized("y", INT8, 0.5, -3)
    found = evaluate(Quantize(to=INT8), values, x, y)
    assert found.tolist() == [-3, -2, -4, -3, 127, -128, 127, -128, -3]


def test_quantize_between_integers() -> None:
    def rescaled(value: int, x: Tensor, y: Tensor) -> int:
        return int(evaluate(Quantize(to=y.dtype), [value], x, y)[0])

    assert rescaled(-128, quantized("x", INT8, 0.5, -128), quantized("y", UINT8, 0.5, 0)) == 0
    assert rescaled(255, quantized("x", UINT8, 0.5, 0), quantized("y", INT8, 0.5, -128)) == 127
    assert rescaled(7, quantized("x", INT16, 0.5, 5), quantized("y", INT32, 0.25, 1)) == 5
    top = 2**31 - 1
    assert rescaled(32767, quantized("x", INT16, 1.0), quantized("y", INT32, 1.0, top)) == top
    low = quantized("x", INT32, 1.0, 5)
    # The difference wraps around, as on every runtime.
    assert rescaled(-(2**31), low, quantized("y", INT8, 2.0**24)) == 127
    assert set(QUANTIZED_TO) == set(Quantize.types)


def test_dequantize_is_one_product() -> None:
    x, y = quantized("x", INT16, 0.1, 32767), plain("y", 1, dtype=FLOAT)
    found = evaluate(Dequantize(), [-32768, 32767, 0], x, y)
    scale = float(np.float32(0.1))
    exact = [-65535 * scale, 0.0, -32767 * scale]
    assert found.tolist() == [float(np.float32(v)) for v in exact]
    assert evaluate(Dequantize(), [127], quantized("x", INT8, 3e38, -128), y).tolist() == [INF]


CASTS: list[tuple[DType, DType, list[float], list[float]]] = [
    (
        FLOAT,
        INT8,
        [1.9, -1.9, 127.9, 128, -129, INF, -INF, NAN],
        [1, -1, 127, 127, -128, 127, -128, 0],
    ),
    (FLOAT, UINT8, [-0.9, -5, 255.5, 256, NAN], [0, 0, 255, 255, 0]),
    (FLOAT, INT16, [32768, -32769, 5.5], [32767, -32768, 5]),
    (FLOAT, INT32, [2.0**31, -(2.0**31), 2147483520.0], [2**31 - 1, -(2**31), 2147483520]),
    (FLOAT, DType.INT64, [2.0**63, -(2.0**63), 2.0**62, NAN], [2**63 - 1, -(2**63), 2**62, 0]),
    (FLOAT, DType.BOOL, [0.0, -0.0, 1e-45, NAN], [False, False, True, True]),
    (INT32, INT8, [300, -129, 2**31 - 1], [44, 127, -1]),
    (INT32, FLOAT, [2**24 + 1, 2**31 - 1], [2.0**24, 2.0**31]),
    (DType.INT64, FLOAT, [2**63 - 1, 2**24 + 3], [2.0**63, 2.0**24 + 4]),
    (DType.BOOL, FLOAT, [True, False], [1.0, 0.0]),
    (UINT8, INT8, [200], [-56]),
]


@pytest.mark.parametrize("case", CASTS, ids=lambda case: f"{case[0].value}-{case[1].value}")
def test_casts_worked_out_by_hand(case: tuple[DType, DType, list[float], list[float]]) -> None:
    source, target, values, expected = case
    x, y = plain("x", 1, dtype=source), plain("y", 1, dtype=target)
    found = evaluate(Cast(to=target), values, x, y)
    assert found.tolist() == expected


def test_logical_not() -> None:
    x, y = plain("x", 1, dtype=DType.BOOL), plain("y", 1, dtype=DType.BOOL)
    assert evaluate(LogicalNot(), [True, False], x, y).tolist() == [False, True]
