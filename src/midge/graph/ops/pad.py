"""pad: a border of the real value 0 around a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.operands import expect_same_quantization, expect_type, take, tensor
from midge.graph.types import Array, Attributes, DType, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class Pad(Attributes):
    """``y`` is x in a border of `before[d]` and `after[d]` zero points along each dimension d.

    Input:
        x: int8 of rank 1 to 6, per tensor; the output has the same scale and zero point.

    Source: TFLM `micro/kernels/pad.cc`.
    """

    kind = "pad"
    types = (DType.INT8,)
    before: tuple[int, ...]
    after: tuple[int, ...]

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's shape, widened."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, DType.INT8)
        if not len(self.before) == len(self.after) == len(x.shape) or not x.shape:
            raise UserError(
                f"padding {self.before}, {self.after} does not name each dimension of {x.name}"
            )
        if min(*self.before, *self.after) < 0:
            raise UserError(f"padding {self.before}, {self.after} is negative")
        shape = tuple(b + n + a for b, n, a in zip(self.before, x.shape, self.after, strict=True))
        return (TensorType(shape, DType.INT8),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Input and output stand for the same reals."""
        expect_same_quantization(tensor(inputs[0]), outputs[0])

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """The border holds the zero point."""
        widths = tuple(zip(self.before, self.after, strict=True))
        return (np.pad(np.asarray(values[0]), widths, constant_values=outputs[0].zero_point),)
