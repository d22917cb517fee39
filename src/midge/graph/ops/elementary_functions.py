"""exp, log, sqrt, rsqrt, square, sin and cos."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import fixed_point, float_math
from midge.graph.elementwise_unary import QUANTIZED_OR_FLOAT, RealFunction
from midge.graph.function_tables import Float32Array
from midge.graph.requantize import Requantization, requantization, requantize
from midge.graph.types import Array, DType, Rounding, Tensor

RSQRT_FRACTION_BITS = 20
"""Of one over the root while it is an integer."""


@dataclass(frozen=True, kw_only=True)
class Exp(RealFunction):
    """``y = exp(x)``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type.

    Sources: TFLM `micro/kernels/exp.cc`, float32 alone; TFLite `kernels/exp.cc` for integers.
    """

    kind = "exp"
    types = QUANTIZED_OR_FLOAT

    def real(self, x: Float32Array) -> Float32Array:
        """`float_math.exp`."""
        return float_math.exp(x)


@dataclass(frozen=True, kw_only=True)
class Log(RealFunction):
    """``y = log(x)``, the natural logarithm.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type; integers at and under zero give the least code.

    Sources: TFLM `micro/kernels/elementwise.cc`, float32 alone; TFLite `kernels/elementwise.cc` for
    integers.
    """

    kind = "log"
    types = QUANTIZED_OR_FLOAT

    def real(self, x: Float32Array) -> Float32Array:
        """`float_math.log`."""
        return float_math.log(x)


@dataclass(frozen=True, kw_only=True)
class Sqrt(RealFunction):
    """``y = sqrt(x)``.

    Input:
        x: float32, or int8 per tensor.

    Output:
        of x's shape and type; integers under zero give the least code.

    Source: TFLM `micro/kernels/elementwise.cc`, float32 alone.
    """

    kind = "sqrt"
    types = (DType.INT8, DType.FLOAT32)

    def real(self, x: Float32Array) -> Float32Array:
        """Correctly rounded."""
        return float_math.sqrt(x)


@dataclass(frozen=True, kw_only=True)
class Rsqrt(RealFunction):
    """``y = 1 / sqrt(x)``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type; integers at and under zero give the greatest code. TFLM ends a run
        that meets one under zero.

    Source: TFLM `micro/kernels/elementwise.cc`, whose evaluation has int16 as well.
    """

    kind = "rsqrt"
    types = QUANTIZED_OR_FLOAT
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def real(self, x: Float32Array) -> Float32Array:
        """Root and quotient are rounded."""
        return np.float32(1) / float_math.sqrt(x)

    def check_quantized(self, x: Tensor, y: Tensor) -> None:
        """Scales as of any table, and a factor that leaves the output some codes."""
        super().check_quantized(x, y)
        self.factor(x, y)

    def factor(self, x: Tensor, y: Tensor) -> Requantization:
        """From a root's inverse with 20 fraction bits to y's steps.

        Raises:
            UserError: it is too large, or the output's scale so coarse that no code but the zero
                point's can come out; TFLM then shifts by over 31 bits.
        """
        if self.rounding is not Rounding.TFLITE_DOUBLE:
            raise UserError(f"rounding {self.rounding.value}; supported here: tflite_double")
        real = 1.0 / (math.sqrt(x.scale) * y.scale)
        found = requantization(np.array([real]), self.rounding)
        shift = found.shift - RSQRT_FRACTION_BITS
        if shift[0] < -31:
            raise UserError(
                f"{y.name} has scale {y.scale:g}, too coarse for a root of steps of {x.scale:g}"
            )
        return Requantization(found.multiplier, shift, self.rounding)

    def evaluate_quantized(self, values: Array, x: Tensor, y: Tensor) -> Array:
        """Newton's method in fixed point."""
        low, high = y.dtype.limits
        v = values.astype(np.int64) - x.zero_point
        multiplier, shift = fixed_point.inverse_square_root(np.maximum(v, 1))
        root = requantize(
            np.ones_like(v),
            Requantization(
                multiplier.astype(np.int32),
                (RSQRT_FRACTION_BITS - shift).astype(np.int32),
                self.rounding,
            ),
        )
        scaled = requantize(root, self.factor(x, y)) + y.zero_point
        codes = np.where(v <= 0, high, np.clip(scaled, low, high))
        return codes.astype(y.dtype.numpy)


@dataclass(frozen=True, kw_only=True)
class Square(RealFunction):
    """``y = x * x``.

    Input:
        x: float32, or int8 per tensor.

    Output:
        of x's shape and type.

    Source: TFLM `micro/kernels/elementwise.cc`, float32 alone.
    """

    kind = "square"
    types = (DType.INT8, DType.FLOAT32)

    def real(self, x: Float32Array) -> Float32Array:
        """One product."""
        return x * x


@dataclass(frozen=True, kw_only=True)
class Sin(RealFunction):
    """``y = sin(x)``.

    Input:
        x: float32, or int8 per tensor.

    Output:
        of x's shape and type.

    Source: TFLM `micro/kernels/elementwise.cc`, float32 alone.
    """

    kind = "sin"
    types = (DType.INT8, DType.FLOAT32)

    def real(self, x: Float32Array) -> Float32Array:
        """`float_math.sin`."""
        return float_math.sin(x)


@dataclass(frozen=True, kw_only=True)
class Cos(RealFunction):
    """``y = cos(x)``.

    Input:
        x: float32, or int8 per tensor.

    Output:
        of x's shape and type.

    Source: TFLM `micro/kernels/elementwise.cc`, float32 alone.
    """

    kind = "cos"
    types = (DType.INT8, DType.FLOAT32)

    def real(self, x: Float32Array) -> Float32Array:
        """`float_math.cos`."""
        return float_math.cos(x)
