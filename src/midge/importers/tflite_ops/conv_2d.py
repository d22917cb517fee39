"""CONV_2D."""

from __future__ import annotations

import tflite

from midge.graph.ops.conv_2d import Conv2D
from midge.importers.tflite_ops.operands import Operands, activation, image_extent, padding
from midge.importers.tflite_ops.registry import Converted, converts
from midge.importers.tflite_ops.weighted import optional_bias, sum_rounding, weighted_inputs


@converts("CONV_2D", Conv2D)
def convert(op: Operands) -> Converted:
    """Read the attributes; padding becomes explicit."""
    options = op.options(tflite.Conv2DOptions)
    stride = options.StrideH(), options.StrideW()
    dilation = options.DilationHFactor(), options.DilationWFactor()
    x, w = op.input(0), op.input(1)
    before, after = padding(options.Padding(), image_extent(x), image_extent(w), stride, dilation)
    attributes = Conv2D(
        stride=stride,
        dilation=dilation,
        pad_before=before,
        pad_after=after,
        activation=activation(options.FusedActivationFunction()),
        rounding=sum_rounding(x, optional_bias(op, 2), options),
    )
    return attributes, weighted_inputs(op)
