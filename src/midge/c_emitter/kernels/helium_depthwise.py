"""Kernel of depthwise_conv_2d with Helium: `depthwise_conv_2d_s8_mve.h`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from midge.c_emitter.kernel import Call, Constant, Layer, Places, TileFunction
from midge.c_emitter.kernels.helium_sums import BLOCK, HeliumSums, window_of
from midge.c_emitter.tiles.helium import LANES
from midge.c_emitter.tiles.helium_resident import RowTile
from midge.c_emitter.windowed import window_distance, window_fields

ROWS = 4
"""Rows of the image in a word, and words in a vector."""


class HeliumDepthwise(HeliumSums):
    """A row of pixels and four channels at a time, from rows that are interleaved first."""

    kinds = ("depthwise_conv_2d",)
    function = "midge_depthwise_conv_2d_s8_mve"
    source = "depthwise_conv_2d_s8_mve.h"

    def applies(self, layer: Layer) -> bool:
        """One output a channel."""
        return layer.input(0).shape[3] == layer.output.shape[3] and super().applies(layer)

    def _columns(self, layer: Layer) -> tuple[int, int, int]:
        """Columns of the image and to the right of it that windows reach; words of four rows."""
        window = window_of(layer)
        _, height, width, channels = layer.input(0).shape
        left = window.pad_before[1]
        taps = window.tap_indices((height, width))[1]
        end = int(taps.max()) + 1
        columns = min(max(end, 0), width)
        right = max(end - columns, 0)
        # Vectors of 16 words are written, and the last channels are read as four.
        vectors = left * channels + -(-columns * channels // LANES) * LANES
        words = max(vectors, (left + columns + right) * channels + BLOCK - 1)
        return columns, right, words + words % 2

    def scratch_bytes(self, layer: Layer) -> int:
        """The interleaved rows, and a vector of zero points."""
        groups = -(-window_of(layer).kernel[0] // ROWS)
        return groups * self._columns(layer)[2] * ROWS + LANES

    def overlap(self, layer: Layer, index: int) -> int | None:
        """What a row of pixels reads is interleaved before the row is written."""
        if index != 0:
            return None
        row = layer.output.shape[2]
        return window_distance(layer, window_of(layer), step=row, reads_first=True)

    def fields(self, layer: Layer) -> dict[str, object]:
        """``struct midge_depthwise_conv_2d_mve``."""
        x = layer.input(0)
        columns, right, words = self._columns(layer)
        return {
            "window": window_fields(x, layer.output, window_of(layer)),
            "x_zero": x.zero_point,
            "columns": columns,
            "right": right,
            "group_words": words,
            "factors": self.rescaling(layer)[0],
        }

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as vectors of 4x4 taps, and records beside them."""
        weights = vectors_of_taps(np.asarray(layer.input(1).data, np.int8)[0])
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                places.constant("records"),
                f"(int8_t *){places.scratch}",
            ),
            "midge_depthwise_conv_2d_mve",
            self.fields(layer),
            (
                Constant("weights", weights.reshape(-1)),
                Constant("records", self.rescaling(layer)[1].reshape(-1)),
            ),
        )


class HeliumDepthwiseRows(HeliumDepthwise):
    """The same where a vector holds all taps, by a generated tile."""

    variant = "helium_tiles"
    rank = 35
    function = "midge_depthwise_rows_s8_mve"

    def applies(self, layer: Layer) -> bool:
        """Up to 4x4 taps, narrow sums."""
        fits = max(window_of(layer).kernel) <= ROWS
        return fits and super().applies(layer) and bool(self.rescaling(layer)[0]["narrow"])

    def _tile(self, layer: Layer) -> RowTile:
        return RowTile(layer.output.shape[3] % BLOCK == 0, self.rescaling(layer)[0])

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """One, of any shape."""
        return (self._tile(layer).function(),)

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights and records in one stream."""
        weights = vectors_of_taps(np.asarray(layer.input(1).data, np.int8)[0])
        records = self.rescaling(layer)[1].view(np.int8)
        stream = np.concatenate([weights, records], axis=1).reshape(-1)
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("stream"),
                f"(int8_t *){places.scratch}",
                self._tile(layer).name,
            ),
            "midge_depthwise_conv_2d_mve",
            self.fields(layer),
            (Constant("stream", stream),),
        )


def vectors_of_taps(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Weights [kernel_h, kernel_w, channels] as the kernel reads them.

    For each four channels, for each four rows, for each four columns: 16 bytes of every channel,
    column by column. Zeros stand where there is no tap and no channel. Returns [blocks, bytes].
    """
    kernel_h, kernel_w, channels = weights.shape
    padded = np.pad(weights, ((0, -kernel_h % ROWS), (0, -kernel_w % ROWS), (0, -channels % BLOCK)))
    high, wide, deep = (n // 4 for n in padded.shape)
    vectors = padded.reshape(high, ROWS, wide, ROWS, deep, BLOCK)
    return np.ascontiguousarray(vectors.transpose(4, 0, 2, 5, 3, 1)).reshape(deep, -1)


KERNELS = (HeliumDepthwise(), HeliumDepthwiseRows())
