"""broadcast_to and tile: elements that stand in several places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.movement import Move, Movement, View
from midge.graph.operands import expect_type, take, tensor
from midge.graph.types import Array, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class BroadcastTo(Movement):
    """x under `shape`, repeated along the dimensions that x lacks, or has with extent 1.

    Input:
        x: any type. The output has its type and quantisation.

    Sources: TFLM `micro/kernels/broadcast_to.cc`, `fill.cc`.
    """

    kind = "broadcast_to"
    shape: tuple[int, ...]

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of `shape`."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        missing = len(self.shape) - len(x.shape)
        extents = self.shape[max(missing, 0) :]
        if missing < 0 or any(a not in (1, b) for a, b in zip(x.shape, extents, strict=True)):
            raise UserError(f"{x.name}{list(x.shape)} does not broadcast to {list(self.shape)}")
        return (TensorType(self.shape, x.dtype),)

    def moves(
        self,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Move, ...]:
        """One, whose source stands still along what is repeated."""
        shape = tensor(inputs[0]).shape
        own = View.of(shape)
        missing = len(self.shape) - len(shape)
        still = (0 if n == 1 else s for n, s in zip(shape, own.strides, strict=True))
        source = View(self.shape, (*[0] * missing, *still))
        return (Move(View.of(self.shape), source),)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> tuple[Array, ...]:
        """As NumPy broadcasts."""
        return (np.array(np.broadcast_to(np.asarray(values[0]), self.shape)),)


@dataclass(frozen=True, kw_only=True)
class Tile(Movement):
    """x as often as `multiples` says along each dimension.

    Input:
        x: any type. The output has its type and quantisation.

    TFLM has no such operator; `numpy.tile` is the meaning.
    """

    kind = "tile"
    multiples: tuple[int, ...]

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of the multiplied extents."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        if len(self.multiples) != len(x.shape) or any(m < 1 for m in self.multiples):
            raise UserError(
                f"multiples {list(self.multiples)} are not one of at least 1 for each dimension "
                f"of {x.name}{list(x.shape)}"
            )
        shape = tuple(n * m for n, m in zip(x.shape, self.multiples, strict=True))
        return (TensorType(shape, x.dtype),)

    def moves(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> tuple[Move, ...]:
        """One, in which each dimension stands twice: copies, then elements."""
        shape = tensor(inputs[0]).shape
        source, target = View.of(shape), View.of(outputs[0].shape)
        for axis in reversed(range(len(shape))):
            source = source.repeated(axis, self.multiples[axis])
            target = target.split(axis, shape[axis])
        return (Move(target, source),)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> tuple[Array, ...]:
        """As NumPy tiles."""
        return (np.tile(np.asarray(values[0]), self.multiples),)
