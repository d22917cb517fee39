"""Generated kernels of depthwise_conv_2d.

Over columns in scratch: `depthwise_rows.h`, `tiles/depthwise.py`. In place: `depthwise_direct.h`,
`tiles/depthwise_direct.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places, TileFunction
from midge.c_emitter.tiles.depthwise import DepthwiseTile, depthwise_function, is_worth_doubling
from midge.c_emitter.tiles.depthwise_bands import (
    SCRATCH_BYTES,
    Band,
    Shape,
    fastest,
    fastest_direct,
    leanest_direct,
)
from midge.c_emitter.tiles.depthwise_columns import TOGETHER, ColumnsTile, columns_function
from midge.c_emitter.tiles.depthwise_direct import DirectTile, direct_function
from midge.c_emitter.tiles.depthwise_row import depthwise_stream
from midge.c_emitter.tiles.rescale import Int64Array, Rescale, Sums, plan_rescale, sums_of
from midge.graph import DType
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.requantize import requantize


def _attributes(layer: Layer) -> DepthwiseConv2D:
    attributes = layer.op.attributes
    if not isinstance(attributes, DepthwiseConv2D):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


class DepthwiseTiles(Kernel):
    """Windows of up to 3x3 over columns of int16, two rows a word."""

    kinds = ("depthwise_conv_2d",)
    variant = "tiles"
    function = "midge_depthwise_conv_2d_s8_rows"
    source = "depthwise_rows.h"
    requires = frozenset({"dsp"})
    rank = 20

    def applies(self, layer: Layer) -> bool:
        """Rows by a stride of 1, or by 2 where they cannot be read in place, which is faster."""
        return (
            _has_tiles(layer)
            and _shape(layer).window.stride[0] <= (1 if _shape(layer).can_be_direct else 2)
            and fastest(_shape(layer), SCRATCH_BYTES) is not None
            and _numbers(layer) is not None
        )

    def scratch_bytes(self, layer: Layer) -> int:
        """Columns of a band."""
        return -(-_shape(layer).scratch_bytes(self._band(layer)) // 8) * 8

    def overlap(self, layer: Layer, index: int) -> int | None:
        """As bands follow one another."""
        return _shape(layer).distance(self._band(layer)) if index == 0 else None

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """Columns, and the rows."""
        load, rows = self._columns_tile(layer), self._tile(layer)
        return columns_function(load), depthwise_function(rows)

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights, lifted bias and factors in one stream."""
        x, numbers = layer.input(0), _numbers_of(layer)
        shape, band = _shape(layer), self._band(layer)
        stream = depthwise_stream(numbers.weights, numbers.bias, numbers.rescale)
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("stream"),
                f"(uint32_t *)(void *){places.scratch}",
                self._columns_tile(layer).name,
                self._tile(layer).name,
            ),
            "midge_depthwise_rows",
            {
                "batches": x.shape[0],
                "in_h": shape.image[0],
                "in_w": shape.image[1],
                "channels": shape.channels,
                "out_h": shape.output[0],
                "out_w": shape.output[1],
                "pad_top": shape.window.pad_before[0],
                "rows": 2 if shape.is_dense else 1,
                "steps": band.steps,
                "pairs": band.pairs,
                "group": band.group,
                "x_zero": x.zero_point,
            },
            (Constant("stream", stream),),
        )

    def _band(self, layer: Layer) -> Band:
        band = fastest(_shape(layer), SCRATCH_BYTES)
        if band is None:
            raise ValueError(f"{layer.op.name}: the kernel does not apply")
        return band

    def _tile(self, layer: Layer) -> DepthwiseTile:
        shape, band = _shape(layer), self._band(layer)
        return DepthwiseTile(
            shape.columns,
            shape.channels,
            band.group,
            band.pairs,
            shape.is_dense,
            is_worth_doubling(shape.output[1], band.steps),
            _numbers_of(layer).rescale,
        )

    def _columns_tile(self, layer: Layer) -> ColumnsTile:
        return ColumnsTile(self._band(layer).pairs, _shape(layer).channels < TOGETHER)


def _has_tiles(layer: Layer) -> bool:
    """Up to 3x3, one output a channel."""
    x, w = layer.input(0), layer.input(1)
    window = _attributes(layer).window(w)
    return (
        x.is_computed
        and (x.dtype, w.dtype) == (DType.INT8, DType.INT8)
        and layer.output.shape[3] == x.shape[3]
        and max(window.kernel) <= 3
        and all(d == 1 or k == 1 for d, k in zip(window.dilation, window.kernel, strict=True))
        and _shape(layer).columns.all_meet_the_image
    )


def _shape(layer: Layer) -> Shape:
    batches, height, width, channels = layer.input(0).shape
    _, out_h, out_w, _ = layer.output.shape
    window = _attributes(layer).window(layer.input(1))
    return Shape(batches, (height, width), (out_h, out_w), channels, window)


@dataclass(frozen=True, eq=False)
class _Numbers:
    """What a channel's words are made of.

    Attributes:
        weights: int8 [kernel_h, kernel_w, channels].
        bias: int64 [channels].
        rescale: What becomes of the sums.
    """

    weights: npt.NDArray[np.int8]
    bias: Int64Array
    rescale: Rescale


def _numbers(layer: Layer) -> _Numbers | None:
    """The numbers of a layer, whose settled channels take no part; None where no form is exact."""
    attributes, w, b = _attributes(layer), layer.input(1), layer.optional(2)
    sums = sums_of(layer, attributes, attributes.activation, channel_axis=3)
    weights = np.asarray(w.data, np.int8).reshape(w.shape[1:])
    bias = np.zeros(sums.channels, np.int64)
    if b is not None:
        bias = bias + np.asarray(b.data).astype(np.int64)
    outputs, settled = _settled(sums)
    weights, bias = np.where(settled, 0, weights).astype(np.int8), np.where(settled, 0, bias)
    rescale = plan_rescale(_without(sums, settled), greatest_lift=_room(weights))
    if rescale is None:
        return None
    # What a settled channel always is stands in its addend.
    constant = np.where(settled, outputs - sums.y_zero, 0) << rescale.shifts
    return _Numbers(weights, bias, replace(rescale, addend=rescale.addend + constant))


def _settled(sums: Sums) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    """The outputs of each channel's least sum, and which channels' greatest gives the same.

    Such channels may have any factor; it need not suit the others'.
    """
    ends = (requantize(ends, sums.factors) + sums.y_zero for ends in (sums.least, sums.greatest))
    least, greatest = (np.clip(end, sums.low, sums.high) for end in ends)
    return least, least == greatest


def _without(sums: Sums, settled: npt.NDArray[np.bool_]) -> Sums:
    """The same with sums and factors of 0 for settled channels."""
    shift = np.broadcast_to(sums.factors.shift, settled.shape)
    multiplier = np.where(settled, 0, sums.multiplier).astype(np.int32)
    return replace(
        sums,
        factors=replace(sums.factors, multiplier=multiplier, shift=shift),
        least=np.where(settled, 0, sums.least),
        greatest=np.where(settled, 0, sums.greatest),
    )


def _room(weights: npt.NDArray[np.int8]) -> Int64Array:
    """By how many bits each channel's weights may be lifted within 16 bits, int64 [channels]."""
    worst = np.abs(weights.astype(np.int64)).reshape(-1, weights.shape[2]).max(axis=0)
    fits = (np.maximum(worst, 1)[:, None] << np.arange(15)) < 2**15
    return np.asarray(fits.sum(axis=1) - 1, np.int64)


def _numbers_of(layer: Layer) -> _Numbers:
    numbers = _numbers(layer)
    if numbers is None:
        raise ValueError(f"{layer.op.name}: the kernel does not apply")
    return numbers


class DepthwiseDirectTiles(Kernel):
    """Windows of up to 3x3 over the image where it stands."""

    kinds = ("depthwise_conv_2d",)
    variant = "tiles_direct"
    function = "midge_depthwise_conv_2d_s8_direct"
    source = "depthwise_direct.h"
    requires = frozenset({"dsp"})
    rank = 19
    choose_rows = staticmethod(fastest_direct)

    def applies(self, layer: Layer) -> bool:
        """Rows that a load reaches across, windows that reach over an edge by one row at most."""
        return _has_tiles(layer) and _shape(layer).can_be_direct and _numbers(layer) is not None

    def overlap(self, layer: Layer, index: int) -> int | None:
        """As bands follow one another."""
        shape = _shape(layer)
        return shape.direct_distance(self.choose_rows(shape)) if index == 0 else None

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """The rows."""
        return (direct_function(_direct_tile(layer)),)

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights, lifted bias without the zero point's part, and factors in one stream."""
        x, numbers, shape = layer.input(0), _numbers_of(layer), _shape(layer)
        of_zero = numbers.weights.astype(np.int64).sum(axis=(0, 1)) * x.zero_point
        stream = depthwise_stream(numbers.weights, numbers.bias - of_zero, numbers.rescale)
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("stream"),
                _direct_tile(layer).name,
            ),
            "midge_depthwise_direct",
            {
                "batches": x.shape[0],
                "in_h": shape.image[0],
                "row_bytes": shape.image[1] * shape.channels,
                "out_h": shape.output[0],
                "out_row_bytes": shape.output[1] * shape.channels,
                "channels": shape.channels,
                "stride": shape.window.stride[0],
                "pad_top": shape.window.pad_before[0],
                "rows": self.choose_rows(shape),
            },
            (Constant("stream", stream),),
        )


class DepthwiseLeanTiles(DepthwiseDirectTiles):
    """The same in small bands, so that the output follows close upon its input."""

    variant = "tiles_lean"
    rank = 18
    choose_rows = staticmethod(leanest_direct)


def _direct_tile(layer: Layer) -> DirectTile:
    shape = _shape(layer)
    return DirectTile(
        shape.columns,
        shape.channels,
        shape.window.stride[0],
        min(shape.edges) < 0,
        max(shape.edges) > 0,
        layer.input(0).zero_point,
        _numbers_of(layer).rescale,
    )


KERNELS = (DepthwiseTiles(), DepthwiseDirectTiles(), DepthwiseLeanTiles())
