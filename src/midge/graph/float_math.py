"""Elementary functions on float32 whose bits are the same on every core.

The twin of `device/kernels/float_math.h`, operation by operation. Everything is computed in
integers: an int32 holds a Q-number (``value * 2**q``), a float is taken apart into sign, mantissa
and exponent and put together with one rounding. So no FPU, soft-float library, libm or compiler
option has a say in a bit, errors stay near the half of a last place (ULP) that rounding costs
anyway, and a core without an FPU needs an eighth of the instructions that soft floats would cost.
The bounds in the docstrings are maxima over all floats (`power`: over 10**8 pairs), measured once
against the C library's doubles; `tests/graph/test_float_math.py` asserts them on samples.

Coefficients are minimax polynomials by Remez' exchange in 40 digits; the comment at each table has
function, interval and error. Each but the leading one is rounded up by half a unit, which is what
the truncation in Horner's rule loses on average.

A NaN gives a NaN; its payload is not defined.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
"""Here: holds int32, uint32, or signed Q-numbers of under 63 bits."""
BoolArray = npt.NDArray[np.bool_]

SIGN = 0x80000000
ONE = 0x3F800000
INFINITY = 0x7F800000
NAN = 0x7FC00000

LOG2_E_Q31, LN_2_Q32, TWO_OVER_PI_Q32 = 3098164009, 2977044472, 2734261102

# (2^t - 1) / t on [-1/2, 1/2], relative error 2^-26.5; variable t, Q31.
EXP2_SLOPE = (330788, 2875639, 20655008, 119193019, 515882477, 1488522252)
# log2(1 + f) / f on [sqrt(1/2) - 1, sqrt(2) - 1], 2^-33.2; variable f, Q31. The last is 1.44, which
# wraps around in int32: the sum is read as unsigned.
LOG2_SLOPE = (
    *(-185426529, 332553910, -337116818, 341453131, -384500406, 442588340),
    *(-516478781, 619636314, -774538941, 1032721281, -1549082014, -1196803286),
)
# tanh(x) / x on [0, 1/4], 2^-28.6; variable x^2, Q30.
TANH_RATIO = (-55112724, 143056050, -357912578, 1073741822)
# erf(x) / x on [0, 1], 2^-29.6; variable x^2 / 2, Q30.
ERF_RATIO = (5397133, -27522816, 89134792, -230672488, 484626292, -807724989, 1211587904)
# -log2(erfc(x)) on [1, 3.92], from where erf rounds to 1; 2^-29.9 of erf; variable
# (x - 2.5) / 4, Q25. That 1 - exp(polynomial) suits the tail is Norbert Juffa's observation.
ERF_TAIL = (-36796040, 7732930, -30458521, 33205399, 731077926, 1036470239, 377918781)
# sin(pi/2 r) / r and cos(pi/2 r) on [0, 1/2], 2^-28.2 and 2^-34; variable r^2, Q30.
SINE_RATIO = (-4940993, 85555784, -693597984, 1686629708)
COSINE = (969979, -22398185, 272375211, -1324675867, 1073741824)
# Bits of 2/pi behind 64 zeros.
TWO_OVER_PI = (*(0, 0, 0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0, 0xDB629599, 0x3C439041),)


class _Exp2(NamedTuple):
    """``2**y = mantissa * 2**(whole - 31)`` with ``mantissa = 2**31 + fraction * slope``."""

    mantissa: Int64Array
    whole: Int64Array
    slope: Int64Array


class _Normal(NamedTuple):
    """``mantissa * 2**exponent``, the mantissa in [2**31, 2**32)."""

    mantissa: Int64Array
    exponent: Int64Array


def exp(x: Float32Array) -> Float32Array:
    """``e**x``, within 0.68 ULP; subnormal results included."""
    bits = _bits(x)
    power = _exp2_product(LOG2_E_Q31, -31, bits, bits >= SIGN)
    y = _compose(bits * 0, power.mantissa, power.whole - 31)
    return _floats(np.where(_is_nan(bits), bits, y), x)


def expm1(x: Float32Array) -> Float32Array:
    """``e**x - 1``, within 0.72 ULP also where it is near zero."""
    bits = _bits(x)
    sign, exponent = bits & SIGN, _exponent(bits)
    power = _exp2_product(LOG2_E_Q31, -31, bits, sign != 0)
    # Near zero x itself times a slope keeps all its digits.
    near = _high(_mantissa(bits), _high(np.int64(LOG2_E_Q31), power.slope))
    below = 2**31 - (power.mantissa >> _bounded(-power.whole, 0, 31))
    above = power.mantissa - (np.int64(2**31) >> _bounded(power.whole, 0, 31))
    y = _compose(
        sign,
        np.where(power.whole == 0, near, np.where(power.whole < 0, below, above)),
        np.where(power.whole == 0, exponent - 156, np.maximum(power.whole, 0) - 31),
    )
    return _floats(np.where((exponent < 102) | _is_nan(bits), bits, y), x)


def logistic(x: Float32Array) -> Float32Array:
    """``1 / (1 + e**-x)``, within 0.66 ULP; subnormal results included.

    Where it is flat, it may fall by one ULP as x rises; exp, expm1, tanh, erf and log never fall.
    """
    bits = _bits(x)
    power = _exp2_product(LOG2_E_Q31, -31, bits, bits >= 0)
    reciprocal = _reciprocal_of_one_plus(power)
    positive = bits < SIGN
    y = _compose(
        bits * 0,
        np.where(positive, reciprocal, _high(power.mantissa, reciprocal)),
        np.where(positive, -32, power.whole - 31),
    )
    return _floats(np.where(_is_nan(bits), bits, y), x)


def tanh(x: Float32Array) -> Float32Array:
    """The hyperbolic tangent, within 0.70 ULP."""
    bits = _bits(x)
    sign, exponent, mantissa = bits & SIGN, _exponent(bits), _mantissa(bits)
    square = _square_q32(mantissa, exponent - 158)
    near = _high(mantissa, _polynomial(TANH_RATIO, square))
    power = _exp2_product(LOG2_E_Q31, -30, bits, bits >= 0)
    share = _high(power.mantissa, _reciprocal_of_one_plus(power))
    far = 2**31 - 2 * (share >> _bounded(-power.whole, 0, 31))
    y = _compose(
        sign,
        np.where(exponent < 125, near, far),
        np.where(exponent < 125, exponent - 156, -31),
    )
    return _floats(np.where((exponent < 114) | _is_nan(bits), bits, y), x)


def erf(x: Float32Array) -> Float32Array:
    """The error function, within 0.56 ULP."""
    bits = _bits(x)
    sign, exponent = bits & SIGN, _exponent(bits)
    mantissa = np.where(exponent == 0, bits << 9 & 0xFFFFFFFF, _mantissa(bits))
    half_square = _square_q32(mantissa, exponent - 158) >> 1
    near = _high(mantissa, _polynomial(ERF_RATIO, half_square))
    u = (_mantissa(bits) >> _bounded(128 - exponent, 0, 1)) - 0xA0000000
    power = _exp2(-_polynomial(ERF_TAIL, u) * 128)
    far = 2**31 - (power.mantissa >> _bounded(-power.whole, 0, 31))
    y = _compose(
        sign,
        np.where(exponent < 127, near, far),
        np.where(exponent < 127, exponent - 156, -31),
    )
    y = np.where(exponent > 128, sign | ONE, y)
    return _floats(np.where((bits & ~SIGN == 0) | _is_nan(bits), bits, y), x)


def log(x: Float32Array) -> Float32Array:
    """The natural logarithm, within 0.51 ULP; -inf of either zero, NaN below."""
    bits = _bits(x)
    positive = (bits > 0) & (bits < INFINITY)
    negative, magnitude = _log2(np.where(positive, bits, ONE))
    product = _high(magnitude.mantissa, np.int64(LN_2_Q32))
    y = _compose(np.where(negative, SIGN, 0), product, magnitude.exponent)
    y = np.where(bits == ONE, 0, y)
    y = np.where(positive, y, np.where(bits == INFINITY, INFINITY, NAN))
    return _floats(np.where(bits & ~SIGN == 0, SIGN | INFINITY, y), x)


def power(a: Float32Array, b: Float32Array) -> Float32Array:
    """``a**b`` of arrays that broadcast, within 1.8 ULP; special values as C99's ``pow`` has them.

    The error grows with the exponent of the result: 0.6 ULP while that is within 2**±8.
    """
    a, b = np.broadcast_arrays(np.asarray(a, np.float32), np.asarray(b, np.float32))
    signed_base, bits = _bits(a), _bits(b)
    base, magnitude = signed_base & ~SIGN, bits & ~SIGN
    negative, b_negative = signed_base >= SIGN, bits >= SIGN
    exponent = _exponent(bits)
    # The bits of b from its ones down; from 2**24 on, and at infinity, b is even.
    ones = _mantissa(bits) << _bounded(exponent - 127, 0, 23) & 0xFFFFFFFF
    ones = np.where(exponent < 127, 1, np.where(exponent > 150, 0, ones))
    sign = np.where(negative & (ones == SIGN), SIGN, 0)
    ordinary = (base != 0) & (base < INFINITY)
    log_negative, log_magnitude = _log2(np.where(ordinary, base, ONE))
    result = _exp2_product(*log_magnitude, magnitude, log_negative ^ b_negative)
    y = _compose(sign, result.mantissa, result.whole - 31)
    y = np.where(base == ONE, sign | ONE, y)
    y = np.where(negative & ordinary & (ones & ~SIGN != 0), NAN, y)
    extreme = np.where((base == 0) == b_negative, INFINITY, 0)
    y = np.where(ordinary, y, sign | extreme)
    y = np.where(_is_nan(signed_base) | _is_nan(bits), NAN, y)
    return _floats(np.where((signed_base == ONE) | (magnitude == 0), ONE, y), a)


def sin(x: Float32Array) -> Float32Array:
    """The sine, within 0.57 ULP for every finite argument however large; NaN of infinities."""
    return _sine(x, 0)


def cos(x: Float32Array) -> Float32Array:
    """The cosine, within 0.57 ULP for every finite argument however large; NaN of infinities."""
    return _sine(x, 1)


def sqrt(x: Float32Array) -> Float32Array:
    """The square root, correctly rounded (IEEE 754 asks that of NumPy's too); NaN below zero."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(np.asarray(x, np.float32)))


def divide(a: Float32Array, b: Float32Array) -> Float32Array:
    """``a / b`` of arrays that broadcast, correctly rounded; NumPy's division without warnings.

    Kernels use it instead of C's: a soft-float library that they may be linked with is wrong in
    subnormal quotients.
    """
    with np.errstate(all="ignore"):
        return np.asarray(np.divide(np.asarray(a, np.float32), np.asarray(b, np.float32)))


def round_half_away(x: Float32Array) -> Float32Array:
    """The nearest whole number, exact; halfway cases away from zero; zeros keep their sign."""
    bits = _bits(x)
    exponent = _exponent(bits) - 127
    places = _bounded(exponent, 0, 23)
    # A half carries from the mantissa into the exponent as it should.
    rounded = bits + (0x00400000 >> places) & ~(0x007FFFFF >> places)
    small = bits & SIGN | np.where(exponent == -1, ONE, 0)
    return _floats(np.where(exponent >= 23, bits, np.where(exponent < 0, small, rounded)), x)


def _bits(x: Float32Array) -> Int64Array:
    """The bits of each element; at least one dimension, for NumPy's scalars promote otherwise."""
    array = np.ascontiguousarray(x, np.float32)
    return array.view(np.uint32).astype(np.int64)


def _floats(bits: Int64Array, like: Float32Array) -> Float32Array:
    return bits.astype(np.uint32).view(np.float32).reshape(np.shape(like))


def _is_nan(bits: Int64Array) -> BoolArray:
    nan: BoolArray = (bits & ~SIGN) > INFINITY
    return nan


def _exponent(bits: Int64Array) -> Int64Array:
    return bits >> 23 & 0xFF


def _mantissa(bits: Int64Array) -> Int64Array:
    """With the leading one, in [2**31, 2**32): a normal float is it times 2**(exponent - 158)."""
    return bits << 8 & 0xFFFFFFFF | SIGN


def _bounded(value: Int64Array, low: int, high: int) -> Int64Array:
    return np.minimum(np.maximum(value, low), high)


def _product(a: Int64Array, b: Int64Array | np.int64) -> npt.NDArray[np.uint64]:
    """All 64 bits of the product of two uint32."""
    return a.astype(np.uint64) * b.astype(np.uint64)


def _high(a: Int64Array | np.int64, b: Int64Array | np.int64) -> Int64Array:
    """The upper 32 bits of the product of two uint32."""
    high = (a.astype(np.uint64) * b.astype(np.uint64)) >> np.uint64(32)
    return np.asarray(high).astype(np.int64)


def _polynomial(coefficients: tuple[int, ...], u: Int64Array) -> Int64Array:
    """Horner's rule on int32, the leading coefficient first; u is a Q32 in [-1/2, 1/2)."""
    total = np.full_like(u, coefficients[0])
    for coefficient in coefficients[1:]:
        total = (total * u >> 32) + coefficient
    return total


def _shifted_up(
    mantissa: Int64Array, exponent: Int64Array, width: int
) -> tuple[Int64Array, Int64Array]:
    """Shift left until bit ``width - 1`` is set."""
    for places in (16, 8, 4, 2, 1):
        low = mantissa >> (width - places) == 0
        mantissa = np.where(low, mantissa << places, mantissa)
        exponent = np.where(low, exponent - places, exponent)
    return mantissa, exponent


def _compose(sign: Int64Array, mantissa: Int64Array, exponent: Int64Array | int) -> Int64Array:
    """The bits of ``mantissa * 2**exponent``, rounded to nearest, ties away from zero; not of 0."""
    normal, exponent = _shifted_up(mantissa, np.asarray(exponent, np.int64), 32)
    biased = exponent + 158
    shift = 7 + np.maximum(1 - biased, 0)
    rounded = ((normal >> _bounded(shift, 0, 32)) + 1) >> 1
    # The leading one of a normal number adds itself to the exponent.
    finite = (np.maximum(biased, 1) - 1 << 23) + rounded
    return sign | np.where(biased > 254, INFINITY, finite)


def _normalise(magnitude: Int64Array, exponent: int) -> _Normal:
    """``magnitude * 2**exponent``, cut to 32 bits; the magnitude is at most 2**63, as unsigned."""
    high = magnitude >> 32 & 0xFFFFFFFF
    short = high == 0
    # Two words, since NumPy's comparisons and shifts of int64 are signed.
    first = np.where(short, magnitude & 0xFFFFFFFF, high)
    second = np.where(short, 0, magnitude & 0xFFFFFFFF)
    start = np.where(short, exponent, exponent + 32)
    mantissa, shifted = _shifted_up(first, start, 32)
    return _Normal(mantissa | second >> 32 - (start - shifted), shifted)


def _exp2(y: Int64Array) -> _Exp2:
    """``2**y`` of a Q32."""
    whole = y + 2**31 >> 32
    fraction = y - (whole << 32)
    slope = _polynomial(EXP2_SLOPE, fraction)
    return _Exp2(2**31 + (fraction * slope >> 32), whole, slope)


def _exp2_product(
    factor: Int64Array | int, exponent: Int64Array | int, x: Int64Array, negative: BoolArray
) -> _Exp2:
    """``2**(factor * 2**exponent * |x|)``, or to minus that where `negative`.

    A negative exponent is one unit further down, so that a power under one has a mantissa under
    2**31 where `whole` is 0. One beyond 2**14 just stays beyond.
    """
    shift = _bounded(126 - exponent - _exponent(x), 16, 63)
    product = _product(_mantissa(x), np.asarray(factor, np.int64))
    y = (product >> shift.astype(np.uint64)).astype(np.int64)
    return _exp2(np.where(negative, ~y, y))


def _reciprocal_of_one_plus(power: _Exp2) -> Int64Array:
    """``1 / (1 + power)`` as a Q32 for a power under one.

    Newton's method, from 2 sqrt(3) - 2 - d/2, which is at most 7.2% off; it stays below.
    """
    denominator = 2**31 + (power.mantissa >> _bounded(-power.whole, 0, 31))
    reciprocal = 1993301259 - denominator & 0xFFFFFFFF
    for _ in range(3):
        correction = 0xFFFFFFFF - _high(reciprocal, denominator)
        reciprocal = _high(reciprocal, correction) << 1
    return reciprocal


def _square_q32(mantissa: Int64Array, exponent: Int64Array) -> Int64Array:
    """``x**2`` as a Q32 for |x| < 1."""
    return _high(mantissa, mantissa) >> _bounded(-64 - 2 * exponent, 0, 31)


def _log2(bits: Int64Array) -> tuple[BoolArray, _Normal]:
    """Sign and magnitude of log2 of positive finite numbers; that of 1 has no meaning."""
    frac, lifted = _shifted_up(bits, np.zeros_like(bits), 24)
    subnormal = bits < 0x00800000
    bits, whole = np.where(subnormal, frac, bits), np.where(subnormal, lifted, 0)
    # The mantissa is halved where it is over sqrt(2), so that a logarithm near zero has no other
    # term.
    beyond = bits - 0x3F3504F3 >> 23
    bits = bits - (beyond << 23)
    fraction = np.where(bits >= ONE, bits - ONE << 9, _mantissa(bits) - 2**32)
    slope = _polynomial(LOG2_SLOPE, fraction) & 0xFFFFFFFF
    log = (whole + beyond << 55) + (fraction * slope >> 8)
    return log < 0, _normalise(np.abs(log), -55)


def _sine(x: Float32Array, quarters: int) -> Float32Array:
    """``sin(x + quarters * pi / 2)`` for quarters 0 and 1."""
    bits = _bits(x)
    exponent, mantissa = _exponent(bits), _mantissa(bits)
    # |x| in quarter turns modulo 4 as a Q62 (Payne and Hanek, SIGNUM Newsletter 18, 1983): bits of
    # 2/pi that only add whole turns are left out.
    start = _bounded(exponent - 96, 0, 158)
    at, shift = start >> 5, start & 31
    table = np.array(TWO_OVER_PI, np.int64)
    word = [
        (table[at + k] << shift | table[at + k + 1] >> 32 - shift) & 0xFFFFFFFF for k in (0, 1, 2)
    ]
    turned = (_product(mantissa, word[0]) << np.uint64(32)) + _product(mantissa, word[1])
    turned += _high(mantissa, word[2]).astype(np.uint64)
    signed = (turned << np.uint64(2)).view(np.int64)
    far = exponent >= 126
    turns = ((turned + np.uint64(2**61)) >> np.uint64(62)).astype(np.int64)
    turns = np.where(far, turns, 0) + quarters
    rest = _normalise(np.where(signed < 0, 0 - signed, signed), -64)
    rest_mantissa = np.where(far, rest.mantissa, _high(mantissa, np.int64(TWO_OVER_PI_Q32)))
    rest_exponent = np.where(far, rest.exponent, exponent - 158)
    odd = turns & 1 == 1
    sign = np.zeros_like(bits) if quarters else bits & SIGN
    sign = sign ^ np.where(far & (signed < 0) & ~odd, SIGN, 0) ^ np.where(turns & 2 != 0, SIGN, 0)
    square = _square_q32(rest_mantissa, rest_exponent)
    ratio = _polynomial(SINE_RATIO, square)
    y = _compose(
        sign,
        np.where(odd, _polynomial(COSINE, square), _high(rest_mantissa, ratio)),
        np.where(odd, -30, rest_exponent + 2),
    )
    y = np.where(exponent < 115, ONE if quarters else bits, y)
    return _floats(np.where(exponent == 255, NAN, y), x)
