"""SOFTMAX."""

from __future__ import annotations

import math

import tflite

from midge.errors import UserError
from midge.graph.ops.softmax import Softmax
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts


@converts("SOFTMAX", Softmax)
def convert(op: Operands) -> Converted:
    """Read the attributes."""
    beta = float(op.options(tflite.SoftmaxOptions).Beta())
    if not math.isfinite(beta):
        raise UserError(f"beta {beta} is not a finite number")
    return Softmax(beta=beta), op.inputs
