"""lookup: any function of one int8, as the table of its 256 values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.graph.function_tables import int8_lookup
from midge.graph.operands import (
    expect_constant,
    expect_per_tensor,
    expect_shape,
    expect_type,
    take,
    tensor,
)
from midge.graph.types import Array, Attributes, DType, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class Lookup(Attributes):
    """``y = table[x + 128]``.

    What a chain of operators on one element does to a quantised tensor, whatever the chain, is such
    a table.

    Inputs:
        x: int8 per tensor, of any shape.
        table: int8 constant [256], the codes of y for the codes -128 to 127 of x.

    Output:
        int8 of x's shape, per tensor, with a scale and zero point of its own.
    """

    kind = "lookup"
    types = (DType.INT8,)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's shape."""
        x, table = (tensor(t) for t in take(inputs, 2))
        expect_type(x, *self.types)
        expect_type(table, DType.INT8)
        expect_shape(table, (256,))
        return (TensorType(x.shape, DType.INT8),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """The table is known, input and output have one scale each."""
        expect_per_tensor(tensor(inputs[0]))
        expect_constant(tensor(inputs[1]))
        expect_per_tensor(outputs[0])

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> tuple[Array, ...]:
        """An entry an element."""
        return (int8_lookup(np.asarray(values[0]), np.asarray(values[1])),)
