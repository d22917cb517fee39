"""cumsum: running sums along a dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.operands import expect_per_tensor, expect_type, take, tensor
from midge.graph.requantize import (
    Int64Array,
    Requantization,
    requantization,
    rounding_shift_right,
)
from midge.graph.types import Array, Attributes, DType, Rounding, Tensor, TensorType

FRACTION_BITS = 19
"""TFLM shifts an input left by 20 and multiplies it by a half."""
LONGEST = 1 << 20
"""So many int8 differences, times a factor under 2**31, stay within 59 bits."""


@dataclass(frozen=True, kw_only=True)
class Cumsum(Attributes):
    """``y[i] = x[0] + ... + x[i]`` along `axis`.

    Attributes:
        axis: The dimension that is walked along.
        exclusive: ``y[i]`` ends with ``x[i - 1]``.
        reverse: From the last element to the first.

    Input:
        x: int8, per tensor, or float32.

    Output:
        x's shape and type; int8 has a scale and zero point of its own. As in TFLM an int8 sum
        starts not from 0 but from minus the input's zero point. TFLM keeps sums in Q12.19, which
        overflow at 4096 steps of the input; here they are exact.

    Sources: TFLM `micro/kernels/cumsum.cc`; `kernels/internal/reference/cumsum.h`.
    """

    kind = "cumsum"
    types = (DType.INT8, DType.FLOAT32)
    axis: int
    exclusive: bool = False
    reverse: bool = False
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's shape and type."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        if not 0 <= self.axis < len(x.shape):
            raise UserError(f"axis {self.axis} of {x.name}, which has {len(x.shape)} dimensions")
        return (TensorType(x.shape, x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """One scale each, of which the input's is under 2**19 times the output's."""
        x, y = tensor(inputs[0]), outputs[0]
        if x.dtype is DType.FLOAT32:
            return
        expect_per_tensor(x)
        expect_per_tensor(y)
        if self.rounding is not Rounding.TFLITE_DOUBLE:
            raise UserError(f"rounding {self.rounding.value}; supported here: tflite_double")
        if x.scale / y.scale >= 2.0**FRACTION_BITS:
            raise UserError(
                f"scale {x.scale:g} of {x.name} is not under 2**19 times that of {y.name}, "
                f"{y.scale:g}"
            )
        if x.shape[self.axis] > LONGEST:
            raise UserError(
                f"{x.name} has {x.shape[self.axis]} elements along axis {self.axis}; "
                f"supported: up to {LONGEST}"
            )

    def factor(self, x: Tensor, y: Tensor) -> Requantization:
        """What ``2**-19`` of a step of the input is in units of the output."""
        real = 2.0 * x.scale / (2.0 ** (FRACTION_BITS + 1) * y.scale)
        return requantization(np.array([real]), self.rounding)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Sums element by element."""
        x, y = tensor(inputs[0]), outputs[0]
        rows = np.moveaxis(np.asarray(values[0]), self.axis, 0)
        rows = rows[::-1] if self.reverse else rows
        if x.dtype is DType.FLOAT32:
            sums = self._running(rows.astype(np.float32), np.float32(0))
        else:
            centred = rows.astype(np.int64) - x.zero_point
            running = self._running(centred, np.int64(-x.zero_point))
            scaled = _rescaled(running.astype(np.int64), self.factor(x, y)) + y.zero_point
            sums = np.clip(scaled, *y.dtype.limits).astype(np.int8)
        sums = sums[::-1] if self.reverse else sums
        return (np.ascontiguousarray(np.moveaxis(sums, 0, self.axis)),)

    def _running(self, rows: Array, start: np.generic) -> Array:
        total = np.full(rows.shape[1:], start, rows.dtype)
        sums = np.empty_like(rows)
        with np.errstate(all="ignore"):
            for number, row in enumerate(rows):
                after = total + row
                sums[number] = total if self.exclusive else after
                total = after
        return sums


def _rescaled(sums: Int64Array, factor: Requantization) -> Int64Array:
    """A doubling high multiply of ``sums << 19`` and a rounding shift, in 64 bits."""
    high = sums * int(factor.multiplier[0]) + (1 << (30 - FRACTION_BITS))
    return rounding_shift_right(high >> (31 - FRACTION_BITS), -int(factor.shift[0]))
