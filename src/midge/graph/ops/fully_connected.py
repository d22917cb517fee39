"""fully_connected: every output is a weighted sum of all features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import accumulate
from midge.graph.operands import expect_rank, expect_type, take, tensor
from midge.graph.requantize import Requantization
from midge.graph.types import Activation, Array, Attributes, DType, Rounding, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class FullyConnected(Attributes):
    """``y[r,o] = clamp(rescale(sum_k (x[r,k] - x_zero) * w[o,k] + b[o]))``.

    The elements of x are read as rows of `k` features, whatever its shape.

    Inputs:
        x: int8 of any shape whose size is a multiple of k, per tensor.
        w: int8 constant [o, k], zero point 0, per tensor or per output.
        b: int32 constant [o], optional.

    Output:
        int8 [rows, o], or x's shape with its last dimension replaced by o where `keep_dims`.

    Source: TFLM `kernels/internal/reference/integer_ops/fully_connected.h`.
    """

    kind = "fully_connected"
    types = (DType.INT8,)
    keep_dims: bool = False
    activation: Activation = Activation.NONE
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def factors(self, x: Tensor, w: Tensor, y: Tensor) -> Requantization:
        """One factor, or one an output."""
        return accumulate.sum_factors(x, w, y, self.rounding)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [rows, o] int8, or [..., o]."""
        x, w, _ = take(inputs, 2, 1)
        x, w = tensor(x), tensor(w)
        expect_rank(w, 2)
        expect_type(x, DType.INT8)
        outputs, features = w.shape
        if self.keep_dims:
            if not x.shape or x.shape[-1] != features:
                raise UserError(
                    f"{x.name} has shape {list(x.shape)}; its last dimension must be {features}"
                )
            return (TensorType((*x.shape[:-1], outputs), DType.INT8),)
        if x.size % features:
            raise UserError(
                f"{x.name} has {x.size} elements, which are not rows of {features} features"
            )
        return (TensorType((x.size // features, outputs), DType.INT8),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Quantisation is present and no accumulator can leave int32."""
        x, w, b = take(inputs, 2, 1)
        accumulate.check_weighted(self, tensor(x), tensor(w), b, outputs[0], channel_axis=0)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Products in float64, which holds every sum of int8 products exactly."""
        x, w = tensor(inputs[0]), tensor(inputs[1])
        rows = np.asarray(values[0]).reshape(-1, w.shape[1]).astype(np.float64) - x.zero_point
        accumulator = (rows @ np.asarray(values[1]).astype(np.float64).T).astype(np.int64)
        result = accumulate.finish(self, accumulator, values, inputs, outputs[0])
        return (result.reshape(outputs[0].shape),)

    def macs(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:
        """Rows times features times outputs."""
        return math.prod(outputs[0].shape) * tensor(inputs[1]).shape[1]
