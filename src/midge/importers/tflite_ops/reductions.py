"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_ALL."""

from __future__ import annotations

import tflite

from midge.graph.ops.reductions import Mean, ReduceAll, ReduceMax, ReduceMin, Reduction, Sum
from midge.importers.tflite_ops.axes import input_and_axes
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts


def _convert(op: Operands, reduction: type[Reduction]) -> Converted:
    """The constant of axes becomes an attribute."""
    x, axes = input_and_axes(op)
    keep_dims = bool(op.options(tflite.ReducerOptions).KeepDims())
    return reduction(axes=axes, keep_dims=keep_dims), (x,)


@converts("MEAN", Mean)
def mean(op: Operands) -> Converted:
    """Read the attributes."""
    return _convert(op, Mean)


@converts("SUM", Sum)
def total(op: Operands) -> Converted:
    """Read the attributes."""
    return _convert(op, Sum)


@converts("REDUCE_MAX", ReduceMax)
def reduce_max(op: Operands) -> Converted:
    """Read the attributes."""
    return _convert(op, ReduceMax)


@converts("REDUCE_MIN", ReduceMin)
def reduce_min(op: Operands) -> Converted:
    """Read the attributes."""
    return _convert(op, ReduceMin)


@converts("REDUCE_ALL", ReduceAll)
def reduce_all(op: Operands) -> Converted:
    """Read the attributes."""
    return _convert(op, ReduceAll)
