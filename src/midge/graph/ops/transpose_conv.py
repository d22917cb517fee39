"""transpose_conv: every input pixel is spread over a window of the output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import accumulate, weighted_float
from midge.graph.operands import expect_rank, expect_type, take, tensor
from midge.graph.requantize import Requantization
from midge.graph.types import Activation, Array, Attributes, DType, Rounding, Tensor, TensorType
from midge.graph.window import LARGEST_GATHER, LARGEST_PARAMETER, Pair

_Tap = tuple[int, int, tuple[slice, slice], tuple[slice, slice]]


@dataclass(frozen=True, kw_only=True)
class TransposeConv(Attributes):
    """``y[n,i,j,o] = clamp(rescale(sum (x[n,p,q,c] - x_zero) * w[o,h,w,c] + b[o]))``.

    The sum runs over all p, q, c, h, w with ``i = p * stride - pad + h`` and
    ``j = q * stride - pad + w``; an output pixel that no input reaches is the bias alone.

    Inputs:
        x: [n, p, q, c]; int8 or int16 per tensor, or float32.
        w: [o, kernel_h, kernel_w, c]: int8 constant with zero point 0, per tensor or per output
            channel; float32 beside float32, constant or computed.
        b: [o], optional: int32 constant; int64 or int16 where sums are long (rounding
            `tflite_16x8`, for int16 alone); float32, constant or computed.

    Output:
        [n, *extent, o] of x's type.

    float32 is not rescaled, and is summed in the order p, q, c. int16 has zero point 0.

    Sources: TFLM `kernels/internal/reference/integer_ops/transpose_conv.h`;
    `kernels/internal/reference/transpose_conv.h`.
    """

    kind = "transpose_conv"
    types = (DType.INT8, DType.INT16, DType.FLOAT32)
    extent: Pair
    stride: Pair = (1, 1)
    pad_before: Pair = (0, 0)
    activation: Activation = Activation.NONE
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def factors(self, x: Tensor, w: Tensor, y: Tensor) -> Requantization:
        """One factor, or one an output channel."""
        return accumulate.sum_factors(x, w, y, self.rounding)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [n, *extent, o] of x's type."""
        x, w, _ = take(inputs, 2, 1)
        x, w = tensor(x), tensor(w)
        expect_rank(x, 4)
        expect_rank(w, 4)
        expect_type(x, *self.types)
        if w.shape[3] != x.shape[3]:
            raise UserError(
                f"{w.name} has shape {list(w.shape)}; expected [o, h, w, {x.shape[3]}] for "
                f"{x.shape[3]} channels"
            )
        if min(*self.extent, *self.stride) < 1 or min(self.pad_before) < 0:
            raise UserError(
                f"extent {self.extent} and stride {self.stride} must be at least 1 and padding "
                f"{self.pad_before} at least 0"
            )
        if max(*w.shape[1:3], *self.stride, *self.pad_before) > LARGEST_PARAMETER:
            raise UserError(
                f"kernel {w.shape[1:3]}, stride {self.stride} and padding {self.pad_before} may be "
                f"at most {LARGEST_PARAMETER}"
            )
        return (TensorType((x.shape[0], *self.extent, w.shape[0]), x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Quantisation is present and no sum can leave its type."""
        x, w, b = take(inputs, 2, 1)
        x, w = tensor(x), tensor(w)
        elements = x.size * w.shape[1] * w.shape[2]
        if elements > LARGEST_GATHER:
            raise UserError(
                f"windows of {w.shape[1:3]} taps around {x.size} elements write {elements}; "
                f"supported: up to {LARGEST_GATHER}"
            )
        if x.dtype is DType.FLOAT32:
            weighted_float.check_float_sum(w, b, w.shape[0])
            return
        if w.dtype is DType.INT4:
            expect_type(w, DType.INT8)
        long_bias = (DType.INT64, DType.INT16)
        accumulate.check_weighted(self, x, w, b, outputs[0], channel_axis=0, long_bias=long_bias)

    def _taps(self, image: Pair, kernel: Pair) -> Iterator[_Tap]:
        """Taps from last to first, so that inputs reach an output in their own order.

        Yields:
            The tap, the pixels of the input that it takes to pixels of the output, and the latter.
        """
        for h in reversed(range(kernel[0])):
            for w in reversed(range(kernel[1])):
                sources, targets = zip(
                    *(self._reach(d, image[d], tap) for d, tap in ((0, h), (1, w))), strict=True
                )
                yield h, w, sources, targets

    def _reach(self, d: int, image: int, tap: int) -> tuple[slice, slice]:
        """Along one dimension: inputs that the tap keeps within the output, and their outputs."""
        stride, shift = self.stride[d], tap - self.pad_before[d]
        first = max(-(shift // stride), 0)
        end = max(min((self.extent[d] - 1 - shift) // stride + 1, image), first)
        start = first * stride + shift
        return slice(first, end), slice(start, start + (end - first) * stride, stride)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Tap by tap; products in float64, which holds every sum of integer products exactly."""
        x, w = tensor(inputs[0]), tensor(inputs[1])
        if x.dtype is DType.FLOAT32:
            return (self._evaluate_float(values, outputs[0]),)
        image = np.asarray(values[0]).astype(np.float64) - x.zero_point
        weights = np.asarray(values[1]).astype(np.float64)
        sums = np.zeros(outputs[0].shape, np.float64)
        for h, v, source, target in self._taps((x.shape[1], x.shape[2]), (w.shape[1], w.shape[2])):
            sums[:, *target] += image[:, *source] @ weights[:, h, v].T
        return (accumulate.finish(self, sums.astype(np.int64), values, inputs, outputs[0]),)

    def _evaluate_float(self, values: Sequence[Array | None], y: Tensor) -> Array:
        image, weights = np.asarray(values[0], np.float32), np.asarray(values[1], np.float32)
        _, height, width, channels = image.shape
        sums = np.zeros(y.shape, np.float32)
        with np.errstate(all="ignore"):
            for h, v, source, target in self._taps((height, width), weights.shape[1:3]):
                for c in range(channels):
                    sums[:, *target] += image[:, *source, c, None] * weights[:, h, v, c]
        return weighted_float.finish_float(sums, values, self.activation)

    def macs(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:
        """Taps times input elements times output channels."""
        x, w = tensor(inputs[0]), tensor(inputs[1])
        return x.size * w.shape[1] * w.shape[2] * outputs[0].shape[3]
