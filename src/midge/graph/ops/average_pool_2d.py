"""average_pool_2d: the mean of each window, padding not counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.float_clamp import Float32Array, activate_float
from midge.graph.operands import tensor
from midge.graph.ops.pool_2d import Pool2D
from midge.graph.requantize import Int64Array, activation_range
from midge.graph.types import Array, DType, Tensor

LARGEST_WINDOWS = {DType.INT8: 1 << 23, DType.INT16: 1 << 15}
"""So many of the least values, and half their count, stay within int32."""


@dataclass(frozen=True, kw_only=True)
class AveragePool2D(Pool2D):
    """``y = clamp(sum / count)`` over the taps inside the image; integers half away from zero.

    Input:
        x: int8, int16 or float32 [n, h, w, c], integers per tensor; the output has the same scale
            and zero point.

    Output:
        [n, out_h, out_w, c] of x's type. Floats are summed row by row.

    Sources: TFLM `kernels/internal/reference/integer_ops/pooling.h` and `reference/pooling.h`,
    AveragePool.
    """

    kind = "average_pool_2d"
    types = (DType.INT8, DType.INT16, DType.FLOAT32)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """As for every pool; sums stay within int32."""
        x = tensor(inputs[0])
        taps = min(self.kernel[0], x.shape[1]) * min(self.kernel[1], x.shape[2])
        largest = LARGEST_WINDOWS.get(x.dtype, taps)
        if taps > largest:
            raise UserError(f"sums of {taps} elements may overflow int32; up to {largest} fit")
        super().check(inputs, outputs)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Sums of stored integers; half of the count is added away from zero, then truncated."""
        x = tensor(inputs[0])
        counts = self.counts(x.shape)
        if x.dtype is DType.FLOAT32:
            return (self._float_means(np.asarray(values[0], np.float32), counts),)
        sums = sum(tap.astype(np.int64) for tap in self.taps(np.asarray(values[0]), 0))
        nudged = np.abs(sums) + counts // 2
        means = np.sign(sums) * (nudged // counts)
        low, high = activation_range(outputs[0], self.activation)
        return (np.clip(means, low, high).astype(x.dtype.numpy),)

    def _float_means(self, image: Float32Array, counts: Int64Array) -> Float32Array:
        # A sum that starts from 0 is never -0, so the zeros outside the image change no bit of it.
        with np.errstate(all="ignore"):
            total = np.zeros((), np.float32)
            for tap in self.taps(image, 0.0):
                total = total + tap
            means = np.divide(total, counts.astype(np.float32), dtype=np.float32)
            return activate_float(means, self.activation)
