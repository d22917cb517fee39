"""Kernels of depthwise_conv_2d: `depthwise_conv_2d_s8.h`, `depthwise_conv_2d_s8_dsp.h`."""

from __future__ import annotations

import numpy as np

from midge.c_emitter import overlap, weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places
from midge.c_emitter.windowed import activation_fields, window_fields
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D


def _attributes(layer: Layer) -> DepthwiseConv2D:
    attributes = layer.op.attributes
    if not isinstance(attributes, DepthwiseConv2D):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


class DepthwisePortable(Kernel):
    """One channel at a time, through offsets of the taps."""

    kinds = ("depthwise_conv_2d",)
    variant = "portable"
    function = "midge_depthwise_conv_2d_s8"
    source = "depthwise_conv_2d_s8.h"
    struct = "midge_depthwise_conv_2d"

    def applies(self, layer: Layer) -> bool:
        """Any window and multiplier."""
        return _attributes(layer).rounding in weighted.ROUNDINGS

    def _offset_bytes(self, layer: Layer) -> int:
        _, kernel_h, kernel_w, _ = layer.input(1).shape
        return 4 * kernel_h * kernel_w

    def scratch_bytes(self, layer: Layer) -> int:
        """An offset for every tap, and a pixel of zero points."""
        return self._offset_bytes(layer) + layer.input(0).shape[3]

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A pixel is written while its window is read."""
        if index != 0:
            return None
        batches, height, width, channels = layer.input(0).shape
        window = _attributes(layer).window(layer.input(1))
        out_c = layer.output.shape[3]
        return overlap.sliding(
            window, batches, (height, width), channels, out_c, step=1, reads_first=False
        )

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph: taps by channels."""
        attributes, x, w = _attributes(layer), layer.input(0), layer.input(1)
        narrow = weighted.is_narrow(x, w, layer.optional(2), channel_axis=3)
        factors, constants = weighted.factor_fields(
            attributes.factors(x, w, layer.output), narrow, places
        )
        bias = weighted.folded_bias(x, w, layer.optional(2), channel_axis=3)
        scratch = places.scratch
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                places.constant("bias"),
                f"(int32_t *)(void *){scratch}",
                f"(int8_t *)({scratch} + {self._offset_bytes(layer)})",
            ),
            self.struct,
            {
                "window": window_fields(x, layer.output, attributes.window(w)),
                "x_zero": x.zero_point,
                **activation_fields(layer.output, attributes.activation),
                "factors": factors,
            },
            (
                Constant("weights", np.asarray(w.data, np.int8).reshape(-1)),
                Constant("bias", bias),
                *constants,
            ),
        )


class DepthwiseDsp(DepthwisePortable):
    """Four channels at a time."""

    variant = "dsp"
    function = "midge_depthwise_conv_2d_s8_dsp"
    source = "depthwise_conv_2d_s8_dsp.h"
    struct = "midge_depthwise_conv_2d_dsp"
    requires = frozenset({"dsp"})

    def applies(self, layer: Layer) -> bool:
        """Channels in fours, one output each."""
        channels = layer.input(0).shape[3]
        return super().applies(layer) and channels % 4 == 0 and layer.output.shape[3] == channels


KERNELS = (DepthwisePortable(), DepthwiseDsp())
