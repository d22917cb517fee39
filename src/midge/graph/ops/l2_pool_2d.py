"""l2_pool_2d: the root mean square of each window, padding not counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.graph import float_math
from midge.graph.float_clamp import activate_float
from midge.graph.operands import tensor
from midge.graph.ops.pool_2d import Pool2D
from midge.graph.types import Array, DType, Tensor


@dataclass(frozen=True, kw_only=True)
class L2Pool2D(Pool2D):
    """``y = clamp(sqrt(sum(x**2) / count))`` over the taps inside the image, row by row.

    Input:
        x: float32 [n, h, w, c].

    Output:
        float32 [n, out_h, out_w, c].

    Source: TFLM `kernels/internal/reference/pooling.h`, L2Pool.
    """

    kind = "l2_pool_2d"
    types = (DType.FLOAT32,)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """The zeros outside the image change no bit of a sum of squares."""
        count = self.counts(tensor(inputs[0]).shape).astype(np.float32)
        with np.errstate(all="ignore"):
            total = np.zeros((), np.float32)
            for tap in self.taps(np.asarray(values[0], np.float32), 0.0):
                total = total + tap * tap
            return (activate_float(float_math.sqrt(total / count), self.activation),)
