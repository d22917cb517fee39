"""transpose: dimensions in another order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.movement import Move, Movement, View
from midge.graph.operands import expect_type, take, tensor
from midge.graph.types import Array, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class Transpose(Movement):
    """Dimension ``permutation[d]`` of x is dimension d of y.

    Input:
        x: any type. The output has its type and quantisation.

    Source: TFLM `micro/kernels/transpose.cc`.
    """

    kind = "transpose"
    permutation: tuple[int, ...]

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's extents in the new order."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        if sorted(self.permutation) != list(range(len(x.shape))):
            raise UserError(
                f"permutation {list(self.permutation)} does not name each of the "
                f"{len(x.shape)} dimensions of {x.name} once"
            )
        return (TensorType(tuple(x.shape[d] for d in self.permutation), x.dtype),)

    def moves(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> tuple[Move, ...]:
        """One."""
        source = View.of(tensor(inputs[0]).shape).permuted(self.permutation)
        return (Move(View.of(outputs[0].shape), source),)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> tuple[Array, ...]:
        """As NumPy transposes."""
        return (np.array(np.transpose(np.asarray(values[0]), self.permutation), order="C"),)
