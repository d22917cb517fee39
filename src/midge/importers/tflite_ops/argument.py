"""ARG_MAX and ARG_MIN."""

from __future__ import annotations

from typing import Any

import tflite

from midge.errors import UserError
from midge.graph import DType
from midge.graph.ops.argument import ArgMax, ArgMin, Argument
from midge.importers.tflite_ops.axes import input_and_axis
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts

_INDEX_TYPES = {tflite.TensorType.INT32: DType.INT32, tflite.TensorType.INT64: DType.INT64}


def _convert(op: Operands, argument: type[Argument], options: type[Any]) -> Converted:
    """The constant axis becomes an attribute."""
    x, axis = input_and_axis(op)
    code = op.options(options).OutputType()
    if code not in _INDEX_TYPES:
        raise UserError(f"output type {code} of indices is neither INT32 nor INT64")
    return argument(axis=axis, index_type=_INDEX_TYPES[code]), (x,)


@converts("ARG_MAX", ArgMax)
def arg_max(op: Operands) -> Converted:
    """Read the attributes."""
    return _convert(op, ArgMax, tflite.ArgMaxOptions)


@converts("ARG_MIN", ArgMin)
def arg_min(op: Operands) -> Converted:
    """Read the attributes."""
    return _convert(op, ArgMin, tflite.ArgMinOptions)
