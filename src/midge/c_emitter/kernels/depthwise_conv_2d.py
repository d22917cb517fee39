"""Kernels of depthwise_conv_2d: `depthwise_conv_2d_s8.h`, `depthwise_conv_2d_s8_dsp.h`.

For other types `depthwise_conv_2d_*.h`.
"""

from __future__ import annotations

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
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D


def _attributes(layer: Layer) -> DepthwiseConv2D:
    attributes = layer.op.attributes
    if not isinstance(attributes, DepthwiseConv2D):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


class _Depthwise(Kernel):
    """A pixel at a time."""

    kinds = ("depthwise_conv_2d",)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A pixel is written while its window is read."""
        window = _attributes(layer).window(layer.input(1))
        return window_distance(layer, window, reads_first=False) if index == 0 else None


class DepthwisePortable(weighted.SummingKernel, _Depthwise):
    """One channel at a time, through offsets of the taps.

    Attributes:
        struct: Its parameters.
        weights: Their type.
    """

    variant = "portable"
    function = "midge_depthwise_conv_2d_s8"
    source = "depthwise_conv_2d_s8.h"
    struct = "midge_depthwise_conv_2d"
    channel_axis = 3
    weights = DType.INT8

    def applies(self, layer: Layer) -> bool:
        """Any window and multiplier."""
        types = layer.input(0).dtype, layer.input(1).dtype
        rounding = _attributes(layer).rounding
        return types == (DType.INT8, self.weights) and rounding in weighted.SUM_ROUNDINGS

    def _offset_bytes(self, layer: Layer) -> int:
        _, kernel_h, kernel_w, _ = layer.input(1).shape
        return 4 * kernel_h * kernel_w

    def scratch_bytes(self, layer: Layer) -> int:
        """An offset for every tap, and a pixel of zero points."""
        return self._offset_bytes(layer) + layer.input(0).shape[3]

    def _weights(self, layer: Layer) -> npt.NDArray[np.int8]:
        """Taps by channels, as they stand in the graph."""
        return np.asarray(layer.input(1).data, np.int8).reshape(-1)

    def call(self, layer: Layer, places: Places) -> Call:
        """Bias with the zero point of the input folded in."""
        attributes, x, w = _attributes(layer), layer.input(0), layer.input(1)
        channels, scratch = self._channels(layer, places), places.scratch
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                channels.bias,
                f"(int32_t *)(void *){scratch}",
                f"(int8_t *)({scratch} + {self._offset_bytes(layer)})",
            ),
            self.struct,
            {
                "window": window_fields(x, layer.output, attributes.window(w)),
                "x_zero": x.zero_point,
                **activation_fields(layer.output, attributes.activation),
                "factors": channels.factors,
            },
            (Constant("weights", self._weights(layer)), *channels.constants),
        )


class DepthwisePacked(PackedChannels, DepthwisePortable):
    """The same with biases and factors in few bits."""

    variant = "portable_packed"
    rank = 5


class DepthwiseDsp(DepthwisePortable):
    """Four channels at a time."""

    variant = "dsp"
    function = "midge_depthwise_conv_2d_s8_dsp"
    source = "depthwise_conv_2d_s8_dsp.h"
    struct = "midge_depthwise_conv_2d_dsp"
    requires = frozenset({"dsp"})
    rank = 10

    def applies(self, layer: Layer) -> bool:
        """Channels in fours, one output each."""
        channels = layer.input(0).shape[3]
        return super().applies(layer) and channels % 4 == 0 and layer.output.shape[3] == channels


class DepthwiseDspPacked(PackedChannels, DepthwiseDsp):
    """The same with biases and factors in few bits."""

    variant = "dsp_packed"
    rank = 15


class DepthwiseInt4(DepthwisePortable):
    """Weights of four bits, taken apart as they are read."""

    variant = "int4"
    function = "midge_depthwise_conv_2d_s8_s4"
    source = "depthwise_conv_2d_s8_s4.h"
    struct = "midge_depthwise_conv_2d_s8_s4"
    weights = DType.INT4

    def _weights(self, layer: Layer) -> npt.NDArray[np.int8]:
        """Channels by taps."""
        w = layer.input(1)
        return weighted.packed_int4(np.asarray(w.data, np.int8).reshape(-1, w.shape[3]).T)


class _Sparing(_Depthwise):
    """One channel at a time, without scratch: taps outside the image are left out."""

    def _fields(self, layer: Layer) -> dict[str, object]:
        x, window = layer.input(0), _attributes(layer).window(layer.input(1))
        return {
            "window": window_fields(x, layer.output, window),
            "inside": is_always_inside(x, window),
        }


class DepthwiseInt16(_Sparing):
    """int16 activations, int8 weights."""

    types = (DType.INT16,)
    function = "midge_depthwise_conv_2d_s16"
    source = "depthwise_conv_2d_s16.h"

    def applies(self, layer: Layer) -> bool:
        """Sums of 64 bits, or of 32 as TFLite Micro rounds them."""
        attributes = _attributes(layer)
        return layer.input(0).dtype is DType.INT16 and weighted.has_rounding_s16(attributes)

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        attributes, x, w = _attributes(layer), layer.input(0), layer.input(1)
        sums, constants = weighted.sums_s16_fields(
            layer, attributes.factors(x, w, layer.output), attributes.activation, places, 3
        )
        weights = Constant("weights", np.asarray(w.data, np.int8).reshape(-1))
        return Call(
            (places.inputs[0], places.outputs[0], places.constant("weights")),
            "midge_depthwise_conv_2d_s16",
            {**self._fields(layer), "sums": sums},
            (weights, *constants),
        )


class DepthwiseFloat(_Sparing):
    """float32, summed in the order of the weights."""

    types = (DType.FLOAT32,)
    function = "midge_depthwise_conv_2d_f32"
    source = "depthwise_conv_2d_f32.h"

    def applies(self, layer: Layer) -> bool:
        """Any window and multiplier."""
        return layer.input(0).dtype is DType.FLOAT32

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        (x, *rest), constants = operands(layer, places, ("x", "weights", "bias"))
        weights, bias = (*rest, "NULL")[:2]
        clamp = clamp_fields(layer.output, _attributes(layer).activation)
        return Call(
            (x, places.outputs[0], weights, bias),
            "midge_depthwise_conv_2d_f32",
            {**self._fields(layer), **clamp},
            constants,
        )


KERNELS = (
    DepthwisePortable(),
    DepthwisePacked(),
    DepthwiseInt4(),
    DepthwiseDsp(),
    DepthwiseDspPacked(),
    DepthwiseInt16(),
    DepthwiseFloat(),
)
