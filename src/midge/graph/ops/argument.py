"""arg_max and arg_min: where along a dimension the largest or the least element stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from midge.errors import UserError
from midge.graph.operands import expect_type, take, tensor
from midge.graph.types import Array, Attributes, DType, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class Argument(Attributes):
    """The index of the first best element along `axis`.

    Attributes:
        axis: The dimension that goes.
        index_type: Of the output: int32 or int64.
    """

    types = (DType.INT8, DType.INT16, DType.FLOAT32)
    is_least: ClassVar[bool]
    axis: int
    index_type: DType = DType.INT32

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's shape without the axis."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        if not 0 <= self.axis < len(x.shape):
            raise UserError(f"axis {self.axis} of {x.name}, which has {len(x.shape)} dimensions")
        if self.index_type not in (DType.INT32, DType.INT64):
            raise UserError(f"indices of type {self.index_type.value}; supported: int32, int64")
        return (TensorType(x.shape[: self.axis] + x.shape[self.axis + 1 :], self.index_type),)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """Only what is better takes the place of what was found, so NaN never does."""
        first, *others = np.moveaxis(np.asarray(values[0]), self.axis, 0)
        best, index = first, np.zeros(first.shape, self.index_type.numpy)
        for number, row in enumerate(others, start=1):
            better = row < best if self.is_least else row > best
            best = np.where(better, row, best)
            index = np.where(better, np.asarray(number, index.dtype), index)
        return (index,)


@dataclass(frozen=True, kw_only=True)
class ArgMax(Argument):
    """``y = argmax(x)`` along one dimension, the first of equals.

    A NaN that stands first is never beaten.

    Input:
        x: int8, int16 or float32.

    Output:
        int32 or int64, plain numbers.

    Source: TFLM `kernels/internal/reference/arg_min_max.h`; `micro/kernels/arg_min_max.cc`.
    """

    kind = "arg_max"
    is_least = False


@dataclass(frozen=True, kw_only=True)
class ArgMin(Argument):
    """``y = argmin(x)`` along one dimension, the first of equals.

    A NaN that stands first is never beaten.

    Input:
        x: int8, int16 or float32.

    Output:
        int32 or int64, plain numbers.

    Source: TFLM `kernels/internal/reference/arg_min_max.h`; `micro/kernels/arg_min_max.cc`.
    """

    kind = "arg_min"
    is_least = True
