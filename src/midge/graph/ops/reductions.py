"""mean, sum, reduce_max, reduce_min, reduce_all: tensors made smaller along some dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from midge.errors import UserError
from midge.graph.float_clamp import Float32Array
from midge.graph.operands import expect_per_tensor, expect_same_quantization, expect_type, take
from midge.graph.operands import tensor as required
from midge.graph.requantize import (
    INT32_MAX,
    Requantization,
    requantization,
    requantize,
    scale_quotient,
)
from midge.graph.types import Array, Attributes, DType, Rounding, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class Reduction(Attributes):
    """One value of all the elements that agree in every dimension but `axes`.

    Attributes:
        axes: The dimensions that go, ascending.
        keep_dims: They stay, with extent 1.
    """

    axes: tuple[int, ...]
    keep_dims: bool = False

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's type without the axes, or with extent 1 there."""
        (x,) = take(inputs, 1)
        x = required(x)
        expect_type(x, *self.types)
        if list(self.axes) != sorted({axis for axis in self.axes if 0 <= axis < len(x.shape)}):
            raise UserError(
                f"axes {list(self.axes)} of {x.name}, which has {len(x.shape)} dimensions; "
                "expected each at most once, ascending"
            )
        kept = tuple(
            1 if axis in self.axes else extent
            for axis, extent in enumerate(x.shape)
            if self.keep_dims or axis not in self.axes
        )
        return (TensorType(kept, x.dtype),)

    def count(self, x: Tensor) -> int:
        """How many elements become one."""
        return math.prod(x.shape[axis] for axis in self.axes)

    def rows(self, values: Array | None) -> Array:
        """The elements as [count, outputs]; each column in the order in which they stand."""
        array = np.asarray(values)
        count = math.prod(array.shape[axis] for axis in self.axes)
        moved = np.moveaxis(array, self.axes, tuple(range(len(self.axes))))
        return moved.reshape(count, array.size // count)


class _Linear(Reduction):
    """Sums of stored integers, brought to the output's scale; floats in the order they stand in."""

    roundings: ClassVar[tuple[Rounding, ...]] = (Rounding.TFLITE_DOUBLE,)
    rounding: Rounding
    types = (DType.INT8, DType.INT16, DType.FLOAT32)

    def factor(self, x: Tensor, y: Tensor) -> Requantization:
        """What one unit of the sum is in units of the output."""
        raise NotImplementedError

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """One scale each; no sum can leave int32."""
        x, y = required(inputs[0]), outputs[0]
        if x.dtype is DType.FLOAT32:
            return
        expect_per_tensor(x)
        expect_per_tensor(y)
        if self.rounding not in self.roundings:
            supported = ", ".join(r.value for r in self.roundings)
            raise UserError(f"rounding {self.rounding.value}; supported here: {supported}")
        low, high = x.dtype.limits
        # Stored values are summed on top of the zero points, or before they are taken off.
        largest = self.count(x) * max(x.zero_point - low, high - x.zero_point, -low)
        if largest > INT32_MAX:
            raise UserError(
                f"sums of {self.count(x)} elements of {x.name} reach {largest} and overflow int32"
            )
        self.factor(x, y)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Every sum starts from 0."""
        x, y = required(inputs[0]), outputs[0]
        rows = self.rows(values[0])
        if x.dtype is DType.FLOAT32:
            with np.errstate(all="ignore"):
                total = np.zeros(rows.shape[1], np.float32)
                for row in rows:
                    total = total + row
                return (self.float_result(total, rows.shape[0]).reshape(y.shape),)
        sums = rows.astype(np.int64).sum(axis=0) - rows.shape[0] * x.zero_point
        scaled = requantize(sums, self.factor(x, y)) + y.zero_point
        return (np.clip(scaled, *y.dtype.limits).astype(y.dtype.numpy).reshape(y.shape),)

    def float_result(self, total: Float32Array, count: int) -> Float32Array:
        """What a sum of so many floats becomes."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Sum(_Linear):
    """``y = rescale(sum(x - x_zero)) + y_zero``; for float32 the sum.

    Input:
        x: int8, int16 (any zero point) or float32; integers per tensor.

    Output:
        x's type; integers have a scale and zero point of their own.

    Sources: TFLM `micro/kernels/reduce_common.cc`; `kernels/internal/reference/reduce.h`,
    QuantizedMeanOrSum and ReduceGeneric.
    """

    kind = "sum"
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def factor(self, x: Tensor, y: Tensor) -> Requantization:
        """The quotient of the scales, in double precision."""
        return requantization(np.array([x.scale / y.scale]), self.rounding)

    def float_result(
        self,
        total: Float32Array,
        count: int,  # noqa: ARG002 - a mean needs it
    ) -> Float32Array:
        """The sum itself."""
        return total


@dataclass(frozen=True, kw_only=True)
class Mean(_Linear):
    """``y = rescale(sum(x - x_zero) / count) + y_zero``; for float32 the sum over the count.

    The division is part of the fixed-point factor, which is cut down, not rounded; of the float32
    factor under `half_even`.

    Input:
        x: int8, int16 (any zero point) or float32; integers per tensor.

    Output:
        x's type; integers have a scale and zero point of their own.

    Sources: TFLM `micro/kernels/reduce_common.cc`; `kernels/internal/reference/reduce.h`,
    QuantizedMeanOrSum and Mean; ONNX Runtime `core/mlas/lib/qlgavgpool.cpp`.
    """

    kind = "mean"
    roundings = (Rounding.TFLITE_DOUBLE, Rounding.HALF_EVEN)
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def factor(self, x: Tensor, y: Tensor) -> Requantization:
        """The quotient of the scales as a fixed-point number, divided by the count."""
        if self.rounding is Rounding.HALF_EVEN:
            divisor = np.float32(y.scale) * np.float32(self.count(x))
            quotient = scale_quotient((x.scale, 1.0), float(divisor), self.rounding)
            return requantization(quotient, self.rounding)
        whole = requantization(np.array([x.scale / y.scale]), self.rounding)
        multiplier, shift = int(whole.multiplier[0]), int(whole.shift[0])
        halvings = min(self.count(x).bit_length() - 1, 32, 31 + shift)
        return Requantization(
            np.array([(multiplier << halvings) // self.count(x)], np.int32),
            np.array([shift - halvings], np.int32),
            self.rounding,
        )

    def float_result(self, total: Float32Array, count: int) -> Float32Array:
        """The mean."""
        return np.asarray(total / np.float32(count), np.float32)


class _Extreme(Reduction):
    """The largest or the least element; floats that are not numbers are passed over."""

    types = (DType.INT8, DType.INT16, DType.FLOAT32)
    is_least: ClassVar[bool]

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Integers are not rescaled."""
        x = required(inputs[0])
        if x.dtype is not DType.FLOAT32:
            expect_same_quantization(x, outputs[0])

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Starts from the type's worst finite value; the first of equals stays."""
        y, rows = outputs[0], self.rows(values[0])
        best = np.full(rows.shape[1], self.start(y.dtype), rows.dtype)
        for row in rows:
            best = np.where(row < best if self.is_least else row > best, row, best)
        return (best.reshape(y.shape),)

    def start(self, dtype: DType) -> float:
        """What every element beats or equals, infinities of floats apart."""
        if dtype is DType.FLOAT32:
            largest = float(np.finfo(np.float32).max)
            return largest if self.is_least else -largest
        return dtype.limits[1 if self.is_least else 0]


@dataclass(frozen=True, kw_only=True)
class ReduceMax(_Extreme):
    """``y = max(x)``; minus infinities and NaN alone give the least finite float32.

    Input:
        x: int8, int16 or float32; the output has its type, scale and zero point.

    Source: TFLM `micro/kernels/reduce_common.cc`, EvalMinMaxHelper.
    """

    kind = "reduce_max"
    is_least = False


@dataclass(frozen=True, kw_only=True)
class ReduceMin(_Extreme):
    """``y = min(x)``; infinities and NaN alone give the largest finite float32.

    Input:
        x: int8, int16 or float32; the output has its type, scale and zero point.

    Source: TFLM `micro/kernels/reduce_common.cc`, EvalMinMaxHelper.
    """

    kind = "reduce_min"
    is_least = True


@dataclass(frozen=True, kw_only=True)
class ReduceAll(Reduction):
    """``y`` is true where every element is.

    Input:
        x: bool; so is the output.

    Source: TFLM `micro/kernels/reduce_common.cc`, EvalAllHelper.
    """

    kind = "reduce_all"
    types = (DType.BOOL,)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """The conjunction."""
        return (self.rows(values[0]).astype(np.bool_).all(axis=0).reshape(outputs[0].shape),)
