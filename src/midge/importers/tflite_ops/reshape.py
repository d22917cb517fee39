"""RESHAPE."""

from __future__ import annotations

from midge.graph.ops.reshape import Reshape
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts


@converts("RESHAPE", Reshape)
def convert(op: Operands) -> Converted:
    """The output's own shape counts, as in TFLite Micro; the shape input is dropped."""
    return Reshape(shape=op.output().shape), (op.input(0),)
