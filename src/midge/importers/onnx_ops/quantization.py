"""QuantizeLinear and DequantizeLinear, and the QLinear operators in their terms.

uint8 codes and zero points, the default of ONNX Runtime's quantizer, become int8 ones, both smaller
by 128: they stand for the same reals. Rounding is to even, as ONNX says.

Source: ONNX, QuantizeLinear, DequantizeLinear, QLinearConv, QLinearMatMul.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, DType, Quantization, Rounding, Tensor
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.conversions import Dequantize, Quantize
from midge.graph.ops.div import Div
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.mul import Mul
from midge.graph.ops.sign_and_rounding import Round
from midge.importers.onnx_file import Constant, type_name
from midge.importers.onnx_ops.conv import convolved
from midge.importers.onnx_ops.matmul import multiplied
from midge.importers.onnx_ops.operands import UINT8_OFFSET, OnnxOp, Value, axis_of
from midge.importers.onnx_ops.registry import Converted, converts

_T = onnx.TensorProto
_LIMITS = {
    _T.INT8: (-128, 127),
    _T.UINT8: (0, 255),
    _T.INT16: (-32768, 32767),
    _T.UINT16: (0, 65535),
    _T.INT4: (-8, 7),
    _T.UINT4: (0, 15),
    _T.INT32: (-(2**31), 2**31 - 1),
}
"""What codes of a type can be."""
_SIGNED = {
    _T.INT8: (DType.INT8, 0),
    _T.UINT8: (DType.INT8, UINT8_OFFSET),
    _T.INT16: (DType.INT16, 0),
    _T.UINT16: (DType.INT16, 32768),
    _T.INT4: (DType.INT4, 0),
    _T.UINT4: (DType.INT4, 8),
    _T.INT32: (DType.INT32, 0),
}
"""The graph's type of such codes, and what is taken from them."""
_CODES = {DType.INT8: _T.INT8, DType.INT16: _T.INT16, DType.INT32: _T.INT32, DType.UINT8: _T.UINT8}


@dataclass(frozen=True)
class Scales:
    """How codes stand for reals, as the file has it.

    Attributes:
        scale: float32, one or one for each index of `axis`.
        zero: int64 of the same length.
        axis: The dimension they run along; None where there is one.
    """

    scale: npt.NDArray[np.float32]
    zero: npt.NDArray[np.int64]
    axis: int | None

    def quantization(self, offset: int) -> Quantization:
        """Of codes that are smaller by an offset."""
        return Quantization(self.scale, self.zero - offset, self.axis)


def scales_of(op: OnnxOp, scale: int, zero: int, shape: tuple[int, ...], axis: int) -> Scales:
    """Scale and zero point out of two inputs.

    Args:
        op: The node.
        scale: Index of the input.
        zero: Index of the other, which may be left out.
        shape: Of the codes.
        axis: The dimension that several entries run along.

    Raises:
        UserError: they are not as many as that dimension has, or are none that can be used.
    """
    scales = op.array(scale)
    if scales.dtype != np.float32:
        raise UnsupportedError(f"scales are {scales.dtype}; supported: float32")
    if scales.ndim > 1:
        raise UnsupportedError(
            f"scales of shape {list(scales.shape)}; supported: one, or one for each index of a "
            "dimension"
        )
    flat = scales.reshape(-1).astype(np.float32)
    zeros = np.zeros(flat.shape, np.int64)
    if op.has(zero):
        zeros = op.array(zero).reshape(-1).astype(np.int64)
    if zeros.shape != flat.shape:
        raise UserError(f"has {flat.size} scales and {zeros.size} zero points")
    if not np.all(np.isfinite(flat)) or np.any(flat <= 0):
        raise UserError("has a scale that is not a positive finite number")
    if flat.size == 1:
        return Scales(flat, zeros, None)
    along = axis_of(axis, len(shape))
    if flat.size != shape[along]:
        raise UserError(f"has {flat.size} scales along a dimension of {shape[along]}")
    return Scales(flat, zeros, along)


def _refuse_blocks(op: OnnxOp) -> None:
    if op.whole("block_size", 0):
        raise UnsupportedError("is quantised in blocks; supported: per tensor, or along an axis")


def _code_of(op: OnnxOp, value: Value) -> int:
    """ONNX's number of a value's element type."""
    if isinstance(value, Constant):
        return value.type_code
    if value.name in op.context.shifted:
        return int(_T.UINT8)
    found = _CODES.get(value.dtype)
    if found is None:
        raise UnsupportedError(f"{value.name} is {value.dtype.value}; expected 8 to 32 bits")
    return int(found)


@converts("DequantizeLinear")
def convert_dequantize_linear(op: OnnxOp) -> Converted:
    """Codes as float32; those of constants stay in the graph as they are."""
    if op.whole("output_dtype", _T.FLOAT) not in (0, _T.FLOAT):
        raise UnsupportedError(f"to {type_name(op.whole('output_dtype'))}; supported: float32")
    _refuse_blocks(op)
    return dequantized(op, 0, 1, 2, op.whole("axis", 1), "")


def dequantized(op: OnnxOp, x: int, scale: int, zero: int, axis: int, part: str) -> Tensor:
    """An input as float32, with scale and zero point from two others.

    Args:
        op: The node.
        x: Index of the input.
        scale: Of its scales.
        zero: Of its zero points.
        axis: What they run along.
        part: What it is of the node.
    """
    value = op.value(x)
    code = _code_of(op, value)
    if code not in _SIGNED:
        raise UnsupportedError(f"of {type_name(code)}; supported: {_names()}")
    dtype, offset = _SIGNED[code]
    shape = value.data.shape if isinstance(value, Constant) else value.shape
    scales = scales_of(op, scale, zero, shape, axis)
    low, high = _LIMITS[code]
    if np.any(scales.zero < low) or np.any(scales.zero > high):
        raise UserError(f"has a zero point outside {type_name(code)}")
    quantization = scales.quantization(offset)
    if op.is_known(x):
        data = (op.array(x).astype(np.int64) - offset).astype(dtype.numpy)
        stored = op.builder.add(Tensor(op.record.inputs[x], data.shape, dtype, quantization, data))
        return op.emit(Dequantize(), stored, part=part)
    tensor = op.tensor(x)
    if scales.axis is not None or tensor.dtype is DType.INT32:
        return _by_arithmetic(op, tensor, scales.quantization(_offset(op, tensor, offset)))
    if tensor.dtype is DType.UINT8:
        # An input of the graph: shifted at once, and exactly.
        given = op.builder.annotated(tensor, scales.quantization(0))
        tensor = op.builder.one(
            f"{op.name}.as_int8", Quantize(to=DType.INT8), (given,), quantization=quantization
        )
    else:
        tensor = op.builder.annotated(tensor, quantization)
    return op.emit(Dequantize(), tensor, part=part)


def _offset(op: OnnxOp, x: Tensor, offset: int) -> int:
    """What is taken from a tensor's codes already."""
    return offset if x.name in op.context.shifted else 0


def _by_arithmetic(op: OnnxOp, x: Tensor, quantization: Quantization) -> Tensor:
    """``(x - zero) * scale`` in float32, which is what ONNX says, for what dequantize lacks."""
    shape = [1] * len(x.shape)
    if quantization.axis is not None:
        shape[quantization.axis] = quantization.scale.size
    reals = op.cast(x, DType.FLOAT32)
    if np.any(quantization.zero_point):
        zero = op.constant(quantization.zero_point.reshape(shape), part="zero")
        reals = op.emit(Sub(), reals, zero, part="sub")
    return op.emit(Mul(), reals, op.constant(quantization.scale.reshape(shape), part="scale"))


def _names() -> str:
    return ", ".join(type_name(code) for code in _SIGNED)


@converts("QuantizeLinear")
def convert_quantize_linear(op: OnnxOp) -> Converted:
    """Reals as codes; those of constants at once."""
    op.ignore("saturate")
    _refuse_blocks(op)
    if op.whole("precision", _T.FLOAT) not in (0, _T.FLOAT):
        raise UnsupportedError(f"divides in {type_name(op.whole('precision'))}")
    code = op.whole("output_dtype", 0)
    if op.has(2):
        code = _code_of(op, op.value(2))
    return quantized(op, op.value(0), 1, 2, code or int(_T.UINT8), op.whole("axis", 1))


def quantized(op: OnnxOp, value: Value, scale: int, zero: int, code: int, axis: int = 1) -> Value:
    """Reals as codes of a type, with scale and zero point from two inputs."""
    if code not in _SIGNED or code == _T.INT32:
        raise UnsupportedError(f"to {type_name(code)}; supported: int8, uint8, int16, uint16")
    if isinstance(value, Constant) or value.is_constant:
        data = value.data
        shape = np.asarray(data).shape
        return Constant(
            op.record.outputs[0],
            _codes(op, data, scales_of(op, scale, zero, shape, axis), code),
            code,
        )
    x = value
    if x.dtype is not DType.FLOAT32:
        raise UnsupportedError(f"quantises {x.name}, which is {x.dtype.value}; supported: float32")
    scales = scales_of(op, scale, zero, x.shape, axis)
    dtype, offset = _SIGNED[code]
    if dtype is DType.INT4 or code == _T.UINT16:
        raise UnsupportedError(
            f"computes codes of {type_name(code)}; supported: int8, uint8, int16, and 4 bits of "
            "constants"
        )
    if scales.axis is not None:
        return _quantized_by_arithmetic(op, x, scales, code)
    y = op.builder.one(
        op.name,
        Quantize(to=dtype, rounding=Rounding.HALF_EVEN),
        (x,),
        quantization=scales.quantization(offset),
    )
    if offset:
        op.context.shifted.add(y.name)
    return y


def _quantized_by_arithmetic(op: OnnxOp, x: Tensor, scales: Scales, code: int) -> Tensor:
    """``clamp(round(x / scale) + zero)`` in float32, for scales along a dimension."""
    shape = [1] * len(x.shape)
    if scales.axis is not None:
        shape[scales.axis] = scales.scale.size
    steps = op.emit(Div(), x, op.constant(scales.scale.reshape(shape), part="scale"), part="div")
    codes = op.emit(Round(), steps, part="round")
    codes = op.emit(Add(), codes, op.constant(scales.zero.reshape(shape), part="zero"), part="add")
    low, high = _LIMITS[code]
    codes = op.emit(Maximum(), codes, op.constant(low, part="low"), part="max")
    codes = op.emit(Minimum(), codes, op.constant(high, part="high"), part="min")
    return op.cast(codes, DType.UINT8 if code == _T.UINT8 else _SIGNED[code][0])


def _codes(op: OnnxOp, data: Array | None, scales: Scales, code: int) -> Array:
    """A constant's codes, as the file's type has them."""
    reals = np.asarray(data)
    if reals.dtype != np.float32:
        raise UnsupportedError(f"quantises a constant of {reals.dtype}; supported: float32")
    shape = [1] * reals.ndim
    if scales.axis is not None:
        shape[scales.axis] = scales.scale.size
    low, high = _LIMITS[code]
    with np.errstate(all="ignore"):
        steps = np.rint(reals / scales.scale.reshape(shape))
    if np.any(np.isnan(steps)):
        raise UserError(f"{op.record.inputs[0]!r} holds what is not a number")
    exact = np.clip(steps, -(2.0**40), 2.0**40).astype(np.int64) + scales.zero.reshape(shape)
    names = {_T.UINT8: "uint8", _T.UINT4: "uint8", _T.INT16: "int16", _T.UINT16: "uint16"}
    return np.asarray(np.clip(exact, low, high)).astype(names.get(code, "int8"))


@converts("QLinearConv")
def convert_qlinear_conv(op: OnnxOp) -> Converted:
    """A convolution of what both operands stand for, quantised again."""
    x = dequantized(op, 0, 1, 2, 1, "x")
    w = dequantized(op, 3, 4, 5, 0, "w")
    b = None
    if op.has(8):
        codes = op.array(8)
        source = scales_of(op, 1, 2, x.shape, 1)
        weights = scales_of(op, 4, 5, w.shape, 0)
        scale = (source.scale * weights.scale).astype(np.float32)
        if codes.dtype != np.int32 or codes.shape != (w.shape[0],):
            raise UserError(f"bias is {codes.dtype}{list(codes.shape)}; expected [{w.shape[0]}]")
        zeros = np.zeros(scale.shape, np.int64)
        made = Quantization(scale, zeros, 0 if scale.size > 1 else None)
        b = op.emit(
            Dequantize(), op.constant(codes, np.int32, part="bias", quantization=made), part="b"
        )
    y = convolved(op, x, w, b)
    return quantized(op, y, 6, 7, _code_of(op, op.value(7)))


@converts("QLinearMatMul")
def convert_qlinear_matmul(op: OnnxOp) -> Converted:
    """A product of what both operands stand for, quantised again."""
    a = dequantized(op, 0, 1, 2, -2, "a")
    b = dequantized(op, 3, 4, 5, -1, "b")
    return quantized(op, multiplied(op, a, b), 6, 7, _code_of(op, op.value(7)))
