"""Quantize and dequantize, as PT2E writes them: the graph's own, with the program's parameters.

Source: PyTorch `torch/ao/quantization/fx/_decomposed.py` and torchao's copy of it.
"""

from __future__ import annotations

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, DType, Quantization, Rounding, Tensor
from midge.graph.ops.conversions import Dequantize, Quantize
from midge.importers.torch_ops.call import Call, axis_of
from midge.importers.torch_ops.registry import converts
from midge.importers.torch_program import TorchType

ZERO_OF_UINT8 = 128
"""uint8 stands in the graph as int8: stored values and zero points less this."""
_FAMILIES = ("quantized_decomposed", "torchao")


def _overloads(name: str, *forms: str) -> tuple[str, ...]:
    return tuple(f"{family}.{name}.{form}" for family in _FAMILIES for form in forms)


@converts(*_overloads("quantize_per_tensor", "default", "tensor", "tensor2"))
def quantize_per_tensor(call: Call) -> Tensor:
    """float32 to stored integers of the whole range of their type."""
    x, dtype = call.tensor("input"), _stored_type(call)
    scale, zero = _one(call, "scale"), _one(call, "zero_point")
    low, high = call.integer("quant_min"), call.integer("quant_max")
    shift = ZERO_OF_UINT8 if dtype is DType.UINT8 else 0
    stored = DType.INT8 if dtype is DType.UINT8 else dtype
    quantization = Quantization.per_tensor(scale, int(zero) - shift)
    if x.is_constant:
        codes = np.round(np.asarray(x.data, np.float32) * np.float32(1 / scale)) + zero
        data = (np.clip(codes, low, high) - shift).astype(stored.numpy)
        return call.builder.constant(f"{call.name}.stored", data, quantization)
    if (low, high) != dtype.limits:
        raise UnsupportedError(
            f"quantises to {low} to {high}; supported: the whole range of {dtype.value}"
        )
    # PyTorch multiplies by the scale's inverse, which may differ in the last digit of a quotient.
    half_even = Quantize(to=stored, rounding=Rounding.HALF_EVEN)
    return call.emit(half_even, x, quantization=quantization)


@converts(*_overloads("quantize_per_channel", "default"))
def quantize_per_channel(call: Call) -> Tensor:
    """Of weights alone."""
    x, dtype = call.tensor("input"), _stored_type(call)
    scales, zeros, axis = _many(call, x)
    if not x.is_constant:
        raise UnsupportedError(f"quantises {x.name} per channel at run time; supported: weights")
    shape = tuple(-1 if d == axis else 1 for d in range(len(x.shape)))
    factors = (1 / scales.astype(np.float64)).astype(np.float32).reshape(shape)
    codes = np.round(np.asarray(x.data, np.float32) * factors) + zeros.reshape(shape)
    codes = np.clip(codes, call.integer("quant_min"), call.integer("quant_max"))
    return _stored(call, codes, dtype, scales, zeros, axis)


@converts(*_overloads("dequantize_per_tensor", "default", "tensor", "tensor2"))
def dequantize_per_tensor(call: Call) -> Tensor:
    """Stored integers to float32."""
    dtype = _stored_type(call)
    scale, zero = _one(call, "scale"), _one(call, "zero_point")
    return _dequantized(call, dtype, np.array([scale]), np.array([zero], np.int64), None)


@converts(*_overloads("dequantize_per_channel", "default"))
def dequantize_per_channel(call: Call) -> Tensor:
    """Of weights."""
    dtype = _stored_type(call)
    scales, zeros, axis = _many(call, call.tensor("input"))
    return _dequantized(call, dtype, scales, zeros, axis)


def _dequantized(call: Call, dtype: DType, scales: Array, zeros: Array, axis: int | None) -> Tensor:
    for name in ("quant_min", "quant_max"):
        call.integer(name, 0)
    if call.dtype("out_dtype", DType.FLOAT32) is not DType.FLOAT32:
        raise UnsupportedError("dequantises to another type than float32")
    x = call.tensor("input")
    if x.quantization is None:
        if not x.is_constant:
            raise UnsupportedError(
                f"dequantises {x.name}, which is no output of quantize; supported: those and "
                "constants"
            )
        x = _stored(call, np.asarray(x.data), dtype, scales, zeros, axis)
    else:
        shift = ZERO_OF_UINT8 if dtype is DType.UINT8 else 0
        expected = Quantization(scales.astype(np.float32), zeros.astype(np.int64) - shift, axis)
        if x.quantization != expected:
            raise UnsupportedError(
                f"{x.name} is dequantised by other parameters than it is quantised by"
            )
    return call.emit(Dequantize(), x)


def _stored(
    call: Call, codes: Array, dtype: DType, scales: Array, zeros: Array, axis: int | None
) -> Tensor:
    """A constant of stored integers."""
    shift = ZERO_OF_UINT8 if dtype is DType.UINT8 else 0
    stored = DType.INT8 if dtype is DType.UINT8 else dtype
    quantization = Quantization(scales.astype(np.float32), zeros.astype(np.int64) - shift, axis)
    data = (codes.astype(np.int64) - shift).astype(stored.numpy)
    return call.builder.constant(f"{call.name}.stored", data, quantization)


def _stored_type(call: Call) -> DType:
    found = call.node.arguments.get("dtype")
    call.dtype()
    if not isinstance(found, TorchType) or found.value not in ("int8", "uint8", "int16", "int32"):
        raise UnsupportedError(f"stores {found}; supported: int8, uint8, int16, int32")
    return DType(found.value)


def _one(call: Call, name: str) -> float:
    """A scale or zero point: a number, or a tensor of one that is known."""
    value = call.operand(name) if not _is_known(call, name) else None
    if value is None:
        known = call.known(name)
        if known.size != 1:
            raise UserError(f"{name} has {known.size} numbers; expected 1")
        value = float(known.reshape(-1)[0])
    if isinstance(value, Tensor):
        raise UnsupportedError(f"{name} is computed at run time; supported: a constant")
    if name == "scale" and not (0 < value < np.inf):
        raise UserError(f"scale is {value:g}; expected a positive finite number")
    return float(value)


def _is_known(call: Call, name: str) -> bool:
    return not isinstance(call.node.arguments.get(name), bool | int | float)


def _many(call: Call, x: Tensor) -> tuple[Array, Array, int]:
    """Scales, zero points and their dimension."""
    axis = axis_of(call.integer("axis"), len(x.shape))
    scales = call.known("scales")
    zeros = call.known("zero_points") if call.has("zero_points") else np.zeros_like(scales)
    if not x.shape or scales.shape != (x.shape[axis],) or zeros.shape != scales.shape:
        raise UserError(
            f"has {scales.size} scales and {zeros.size} zero points for dimension {axis} of "
            f"{x.name}{list(x.shape)}"
        )
    reals = scales.astype(np.float64)
    if not (np.all(np.isfinite(reals)) and np.all(reals > 0) and np.all(np.isfinite(zeros))):
        raise UserError("has a scale that is not a positive finite number")
    return scales, zeros, axis
