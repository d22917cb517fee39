"""resize_bilinear: an image of another size, each pixel mixed from the four nearest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph.operands import expect_rank, expect_same_quantization, expect_type, take, tensor
from midge.graph.requantize import Int64Array
from midge.graph.types import Array, Attributes, DType, Tensor, TensorType
from midge.graph.window import Pair

LARGEST_EXTENT = 1 << 15
"""Of input and output: positions then fit int32 with 10 fraction bits, and float32 tells them."""
FRACTION_BITS = 10
"""Of an int8 image's positions and weights."""

Numbers = npt.NDArray[Any]
"""float32, or int64 with `FRACTION_BITS` fraction bits."""


class _Places(NamedTuple):
    """Along one dimension, for each output pixel: the two input pixels, and the second's weight."""

    first: Int64Array
    second: Int64Array
    weight: Numbers


@dataclass(frozen=True, kw_only=True)
class ResizeBilinear(Attributes):
    """Output pixel i stands at input position ``i * scale``, between two rows and two columns.

    Attributes:
        size: Height and width of the output.
        align_corners: The corners' centres coincide: ``scale = (in - 1) / (out - 1)``; otherwise
            ``in / out``.
        half_pixel_centers: Position ``(i + 1/2) * scale - 1/2``.

    Input:
        x: int8 [n, h, w, c], per tensor, or float32.

    Output:
        [n, *size, c] of x's type, scale and zero point. int8 positions have 10 fraction bits, and
        the mixture is rounded half away from zero. A position beyond the last pixel, to which a
        rounded scale may lead when an image is enlarged a lot, has the last pixel's value (TFLM
        reads beyond the image).

    Source: TFLM `kernels/internal/reference/resize_bilinear.h`, ResizeBilinearInteger and
    ResizeBilinear.
    """

    kind = "resize_bilinear"
    types = (DType.INT8, DType.FLOAT32)
    size: Pair
    align_corners: bool = False
    half_pixel_centers: bool = False

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [n, *size, c] of x's type."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_rank(x, 4)
        expect_type(x, *self.types)
        if self.align_corners and self.half_pixel_centers:
            raise UserError("align_corners and half_pixel_centers exclude each other")
        if min(self.size) < 1 or max(*self.size, *x.shape[1:3]) > LARGEST_EXTENT:
            raise UserError(
                f"resizes {x.shape[1:3]} pixels to {self.size}; supported: 1 to {LARGEST_EXTENT}"
            )
        return (TensorType((x.shape[0], *self.size, x.shape[3]), x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Input and output stand for the same reals."""
        x = tensor(inputs[0])
        if x.dtype is not DType.FLOAT32:
            expect_same_quantization(x, outputs[0])

    def scales(self, image: Pair, dtype: DType) -> tuple[float, float]:
        """Input pixels a pixel of the output, along height and width.

        Returns:
            float32 numbers; for integers whole numbers with `FRACTION_BITS` fraction bits.
        """
        found: list[float] = []
        for pixels, windows in zip(image, self.size, strict=True):
            aligned = self.align_corners and windows > 1
            covered, steps = (pixels - 1, windows - 1) if aligned else (pixels, windows)
            if dtype is DType.FLOAT32:
                found.append(float(np.float32(covered) / np.float32(steps)))
            else:
                found.append(((covered << FRACTION_BITS) + steps // 2) // steps)
        return found[0], found[1]

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """The four pixels with the weights of their rows and columns."""
        x = tensor(inputs[0])
        scales = self.scales((x.shape[1], x.shape[2]), x.dtype)
        whole = x.dtype is DType.INT8
        place = self._fixed_places if whole else self._float_places
        rows, columns = (place(x.shape[1 + d], self.size[d], scales[d]) for d in (0, 1))
        if not whole:
            mixture = _mixture(np.asarray(values[0], np.float32), rows, columns, np.float32(1))
            # A sum of nothing but -0 becomes 0, as where TFLM adds no rounding offset.
            return (mixture + np.float32(0),)
        image, one = np.asarray(values[0]).astype(np.int64), np.int64(1 << FRACTION_BITS)
        mixture = _mixture(image, rows, columns, one)
        half = np.int64(1 << (2 * FRACTION_BITS - 1))
        rounded = np.sign(mixture) * ((np.abs(mixture) + half) >> (2 * FRACTION_BITS))
        return (rounded.astype(np.int8),)

    def _fixed_places(self, pixels: int, windows: int, scale: float) -> _Places:
        step = int(scale)
        position = np.arange(windows, dtype=np.int64) * step
        if self.half_pixel_centers:
            position = position + step // 2 - (1 << (FRACTION_BITS - 1))
        first = np.clip(position >> FRACTION_BITS, 0, pixels - 1)
        second = np.clip(-(-position >> FRACTION_BITS), 0, pixels - 1)
        return _Places(first, second, position - (first << FRACTION_BITS))

    def _float_places(self, pixels: int, windows: int, scale: float) -> _Places:
        number = np.arange(windows, dtype=np.int64).astype(np.float32)
        position = number * np.float32(scale)
        if self.half_pixel_centers:
            position = (number + np.float32(0.5)) * np.float32(scale) - np.float32(0.5)
        first = np.clip(np.floor(position).astype(np.int64), 0, pixels - 1)
        second = np.clip(np.ceil(position).astype(np.int64), 0, pixels - 1)
        return _Places(first, second, position - first.astype(np.float32))


def _mixture(image: Numbers, rows: _Places, columns: _Places, one: np.generic) -> Numbers:
    """Each output pixel's four neighbours, each with its two weights, added in TFLM's order."""
    below, right = rows.weight[:, None, None], columns.weight[None, :, None]
    above, left = one - below, one - right

    def pixels(row: Int64Array, column: Int64Array) -> Numbers:
        return image[:, row[:, None], column[None, :], :]

    with np.errstate(all="ignore"):
        mixture = pixels(rows.first, columns.first) * above * left
        mixture = mixture + pixels(rows.second, columns.first) * below * left
        mixture = mixture + pixels(rows.first, columns.second) * above * right
        return np.asarray(mixture + pixels(rows.second, columns.second) * below * right)
