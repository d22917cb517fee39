"""mul: the product of two tensors, broadcast, with a fused clamp."""

from __future__ import annotations

from dataclasses import dataclass

from midge.graph.elementwise import Activated, Numbers, Trio, expect_symmetric, rescaled_codes
from midge.graph.requantize import (
    Int64Array,
    Requantization,
    requantization,
    scale_quotient,
)
from midge.graph.types import Array, DType, Rounding, Tensor


@dataclass(frozen=True, kw_only=True)
class Mul(Activated):
    """``y = clamp(a * b)``; of codes ``clamp(rescale((a - a_zero) * (b - b_zero)) + y_zero)``.

    Inputs:
        a, b: int8, or int16 with zero point 0, per tensor, or plain int32 (products wrap around) or
            float32, of shapes that broadcast as NumPy's do; either may be a constant.

    Output:
        The operands' type, of the broadcast shape; int16 with zero point 0.

    Sources: TFLM `kernels/internal/reference/integer_ops/mul.h`, `reference/mul.h`; the factor from
    `micro/kernels/mul_common.cc`.
    """

    kind = "mul"
    types = (DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32)
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def factor(self, a: Tensor, b: Tensor, y: Tensor) -> Requantization:
        """What one unit of the product is in units of the output."""
        quotient = scale_quotient((a.scale, b.scale), y.scale, self.rounding)
        return requantization(quotient, self.rounding)

    def check_codes(self, a: Tensor, b: Tensor, y: Tensor) -> None:
        """The factor can be had."""
        expect_symmetric(a, b, y)
        self.factor(a, b, y)

    def of_codes(self, a: Int64Array, b: Int64Array, trio: Trio) -> Array:
        """The product, rescaled."""
        return rescaled_codes(a * b, self.factor(*trio), trio[2], self.activation)

    def of_integers(self, a: Int64Array, b: Int64Array) -> Int64Array:
        """Exact."""
        return a * b

    def of_floats(self, a: Numbers, b: Numbers) -> Numbers:
        """Rounded once."""
        return a * b
