"""l2_normalization: rows brought to a length of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import fixed_point, float_math
from midge.graph.float_clamp import Float32Array
from midge.graph.operands import expect_per_tensor, expect_type, take, tensor
from midge.graph.requantize import (
    INT32_MAX,
    doubling_high_multiply,
    rounding_shift_right,
)
from midge.graph.types import Array, Attributes, DType, Rounding, Tensor, TensorType

OUTPUT_BITS = 7
"""int8 outputs have a scale of 2**-7."""
LEAST_NORM = np.float32(1e-6)
"""Shorter rows of floats are divided by this."""


@dataclass(frozen=True, kw_only=True)
class L2Normalization(Attributes):
    """``y = x / sqrt(sum(x**2))`` along the last dimension.

    Input:
        x: int8 of any rank but 0, per tensor, or float32.

    Output:
        x's shape and type; int8 has scale 1/128 and zero point 0. The factor of an int8 row is a
        fixed-point inverse square root; a float row is summed in order and divided by no less than
        1e-6.

    Sources: TFLM `kernels/internal/reference/integer_ops/l2normalization.h` and
    `reference/l2normalization.h`; `kernels/internal/common.h`, GetInvSqrtQuantizedMultiplierExp.
    """

    kind = "l2_normalization"
    types = (DType.INT8, DType.FLOAT32)
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's shape and type."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        if not x.shape:
            raise UserError(f"{x.name} is a scalar; expected at least one dimension")
        return (TensorType(x.shape, x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """The output's quantisation is that of int8 numbers up to one; no sum leaves int32."""
        x, y = tensor(inputs[0]), outputs[0]
        if x.dtype is DType.FLOAT32:
            return
        expect_per_tensor(x)
        expect_per_tensor(y)
        if (y.scale, y.zero_point) != (2.0**-OUTPUT_BITS, 0):
            raise UserError(
                f"{y.name} has scale {y.scale:g} and zero point {y.zero_point}; "
                "expected 1/128 and 0"
            )
        if self.rounding is not Rounding.TFLITE_DOUBLE:
            raise UserError(f"rounding {self.rounding.value}; supported here: tflite_double")
        largest = x.shape[-1] * max(x.zero_point + 128, 127 - x.zero_point) ** 2
        if largest > INT32_MAX:
            raise UserError(
                f"squares of {x.shape[-1]} elements of {x.name} add up to {largest} and overflow "
                "int32"
            )

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """The square of the length, its inverse root, products."""
        x = tensor(inputs[0])
        if x.dtype is DType.FLOAT32:
            return (_normalized(np.asarray(values[0], np.float32)),)
        centred = np.asarray(values[0]).astype(np.int64) - x.zero_point
        squares = (centred * centred).sum(axis=-1, keepdims=True)
        multiplier, right = fixed_point.inverse_square_root(squares)
        left = np.maximum(OUTPUT_BITS - right, 0)
        high = doubling_high_multiply(centred << left, multiplier)
        result = rounding_shift_right(high, np.maximum(right - OUTPUT_BITS, 0))
        return (np.clip(result, -128, 127).astype(np.int8),)


def _normalized(x: Float32Array) -> Float32Array:
    with np.errstate(all="ignore"):
        squares = np.zeros(x.shape[:-1], np.float32)
        for column in np.moveaxis(x, -1, 0):
            squares = squares + column * column
        norm = float_math.sqrt(squares)
        norm = np.where(norm < LEAST_NORM, LEAST_NORM, norm)
        return np.asarray(x / norm[..., None], np.float32)
