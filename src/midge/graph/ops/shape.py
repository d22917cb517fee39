"""shape and zeros_like: what the type of a tensor says, not what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.movement import MOVABLE
from midge.graph.operands import expect_type, take, tensor
from midge.graph.types import Array, Attributes, DType, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class Shape(Attributes):
    """The extents of x.

    Input:
        x: any type, of rank 1 or more. The output is a constant [rank] of type `dtype`, int32 or
            int64.

    Source: TFLM `micro/kernels/shape.cc`, for int32.
    """

    kind = "shape"
    types = MOVABLE
    reads_values = False
    dtype: DType = DType.INT32

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [rank]."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        if self.dtype not in (DType.INT32, DType.INT64):
            raise UserError(f"extents as {self.dtype.value}; supported: int32, int64")
        if not x.shape:
            raise UserError(f"{x.name} is a scalar, which has no extents")
        return (TensorType((len(x.shape),), self.dtype),)

    def evaluate(
        self,
        values: Sequence[Array | None],  # noqa: ARG002 - the interface has it
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> tuple[Array, ...]:
        """Known before anything is computed."""
        return (np.array(tensor(inputs[0]).shape, self.dtype.numpy),)


@dataclass(frozen=True, kw_only=True)
class ZerosLike(Attributes):
    """Zeros of x's type and shape.

    Input:
        x: any type. The output is a constant; it stores 0, whatever its zero point.

    Source: TFLM `micro/kernels/zeros_like.cc`.
    """

    kind = "zeros_like"
    types = MOVABLE
    reads_values = False

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's type."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        return (TensorType(x.shape, x.dtype),)

    def evaluate(
        self,
        values: Sequence[Array | None],  # noqa: ARG002 - the interface has it
        inputs: Sequence[Tensor | None],  # noqa: ARG002
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """All bits 0."""
        return (np.zeros(outputs[0].shape, outputs[0].dtype.numpy),)
