"""depthwise_conv_2d: every channel is convolved alone, into `multiplier` output channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import accumulate, weighted_float
from midge.graph.operands import expect_rank, expect_type, take, tensor
from midge.graph.requantize import Int64Array, Requantization
from midge.graph.types import Activation, Array, Attributes, DType, Rounding, Tensor, TensorType
from midge.graph.window import Pair, Window


@dataclass(frozen=True, kw_only=True)
class DepthwiseConv2D(Attributes):
    """``y[n,i,j,o] = clamp(rescale(sum_{h,w} (x[..,o // m] - x_zero) * w[0,h,w,o] + b[o]))``.

    Inputs:
        x: [n, h, w, c]; int8 or int16 per tensor, or float32.
        w: [1, kernel_h, kernel_w, c * m]: int8 constant, or int4 beside int8, with zero point 0,
            per tensor or per channel; finite float32 beside float32, constant or computed.
        b: [c * m], optional: int32 constant; int64 where sums are long (rounding `tflite_16x8`,
            for int16 alone); float32, constant or computed.

    Output:
        [n, out_h, out_w, c * m] of x's type.

    float32 is not rescaled, and is summed in the order h, w. int16 has zero point 0.

    Sources: TFLM `kernels/internal/reference/integer_ops/depthwise_conv.h`,
    DepthwiseConvPerChannel; `kernels/internal/reference/depthwiseconv_float.h`.
    """

    kind = "depthwise_conv_2d"
    types = (DType.INT8, DType.INT16, DType.FLOAT32)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pad_before: Pair = (0, 0)
    pad_after: Pair = (0, 0)
    activation: Activation = Activation.NONE
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def window(self, weights: Tensor) -> Window:
        """The window that these weights slide."""
        _, kernel_h, kernel_w, _ = weights.shape
        return Window(
            (kernel_h, kernel_w), self.stride, self.dilation, self.pad_before, self.pad_after
        )

    def factors(self, x: Tensor, w: Tensor, y: Tensor) -> Requantization:
        """One factor, or one an output channel."""
        return accumulate.sum_factors(x, w, y, self.rounding)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [n, out_h, out_w, c * m] of x's type."""
        x, w, _ = take(inputs, 2, 1)
        x, w = tensor(x), tensor(w)
        expect_rank(x, 4)
        expect_rank(w, 4)
        expect_type(x, *self.types)
        batch, height, width, channels = x.shape
        if w.shape[0] != 1 or w.shape[3] % channels:
            raise UserError(
                f"{w.name} has shape {list(w.shape)}; expected [1, h, w, m * {channels}] "
                f"for {channels} channels"
            )
        extent = self.window(w).output_extent((height, width))
        return (TensorType((batch, *extent, w.shape[3]), x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Quantisation is present and no sum can leave its type."""
        x, w, b = take(inputs, 2, 1)
        x, w = tensor(x), tensor(w)
        self.window(w).expect_gatherable(x.shape)
        if x.dtype is DType.FLOAT32:
            weighted_float.check_float_sum(w, b, w.shape[3], finite=True)
        else:
            accumulate.check_weighted(self, x, w, b, outputs[0], channel_axis=3)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """One product a tap and channel, summed in int64."""
        x, w = tensor(inputs[0]), tensor(inputs[1])
        if x.dtype is DType.FLOAT32:
            return (self._evaluate_float(values, x, w),)
        image = np.asarray(values[0]).astype(np.int64) - x.zero_point
        patches: Int64Array = self.window(w).patches(image, 0).astype(np.int64)
        weights = np.asarray(values[1]).astype(np.int64).reshape(*w.shape[1:3], x.shape[3], -1)
        sums: Int64Array = np.einsum("nijhwc,hwcm->nijcm", patches, weights)
        accumulator = sums.reshape(outputs[0].shape)
        return (accumulate.finish(self, accumulator, values, inputs, outputs[0]),)

    def _evaluate_float(self, values: Sequence[Array | None], x: Tensor, w: Tensor) -> Array:
        window = self.window(w)
        patches = window.patches(np.asarray(values[0]), 0)
        by_channel = np.asarray(values[1], np.float32).reshape(*w.shape[1:3], x.shape[3], -1, 1)
        kernels = by_channel.transpose(2, 3, 0, 1, 4)
        sums = weighted_float.window_sums(patches, window.inside((x.shape[1], x.shape[2])), kernels)
        return weighted_float.finish_float(sums, values, self.activation)

    def macs(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:
        """Taps times output elements."""
        _, kernel_h, kernel_w, _ = tensor(inputs[1]).shape
        return outputs[0].size * kernel_h * kernel_w
