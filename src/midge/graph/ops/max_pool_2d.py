"""max_pool_2d: the largest value of each window, padding not counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.graph.float_clamp import activate_float
from midge.graph.operands import tensor
from midge.graph.ops.pool_2d import Pool2D
from midge.graph.requantize import activation_range
from midge.graph.types import Array, DType, Tensor


@dataclass(frozen=True, kw_only=True)
class MaxPool2D(Pool2D):
    """``y = clamp(max)`` over the taps inside the image.

    Input:
        x: int8, int16 or float32 [n, h, w, c], integers per tensor; the output has the same scale
            and zero point.

    Output:
        [n, out_h, out_w, c] of x's type. NaN is passed over; a window of nothing else, or of minus
        infinities, gives the least finite float32.

    Sources: TFLM `kernels/internal/reference/integer_ops/pooling.h` and `reference/pooling.h`,
    MaxPool.
    """

    kind = "max_pool_2d"
    types = (DType.INT8, DType.INT16, DType.FLOAT32)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Outside the image stands the least value, which never wins."""
        x, image = tensor(inputs[0]), np.asarray(values[0])
        least = np.finfo(np.float32).min if x.dtype is DType.FLOAT32 else x.dtype.limits[0]
        largest = np.asarray(least, image.dtype)
        for tap in self.taps(image, float(least)):
            largest = np.where(largest < tap, tap, largest)
        if x.dtype is DType.FLOAT32:
            return (activate_float(largest, self.activation),)
        low, high = activation_range(outputs[0], self.activation)
        return (np.clip(largest.astype(np.int64), low, high).astype(x.dtype.numpy),)
