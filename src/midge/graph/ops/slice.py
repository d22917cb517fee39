"""slice: a part of a tensor, in steps forwards or backwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.movement import Move, Movement, View
from midge.graph.operands import expect_type, take, tensor
from midge.graph.types import Array, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class Slice(Movement):
    """``y[i, j, ...] = x[begin[0] + i * step[0], begin[1] + j * step[1], ...]``, under `shape`.

    Input:
        x: any type. The output has its type and quantisation.

    Attributes:
        begin: The first index along each dimension of x.
        size: How many are taken along each.
        step: From one to the next; negative steps go backwards.
        shape: The output's, with as many elements: extents of 1 may be left out or put in.

    Sources: TFLM `micro/kernels/slice.cc`, `strided_slice.cc`.
    """

    kind = "slice"
    begin: tuple[int, ...]
    size: tuple[int, ...]
    step: tuple[int, ...]
    shape: tuple[int, ...]

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of `shape`, once every index is known to lie in x."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        if not len(self.begin) == len(self.size) == len(self.step) == len(x.shape):
            raise UserError(
                f"begin {list(self.begin)}, size {list(self.size)} and step {list(self.step)} do "
                f"not name each dimension of {x.name}{list(x.shape)}"
            )
        for extent, begin, size, step in zip(
            x.shape, self.begin, self.size, self.step, strict=True
        ):
            last = begin + (size - 1) * step
            if size < 1 or not step or not (0 <= begin < extent and 0 <= last < extent):
                raise UserError(
                    f"begin {list(self.begin)}, size {list(self.size)} and step "
                    f"{list(self.step)} leave {x.name}{list(x.shape)}"
                )
        if math.prod(self.shape) != math.prod(self.size):
            raise UserError(f"shape {list(self.shape)} does not hold {list(self.size)} elements")
        return (TensorType(self.shape, x.dtype),)

    def moves(
        self,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Move, ...]:
        """One."""
        source = View.of(tensor(inputs[0]).shape)
        for axis, cut in enumerate(zip(self.begin, self.size, self.step, strict=True)):
            source = source.cut(axis, *cut)
        return (Move(View.of(self.size), source),)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> tuple[Array, ...]:
        """The named indices along each dimension."""
        taken = [
            begin + step * np.arange(size)
            for begin, size, step in zip(self.begin, self.size, self.step, strict=True)
        ]
        return (np.asarray(values[0])[np.ix_(*taken)].reshape(self.shape),)
