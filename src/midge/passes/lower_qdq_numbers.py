"""What `lower_qdq` computes on arrays: codes of reals, scales of constants, biases, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph import Array, Attributes, DType, Quantization, Rounding, Tensor
from midge.graph.float_math import round_half_away
from midge.graph.ops.conversions import along_axis
from midge.graph.requantize import INT32_MAX

Float32Array = npt.NDArray[np.float32]
CODES = np.arange(-128, 128)
"""Every int8."""
SAME_SCALE = 1e-5
"""Relative difference of a bias's scale to the product of scales that is only rounding."""
_LARGEST_BIAS = {DType.INT32: INT32_MAX, DType.INT64: 2**62}


def reals_of(x: Tensor, codes: Array | None = None) -> Float32Array:
    """What codes of a tensor stand for, in float32; its own data where none are given."""
    if x.quantization is None:
        raise UserError(f"{x.name} has no quantisation parameters")
    stored = np.asarray(x.data if codes is None else codes).astype(np.int64)
    if codes is None:
        scale, zero = along_axis(x, x.quantization)
    else:
        scale, zero = x.quantization.scale, x.quantization.zero_point
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray((stored - zero).astype(np.float32) * scale, np.float32)


def codes_of(
    reals: Array, dtype: DType, quantization: Quantization, rounding: Rounding
) -> npt.NDArray[np.int64]:
    """The nearest codes, per tensor: what a `quantize` gives, or ONNX's QuantizeLinear.

    Halfway cases go to the even step under `half_even`, elsewhere away from zero.
    """
    scale, zero = quantization.scale[0], int(quantization.zero_point[0])
    low, high = (limit - zero for limit in dtype.limits)
    with np.errstate(all="ignore"):
        steps = np.asarray(reals, np.float32) / scale
    nearest = np.rint(steps) if rounding is Rounding.HALF_EVEN else round_half_away(steps)
    steps = np.where(np.isnan(nearest), np.float32(0), np.clip(nearest, low, high))
    return np.asarray(steps.astype(np.int64) + zero)


def own_quantization(reals: Array, dtype: DType) -> Quantization:
    """The finest scale that holds finite numbers and zero; int16 is symmetric.

    Raises:
        UserError: a number is not finite.
    """
    values = np.asarray(reals, np.float64)
    if not np.isfinite(values).all():
        raise UserError("holds a number that is not finite")
    least, greatest = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    low, high = dtype.limits
    if dtype is DType.INT8 and least < 0 < greatest:
        scale = np.float32((greatest - least) / (high - low))
        zero = int(np.clip(round(low - least / float(scale)), low, high))
    else:
        # One end is zero, or the type is symmetric: the numbers furthest from zero come out exact.
        scale, zero = np.float32(max(greatest, -least) / high), 0
    if not scale >= np.finfo(np.float32).tiny:
        scale = np.float32(1.0)
    return Quantization.per_tensor(float(scale), zero)


def constant_codes(
    name: str, reals: Array, dtype: DType, quantization: Quantization, rounding: Rounding
) -> Tensor:
    """A constant of these reals."""
    codes = codes_of(reals, dtype, quantization, rounding).astype(dtype.numpy)
    return Tensor(name, codes.shape, dtype, quantization, codes)


def without_zero_point(w: Tensor) -> Tensor:
    """Weights whose zero point is taken off their integers; as they are where that does not fit."""
    if w.quantization is None or not w.quantization.zero_point.any():
        return w
    _, zero = along_axis(w, w.quantization)
    shifted = np.asarray(w.data).astype(np.int64) - zero
    low, high = w.dtype.limits
    if shifted.min() < low or shifted.max() > high:
        return w
    none = np.zeros_like(w.quantization.zero_point)
    return replace(
        w,
        name=f"{w.name}.centred",
        data=shifted.astype(w.dtype.numpy),
        quantization=replace(w.quantization, zero_point=none),
    )


def bias_codes(
    bias: Tensor, x: Tensor, w: Tensor, dtype: DType
) -> tuple[npt.NDArray[np.int64], float]:
    """A bias in units of the sums of a weighted layer, int64 [channels].

    Args:
        bias: A constant, quantised or float32.
        x: The layer's input.
        w: Its weights.
        dtype: Of the bias to be: int32, or int64 where sums are long.

    Returns:
        The codes, and the largest ratio of the bias's own scale to that of the sums; 1 where they
        agree, or where the bias has no scale.

    Raises:
        UserError: the bias is too large for its type, or not finite.
    """
    if w.quantization is None:
        raise UserError(f"{w.name} has no quantisation parameters")
    sums = np.float64(x.scale) * w.quantization.scale.astype(np.float64)
    worst = 1.0
    if bias.quantization is not None:
        ratio = bias.quantization.scale.astype(np.float64) / sums
        off = np.maximum(ratio, 1 / ratio).max()
        if off <= 1 + SAME_SCALE and not bias.quantization.zero_point.any():
            return np.asarray(bias.data).astype(np.int64), worst
        worst = float(off)
        scale, zero = along_axis(bias, bias.quantization)
        stored = np.asarray(bias.data).astype(np.int64) - zero
        exact = stored.astype(np.float64) * scale.astype(np.float64)
    else:
        exact = np.asarray(bias.data, np.float64)
    steps = np.rint(exact / sums)
    if not (np.abs(steps) <= _LARGEST_BIAS[dtype]).all():
        raise UserError(
            f"its bias {bias.name} has up to {np.abs(steps).max():g} steps of the sums' scale, "
            f"over {dtype.value}"
        )
    return steps.astype(np.int64), worst


def function_values(
    attributes: Attributes,
    operands: Sequence[Float32Array],
    inputs: Sequence[Tensor],
    output: Tensor,
) -> Float32Array:
    """An operator on each element, applied to float32 [256] and to scalars."""
    typed = [
        replace(t, shape=v.shape, dtype=DType.FLOAT32, quantization=None, data=None)
        for t, v in zip(inputs, operands, strict=True)
    ]
    with np.errstate(all="ignore"):
        (values,) = attributes.evaluate(operands, typed, [replace(output, shape=CODES.shape)])
    return np.asarray(values, np.float32)


def moved_constant(x: Tensor, attributes: Attributes, name: str, shape: tuple[int, ...]) -> Tensor:
    """A quantised constant behind an operator that moves its elements.

    Args:
        x: The constant.
        attributes: Of an operator with this one input.
        name: Of the result.
        shape: Of the result.

    Raises:
        UserError: the operator mixes elements of several scales in every dimension.
    """
    output = replace(x, name=name, shape=shape, data=None)
    (moved,) = attributes.evaluate((x.data,), (x,), (output,))
    quantization = x.quantization
    if quantization is not None and quantization.axis is not None:
        along = [-1 if d == quantization.axis else 1 for d in range(len(x.shape))]
        number = np.broadcast_to(np.arange(x.shape[quantization.axis]).reshape(along), x.shape)
        (numbers,) = attributes.evaluate((np.ascontiguousarray(number),), (x,), (output,))
        quantization = replace(quantization, axis=_axis_of(np.asarray(numbers), x))
    return replace(output, data=np.ascontiguousarray(moved), quantization=quantization)


def _axis_of(numbers: Array, x: Tensor) -> int:
    """The dimension along which the scales run, each in its place."""
    entries = int(np.asarray(numbers).max()) + 1
    for axis, extent in enumerate(numbers.shape):
        along = [-1 if d == axis else 1 for d in range(numbers.ndim)]
        if extent == entries and np.array_equal(
            numbers, np.broadcast_to(np.arange(extent).reshape(along), numbers.shape)
        ):
            return axis
    raise UserError(f"{x.name} is quantised along a dimension that is taken apart")
