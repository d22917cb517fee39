"""Fixed-point rescaling: how an int32 accumulator becomes an int8 value, bit for bit.

A real factor is held as ``multiplier * 2**(shift - 31)`` with a multiplier in [2**30, 2**31), or 0.
Sources: TensorFlow Lite `kernels/internal/quantization_util.cc` (QuantizeMultiplier) and `common.h`
(MultiplyByQuantizedMultiplier); Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", CVPR 2018, section 2.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph.types import Activation, Rounding, Tensor

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
LARGEST_FACTOR = 2.0**30 - 1
"""Shifts a sum left by 30 bits; beyond, runtimes disagree and C leaves it undefined."""
LARGEST_LONG_FACTOR = 2.0**7 - 2.0**-25
"""Shifts a 64-bit sum left by 7 bits: TFLite Micro's bound (`kernels/internal/common.cc`)."""


@dataclass(frozen=True, eq=False)
class Requantization:
    """Factors for each channel, or one for all.

    Attributes:
        multiplier: int32 [n], each 0 or in [2**30, 2**31).
        shift: int32 [n], each in [-31, 30]; positive shifts left.
        rounding: How the product is rounded.
    """

    multiplier: Int32Array
    shift: Int32Array
    rounding: Rounding


def quantize_multiplier(real: float) -> tuple[int, int]:
    """A non-negative real factor as (multiplier, shift), rounded half away from zero.

    Factors under 2**-32 become 0. The caller has seen that `real` is under `LARGEST_FACTOR`.
    """
    if real == 0.0:
        return 0, 0
    mantissa, shift = math.frexp(real)
    multiplier = math.floor(mantissa * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return multiplier, shift


def requantization(factors: npt.NDArray[np.float64], rounding: Rounding) -> Requantization:
    """Real factors, float64 [n], as fixed-point ones.

    Raises:
        UserError: a factor is negative, not finite, or too large.
    """
    is_long = rounding is Rounding.TFLITE_16X8
    usable = (factors >= 0) & (factors < (LARGEST_LONG_FACTOR if is_long else LARGEST_FACTOR))
    if not np.all(usable):
        worst = np.atleast_1d(factors)[~np.atleast_1d(usable)][0]
        raise UserError(
            f"the scales give a factor of {worst:g}; expected one from 0 to under "
            f"{'2**7' if is_long else '2**30'}"
        )
    pairs = [quantize_multiplier(float(f)) for f in np.atleast_1d(factors)]
    return Requantization(
        np.array([m for m, _ in pairs], np.int32),
        np.array([s for _, s in pairs], np.int32),
        rounding,
    )


def scale_quotient(
    factors: tuple[float, float | npt.NDArray[np.float32]], divisor: float, rounding: Rounding
) -> npt.NDArray[np.float64]:
    """``a * b / divisor`` of scales: in float32 under `half_even`, otherwise in double."""
    with np.errstate(all="ignore"):
        if rounding is Rounding.HALF_EVEN:
            a, b = (np.asarray(factor, np.float32) for factor in factors)
            return np.atleast_1d(a * b / np.float32(divisor)).astype(np.float64)
        c, d = (np.asarray(factor, np.float64) for factor in factors)
        return np.atleast_1d(c * d / np.float64(divisor))


def wrap_int32(values: Int64Array) -> Int64Array:
    """Reduce to int32 modulo 2**32, as two's complement registers do; kept as int64."""
    return ((values + 2**31) & 0xFFFFFFFF) - 2**31


def requantize(
    accumulator: npt.NDArray[np.integer], factors: Requantization, rounding: Rounding | None = None
) -> Int64Array:
    """Scale int32 accumulators; the last dimension runs along the channels of `factors`.

    Args:
        accumulator: integers [..., n] or [...], within int32.
        factors: One factor, or n.
        rounding: Instead of the one in `factors`.

    Returns:
        int64 of the accumulator's shape, not yet offset or clamped.
    """
    acc = accumulator.astype(np.int64)
    multiplier, shift = factors.multiplier.astype(np.int64), factors.shift.astype(np.int64)
    if multiplier.size == 1:
        # Without a dimension of its own, so that a scalar stays one.
        multiplier, shift = multiplier.reshape(()), shift.reshape(())
    match rounding or factors.rounding:
        case Rounding.TFLITE_DOUBLE:
            left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
            high = doubling_high_multiply(wrap_int32(acc << left), multiplier)
            return rounding_shift_right(high, right)
        case Rounding.TFLITE_16X8:
            # Sums stay under 2**47 in magnitude (`accumulate` proves it), products under 2**62.
            reduced = reduced_multiplier(multiplier)
            total_shift = 15 - shift
            return (acc * reduced + (np.int64(1) << (total_shift - 1))) >> total_shift
        case Rounding.SINGLE:
            total_shift = 31 - shift
            half = np.int64(1) << (total_shift - 1)
            return (acc * multiplier + half) >> total_shift
        case Rounding.HALF_EVEN:
            real = np.ldexp(multiplier.astype(np.float64), (shift - 31).astype(np.int32))
            scaled = acc.astype(np.float32) * real.astype(np.float32)
            return np.rint(scaled).astype(np.int64)


def reduced_multiplier(multiplier: Int64Array) -> Int64Array:
    """A multiplier's 15 leading bits, rounded (TFLite `common.cc`, for 64-bit sums)."""
    return np.where(multiplier < 0x7FFF0000, (multiplier + (1 << 15)) >> 16, 0x7FFF)


def doubling_high_multiply(a: Int64Array, b: Int64Array | int) -> Int64Array:
    """``round(a * b / 2**31)`` of int32 values, ties towards plus infinity; not both are -2**31.

    TFLite's SaturatingRoundingDoublingHighMul nudges by the sign and truncates; but for the product
    2**62, which it saturates, that is this one shift.
    """
    return (a * b + (1 << 30)) >> 31


def rounding_shift_right(values: Int64Array, exponent: Int64Array | int) -> Int64Array:
    """``values / 2**exponent`` rounded half away from zero (RoundingDivideByPOT)."""
    exponent = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    threshold = (mask >> 1) + (values < 0)
    return (values >> exponent) + ((values & mask) > threshold)


def activation_range(output: Tensor, activation: Activation) -> tuple[int, int]:
    """The clamp of a fused activation in the output's integers, ends included.

    Bounds are rounded in float32, half away from zero (TFLM `kernels/kernel_util.cc`,
    CalculateActivationRangeQuantized).

    Raises:
        UserError: the scale is so fine that a bound leaves int32; TFLM refuses that too.
    """
    low, high = output.dtype.limits

    def quantize(real: float) -> int:
        with np.errstate(over="ignore"):
            scaled = float(np.float32(real) / np.float32(output.scale))
        if not abs(scaled) <= INT32_MAX:
            raise UserError(
                f"{output.name} has scale {output.scale:g}, too fine for {activation.value}: "
                f"{real:g} is {scaled:g} steps, over int32"
            )
        return output.zero_point + int(math.copysign(math.floor(abs(scaled) + 0.5), scaled))

    match activation:
        case Activation.RELU:
            low = max(low, quantize(0.0))
        case Activation.RELU6:
            low, high = max(low, quantize(0.0)), min(high, quantize(6.0))
        case Activation.RELU_N1_TO_1:
            low, high = max(low, quantize(-1.0)), min(high, quantize(1.0))
        case Activation.NONE:
            pass
    return low, high
