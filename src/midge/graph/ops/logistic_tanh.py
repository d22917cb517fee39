"""logistic and tanh: functions that saturate at both ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from midge.errors import UserError
from midge.graph import fixed_point, float_math, int16_tables
from midge.graph.elementwise_unary import (
    QUANTIZED_OR_FLOAT,
    RealOrQuantized,
)
from midge.graph.function_tables import Float32Array
from midge.graph.requantize import (
    Int64Array,
    Requantization,
    requantize,
    rounding_shift_right,
)
from midge.graph.types import Array, DType, Rounding, Tensor

INTEGER_BITS = 4
"""Of the argument of the fixed-point functions: Q4.27."""
INT8_ARGUMENT_SHIFTS = range(63)
"""Exponents that TFLM can shift by: input scales from 2**-28 to under 2**35."""


class _Saturating(RealOrQuantized):
    """What logistic and tanh share: how an integer becomes their argument."""

    code_scale: ClassVar[float]
    """The only scale of an int8 output."""
    code_zero: ClassVar[int]
    """Its zero point."""
    power_of_two_shifts: ClassVar[tuple[int, ...]]
    """Shifts by which an int16 of a scale that is a power of two becomes Q3.12 exactly."""

    def check_quantized(self, x: Tensor, y: Tensor) -> None:
        """The output's scale is the one that the arithmetic has, the input's is in its range."""
        scale, zero = self.code_scale, self.code_zero
        if x.dtype is DType.INT16:
            scale, zero = 2.0**-15, 0
            self.int16_argument(x)
        else:
            self.int8_argument(x)
        if (y.scale, y.zero_point) != (scale, zero):
            raise UserError(
                f"{y.name} has scale {y.scale:g} and zero point {y.zero_point}; "
                f"expected 1/{1 / scale:g} and {zero}"
            )

    def int8_argument(self, x: Tensor) -> tuple[Requantization, int]:
        """The factor from x's steps to Q4.27, and the least difference to zero that saturates.

        Source: TFLM `micro/kernels/tanh.cc` and `logistic_common.cc`, which compute the radius
        in double precision.
        """
        mantissa, shift = math.frexp(x.scale * 2.0 ** (31 - INTEGER_BITS))
        if shift not in INT8_ARGUMENT_SHIFTS:
            raise UserError(f"{x.name} has scale {x.scale:g}; expected one from 2**-28 to 2**35")
        multiplier = np.array([mantissa * 2.0**31], np.int32)
        radius = ((1 << INTEGER_BITS) - 1) << (31 - INTEGER_BITS) >> shift
        # Where every difference but 0 saturates nothing is multiplied.
        return (
            Requantization(
                multiplier, np.array([min(shift, 30)], np.int32), Rounding.TFLITE_DOUBLE
            ),
            radius,
        )

    def int16_argument(self, x: Tensor) -> tuple[int, int]:
        """(multiplier, right shift) from x's steps to those of `midge.graph.int16_tables`.

        Source: as above; a scale within a thousandth of a power of two counts as one.
        """
        log2 = float_math.log(np.array([x.scale], np.float32)) * (
            np.float32(1) / np.float32(math.log(2))
        )
        nearest = float_math.round_half_away(log2)
        shift = 15 - 3 + int(nearest[0])
        if abs(float((log2 - nearest)[0])) < 1e-3 and shift in self.power_of_two_shifts:
            return 3 << shift, 0
        multiplier, shift = x.scale * 4096.0 * 3.0, 0
        while multiplier <= 32767.0 / 2.0 and shift <= 30:
            multiplier, shift = multiplier * 2.0, shift + 1
        if multiplier > 32767:
            raise UserError(f"{x.name} has scale {x.scale:g}; expected one under 8/3")
        return int(multiplier), shift

    def evaluate_quantized(
        self,
        values: Array,
        x: Tensor,
        y: Tensor,  # noqa: ARG002 - its scale is fixed
    ) -> Array:
        """Of int8 in Q4.27, of int16 between entries of a table."""
        stored = values.astype(np.int64)
        if x.dtype is DType.INT16:
            argument = int16_tables.scaled_argument(stored, *self.int16_argument(x))
            return self.int16(argument).astype(np.int16)
        factor, radius = self.int8_argument(x)
        v = stored - x.zero_point
        inside = np.clip(v, -radius, radius)
        codes = np.clip(self.int8(requantize(inside, factor)), -128, 127)
        codes = np.where(v <= -radius, -128, np.where(v >= radius, 127, codes))
        return codes.astype(np.int8)

    def int8(self, argument: Int64Array) -> Int64Array:
        """The output of a Q4.27, before the clamp."""
        raise NotImplementedError

    def int16(self, argument: Int64Array) -> Int64Array:
        """The output of an argument of `midge.graph.int16_tables`."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Logistic(_Saturating):
    """``y = 1 / (1 + exp(-x))``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0 and a scale under 8/3.

    Output:
        of x's shape and type: int8 with scale 1/256 and zero point -128, int16 with 1/32768 and 0.

    Sources: TFLM `micro/kernels/logistic.cc` and `logistic_common.cc`,
    `kernels/internal/reference/integer_ops/logistic.h`.
    """

    kind = "logistic"
    types = QUANTIZED_OR_FLOAT
    code_scale = 1 / 256
    code_zero = -128
    power_of_two_shifts = (0,)

    def real(self, x: Float32Array) -> Float32Array:
        """`float_math.logistic`."""
        return float_math.logistic(x)

    def int8(self, argument: Int64Array) -> Int64Array:
        """Q0.31 in steps of 1/256, less the zero point."""
        return rounding_shift_right(fixed_point.logistic(argument), 23) - 128

    def int16(self, argument: Int64Array) -> Int64Array:
        """From 1 to 32767."""
        return int16_tables.sigmoid_q15(argument)


@dataclass(frozen=True, kw_only=True)
class Tanh(_Saturating):
    """``y = tanh(x)``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0 and a scale under 8/3.

    Output:
        of x's shape and type: int8 with scale 1/128 and zero point 0, int16 with 1/32768 and 0.

    Sources: TFLM `micro/kernels/tanh.cc`, `kernels/internal/reference/integer_ops/tanh.h`.
    """

    kind = "tanh"
    types = QUANTIZED_OR_FLOAT
    code_scale = 1 / 128
    code_zero = 0
    power_of_two_shifts = (0, 1)

    def real(self, x: Float32Array) -> Float32Array:
        """`float_math.tanh`."""
        return float_math.tanh(x)

    def int8(self, argument: Int64Array) -> Int64Array:
        """Q0.31 in steps of 1/128."""
        return rounding_shift_right(fixed_point.tanh(argument), 24)

    def int16(self, argument: Int64Array) -> Int64Array:
        """From -32768 to 32767."""
        return int16_tables.tanh_q15(argument)
