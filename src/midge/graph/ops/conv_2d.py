"""conv_2d: a 2-D convolution over NHWC images, grouped, dilated, padded, with a fused clamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import accumulate, weighted_float
from midge.graph.operands import expect_rank, expect_type, take, tensor
from midge.graph.requantize import Requantization
from midge.graph.types import Activation, Array, Attributes, DType, Rounding, Tensor, TensorType
from midge.graph.window import Pair, Window


@dataclass(frozen=True, kw_only=True)
class Conv2D(Attributes):
    """``y[n,i,j,o] = clamp(rescale(sum_{h,w,c} (x - x_zero) * w[o,h,w,c] + b[o]))``.

    Inputs:
        x: [n, h, w, groups * c]; int8 or int16 per tensor, or float32.
        w: [o, kernel_h, kernel_w, c]: int8 constant, or int4 beside int8, with zero point 0, per
            tensor or per output channel; finite float32 beside float32, constant or computed.
        b: [o], optional: int32 constant; int64 where sums are long (rounding `tflite_16x8`, for
            int16 alone); float32, constant or computed.

    Output:
        [n, out_h, out_w, o] of x's type. `o` is a multiple of the number of groups.

    float32 is not rescaled, and is summed in the order h, w, c. int16 has zero point 0.

    Sources: TFLM `kernels/internal/reference/integer_ops/conv.h`, ConvPerChannel;
    `kernels/internal/reference/conv.h`.
    """

    kind = "conv_2d"
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
        """Output [n, out_h, out_w, o] of x's type."""
        x, w, _ = take(inputs, 2, 1)
        x, w = tensor(x), tensor(w)
        expect_rank(x, 4)
        expect_rank(w, 4)
        expect_type(x, *self.types)
        batch, height, width, channels = x.shape
        outputs, _, _, per_group = w.shape
        if channels % per_group or outputs % (channels // per_group):
            raise UserError(
                f"{w.name} of shape {list(w.shape)} does not divide {channels} input channels "
                "into groups"
            )
        extent = self.window(w).output_extent((height, width))
        return (TensorType((batch, *extent, outputs), x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Quantisation is present and no sum can leave its type."""
        x, w, b = take(inputs, 2, 1)
        x, w = tensor(x), tensor(w)
        self.window(w).expect_gatherable(x.shape)
        if x.dtype is DType.FLOAT32:
            weighted_float.check_float_sum(w, b, w.shape[0], finite=True)
        else:
            accumulate.check_weighted(self, x, w, b, outputs[0], channel_axis=0)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Products in float64, which holds every sum of integer products exactly."""
        x, w = tensor(inputs[0]), tensor(inputs[1])
        if x.dtype is DType.FLOAT32:
            return (self._evaluate_float(values, x, w),)
        image = np.asarray(values[0]).astype(np.float64) - x.zero_point
        weights = np.asarray(values[1]).astype(np.float64)
        patches = self.window(w).patches(image, 0)
        per_group = w.shape[3]
        groups = x.shape[3] // per_group
        rows = patches.shape[:3]
        by_group = patches.reshape(*rows, -1, groups, per_group)
        kernels = weights.reshape(groups, w.shape[0] // groups, -1)
        sums = [by_group[..., g, :].reshape(*rows, -1) @ kernels[g].T for g in range(groups)]
        accumulator = np.concatenate(sums, axis=-1).astype(np.int64)
        return (accumulate.finish(self, accumulator, values, inputs, outputs[0]),)

    def _evaluate_float(self, values: Sequence[Array | None], x: Tensor, w: Tensor) -> Array:
        window = self.window(w)
        groups = x.shape[3] // w.shape[3]
        patches = window.patches(np.asarray(values[0]), 0)
        kernels = np.asarray(values[1], np.float32).reshape(groups, -1, *w.shape[1:])
        sums = weighted_float.window_sums(patches, window.inside((x.shape[1], x.shape[2])), kernels)
        return weighted_float.finish_float(sums, values, self.activation)

    def macs(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:
        """Taps times output elements."""
        _, kernel_h, kernel_w, per_group = tensor(inputs[1]).shape
        return outputs[0].size * kernel_h * kernel_w * per_group
