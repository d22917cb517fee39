"""The natural logarithm of fixed-point numbers from 1 on, bit for bit as TFLite Micro computes it.

Source: TFLM `kernels/internal/common.h`, log_x_for_x_greater_than_or_equal_to_1_impl; gemmlowp
`fixedpoint/fixedpoint.h` for the products and shifts.
"""

from __future__ import annotations

import numpy as np

from midge.graph.fixed_point import reciprocal, shift_left_saturating
from midge.graph.requantize import Int64Array, doubling_high_multiply, rounding_shift_right

LOG_2, SQRT_HALF, FOURTH_ROOT_HALF = 1488522236, 1518500250, 1805811301
"""ln(2), 2**-0.5 and 2**-0.25 in Q0.31."""
ALPHA_N, ALPHA_D, ALPHA_I, ALPHA_F = 117049297, 127690142, 1057819769, 638450708
"""Of the rational function around 2**-0.25, in Q0.31."""
ONE = 1 << 25
"""In Q6.25, the form of the powers of two."""


def log_q5(value: Int64Array, integer_bits: int) -> Int64Array:
    """``ln(value)`` in Q5.26.

    Args:
        value: positive int32 that stand for numbers from 1 on.
        integer_bits: Of `value`.
    """
    multiply = doubling_high_multiply
    # The mantissa is brought to [2**-0.5, 1] around a power of two in two ways: itself, and times
    # 2**0.5 where that is smaller; the quarters stand for the 2**-0.25 that is divided by.
    zeros = _leading_zeros(value)
    doubled = shift_left_saturating(multiply(value << (zeros - 1), SQRT_HALF), 1)
    power = (integer_bits - zeros) * ONE + ONE // 4
    zeros = _leading_zeros(multiply(value, SQRT_HALF)) - 1
    r = np.minimum(doubled, shift_left_saturating(value, zeros))
    power = np.maximum(power, (integer_bits - zeros) * ONE - ONE // 4)

    p = (r + FOURTH_ROOT_HALF + 1) // 2
    q = 2 * (r - FOURTH_ROOT_HALF)
    square = multiply(q, q)
    numerator = multiply(q, r) + multiply(multiply(q, square), ALPHA_N)
    denominator = multiply(p, ALPHA_I + q + multiply(square, ALPHA_D)) + multiply(q, ALPHA_F)
    inverse, _ = reciprocal((1 << 31) + denominator, 0)
    quotient = multiply(rounding_shift_right(numerator, 6), inverse)
    return shift_left_saturating(multiply(power, LOG_2) + quotient, 1)


def _leading_zeros(value: Int64Array) -> Int64Array:
    """Of positive int32, out of 32 bits."""
    return 32 - np.frexp(value.astype(np.float64))[1].astype(np.int64)
