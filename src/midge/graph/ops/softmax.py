"""softmax: exponentials of a row, divided by their sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from midge.errors import UserError
from midge.graph import fixed_point, float_math
from midge.graph.function_tables import Float32Array, int16_table, interpolate
from midge.graph.operands import expect_per_tensor, expect_type, take, tensor
from midge.graph.requantize import (
    Int64Array,
    Requantization,
    doubling_high_multiply,
    requantization,
    requantize,
    rounding_shift_right,
    wrap_int32,
)
from midge.graph.types import (
    Array,
    Attributes,
    DType,
    Quantization,
    Rounding,
    Tensor,
    TensorType,
)

INTEGER_BITS = 5
"""Integer bits of the scaled difference to the row's maximum."""
SUM_BITS = 12
"""Integer bits of the sum of exponentials."""
LONGEST_ROWS = {
    (DType.INT8, DType.INT8): 511,
    (DType.INT8, DType.INT16): 4095,
    (DType.INT16, DType.INT16): 65535,
}
"""One element more, all equal, would be too much for the sum's integer bits, or the output's."""
OUTPUTS = {
    (DType.INT8, DType.INT8): (256, -128),
    (DType.INT8, DType.INT16): (65536, -32768),
    (DType.INT16, DType.INT16): (32768, 0),
}
"""One over the output's scale, and its zero point."""
INT16_RANGE = 65535
"""Steps between the ends of int16: what of exp(-10) to exp(0), and of 1 to 2, a table spans."""
LARGEST_INT16_FACTOR = 2.0**15
"""Shifts a difference of 65535 left by 15 bits at most."""


@dataclass(frozen=True, kw_only=True)
class Softmax(Attributes):
    """``y = exp(beta * x) / sum(exp(beta * x))`` along the last dimension.

    Attributes:
        beta: A float32.
        widen: int8 in, int16 out.

    Input:
        x: int8, int16 (zero point 0) or float32, of rank 1 or more; integers per tensor. Rows of
            int8 have at most 511 elements (4095 where `widen`), of int16 65535.

    Output:
        x's shape. int8 in Q0.31 arithmetic: to int8 of scale 1/256 and zero point -128, or to int16
        of scale 1/65536 and zero point -32768. int16 by two tables: to int16 of scale 1/32768 and
        zero point 0. float32: exponentials as in `midge.graph.float_math`, summed in order.

    Sources: TFLM `kernels/internal/reference/softmax.h`, `micro/kernels/softmax_common.cc`;
    gemmlowp `fixedpoint/fixedpoint.h`.
    """

    kind = "softmax"
    types = (DType.INT8, DType.INT16, DType.FLOAT32)
    beta: float = 1.0
    widen: bool = False
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's shape."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *((DType.INT8,) if self.widen else self.types))
        if not x.shape:
            raise UserError(f"{x.name} is a scalar; expected at least one dimension")
        return (TensorType(x.shape, DType.INT16 if self.widen else x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """The output's quantisation is that of probabilities; the input's scale is usable."""
        x, y = tensor(inputs[0]), outputs[0]
        if not abs(self.beta) <= float(np.finfo(np.float32).max):
            raise UserError(f"beta {self.beta:g} is not a finite float32")
        if x.dtype is DType.FLOAT32:
            return
        expect_per_tensor(x)
        expect_per_tensor(y)
        steps, zero_point = OUTPUTS[x.dtype, y.dtype]
        # TFLM forgives a thousandth where the output is int16, and computes as if there was none.
        slack = 0.0 if y.dtype is DType.INT8 else 0.001
        if abs(y.scale * steps - 1) > slack or y.zero_point != zero_point:
            raise UserError(
                f"{y.name} has scale {y.scale:g} and zero point {y.zero_point}; "
                f"expected 1/{steps} and {zero_point}"
            )
        longest = LONGEST_ROWS[x.dtype, y.dtype]
        if x.shape[-1] > longest:
            raise UserError(f"{x.name} has rows of {x.shape[-1]}; supported: up to {longest}")
        if self.rounding is not Rounding.TFLITE_DOUBLE:
            raise UserError(f"rounding {self.rounding.value}; supported here: tflite_double")
        if x.dtype is DType.INT16:
            self._check_int16(x)
        elif not self._real_multiplier(x) > 1.0:
            raise UserError(f"beta {self.beta:g} times scale {x.scale:g} is not over 2**-26")

    def _check_int16(self, x: Tensor) -> None:
        if x.zero_point != 0:
            raise UserError(f"{x.name} has zero point {x.zero_point}; expected 0 of int16")
        if not 0 <= self._int16_factor(x) < LARGEST_INT16_FACTOR:
            raise UserError(
                f"beta {self.beta:g} times scale {x.scale:g} is not from 0 to under 5.0"
            )

    def _real_multiplier(self, x: Tensor) -> float:
        scaled = float(np.float32(self.beta)) * x.scale * 2.0 ** (31 - INTEGER_BITS)
        return min(scaled, 2.0**31 - 1)

    def _int16_factor(self, x: Tensor) -> float:
        return x.scale * float(np.float32(self.beta)) / (10.0 / INT16_RANGE)

    def parameters(self, x: Tensor) -> tuple[int, int, int]:
        """(multiplier, left shift, least difference to the maximum that is not rounded to zero)."""
        return difference_parameters(self._real_multiplier(x))

    def int16_factor(self, x: Tensor) -> Requantization:
        """What one unit of a difference of int16 is in units of 10/65535."""
        return requantization(np.array([self._int16_factor(x)]), self.rounding)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Row by row: exponentials, their sum, its reciprocal, products."""
        x, y = tensor(inputs[0]), outputs[0]
        if x.dtype is DType.FLOAT32:
            return (self._of_float(np.asarray(values[0], np.float32)),)
        if x.dtype is DType.INT16:
            return (self._of_int16(np.asarray(values[0]).astype(np.int64), x),)
        counted, _, exponentials = exponentials_of_differences(
            np.asarray(values[0]).astype(np.int64), self.parameters(x)
        )
        total = sum_of_exponentials(counted, exponentials)
        reciprocal, excess_bits = fixed_point.reciprocal(total, SUM_BITS)
        products = doubling_high_multiply(exponentials, reciprocal)
        low, high = y.dtype.limits
        result = rounding_shift_right(products, excess_bits + 31 - y.dtype.size_bits) + low
        return (np.where(counted, np.clip(result, low, high), low).astype(y.dtype.numpy),)

    def _of_float(self, x: Float32Array) -> Float32Array:
        with np.errstate(all="ignore"):
            difference = x - row_maxima(x)
            exponentials = float_math.exp(difference * np.float32(self.beta))
            return np.asarray(exponentials / row_sums(exponentials))

    def _of_int16(self, x: Int64Array, tensor: Tensor) -> Array:
        exponential_table, reciprocal_table = int16_tables()
        scaled = requantize(x - x.max(axis=-1, keepdims=True), self.int16_factor(tensor))
        place = np.clip(scaled + 32767, -32768, 32767)
        exponentials = interpolate(place, exponential_table).astype(np.int64)
        total: Int64Array = exponentials.sum(axis=-1, keepdims=True)
        # The sum is brought to [1, 2) in Q1.16 and looked up as one plus something.
        zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
        mantissa = ((total << (zeros - 1)) + (1 << 13)) >> 14
        place = np.clip(mantissa - (1 << 16) - (1 << 15), -32768, 32767)
        reciprocal = interpolate(place, reciprocal_table).astype(np.int64)
        right = 31 - zeros
        result = (exponentials * reciprocal + (1 << (right - 1))) >> right
        return np.asarray(np.clip(result, 0, 32767), np.int16)


def difference_parameters(real: float) -> tuple[int, int, int]:
    """How the difference of two int8 becomes the argument of an exponential in Q5.26.

    Args:
        real: What one unit is in Q5.26; over 1 and under 2**31.

    Returns:
        (multiplier, left shift, least difference to the maximum that is not rounded to zero).
    """
    multiplier, shift = fixed_point.large_multiplier(real)
    radius = 31 * 2 ** (31 - INTEGER_BITS) // 2**shift
    return multiplier, shift, -radius


def exponentials_of_differences(
    x: Int64Array, parameters: tuple[int, int, int]
) -> tuple[Array, Int64Array, Int64Array]:
    """Which elements of each row count, their scaled differences to its maximum, and exponentials.

    Args:
        x: int8 values.
        parameters: Of `difference_parameters`.

    Returns:
        Flags, Q5.26 and Q0.31 of x's shape; where an element does not count, those of 0.
    """
    multiplier, shift, least = parameters
    difference = x - x.max(axis=-1, keepdims=True)
    counted = difference >= least
    scaled = doubling_high_multiply(
        wrap_int32(np.where(counted, difference, 0) << shift), multiplier
    )
    return counted, scaled, fixed_point.exp_on_negative(scaled)


def sum_of_exponentials(counted: Array, exponentials: Int64Array) -> Int64Array:
    """Of each row, in Q12.19, as a last dimension of one."""
    terms = np.where(counted, rounding_shift_right(exponentials, SUM_BITS), 0)
    total: Int64Array = terms.sum(-1, keepdims=True)
    return total


def row_maxima(x: Float32Array) -> Float32Array:
    """The largest of each row as a last dimension of one; NaN and -inf alone give the least."""
    largest = np.full(x.shape[:-1], np.finfo(np.float32).min, np.float32)
    for column in np.moveaxis(x, -1, 0):
        largest = np.where(largest < column, column, largest)
    return largest[..., None]


def row_sums(x: Float32Array) -> Float32Array:
    """Of each row, in order, as a last dimension of one."""
    total = np.zeros(x.shape[:-1], np.float32)
    for column in np.moveaxis(x, -1, 0):
        total = total + column
    return total[..., None]


@cache
def int16_tables() -> tuple[Array, Array]:
    """Exp on [-10, 0], and ``1 / (1 + x)`` on [0, 1], both to Q0.15, of 513 entries each."""
    one, steps = np.float32(1), np.float32(INT16_RANGE)

    def ends(scale: np.float32, zero_point: int) -> Tensor:
        return Tensor("", (), DType.INT16, Quantization.per_tensor(float(scale), zero_point))

    y = ends(np.float32(2) / steps, 0)
    exponential = int16_table(float_math.exp, ends(np.float32(10) / steps, 32767), y)
    reciprocal = int16_table(lambda x: one / (one + x), ends(one / steps, -32768), y)
    return exponential, reciprocal
