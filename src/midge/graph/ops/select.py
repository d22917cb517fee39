"""select: an element of one of two tensors, as a condition says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.graph.elementwise import broadcast_shape
from midge.graph.operands import expect_same_reals, expect_type, take, tensor
from midge.graph.types import Array, Attributes, DType, Tensor, TensorType

MOVED = (DType.INT8, DType.INT16, DType.FLOAT32)
"""Element types that may be selected."""


@dataclass(frozen=True, kw_only=True)
class Select(Attributes):
    """``y = a if condition else b``.

    Inputs:
        condition: bool.
        a, b: int8, int16 or float32, both the same, codes of one quantisation. All three are of
            shapes that broadcast as NumPy's do, and any may be a constant.

    Output:
        The type and quantisation of a and b, of the broadcast shape.

    Source: TFLM `micro/kernels/select.cc`, SELECT_V2.
    """

    kind = "select"
    types = (DType.BOOL,)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of the broadcast shape, of the type of a and b."""
        condition, a, b = (tensor(t) for t in take(inputs, 3))
        expect_type(condition, *self.types)
        expect_type(a, *MOVED)
        expect_type(b, a.dtype)
        return (TensorType(broadcast_shape(condition, a, b), a.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """What is selected and the output stand for reals in one way."""
        for value in inputs[1:]:
            expect_same_reals(tensor(value), outputs[0])

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """A choice."""
        chosen = np.where(np.asarray(values[0]), np.asarray(values[1]), np.asarray(values[2]))
        return (chosen.astype(outputs[0].dtype.numpy),)
