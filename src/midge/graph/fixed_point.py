"""Transcendental functions on fixed-point numbers, bit for bit as gemmlowp computes them.

A number in Qm.n has m integer and n fraction bits, m + n = 31. All arrays are int64 that hold int32
values. Source: gemmlowp `fixedpoint/fixedpoint.h` (Apache-2.0): exp_on_negative_values,
exp_on_interval_between_negative_one_quarter_and_0_excl, one_over_one_plus_x_for_x_in_0_1.
"""

from __future__ import annotations

import math

import numpy as np

from midge.graph.requantize import (
    INT32_MAX,
    INT32_MIN,
    Int64Array,
    doubling_high_multiply,
    rounding_shift_right,
)

EXP_OF_MINUS_EIGHTH = 1895147668
"""exp(-1/8) in Q0.31."""
ONE_THIRD = 715827883
"""1/3 in Q0.31."""
EXP_OF_MINUS_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-2**k) in Q0.31 for k = -2 .. 4."""
FORTY_EIGHT_SEVENTEENTHS, MINUS_THIRTY_TWO_SEVENTEENTHS = 1515870810, -1010580540
"""48/17 and -32/17 in Q2.29: the first guess of Newton's division."""


def large_multiplier(real: float) -> tuple[int, int]:
    """A factor over 1 as (multiplier, left shift); the shift may be 31 here."""
    mantissa, shift = math.frexp(real)
    multiplier = math.floor(mantissa * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        return multiplier // 2, shift + 1
    return multiplier, shift


def exp_on_negative(a: Int64Array) -> Int64Array:
    """``exp(a)`` in Q0.31 for a <= 0 in Q5.26."""
    quarter = 1 << 24
    fraction = (a & (quarter - 1)) - quarter
    remainder = fraction - a
    result = _exp_on_quarter(fraction << 5)
    for bit, factor in enumerate(EXP_OF_MINUS_POWERS, start=24):
        result = np.where(remainder & (1 << bit), doubling_high_multiply(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)


def _exp_on_quarter(a: Int64Array) -> Int64Array:
    """``exp(a)`` for a in [-1/4, 0), Q0.31: a Taylor polynomial around -1/8."""
    x = a + (1 << 28)
    x2 = doubling_high_multiply(x, x)
    x3 = doubling_high_multiply(x2, x)
    x4 = doubling_high_multiply(x2, x2)
    tail = doubling_high_multiply(rounding_shift_right(x4, 2) + x3, ONE_THIRD) + x2
    polynomial = x + rounding_shift_right(tail, 1)
    return EXP_OF_MINUS_EIGHTH + doubling_high_multiply(polynomial, EXP_OF_MINUS_EIGHTH)


def reciprocal(value: Int64Array, integer_bits: int) -> tuple[Int64Array, Int64Array]:
    """``1 / value`` of a positive number, in Q0.31 with the exponent to take off again.

    Args:
        value: positive int32, with `integer_bits` integer bits.
        integer_bits: Of `value`.

    Returns:
        (mantissa, excess bits): ``1 / value = mantissa * 2**(-31 - excess bits)`` in the caller's
        scale.
    """
    leading_zeros = 32 - np.frompyfunc(int.bit_length, 1, 1)(value.astype(object)).astype(np.int64)
    fraction = (value << leading_zeros) - (1 << 31)
    half_denominator = (fraction + (1 << 31)) // 2
    x = FORTY_EIGHT_SEVENTEENTHS + doubling_high_multiply(
        half_denominator, MINUS_THIRTY_TWO_SEVENTEENTHS
    )
    for _ in range(3):
        error = (1 << 29) - doubling_high_multiply(half_denominator, x)
        x = x + _shift_left_saturating(doubling_high_multiply(x, error), 2)
    return _shift_left_saturating(x, 1), integer_bits - leading_zeros


def _shift_left_saturating(value: Int64Array, bits: int) -> Int64Array:
    clipped: Int64Array = np.clip(value << bits, INT32_MIN, INT32_MAX)
    return clipped
