"""gather: slices of a tensor, chosen by indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from midge.errors import UserError
from midge.graph.movement import MOVABLE
from midge.graph.operands import expect_axis, expect_same_reals, expect_type, take, tensor
from midge.graph.types import Array, Attributes, DType, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class Gather(Attributes):
    """``y[b..., i..., j..., k...] = x[b..., i..., at(indices[b..., j...]), k...]``.

    b stands for the first `batch_dims` dimensions of both, i for the others of x in front of
    `axis`, k for those behind it. ``at(n)`` is n clamped to the extent of `axis`: constant indices
    have to lie in it, computed ones cannot lead outside x.

    Inputs:
        x: any type. The output has its type and quantisation.
        indices: int32, of any shape.

    Source: TFLM `micro/kernels/gather.cc`, which reads outside x with such an index.
    """

    kind = "gather"
    types = MOVABLE
    axis: int
    batch_dims: int = 0

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's shape with the indices' in the place of `axis`."""
        x, indices = (tensor(t) for t in take(inputs, 2))
        expect_type(x, *self.types)
        expect_type(indices, DType.INT32)
        expect_axis(x, self.axis)
        if not 0 <= self.batch_dims <= min(self.axis, len(indices.shape)):
            raise UserError(
                f"batch_dims {self.batch_dims} is not from 0 to axis {self.axis} and the "
                f"{len(indices.shape)} dimensions of {indices.name}"
            )
        if x.shape[: self.batch_dims] != indices.shape[: self.batch_dims]:
            raise UserError(
                f"{x.name}{list(x.shape)} and {indices.name}{list(indices.shape)} differ in the "
                f"first {self.batch_dims} dimensions"
            )
        shape = (
            *x.shape[: self.axis],
            *indices.shape[self.batch_dims :],
            *x.shape[self.axis + 1 :],
        )
        return (TensorType(shape, x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Input and output stand for the same reals; constant indices lie in the input."""
        x, indices = tensor(inputs[0]), tensor(inputs[1])
        expect_same_reals(x, outputs[0])
        if indices.is_constant:
            found = np.asarray(indices.data)
            low, high = int(found.min()), int(found.max())
            if low < 0 or high >= x.shape[self.axis]:
                raise UserError(
                    f"{indices.name} holds indices from {low} to {high}; expected 0 to "
                    f"{x.shape[self.axis] - 1}"
                )

    def extents(self, x: Tensor, indices: Tensor) -> tuple[int, int, int, int, int]:
        """Batches, outer slices of each, elements of `axis`, indices of a batch, inner elements."""
        return (
            prod(x.shape[: self.batch_dims]),
            prod(x.shape[self.batch_dims : self.axis]),
            x.shape[self.axis],
            prod(indices.shape[self.batch_dims :]),
            prod(x.shape[self.axis + 1 :]),
        )

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """The slice at each index."""
        batches, outer, size, count, inner = self.extents(tensor(inputs[0]), tensor(inputs[1]))
        x = np.asarray(values[0]).reshape(batches, outer, size, inner)
        at = np.clip(np.asarray(values[1]).reshape(batches, count), 0, size - 1)
        batch, row = np.arange(batches)[:, None, None], np.arange(outer)[:, None]
        return (x[batch, row, at[:, None]].reshape(outputs[0].shape),)
