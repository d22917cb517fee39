"""log_softmax: each element of a row less the logarithm of the sum of all exponentials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import float_math
from midge.graph.fixed_point_log import log_q5
from midge.graph.float_clamp import Float32Array
from midge.graph.operands import expect_per_tensor, expect_type, take, tensor
from midge.graph.ops.softmax import (
    INTEGER_BITS,
    SUM_BITS,
    difference_parameters,
    exponentials_of_differences,
    row_maxima,
    row_sums,
    sum_of_exponentials,
)
from midge.graph.requantize import (
    INT32_MIN,
    Int64Array,
    Requantization,
    requantization,
    requantize,
    rounding_shift_right,
    wrap_int32,
)
from midge.graph.types import Array, Attributes, DType, Rounding, Tensor, TensorType

OUTPUT_BITS = 4
"""Integer bits of an int8 output, whose scale is 2**-4."""
LONGEST_ROW = 4095
"""A row of 4096 equal elements would overflow the sum."""
DIFFERENCE_SHIFT = 31 - INTEGER_BITS - OUTPUT_BITS


@dataclass(frozen=True, kw_only=True)
class LogSoftmax(Attributes):
    """``y = x - max(x) - ln(sum(exp(x - max(x))))`` along the last dimension.

    Input:
        x: int8, per tensor, in rows of at most 4095, or float32; of rank 1 or more.

    Output:
        x's shape and type; int8 has scale 1/16 and zero point 127. Floats are summed in order,
        exponentials and logarithm are those of `midge.graph.float_math`.

    Source: TFLM `micro/kernels/log_softmax.cc`; `kernels/internal/reference/log_softmax.h`.
    """

    kind = "log_softmax"
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
        """The output's quantisation is that of int8 logarithms; the input's scale is usable."""
        x, y = tensor(inputs[0]), outputs[0]
        if x.dtype is DType.FLOAT32:
            return
        expect_per_tensor(x)
        expect_per_tensor(y)
        if (y.scale, y.zero_point) != (1 / 16, 127):
            raise UserError(
                f"{y.name} has scale {y.scale:g} and zero point {y.zero_point}; "
                "expected 1/16 and 127"
            )
        if x.shape[-1] > LONGEST_ROW:
            raise UserError(f"{x.name} has rows of {x.shape[-1]}; supported: up to {LONGEST_ROW}")
        if self.rounding is not Rounding.TFLITE_DOUBLE:
            raise UserError(f"rounding {self.rounding.value}; supported here: tflite_double")
        if not self._unit(x) > 1.0:
            raise UserError(f"{x.name} has scale {x.scale:g}, which is not over 2**-26")

    @staticmethod
    def _unit(x: Tensor) -> float:
        """A step of x in Q5.26."""
        return min(x.scale * 2.0 ** (31 - INTEGER_BITS), 2.0**31 - 1)

    def parameters(self, x: Tensor) -> tuple[int, int, int]:
        """(multiplier, left shift, least difference to the maximum that is not rounded to zero)."""
        return difference_parameters(self._unit(x))

    def inverse_factor(self, x: Tensor) -> Requantization:
        """What one unit in Q5.26 is in steps of x."""
        multiplier, shift, _ = self.parameters(x)
        real = 2.0 ** (31 - shift) / multiplier
        return requantization(np.array([real]), self.rounding)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """Row by row: exponentials, their sum, its logarithm, differences."""
        x = tensor(inputs[0])
        if x.dtype is DType.FLOAT32:
            return (_of_float(np.asarray(values[0], np.float32)),)
        codes = np.asarray(values[0]).astype(np.int64)
        parameters = self.parameters(x)
        counted, scaled, exponentials = exponentials_of_differences(codes, parameters)
        log = log_q5(sum_of_exponentials(counted, exponentials), SUM_BITS)
        # Differences beyond leave Q5.26 when the logarithm is taken off.
        least = np.maximum(requantize(INT32_MIN + log, self.inverse_factor(x)), parameters[2] - 1)
        difference: Int64Array = codes - codes.max(axis=-1, keepdims=True)
        result = rounding_shift_right(wrap_int32(scaled - log), DIFFERENCE_SHIFT) + 127
        result = np.where(difference > least, np.clip(result, -128, 127), -128)
        return (result.astype(np.int8),)


def _of_float(x: Float32Array) -> Float32Array:
    with np.errstate(all="ignore"):
        difference = x - row_maxima(x)
        log = float_math.log(row_sums(float_math.exp(difference)))
        return np.asarray(difference - log, np.float32)
