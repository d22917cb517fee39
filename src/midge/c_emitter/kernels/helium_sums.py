"""Kernels of conv_2d and fully_connected with Helium: `conv_2d_s8_mve.h`.

A sum takes 16 products an instruction (VMLADAVA), so 16 taps of an output stand together; sums are
rescaled four at a time.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from midge.c_emitter import weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places, TileFunction
from midge.c_emitter.tiles.helium import LANES, WindowsTile
from midge.c_emitter.tiles.helium_resident import StripTile, strip_rescales
from midge.c_emitter.windowed import (
    activation_fields,
    is_always_inside,
    window_distance,
    window_fields,
)
from midge.graph import Array, DType, Rounding
from midge.graph.accumulate import weights_zero
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.requantize import Requantization, activation_range
from midge.graph.window import Window

BLOCK = 4
"""Outputs whose sums are rescaled together."""
_STRIP = 16
"""Windows of a strip; each takes a vector of scratch."""
_Sums = Conv2D | DepthwiseConv2D | FullyConnected
_Shape = tuple[int, ...]


class HeliumSums(Kernel):
    """int8 activations and weights, as sums that `rescale_mve.h` rescales."""

    variant = "helium"
    requires = frozenset({"mve"})
    rank = 30

    def applies(self, layer: Layer) -> bool:
        """Double rounding of any sum, single rounding of narrow ones."""
        x, w = layer.input(0), layer.input(1)
        if (x.dtype, w.dtype) != (DType.INT8, DType.INT8) or weights_zero(w) != 0:
            return False
        rounding = sums_of(layer).rounding
        return rounding is Rounding.TFLITE_DOUBLE or (
            rounding is Rounding.SINGLE and bool(self.rescaling(layer)[0]["narrow"])
        )

    def rescaling(self, layer: Layer) -> tuple[dict[str, object], npt.NDArray[np.int32]]:
        """``struct midge_rescale_mve`` and its records, [blocks, words]."""
        x, w, b = layer.input(0), layer.input(1), layer.optional(2)
        attributes = sums_of(layer)
        channel_axis = 3 if isinstance(attributes, DepthwiseConv2D) else 0
        fields, words = rescale_records(
            attributes.factors(x, w, layer.output),
            weighted.folded_bias(x, w, b, channel_axis),
            narrow=weighted.is_narrow(x, w, b, channel_axis),
        )
        low, _ = activation_range(layer.output, attributes.activation)
        fields |= activation_fields(layer.output, attributes.activation)
        return {**fields, "is_tie_seen": low < layer.output.zero_point}, words


def sums_of(layer: Layer) -> _Sums:
    """The attributes of the layer's operator."""
    attributes = layer.op.attributes
    if not isinstance(attributes, _Sums):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def window_of(layer: Layer) -> Window:
    """The window of a convolution."""
    attributes = sums_of(layer)
    if isinstance(attributes, FullyConnected):
        raise TypeError(f"{layer.op.name} has no window")
    return attributes.window(layer.input(1))


def rescale_records(
    factors: Requantization, bias: npt.NDArray[np.int32], *, narrow: bool
) -> tuple[dict[str, object], npt.NDArray[np.int32]]:
    """What `rescale_mve.h` multiplies and shifts by, and the words of its records.

    Args:
        factors: One, or one an output.
        bias: int32 [outputs].
        narrow: No sum reaches 2**30.

    Returns:
        Fields of ``struct midge_rescale_mve`` without zero point and clamp; int32 [blocks, words].
    """
    multiplier = np.broadcast_to(factors.multiplier, bias.shape)
    # Whatever is multiplied by 0 may be shifted as suits.
    shift = np.where(multiplier == 0, -1, np.broadcast_to(factors.shift, bias.shape))
    has_multipliers = bool((multiplier != multiplier[0]).any())
    has_shifts = bool((shift != shift[0]).any())
    fill = (0, -bias.size % BLOCK)
    parts = [np.pad(bias, fill).reshape(-1, BLOCK)]
    if has_multipliers:
        parts.append(np.pad(multiplier, fill).reshape(-1, BLOCK))
    if has_shifts:
        bytes_of = np.pad(shift.astype(np.int8), fill).reshape(-1, BLOCK)
        parts.append(bytes_of.view("<i4"))
    words = np.concatenate(parts, axis=1).astype(np.int32)
    fields: dict[str, object] = {
        "words": words.shape[1],
        "one_multiplier": int(multiplier[0]),
        "one_shift": int(shift[0]),
        "has_multipliers": has_multipliers,
        "has_shifts": has_shifts,
        "is_double": factors.rounding is Rounding.TFLITE_DOUBLE,
        "narrow": narrow and bool(shift.max() < 0),
        "wide": not narrow or bool(shift.max() > 0),
        "shifts_left": bool(shift.max() > 0),
    }
    return fields, words


def blocks_of_outputs(rows: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Rows [outputs, taps]: for each four outputs, for each 16 taps, those of each output.

    Outputs are filled up to a multiple of 4 with zeros. The last taps of an output may be fewer
    than 16. Returns [blocks, 4 * taps].
    """
    outputs, taps = rows.shape
    blocks = np.pad(rows, ((0, -outputs % BLOCK), (0, 0))).reshape(-1, BLOCK, taps)
    whole, rest = taps // LANES * LANES, taps % LANES
    count = len(blocks)
    main = blocks[:, :, :whole].reshape(count, BLOCK, whole // LANES, LANES).transpose(0, 2, 1, 3)
    parts = main.reshape(count, BLOCK * whole), blocks[:, :, whole:].reshape(count, BLOCK * rest)
    return np.concatenate(parts, axis=1)


class HeliumWindows(HeliumSums):
    """Sums of windows, whatever the operator: weights in blocks of four outputs.

    A row of fully_connected is a window of one pixel; a depthwise convolution of one channel into
    many is a convolution.
    """

    kinds = ("conv_2d", "fully_connected", "depthwise_conv_2d")
    function = "midge_conv_2d_s8_mve"
    source = "conv_2d_s8_mve.h"

    def applies(self, layer: Layer) -> bool:
        """Ungrouped."""
        channels = layer.input(0).shape[-1]
        if layer.op.kind == "conv_2d" and channels != layer.input(1).shape[3]:
            return False
        if layer.op.kind == "depthwise_conv_2d" and not channels == 1 < layer.output.shape[3]:
            return False
        return super().applies(layer)

    def image(self, layer: Layer) -> Layer:
        """The layer with an image [n, h, w, c] and weights [outputs, kernel_h, kernel_w, c]."""
        weights = np.asarray(layer.input(1).data)
        if layer.op.kind == "depthwise_conv_2d":
            shapes = layer.input(0).shape, layer.output.shape
            return _with_shapes(layer, shapes[0], weights.transpose(3, 1, 2, 0), shapes[1])
        if layer.op.kind == "fully_connected":
            outputs, features = weights.shape
            rows = layer.output.size // outputs
            shaped = weights.reshape(outputs, 1, 1, features)
            return _with_shapes(layer, (1, 1, rows, features), shaped, (1, 1, rows, outputs))
        return layer

    def window(self, layer: Layer) -> Window:
        """What an output pixel reads of the image."""
        return Window((1, 1)) if layer.op.kind == "fully_connected" else window_of(layer)

    def step(self, layer: Layer) -> int:  # noqa: ARG002 - the plain kernel's
        """Windows at a time."""
        return 1

    def count(self, layer: Layer) -> int:
        """Windows in an image."""
        return math.prod(self.image(layer).output.shape[1:3])

    def in_place(self, layer: Layer) -> bool:
        """A window is one pixel."""
        window = self.window(layer)
        return window.kernel == (1, 1) and window.pad_before == window.pad_after == (0, 0)

    def taps(self, layer: Layer) -> int:
        """Of a window."""
        return int(np.prod(self.image(layer).input(1).shape[1:]))

    def scratch_bytes(self, layer: Layer) -> int:
        """Windows filled up to whole vectors, unless they can be read where they stand."""
        padded = -(-self.taps(layer) // LANES) * LANES
        return 0 if self.in_place(layer) else self.step(layer) * padded

    def overlap(self, layer: Layer, index: int) -> int | None:
        """Windows are copied before their outputs are written, unless they are read in place."""
        if index != 0:
            return None
        window, copied = self.window(layer), not self.in_place(layer)
        return window_distance(self.image(layer), window, step=self.step(layer), reads_first=copied)

    def blocks(self, layer: Layer) -> npt.NDArray[np.int8]:
        """Weights [blocks, 4 * taps]."""
        w = self.image(layer).input(1)
        return blocks_of_outputs(np.asarray(w.data, np.int8).reshape(w.shape[0], -1))

    def geometry(self, layer: Layer) -> dict[str, object]:
        """Fields that every kernel of windows has."""
        image = self.image(layer)
        return {
            "window": window_fields(image.input(0), image.output, self.window(layer)),
            "inside": is_always_inside(image.input(0), self.window(layer)),
            "x_zero": image.input(0).zero_point,
        }

    def patch(self, layer: Layer, places: Places) -> str:
        """Where windows are copied to."""
        return "NULL" if self.in_place(layer) else f"(int8_t *){places.scratch}"

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights, and the records beside them."""
        factors, records = self.rescaling(layer)
        weights = np.pad(self.blocks(layer).reshape(-1), (0, -self.taps(layer) % LANES))
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                places.constant("records"),
                self.patch(layer, places),
            ),
            "midge_conv_2d_mve",
            {**self.geometry(layer), "in_place": self.in_place(layer), "factors": factors},
            (Constant("weights", weights), Constant("records", records.reshape(-1))),
        )


def _with_shapes(layer: Layer, x: _Shape, weights: Array, y: _Shape) -> Layer:
    w = replace(layer.input(1), shape=weights.shape, data=weights)
    inputs = replace(layer.input(0), shape=x), w, *layer.inputs[2:]
    return replace(layer, inputs=inputs, outputs=(replace(layer.output, shape=y),))


class HeliumTiles(HeliumWindows):
    """Two windows and four outputs at a time, by generated tiles."""

    variant = "helium_tiles"
    rank = 35
    function = "midge_windows_s8_mve"
    source = "windows_s8_mve.h"

    def step(self, layer: Layer) -> int:
        """A pair."""
        return min(self.count(layer), 2)

    def in_place(self, layer: Layer) -> bool:
        """A window is one pixel, and that whole vectors."""
        return super().in_place(layer) and self.taps(layer) % LANES == 0

    def _tiles(self, layer: Layer) -> tuple[WindowsTile, ...]:
        """Of pairs, and of the last window where their number is odd."""
        factors, _ = self.rescaling(layer)
        count = self.count(layer)
        windows = ((2,) if count > 1 else ()) + ((1,) if count % 2 else ())
        outputs = layer.output.shape[-1]
        return tuple(WindowsTile(n, self.taps(layer), outputs, factors) for n in windows)

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """Of pairs, and of a single window."""
        return tuple(tile.function() for tile in self._tiles(layer))

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights and records in one stream."""
        names = {tile.windows: tile.name for tile in self._tiles(layer)}
        fields = {
            "in_place": self.in_place(layer),
            "pair": names.get(2, "NULL"),
            "single": names.get(1, "NULL"),
        }
        return self.stream_call(layer, places, "midge_windows_mve", fields)

    def stream_call(
        self, layer: Layer, places: Places, struct: str, fields: dict[str, object]
    ) -> Call:
        """For each four outputs their weights, then their record."""
        _, records = self.rescaling(layer)
        stream = np.concatenate([self.blocks(layer), records.view(np.int8)], axis=1).reshape(-1)
        # The last weights are read as a whole vector.
        fill = max(-self.taps(layer) % LANES - records.shape[1] * 4, 0)
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("stream"),
                self.patch(layer, places),
            ),
            struct,
            {**self.geometry(layer), **fields},
            (Constant("stream", np.pad(stream, (0, fill))),),
        )


class HeliumStrips(HeliumTiles):
    """Many windows of up to 16 taps at a time, while the weights of four outputs stay."""

    variant = "helium_strips"
    rank = 36
    function = "midge_strip_s8_mve"

    def step(self, layer: Layer) -> int:
        """A strip."""
        return min(self.count(layer), _STRIP)

    def in_place(self, layer: Layer) -> bool:  # noqa: ARG002 - never
        """Windows stand in vectors of their own."""
        return False

    def applies(self, layer: Layer) -> bool:
        """Some windows, and a clamp to int8 as a whole."""
        if not super().applies(layer) or self.taps(layer) > LANES or self.count(layer) < 8:
            return False
        return strip_rescales(self.rescaling(layer)[0])

    def _tile(self, layer: Layer) -> StripTile:
        return StripTile(layer.output.shape[-1], self.rescaling(layer)[0])

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """One."""
        return (self._tile(layer).function(),)

    def blocks(self, layer: Layer) -> npt.NDArray[np.int8]:
        """Filled up to whole vectors."""
        w = self.image(layer).input(1)
        rows = np.asarray(w.data, np.int8).reshape(w.shape[0], -1)
        return blocks_of_outputs(np.pad(rows, ((0, 0), (0, LANES - rows.shape[1]))))

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights and records in one stream."""
        fields = {"length": self.step(layer), "tile": self._tile(layer).name}
        return self.stream_call(layer, places, "midge_strip_mve", fields)


KERNELS = (HeliumWindows(), HeliumTiles(), HeliumStrips())
