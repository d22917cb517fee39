"""Rescaling against scalar C-like integers and exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import tflite_scalars as c
from graph_builders import int8, refuses
from hypothesis import assume, example, given
from hypothesis import strategies as st

from midge.graph import Activation, Rounding
from midge.graph import requantize as rq

int32s = st.one_of(
    st.integers(c.INT32_MIN, c.INT32_MAX),
    st.sampled_from([c.INT32_MIN, c.INT32_MIN + 1, -1, 0, 1, c.INT32_MAX]),
    st.integers(-(2**12), 2**12),
)
multipliers = st.one_of(st.just(0), st.integers(2**30, c.INT32_MAX))
scales = st.floats(min_value=2.0**-126, max_value=2.0**127, width=32)


def factor(multiplier: int, shift: int, rounding: Rounding) -> rq.Requantization:
    return rq.Requantization(
        np.array([multiplier], np.int32), np.array([shift], np.int32), rounding
    )


def requantized(accumulator: int, multiplier: int, shift: int, rounding: Rounding) -> int:
    values = np.array([accumulator], np.int64)
    return int(rq.requantize(values, factor(multiplier, shift, rounding))[0])


@given(int32s, int32s)
@example(c.INT32_MIN, 1)
@example(c.INT32_MIN, c.INT32_MAX)
@example(-1, 2**30)
def test_doubling_high_multiply_is_tflites(a: int, b: int) -> None:
    assume((a, b) != (c.INT32_MIN, c.INT32_MIN))
    found = int(rq.doubling_high_multiply(np.array([a], np.int64), b)[0])
    assert found == c.saturating_rounding_doubling_high_mul(a, b)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("odd", [1, 3, 5, 2**31 - 1])
def test_ties_of_the_high_multiply_go_up(sign: int, odd: int) -> None:
    # sign * odd * 2**30 / 2**31 lies half-way between two integers.
    product = Fraction(sign * odd, 2)
    found = int(rq.doubling_high_multiply(np.array([sign * odd], np.int64), 2**30)[0])
    assert found == product + Fraction(1, 2)


@given(int32s, st.integers(0, 31))
@example(-1, 1)
@example(1, 1)
@example(c.INT32_MIN, 31)
def test_rounding_shift_is_tflites_and_rounds_half_away(x: int, exponent: int) -> None:
    found = int(rq.rounding_shift_right(np.array([x], np.int64), exponent)[0])
    assert found == c.rounding_divide_by_pot(x, exponent)
    assert found == c.round_half_away(Fraction(x, 2**exponent))


@given(st.integers(-(2**62), 2**62))
def test_wrapping_keeps_what_a_register_holds(value: int) -> None:
    assert int(rq.wrap_int32(np.array([value], np.int64))[0]) == c.as_int32(value)


@pytest.mark.tiny
@given(int32s, multipliers, st.integers(-31, 30))
@example(1 << 20, 2**30, 30)
@example(c.INT32_MIN, c.INT32_MAX, -31)
def test_double_rounding_is_tflites(accumulator: int, multiplier: int, shift: int) -> None:
    found = requantized(accumulator, multiplier, shift, Rounding.TFLITE_DOUBLE)
    assert found == c.multiply_by_quantized_multiplier(accumulator, multiplier, shift)


@given(int32s, multipliers, st.integers(-31, 30))
@example(3, 2**30, 0)
@example(-3, 2**30, 0)
def test_single_rounding_is_exact_with_ties_up(
    accumulator: int, multiplier: int, shift: int
) -> None:
    exact = Fraction(accumulator * multiplier) * Fraction(2) ** (shift - 31)
    expected = (exact + Fraction(1, 2)).__floor__()
    assert requantized(accumulator, multiplier, shift, Rounding.SINGLE) == expected


@given(int32s, multipliers, st.integers(-31, 30))
@example(5, 2**30, 0)
@example(7, 2**30, 0)
@example(16777217, 2**30, 1)
def test_half_even_rounds_three_times_in_float32(
    accumulator: int, multiplier: int, shift: int
) -> None:
    # The sum and the factor become float32, their product too, and that is rounded half to even.
    factor32 = c.to_float32(Fraction(multiplier) * Fraction(2) ** (shift - 31))
    product = c.to_float32(c.to_float32(Fraction(accumulator)) * factor32)
    expected = c.round_half_even(product)
    assert requantized(accumulator, multiplier, shift, Rounding.HALF_EVEN) == expected


def test_the_three_roundings_differ_where_they_must() -> None:
    half = (2**30, 0)  # a factor of one half: 3 -> 1.5, -3 -> -1.5, 5 -> 2.5
    by_rounding = {r: [requantized(a, *half, r) for a in (3, -3, 5)] for r in Rounding}
    assert by_rounding[Rounding.SINGLE] == [2, -1, 3]
    assert by_rounding[Rounding.HALF_EVEN] == [2, -2, 2]
    # Double rounding towards plus infinity first, half away from zero afterwards.
    quarter = [requantized(a, 2**30, -1, Rounding.TFLITE_DOUBLE) for a in (1, 3, -3, -5)]
    assert quarter == [1, 1, -1, -1]
    assert [requantized(a, 2**30, -1, Rounding.SINGLE) for a in (1, 3, -3, -5)] == [0, 1, -1, -1]


def test_another_rounding_may_be_asked_for() -> None:
    factors = factor(2**30, 0, Rounding.SINGLE)
    values = np.array([5], np.int64)
    assert rq.requantize(values, factors).tolist() == [3]
    assert rq.requantize(values, factors, Rounding.HALF_EVEN).tolist() == [2]


def test_factors_run_along_the_last_dimension() -> None:
    reals = np.array([0.5, 0.25, 3.0])
    factors = rq.requantization(reals, Rounding.SINGLE)
    accumulator = np.array([[8, 8, 8], [100, 100, 100]], np.int64)
    assert rq.requantize(accumulator, factors).tolist() == [[4, 2, 24], [50, 25, 300]]


@given(st.floats(min_value=2.0**-40, max_value=2.0**29))
@example(1.0)
@example(0.5)
@example(float(np.nextafter(1.0, 0.0)))
@example(float(np.nextafter(0.5, 0.0)))
@example(2.0**-32)
@example(float(np.nextafter(2.0**-32, 0.0)))
def test_quantize_multiplier_is_tflites(real: float) -> None:
    assume(real < rq.LARGEST_FACTOR)
    found = rq.quantize_multiplier(real)
    assert found == c.quantize_multiplier(Fraction(real))
    multiplier, shift = found
    if multiplier:
        assert 2**30 <= multiplier <= c.INT32_MAX
        assert abs(Fraction(multiplier) * Fraction(2) ** (shift - 31) / Fraction(real) - 1) < 2**-30


def test_quantize_multiplier_at_the_ends() -> None:
    assert rq.quantize_multiplier(0.0) == (0, 0)
    assert rq.quantize_multiplier(5e-324) == (0, 0)
    assert rq.quantize_multiplier(2.0**-32) == (2**30, -31)
    assert rq.quantize_multiplier(2.0**29) == (2**30, 30)
    assert rq.quantize_multiplier(2.0**30 - 1) == (c.INT32_MAX - 1, 30)


@pytest.mark.parametrize("bad", [np.inf, np.nan, -0.5, 2.0**30, 1e300])
def test_a_factor_that_is_no_factor_is_refused(bad: float) -> None:
    with refuses(f"the scales give a factor of {bad:g}; expected one from 0 to under 2**30"):
        rq.requantization(np.array([0.5, bad]), Rounding.SINGLE)


@given(scales, st.integers(-128, 127), st.sampled_from(Activation))
@example(6 / 255, -128, Activation.RELU6)
@example(4.0, 0, Activation.RELU6)
@example(0.4, 0, Activation.RELU_N1_TO_1)
def test_activation_range_is_tflites(scale: float, zero: int, activation: Activation) -> None:
    assume(scale > 6 / 2**31)  # finer ones are refused, see below
    output = int8("y", 1, scale=scale, zero_point=zero)

    def quantize(real: int) -> int:
        return zero + c.round_half_away(c.to_float32(Fraction(real) / Fraction(scale)))

    low, high = {
        Activation.NONE: (-128, 127),
        Activation.RELU: (max(-128, quantize(0)), 127),
        Activation.RELU6: (max(-128, quantize(0)), min(127, quantize(6))),
        Activation.RELU_N1_TO_1: (max(-128, quantize(-1)), min(127, quantize(1))),
    }[activation]
    assert rq.activation_range(output, activation) == (low, high)


@pytest.mark.parametrize(
    ("activation", "real"), [(Activation.RELU6, "6"), (Activation.RELU_N1_TO_1, "-1")]
)
@pytest.mark.parametrize("scale", [1e-45, 1e-38, 2.0**-31.5])
def test_a_clamp_beyond_int32_is_refused(activation: Activation, real: str, scale: float) -> None:
    output = int8("y", 1, scale=scale)
    with refuses(f"y has scale {output.scale:g}, too fine for {activation.value}: {real} is "):
        rq.activation_range(output, activation)
