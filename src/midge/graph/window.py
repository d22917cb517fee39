"""Sliding windows over NHWC images: extents, and patches gathered for convolutions and pools."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph.requantize import Int64Array
from midge.graph.types import Array

Pair = tuple[int, int]

LARGEST_PARAMETER = 1 << 15
"""Of taps, strides, dilations and padding: every position then fits an int32 with room to spare."""
LARGEST_GATHER = 1 << 26
"""Elements that `patches` may gather; a network in a megabyte of RAM stays under it."""


@dataclass(frozen=True)
class Window:
    """A window's geometry; pairs are (height, width).

    Attributes:
        kernel: Taps.
        stride: Step between windows, at least 1.
        dilation: Step between taps, at least 1.
        pad_before: Rows above and columns left of the image that windows may cover.
        pad_after: The same below and right.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pad_before: Pair = (0, 0)
    pad_after: Pair = (0, 0)

    def output_extent(self, image: Pair) -> Pair:
        """Number of windows along height and width.

        Raises:
            UserError: a number is out of range, or no window fits.
        """
        if (
            min(*self.kernel, *self.stride, *self.dilation) < 1
            or min(*self.pad_before, *self.pad_after) < 0
        ):
            raise UserError(
                f"kernel {self.kernel}, stride {self.stride} and dilation {self.dilation} must be "
                f"at least 1 and padding {self.pad_before}, {self.pad_after} at least 0"
            )
        if (
            max(*self.kernel, *self.stride, *self.dilation, *self.pad_before, *self.pad_after)
            > LARGEST_PARAMETER
        ):
            raise UserError(
                f"kernel {self.kernel}, stride {self.stride}, dilation {self.dilation} and padding "
                f"{self.pad_before}, {self.pad_after} may be at most {LARGEST_PARAMETER}"
            )
        height, width = (
            (
                image[d]
                + self.pad_before[d]
                + self.pad_after[d]
                - reach(self.kernel[d], self.dilation[d])
            )
            // self.stride[d]
            + 1
            for d in (0, 1)
        )
        if height < 1 or width < 1:
            raise UserError(
                f"a window of {self.kernel} taps, dilation {self.dilation}, does not fit an image "
                f"of {image} padded by {self.pad_before} and {self.pad_after}"
            )
        return height, width

    def tap_indices(self, image: Pair) -> tuple[Int64Array, Int64Array]:
        """Source row of (output row, tap) and source column of (output column, tap).

        Returns:
            int64 [out_h, kernel_h] and [out_w, kernel_w]; outside the image where negative or too
            large.
        """
        extent = self.output_extent(image)
        rows, columns = (
            np.arange(extent[d])[:, None] * self.stride[d]
            - self.pad_before[d]
            + np.arange(self.kernel[d])[None, :] * self.dilation[d]
            for d in (0, 1)
        )
        return rows, columns

    def expect_touching(self, image: Pair) -> None:
        """Every window covers at least one pixel of the image.

        Raises:
            UserError: one lies in the padding alone, where there is no mean and no maximum.
        """
        windows = self.output_extent(image)
        for d in (0, 1):
            # The last window must start in the image; each that starts before the image must have
            # its first tap at or after the image's first pixel still within the image.
            last = (windows[d] - 1) * self.stride[d] - self.pad_before[d]
            early = np.arange(-self.pad_before[d], min(last + 1, 0), self.stride[d])
            first_inside = -(early // self.dilation[d])
            position = early + first_inside * self.dilation[d]
            if last >= image[d] or np.any(
                (first_inside >= self.kernel[d]) | (position >= image[d])
            ):
                raise UserError(
                    f"a window of {self.kernel} taps lies wholly outside the {image} image"
                )

    def expect_gatherable(self, shape: tuple[int, ...]) -> None:
        """What `patches` gathers from an NHWC image of this shape is of a size to compute with.

        Raises:
            UserError: it has more than `LARGEST_GATHER` elements.
        """
        batch, height, width, channels = shape
        windows = self.output_extent((height, width))
        elements = batch * channels * math.prod(windows) * math.prod(self.kernel)
        if elements > LARGEST_GATHER:
            raise UserError(
                f"{windows} windows of {self.kernel} taps over {batch} images of {channels} "
                f"channels read {elements} elements; supported: up to {LARGEST_GATHER}"
            )

    def patches(self, image: Array, fill: float) -> Array:
        """Gather what every window covers.

        Args:
            image: [n, h, w, c].
            fill: Value outside the image.

        Returns:
            [n, out_h, out_w, kernel_h, kernel_w, c] of the image's dtype.
        """
        _, height, width, _ = image.shape
        rows, columns = self.tap_indices((height, width))
        r = np.clip(rows, 0, height - 1)[:, None, :, None]
        c = np.clip(columns, 0, width - 1)[None, :, None, :]
        gathered = image[:, r, c, :]
        return np.where(self.inside((height, width)), gathered, np.asarray(fill, image.dtype))

    def inside(self, image: Pair) -> npt.NDArray[np.bool_]:
        """Which taps lie in the image, [1, out_h, out_w, kernel_h, kernel_w, 1]."""
        rows, columns = self.tap_indices(image)
        inside_r, inside_c = (rows >= 0) & (rows < image[0]), (columns >= 0) & (columns < image[1])
        return (inside_r[:, None, :, None] & inside_c[None, :, None, :])[None, ..., None]


def reach(taps: int, dilation: int) -> int:
    """Extent that dilated taps span."""
    return (taps - 1) * dilation + 1


def same_padding(image: int, taps: int, stride: int, dilation: int) -> tuple[int, int]:
    """Padding before and after along one dimension under TensorFlow's SAME; the odd one goes after.

    Source: TensorFlow Lite `kernels/padding.h`, ComputePaddingWithOffset.
    """
    windows = -(-image // stride)
    total = max((windows - 1) * stride + reach(taps, dilation) - image, 0)
    return total // 2, total - total // 2
