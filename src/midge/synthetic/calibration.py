"""Output scales from simulated values, and the bounds that TFLite Micro puts on scales.

Paths in these notes are TFLite Micro's, under tensorflow/lite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midge.synthetic.model_description import Quantization

Reals = NDArray[np.float64]

SOFTMAX_OUTPUT = Quantization((1 / 256,), (-128,))
"""The one quantisation that TFLite allows an int8 SOFTMAX to produce."""

MAX_ADD_SCALE_RATIO = 2.0**10
"""Bound kept between an ADD's larger input scale and its output scale.

TFLite Micro stops the process from 2**19 on (micro/kernels/add_common.cc).
"""

ACCUMULATOR_LIMIT = 2.0**29
"""A layer's largest possible real value, over its output scale, stays below this.

Accumulators are shifted left by up to the multiplier's exponent plus one, in 32 bits: beyond 2**30
the shift could overflow, which C leaves undefined and TFLite Micro does not check.
"""

FINEST_SCALE = 2.0**-26
"""6 / scale must stay an int32, or a RELU6 is refused (kernel_util.cc)."""


@dataclass(frozen=True)
class Calibration:
    """How an output's scale and zero point follow from the values that came out.

    Attributes:
        stretch: The scale over the one that just covers the values (and 0): below 1 the output
            saturates at both ends, above 1 it uses few of the 256 codes.
        one_sided: Put the zero point at the end, -128 or 127, that leaves all codes to the larger
            of the two signs; the other sign saturates.
    """

    stretch: float = 1.0
    one_sided: bool = False

    def quantization(self, values: Reals, dtype: str = "int8") -> Quantization:
        """Choose for `values`, of any shape, real numbers; int16 is symmetric."""
        if dtype == "int16":
            largest = float(np.abs(values).max(initial=0.0)) or 1.0
            return Quantization((float(np.float32(largest / 32767 * self.stretch)),), (0,))
        low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
        if low == high:  # zero throughout: any scale will do
            return Quantization((1.0,), (0,))
        if self.one_sided:
            low, high = (0.0, high) if high >= -low else (low, 0.0)
        scale = float(np.float32((high - low) / 255 * self.stretch))
        zero_point = int(np.clip(np.rint(-128 - low / ((high - low) / 255)), -128, 127))
        return Quantization((scale,), (zero_point,))


COVERING = Calibration()
"""The ordinary rule: the finest scale that covers the values."""


def resolve(output: Calibration | Quantization, values: Reals, dtype: str = "int8") -> Quantization:
    """Return `output`, or what it gives for `values` when it is a rule."""
    return output if isinstance(output, Quantization) else output.quantization(values, dtype)


def at_least(floor: float, quantization: Quantization) -> Quantization:
    """Return `quantization` with a scale of `floor` or more."""
    if quantization.scale >= floor:
        return quantization
    return Quantization((floor,), quantization.zero_points)
