"""Operators that move elements and compute nothing: which element goes where, as geometry.

A layer is a list of moves. Each copies the elements that a `View` meets in one tensor, in row-major
order of a box, to those that another `View` meets in the output. Transposing, slicing, splitting,
joining, padding, tiling and broadcasting are all such lists; beside each stands the operator's
`evaluate`, the same in NumPy, and the two are held against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph.operands import expect_same_reals, tensor
from midge.graph.types import Attributes, DType, Tensor

MOVABLE = (
    *(DType.INT8, DType.INT16, DType.FLOAT32, DType.INT32, DType.INT64),
    *(DType.UINT8, DType.BOOL),
)
"""Element types of a whole number of bytes."""

OUTPUT = -1
"""`Move.read` of a move within the output, out of what earlier moves have written."""


@dataclass(frozen=True)
class View:
    """Some elements of a tensor, met in row-major order of a box.

    Attributes:
        extents: Of the box, the outermost dimension first.
        strides: Elements from one step to the next along each dimension: 0 stands still, negative
            ones go backwards.
        offset: The element at which it begins.
    """

    extents: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @classmethod
    def of(cls, shape: Sequence[int]) -> View:
        """A whole tensor in its own order."""
        strides = [1]
        for extent in shape[:0:-1]:
            strides.append(strides[-1] * extent)
        return cls(tuple(shape), tuple(strides[len(strides) - len(shape) :][::-1]))

    def cut(self, axis: int, begin: int, size: int, step: int = 1) -> View:
        """Only `size` steps of `step` along one dimension, from `begin` on."""
        stride = self.strides[axis]
        return View(
            _with(self.extents, axis, size),
            _with(self.strides, axis, stride * step),
            self.offset + begin * stride,
        )

    def split(self, axis: int, inner: int) -> View:
        """One dimension as two, of which the second has `inner` steps, a divisor of its extent."""
        extent, stride = self.extents[axis], self.strides[axis]
        return View(
            _with(self.extents, axis, extent // inner, inner),
            _with(self.strides, axis, stride * inner, stride),
            self.offset,
        )

    def repeated(self, axis: int, count: int) -> View:
        """A further dimension in front of `axis`, along which it stands still."""
        return View(
            (*self.extents[:axis], count, *self.extents[axis:]),
            (*self.strides[:axis], 0, *self.strides[axis:]),
            self.offset,
        )

    def permuted(self, axes: Sequence[int]) -> View:
        """Dimension ``axes[d]`` as dimension d."""
        return View(
            tuple(self.extents[a] for a in axes),
            tuple(self.strides[a] for a in axes),
            self.offset,
        )

    def positions(self) -> npt.NDArray[np.int64]:
        """The elements that it meets, in order, by their index in the flat tensor."""
        at = np.array(self.offset, np.int64)
        for extent, stride in zip(self.extents, self.strides, strict=True):
            at = at[..., None] + np.arange(extent, dtype=np.int64) * stride
        return at.reshape(-1)


def _with(values: tuple[int, ...], axis: int, *instead: int) -> tuple[int, ...]:
    return (*values[:axis], *instead, *values[axis + 1 :])


@dataclass(frozen=True)
class Move:
    """Elements of one tensor that become elements of an output.

    Attributes:
        target: Where they go in the output.
        source: Where they come from, a box of the same extents; None writes the zero of the output.
        read: Index of the input that `source` looks at, or `OUTPUT`.
        written: Index of the output.
    """

    target: View
    source: View | None
    read: int = 0
    written: int = 0

    def __post_init__(self) -> None:
        if self.source is not None and self.source.extents != self.target.extents:
            raise ValueError(f"a move from {self.source.extents} to {self.target.extents}")


class Movement(Attributes):
    """An operator whose outputs hold elements of its inputs, bit for bit, and zeros."""

    types = MOVABLE

    def moves(
        self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]
    ) -> tuple[Move, ...] | None:
        """The layer as moves, in order; None where its pattern is not one of boxes."""
        raise NotImplementedError

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """All tensors stand for the same reals: bits are moved, not rescaled."""
        for moved in inputs:
            for output in outputs:
                expect_same_reals(tensor(moved), output)


def zero_of(output: Tensor) -> int:
    """What the real value 0 is in an output: its zero point, or 0 of plain numbers."""
    return 0 if output.quantization is None else output.zero_point


def expect_byte_zero(output: Tensor) -> None:
    """The zero is the same in every byte, so that it can be filled in; as TFLM writes it."""
    if zero_of(output) and output.dtype not in (DType.INT8, DType.UINT8):
        raise UserError(
            f"{output.name} is {output.dtype.value} with zero point {output.zero_point}; "
            "expected 0 here"
        )
