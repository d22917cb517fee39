"""ADD."""

from __future__ import annotations

import tflite

from midge.graph.ops.add import Add
from midge.importers.tflite_ops.operands import Operands, activation
from midge.importers.tflite_ops.registry import Converted, converts


@converts("ADD", Add)
def convert(op: Operands) -> Converted:
    """Read the attributes."""
    options = op.options(tflite.AddOptions)
    return Add(activation=activation(options.FusedActivationFunction())), op.inputs
