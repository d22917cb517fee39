"""concatenation and pack: several tensors become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.movement import Move, Movement, View
from midge.graph.operands import expect_axis, expect_type, tensor
from midge.graph.types import Array, Tensor, TensorType


class _Joining(Movement):
    """What concatenation and pack share: any number of inputs, of one type."""

    def joined(self, inputs: Sequence[Tensor | None]) -> list[Tensor]:
        """The inputs, at least one, none left out, of one type."""
        if not inputs:
            raise UserError("takes at least one input, found none")
        found = [tensor(t) for t in inputs]
        expect_type(found[0], *self.types)
        for other in found[1:]:
            expect_type(other, found[0].dtype)
        return found


@dataclass(frozen=True, kw_only=True)
class Concatenation(_Joining):
    """The inputs one behind the other along dimension `axis`.

    Inputs:
        Any number, of one type, of shapes that differ in the extent of `axis` alone, and of the
        output's quantisation; constants among them.

    Source: TFLM `micro/kernels/concatenation.cc`.
    """

    kind = "concatenation"
    axis: int

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of the summed extent."""
        found = self.joined(inputs)
        first = found[0]
        expect_axis(first, self.axis)
        others = [t.shape[: self.axis] + t.shape[self.axis + 1 :] for t in found]
        for each, extents in zip(found, others, strict=True):
            if len(each.shape) != len(first.shape) or extents != others[0]:
                raise UserError(
                    f"shapes {list(first.shape)} of {first.name} and {list(each.shape)} of "
                    f"{each.name} differ in more than dimension {self.axis}"
                )
        extent = sum(t.shape[self.axis] for t in found)
        shape = (*first.shape[: self.axis], extent, *first.shape[self.axis + 1 :])
        return (TensorType(shape, first.dtype),)

    def moves(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> tuple[Move, ...]:
        """One an input, in their order."""
        whole, begin, moves = View.of(outputs[0].shape), 0, []
        for read, shape in enumerate(tensor(t).shape for t in inputs):
            target = whole.cut(self.axis, begin, shape[self.axis])
            moves.append(Move(target, View.of(shape), read))
            begin += shape[self.axis]
        return tuple(moves)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> tuple[Array, ...]:
        """As NumPy concatenates."""
        return (np.concatenate([np.asarray(v) for v in values], self.axis),)


@dataclass(frozen=True, kw_only=True)
class Pack(_Joining):
    """The inputs side by side along a new dimension `axis`.

    Inputs:
        Any number, of one type, one shape and the output's quantisation; constants among them.

    Source: TFLM `micro/kernels/pack.cc`.
    """

    kind = "pack"
    axis: int

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output with the number of inputs as a further extent."""
        found = self.joined(inputs)
        first = found[0]
        for other in found[1:]:
            if other.shape != first.shape:
                raise UserError(
                    f"shapes {list(first.shape)} of {first.name} and {list(other.shape)} of "
                    f"{other.name} are not equal"
                )
        if not 0 <= self.axis <= len(first.shape):
            raise UserError(
                f"axis {self.axis} is no dimension of an output of {len(first.shape) + 1}"
            )
        shape = (*first.shape[: self.axis], len(found), *first.shape[self.axis :])
        return (TensorType(shape, first.dtype),)

    def moves(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> tuple[Move, ...]:
        """One an input, in their order."""
        whole = View.of(outputs[0].shape)
        return tuple(
            Move(
                whole.cut(self.axis, number, 1),
                View.of(tensor(each).shape).repeated(self.axis, 1),
                number,
            )
            for number, each in enumerate(inputs)
        )

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> tuple[Array, ...]:
        """As NumPy stacks."""
        return (np.stack([np.asarray(v) for v in values], self.axis),)
