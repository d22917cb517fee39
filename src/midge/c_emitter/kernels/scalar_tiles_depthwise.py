"""The depthwise kernel for cores without SIMD: `depthwise_conv_2d_s8_scalar.h`."""

from __future__ import annotations

import numpy as np

from midge.c_emitter import overlap
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places, TileFunction
from midge.c_emitter.kernels.scalar_tiles import EXCLUDES, RANK, aligned, stairs_fields, stairs_of
from midge.c_emitter.tiles.staircase import Staircase
from midge.c_emitter.tiles.thumb_depthwise import (
    LARGEST_TAPS,
    PlaneShape,
    WidenShape,
    depthwise_tile,
    widen_tile,
)
from midge.c_emitter.tiles.thumb_depthwise_pair import (
    LINE_WORDS,
    depthwise_pair_tile,
    pairs_apply,
)
from midge.c_emitter.weighted import SUM_ROUNDINGS
from midge.c_emitter.windowed import window_fields
from midge.graph import DType
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.window import Window

_CHANNEL_AXIS = 3
_PLANE_BYTES = 2048
"""Aimed at: larger bands read fewer rows twice, and need more memory."""


class DepthwiseScalar(Kernel):
    """A channel at a time, over a band of rows that is widened to words."""

    kinds = ("depthwise_conv_2d",)
    variant = "scalar"
    function = "midge_depthwise_conv_2d_s8_scalar"
    source = "depthwise_conv_2d_s8_scalar.h"
    rank = RANK
    excludes = EXCLUDES

    def applies(self, layer: Layer) -> bool:
        """int8 where a line passes the steps."""
        attributes, x, w = layer.op.attributes, layer.input(0), layer.input(1)
        assert isinstance(attributes, DepthwiseConv2D)
        if (x.dtype, w.dtype) != (DType.INT8, DType.INT8):
            return False
        known = attributes.rounding in SUM_ROUNDINGS
        return known and stairs_of(layer, _CHANNEL_AXIS) is not None

    def _window(self, layer: Layer) -> Window:
        attributes = layer.op.attributes
        assert isinstance(attributes, DepthwiseConv2D)
        return attributes.window(layer.input(1))

    def _plane(self, layer: Layer) -> tuple[int, int, int]:
        """Output rows of a band, and the rows and columns that they need."""
        window, (_, out_h, out_w, _) = self._window(layer), layer.output.shape
        reach = [d * (k - 1) + 1 for d, k in zip(window.dilation, window.kernel, strict=True)]
        columns = (out_w - 1) * window.stride[1] + reach[1]
        fitting = (_PLANE_BYTES // (4 * columns) - reach[0]) // window.stride[0] + 1
        band = min(max(fitting, 1), out_h)
        return band, (band - 1) * window.stride[0] + reach[0], columns

    def scratch_bytes(self, layer: Layer) -> int:
        """Rows of one channel as words, the taps of one output, and what a tile keeps there."""
        _, rows, columns = self._plane(layer)
        taps = int(np.prod(self._window(layer).kernel))
        return aligned(4 * (rows * columns + 1 + taps + LINE_WORDS))

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A band is written while it is read."""
        x, y = layer.input(0), layer.output
        band, _, _ = self._plane(layer)
        distance = overlap.sliding(
            self._window(layer),
            x.shape[0],
            (x.shape[1], x.shape[2]),
            x.shape[3],
            y.shape[3],
            step=band * y.shape[2],
            reads_first=False,
        )
        return distance if index == 0 else None

    def _stairs(self, layer: Layer) -> Staircase:
        stairs = stairs_of(layer, _CHANNEL_AXIS)
        if stairs is None:
            raise ValueError(f"{layer.op.name}: the kernel does not apply")
        return stairs

    def _widen(self, layer: Layer) -> TileFunction | None:
        window, (_, _, plane_columns) = self._window(layer), self._plane(layer)
        _, _, width, channels = layer.input(0).shape
        columns = min(plane_columns - window.pad_before[1], width)
        if columns <= 0:
            return None
        shape = WidenShape(columns, channels, width, plane_columns)
        return widen_tile(f"midge_widen_{layer.symbol}", shape)

    def _tile(self, layer: Layer) -> TileFunction | None:
        window, (_, _, columns) = self._window(layer), self._plane(layer)
        if window.dilation[1] != 1 or int(np.prod(window.kernel)) > LARGEST_TAPS:
            return None
        shape = PlaneShape(
            kernel=window.kernel,
            stride=window.stride,
            row_words=columns,
            tap_rows=window.dilation[0],
            out_w=layer.output.shape[2],
            out_c=layer.output.shape[3],
        )
        stairs = self._stairs(layer)
        tile = depthwise_pair_tile if pairs_apply(shape, stairs) else depthwise_tile
        return tile(f"midge_tile_{layer.symbol}", shape, stairs)

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """For the Cortex-M0+; sums where taps stand side by side and are not too many."""
        tiles = (self._tile(layer), self._widen(layer))
        return tuple(tile for tile in tiles if tile is not None)

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        band, rows, columns = self._plane(layer)
        stairs, channels = stairs_fields(layer, self._stairs(layer), places, _CHANNEL_AXIS)
        tile, widen = self._tile(layer), self._widen(layer)
        weights = np.asarray(layer.input(1).data, np.int8).reshape(-1)
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                f"(int32_t *)(void *){places.scratch}",
            ),
            "midge_depthwise_scalar",
            {
                "window": window_fields(layer.input(0), layer.output, self._window(layer)),
                "x_zero": layer.input(0).zero_point,
                "band": band,
                "plane_rows": rows,
                "plane_columns": columns,
                "stairs": stairs,
                "tile": tile.name if tile else "NULL",
                "widen": widen.name if widen else "NULL",
            },
            (Constant("weights", weights), channels),
        )


KERNELS = (DepthwiseScalar(),)
