"""pad and mirror_pad: a border around a tensor."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from midge.errors import UserError
from midge.graph.movement import OUTPUT, Move, Movement, View, expect_byte_zero, zero_of
from midge.graph.operands import expect_type, take, tensor
from midge.graph.types import Array, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class _Padding(Movement):
    """What both have: the border's widths along each dimension."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    def widened(self, x: Tensor) -> TensorType:
        """The output's type."""
        expect_type(x, *self.types)
        if not len(self.before) == len(self.after) == len(x.shape) or not x.shape:
            raise UserError(
                f"padding {self.before}, {self.after} does not name each dimension of {x.name}"
            )
        if min(*self.before, *self.after) < 0:
            raise UserError(f"padding {self.before}, {self.after} is negative")
        shape = tuple(b + n + a for b, n, a in zip(self.before, x.shape, self.after, strict=True))
        return TensorType(shape, x.dtype)

    def interior(self, x: Tensor, y: Tensor, axes: int) -> View:
        """Where x stands in y along the first `axes` dimensions; the others are whole."""
        view = View.of(y.shape)
        for axis in range(axes):
            view = view.cut(axis, self.before[axis], x.shape[axis])
        return view


@dataclass(frozen=True, kw_only=True)
class Pad(_Padding):
    """``y`` is x in a border of `before[d]` and `after[d]` elements along each dimension d.

    Inputs:
        x: any type, of rank 1 or more. The output has its type and quantisation.
        value: one element of x's type and quantisation, which the border holds; optional. Without
            it the border holds the real value 0: the zero point of int8 and uint8, 0 elsewhere.

    Source: TFLM `micro/kernels/pad.cc`.
    """

    kind = "pad"

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's shape, widened."""
        x, value = take(inputs, 1, 1)
        x = tensor(x)
        widened = self.widened(x)
        if value is not None:
            expect_type(value, x.dtype)
            if value.size != 1:
                raise UserError(f"{value.name}{list(value.shape)} is not one element")
        return (widened,)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """All stand for the same reals."""
        x, value = take(inputs, 1, 1)
        there = [x] if value is None else [x, value]
        super().check(there, outputs)
        if value is None and outputs[0].size > tensor(x).size:
            expect_byte_zero(outputs[0])

    def moves(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> tuple[Move, ...]:
        """The inside first, so that what lies behind it may be written over; then the border.

        In row-major order x is runs of its last dimension with gaps between them. The gap behind
        the last row of a plane is the wider one, that behind the last plane yet wider: one move
        for each dimension, and one each for what is before and after everything.
        """
        x, value = take(inputs, 1, 1)
        x, y = tensor(x), outputs[0]
        rank = len(x.shape)
        inside = self.interior(x, y, rank)
        last = inside.offset + sum(
            (n - 1) * s for n, s in zip(x.shape, inside.strides, strict=True)
        )
        borders = [View((inside.offset,), (1,)), View((y.size - 1 - last,), (1,), last + 1)]
        for axis in range(rank - 1):
            # From one index of this dimension to the next: over the rest of the inner ones.
            extents, strides = inside.extents[: axis + 1], inside.strides[: axis + 1]
            inner = zip(x.shape[axis + 1 :], inside.strides[axis + 1 :], strict=True)
            row = 1 + sum((n - 1) * s for n, s in inner)
            gaps = View(
                (*extents[:-1], extents[-1] - 1, strides[-1] - row),
                (*strides, 1),
                inside.offset + row,
            )
            borders.append(gaps)
        moves = [Move(inside, View.of(x.shape))]
        for border in borders:
            if prod(border.extents):
                still = View(border.extents, (0,) * len(border.extents))
                moves.append(Move(border, None if value is None else still, read=1))
        return tuple(moves)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """As NumPy pads."""
        widths = tuple(zip(self.before, self.after, strict=True))
        border = zero_of(outputs[0]) if len(values) < 2 else np.asarray(values[1]).reshape(-1)[0]
        return (np.pad(np.asarray(values[0]), widths, constant_values=border),)


class Mirror(enum.Enum):
    """Where the mirror stands at the end of a tensor."""

    REFLECT = "reflect"
    """On the last element, which is not repeated."""
    SYMMETRIC = "symmetric"
    """Behind the last element, which is repeated."""


@dataclass(frozen=True, kw_only=True)
class MirrorPad(_Padding):
    """``y`` is x in a border of `before[d]` and `after[d]` elements of its mirror image.

    Input:
        x: any type, of rank 1 or more. The output has its type and quantisation. A border is no
            wider than x, and narrower than x where the mirror stands on the last element.

    Source: TFLM `micro/kernels/mirror_pad.cc`, which reads beyond x where a border is wider.
    """

    kind = "mirror_pad"
    mirror: Mirror

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's shape, widened."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        widened = self.widened(x)
        for extent, *widths in zip(x.shape, self.before, self.after, strict=True):
            if max(widths) > extent - self._skipped:
                raise UserError(
                    f"padding {self.before}, {self.after} is wider than the "
                    f"{self.mirror.value} image of {x.name}{list(x.shape)}"
                )
        return (widened,)

    @property
    def _skipped(self) -> int:
        """Elements between the border and its mirror image."""
        return 1 if self.mirror is Mirror.REFLECT else 0

    def moves(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> tuple[Move, ...]:
        """x, then the border of one dimension after the other, the last one first.

        Each is read from the output, where the border of the later dimensions stands already.
        """
        x, y = tensor(inputs[0]), outputs[0]
        moves = [Move(self.interior(x, y, len(x.shape)), View.of(x.shape))]
        for axis in reversed(range(len(x.shape))):
            within = self.interior(x, y, axis)
            before, after = self.before[axis], self.after[axis]
            end = before + x.shape[axis]
            for begin, width, first in (
                (0, before, 2 * before - 1 + self._skipped),
                (end, after, end - 1 - self._skipped),
            ):
                if width:
                    image = within.cut(axis, first, width, -1)
                    moves.append(Move(within.cut(axis, begin, width), image, OUTPUT))
        return tuple(moves)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> tuple[Array, ...]:
        """As NumPy pads."""
        widths = tuple(zip(self.before, self.after, strict=True))
        if self.mirror is Mirror.REFLECT:
            return (np.pad(np.asarray(values[0]), widths, mode="reflect"),)
        return (np.pad(np.asarray(values[0]), widths, mode="symmetric"),)
