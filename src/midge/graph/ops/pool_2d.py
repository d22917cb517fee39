"""What pooling operators share: a window that slides over each channel, padding not counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph.operands import expect_rank, expect_same_quantization, expect_type, take, tensor
from midge.graph.requantize import Int64Array, activation_range
from midge.graph.types import Activation, Attributes, DType, Tensor, TensorType
from midge.graph.window import Pair, Window

LARGEST_WINDOW = 1 << 17
"""Taps of a window that lie in the image; the whole of an image of 360 x 360."""

Element = TypeVar("Element", bound=np.generic)


@dataclass(frozen=True, kw_only=True)
class Pool2D(Attributes):
    """One value for each window and channel of an NHWC image, then a fused clamp."""

    kernel: Pair
    stride: Pair = (1, 1)
    pad_before: Pair = (0, 0)
    pad_after: Pair = (0, 0)
    activation: Activation = Activation.NONE

    def window(self) -> Window:
        """The window that slides."""
        return Window(self.kernel, self.stride, (1, 1), self.pad_before, self.pad_after)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [n, out_h, out_w, c] of x's type."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_rank(x, 4)
        expect_type(x, *self.types)
        batch, height, width, channels = x.shape
        return (
            TensorType((batch, *self.window().output_extent((height, width)), channels), x.dtype),
        )

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Input and output stand for the same reals, and every window touches the image."""
        x = tensor(inputs[0])
        if x.dtype is not DType.FLOAT32:
            expect_same_quantization(x, outputs[0])
            activation_range(outputs[0], self.activation)
        image = x.shape[1], x.shape[2]
        self.window().expect_touching(image)
        self.window().expect_gatherable(x.shape)
        rows, columns = self._touching(image)
        if rows.size * columns.size > LARGEST_WINDOW:
            raise UserError(
                f"a window of {rows.size} x {columns.size} taps over {x.name}; supported: up to "
                f"{LARGEST_WINDOW}"
            )

    def taps(self, image: npt.NDArray[Element], fill: float) -> Iterator[npt.NDArray[Element]]:
        """What each tap of the window sees, row by row: [n, out_h, out_w, c], `fill` outside.

        Taps that see nothing but what is outside are left out.
        """
        patches = self.window().patches(image, fill).astype(image.dtype, copy=False)
        rows, columns = self._touching((image.shape[1], image.shape[2]))
        for row in rows:
            for column in columns:
                yield patches[:, :, :, row, column]

    def _touching(self, image: Pair) -> tuple[Int64Array, Int64Array]:
        """Rows and columns of the window that lie in the image in some place of it."""
        positions = self.window().tap_indices(image)
        rows, columns = (
            np.flatnonzero(((at >= 0) & (at < extent)).any(axis=0))
            for at, extent in zip(positions, image, strict=True)
        )
        return rows, columns

    def counts(self, shape: tuple[int, ...]) -> Int64Array:
        """How many taps of each window are inside an image of this shape: [1, out_h, out_w, 1]."""
        inside = np.ones((1, *shape[1:3], 1), np.int64)
        counts: Int64Array = self.window().patches(inside, 0).astype(np.int64).sum(axis=(3, 4))
        return counts
