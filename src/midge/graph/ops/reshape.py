"""reshape: the same elements in the same order under another shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.movement import MOVABLE
from midge.graph.operands import expect_same_reals, expect_type, take, tensor
from midge.graph.types import Array, Attributes, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class Reshape(Attributes):
    """``y = x`` under `shape`.

    Input:
        x: any type. The output has its type and quantisation.
    """

    kind = "reshape"
    types = MOVABLE
    shape: tuple[int, ...]

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of `shape`, with x's type."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        if math.prod(self.shape) != x.size:
            raise UserError(
                f"{x.name} of shape {list(x.shape)} has not the elements of {list(self.shape)}"
            )
        return (TensorType(self.shape, x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Input and output stand for the same reals."""
        expect_same_reals(tensor(inputs[0]), outputs[0])

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """The elements, unmoved."""
        return (np.asarray(values[0]).reshape(self.shape),)
