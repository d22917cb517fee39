"""div: the quotient of two tensors, broadcast, with a fused clamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.elementwise import Activated, Numbers, Trio, as_codes
from midge.graph.fixed_point import reciprocal
from midge.graph.operands import tensor
from midge.graph.requantize import (
    Int64Array,
    Requantization,
    doubling_high_multiply,
    requantization,
    rounding_shift_right,
)
from midge.graph.types import Array, DType, Rounding, Tensor

LARGEST_FACTOR = 2.0**22
"""The last shift is to the right for every dividend of eight bits."""
BEYOND = 1 << 10
"""Outside every clamp of int8, on either side."""
RECIPROCALS = np.concatenate([[0], reciprocal(np.arange(1, 256), 31)[0]])
"""``2**bits / d`` in Q0.31 of each divisor d, where ``2**bits`` is its leading bit; 0 for 0."""


@dataclass(frozen=True, kw_only=True)
class Div(Activated):
    """``y = clamp(a / b)``; of codes ``clamp(rescale((a - a_zero) / (b - b_zero)) + y_zero)``.

    The quotient of codes is the dividend times the divisor's reciprocal in Q0.31. Where the divisor
    stands for 0 the output is the end of the clamp on the dividend's side, and its zero point for
    ``0 / 0``. int32 truncates towards zero; anything by 0 is 0, and the least number by -1 wraps
    around to itself. float32 is IEEE's.

    Inputs:
        a, b: int8, per tensor, or plain int32 or float32, of shapes that broadcast as NumPy's do;
            either may be a constant, b one of integers without zeros.

    Output:
        The operands' type, of the broadcast shape.

    Source: TFLM `kernels/internal/reference/div.h`; the factor from `micro/kernels/div.cc`, where
    it is written in float and comes out as in double precision.
    """

    kind = "div"
    types = (DType.INT8, DType.INT32, DType.FLOAT32)
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def factor(self, a: Tensor, b: Tensor, y: Tensor) -> Requantization:
        """What a quotient of codes is in units of the output, in double precision."""
        real = a.scale / (b.scale * y.scale)
        if real >= LARGEST_FACTOR:
            raise UserError(
                f"scales {a.scale:g} of {a.name}, {b.scale:g} of {b.name} and {y.scale:g} of "
                f"{y.name} give quotients a factor of {real:g}; expected one under 2**22"
            )
        return requantization(np.array([real]), self.rounding)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """No constant divisor is 0."""
        super().check(inputs, outputs)
        b = tensor(inputs[1])
        if b.is_constant and b.dtype is not DType.FLOAT32:
            zero = b.zero_point if b.dtype is DType.INT8 else 0
            if np.any(np.asarray(b.data) == zero):
                raise UserError(f"{b.name} is a constant divisor that holds the value 0")

    def check_codes(self, a: Tensor, b: Tensor, y: Tensor) -> None:
        """One rounding has a meaning here, and the factor can be had."""
        if self.rounding is not Rounding.TFLITE_DOUBLE:
            raise UserError(
                f"rounding {self.rounding.value} has no meaning in a quotient; supported here: "
                f"{Rounding.TFLITE_DOUBLE.value}"
            )
        self.factor(a, b, y)

    def of_codes(self, a: Int64Array, b: Int64Array, trio: Trio) -> Array:
        """By the reciprocal of the divisor, both operands normalised to 31 bits."""
        factor = self.factor(*trio)
        a, b = np.broadcast_arrays(np.where(b < 0, -a, a), np.abs(b))
        headroom = 31 - _bit_length(np.where(a < 0, ~a, a))
        quotient = doubling_high_multiply(a << headroom, RECIPROCALS[b])
        scaled = doubling_high_multiply(quotient, int(factor.multiplier[0]))
        right = headroom + _bit_length(b) - 1 - int(factor.shift[0])
        # Under 2**31, so that a shift by more than 31 leaves nothing.
        result = np.where(right > 31, 0, rounding_shift_right(scaled, np.clip(right, 0, 31)))
        return as_codes(np.where(b == 0, BEYOND * np.sign(a), result), trio[2], self.activation)

    def of_integers(self, a: Int64Array, b: Int64Array) -> Int64Array:
        """Towards zero."""
        magnitude = np.abs(a) // np.maximum(np.abs(b), 1)
        return np.where(b == 0, 0, magnitude * np.sign(a) * np.sign(b))

    def of_floats(self, a: Numbers, b: Numbers) -> Numbers:
        """Rounded once."""
        return np.true_divide(a, b)


def _bit_length(magnitudes: Int64Array) -> Int64Array:
    """Bits of non-negative integers under 2**53."""
    return np.frexp(magnitudes.astype(np.float64))[1].astype(np.int64)
