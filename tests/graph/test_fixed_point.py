"""gemmlowp's exponential and reciprocal: bit for bit, and near the real functions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tflite_scalars as c
from hypothesis import example, given
from hypothesis import strategies as st

from midge.graph import fixed_point

Q26, Q31 = 2.0**-26, 2.0**-31

negative_q5_26 = st.one_of(
    st.integers(c.INT32_MIN, 0),
    st.integers(-(1 << 26), 0),
    st.integers(0, 128).map(lambda k: -k << 24),
)


def exp(a: int) -> int:
    return int(fixed_point.exp_on_negative(np.array([a], np.int64))[0])


@pytest.mark.tiny
@given(negative_q5_26)
@example(0)
@example(-1)
@example(c.INT32_MIN)
@example(-(1 << 24))
@example(-(1 << 24) - 1)
def test_exp_is_gemmlowps(a: int) -> None:
    assert exp(a) == c.exp_on_negative_values(a)


@given(negative_q5_26)
@example(0)
@example(c.INT32_MIN)
def test_exp_is_near_the_exponential(a: int) -> None:
    # Taylor's polynomial of degree 4 around -1/8 leaves exp(-1/8) * (1/8)**5 / 120 = 2.2e-7.
    assert abs(exp(a) * Q31 - math.exp(a * Q26)) < 2.0**-22


def test_exp_rises_over_a_dense_grid() -> None:
    a = np.arange(-(1 << 31), 1, 4093, dtype=np.int64)
    values = fixed_point.exp_on_negative(a)
    exact = np.exp(a * Q26) / Q31
    assert values.min() >= 0
    assert values.max() <= c.INT32_MAX
    assert np.abs(values - exact).max() * Q31 < 2.0**-22
    assert np.all(np.diff(values) >= 0)


@given(st.integers(1, c.INT32_MAX), st.integers(0, 31))
@example(1, 12)
@example(1 << 19, 12)
@example((1 << 20) - 1, 12)
@example(511 << 19, 12)
@example(c.INT32_MAX, 12)
def test_reciprocal_is_gemmlowps(value: int, integer_bits: int) -> None:
    mantissa, excess = fixed_point.reciprocal(np.array([value], np.int64), integer_bits)
    assert (int(mantissa[0]), int(excess[0])) == c.get_reciprocal(value, integer_bits)


@given(st.integers(1, c.INT32_MAX))
@example(1)
@example(c.INT32_MAX)
def test_reciprocal_is_near_the_reciprocal(value: int) -> None:
    integer_bits = 12
    mantissa, excess = fixed_point.reciprocal(np.array([value], np.int64), integer_bits)
    real = value * 2.0 ** (integer_bits - 31)
    assert abs(int(mantissa[0]) * 2.0 ** (-31 - int(excess[0])) * real - 1) < 2.0**-27


def test_arrays_are_computed_element_by_element() -> None:
    a = np.array([[0, -1, -(1 << 26)], [-(1 << 30), -12345, c.INT32_MIN]], np.int64)
    expected = [[c.exp_on_negative_values(int(v)) for v in row] for row in a]
    assert fixed_point.exp_on_negative(a).tolist() == expected
    values = np.array([[1, 2**19], [2**30, 7]], np.int64)
    mantissa, excess = fixed_point.reciprocal(values, 12)
    expected_pairs = [[c.get_reciprocal(int(v), 12) for v in row] for row in values]
    assert np.stack([mantissa, excess], -1).tolist() == [list(map(list, r)) for r in expected_pairs]


@given(st.floats(min_value=1.0, max_value=2.0**31 - 1))
@example(1.0)
@example(2.0**31 - 1)
@example(float(np.nextafter(2.0, 0.0)))
def test_large_multiplier_holds_the_factor(real: float) -> None:
    multiplier, shift = fixed_point.large_multiplier(real)
    assert 2**30 <= multiplier <= c.INT32_MAX
    assert 0 <= shift <= 31
    assert math.isclose(math.ldexp(multiplier, shift - 31), real, rel_tol=2.0**-31)
