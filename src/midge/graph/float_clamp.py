"""Fused activations of float32 operators."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from midge.graph.types import Activation

Float32Array = npt.NDArray[np.float32]

_LARGEST = np.finfo(np.float32).max
_RANGES = {
    Activation.NONE: (-_LARGEST, _LARGEST),
    Activation.RELU: (np.float32(0), _LARGEST),
    Activation.RELU6: (np.float32(0), np.float32(6)),
    Activation.RELU_N1_TO_1: (np.float32(-1), np.float32(1)),
}


def float_activation_range(activation: Activation) -> tuple[np.float32, np.float32]:
    """The clamp of a fused activation, ends included; infinities are clamped without one as well.

    Source: TFLM `kernels/kernel_util.h`, CalculateActivationRange.
    """
    low, high = _RANGES[activation]
    return np.float32(low), np.float32(high)


def clamp_float(values: Float32Array, low: np.float32, high: np.float32) -> Float32Array:
    """``min(max(x, low), high)`` where NaN stays NaN and a zero keeps its sign."""
    raised = np.where(values < low, low, values)
    return np.where(high < raised, high, raised)


def activate_float(values: Float32Array, activation: Activation) -> Float32Array:
    """A fused activation behind a float32 operator."""
    return clamp_float(values, *float_activation_range(activation))
