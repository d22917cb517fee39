"""max_pool_2d: the largest value of each window, padding not counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.graph.operands import expect_rank, expect_same_quantization, expect_type, take, tensor
from midge.graph.requantize import activation_range
from midge.graph.types import Activation, Array, Attributes, DType, Tensor, TensorType
from midge.graph.window import Pair, Window


@dataclass(frozen=True, kw_only=True)
class MaxPool2D(Attributes):
    """``y = clamp(max)`` over the taps inside the image.

    Input:
        x: int8 [n, h, w, c], per tensor; the output has the same scale and zero point.

    Output:
        int8 [n, out_h, out_w, c].

    Source: TFLM `kernels/internal/reference/integer_ops/pooling.h`, MaxPool.
    """

    kind = "max_pool_2d"
    types = (DType.INT8,)
    kernel: Pair
    stride: Pair = (1, 1)
    pad_before: Pair = (0, 0)
    pad_after: Pair = (0, 0)
    activation: Activation = Activation.NONE

    def window(self) -> Window:
        """The window whose maximum is taken."""
        return Window(self.kernel, self.stride, (1, 1), self.pad_before, self.pad_after)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [n, out_h, out_w, c] int8."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_rank(x, 4)
        expect_type(x, DType.INT8)
        batch, height, width, channels = x.shape
        return (
            TensorType(
                (batch, *self.window().output_extent((height, width)), channels), DType.INT8
            ),
        )

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Input and output stand for the same reals, and every window touches the image."""
        x = tensor(inputs[0])
        expect_same_quantization(x, outputs[0])
        self.window().expect_touching((x.shape[1], x.shape[2]))
        self.window().expect_gatherable(x.shape)
        activation_range(outputs[0], self.activation)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Outside the image stands the least int8, which never wins."""
        largest = self.window().patches(np.asarray(values[0]), -128).max(axis=(3, 4))
        low, high = activation_range(outputs[0], self.activation)
        return (np.clip(largest.astype(np.int64), low, high).astype(np.int8),)
