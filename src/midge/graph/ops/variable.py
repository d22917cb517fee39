"""read_variable and assign_variable: what one run leaves for the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.operands import expect_same_reals, expect_type, take, tensor
from midge.graph.types import Array, Attributes, DType, Tensor, TensorType

_TYPES = (DType.INT8, DType.INT16, DType.FLOAT32, DType.INT32, DType.INT64, DType.UINT8, DType.BOOL)


@dataclass(frozen=True, kw_only=True)
class ReadVariable(Attributes):
    """``y = v``: what the variable holds when the operator runs.

    Input:
        v: a variable. The output has its shape, type and quantisation.

    Source: TFLM `micro/kernels/read_variable.cc`.
    """

    kind = "read_variable"
    types = _TYPES

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of v's shape and type."""
        (v,) = take(inputs, 1)
        v = tensor(v)
        expect_type(v, *self.types)
        return (TensorType(v.shape, v.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Variable and output stand for the same reals."""
        v = tensor(inputs[0])
        if not v.variable:
            raise UserError(f"{v.name} is not a variable")
        expect_same_reals(v, outputs[0])

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """A copy."""
        return (np.array(values[0]),)


@dataclass(frozen=True, kw_only=True)
class AssignVariable(Attributes):
    """``v := x``: what the next reader of the variable sees, in this run or a later one.

    Inputs:
        v: a variable.
        x: of its shape, type and quantisation.

    Source: TFLM `micro/kernels/assign_variable.cc`.
    """

    kind = "assign_variable"
    types = _TYPES

    def updates(self) -> tuple[int, ...]:
        """The variable."""
        return (0,)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """No output."""
        v, x = (tensor(t) for t in take(inputs, 2))
        expect_type(v, *self.types)
        if (v.shape, v.dtype) != (x.shape, x.dtype):
            raise UserError(
                f"{x.name} is {x.dtype.value}{list(x.shape)}; the variable {v.name} is "
                f"{v.dtype.value}{list(v.shape)}"
            )
        return ()

    def check(
        self,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - there is none
    ) -> None:
        """Variable and value stand for the same reals."""
        expect_same_reals(tensor(inputs[0]), tensor(inputs[1]))

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """The variable's new value."""
        return (np.array(values[1]),)
