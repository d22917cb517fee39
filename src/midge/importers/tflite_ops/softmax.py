"""SOFTMAX and LOG_SOFTMAX."""

from __future__ import annotations

import math

import tflite

from midge.errors import UserError
from midge.graph import DType
from midge.graph.ops.log_softmax import LogSoftmax
from midge.graph.ops.softmax import Softmax
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts


@converts("SOFTMAX", Softmax)
def softmax(op: Operands) -> Converted:
    """Read the attributes; whether int8 becomes int16 is seen at the tensors."""
    beta = float(op.options(tflite.SoftmaxOptions).Beta())
    if not math.isfinite(beta):
        raise UserError(f"beta {beta} is not a finite number")
    widen = op.input(0).dtype is DType.INT8 and op.output().dtype is DType.INT16
    return Softmax(beta=beta, widen=widen), op.inputs


@converts("LOG_SOFTMAX", LogSoftmax)
def log_softmax(op: Operands) -> Converted:
    """It has no attributes."""
    return LogSoftmax(), op.inputs
