"""Windows with tiles of dot products: out of widened rows (`dot_window.h`), or gathered.

For cores with the DSP extension. See `midge.c_emitter.tiles.dot`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.c_emitter import overlap
from midge.c_emitter.kernel import Call, Layer, Places
from midge.c_emitter.tiles import dot_shapes
from midge.c_emitter.tiles.dot_kernel import (
    DotKernel,
    conv_of,
    in_fours,
    is_pointwise,
    is_ungrouped,
    pixels_tile,
    ways,
)
from midge.c_emitter.tiles.dot_shapes import DotShape, Weights
from midge.c_emitter.tiles.dot_tile import DotTile
from midge.c_emitter.tiles.rescale import Int64Array
from midge.c_emitter.windowed import window_distance, window_fields

_WINDOW_SHAPES = {
    Weights.MIXED: ((dot_shapes.MIXED_2X2_APART, 13), (dot_shapes.MIXED_3X2_APART, 18)),
    Weights.S16: ((dot_shapes.S16_2X2_APART, 11), (dot_shapes.S16_3X2_APART, 16)),
}
"""Two, and three, pixels by two outputs, and the instructions of a step of each."""

_BAND_BYTES = 1024
"""Of rows that are copied for a row of windows; larger ones are gathered window by window."""


@dataclass(frozen=True)
class Rows:
    """How a layer's rows stand in scratch, and the tile that reads them.

    Attributes:
        shape: The tile's.
        order: A constant of `dot_window.h`.
        words: Of a window's row.
        pixel_bytes: From a tile's first pixel to its others.
        tile_words: From a tile's windows to the next one's.
        row_words: Of one copy.
        copies: Of each row.
    """

    shape: DotShape
    order: str
    words: int
    pixel_bytes: tuple[int, ...]
    tile_words: int
    row_words: int
    copies: int = 1


def natural_rows(layer: Layer, shape: DotShape) -> Rows:
    """Rows as in the image. Windows that begin at odd halves take a second copy of each row."""
    window = conv_of(layer).window(layer.input(1))
    _, _, width, channels = layer.input(0).shape
    out_w = layer.output.shape[2]
    step = window.stride[1] * channels
    words = -(-window.kernel[1] * channels // 2)
    copies = 1 + step % 2
    read = (-(-out_w // shape.pixels) * shape.pixels - 1) * step + 2 * words
    written = (window.pad_before[1] + width) * channels
    row_words = (max(read, written) + copies) // 2
    distances = tuple(2 * step * p for p in range(1, shape.pixels))
    if copies == 2:
        distances = (4 * row_words + 2 * (step + 1),)
    order = "MIDGE_DOT_NATURAL" if channels % 4 else "MIDGE_DOT_FOURS"
    tile_words = shape.pixels * step // 2
    return Rows(shape, order, words, distances, tile_words, row_words, copies)


def shared_rows(layer: Layer, shape: DotShape) -> Rows:
    """Rows of tiles, the columns of each tile side by side."""
    channels = layer.input(0).shape[3]
    tile_words = channels // 2 * len(shape.x)
    tiles = -(-layer.output.shape[2] // shape.pixels)
    words = channels // 2 * shape.words
    return Rows(shape, "MIDGE_DOT_SHARED", words, (), tile_words, tiles * tile_words)


class _WindowKernel(DotKernel):
    """Windows out of widened rows."""

    kinds = ("conv_2d",)
    function = "midge_conv_2d_s8_dot_window"
    source = "dot_window.h"

    def applies(self, layer: Layer) -> bool:
        """Ungrouped windows whose taps stand side by side."""
        dense = conv_of(layer).window(layer.input(1)).dilation == (1, 1)
        return is_ungrouped(layer) and dense and not is_pointwise(layer) and super().applies(layer)

    def _rows(self, layer: Layer) -> Rows:
        raise NotImplementedError

    def _tile(self, layer: Layer) -> DotTile:
        outputs, kernel_h, _, _ = layer.input(1).shape
        rows, rescale = self._rows(layer), self._bound(layer)
        return DotTile(
            rows.shape,
            kernel_h,
            rows.words,
            rows.pixel_bytes,
            outputs,
            rescale,
            table=True,
            tile_bytes=4 * rows.tile_words,
            unroll=self.unroll,
        )

    def _is_outside(self, layer: Layer) -> bool:
        """True when a row of some window lies above or below the image."""
        window, height = conv_of(layer).window(layer.input(1)), layer.input(0).shape[1]
        last = (layer.output.shape[1] - 1) * window.stride[0] - window.pad_before[0]
        return window.pad_before[0] > 0 or last + window.kernel[0] > height

    def _scratch(self, layer: Layer) -> tuple[int, int, int]:
        """Bytes of rows, of a pointer for each, and of the outputs of a tile that is not full."""
        rows, kernel_h = self._rows(layer), layer.input(1).shape[1]
        slots = kernel_h + int(self._is_outside(layer))
        _, _, out_w, out_c = layer.output.shape
        rest = rows.shape.pixels * out_c if out_w % rows.shape.pixels else 0
        return 4 * slots * rows.copies * rows.row_words, 4 * kernel_h, rest

    def overlap(self, layer: Layer, index: int) -> int | None:
        """Rows are read once."""
        if index != 0:
            return None
        batches, height, width, in_c = layer.input(0).shape
        _, _, out_w, out_c = layer.output.shape
        window = conv_of(layer).window(layer.input(1))
        return overlap.streamed_rows(window, batches, (height, width), width * in_c, out_w * out_c)

    def call(self, layer: Layer, places: Places) -> Call:
        """One stream of constants."""
        stream, ends = self._stream(layer, places)
        rows, scratch, x = self._rows(layer), places.scratch, layer.input(0)
        rows_bytes, table_bytes, rest_bytes = self._scratch(layer)
        rest = f"(int8_t *)({scratch} + {rows_bytes + table_bytes})" if rest_bytes else "NULL"
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                *ends,
                f"(uint32_t *)(void *){scratch}",
                f"(const uint32_t **)(void *)({scratch} + {rows_bytes})",
                rest,
                self._tile(layer).name,
            ),
            "midge_dot_window",
            {
                "window": window_fields(x, layer.output, conv_of(layer).window(layer.input(1))),
                "order": rows.order,
                "tile_pixels": rows.shape.pixels,
                "row_words": rows.row_words,
                "copies": rows.copies,
                "tile_words": rows.tile_words,
                "outside": self._is_outside(layer),
                "x_zero": x.zero_point,
            },
            (stream,),
        )


class DotWindow(_WindowKernel):
    """Each pixel's windows are read where they stand in the rows."""

    def _rows(self, layer: Layer) -> Rows:
        """For the tile that wastes least where a row is not a multiple of its pixels."""
        step = conv_of(layer).stride[1] * layer.input(0).shape[3]
        (pairs, pairs_cost), (threes, threes_cost) = _WINDOW_SHAPES[self.form]
        out_w = layer.output.shape[2]
        less = pairs_cost * -(-out_w // 2) <= threes_cost * -(-out_w // 3)
        return natural_rows(layer, pairs if step % 2 or less else threes)

    def _taps(self, layer: Layer) -> Int64Array:
        outputs, kernel_h, kernel_w, channels = layer.input(1).shape
        taps = self._weights(layer).reshape(outputs, kernel_h, kernel_w, channels)
        taps = taps if channels % 4 else in_fours(taps)
        rows = taps.reshape(outputs, kernel_h, kernel_w * channels)
        return np.pad(rows, ((0, 0), (0, 0), (0, rows.shape[2] % 2)))


class DotShared(_WindowKernel):
    """Windows of three columns that move by one: two pixels share what both need."""

    rank = 21
    family = "_shared"

    @property
    def shape(self) -> DotShape:
        """Two pixels by two outputs."""
        return (
            dot_shapes.S16_2X2_SHARED if self.form is Weights.S16 else dot_shapes.MIXED_2X2_SHARED
        )

    def applies(self, layer: Layer) -> bool:
        """Three columns, stride 1, channels in fours."""
        window = conv_of(layer).window(layer.input(1))
        wide = window.kernel[1] == self.shape.words and window.stride[1] == 1
        return wide and layer.input(0).shape[3] % 4 == 0 and super().applies(layer)

    def _rows(self, layer: Layer) -> Rows:
        return shared_rows(layer, self.shape)

    def _taps(self, layer: Layer) -> Int64Array:
        outputs, kernel_h, kernel_w, channels = layer.input(1).shape
        taps = in_fours(self._weights(layer).reshape(outputs, kernel_h, kernel_w, channels))
        pairs = taps.reshape(outputs, kernel_h, kernel_w, channels // 2, 2)
        return pairs.transpose(0, 1, 3, 2, 4).reshape(outputs, kernel_h, -1)


class DotGather(DotKernel):
    """Any windows, gathered and widened side by side: where they are small beside the outputs.

    The rule takes it where taps have gaps.
    """

    kinds = ("conv_2d",)
    function = "midge_conv_2d_s8_dot_gather"
    source = "dot_gather.h"
    rank = 19
    family = "_gather"

    @property
    def shape(self) -> DotShape:
        """Three pixels by two outputs; with weights of 16 bits two pixels."""
        return {
            Weights.S16: dot_shapes.S16_3X2_TOGETHER,
            Weights.MIXED: dot_shapes.MIXED_3X2_TOGETHER,
        }[self.form]

    def applies(self, layer: Layer) -> bool:
        """Ungrouped windows of more than a pixel, or with gaps."""
        return is_ungrouped(layer) and not is_pointwise(layer) and super().applies(layer)

    def _tap_count(self, layer: Layer) -> int:
        return int(np.prod(layer.input(1).shape[1:]))

    def _tile(self, layer: Layer) -> DotTile:
        words = -(-self._tap_count(layer) // 4) * 2
        outputs = layer.input(1).shape[0]
        return pixels_tile(self.shape, words, outputs, self._bound(layer), self.unroll)

    def _taps(self, layer: Layer) -> Int64Array:
        return in_fours(self._weights(layer))[:, None]

    def _scratch(self, layer: Layer) -> tuple[int, int, int]:
        """Bytes of the columns, of a patch, and of the outputs of a tile that is not full."""
        pixels = self.shape.pixels
        _, out_h, out_w, out_c = layer.output.shape
        rest = pixels * out_c if out_h * out_w % pixels else 0
        taps = -(-self._tap_count(layer) // 4) * 4
        return 4 * self._tile(layer).words * pixels, self._band_bytes(layer) or taps, rest

    def _band_columns(self, layer: Layer) -> int:
        """Columns that a row of windows covers, where its rows are copied once; otherwise 0."""
        window = conv_of(layer).window(layer.input(1))
        columns = (layer.output.shape[2] - 1) * window.stride[1] + window.kernel[1]
        in_c = layer.input(0).shape[3]
        fits = window.kernel[0] * columns * in_c <= _BAND_BYTES and columns > window.pad_before[1]
        fours = window.kernel[1] * in_c % 4 == 0 and window.dilation[1] == 1
        return columns if fits and fours else 0

    def _band_bytes(self, layer: Layer) -> int:
        _, kernel_h, _, in_c = layer.input(1).shape
        return int(-(-kernel_h * self._band_columns(layer) * in_c // 4) * 4)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A tile's windows are gathered before its outputs are written."""
        window = conv_of(layer).window(layer.input(1))
        pixels = self.shape.pixels
        return window_distance(layer, window, step=pixels, reads_first=True) if index == 0 else None

    def call(self, layer: Layer, places: Places) -> Call:
        """One stream of constants."""
        stream, ends = self._stream(layer, places)
        columns_bytes, patch_bytes, rest_bytes = self._scratch(layer)
        scratch, x = places.scratch, layer.input(0)
        rest = f"(int8_t *)({scratch} + {columns_bytes + patch_bytes})" if rest_bytes else "NULL"
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                *ends,
                f"(uint32_t *)(void *){scratch}",
                f"(int8_t *)({scratch} + {columns_bytes})",
                rest,
                self._tile(layer).name,
            ),
            "midge_dot_gather",
            {
                "window": window_fields(x, layer.output, conv_of(layer).window(layer.input(1))),
                "tile_pixels": self.shape.pixels,
                "band_w": self._band_columns(layer),
                "x_zero": x.zero_point,
            },
            (stream,),
        )


KERNELS = (*ways(DotGather), *ways(DotWindow), *ways(DotShared))
