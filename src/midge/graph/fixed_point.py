"""Transcendental functions on fixed-point numbers, bit for bit as gemmlowp computes them.

A number in Qm.n has m integer and n fraction bits, m + n = 31. All arrays are int64 that hold int32
values. Source: gemmlowp `fixedpoint/fixedpoint.h` (Apache-2.0): exp_on_negative_values,
exp_on_interval_between_negative_one_quarter_and_0_excl, one_over_one_plus_x_for_x_in_0_1, logistic,
tanh.
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
HALF_SQRT_2 = 1518500250
"""sqrt(1/2) in Q0.31."""


def large_multiplier(real: float) -> tuple[int, int]:
    """A factor over 1 as (multiplier, left shift); the shift may be 31 here."""
    mantissa, shift = math.frexp(real)
    multiplier = math.floor(mantissa * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        return multiplier // 2, shift + 1
    return multiplier, shift


def exp_on_negative(a: Int64Array, integer_bits: int = 5) -> Int64Array:
    """``exp(a)`` in Q0.31 for a <= 0 in Qm.n with m of 5 or less."""
    lowest_bit = 29 - integer_bits
    quarter = 1 << lowest_bit
    fraction = (a & (quarter - 1)) - quarter
    remainder = fraction - a
    result = _exp_on_quarter(fraction << integer_bits)
    factors = EXP_OF_MINUS_POWERS[: integer_bits + 2]
    for bit, factor in enumerate(factors, start=lowest_bit):
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
    return shift_left_saturating(_two_over_one_plus(fraction), 1), integer_bits - leading_zeros


def logistic(a: Int64Array) -> Int64Array:
    """``1 / (1 + exp(-a))`` in Q0.31 of a in Q4.27."""
    exponential = exp_on_negative(-np.abs(a), 4)
    positive = shift_left_saturating(_two_over_one_plus(exponential), 1)
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, INT32_MAX - positive))


def tanh(a: Int64Array) -> Int64Array:
    """``tanh(a)`` in Q0.31 of a in Q4.27: ``(1 - exp(-2a)) / (1 + exp(-2a))``."""
    # The bits of a in Q4.27 are those of 2a in Q5.26.
    exponential = exp_on_negative(-np.abs(a), 5)
    positive = shift_left_saturating(_two_over_one_plus(exponential) - (1 << 29), 2)
    return np.where(a == 0, 0, np.where(a > 0, positive, -positive))


def _two_over_one_plus(fraction: Int64Array) -> Int64Array:
    """``2 / (1 + fraction)`` in Q2.29 of a fraction in Q0.31, by Newton's division."""
    half_denominator = (fraction + (1 << 31)) // 2
    x = FORTY_EIGHT_SEVENTEENTHS + doubling_high_multiply(
        half_denominator, MINUS_THIRTY_TWO_SEVENTEENTHS
    )
    for _ in range(3):
        error = (1 << 29) - doubling_high_multiply(half_denominator, x)
        x = x + shift_left_saturating(doubling_high_multiply(x, error), 2)
    return x


def inverse_square_root(values: Int64Array) -> tuple[Int64Array, Int64Array]:
    """``1 / sqrt(value) = multiplier * 2**(-31 - shift)`` of values from 0 to INT32_MAX.

    Source: TFLM `kernels/internal/common.h`, GetInvSqrtQuantizedMultiplierExp.

    Returns:
        (multiplier, shift): int32 in Q0.31, and a right shift from 0 to 12; one over 1, and over 0,
        is the largest Q0.31.
    """
    # Brought to [2**27, 2**29) by pairs of bits, so that the root is shifted by whole ones.
    bits = np.frexp(values.astype(np.float64))[1].astype(np.int64)
    pairs = (31 - bits) // 2 - 1
    brought = (values << np.maximum(2 * pairs, 0)) >> np.maximum(-2 * pairs, 0)
    half_input = rounding_shift_right(brought >> 1, 1)
    x = np.full_like(values, 1 << 28)
    for _ in range(5):
        # Newton's step x (3 - input x^2) / 2; products of two Q3.28 are Q6.25, of three Q9.22.
        cube = doubling_high_multiply(doubling_high_multiply(x, x), x)
        less = doubling_high_multiply(half_input, shift_left_saturating(cube, 6))
        x = shift_left_saturating(doubling_high_multiply(x, 3 << 27) - less, 3)
    shift = 11 - pairs
    x = doubling_high_multiply(x, HALF_SQRT_2) << np.maximum(-shift, 0)
    return np.where(values <= 1, INT32_MAX, x), np.where(values <= 1, 0, np.maximum(shift, 0))


def shift_left_saturating(value: Int64Array, bits: Int64Array | int) -> Int64Array:
    """``value * 2**bits``, held within int32."""
    clipped: Int64Array = np.clip(value << bits, INT32_MIN, INT32_MAX)
    return clipped
