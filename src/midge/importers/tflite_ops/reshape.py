"""RESHAPE."""

from __future__ import annotations

from midge.graph import Attributes, Tensor
from midge.graph.ops.reshape import Reshape
from midge.importers.tflite_ops.operands import Operands

BUILTIN = "RESHAPE"


def convert(op: Operands) -> tuple[Attributes, tuple[Tensor | None, ...]]:
    """The output's own shape counts, as in TFLite Micro; the shape input is dropped."""
    return Reshape(shape=op.output().shape), (op.input(0),)
