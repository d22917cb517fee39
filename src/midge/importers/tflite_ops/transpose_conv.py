"""TRANSPOSE_CONV."""

from __future__ import annotations

import tflite

from midge.errors import UserError
from midge.graph.ops.transpose_conv import TransposeConv
from midge.importers.tflite_ops.operands import Operands, activation, image_extent, padding
from midge.importers.tflite_ops.registry import Converted, converts
from midge.importers.tflite_ops.weighted import long_sum_rounding, optional_bias


@converts("TRANSPOSE_CONV", TransposeConv)
def convert(op: Operands) -> Converted:
    """Padding, which is that of the convolution from the output to the input, becomes explicit."""
    options = op.options(tflite.TransposeConvOptions)
    weights, x, y = op.input(1), op.input(2), op.output()
    shape = op.constant(0).reshape(-1).tolist()
    if shape != list(y.shape):
        raise UserError(
            f"output shape {shape} is not that of {y.name}, {list(y.shape)}; make them equal"
        )
    extent, kernel = image_extent(y), image_extent(weights)
    stride = options.StrideH(), options.StrideW()
    before, _ = padding(options.Padding(), extent, kernel, stride, (1, 1))
    if options.Padding() == tflite.Padding.VALID and (
        kernel[0] > extent[0] or kernel[1] > extent[1]
    ):
        raise UserError(f"an output of {extent} pixels has no room for VALID windows of {kernel}")
    attributes = TransposeConv(
        extent=extent,
        stride=stride,
        pad_before=before,
        activation=activation(options.FusedActivationFunction()),
        rounding=long_sum_rounding(x),
    )
    return attributes, (x, weights, optional_bias(op, 3), *op.inputs[4:])
