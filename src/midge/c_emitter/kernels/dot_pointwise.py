"""Single pixels and fully connected layers with tiles of dot products.

`dot_pointwise.h`, `dot_fully_connected.h`; for cores with the DSP extension. See
`midge.c_emitter.tiles.dot`.
"""

from __future__ import annotations

from midge.c_emitter import overlap
from midge.c_emitter.kernel import Call, Layer, Places, TileFunction
from midge.c_emitter.tiles import dot_shapes
from midge.c_emitter.tiles.dot_fill import FILLED_PIXELS, fill_function
from midge.c_emitter.tiles.dot_kernel import DotKernel, in_fours, is_pointwise, pixels_tile, ways
from midge.c_emitter.tiles.dot_shapes import DotShape, Weights
from midge.c_emitter.tiles.dot_tile import DotTile
from midge.c_emitter.tiles.rescale import Int64Array

_CHUNK_BYTES = 384
"""Of columns: as much as three pixels of 64 channels take."""

_UNROLL_ROW = 12
"""Steps of a row that are written out: they are long."""


class DotPointwise(DotKernel):
    """Single pixels, some of them widened side by side."""

    kinds = ("conv_2d",)
    function = "midge_conv_2d_s8_dot_pointwise"
    source = "dot_pointwise.h"

    @property
    def shape(self) -> DotShape:
        """Three pixels by two outputs; with weights of 16 bits two pixels."""
        return {
            Weights.S16: dot_shapes.S16_3X2_TOGETHER,
            Weights.MIXED: dot_shapes.MIXED_3X2_TOGETHER,
        }[self.form]

    def applies(self, layer: Layer) -> bool:
        """Windows of a single pixel, one for each pixel of the input."""
        return is_pointwise(layer) and super().applies(layer)

    def _tile(self, layer: Layer) -> DotTile:
        outputs, *_, in_c = layer.input(1).shape
        words = -(-in_c // 4) * 2
        return pixels_tile(self.shape, words, outputs, self._bound(layer), self.unroll)

    def _taps(self, layer: Layer) -> Int64Array:
        return in_fours(self._weights(layer))[:, None]

    def _pixels(self, layer: Layer) -> int:
        return layer.output.size // layer.output.shape[3]

    def _tile_words(self, layer: Layer) -> int:
        return self._tile(layer).words * self.shape.pixels

    def _chunk_tiles(self, layer: Layer) -> int:
        """Tiles that are widened at a time: what a call costs is shared among small ones."""
        tiles = -(-self._pixels(layer) // self.shape.pixels)
        return max(1, min(_CHUNK_BYTES // (4 * self._tile_words(layer)), tiles))

    def _columns_bytes(self, layer: Layer) -> int:
        return 4 * self._tile_words(layer) * self._chunk_tiles(layer)

    def _rest_bytes(self, layer: Layer) -> int:
        full = self._pixels(layer) % self.shape.pixels == 0
        return 0 if full else self.shape.pixels * layer.output.shape[3]

    def _scratch(self, layer: Layer) -> tuple[int, ...]:
        """The pixels of a chunk, widened, and the outputs of a last one that is not full."""
        return self._columns_bytes(layer), self._rest_bytes(layer)

    def _is_filled(self, layer: Layer) -> bool:
        """Whether a generated function widens the pixels."""
        return layer.input(0).shape[3] % 4 == 0 and self.shape.pixels == FILLED_PIXELS

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """The innermost loops."""
        fill = (fill_function(layer.input(0).shape[3]),) if self._is_filled(layer) else ()
        return (*fill, *super().tiles(layer))

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A chunk's pixels are widened before its outputs are written."""
        if index != 0:
            return None
        step = self.shape.pixels * self._chunk_tiles(layer)
        in_c, out_c = layer.input(0).shape[3], layer.output.shape[3]
        tiles = -(-self._pixels(layer) // step)
        return overlap.rows(tiles, step * in_c, step * out_c, reads_first=True)

    def call(self, layer: Layer, places: Places) -> Call:
        """One stream of constants."""
        stream, ends = self._stream(layer, places)
        columns, rest = f"(uint32_t *)(void *){places.scratch}", "NULL"
        if self._rest_bytes(layer):
            rest = f"(int8_t *)({places.scratch} + {self._columns_bytes(layer)})"
        tile = self._tile(layer)
        fill = fill_function(layer.input(0).shape[3]).name if self._is_filled(layer) else "NULL"
        return Call(
            (places.inputs[0], places.outputs[0], *ends, columns, rest, fill, tile.name),
            "midge_dot_pointwise",
            {
                "pixels": self._pixels(layer),
                "in_c": layer.input(0).shape[3],
                "out_c": layer.output.shape[3],
                "tile_pixels": tile.shape.pixels,
                "tile_words": self._tile_words(layer),
                "chunk_tiles": self._chunk_tiles(layer),
            },
            (stream,),
        )


class DotFullyConnected(DotKernel):
    """A row by four outputs."""

    kinds = ("fully_connected",)
    function = "midge_fully_connected_s8_dot"
    source = "dot_fully_connected.h"

    def _tile(self, layer: Layer) -> DotTile:
        outputs, inputs = layer.input(1).shape
        words = -(-inputs // 4) * 2
        shape = dot_shapes.S16_1X4 if self.form is Weights.S16 else dot_shapes.MIXED_1X4
        return DotTile(shape, 1, words, (), outputs, self._bound(layer), unroll=_UNROLL_ROW)

    def _taps(self, layer: Layer) -> Int64Array:
        return in_fours(self._weights(layer))[:, None]

    def _scratch(self, layer: Layer) -> tuple[int, ...]:
        """A widened row."""
        return (4 * self._tile(layer).words,)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A row is widened before its outputs are written."""
        if index != 0:
            return None
        outputs, inputs = layer.input(1).shape
        return overlap.rows(layer.output.size // outputs, inputs, outputs, reads_first=True)

    def call(self, layer: Layer, places: Places) -> Call:
        """One stream of constants."""
        stream, ends = self._stream(layer, places)
        outputs, inputs = layer.input(1).shape
        column = f"(uint32_t *)(void *){places.scratch}"
        return Call(
            (places.inputs[0], places.outputs[0], *ends[:2], column, self._tile(layer).name),
            "midge_dot_fully_connected",
            {"rows": layer.output.size // outputs, "inputs": inputs, "outputs": outputs},
            (stream,),
        )


KERNELS = (
    *ways(DotPointwise),
    *(DotFullyConnected(form) for form in Weights),
)
