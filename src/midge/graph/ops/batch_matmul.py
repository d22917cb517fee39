"""batch_matmul: products of matrices, one a batch, of which both may be computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import accumulate, weighted_float
from midge.graph.operands import expect_per_tensor, expect_rank, expect_type, take, tensor
from midge.graph.requantize import INT32_MAX, Requantization, activation_range, requantize
from midge.graph.types import Activation, Array, Attributes, DType, Rounding, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class BatchMatmul(Attributes):
    """``y[.., i, j] = saturate(rescale(sum_k (a[.., i, k] - a_zero) * (b[.., k, j] - b_zero)))``.

    Inputs:
        a: [.., i, k], or [.., k, i] where `adj_x`, of rank 2 to 5; int8, int16 or float32. Either
            may be a constant.
        b: [.., k, j], or [.., j, k] where `adj_y`, of rank 2 to 5; of a's type. Leading
            dimensions broadcast as NumPy's do.

    Output:
        [.., i, j] of a's type; float32 as it comes, infinities included.

    Integers are quantised per tensor; int16 has zero point 0 and long sums (rounding
    `tflite_16x8`). float32 is not rescaled, and is summed in the order of k.

    Source: TFLM `kernels/internal/reference/batch_matmul.h`, factors from
    `micro/kernels/batch_matmul.cc`.
    """

    kind = "batch_matmul"
    types = (DType.INT8, DType.INT16, DType.FLOAT32)
    adj_x: bool = False
    adj_y: bool = False
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def factors(self, a: Tensor, b: Tensor, y: Tensor) -> Requantization:
        """One factor."""
        return accumulate.sum_factors(a, b, y, self.rounding)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [.., i, j] of a's type."""
        a, b = (tensor(t) for t in take(inputs, 2))
        expect_type(a, *self.types)
        expect_type(b, a.dtype)
        for operand in (a, b):
            expect_rank(operand, 2, 3, 4, 5)
        rows, depth = a.shape[:-3:-1] if self.adj_x else a.shape[-2:]
        other_depth, columns = b.shape[:-3:-1] if self.adj_y else b.shape[-2:]
        if depth != other_depth:
            raise UserError(
                f"{a.name} of shape {list(a.shape)} and {b.name} of shape {list(b.shape)} have "
                f"{depth} and {other_depth} elements to sum over"
            )
        try:
            leading = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        except ValueError:
            raise UserError(
                f"batches of {a.name} of shape {list(a.shape)} and {b.name} of shape "
                f"{list(b.shape)} do not broadcast"
            ) from None
        return (TensorType((*leading, rows, columns), a.dtype),)

    def depth(self, a: Tensor) -> int:
        """Number of products in a sum."""
        return a.shape[-2] if self.adj_x else a.shape[-1]

    def largest_sum(self, a: Tensor, b: Tensor) -> int:
        """The largest magnitude of a sum, and of a partial one, in any order kernels sum in.

        Kernels start from the sum of a row of centred a times b's zero point, and add products of
        it with what is stored of b.
        """
        low, high = a.dtype.limits
        span = max(a.zero_point - low, high - a.zero_point)
        return self.depth(a) * span * (-b.dtype.limits[0] + abs(b.zero_point))

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Quantisation is present and no sum can leave its type."""
        a, b = (tensor(t) for t in take(inputs, 2))
        y = outputs[0]
        if a.dtype is DType.FLOAT32:
            return
        is_long = accumulate.is_long(self.rounding)
        for value in (a, b, y):
            expect_per_tensor(value)
            if is_long and value.zero_point != 0:
                raise UserError(
                    f"{value.name} has zero point {value.zero_point}; supported for int16: 0"
                )
        if is_long != (a.dtype is DType.INT16):
            raise UserError(f"rounding {self.rounding.value} is not for {a.dtype.value}")
        largest = self.largest_sum(a, b)
        limit = accumulate.LARGEST_LONG_SUM if is_long else INT32_MAX
        if largest > limit:
            raise UserError(
                f"sums of up to {largest} leave {'48 bits' if is_long else 'int32'}; "
                f"{self.depth(a)} products are too many"
            )
        factors = self.factors(a, b, y)
        if is_long:
            ends = np.array([[-largest], [largest]], np.int64)
            accumulate.check_rescaled(ends, factors, y)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Products in float64, which holds every sum of integer products exactly."""
        a, b, y = tensor(inputs[0]), tensor(inputs[1]), outputs[0]
        left, right = np.asarray(values[0]), np.asarray(values[1])
        left = left.swapaxes(-1, -2) if self.adj_x else left
        right = right.swapaxes(-1, -2) if self.adj_y else right
        if a.dtype is DType.FLOAT32:
            return (weighted_float.matrix_product(left, right),)
        exact = (left.astype(np.float64) - a.zero_point) @ (right.astype(np.float64) - b.zero_point)
        scaled = requantize(exact.astype(np.int64), self.factors(a, b, y)) + y.zero_point
        low, high = activation_range(y, Activation.NONE)
        return (np.clip(scaled, low, high).astype(y.dtype.numpy),)

    def macs(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:
        """Output elements times the length of a sum."""
        return outputs[0].size * self.depth(tensor(inputs[0]))
