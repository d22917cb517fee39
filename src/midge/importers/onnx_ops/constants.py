"""Operators whose results are known while a file is read."""

from __future__ import annotations

import math

import numpy as np
import onnx

from midge.errors import UnsupportedError, UserError
from midge.graph import DType, Tensor
from midge.graph.ops.broadcast_to import BroadcastTo
from midge.graph.ops.conversions import Cast
from midge.graph.ops.logical import LogicalAnd
from midge.graph.ops.mul import Mul
from midge.graph.ops.select import Select
from midge.importers.onnx_file import HIGHEST_RANK, Constant, type_name
from midge.importers.onnx_ops.operands import OnnxOp
from midge.importers.onnx_ops.registry import Converted, converts

LONGEST_RANGE = 1 << 16
LARGEST_MASK = 1 << 20
"""Elements of a mask that is made while a file is read."""

_T = onnx.TensorProto
_GRAPH_TYPES: dict[int, DType] = {
    _T.FLOAT: DType.FLOAT32,
    _T.INT8: DType.INT8,
    _T.UINT8: DType.UINT8,
    _T.INT16: DType.INT16,
    _T.INT32: DType.INT32,
    _T.INT64: DType.INT32,
    _T.BOOL: DType.BOOL,
}
"""Element types of computed tensors; what a file has as int64 is computed as int32."""


def graph_type(code: int) -> DType:
    """The graph's type for ONNX's number.

    Raises:
        UnsupportedError: it has none.
    """
    found = _GRAPH_TYPES.get(code)
    if found is None:
        names = ", ".join(type_name(t) for t in _GRAPH_TYPES)
        raise UnsupportedError(f"element type {type_name(code)}; supported: {names}")
    return found


@converts("Constant")
def convert_constant(op: OnnxOp) -> Converted:
    """One of six attributes."""
    held = op.elements("value")
    if held is not None:
        return Constant(op.record.outputs[0], held.data, held.type_code)
    for name, read in (("value_int", op.whole), ("value_float", op.real)):
        if op.has_attribute(name):
            return _listed(op, read(name), name)
    if op.has_attribute("value_ints"):
        return _listed(op, op.wholes("value_ints"), "value_ints")
    if op.has_attribute("value_floats"):
        return _listed(op, op.reals("value_floats"), "value_floats")
    names = ", ".join(op.record.attributes) or "none"
    raise UnsupportedError(f"has attribute {names}; supported: value, value_int, value_ints, ...")


def _listed(op: OnnxOp, value: object, name: str) -> Constant:
    whole = "int" in name
    data = np.array(value, np.int64 if whole else np.float32)
    return Constant(op.record.outputs[0], data, _T.INT64 if whole else _T.FLOAT)


@converts("ConstantOfShape")
def convert_constant_of_shape(op: OnnxOp) -> Converted:
    """One element under a known shape."""
    shape = op.integers(0)
    held = op.elements("value")
    data = np.zeros(1, np.float32) if held is None else held.data
    if data.size != 1:
        raise UserError(f"attribute value has {data.size} elements; expected 1")
    if len(shape) > HIGHEST_RANK or any(n < 0 for n in shape):
        raise UserError(f"a shape {shape[:16]}")
    if math.prod(shape) == 0:
        # Of no use but to be joined to something, which drops it.
        return Constant(op.record.outputs[0], np.zeros(shape, data.dtype), _code(held))
    one = op.constant(data.reshape(()), data.dtype, part="value")
    return op.emit(BroadcastTo(shape=tuple(shape)), one)


def _code(held: Constant | None) -> int:
    return _T.FLOAT if held is None else held.type_code


@converts("Range")
def convert_range(op: OnnxOp) -> Converted:
    """From start to before limit in steps of delta, all known."""
    op.ignore("stash_type")
    start, limit, delta = (op.array(i).reshape(-1) for i in range(3))
    if {start.size, limit.size, delta.size} != {1} or start.dtype.kind not in "fiu":
        raise UserError("start, limit and delta are not one number each")
    if not delta[0] or not all(math.isfinite(float(v[0])) for v in (start, limit, delta)):
        raise UserError(f"steps of {delta[0]} from {start[0]} to {limit[0]}")
    count = max(math.ceil((float(limit[0]) - float(start[0])) / float(delta[0])), 0)
    if not 0 < count <= LONGEST_RANGE:
        raise UnsupportedError(f"has {count} elements; supported: 1 to {LONGEST_RANGE}")
    with np.errstate(all="ignore"):
        steps = np.multiply(np.arange(count).astype(start.dtype), delta)
        return op.constant(np.add(start, steps), start.dtype)


@converts("Shape")
def convert_shape(op: OnnxOp) -> Converted:
    """All extents, or those from start to end."""
    value = op.value(0)
    shape = value.data.shape if isinstance(value, Constant) else value.shape
    rank = len(shape)
    start, end = op.whole("start", 0), op.whole("end", rank)
    first, last = (min(max(n + rank if n < 0 else n, 0), rank) for n in (start, end))
    data = np.array(shape[first:last], np.int64)
    return Constant(op.record.outputs[0], data, _T.INT64)


@converts("Size")
def convert_size(op: OnnxOp) -> Converted:
    """The number of elements."""
    value = op.value(0)
    size = value.data.size if isinstance(value, Constant) else value.size
    return Constant(op.record.outputs[0], np.array(size, np.int64), _T.INT64)


@converts("Cast", "CastLike")
def convert_cast(op: OnnxOp) -> Converted:
    """To another type; constants at once, also from types that the graph lacks."""
    op.ignore("saturate", "round_mode")
    value = op.value(0)
    if op.record.op_type == "Cast":
        code = op.whole("to")
        known = isinstance(value, Constant)
    else:
        target = op.value(1)
        named = isinstance(target, Constant)
        code = target.type_code if isinstance(target, Constant) else code_of(target.dtype)
        known = isinstance(value, Constant) and named
    if isinstance(value, Constant) and known:
        dtypes = {_T.DOUBLE: np.float64, _T.INT64: np.int64}
        dtype = dtypes.get(code) or graph_type(code).numpy
        with np.errstate(all="ignore"):
            data = value.data.astype(dtype)
        return Constant(op.record.outputs[0], data, code)
    x = op.tensor(0)
    if op.reads_shifted():
        raise UnsupportedError(f"{x.name} is quantised; supported: behind DequantizeLinear")
    if code == _T.INT64 and x.is_constant:
        return x if x.dtype is DType.INT64 else op.emit(Cast(to=DType.INT64), x)
    return op.cast(x, graph_type(code))


def code_of(dtype: DType) -> int:
    """ONNX's number of a type of the graph."""
    if dtype is DType.INT64:
        return int(_T.INT64)
    return next(code for code, found in _GRAPH_TYPES.items() if found is dtype)


@converts("EyeLike")
def convert_eye_like(op: OnnxOp) -> Converted:
    """Ones on a diagonal of a matrix of the input's shape."""
    x = op.tensor(0)
    dtype = graph_type(op.whole("dtype")) if op.has_attribute("dtype") else x.dtype
    if len(x.shape) != 2 or x.size > LARGEST_MASK:
        raise UserError(f"{x.name}{list(x.shape)} is not a matrix of up to {LARGEST_MASK} elements")
    return op.constant(np.eye(*x.shape, k=_diagonal(op.whole("k", 0), x)), dtype.numpy)


@converts("Trilu")
def convert_trilu(op: OnnxOp) -> Converted:
    """What is on one side of a diagonal; zeros on the other."""
    x = op.tensor(0)
    k = op.integer(1) if op.has(1) else 0
    upper = op.flag("upper", default=True)
    if len(x.shape) < 2 or x.shape[-1] * x.shape[-2] > LARGEST_MASK:
        raise UserError(f"{x.name}{list(x.shape)} are not matrices of up to {LARGEST_MASK}")
    side, diagonal = np.triu if upper else np.tril, _diagonal(k, x)
    mask = side(np.ones(x.shape[-2:], np.bool_), diagonal)
    if x.is_constant:
        return op.constant(side(np.asarray(x.data), diagonal), x.dtype.numpy)
    kept = op.constant(mask, np.bool_, part="mask")
    if x.dtype is DType.BOOL:
        return op.emit(LogicalAnd(), x, kept)
    if x.dtype is DType.INT32:
        return op.emit(Mul(), x, op.cast(kept, DType.INT32))
    return op.emit(Select(), kept, x, op.constant(0, x.dtype.numpy, part="zero"))


def _diagonal(k: int, x: Tensor) -> int:
    """Held within what NumPy's own integers take."""
    return max(min(k, x.shape[-1]), -x.shape[-2])
