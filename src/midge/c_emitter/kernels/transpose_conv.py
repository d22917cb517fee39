"""Kernels of transpose_conv: `transpose_conv_s8.h`, `_s16.h`, `_f32.h`."""

from __future__ import annotations

import numpy as np

from midge.c_emitter import weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places, operands
from midge.c_emitter.windowed import activation_fields, clamp_fields
from midge.graph import DType
from midge.graph.ops.transpose_conv import TransposeConv


def _attributes(layer: Layer) -> TransposeConv:
    attributes = layer.op.attributes
    if not isinstance(attributes, TransposeConv):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def _window_fields(layer: Layer) -> dict[str, object]:
    """``struct midge_transpose_window``."""
    attributes = _attributes(layer)
    batches, in_h, in_w, in_c = layer.input(0).shape
    out_c, kernel_h, kernel_w, _ = layer.input(1).shape
    return {
        "batches": batches,
        "in_h": in_h,
        "in_w": in_w,
        "in_c": in_c,
        "out_h": attributes.extent[0],
        "out_w": attributes.extent[1],
        "out_c": out_c,
        "kernel_h": kernel_h,
        "kernel_w": kernel_w,
        "stride_h": attributes.stride[0],
        "stride_w": attributes.stride[1],
        "pad_top": attributes.pad_before[0],
        "pad_left": attributes.pad_before[1],
    }


class TransposeConvInt8(Kernel):
    """int8, one output at a time."""

    kinds = ("transpose_conv",)
    function = "midge_transpose_conv_s8"
    source = "transpose_conv_s8.h"

    def applies(self, layer: Layer) -> bool:
        """Any stride and padding."""
        return _attributes(layer).rounding in weighted.SUM_ROUNDINGS

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph; the zero point is taken off each input."""
        attributes, x, w, b = (
            _attributes(layer),
            layer.input(0),
            layer.input(1),
            layer.optional(2),
        )
        factors, constants = weighted.factor_fields(
            attributes.factors(x, w, layer.output), weighted.is_narrow(x, w, b, 0), places
        )
        bias = np.zeros(w.shape[0], np.int32) if b is None else np.asarray(b.data, np.int32)
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                places.constant("bias"),
            ),
            "midge_transpose_conv_s8",
            {
                "window": _window_fields(layer),
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


class TransposeConvInt16(Kernel):
    """int16 activations, int8 weights, one output at a time."""

    kinds = ("transpose_conv",)
    types = (DType.INT16,)
    function = "midge_transpose_conv_s16"
    source = "transpose_conv_s16.h"

    def applies(self, layer: Layer) -> bool:
        """Sums of 64 bits, or of 32 as TFLite Micro rounds them."""
        return weighted.has_rounding_s16(_attributes(layer))

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        attributes, x, w = _attributes(layer), layer.input(0), layer.input(1)
        factors = attributes.factors(x, w, layer.output)
        sums, constants = weighted.sums_s16_fields(layer, factors, attributes.activation, places)
        weights = Constant("weights", np.asarray(w.data, np.int8).reshape(-1))
        return Call(
            (places.inputs[0], places.outputs[0], places.constant("weights")),
            "midge_transpose_conv_s16",
            {"window": _window_fields(layer), "sums": sums},
            (weights, *constants),
        )


class TransposeConvFloat(Kernel):
    """float32, one output at a time."""

    kinds = ("transpose_conv",)
    types = (DType.FLOAT32,)
    function = "midge_transpose_conv_f32"
    source = "transpose_conv_f32.h"

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        (x, *rest), constants = operands(layer, places, ("x", "weights", "bias"))
        weights, bias = (*rest, "NULL")[:2]
        clamp = clamp_fields(layer.output, _attributes(layer).activation)
        return Call(
            (x, places.outputs[0], weights, bias),
            "midge_transpose_conv_f32",
            {"window": _window_fields(layer), **clamp},
            constants,
        )


KERNELS = (TransposeConvInt8(), TransposeConvInt16(), TransposeConvFloat())
