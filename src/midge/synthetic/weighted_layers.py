"""Layers with weights in every type: int8 beside int4, int16 beside int8, float32.

`NetworkBuilder` has the int8 layers of ordinary networks as methods; here are all others, and those
with attributes that few files have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from midge.synthetic import float_simulation as simulate
from midge.synthetic.calibration import (
    ACCUMULATOR_LIMIT,
    COVERING,
    FINEST_SCALE,
    Calibration,
    at_least,
    resolve,
)
from midge.synthetic.model_description import Fields, Pair, Quantization
from midge.synthetic.network_builder import NetworkBuilder, Reals

_LARGEST_LONG_FACTOR = 100.0
"""TFLite Micro stops the process from 128 on (kernels/internal/common.cc)."""
_CODES = {"int8": 256, "int16": 65536}
CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}


@dataclass(frozen=True)
class Layer:
    """An operator's attributes.

    Attributes:
        op: Its schema name.
        weights: Shape of the weights: OHWI, 1HWO for DEPTHWISE_CONV_2D, [units, depth] for
            FULLY_CONNECTED.
        stride: Step between windows.
        dilation: Step between taps.
        padding: SAME or VALID.
        activation: Fused.
        extent: Height and width of a TRANSPOSE_CONV's output.
        keep_num_dims: Of FULLY_CONNECTED.
        short_sums: The file asks for 32-bit sums where there is no bias to tell.
    """

    op: str
    weights: tuple[int, ...]
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: str = "SAME"
    activation: str = "NONE"
    extent: Pair = (0, 0)
    keep_num_dims: bool = False
    short_sums: bool = False

    @property
    def channels(self) -> int:
        """Output channels."""
        return self.weights[CHANNEL_AXIS[self.op]]

    @property
    def terms(self) -> int:
        """Products of a sum."""
        return prod(self.weights) // self.channels


@dataclass(frozen=True, eq=False)
class Constants:
    """A layer's weights and bias.

    Attributes:
        weights: Codes, or float32.
        dtype: ``"int8"``, ``"int4"`` or ``"float32"``.
        scales: One, or one a channel; empty for float32.
        zero_point: Of per-tensor weights.
        bias: One a channel; None leaves it out.
        absent: How a bias that is left out is written: ``""`` not at all, ``"listed"`` as input
            -1, ``"empty"`` as a tensor without elements.
        computed: Weights and bias are inputs of the network, of these shapes.
    """

    weights: NDArray[Any]
    dtype: str
    scales: tuple[float, ...] = ()
    zero_point: int = 0
    bias: NDArray[Any] | None = None
    absent: str = ""
    computed: bool = False


def add_layer(
    builder: NetworkBuilder,
    x: str,
    layer: Layer,
    constants: Constants,
    output: Calibration | Quantization = COVERING,
) -> str:
    """Add the layer over tensor `x`; its output has x's type."""
    dtype = builder.dtype(x)
    axis = CHANNEL_AXIS[layer.op]
    weights, bias = _operands(builder, x, constants, axis)
    real = _simulated(builder, x, layer, _real_weights(constants, axis))
    if constants.bias is not None:
        factor: Any = 1.0 if dtype == "float32" else _sum_scales(builder, x, constants)
        real = real + constants.bias * factor
    real = simulate.activate(real, layer.activation)
    inputs: tuple[str | None, ...] = (x, weights, *bias)
    if layer.op == "TRANSPOSE_CONV":
        shape = np.array(real.shape[1:], np.int32)
        inputs = (builder.constant(shape), weights, x, *bias)
    quantization = None
    if dtype != "float32":
        floor = _finest_scale(builder, x, constants, axis)
        chosen = resolve(output, real, dtype)
        quantization = chosen if isinstance(output, Quantization) else at_least(floor, chosen)
    return builder.operator(
        layer.op, inputs, _fields(layer, builder.shape(x)), real, quantization, dtype=dtype
    )


def _operands(
    builder: NetworkBuilder, x: str, constants: Constants, axis: int
) -> tuple[str, Sequence[str | None]]:
    if constants.computed:
        weights = builder.input(constants.weights.shape, None, "float32")
        if constants.bias is None:
            return weights, ()
        return weights, (builder.input(constants.bias.shape, None, "float32"),)
    bias = constants.bias
    if constants.dtype == "float32":
        quantization, bias_quantization = None, None
    else:
        scales = constants.scales
        zeros = (constants.zero_point,) * len(scales)
        quantization = Quantization(scales, zeros, axis if len(scales) > 1 else 0)
        sums = _sum_scales(builder, x, constants)
        bias_quantization = Quantization(tuple(sums.tolist()), (0,) * len(scales))
    weights = builder.constant(constants.weights, quantization, constants.dtype)
    if bias is None:
        empty = np.zeros(0, np.float32 if constants.dtype == "float32" else np.int32)
        absent: dict[str, Sequence[str | None]] = {"": (), "listed": (None,)}
        if constants.absent == "empty":
            return weights, (builder.constant(empty, None),)
        return weights, absent[constants.absent]
    return weights, (builder.constant(bias, bias_quantization),)


def _sum_scales(builder: NetworkBuilder, x: str, constants: Constants) -> Reals:
    """What one unit of the sum stands for, for one or each channel."""
    scales = np.array(constants.scales, np.float32).astype(np.float64)
    result: Reals = builder.quantization(x).scale * scales
    return result


def _real_weights(constants: Constants, axis: int) -> Reals:
    weights = constants.weights.astype(np.float64) - constants.zero_point
    if not constants.scales:
        return weights
    shape = [1] * weights.ndim
    shape[axis] = -1
    real: Reals = weights * np.array(constants.scales, np.float64).reshape(shape)
    return real


def largest_sum(constants: Constants, axis: int, largest_code: int) -> float:
    """The magnitude that no channel's sum of stored products can be above, bias included."""
    others = tuple(a for a in range(constants.weights.ndim) if a != axis)
    magnitude = np.abs(constants.weights.astype(np.int64) - constants.zero_point)
    largest = largest_code * magnitude.sum(axis=others).astype(np.float64)
    if constants.bias is not None:
        largest = largest + np.abs(constants.bias.astype(np.float64))
    return float(largest.max())


def _finest_scale(builder: NetworkBuilder, x: str, constants: Constants, axis: int) -> float:
    """The output's scale from which on no rescaled sum leaves int32."""
    others = tuple(a for a in range(constants.weights.ndim) if a != axis)
    magnitude = np.abs(constants.weights.astype(np.int64) - constants.zero_point)
    largest = _CODES[builder.dtype(x)] * magnitude.sum(axis=others).astype(np.float64)
    if constants.bias is not None:
        largest = largest + np.abs(constants.bias.astype(np.float64))
    sums = _sum_scales(builder, x, constants)
    floor = float((largest * sums).max()) / ACCUMULATOR_LIMIT
    if builder.dtype(x) == "int16":
        floor = max(floor, float(sums.max()) / _LARGEST_LONG_FACTOR)
    return max(floor, FINEST_SCALE)


def _simulated(builder: NetworkBuilder, x: str, layer: Layer, weights: Reals) -> Reals:
    samples = builder.values(x)
    count, shape = samples.shape[0], builder.shape(x)
    if layer.op == "FULLY_CONNECTED":
        real = samples.reshape(-1, weights.shape[1]) @ weights.T
        if layer.keep_num_dims:
            return real.reshape(count, *shape[:-1], -1)
        return real.reshape(count, -1, weights.shape[0])
    images = samples.reshape(-1, *shape[1:])
    if layer.op == "TRANSPOSE_CONV":
        real = simulate.transpose_conv(images, weights, layer.stride, layer.padding, layer.extent)
    elif layer.op == "CONV_2D":
        real = simulate.conv_2d(images, weights, layer.stride, layer.dilation, layer.padding)
    else:
        real = simulate.depthwise_conv_2d(
            images, weights, layer.stride, layer.dilation, layer.padding
        )
    return real.reshape(count, -1, *real.shape[1:])


def _fields(layer: Layer, shape: tuple[int, ...]) -> Fields:
    values: dict[str, Any] = {
        "FusedActivationFunction": getattr(tflite.ActivationFunctionType, layer.activation)
    }
    if layer.short_sums:
        values["QuantizedBiasType"] = tflite.TensorType.INT32
    if layer.op == "FULLY_CONNECTED":
        return Fields.of("FullyConnectedOptions", KeepNumDims=layer.keep_num_dims, **values)
    values["Padding"] = getattr(tflite.Padding, layer.padding)
    values["StrideH"], values["StrideW"] = layer.stride
    if layer.op == "TRANSPOSE_CONV":
        return Fields.of("TransposeConvOptions", **values)
    values["DilationHFactor"], values["DilationWFactor"] = layer.dilation
    if layer.op == "DEPTHWISE_CONV_2D":
        values["DepthMultiplier"] = layer.channels // shape[3]
        return Fields.of("DepthwiseConv2DOptions", **values)
    return Fields.of("Conv2DOptions", **values)
