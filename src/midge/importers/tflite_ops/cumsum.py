"""CUMSUM."""

from __future__ import annotations

import tflite

from midge.graph.ops.cumsum import Cumsum
from midge.importers.tflite_ops.axes import input_and_axis
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts


@converts("CUMSUM", Cumsum)
def convert(op: Operands) -> Converted:
    """The constant axis becomes an attribute."""
    x, axis = input_and_axis(op)
    options = op.options(tflite.CumsumOptions)
    attributes = Cumsum(
        axis=axis, exclusive=bool(options.Exclusive()), reverse=bool(options.Reverse())
    )
    return attributes, (x,)
