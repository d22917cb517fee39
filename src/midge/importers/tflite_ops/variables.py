"""READ_VARIABLE and ASSIGN_VARIABLE; what makes handles is in `tflite_convert`."""

from __future__ import annotations

from midge.graph.ops.variable import AssignVariable, ReadVariable
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts


@converts("READ_VARIABLE", ReadVariable)
def read_variable(op: Operands) -> Converted:
    """The handle stands for the variable."""
    return ReadVariable(), op.inputs


@converts("ASSIGN_VARIABLE", AssignVariable)
def assign_variable(op: Operands) -> Converted:
    """The handle stands for the variable."""
    return AssignVariable(), op.inputs
