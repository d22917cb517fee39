"""split and unpack: one tensor becomes several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.movement import Move, Movement, View
from midge.graph.operands import expect_axis, expect_type, take, tensor
from midge.graph.types import Array, Tensor, TensorType

MOST_OUTPUTS = 1 << 12
"""Of an unpack: its attributes do not grow with their number, as a split's do."""


@dataclass(frozen=True, kw_only=True)
class Split(Movement):
    """The pieces of x along dimension `axis`, of `sizes` each.

    Input:
        x: any type. The outputs have its type and quantisation.

    Source: TFLM `micro/kernels/split.cc`, `split_v.cc`.
    """

    kind = "split"
    axis: int
    sizes: tuple[int, ...]

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """An output a piece."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        expect_axis(x, self.axis)
        if not self.sizes or min(self.sizes) < 1 or sum(self.sizes) != x.shape[self.axis]:
            raise UserError(
                f"sizes {list(self.sizes)} do not divide the {x.shape[self.axis]} elements of "
                f"dimension {self.axis} of {x.name} into pieces of at least 1"
            )
        before, after = x.shape[: self.axis], x.shape[self.axis + 1 :]
        return tuple(TensorType((*before, size, *after), x.dtype) for size in self.sizes)

    def moves(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> tuple[Move, ...]:
        """One an output, in their order."""
        whole, begin, moves = View.of(tensor(inputs[0]).shape), 0, []
        for written, (size, output) in enumerate(zip(self.sizes, outputs, strict=True)):
            source = whole.cut(self.axis, begin, size)
            moves.append(Move(View.of(output.shape), source, written=written))
            begin += size
        return tuple(moves)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> tuple[Array, ...]:
        """As NumPy splits, at the sums of the sizes."""
        pieces = np.split(np.asarray(values[0]), np.cumsum(self.sizes)[:-1], self.axis)
        return tuple(np.ascontiguousarray(p) for p in pieces)


@dataclass(frozen=True, kw_only=True)
class Unpack(Movement):
    """The slices of x along dimension `axis`, which they do not have any more.

    Input:
        x: any type. The outputs have its type and quantisation.

    Source: TFLM `micro/kernels/unpack.cc`.
    """

    kind = "unpack"
    axis: int

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """An output a slice."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        expect_axis(x, self.axis)
        if x.shape[self.axis] > MOST_OUTPUTS:
            raise UserError(
                f"unpacks {x.shape[self.axis]} slices of {x.name}; up to {MOST_OUTPUTS} are "
                "supported"
            )
        rest = TensorType((*x.shape[: self.axis], *x.shape[self.axis + 1 :]), x.dtype)
        return (rest,) * x.shape[self.axis]

    def moves(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> tuple[Move, ...]:
        """One an output, in their order."""
        whole = View.of(tensor(inputs[0]).shape)
        return tuple(
            Move(
                View.of(output.shape).repeated(self.axis, 1),
                whole.cut(self.axis, number, 1),
                written=number,
            )
            for number, output in enumerate(outputs)
        )

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> tuple[Array, ...]:
        """The slice at each index."""
        slices = np.moveaxis(np.asarray(values[0]), self.axis, 0)
        return tuple(np.array(piece) for piece in slices)
