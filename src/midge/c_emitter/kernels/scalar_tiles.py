"""Kernels of weighted sums for cores without SIMD: `conv_2d_s8_scalar.h` and its siblings.

They multiply two numbers at once (`tiles/blocks.py`) and requantise without a long multiplication
(`tiles/staircase.py`). On the Cortex-M0+ the loops over a column are a tile in assembly
(`tiles/thumb_blocks.py`), elsewhere they are C. Cores with the DSP extension have better ways.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from midge.c_emitter import overlap
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places, TileFunction
from midge.c_emitter.tiles.blocks import Blocks, blocks_of
from midge.c_emitter.tiles.staircase import Staircase, final_sums, staircase_of
from midge.c_emitter.tiles.thumb_blocks import paired_tile, single_tile
from midge.c_emitter.tiles.thumb_fill import fill_tile
from midge.c_emitter.weighted import SUM_ROUNDINGS, folded_bias
from midge.c_emitter.windowed import is_always_inside, window_distance, window_fields
from midge.graph import DType
from midge.graph.accumulate import weights_zero
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.window import Window

RANK = 5
"""Behind portable C, before what needs instructions of the core."""
EXCLUDES = frozenset({"dsp"})
"""Units with which they are never the cheapest."""
_FARTHEST = 1 << 16
"""Bytes that `offsets` can name."""
_LARGEST_COLUMN = 1 << 16
"""Words that `places` can name."""


def aligned(size: int) -> int:
    """Bytes of scratch, rounded up to 8."""
    return -(-size // 8) * 8


@lru_cache(maxsize=512)
def stairs_of(layer: Layer, channel_axis: int) -> Staircase | None:
    """The lines of a layer's outputs."""
    attributes = layer.op.attributes
    assert isinstance(attributes, Conv2D | DepthwiseConv2D | FullyConnected)
    return staircase_of(final_sums(layer, attributes, channel_axis))


def stairs_fields(
    layer: Layer, stairs: Staircase, places: Places, channel_axis: int = 0, multiple: int = 1
) -> tuple[dict[str, object], Constant]:
    """``struct midge_stairs`` and its array, for channels rounded up to a multiple."""
    bias = folded_bias(layer.input(0), layer.input(1), layer.optional(2), channel_axis)
    words = ((bias.astype(np.int64) - stairs.least) & 0xFFFFFFFF).astype(np.uint32)[:, None]
    each = len(stairs.words) > 1
    if each:
        words = np.concatenate([words, stairs.words], axis=1)
    words = np.pad(words, ((0, -len(words) % multiple), (0, 0)))
    fields: dict[str, object] = {
        "channels": places.constant("channels"),
        "each": each,
        "bent": stairs.is_bent,
        "part_bits": stairs.part_bits,
    }
    if not each:
        fields["one"] = [f"{int(word)}u" for word in stairs.words[0]]
    return fields, Constant("channels", words.reshape(-1))


class _InBlocks(Kernel):
    """int8, with taps in blocks."""

    variant = "scalar"
    rank = RANK
    excludes = EXCLUDES

    def applies(self, layer: Layer) -> bool:
        """Where weights are symmetric, taps can be blocked and a line passes the steps."""
        attributes, x, w = layer.op.attributes, layer.input(0), layer.input(1)
        assert isinstance(attributes, Conv2D | FullyConnected)
        if (x.dtype, w.dtype) != (DType.INT8, DType.INT8) or weights_zero(w) != 0:
            return False
        if attributes.rounding not in SUM_ROUNDINGS:
            return False
        blocks = self._blocks(layer)
        fits = blocks is not None and blocks.column_words < _LARGEST_COLUMN
        return fits and stairs_of(layer, 0) is not None

    def _rows(self, layer: Layer) -> npt.NDArray[np.int8]:
        w = layer.input(1)
        return np.asarray(w.data, np.int8).reshape(w.shape[0], -1)

    def _blocks(self, layer: Layer) -> Blocks | None:
        return blocks_of(self._rows(layer))

    def _of(self, layer: Layer) -> tuple[Blocks, Staircase]:
        blocks, stairs = self._blocks(layer), stairs_of(layer, 0)
        if blocks is None or stairs is None:
            raise ValueError(f"{layer.op.name}: the kernel does not apply")
        return blocks, stairs

    def _tile(self, layer: Layer) -> TileFunction:
        raise NotImplementedError

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """For the Cortex-M0+."""
        return (self._tile(layer),)

    def _call(
        self,
        layer: Layer,
        places: Places,
        weights: npt.NDArray[np.uint32],
        tables: tuple[Constant | None, ...],
        struct: str,
        fields: dict[str, object],
        multiple: int,
    ) -> Call:
        blocks, stairs = self._of(layer)
        more, channels = stairs_fields(layer, stairs, places, multiple=multiple)
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                *("NULL" if table is None else places.constant(table.suffix) for table in tables),
                f"(uint32_t *)(void *){places.scratch}",
                *(tile.name for tile in self.tiles(layer)),
            ),
            struct,
            {
                **fields,
                "column_words": blocks.column_words,
                "weight_words": weights.shape[1],
                "blocks": dict(zip(("eights", "fours", "twos"), blocks.counts, strict=True)),
                "stairs": more,
            },
            (
                Constant("weights", weights.reshape(-1)),
                *(table for table in tables if table is not None),
                channels,
            ),
        )


class _TwoPixels(_InBlocks):
    """Two pixels in a word, one weight a time: for layers that use a weight more than once."""

    function = "midge_conv_2d_s8_scalar"
    source = "conv_2d_s8_scalar.h"

    def _window(self, layer: Layer) -> dict[str, object]:
        """``struct midge_window``."""
        raise NotImplementedError

    def _offsets(self, layer: Layer) -> npt.NDArray[np.int64]:
        """Of each tap from the first one of a window inside the image, int64 [taps]."""
        raise NotImplementedError

    def _is_always_inside(self, layer: Layer) -> bool:
        raise NotImplementedError

    def _tables(self, layer: Layer) -> tuple[Constant | None, Constant | None]:
        """Where taps stand in the column, and where the column's taps stand in the image."""
        blocks, _ = self._of(layer)
        offsets = self._offsets(layer)
        # What has no weight may be read from anywhere.
        ordered = np.append(offsets, 0)[blocks.order]
        near = Constant("offsets", ordered.astype(np.uint16))
        reached = bool(ordered.max() < _FARTHEST)
        everywhere = reached and self._is_always_inside(layer)
        return (
            None if everywhere else Constant("places", blocks.places),
            near if reached else None,
        )

    def _fill(self, layer: Layer) -> TileFunction:
        blocks, _ = self._of(layer)
        return fill_tile(f"midge_fill_{layer.symbol}", blocks)

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """For the Cortex-M0+."""
        return (self._tile(layer), self._fill(layer))

    def _tile(self, layer: Layer) -> TileFunction:
        outputs = layer.input(1).shape[0]
        return single_tile(f"midge_tile_{layer.symbol}", *self._of(layer), outputs)

    def scratch_bytes(self, layer: Layer) -> int:
        """A column, a pixel of zero points, and the outputs of two pixels."""
        blocks, _ = self._of(layer)
        w = layer.input(1)
        return aligned(4 * blocks.column_words + w.shape[-1] + 2 * w.shape[0])

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights in blocks; what each channel needs side by side."""
        blocks, _ = self._of(layer)
        weights = blocks.single(self._rows(layer))
        fields = {
            "window": self._window(layer),
            "x_zero": layer.input(0).zero_point,
        }
        tables = self._tables(layer)
        return self._call(layer, places, weights, tables, "midge_conv_2d_scalar", fields, 1)


def _window_of(layer: Layer) -> Window:
    attributes = layer.op.attributes
    assert isinstance(attributes, Conv2D)
    return attributes.window(layer.input(1))


class Conv2DScalar(_TwoPixels):
    """Any window, ungrouped."""

    kinds = ("conv_2d",)

    def applies(self, layer: Layer) -> bool:
        """Ungrouped as well."""
        return layer.input(0).shape[3] == layer.input(1).shape[3] and super().applies(layer)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """Two pixels are read before they are written."""
        window = _window_of(layer)
        return window_distance(layer, window, step=2, reads_first=True) if index == 0 else None

    def _window(self, layer: Layer) -> dict[str, object]:
        return window_fields(layer.input(0), layer.output, _window_of(layer))

    def _is_always_inside(self, layer: Layer) -> bool:
        return is_always_inside(layer.input(0), _window_of(layer))

    def _offsets(self, layer: Layer) -> npt.NDArray[np.int64]:
        window, (_, _, width, channels) = _window_of(layer), layer.input(0).shape
        rows, columns = (
            step * np.arange(taps)
            for step, taps in zip(window.dilation, window.kernel, strict=True)
        )
        pixels = (rows[:, None] * width + columns).reshape(-1, 1)
        return np.asarray(pixels * channels + np.arange(channels), np.int64).reshape(-1)


class Conv2DScalarShared(Conv2DScalar):
    """The same with one function for all layers, where code is dear; the M0+ has tiles."""

    variant = "scalar_shared"
    function = "midge_conv_2d_s8_scalar_shared"
    source = "conv_2d_s8_scalar_shared.h"
    requires = frozenset({"long_mul"})
    by_rule = False

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """None: all of it is C."""
        del layer
        return ()


def _rows_of(layer: Layer) -> int:
    return layer.output.size // layer.input(1).shape[0]


class FullyConnectedScalarRows(_TwoPixels):
    """Rows as the pixels of an image, two at a time."""

    kinds = ("fully_connected",)
    variant = "scalar_rows"

    def applies(self, layer: Layer) -> bool:
        """More rows than one."""
        return _rows_of(layer) > 1 and super().applies(layer)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """Two rows are read before they are written."""
        outputs, features = layer.input(1).shape
        point, rows = Window((1, 1), (1, 1), (1, 1), (0, 0), (0, 0)), (1, _rows_of(layer))
        distance = overlap.sliding(point, 1, rows, features, outputs, step=2, reads_first=True)
        return distance if index == 0 else None

    def _window(self, layer: Layer) -> dict[str, object]:
        outputs, features = layer.input(1).shape
        ones = ("batches", "in_h", "out_h", "kernel_h", "kernel_w", "stride_h", "stride_w")
        rows = {"in_w": _rows_of(layer), "out_w": _rows_of(layer)}
        return {
            **dict.fromkeys((*ones, "dilation_h", "dilation_w"), 1),
            **rows,
            "in_c": features,
            "out_c": outputs,
        }

    def _is_always_inside(self, layer: Layer) -> bool:
        del layer
        return True

    def _offsets(self, layer: Layer) -> npt.NDArray[np.int64]:
        return np.arange(layer.input(1).shape[1], dtype=np.int64)


class FullyConnectedScalar(_InBlocks):
    """Two outputs in a word, row by row."""

    kinds = ("fully_connected",)
    function = "midge_fully_connected_s8_scalar"
    source = "fully_connected_s8_scalar.h"

    def _tile(self, layer: Layer) -> TileFunction:
        outputs = layer.input(1).shape[0]
        name = f"midge_tile_{layer.symbol}"
        return paired_tile(name, *self._of(layer), outputs + outputs % 2)

    def scratch_bytes(self, layer: Layer) -> int:
        """A column, and the outputs where their number is odd."""
        blocks, _ = self._of(layer)
        return aligned(4 * blocks.column_words + layer.input(1).shape[0] + 1)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A row is read before its outputs are written."""
        outputs, features = layer.input(1).shape
        distance = overlap.rows(_rows_of(layer), features, outputs, reads_first=True)
        return distance if index == 0 else None

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights in blocks, of pairs of outputs."""
        blocks, _ = self._of(layer)
        weights = blocks.paired(self._rows(layer))
        outputs, features = layer.input(1).shape
        sizes: dict[str, object] = {
            "rows": _rows_of(layer),
            "features": features,
            "outputs": outputs,
        }
        tables = (Constant("places", blocks.places),)
        return self._call(layer, places, weights, tables, "midge_fully_connected_scalar", sizes, 2)


KERNELS = (Conv2DScalar(), Conv2DScalarShared(), FullyConnectedScalar(), FullyConnectedScalarRows())
