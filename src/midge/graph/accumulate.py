"""What weighted sums share: their factors, their clamp, and the proof that no sum overflows."""

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

LARGEST_LONG_SUM = (1 << 47) - 1
"""TFLite Micro's bound of 64-bit sums (`kernels/internal/common.cc`)."""
_WEIGHTS = {DType.INT8: (DType.INT8, DType.INT4), DType.INT16: (DType.INT8,)}


class WeightedSum(Protocol):
    """Attributes of an operator that sums products and rescales the sum."""

    @property
    def activation(self) -> Activation:
        """The fused clamp."""

    @property
    def rounding(self) -> Rounding:
        """How the sum is rescaled, and with it how wide it is; see `is_long`."""

    def factors(self, x: Tensor, w: Tensor, y: Tensor) -> rq.Requantization:
        """What one unit of the sum is in units of the output."""


def is_long(rounding: Rounding) -> bool:
    """Sums have 64 bits; all other roundings are of sums of 32 bits."""
    return rounding is Rounding.TFLITE_16X8


def sum_factors(x: Tensor, w: Tensor, y: Tensor, rounding: Rounding) -> rq.Requantization:
    """What one unit of the accumulator is in units of the output, for one or each output channel.

    The product of the two scales and the quotient are taken in double precision (TFLM
    `kernels/kernel_util.cc`, PopulateConvolutionQuantizationParams and
    GetQuantizedConvolutionMultipler), under `half_even` in float32 (ONNX Runtime
    `core/providers/cpu/quantization/qlinearconv.cc`).
    """
    if w.quantization is None:
        raise UserError(f"{w.name} has no quantisation parameters")
    scales = w.quantization.scale
    return rq.requantization(rq.scale_quotient((x.scale, scales), y.scale, rounding), rounding)


def weights_zero(w: Tensor) -> int:
    """The zero point of the weights; one a channel is 0 throughout (`check_weighted`)."""
    return w.zero_point if w.quantization is not None and w.quantization.scale.size == 1 else 0


def centred_weights(w: Tensor, channel_axis: int) -> npt.NDArray[np.int16]:
    """``w - w_zero`` as [taps, channels]."""
    weights = np.moveaxis(np.asarray(w.data), channel_axis, -1).astype(np.int16)
    return (weights - np.int16(weights_zero(w))).reshape(-1, weights.shape[-1])


def accumulator_bounds(
    x: Tensor, w: Tensor, b: Tensor | None, channel_axis: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The least and the greatest sum that any input of x's type can give, int64 [channels] each.

    Partial sums lie within them too: each bound is a sum of terms that are at most, or at least,
    zero, widened to hold the bias alone.
    """
    weights = centred_weights(w, channel_axis)
    # x - x_zero reaches 0, so a weight's least and greatest products are those with the two ends.
    low, high = (limit - x.zero_point for limit in x.dtype.limits)
    low, high = min(low, 0), max(high, 0)
    negative = np.minimum(weights, 0).sum(axis=0, dtype=np.int64)
    positive = np.maximum(weights, 0).sum(axis=0, dtype=np.int64)
    least = positive * low + negative * high
    greatest = positive * high + negative * low
    bias = np.zeros(1, np.int64) if b is None else np.asarray(b.data).astype(np.int64)
    return least + np.minimum(bias, 0), greatest + np.maximum(bias, 0)


def worst_sum(x: Tensor, w: Tensor, b: Tensor | None, channel_axis: int) -> int:
    """The largest magnitude of a sum, and of a partial one, in any order that kernels sum in.

    Kernels start from a bias that has x's zero point folded in, add the sum of a row's stored
    values times the weights' zero point, and then products of what is stored.
    """
    centred = np.abs(centred_weights(w, channel_axis)).sum(axis=0, dtype=np.int64)
    stored = centred
    zero = abs(weights_zero(w))
    if zero:
        weights = np.moveaxis(np.asarray(w.data).astype(np.int16), channel_axis, 0)
        taps = weights[0].size
        stored = np.abs(weights).reshape(weights.shape[0], -1).sum(axis=1, dtype=np.int64)
        stored = stored + zero * taps
    furthest = -x.dtype.limits[0]
    worst = furthest * stored + abs(x.zero_point) * centred
    if b is None:
        return int(worst.max())
    # Python's integers: a bias may lie at the end of int64.
    bias = np.asarray(b.data).reshape(-1).tolist()
    sums = [abs(int(start)) + int(rest) for start, rest in zip(bias, worst, strict=True)]
    return max(sums)


def check_weighted(
    op: WeightedSum,
    x: Tensor,
    w: Tensor,
    b: Tensor | None,
    y: Tensor,
    *,
    channel_axis: int,
    long_bias: tuple[DType, ...] = (DType.INT64,),
    offsets: bool = False,
) -> None:
    """Types, quantisation and ranges of a quantised weighted sum.

    Args:
        op: The operator.
        x: Its input, int8 or int16.
        w: Its weights.
        b: Its bias.
        y: Its output, of x's type.
        channel_axis: The dimension of the weights that counts output channels.
        long_bias: Types of a bias of 64-bit sums.
        offsets: The zero point of per-tensor weights, and those of int16 activations, count; where
            False they must be 0, since TFLite Micro does not look at them.

    Raises:
        UserError: a parameter is missing or out of range, or a sum can leave int32, or 48 bits
            (where other runtimes wrap around silently).
    """
    for activation in (x, y):
        expect_per_tensor(activation)
        if activation.dtype is DType.INT16 and activation.zero_point != 0 and not offsets:
            raise UserError(
                f"{activation.name} has zero point {activation.zero_point}; supported for int16: 0"
            )
    if is_long(op.rounding) and x.dtype is not DType.INT16:
        raise UserError(f"rounding {op.rounding.value} is for int16; {x.name} is {x.dtype.value}")
    expect_type(w, *_WEIGHTS[x.dtype])
    expect_constant(w)
    quantization = expect_quantized(w)
    if np.any(quantization.zero_point != 0) and not (offsets and quantization.scale.size == 1):
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
        expect_type(b, *(long_bias if is_long(op.rounding) else (DType.INT32,)))
        expect_bias(b, channels)
    worst = worst_sum(x, w, b, channel_axis)
    if is_long(op.rounding) and worst > LARGEST_LONG_SUM:
        raise UserError(
            f"sums of up to {worst} leave 48 bits; the layer is too wide or its bias too large"
        )
    if not is_long(op.rounding) and worst > rq.INT32_MAX:
        raise UserError(
            f"sums of up to {worst} overflow int32; the layer is too wide or its bias too large"
        )
    factors = op.factors(x, w, y)
    rq.activation_range(y, op.activation)
    if is_long(op.rounding):
        least, greatest = accumulator_bounds(x, w, b, channel_axis)
        check_rescaled(np.stack([least, greatest]), factors, y)


def expect_bias(b: Tensor, channels: int, *, constant: bool = True) -> None:
    """One a channel."""
    if constant:
        expect_constant(b)
    if b.shape != (channels,):
        raise UserError(f"{b.name} has shape {list(b.shape)}; expected [{channels}], one a channel")


def check_rescaled(ends: npt.NDArray[np.int64], factors: rq.Requantization, y: Tensor) -> None:
    """What becomes of the least and the greatest 64-bit sum stays within int32.

    Raises:
        UserError: it does not; TFLite Micro cuts the upper bits off.
    """
    scaled = rq.requantize(ends, factors) + y.zero_point
    worst = int(np.abs(scaled).max())
    if worst > rq.INT32_MAX:
        raise UserError(
            f"sums of up to {worst} times the scale of {y.name} overflow int32; its scale "
            f"{y.scale:g} is too fine"
        )


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
