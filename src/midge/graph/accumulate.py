"""What weighted sums share: their factors, their clamp, and the proof that int32 holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph import requantize as rq
from midge.graph.operands import (
    expect_constant,
    expect_per_tensor,
    expect_quantized,
    expect_type,
)
from midge.graph.types import Activation, Array, DType, Rounding, Tensor


class WeightedSum(Protocol):
    """Attributes of an operator that sums products and rescales the sum."""

    @property
    def activation(self) -> Activation:
        """The fused clamp."""

    @property
    def rounding(self) -> Rounding:
        """How the sum is rescaled."""

    def factors(self, x: Tensor, w: Tensor, y: Tensor) -> rq.Requantization:
        """What one unit of the sum is in units of the output."""


def sum_factors(x: Tensor, w: Tensor, y: Tensor, rounding: Rounding) -> rq.Requantization:
    """What one unit of the accumulator is in units of the output, for one or each output channel.

    The product of the two scales and the quotient are taken in double precision (TFLM
    `kernels/kernel_util.cc`, PopulateConvolutionQuantizationParams and
    GetQuantizedConvolutionMultipler).
    """
    if w.quantization is None:
        raise UserError(f"{w.name} has no quantisation parameters")
    scales = w.quantization.scale.astype(np.float64)
    return rq.requantization(np.float64(x.scale) * scales / np.float64(y.scale), rounding)


def accumulator_bounds(
    x: Tensor, w: Tensor, b: Tensor | None, channel_axis: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The least and the greatest sum that any input of x's type can give, int64 [channels] each.

    Partial sums lie within them too: each bound is a sum of terms that are at most, or at least,
    zero, widened to hold the bias alone.
    """
    weights = np.moveaxis(np.asarray(w.data), channel_axis, -1)
    weights = weights.reshape(-1, weights.shape[-1])
    # x - x_zero reaches 0, so a weight's least and greatest products are those with the two ends.
    low, high = (limit - x.zero_point for limit in x.dtype.limits)
    low, high = min(low, 0), max(high, 0)
    negative = np.minimum(weights, 0).sum(axis=0, dtype=np.int64)
    positive = np.maximum(weights, 0).sum(axis=0, dtype=np.int64)
    least = positive * low + negative * high
    greatest = positive * high + negative * low
    bias = np.zeros(1, np.int64) if b is None else np.asarray(b.data).astype(np.int64)
    return least + np.minimum(bias, 0), greatest + np.maximum(bias, 0)


def check_weighted(
    op: WeightedSum, x: Tensor, w: Tensor, b: Tensor | None, y: Tensor, *, channel_axis: int
) -> None:
    """Types, quantisation and ranges of a quantised weighted sum.

    Raises:
        UserError: a parameter is missing or out of range, or an accumulator can leave int32 (where
            other runtimes wrap around silently).
    """
    for activation in (x, y):
        expect_type(activation, DType.INT8)
        expect_per_tensor(activation)
    expect_type(w, DType.INT8)
    expect_constant(w)
    quantization = expect_quantized(w)
    if np.any(quantization.zero_point != 0):
        raise UserError(
            f"{w.name} has a zero point other than 0; supported here: symmetric weights"
        )
    channels = w.shape[channel_axis]
    if quantization.scale.size != 1 and quantization.axis != channel_axis:
        raise UserError(
            f"{w.name} is quantised along dimension {quantization.axis}; "
            f"supported here: {channel_axis}"
        )
    if b is not None:
        expect_type(b, DType.INT32)
        expect_constant(b)
        if b.shape != (channels,):
            raise UserError(
                f"{b.name} has shape {list(b.shape)}; expected [{channels}], one a channel"
            )
    # Stored values are summed on top of a bias that has x's zero point folded in: each step of it,
    # and each partial sum, stays within the bias and 256 for every unit of weight.
    weights = np.moveaxis(np.asarray(w.data).astype(np.int16), channel_axis, 0)
    units = np.abs(weights.reshape(channels, -1)).sum(axis=1, dtype=np.int64)
    bias = np.zeros(channels, np.int64) if b is None else np.asarray(b.data).astype(np.int64)
    worst = int((np.abs(bias) + 256 * units).max())
    if worst > rq.INT32_MAX:
        raise UserError(
            f"sums of up to {worst} overflow int32; the layer is too wide or its bias too large"
        )
    op.factors(x, w, y)
    rq.activation_range(y, op.activation)


def finish(
    op: WeightedSum,
    accumulator: npt.NDArray[np.int64],
    values: Sequence[Array | None],
    inputs: Sequence[Tensor | None],
    output: Tensor,
) -> Array:
    """Bias, rescaling, zero point and clamp behind the sums; channels are the last dimension."""
    x, w = inputs[0], inputs[1]
    if x is None or w is None:
        raise UserError("a required input is left out")
    if len(values) > 2 and values[2] is not None:
        accumulator = accumulator + values[2].astype(np.int64)
    scaled = rq.requantize(accumulator, op.factors(x, w, output)) + output.zero_point
    low, high = rq.activation_range(output, op.activation)
    return np.clip(scaled, low, high).astype(output.dtype.numpy)
