"""softmax: exponentials of a row, divided by their sum, in fixed point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import fixed_point
from midge.graph.operands import expect_per_tensor, expect_type, take, tensor
from midge.graph.requantize import (
    doubling_high_multiply,
    rounding_shift_right,
    wrap_int32,
)
from midge.graph.types import Array, Attributes, DType, Rounding, Tensor, TensorType

INTEGER_BITS = 5
"""Integer bits of the scaled difference to the row's maximum."""
SUM_BITS = 12
"""Integer bits of the sum of exponentials."""
LONGEST_ROW = 511
"""A row of 512 equal maxima would overflow the sum."""


@dataclass(frozen=True, kw_only=True)
class Softmax(Attributes):
    """``y = exp(beta * x) / sum(exp(beta * x))`` along the last dimension, in Q0.31 arithmetic.

    Input:
        x: int8 of rank 1 or more, per tensor; rows of at most 511 elements.

    Output:
        int8 of x's shape, scale 1/256, zero point -128.

    Sources: TFLM `kernels/internal/reference/softmax.h`; gemmlowp `fixedpoint/fixedpoint.h`.
    """

    kind = "softmax"
    types = (DType.INT8,)
    beta: float = 1.0
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's shape, int8."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, DType.INT8)
        if not x.shape:
            raise UserError(f"{x.name} is a scalar; expected at least one dimension")
        return (TensorType(x.shape, DType.INT8),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """The output's quantisation is that of int8 probabilities; the input's scale is usable."""
        x, y = tensor(inputs[0]), outputs[0]
        expect_per_tensor(x)
        expect_per_tensor(y)
        if (y.scale, y.zero_point) != (1 / 256, -128):
            raise UserError(
                f"{y.name} has scale {y.scale:g} and zero point {y.zero_point}; "
                "expected 1/256 and -128"
            )
        if x.shape[-1] > LONGEST_ROW:
            raise UserError(f"{x.name} has rows of {x.shape[-1]}; supported: up to {LONGEST_ROW}")
        if self.rounding is not Rounding.TFLITE_DOUBLE:
            raise UserError(f"rounding {self.rounding.value}; supported here: tflite_double")
        if not abs(self.beta) <= float(np.finfo(np.float32).max):
            raise UserError(f"beta {self.beta:g} is not a finite float32")
        if not self._real_multiplier(x) > 1.0:
            raise UserError(f"beta {self.beta:g} times scale {x.scale:g} is not over 2**-26")

    def _real_multiplier(self, x: Tensor) -> float:
        scaled = float(np.float32(self.beta)) * x.scale * 2.0 ** (31 - INTEGER_BITS)
        return min(scaled, 2.0**31 - 1)

    def parameters(self, x: Tensor) -> tuple[int, int, int]:
        """(multiplier, left shift, least difference to the maximum that is not rounded to zero)."""
        multiplier, shift = fixed_point.large_multiplier(self._real_multiplier(x))
        radius = 31 * 2 ** (31 - INTEGER_BITS) // 2**shift
        return multiplier, shift, -radius

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """Row by row: exponentials, their sum, its reciprocal, products."""
        multiplier, shift, least = self.parameters(tensor(inputs[0]))
        x = np.asarray(values[0]).astype(np.int64)
        difference = x - x.max(axis=-1, keepdims=True)
        counted = difference >= least
        scaled = doubling_high_multiply(
            wrap_int32(np.where(counted, difference, 0) << shift), multiplier
        )
        exponentials = fixed_point.exp_on_negative(scaled)
        total = np.where(counted, rounding_shift_right(exponentials, SUM_BITS), 0).sum(
            -1, keepdims=True
        )
        reciprocal, excess_bits = fixed_point.reciprocal(total, SUM_BITS)
        products = doubling_high_multiply(exponentials, reciprocal)
        result = rounding_shift_right(products, excess_bits + 31 - 8) - 128
        return (np.where(counted, np.clip(result, -128, 127), -128).astype(np.int8),)
