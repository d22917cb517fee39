"""DEPTHWISE_CONV_2D."""

from __future__ import annotations

import tflite

from midge.errors import UserError
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.importers.tflite_ops.operands import Operands, activation, image_extent, padding
from midge.importers.tflite_ops.registry import Converted, converts
from midge.importers.tflite_ops.weighted import long_sum_rounding, weighted_inputs


@converts("DEPTHWISE_CONV_2D", DepthwiseConv2D)
def convert(op: Operands) -> Converted:
    """Read the attributes; padding becomes explicit, the multiplier follows from the shapes."""
    options = op.options(tflite.DepthwiseConv2DOptions)
    stride = options.StrideH(), options.StrideW()
    dilation = options.DilationHFactor(), options.DilationWFactor()
    x, w = op.input(0), op.input(1)
    before, after = padding(options.Padding(), image_extent(x), image_extent(w), stride, dilation)
    # 0 stands for "as the shapes say" in files of newer converters.
    if options.DepthMultiplier() not in (0, w.shape[3] // max(x.shape[3], 1)):
        raise UserError(
            f"depth multiplier {options.DepthMultiplier()} does not take {x.shape[3]} channels "
            f"to the {w.shape[3]} of {w.name}"
        )
    attributes = DepthwiseConv2D(
        stride=stride,
        dilation=dilation,
        pad_before=before,
        pad_after=after,
        activation=activation(options.FusedActivationFunction()),
        rounding=long_sum_rounding(x),
    )
    return attributes, weighted_inputs(op)
