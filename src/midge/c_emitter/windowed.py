"""Fields that kernels over windows share."""

from __future__ import annotations

from midge.graph import Activation, DType, Tensor
from midge.graph.float_clamp import float_activation_range
from midge.graph.requantize import activation_range
from midge.graph.window import Window


def window_fields(x: Tensor, y: Tensor, window: Window) -> dict[str, object]:
    """``struct midge_window`` of an NHWC input and output."""
    batches, in_h, in_w, in_c = x.shape
    _, out_h, out_w, out_c = y.shape
    return {
        "batches": batches,
        "in_h": in_h,
        "in_w": in_w,
        "in_c": in_c,
        "out_h": out_h,
        "out_w": out_w,
        "out_c": out_c,
        "kernel_h": window.kernel[0],
        "kernel_w": window.kernel[1],
        "stride_h": window.stride[0],
        "stride_w": window.stride[1],
        "dilation_h": window.dilation[0],
        "dilation_w": window.dilation[1],
        "pad_top": window.pad_before[0],
        "pad_left": window.pad_before[1],
    }


def activation_fields(y: Tensor, activation: Activation) -> dict[str, object]:
    """``y_zero``, ``low`` and ``high``: what is added to a rescaled sum, and its clamp."""
    return {"y_zero": y.zero_point} | clamp_fields(y, activation)


def clamp_fields(y: Tensor, activation: Activation) -> dict[str, object]:
    """``low`` and ``high``, both included, in the output's type."""
    if y.dtype is DType.FLOAT32:
        low, high = float_activation_range(activation)
        return {"low": low, "high": high}
    lowest, highest = activation_range(y, activation)
    return {"low": lowest, "high": highest}
