"""Integers that stand for numbers: Q20 means in units of 2**-20.

Everything is computed in int64, where no product of two int32 overflows, and kept in int32. Half
rounds up, what is too large stops at `LIMIT`; where something rounds down instead, it is said. All
functions take arrays of any shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]

LIMIT = (1 << 30) - 1
"""What any number of a state stays at or below, and above its negative less one, so that the sum of
two is an int32."""
ONE = 1 << 20
"""One in Q20."""
INT32_MAX = (1 << 31) - 1


def q(value: float | np.floating[Any], places: int) -> int:
    """A constant, with so many places behind the point; at most what an int32 holds."""
    return round(min(max(float(value) * 2.0**places, -INT32_MAX), INT32_MAX))


def wide(values: NDArray[np.int32]) -> Int64s:
    """What is kept, to compute with."""
    return values.astype(np.int64)


def rounded(values: Int64s, places: int | Int64s) -> Int64s:
    """``values / 2**places``; 1 <= places <= 62."""
    half = 1 << (places - 1) if isinstance(places, int) else np.left_shift(1, places - 1)
    out: Int64s = (values + half) >> places
    return out


def narrow(values: Int64s) -> Int64s:
    """Between -2**30 and 2**30 - 1."""
    return np.minimum(np.maximum(values, -LIMIT - 1), LIMIT)


def within(values: Int64s, limit: int | Int64s) -> Int64s:
    """Between -limit and limit."""
    out: Int64s = np.maximum(np.minimum(values, limit), -np.asarray(limit))
    return out


def between(values: Int64s, low: int, high: int) -> Int64s:
    """At least `low`, at most `high`."""
    return np.minimum(np.maximum(values, low), high)


def times(a: Int64s, b: int | Int64s, places: int) -> Int64s:
    """A product of numbers, the second of `places` behind the point."""
    return narrow(rounded(a * b, places))


def digits(values: Int64s) -> Int64s:
    """How many binary digits, of values from 0 to 2**53; 0 for 0."""
    out: Int64s = np.frexp(np.asarray(values, np.float64))[1].astype(np.int64)
    return out


def filled(values: Int64s, places: Int64s) -> Int64s:
    """Values of so many `places`, at most 32, shifted so that they have 31 digits; 0 stays 0."""
    return (values << np.maximum(31 - places, 0)) >> np.maximum(places - 31, 0)


def reciprocal(values: Int64s) -> Int64s:
    """About ``2**61 / values``, for 2**30 <= values < 2**31.

    Three steps of Newton's from a straight line, each rounded down.
    """
    guess = 3031741620 - (values * 2021161080 >> 31)
    for _ in range(3):
        guess = guess * ((1 << 31) - (values * guess >> 31)) >> 30
    out: Int64s = np.minimum(guess, INT32_MAX)
    return out


def quotient(a: Int64s, b: Int64s, places: int) -> Int64s:
    """``a / b`` with `places` behind the point, rounded down, at most INT32_MAX; a >= 0, b > 0."""
    a_digits, b_digits = digits(a), digits(b)
    product = filled(a, a_digits) * reciprocal(filled(b, b_digits))
    down = 61 - places - a_digits + b_digits
    small = np.minimum(product >> np.minimum(np.maximum(down, 30), 62), INT32_MAX)
    small = np.where(down > 62, 0, small)
    return np.where(down < 30, np.where(a == 0, 0, INT32_MAX), small)


def ratio(a: int, b: int, places: int) -> int:
    """`quotient` of two numbers."""
    filled_a, filled_b = a << 31 >> a.bit_length(), b << 31 >> b.bit_length()
    guess = 3031741620 - (filled_b * 2021161080 >> 31)
    for _ in range(3):
        guess = guess * ((1 << 31) - (filled_b * guess >> 31)) >> 30
    down = 61 - places - a.bit_length() + b.bit_length()
    if down < 30:
        return INT32_MAX if a else 0
    return min(filled_a * min(guess, INT32_MAX) >> down, INT32_MAX)


def root(values: NDArray[np.int32] | Int64s) -> Int64s:
    """Whole square roots of values from 0 to 2**31."""
    return np.sqrt(values.astype(np.float64)).astype(np.int64)


def rate(count: int, slowest: int) -> int:
    """The larger of ``1 / count`` and the slowest rate, Q31; count > 0."""
    return max(min((1 << 31) // count, INT32_MAX), slowest)


def dither(ticks: int) -> int:
    """What means are rounded by at a tick: the fractions of multiples of the golden ratio.

    With another part of one each time means neither stick nor lean.
    """
    return (ticks * 0x9E3779B9 & 0xFFFFFFFF) >> 1


def limited(value: int) -> int:
    """`narrow` of a number."""
    return min(max(value, -LIMIT - 1), LIMIT)


def product(a: int, b: int, places: int) -> int:
    """`times` of two numbers."""
    return limited((a * b + (1 << (places - 1))) >> places)


def towards(mean: Any, seen: Any, speed: int, rounding: int) -> Any:
    """Where a mean goes from `mean` (numbers or arrays), at a rate `speed` (Q31)."""
    return mean + ((speed * (seen - mean) + rounding) >> 31)
