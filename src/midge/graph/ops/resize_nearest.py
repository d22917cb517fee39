"""resize_nearest: an image of another size, each pixel that of the nearest place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph.movement import Move, Movement, View
from midge.graph.operands import expect_rank, expect_type, take, tensor
from midge.graph.types import Array, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class ResizeNearest(Movement):
    """``y[n, i, j, k] = x[n, row(i), column(j), k]``, where rows and columns follow one rule.

    ``floor((i + c) * s)`` with ``s = extent_x / extent_y`` and c = 0.5 with `half_pixel_centers`,
    0 without; with `align_corners` ``round(i * (extent_x - 1) / (extent_y - 1))``, half away from
    zero. All in float32, in this order, then limited to the extent of x.

    Input:
        x: [n, h, w, c] of any type. The output [n, *size, c] has its type and quantisation.

    Source: TFLM `kernels/internal/reference/resize_nearest_neighbor.h`. Both options together are
    refused, as TFLite does; TFLM does not look.
    """

    kind = "resize_nearest"
    size: tuple[int, int]
    align_corners: bool = False
    half_pixel_centers: bool = False

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of `size`."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        expect_rank(x, 4)
        if min(self.size) < 1:
            raise UserError(f"size {list(self.size)} is under 1")
        if self.align_corners and self.half_pixel_centers:
            raise UserError("align_corners and half_pixel_centers exclude each other")
        return (TensorType((x.shape[0], *self.size, x.shape[3]), x.dtype),)

    def nearest(self, extent: int, resized: int) -> npt.NDArray[np.int64]:
        """The index in x of each row, or column, of the output."""
        numbers = np.arange(resized).astype(np.float32)
        if self.align_corners:
            scaled = numbers * (np.float32(extent - 1) / np.float32(max(resized - 1, 1)))
            down = np.floor(scaled)
            places = down + (scaled - down >= np.float32(0.5))
        else:
            centre = np.float32(0.5 if self.half_pixel_centers else 0.0)
            scale = np.float32(extent) / np.float32(resized)
            places = np.floor((numbers + centre) * scale)
        indices: npt.NDArray[np.int64] = np.minimum(places.astype(np.int64), extent - 1)
        return indices

    def moves(
        self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]
    ) -> tuple[Move, ...] | None:
        """One where both sizes change by whole factors; None otherwise."""
        source, target = View.of(tensor(inputs[0]).shape), View.of(outputs[0].shape)
        for axis in (2, 1):
            places = self.nearest(source.extents[axis], target.extents[axis])
            regular = _regular(places)
            if regular is None:
                return None
            count, step, repeats = regular
            source = source.cut(axis, int(places[0]), count, step).repeated(axis + 1, repeats)
            target = target.split(axis, repeats)
        return (Move(target, source),)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """Rows and columns at once: one after the other could take more than both images."""
        _, height, width, _ = tensor(inputs[0]).shape
        rows, columns = self.nearest(height, self.size[0]), self.nearest(width, self.size[1])
        return (np.asarray(values[0])[:, rows[:, None], columns],)


def _regular(places: npt.NDArray[np.int64]) -> tuple[int, int, int] | None:
    """``places[i] == places[0] + (i // repeats) * step`` as (number of steps, step, repeats)."""
    repeats = int(np.count_nonzero(places == places[0]))
    if places.size % repeats:
        return None
    count = places.size // repeats
    step = int(places[repeats] - places[0]) if count > 1 else 1
    if not np.array_equal(places, places[0] + np.arange(places.size) // repeats * step):
        return None
    return count, step, repeats
