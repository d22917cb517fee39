"""logistic, tanh and the inverse square root in fixed point: near the reals, exact at their ends."""

from __future__ import annotations

import numpy as np
import pytest
import tflite_scalars as c

from midge.graph import fixed_point

Q27, Q31 = 2.0**-27, 2.0**-31


def arguments() -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Q4.27 over its range, dense around zero."""
    dense = np.arange(-2000, 2001)
    return np.concatenate([np.arange(-(15 << 27), 15 << 27, 65521), dense, dense << 16])


@pytest.mark.tiny
def test_logistic_and_tanh_are_near_the_reals() -> None:
    a = arguments()
    real = a * Q27
    logistic, tanh = fixed_point.logistic(a), fixed_point.tanh(a)
    assert np.abs(logistic * Q31 - 1 / (1 + np.exp(-real))).max() < 2.0**-21
    assert np.abs(tanh * Q31 - np.tanh(real)).max() < 2.0**-20


@pytest.mark.tiny
def test_logistic_and_tanh_are_symmetric() -> None:
    a = np.arange(1, 15 << 27, 1234567)
    assert np.array_equal(fixed_point.tanh(-a), -fixed_point.tanh(a))
    assert np.all(fixed_point.logistic(-a) + fixed_point.logistic(a) == c.INT32_MAX)
    zero = np.array([0])
    assert fixed_point.tanh(zero).tolist() == [0]
    assert fixed_point.logistic(zero).tolist() == [1 << 30]


@pytest.mark.tiny
def test_exponential_of_fewer_integer_bits_is_as_near() -> None:
    a = np.arange(-(15 << 27), 1, 99991)
    exact = np.exp(a * Q27)
    assert np.abs(fixed_point.exp_on_negative(a, 4) * Q31 - exact).max() < 2.0**-22


@pytest.mark.tiny
def test_inverse_square_root_is_near_the_reals() -> None:
    powers = 1 << np.arange(31)
    values = np.unique(np.concatenate([np.arange(2, 5000), powers[1:], powers[2:] - 1]))
    multiplier, shift = fixed_point.inverse_square_root(values)
    assert multiplier.max() <= c.INT32_MAX
    assert shift.min() >= 0
    found = multiplier * 2.0 ** (-31 - shift)
    # Five of Newton's steps from one: where the root is farthest from it they leave 2e-5.
    assert np.abs(found * np.sqrt(values) - 1).max() < 2.0**-15


@pytest.mark.tiny
def test_inverse_square_root_of_one_and_zero_is_the_largest_fraction() -> None:
    multiplier, shift = fixed_point.inverse_square_root(np.array([0, 1, c.INT32_MAX]))
    assert multiplier[:2].tolist() == [c.INT32_MAX] * 2
    assert shift[:2].tolist() == [0, 0]
    assert abs(multiplier[2] * 2.0 ** (-31 - int(shift[2])) * np.sqrt(c.INT32_MAX) - 1) < 1e-4
