"""RESHAPE, SQUEEZE, EXPAND_DIMS, and what is known of a tensor by its shape: SHAPE, ZEROS_LIKE."""

from __future__ import annotations

import tflite

from midge.errors import UnsupportedError, UserError
from midge.graph import DType
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.shape import Shape, ZerosLike
from midge.importers.tflite_ops.axes import expect_inputs
from midge.importers.tflite_ops.constant_inputs import HIGHEST_RANK, one_integer, resolved
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts

_EXTENT_TYPES = {tflite.TensorType.INT32: DType.INT32, tflite.TensorType.INT64: DType.INT64}


@converts("RESHAPE", Reshape)
def reshape(op: Operands) -> Converted:
    """The output's own shape counts, as in TFLite Micro; the shape input is dropped."""
    return Reshape(shape=op.output().shape), (op.input(0),)


@converts("SQUEEZE", Reshape)
def squeeze(op: Operands) -> Converted:
    """Without the named dimensions, or without all of extent 1 where none is named."""
    expect_inputs(op, 1)
    x, options = op.input(0), op.options(tflite.SqueezeOptions)
    rank, count = len(x.shape), options.SqueezeDimsLength()
    if count > HIGHEST_RANK:
        raise UserError(f"squeezes {count} dimensions; expected at most {HIGHEST_RANK}")
    named = {resolved(int(options.SqueezeDims(i)), rank) for i in range(count)}
    for axis in sorted(named):
        if x.shape[axis] != 1:
            raise UserError(
                f"squeezes dimension {axis} of {x.name}{list(x.shape)}; expected an extent of 1"
            )
    dropped = named or {axis for axis in range(rank) if x.shape[axis] == 1}
    return Reshape(shape=tuple(n for axis, n in enumerate(x.shape) if axis not in dropped)), (x,)


@converts("EXPAND_DIMS", Reshape)
def expand_dims(op: Operands) -> Converted:
    """With a dimension of 1 more, in front of the constant axis."""
    expect_inputs(op, 2)
    x = op.input(0)
    axis = resolved(one_integer(op, 1), len(x.shape) + 1)
    return Reshape(shape=(*x.shape[:axis], 1, *x.shape[axis:])), (x,)


@converts("SHAPE", Shape)
def shape(op: Operands) -> Converted:
    """As int32 or int64."""
    expect_inputs(op, 1)
    code = op.options(tflite.ShapeOptions).OutType()
    if code not in _EXTENT_TYPES:
        raise UnsupportedError(f"output type {code} is not supported; supported: INT32, INT64")
    return Shape(dtype=_EXTENT_TYPES[code]), (op.input(0),)


@converts("ZEROS_LIKE", ZerosLike)
def zeros_like(op: Operands) -> Converted:
    """No attributes."""
    expect_inputs(op, 1)
    return ZerosLike(), (op.input(0),)
