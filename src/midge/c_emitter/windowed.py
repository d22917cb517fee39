"""Fields that kernels over windows share."""

from __future__ import annotations

from midge.c_emitter import overlap
from midge.c_emitter.kernel import Layer
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


def is_always_inside(x: Tensor, window: Window) -> bool:
    """No tap of any window lies outside the NHWC image x."""
    _, height, width, _ = x.shape
    rows, columns = window.tap_indices((height, width))
    ends = min(rows.min(), columns.min()), rows.max(), columns.max()
    return bool(ends[0] >= 0 and ends[1] < height and ends[2] < width)


def window_distance(layer: Layer, window: Window, *, step: int = 1, reads_first: bool) -> int:
    """`overlap.sliding` for a layer's first input and its output."""
    x, y = layer.input(0), layer.output
    batches, height, width, channels = x.shape
    element_bytes = x.dtype.size_bits // 8
    return overlap.sliding(
        window,
        batches,
        (height, width),
        channels * element_bytes,
        y.shape[3] * element_bytes,
        step=step,
        reads_first=reads_first,
    )


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
