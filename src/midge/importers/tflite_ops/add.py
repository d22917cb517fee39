"""ADD."""

from __future__ import annotations

import tflite

from midge.graph import Attributes, Tensor
from midge.graph.ops.add import Add
from midge.importers.tflite_ops.operands import Operands, activation

BUILTIN = "ADD"


def convert(op: Operands) -> tuple[Attributes, tuple[Tensor | None, ...]]:
    """Read the attributes."""
    options = op.options(tflite.AddOptions)
    return Add(activation=activation(options.FusedActivationFunction())), op.inputs
