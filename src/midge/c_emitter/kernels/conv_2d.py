"""Kernels of conv_2d: `conv_2d_s8.h`, `conv_2d_s8_dsp.h`, and for other types `conv_2d_*.h`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from midge.c_emitter import weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places, operands
from midge.c_emitter.packed_channels import PackedChannels
from midge.c_emitter.windowed import (
    activation_fields,
    clamp_fields,
    is_always_inside,
    window_distance,
    window_fields,
)
from midge.graph import DType
from midge.graph.ops.conv_2d import Conv2D


def _attributes(layer: Layer) -> Conv2D:
    attributes = layer.op.attributes
    if not isinstance(attributes, Conv2D):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def _groups(layer: Layer) -> int:
    return layer.input(0).shape[3] // layer.input(1).shape[3]


def _distance(layer: Layer, step: int, reads_first: bool) -> int:
    window = _attributes(layer).window(layer.input(1))
    return window_distance(layer, window, step=step, reads_first=reads_first)


class _Conv2D(weighted.SummingKernel):
    """Of int8 activations.

    Attributes:
        weights: Their type.
    """

    kinds = ("conv_2d",)
    weights = DType.INT8

    def applies(self, layer: Layer) -> bool:
        types = layer.input(0).dtype, layer.input(1).dtype
        rounding = _attributes(layer).rounding
        return types == (DType.INT8, self.weights) and rounding in weighted.SUM_ROUNDINGS

    def _fields(self, layer: Layer) -> dict[str, object]:
        attributes, x, w = _attributes(layer), layer.input(0), layer.input(1)
        window: Mapping[str, object] = window_fields(x, layer.output, attributes.window(w))
        fields: dict[str, object] = {"window": window, "x_zero": x.zero_point}
        return fields | activation_fields(layer.output, attributes.activation)


class Conv2DPortable(_Conv2D):
    """One pixel and one output at a time."""

    variant = "portable"
    function = "midge_conv_2d_s8"
    source = "conv_2d_s8.h"
    struct = "midge_conv_2d"

    def _is_pointwise(self, layer: Layer) -> bool:
        attributes, w = _attributes(layer), layer.input(1)
        unpadded = attributes.pad_before == attributes.pad_after == (0, 0)
        return w.shape[1:3] == (1, 1) and unpadded and _groups(layer) == 1

    def scratch_bytes(self, layer: Layer) -> int:
        """One window of one group, unless it can be read where it stands."""
        _, kernel_h, kernel_w, channels = layer.input(1).shape
        return 0 if self._is_pointwise(layer) else kernel_h * kernel_w * channels

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A pixel is copied before it is written, unless it is read in place or group by group."""
        copied = not self._is_pointwise(layer) and _groups(layer) == 1
        return _distance(layer, 1, reads_first=copied) if index == 0 else None

    def _weights(self, layer: Layer) -> npt.NDArray[np.int8]:
        return np.asarray(layer.input(1).data, np.int8).reshape(-1)

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        fields, channels = self._fields(layer), self._channels(layer, places)
        patch = "NULL" if self._is_pointwise(layer) else f"(int8_t *){places.scratch}"
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                channels.bias,
                patch,
            ),
            self.struct,
            {
                "window": fields.pop("window"),
                "groups": _groups(layer),
                **fields,
                "factors": channels.factors,
            },
            (Constant("weights", self._weights(layer)), *channels.constants),
        )


class Conv2DPacked(PackedChannels, Conv2DPortable):
    """The same with biases and factors in few bits."""

    variant = "portable_packed"
    rank = 5


class Conv2DInt4(Conv2DPortable):
    """Weights of four bits, taken apart as they are read."""

    variant = "int4"
    function = "midge_conv_2d_s8_s4"
    source = "conv_2d_s8_s4.h"
    struct = "midge_conv_2d_s8_s4"
    weights = DType.INT4

    def _weights(self, layer: Layer) -> npt.NDArray[np.int8]:
        w = layer.input(1)
        return weighted.packed_int4(np.asarray(w.data, np.int8).reshape(w.shape[0], -1))


class Conv2DDsp(_Conv2D):
    """Two pixels by two outputs, widened to halves."""

    variant = "dsp"
    function = "midge_conv_2d_s8_dsp"
    source = "conv_2d_s8_dsp.h"
    struct = "midge_conv_2d_dsp"
    requires = frozenset({"dsp"})
    rank = 10
    in_pairs = True
    taps_a_word = 4

    def applies(self, layer: Layer) -> bool:
        """Ungrouped."""
        return super().applies(layer) and _groups(layer) == 1

    def _taps(self, layer: Layer) -> int:
        taps = int(np.prod(layer.input(1).shape[1:]))
        return -(-taps // self.taps_a_word) * self.taps_a_word

    def _packed(
        self, rows: npt.NDArray[np.int8]
    ) -> tuple[npt.NDArray[np.generic], dict[str, object]]:
        """The weights as they stand in flash, and fields that go with them."""
        return weighted.interleaved_pairs(rows), {}

    def _in_place(self, layer: Layer) -> bool:
        return layer.input(0).shape[3] % 4 == 0

    def scratch_bytes(self, layer: Layer) -> int:
        """Two widened windows, and one as bytes where it must be gathered first."""
        taps = self._taps(layer)
        return 4 * taps + (0 if self._in_place(layer) else taps)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """Two pixels are widened before they are written."""
        return _distance(layer, 2, reads_first=True) if index == 0 else None

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights interleaved for pairs of outputs."""
        fields, channels = self._fields(layer), self._channels(layer, places)
        w = layer.input(1)
        weights, more = self._packed(np.asarray(w.data, np.int8).reshape(w.shape[0], -1))
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                channels.bias,
                f"(uint32_t *)(void *){places.scratch}",
            ),
            self.struct,
            {
                "window": fields.pop("window"),
                "taps": self._taps(layer),
                "in_place": self._in_place(layer),
                **more,
                **fields,
                "factors": channels.factors,
            },
            (Constant("weights", weights), *channels.constants),
        )


class Conv2DDspPacked(PackedChannels, Conv2DDsp):
    """The same with biases and factors in few bits."""

    variant = "dsp_packed"
    rank = 15


class Conv2DInt4Dsp(Conv2DDsp):
    """The same with weights of four bits, which stand eight to a word."""

    variant = "int4_dsp"
    function = "midge_conv_2d_s8_s4_dsp"
    source = "conv_2d_s8_s4_dsp.h"
    struct = "midge_conv_2d_s8_s4_dsp"
    weights = DType.INT4
    taps_a_word = 8

    def _packed(
        self, rows: npt.NDArray[np.int8]
    ) -> tuple[npt.NDArray[np.generic], dict[str, object]]:
        fields: dict[str, object] = {"block": weighted.int4_block(rows)}
        return weighted.interleaved_int4_pairs(rows), fields


class _Sparing(Kernel):
    """One pixel and one output at a time, without scratch: taps outside the image are left out."""

    kinds = ("conv_2d",)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A pixel is written while its window is read."""
        return _distance(layer, 1, reads_first=False) if index == 0 else None

    def _fields(self, layer: Layer) -> dict[str, object]:
        x, window = layer.input(0), _attributes(layer).window(layer.input(1))
        return {
            "window": window_fields(x, layer.output, window),
            "groups": _groups(layer),
            "inside": is_always_inside(x, window),
        }


class Conv2DInt16(_Sparing):
    """int16 activations, int8 weights."""

    types = (DType.INT16,)
    function = "midge_conv_2d_s16"
    source = "conv_2d_s16.h"

    def applies(self, layer: Layer) -> bool:
        """Sums of 64 bits, or of 32 as TFLite Micro rounds them."""
        attributes = _attributes(layer)
        return layer.input(0).dtype is DType.INT16 and weighted.has_rounding_s16(attributes)

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        attributes, x, w = _attributes(layer), layer.input(0), layer.input(1)
        factors = attributes.factors(x, w, layer.output)
        sums, constants = weighted.sums_s16_fields(layer, factors, attributes.activation, places)
        weights = Constant("weights", np.asarray(w.data, np.int8).reshape(-1))
        return Call(
            (places.inputs[0], places.outputs[0], places.constant("weights")),
            "midge_conv_2d_s16",
            {**self._fields(layer), "sums": sums},
            (weights, *constants),
        )


class Conv2DFloat(_Sparing):
    """float32, summed in the order of the weights."""

    types = (DType.FLOAT32,)
    function = "midge_conv_2d_f32"
    source = "conv_2d_f32.h"

    def applies(self, layer: Layer) -> bool:
        """Any window and groups."""
        return layer.input(0).dtype is DType.FLOAT32

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        (x, *rest), constants = operands(layer, places, ("x", "weights", "bias"))
        weights, bias = (*rest, "NULL")[:2]
        clamp = clamp_fields(layer.output, _attributes(layer).activation)
        return Call(
            (x, places.outputs[0], weights, bias),
            "midge_conv_2d_f32",
            {**self._fields(layer), **clamp},
            constants,
        )


KERNELS = (
    Conv2DPortable(),
    Conv2DPacked(),
    Conv2DInt4(),
    Conv2DDsp(),
    Conv2DDspPacked(),
    Conv2DInt4Dsp(),
    Conv2DInt16(),
    Conv2DFloat(),
)
