"""elu, gelu and hard_swish: rectifiers with a curve in the place of the bend."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import float_math
from midge.graph.elementwise_unary import QUANTIZED_OR_FLOAT, RealFunction
from midge.graph.function_tables import Float32Array, int8_lookup, int8_table
from midge.graph.requantize import (
    Int64Array,
    quantize_multiplier,
    reduced_multiplier,
    requantization,
    rounding_shift_right,
)
from midge.graph.types import Array, DType, Rounding, Tensor

HALF_SQRT_2 = np.float32(math.sqrt(0.5))
SQRT_2_OVER_PI = np.float32(math.sqrt(2 / math.pi))
GELU_CUBIC = np.float32(0.044715)
LEAST_EXPONENT = -15
"""Of hard_swish's factors: what TFLM shifts further has no meaning in 16 bits."""


@dataclass(frozen=True, kw_only=True)
class Elu(RealFunction):
    """``y = x`` where ``x >= 0``, elsewhere ``y = exp(x) - 1``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type.

    Sources: TFLM `micro/kernels/elu.cc`, `kernels/internal/reference/elu.h`; TFLM lacks int16.
    """

    kind = "elu"
    types = QUANTIZED_OR_FLOAT

    def real(self, x: Float32Array) -> Float32Array:
        """With `float_math.expm1`."""
        return np.where(x < 0, float_math.expm1(x), x)

    def evaluate_quantized(self, values: Array, x: Tensor, y: Tensor) -> Array:
        """TFLM's table of int8 takes one from the exponential."""

        def with_exp(reals: Float32Array) -> Float32Array:
            return np.where(reals < 0, float_math.exp(reals) - np.float32(1), reals)

        if x.dtype is DType.INT16:
            return super().evaluate_quantized(values, x, y)
        return int8_lookup(values, int8_table(with_exp, x, y))


@dataclass(frozen=True, kw_only=True)
class Gelu(RealFunction):
    """``y = x / 2 * (1 + erf(x / sqrt(2)))``, or with `approximate` the tanh that is close to it.

    The latter is ``y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type.

    Source: TFLite `kernels/internal/reference/gelu.h`, whose complement of erf keeps more digits of
    results near zero; TFLM does not have it.
    """

    kind = "gelu"
    types = QUANTIZED_OR_FLOAT
    approximate: bool = False

    def real(self, x: Float32Array) -> Float32Array:
        """One rounding an operation, in this order."""
        half, one = np.float32(0.5) * x, np.float32(1)
        if not self.approximate:
            return half * (one + float_math.erf(x * HALF_SQRT_2))
        cubic = x + GELU_CUBIC * x * x * x
        return half * (one + float_math.tanh(SQRT_2_OVER_PI * cubic))


@dataclass(frozen=True, kw_only=True)
class HardSwish(RealFunction):
    """``y = x * min(max(x + 3, 0), 6) / 6``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type. An int8 output's scale is over 1/128 and up to 512 times the input's,
        whose own is from 3 * 2**-24 to under 3 * 2**22.

    Sources: TFLM `kernels/internal/reference/hard_swish.h`, `micro/kernels/hard_swish_common.cc`;
    TFLM lacks int16.
    """

    kind = "hard_swish"
    types = QUANTIZED_OR_FLOAT

    def real(self, x: Float32Array) -> Float32Array:
        """One rounding an operation, in this order."""
        raised = x + np.float32(3)
        raised = np.where(raised > 0, raised, np.float32(0))
        return x * np.where(raised < 6, raised, np.float32(6)) / np.float32(6)

    def check_quantized(self, x: Tensor, y: Tensor) -> None:
        """Scales as of any table; int8's factors suit 16-bit arithmetic."""
        super().check_quantized(x, y)
        if x.dtype is DType.INT16:
            return
        (_, output_shift), (_, reluish_shift) = self.factors(x, y)
        if not LEAST_EXPONENT <= output_shift <= 0:
            raise UserError(
                f"{y.name} has scale {y.scale:g} for an input of {x.scale:g}; expected over 1/128 "
                "and up to 512 times it"
            )
        if reluish_shift < LEAST_EXPONENT:
            raise UserError(f"{x.name} has scale {x.scale:g}; expected at least 3 * 2**-24")

    @staticmethod
    def factors(x: Tensor, y: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
        """(multiplier, left shift) from 1/128 of x's steps to y's steps, and to 1/32768 of 3.

        Quotients are taken in float32, multipliers have 15 bits.
        """
        fine = np.float32(1 / 128) * np.float32(x.scale)

        def reduced(scale: np.float32) -> tuple[int, int]:
            with np.errstate(over="ignore"):
                ratio = float(fine / scale)
            requantization(np.array([ratio]), Rounding.TFLITE_DOUBLE)
            multiplier, shift = quantize_multiplier(ratio)
            return int(reduced_multiplier(np.array([multiplier], np.int64))[0]), shift

        return reduced(np.float32(y.scale)), reduced(np.float32(3 / 32768))

    def evaluate_quantized(self, values: Array, x: Tensor, y: Tensor) -> Array:
        """int8 in 16-bit fixed point, which wraps around where TFLM's does."""
        if x.dtype is DType.INT16:
            return super().evaluate_quantized(values, x, y)
        (output_multiplier, output_shift), (multiplier, shift) = self.factors(x, y)
        fine = (values.astype(np.int64) - x.zero_point) << 7
        on_output_scale = _multiply_high(fine, output_multiplier)
        # x / 3 in Q0.15, saturated; then (x + 3) / 6.
        share = _saturate(fine << max(shift - 1, 0))
        share = _multiply_high(share, multiplier)
        share = _saturate(share << 1) if shift > 0 else rounding_shift_right(share, -shift)
        share = (share + (1 << 15)) >> 1
        product = share * on_output_scale
        truncated = np.sign(product) * (np.abs(product) >> 15)
        scaled = rounding_shift_right(truncated, -output_shift) + y.zero_point
        return np.clip(scaled.astype(np.int16), -128, 127).astype(np.int8)


def _multiply_high(a: Int64Array, b: int) -> Int64Array:
    """``round(a * b / 2**15)`` of int16 values, ties up; not both are -2**15."""
    return (a * b + (1 << 14)) >> 15


def _saturate(values: Int64Array) -> Int64Array:
    clipped: Int64Array = np.clip(values, -32768, 32767)
    return clipped
