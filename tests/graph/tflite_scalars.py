"""TFLite's and gemmlowp's integer primitives, one number at a time, as their C++ says them.

Written from the definitions in TensorFlow Lite `kernels/internal/common.h`, `quantization_util.cc`
and gemmlowp `fixedpoint/fixedpoint.h`, with Python integers in the place of registers: an
independent second opinion on `midge.graph.requantize` and `midge.graph.fixed_point`.
"""

from __future__ import annotations

from fractions import Fraction

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


def as_int32(value: int) -> int:
    """What a 32-bit register holds of it."""
    value &= 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value


def divide_truncating(a: int, b: int) -> int:
    """C's division."""
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def round_half_away(value: Fraction) -> int:
    """C's round()."""
    magnitude = abs(value)
    whole = magnitude.numerator // magnitude.denominator
    if magnitude - whole >= Fraction(1, 2):
        whole += 1
    return whole if value >= 0 else -whole


def round_half_even(value: Fraction) -> int:
    """C's nearbyint() in its default mode."""
    return round(value)


def to_float32(value: Fraction) -> Fraction:
    """The nearest float32, ties to even; for normal numbers."""
    if value == 0:
        return Fraction(0)
    exponent = 0
    while abs(value) >= Fraction(2) ** (exponent + 24):
        exponent += 1
    while abs(value) < Fraction(2) ** (exponent + 23):
        exponent -= 1
    unit = Fraction(2) ** exponent
    return round_half_even(value / unit) * unit


def saturating_rounding_doubling_high_mul(a: int, b: int) -> int:
    """SaturatingRoundingDoublingHighMul."""
    if a == b == INT32_MIN:
        return INT32_MAX
    product = a * b
    nudge = 1 << 30 if product >= 0 else 1 - (1 << 30)
    return divide_truncating(product + nudge, 1 << 31)


def rounding_divide_by_pot(x: int, exponent: int) -> int:
    """RoundingDivideByPOT."""
    mask = (1 << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if remainder > threshold else 0)


def multiply_by_quantized_multiplier(x: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier, built with double rounding."""
    left, right = max(shift, 0), max(-shift, 0)
    high = saturating_rounding_doubling_high_mul(as_int32(x << left), multiplier)
    return rounding_divide_by_pot(high, right)


def quantize_multiplier(real: Fraction) -> tuple[int, int]:
    """QuantizeMultiplier."""
    if real == 0:
        return 0, 0
    shift = 0
    while real >= 1:
        real, shift = real / 2, shift + 1
    while real < Fraction(1, 2):
        real, shift = real * 2, shift - 1
    fixed = round_half_away(real * 2**31)
    if fixed == 1 << 31:
        fixed, shift = fixed // 2, shift + 1
    return (0, 0) if shift < -31 else (fixed, shift)


def saturating_shift_left(x: int, bits: int) -> int:
    """SaturatingRoundingMultiplyByPOT with a positive exponent."""
    threshold = (1 << (31 - bits)) - 1
    if x > threshold:
        return INT32_MAX
    if x < -threshold:
        return INT32_MIN
    return x << bits


def exp_on_quarter(a: int) -> int:
    """exp_on_interval_between_negative_one_quarter_and_0_excl: Q0.31 to Q0.31."""
    mul = saturating_rounding_doubling_high_mul
    constant_term, constant_1_over_3 = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = mul(x, x)
    x3 = mul(x2, x)
    x4 = mul(x2, x2)
    x4_over_4 = rounding_divide_by_pot(x4, 2)
    tail = rounding_divide_by_pot(mul(x4_over_4 + x3, constant_1_over_3) + x2, 1)
    return constant_term + mul(constant_term, x + tail)


def exp_on_negative_values(a: int) -> int:
    """exp_on_negative_values for Q5.26, giving Q0.31."""
    one_quarter = 1 << 24
    a_mod_quarter_minus_one_quarter = (a & (one_quarter - 1)) - one_quarter
    result = exp_on_quarter(saturating_shift_left(a_mod_quarter_minus_one_quarter, 5))
    remainder = a_mod_quarter_minus_one_quarter - a
    multipliers = {
        -2: 1672461947,
        -1: 1302514674,
        0: 790015084,
        1: 290630308,
        2: 39332535,
        3: 720401,
        4: 242,
    }
    for exponent, multiplier in multipliers.items():
        if remainder & (1 << (26 + exponent)):
            result = saturating_rounding_doubling_high_mul(result, multiplier)
    return INT32_MAX if a == 0 else result


def rounding_half_sum(a: int, b: int) -> int:
    """RoundingHalfSum."""
    total = a + b
    return divide_truncating(total + (1 if total >= 0 else -1), 2)


def one_over_one_plus_x(a: int) -> int:
    """one_over_one_plus_x_for_x_in_0_1: Q0.31 to Q0.31, three Newton steps in Q2.29."""
    mul = saturating_rounding_doubling_high_mul
    half_denominator = rounding_half_sum(a, INT32_MAX)
    constant_48_over_17, constant_neg_32_over_17 = 1515870810, -1010580540
    x = constant_48_over_17 + mul(half_denominator, constant_neg_32_over_17)
    for _ in range(3):
        half_denominator_times_x = mul(half_denominator, x)
        one_minus_half_denominator_times_x = (1 << 29) - half_denominator_times_x
        x += saturating_shift_left(mul(x, one_minus_half_denominator_times_x), 2)
    return saturating_shift_left(x, 1)


def get_reciprocal(x: int, x_integer_digits: int) -> tuple[int, int]:
    """GetReciprocal: (Q0.31 scale, bits over unit)."""
    headroom_plus_one = 32 - x.bit_length()
    shifted_minus_one = (x << headroom_plus_one) - (1 << 31)
    return one_over_one_plus_x(shifted_minus_one), x_integer_digits - headroom_plus_one
