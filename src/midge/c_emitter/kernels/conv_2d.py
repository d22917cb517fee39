"""Kernels of conv_2d: `conv_2d_s8.h`, `conv_2d_s8_dsp.h`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from midge.c_emitter import overlap, weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places
from midge.c_emitter.windowed import activation_fields, window_fields
from midge.graph.ops.conv_2d import Conv2D


def _attributes(layer: Layer) -> Conv2D:
    attributes = layer.op.attributes
    if not isinstance(attributes, Conv2D):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def _groups(layer: Layer) -> int:
    return layer.input(0).shape[3] // layer.input(1).shape[3]


def _bias(layer: Layer) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return weighted.folded_bias(layer.input(0), layer.input(1), layer.optional(2), channel_axis=0)


class _Conv2D(Kernel):
    kinds = ("conv_2d",)

    def applies(self, layer: Layer) -> bool:
        return _attributes(layer).rounding in weighted.ROUNDINGS

    def _distance(self, layer: Layer, step: int, reads_first: bool) -> int:
        batches, height, width, channels = layer.input(0).shape
        window = _attributes(layer).window(layer.input(1))
        return overlap.sliding(
            window,
            batches,
            (height, width),
            channels,
            layer.output.shape[3],
            step=step,
            reads_first=reads_first,
        )

    def _fields(
        self, layer: Layer, places: Places
    ) -> tuple[dict[str, object], tuple[Constant, ...]]:
        attributes, x, w = _attributes(layer), layer.input(0), layer.input(1)
        narrow = weighted.is_narrow(x, w, layer.optional(2), channel_axis=0)
        factors, constants = weighted.factor_fields(
            attributes.factors(x, w, layer.output), narrow, places
        )
        window: Mapping[str, object] = window_fields(x, layer.output, attributes.window(w))
        fields: dict[str, object] = {"window": window, "x_zero": x.zero_point}
        fields |= activation_fields(layer.output, attributes.activation)
        return {**fields, "factors": factors}, constants


class Conv2DPortable(_Conv2D):
    """One pixel and one output at a time."""

    variant = "portable"
    function = "midge_conv_2d_s8"
    source = "conv_2d_s8.h"

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
        return self._distance(layer, 1, reads_first=copied) if index == 0 else None

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        fields, constants = self._fields(layer, places)
        weights = np.asarray(layer.input(1).data, np.int8).reshape(-1)
        patch = "NULL" if self._is_pointwise(layer) else f"(int8_t *){places.scratch}"
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                places.constant("bias"),
                patch,
            ),
            "midge_conv_2d",
            {"window": fields.pop("window"), "groups": _groups(layer), **fields},
            (Constant("weights", weights), Constant("bias", _bias(layer)), *constants),
        )


class Conv2DDsp(_Conv2D):
    """Two pixels by two outputs, widened to halves."""

    variant = "dsp"
    function = "midge_conv_2d_s8_dsp"
    source = "conv_2d_s8_dsp.h"
    requires = frozenset({"dsp"})

    def applies(self, layer: Layer) -> bool:
        """Ungrouped."""
        return super().applies(layer) and _groups(layer) == 1

    def _taps(self, layer: Layer) -> int:
        return -(-int(np.prod(layer.input(1).shape[1:])) // 4) * 4

    def _in_place(self, layer: Layer) -> bool:
        return layer.input(0).shape[3] % 4 == 0

    def scratch_bytes(self, layer: Layer) -> int:
        """Two widened windows, and one as bytes where it must be gathered first."""
        taps = self._taps(layer)
        return 4 * taps + (0 if self._in_place(layer) else taps)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """Two pixels are widened before they are written."""
        return self._distance(layer, 2, reads_first=True) if index == 0 else None

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights interleaved for pairs of outputs."""
        fields, constants = self._fields(layer, places)
        w = layer.input(1)
        weights = weighted.interleaved_pairs(np.asarray(w.data, np.int8).reshape(w.shape[0], -1))
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                places.constant("bias"),
                f"(uint32_t *)(void *){places.scratch}",
            ),
            "midge_conv_2d_dsp",
            {
                "window": fields.pop("window"),
                "taps": self._taps(layer),
                "in_place": self._in_place(layer),
                **fields,
            },
            (
                Constant("weights", weights),
                Constant("bias", weighted.padded_bias(_bias(layer))),
                *constants,
            ),
        )


KERNELS = (Conv2DPortable(), Conv2DDsp())
