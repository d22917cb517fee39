"""FULLY_CONNECTED."""

from __future__ import annotations

import tflite

from midge.errors import UnsupportedError
from midge.graph.ops.fully_connected import FullyConnected
from midge.importers.tflite_ops.operands import Operands, activation
from midge.importers.tflite_ops.registry import Converted, converts
from midge.importers.tflite_ops.weighted import optional_bias, sum_rounding, weighted_inputs


@converts("FULLY_CONNECTED", FullyConnected)
def convert(op: Operands) -> Converted:
    """Read the attributes. The output's own shape says how many dimensions are kept."""
    options = op.options(tflite.FullyConnectedOptions)
    if options.WeightsFormat() != 0:
        raise UnsupportedError("shuffled weights are not supported; supported: the default format")
    x, y = op.input(0), op.output()
    keep_dims = len(y.shape) != 2 or (bool(options.KeepNumDims()) and len(x.shape) == 2)
    attributes = FullyConnected(
        keep_dims=keep_dims,
        activation=activation(options.FusedActivationFunction()),
        rounding=sum_rounding(x, optional_bias(op, 2), options),
    )
    return attributes, weighted_inputs(op)
