"""Kernels of conv_2d by Winograd's algorithm: `winograd_s8_dsp.h`, `c_emitter/tiles/winograd*.py`.

Few multiplications for much flash: filters take 8 times the bytes with F(4 x 4, 3 x 3), 3.6
times with F(2 x 2, 3 x 3). So they are taken only where they have been measured and fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.c_emitter import weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places, TileFunction
from midge.c_emitter.tiles import winograd
from midge.c_emitter.tiles.rescale import Rescale, sums_of
from midge.c_emitter.tiles.winograd_rescale import plan_lifted
from midge.c_emitter.tiles.winograd_stream import stream_of
from midge.c_emitter.tiles.winograd_transform import F2, F4, TAPS, Int64Array, Transform
from midge.c_emitter.windowed import window_fields
from midge.graph import DType
from midge.graph.ops.conv_2d import Conv2D

_LARGEST_OUTPUTS = 512
"""Output channels: what an immediate of ADD reaches."""


def _attributes(layer: Layer) -> Conv2D:
    attributes = layer.op.attributes
    if not isinstance(attributes, Conv2D):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


@dataclass(frozen=True)
class _Geometry:
    """How a layer's image is covered by tiles.

    Attributes:
        transform: The transform.
        channels: Of the input.
        height: Of the output.
        width: Of the output.
        outputs: Its channels.
    """

    transform: Transform
    channels: int
    height: int
    width: int
    outputs: int

    @property
    def tops(self) -> Int64Array:
        """First rows of tiles; the last tile ends with the image."""
        m = self.transform.outputs
        return np.minimum(np.arange(0, self.height, m), max(self.height - m, 0))

    @property
    def lefts(self) -> Int64Array:
        """First columns of pairs of tiles; the last pair ends with the image."""
        m = self.transform.outputs
        return np.minimum(np.arange(0, self.width, 2 * m), max(self.width - 2 * m, 0))

    @property
    def is_cut(self) -> bool:
        """A pair of tiles is larger than the image."""
        m = self.transform.outputs
        return self.height < m or self.width < 2 * m

    @property
    def pairs(self) -> int:
        """Of tiles that are computed at once: two where an image has an even number of them."""
        even = self.tops.size * self.lefts.size % 2 == 0
        paired = even and not self.is_cut and self.channels <= winograd.LARGEST_PAIRED_CHANNELS
        return 2 if paired else 1

    @property
    def row_bytes(self) -> int:
        """Of a row of outputs: of the image, or of a pair of tiles that is wider."""
        return max(self.width, 2 * self.transform.outputs) * self.outputs

    @property
    def records_bytes(self) -> int:
        """Of all pairs that are computed at once."""
        return self.transform.products * self.pairs * winograd.record_bytes(self.channels)

    @property
    def scratch_bytes(self) -> int:
        """Records, then a patch of the input, or outputs that are cut."""
        m = self.transform.outputs
        patch = (m + TAPS - 1) * (2 * m + TAPS - 1) * self.channels
        pair = (m - 1) * self.row_bytes + 2 * m * self.outputs if self.is_cut else 0
        # Records stand on 16 bytes, scratch on 8.
        return 8 + -(-(self.records_bytes + max(patch, pair)) // 8) * 8


class Winograd(Kernel):
    """3x3 filters at stride 1 over int8.

    Attributes:
        transform: Its transform.
    """

    kinds = ("conv_2d",)
    function = "midge_winograd_s8"
    source = "winograd_s8_dsp.h"
    requires = frozenset({"dsp"})
    rank = 25
    by_rule = False
    transform: Transform

    def applies(self, layer: Layer) -> bool:
        """Ungrouped, whole words of input channels, pairs of output channels, sums with room."""
        attributes, x, w = _attributes(layer), layer.input(0), layer.input(1)
        if (x.dtype, w.dtype) != (DType.INT8, DType.INT8) or w.shape[1:3] != (TAPS, TAPS):
            return False
        outputs, channels = w.shape[0], w.shape[3]
        return (
            attributes.stride == attributes.dilation == (1, 1)
            and channels == x.shape[3]
            and channels % 4 == 0
            and channels <= winograd.LARGEST_CHANNELS
            and outputs % 2 == 0
            and outputs <= _LARGEST_OUTPUTS
            and self._plan(layer) is not None
        )

    def _plan(self, layer: Layer) -> Rescale | None:
        attributes = _attributes(layer)
        sums = sums_of(layer, attributes, attributes.activation, channel_axis=0)
        return plan_lifted(sums, self.transform.least_lift)

    def _rescale(self, layer: Layer) -> Rescale:
        rescale = self._plan(layer)
        if rescale is None:
            raise ValueError(f"{layer.op.name}: sums leave no room for Winograd's scale")
        return rescale

    def _geometry(self, layer: Layer) -> _Geometry:
        _, height, width, outputs = layer.output.shape
        return _Geometry(self.transform, layer.input(0).shape[3], height, width, outputs)

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """Gather, transform, multiply."""
        g, rescale = self._geometry(layer), self._rescale(layer)
        return (
            winograd.gather_tile(),
            winograd.transform_tile(self.transform, g.channels, g.pairs),
            winograd.multiply_tile(
                self.transform, g.channels, g.outputs, g.row_bytes, g.pairs, rescale
            ),
        )

    def scratch_bytes(self, layer: Layer) -> int:
        """Records, and a patch of the input or the outputs of tiles larger than the image."""
        return self._geometry(layer).scratch_bytes

    def overlap(self, layer: Layer, index: int) -> int | None:
        """Patches of pairs that are computed at once are copied before an output is written."""
        if index != 0:
            return None
        g, x, pad = self._geometry(layer), layer.input(0), _attributes(layer).pad_before
        m = self.transform.outputs
        batches, in_h, in_w, channels = x.shape
        first_row = np.clip(g.tops - pad[0], 0, in_h - 1)[:, None]
        lowest = (first_row * in_w + np.clip(g.lefts - pad[1], 0, in_w - 1)) * channels
        last_row = np.minimum(g.tops + m, g.height)[:, None] - 1
        ends = (last_row * g.width + np.minimum(g.lefts + 2 * m, g.width)) * g.outputs
        images, together = np.arange(batches)[:, None, None], (-1, g.pairs)
        reads = (images * (in_h * in_w * channels) + lowest).reshape(together).min(axis=1)
        writes = (images * (g.height * g.width * g.outputs) + ends).reshape(together).max(axis=1)
        if reads.size == 1:
            return -x.size_bytes
        # What stands below an output's end must not be needed by later pairs.
        needed = np.minimum.accumulate(reads[::-1])[::-1][1:]
        written = np.maximum.accumulate(writes)[:-1]
        return max(int((written - needed).max()), -x.size_bytes)

    def call(self, layer: Layer, places: Places) -> Call:
        """Filters transformed and streamed."""
        g, x, w = self._geometry(layer), layer.input(0), layer.input(1)
        names = (tile.name for tile in self.tiles(layer))
        bias = weighted.folded_bias(x, w, layer.optional(2), channel_axis=0)
        stream = stream_of(self.transform, np.asarray(w.data, np.int8), bias, self._rescale(layer))
        fields: dict[str, object] = {
            "window": window_fields(x, layer.output, _attributes(layer).window(w)),
            "x_zero": x.zero_point,
            "tile": self.transform.outputs,
            "records_bytes": g.records_bytes,
            "row_bytes": g.row_bytes,
            "pairs": g.pairs,
            "pair_words": winograd.record_bytes(g.channels) // 4,
            "tiles": dict(zip(("gather", "transform", "multiply"), names, strict=True)),
        }
        return Call(
            (places.inputs[0], places.outputs[0], places.constant("stream"), places.scratch),
            "midge_winograd",
            fields,
            (Constant("stream", stream),),
        )


class Winograd4(Winograd):
    """Tiles of 4x4 outputs: a quarter of the multiplications."""

    variant = "winograd4"
    transform = F4


class Winograd2(Winograd):
    """Tiles of 2x2 outputs: four ninths of the multiplications."""

    variant = "winograd2"
    transform = F2


KERNELS = (Winograd2(), Winograd4())
