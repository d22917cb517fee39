"""fully_connected: every output is a weighted sum of all features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import accumulate, weighted_float
from midge.graph.operands import expect_rank, expect_type, take, tensor
from midge.graph.requantize import Requantization
from midge.graph.types import Activation, Array, Attributes, DType, Rounding, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class FullyConnected(Attributes):
    """``y[r,o] = clamp(rescale(sum_k (x[r,k] - x_zero) * (w[o,k] - w_zero) + b[o]))``.

    The elements of x are read as rows of `k` features, whatever its shape.

    Inputs:
        x: Of any shape whose size is a multiple of k; int8 or int16 per tensor, or float32.
        w: [o, k]: int8 constant, or int4 beside int8, per tensor, or per output with zero point 0;
            float32 beside float32, constant or computed.
        b: [o], optional: int32 constant; int64 where sums are long (rounding `tflite_16x8`, for
            int16 alone); float32, constant or computed.

    Output:
        [rows, o] of x's type, or x's shape with its last dimension replaced by o where `keep_dims`.

    float32 is not rescaled, and is summed in the order of k.

    Sources: TFLM `kernels/internal/reference/integer_ops/fully_connected.h`;
    `kernels/internal/reference/fully_connected.h`.
    """

    kind = "fully_connected"
    types = (DType.INT8, DType.INT16, DType.FLOAT32)
    keep_dims: bool = False
    activation: Activation = Activation.NONE
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def factors(self, x: Tensor, w: Tensor, y: Tensor) -> Requantization:
        """One factor, or one an output."""
        return accumulate.sum_factors(x, w, y, self.rounding)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [rows, o] of x's type, or [..., o]."""
        x, w, _ = take(inputs, 2, 1)
        x, w = tensor(x), tensor(w)
        expect_rank(w, 2)
        expect_type(x, *self.types)
        outputs, features = w.shape
        if self.keep_dims:
            if not x.shape or x.shape[-1] != features:
                raise UserError(
                    f"{x.name} has shape {list(x.shape)}; its last dimension must be {features}"
                )
            return (TensorType((*x.shape[:-1], outputs), x.dtype),)
        if x.size % features:
            raise UserError(
                f"{x.name} has {x.size} elements, which are not rows of {features} features"
            )
        return (TensorType((x.size // features, outputs), x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Quantisation is present and no sum can leave its type."""
        x, w, b = take(inputs, 2, 1)
        x, w = tensor(x), tensor(w)
        if x.dtype is DType.FLOAT32:
            weighted_float.check_float_sum(w, b, w.shape[0])
        else:
            accumulate.check_weighted(self, x, w, b, outputs[0], channel_axis=0, offsets=True)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Products in float64, which holds every sum of integer products exactly."""
        x, w = tensor(inputs[0]), tensor(inputs[1])
        rows = np.asarray(values[0]).reshape(-1, w.shape[1])
        if x.dtype is DType.FLOAT32:
            sums = weighted_float.matrix_product(rows, np.asarray(values[1]).T)
            real = weighted_float.finish_float(sums, values, self.activation)
            return (real.reshape(outputs[0].shape),)
        centred = np.asarray(values[1]).astype(np.float64) - accumulate.weights_zero(w)
        accumulator = ((rows.astype(np.float64) - x.zero_point) @ centred.T).astype(np.int64)
        result = accumulate.finish(self, accumulator, values, inputs, outputs[0])
        return (result.reshape(outputs[0].shape),)

    def macs(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:
        """Rows times features times outputs."""
        return math.prod(outputs[0].shape) * tensor(inputs[1]).shape[1]
