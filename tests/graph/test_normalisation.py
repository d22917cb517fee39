"""Softmax of every type, log_softmax, l2_normalization: refusals, and values by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import tflite_scalars as c
from graph_builders import int8, one_op, per_tensor, plain, random_int8, refuses

from midge.graph import Array, Attributes, DType, Rounding, Tensor, interpret, outputs_of, verify
from midge.graph.fixed_point_log import log_q5
from midge.graph.ops.l2_normalization import L2Normalization
from midge.graph.ops.log_softmax import LogSoftmax
from midge.graph.ops.softmax import Softmax, int16_tables

INF, NAN = float("inf"), float("nan")


def int16(name: str, *shape: int, scale: float, zero_point: int = 0) -> Tensor:
    return Tensor(name, shape, DType.INT16, per_tensor(scale, zero_point))


def floats(name: str, *shape: int) -> Tensor:
    return plain(name, *shape, dtype=DType.FLOAT32)


WIDE = {"scale": 2.0**-16, "zero_point": -32768}
LOGARITHMS = {"scale": 1 / 16, "zero_point": 127}


def computed(attributes: Attributes, x: Tensor, y: Tensor, values: object) -> Array:
    graph = verify(one_op(attributes, (x,), y))
    array = np.array(values, x.dtype.numpy).reshape(x.shape)
    return outputs_of(graph, interpret(graph, {"x": array}))["y"]


def refusal(message: str, attributes: Attributes, x: Tensor, y: Tensor) -> object:
    return pytest.param(message, attributes, x, y, id=f"{attributes.kind}-{message[:50]}")


REFUSALS = [
    refusal(
        "x is int16; supported here: int8",
        Softmax(widen=True),
        int16("x", 3, scale=0.01),
        int16("y", 3, **WIDE),
    ),
    refusal(
        "y has scale 1.6e-05 and zero point -32768; expected 1/65536 and -32768",
        Softmax(widen=True),
        int8("x", 3),
        int16("y", 3, scale=1.6e-5, zero_point=-32768),
    ),
    refusal(
        "x has rows of 4096; supported: up to 4095",
        Softmax(widen=True),
        int8("x", 4096),
        int16("y", 4096, **WIDE),
    ),
    refusal(
        "y has scale 3.05176e-05 and zero point 1; expected 1/32768 and 0",
        Softmax(),
        int16("x", 3, scale=0.01),
        int16("y", 3, scale=2.0**-15, zero_point=1),
    ),
    refusal(
        "x has zero point 3; expected 0 of int16",
        Softmax(),
        int16("x", 3, scale=0.01, zero_point=3),
        int16("y", 3, scale=2.0**-15),
    ),
    *(
        refusal(
            f"beta {beta:g} times scale 1 is not from 0 to under 5.0",
            Softmax(beta=beta),
            int16("x", 3, scale=1.0),
            int16("y", 3, scale=2.0**-15),
        )
        for beta in (-0.5, 5.01, 1e30)
    ),
    refusal("beta nan is not a finite float32", Softmax(beta=NAN), floats("x", 3), floats("y", 3)),
    refusal("x is a scalar; expected at least one", LogSoftmax(), floats("x"), floats("y")),
    refusal(
        "y has scale 0.0625 and zero point 126; expected 1/16 and 127",
        LogSoftmax(),
        int8("x", 3),
        int8("y", 3, scale=1 / 16, zero_point=126),
    ),
    refusal(
        "x has rows of 4096; supported: up to 4095",
        LogSoftmax(),
        int8("x", 4096),
        int8("y", 4096, **LOGARITHMS),
    ),
    refusal(
        "rounding single; supported here: tflite_double",
        LogSoftmax(rounding=Rounding.SINGLE),
        int8("x", 3),
        int8("y", 3, **LOGARITHMS),
    ),
    refusal(
        "x has scale 1.49012e-08, which is not over 2**-26",
        LogSoftmax(),
        int8("x", 3, scale=2.0**-26),
        int8("y", 3, **LOGARITHMS),
    ),
    refusal("x is a scalar; expected at least one", L2Normalization(), int8("x"), int8("y")),
    refusal(
        "x is int16; supported here: int8, float32",
        L2Normalization(),
        int16("x", 3, scale=0.1),
        int16("y", 3, scale=0.1),
    ),
    refusal(
        "y has scale 0.5 and zero point 0; expected 1/128 and 0",
        L2Normalization(),
        int8("x", 3),
        int8("y", 3),
    ),
    refusal(
        "rounding single; supported here: tflite_double",
        L2Normalization(rounding=Rounding.SINGLE),
        int8("x", 3),
        int8("y", 3, scale=1 / 128),
    ),
    refusal(
        "squares of 33026 elements of x add up to 2147515650 and overflow int32",
        L2Normalization(),
        int8("x", 33026, zero_point=127),
        int8("y", 33026, scale=1 / 128),
    ),
]


@pytest.mark.parametrize(("message", "attributes", "x", "y"), REFUSALS)
def test_refusal(message: str, attributes: Attributes, x: Tensor, y: Tensor) -> None:
    with refuses(f"g: op 'the_{attributes.kind}' ({attributes.kind}): ") as error:
        verify(one_op(attributes, (x,), y))
    assert message in str(error.value)


def softmax_of(x: Array, scale: float) -> Array:
    powers = np.exp(scale * (x.astype(float) - x.max(axis=-1, keepdims=True)))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def test_wide_probabilities_are_near_the_real_ones() -> None:
    values = random_int8((4, 16), 3)
    x, y = int8("x", 4, 16, scale=0.05), int16("y", 4, 16, **WIDE)
    found = computed(Softmax(widen=True), x, y, values).astype(float) + 32768
    assert np.abs(found - 65536 * softmax_of(values, 0.05)).max() <= 2.0


def test_probabilities_of_int16_are_near_the_real_ones() -> None:
    values = np.random.default_rng(1).integers(-32768, 32768, (4, 16)).astype(np.int16)
    x, y = int16("x", 4, 16, scale=0.0001), int16("y", 4, 16, scale=2.0**-15)
    found = computed(Softmax(), x, y, values).astype(float)
    assert np.abs(found - 32768 * softmax_of(values, 0.0001)).max() <= 6.0


def test_the_longest_rows_of_equals_fit() -> None:
    x, y = int8("x", 4095), int16("y", 4095, **WIDE)
    # A sum in Q12.19 holds no element more.
    assert set(computed(Softmax(widen=True), x, y, [5] * 4095).tolist()) == {-32768 + 16}
    x, y = int16("x", 65535, scale=0.001), int16("y", 65535, scale=2.0**-15)
    assert set(computed(Softmax(), x, y, [5] * 65535).tolist()) == {0}


def test_tables_hold_the_functions_at_their_ends() -> None:
    exponential, reciprocal = int16_tables()
    # Lifted by a bias, and held within int16.
    assert (exponential[0], exponential[-1]) == (round(32768 * math.exp(-10)) + 1, 32767)
    assert (reciprocal[0], reciprocal[-1]) == (32767, 16384)
    assert np.all(np.diff(exponential.astype(int)) >= 0)
    assert np.all(np.diff(reciprocal.astype(int)) <= 0)


@pytest.mark.tiny
def test_special_floats() -> None:
    x, y = floats("x", 2), floats("y", 2)
    assert computed(Softmax(), x, y, [0.0, 0.0]).tolist() == [0.5, 0.5]
    assert computed(Softmax(), x, y, [-INF, 7.0]).tolist() == [0.0, 1.0]
    for row in ([NAN, 1.0], [-INF, -INF], [INF, 1.0]):
        assert np.isnan(computed(Softmax(), x, y, row)).any()
    found = computed(LogSoftmax(), x, y, [0.0, 0.0])
    assert found.tolist() == [-float(np.float32(math.log(2)))] * 2
    assert computed(LogSoftmax(), x, y, [-INF, 3.0]).tolist() == [-INF, 0.0]


def test_beta_multiplies_float_differences() -> None:
    x, y = floats("x", 2), floats("y", 2)
    found = computed(Softmax(beta=0.5), x, y, [0.0, -2.0])
    assert found == pytest.approx(softmax_of(np.array([0.0, -2.0]), 0.5), rel=1e-6)


def test_logarithms_of_probabilities_are_near_the_real_ones() -> None:
    values = random_int8((4, 16), 3)
    x, y = int8("x", 4, 16, scale=0.05), int8("y", 4, 16, **LOGARITHMS)
    found = computed(LogSoftmax(), x, y, values).astype(float)
    exact = np.clip(127 + 16 * np.log(softmax_of(values, 0.05)), -128, 127)
    assert np.abs(found - exact).max() <= 0.51


def test_a_certain_row_has_the_logarithms_zero_and_least() -> None:
    x, y = int8("x", 3, scale=1.0), int8("y", 3, **LOGARITHMS)
    assert computed(LogSoftmax(), x, y, [-128, 127, -128]).tolist() == [-128, 127, -128]


def test_fixed_point_logarithms_are_exact_to_23_bits() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.integers(2**19, 2**31, 3000), 2**19 + np.arange(3000)])
    found = log_q5(values, 12)
    assert np.abs(found / 2**26 - np.log(values / 2**19)).max() < 2.0**-24
    assert found.min() >= 0
    assert log_q5(np.array([2**19]), 12).tolist() == [0]


def test_normalized_rows_have_a_length_of_one() -> None:
    values = random_int8((6, 9), 3)
    x, y = int8("x", 6, 9, scale=0.05, zero_point=4), int8("y", 6, 9, scale=1 / 128)
    found = computed(L2Normalization(), x, y, values).astype(float)
    centred = values.astype(float) - 4
    exact = 128 * centred / np.sqrt((centred**2).sum(axis=-1, keepdims=True))
    assert np.abs(found - np.clip(exact, -128, 127)).max() <= 0.51


@pytest.mark.parametrize("zero_point", [-128, 0, 127])
def test_every_small_row_of_two(zero_point: int) -> None:
    # Small squares take the paths around a square of 1 and of shifts to the left.
    x = int8("x", 81, 2, zero_point=zero_point)
    y = int8("y", 81, 2, scale=1 / 128)
    low = max(-128, min(zero_point - 4, 119))
    rows = [(low + a, low + b) for a in range(9) for b in range(9)]
    found = computed(L2Normalization(), x, y, rows)
    for row, normalized in zip(rows, found.tolist(), strict=True):
        centred = [value - zero_point for value in row]
        norm = math.sqrt(sum(v * v for v in centred)) or 1.0
        exact = [min(128 * v / norm, 127) for v in centred]
        assert normalized == pytest.approx(exact, abs=0.51), row


def test_short_float_rows_are_divided_by_a_millionth() -> None:
    x, y = floats("x", 2, 2), floats("y", 2, 2)
    found = computed(L2Normalization(), x, y, [[3e-7, 4e-7], [0.0, -0.0]])
    assert found[0].tolist() == (np.float32([3e-7, 4e-7]) / np.float32(1e-6)).tolist()
    assert [str(v) for v in found[1]] == ["0.0", "-0.0"]
    assert computed(L2Normalization(), x, y, [[3, 4], [NAN, 1]])[0].tolist() == [
        float(np.float32(0.6)),
        float(np.float32(0.8)),
    ]


def test_the_multiplier_of_int16_is_taken_in_double() -> None:
    factor = Softmax(beta=0.3).int16_factor(int16("x", 1, scale=0.0123))
    real = float(np.float32(0.0123)) * float(np.float32(0.3)) / (10.0 / 65535.0)
    found = int(factor.multiplier[0]), int(factor.shift[0])
    assert found == c.quantize_multiplier(Fraction(real))
