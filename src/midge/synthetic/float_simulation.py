"""The operators on real numbers, to see what values a random network produces.

Only used to choose scales (a calibration, like a converter's on sample data): nothing here rounds
as a device does, and no test compares a device with it. Images are (N, H, W, C) float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from midge.synthetic.model_description import Pair

Reals = NDArray[np.float64]


def output_size(size: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """Number of window positions along one axis (TensorFlow's rule); below 1 when none fits."""
    if padding == "SAME":
        return -(-size // stride)
    return (size - dilation * (kernel - 1) - 1) // stride + 1


def padding_before(size: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """Padding before the first element of an axis; SAME puts the odd one after the last."""
    positions = output_size(size, kernel, stride, dilation, padding)
    total = (positions - 1) * stride + dilation * (kernel - 1) + 1 - size
    return max(total, 0) // 2


def conv_2d(x: Reals, weights: Reals, stride: Pair, dilation: Pair, padding: str) -> Reals:
    """Convolve (N, H, W, C) with OHWI weights; C / I groups. Returns (N, H', W', O)."""
    channels_out, kernel_h, kernel_w, depth = weights.shape
    groups = x.shape[3] // depth
    grouped = weights.reshape(groups, channels_out // groups, kernel_h, kernel_w, depth)
    total: Reals | None = None
    for kh, kw, taps in _taps(x, (kernel_h, kernel_w), stride, dilation, padding):
        split = taps.reshape(*taps.shape[:3], groups, depth)
        term = np.einsum("nhwgi,goi->nhwgo", split, grouped[:, :, kh, kw])
        total = term if total is None else total + term
    assert total is not None
    return total.reshape(*total.shape[:3], channels_out)


def depthwise_conv_2d(
    x: Reals, weights: Reals, stride: Pair, dilation: Pair, padding: str
) -> Reals:
    """Convolve each channel of (N, H, W, C) with its own 1HWO weights. Returns (N, H', W', O)."""
    _, kernel_h, kernel_w, channels_out = weights.shape
    multiplier = channels_out // x.shape[3]
    total: Reals | None = None
    for kh, kw, taps in _taps(x, (kernel_h, kernel_w), stride, dilation, padding):
        term = np.repeat(taps, multiplier, axis=3) * weights[0, kh, kw]
        total = term if total is None else total + term
    assert total is not None
    return total


def max_pool_2d(x: Reals, kernel: Pair, stride: Pair, padding: str) -> Reals:
    """Largest value of each window of (N, H, W, C), padding left out."""
    return _reduce_windows(np.maximum, x, kernel, stride, padding, fill=-np.inf)


def average_pool_2d(x: Reals, kernel: Pair, stride: Pair, padding: str) -> Reals:
    """Mean of each window of (N, H, W, C), padding left out of the sum and the count."""
    count = _reduce_windows(np.add, np.ones_like(x), kernel, stride, padding, fill=0.0)
    return _reduce_windows(np.add, x, kernel, stride, padding, fill=0.0) / count


def transpose_conv(x: Reals, weights: Reals, stride: Pair, padding: str, extent: Pair) -> Reals:
    """Spread (N, H, W, C) over windows of an output of `extent`. Returns (N, *extent, O)."""
    channels_out, kernel_h, kernel_w, _ = weights.shape
    before = [
        padding_before(extent[d], (kernel_h, kernel_w)[d], stride[d], 1, padding) for d in (0, 1)
    ]
    result = np.zeros((x.shape[0], *extent, channels_out))
    for row, column, h, w in np.ndindex(*x.shape[1:3], kernel_h, kernel_w):
        i, j = row * stride[0] + h - before[0], column * stride[1] + w - before[1]
        if 0 <= i < extent[0] and 0 <= j < extent[1]:
            result[:, i, j] += x[:, row, column] @ weights[:, h, w].T
    return result


def softmax(x: Reals, beta: float) -> Reals:
    """Softmax of beta * x over the last axis."""
    powers = np.exp(beta * (x - x.max(axis=-1, keepdims=True)))
    shares: Reals = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def activate(x: Reals, activation: str) -> Reals:
    """Clamp `x` as the fused activation NONE, RELU, RELU6 or RELU_N1_TO_1 does."""
    low, high = {
        "NONE": (-np.inf, np.inf),
        "RELU": (0.0, np.inf),
        "RELU6": (0.0, 6.0),
        "RELU_N1_TO_1": (-1.0, 1.0),
    }[activation]
    clamped: Reals = np.clip(x, low, high)
    return clamped


def _taps(
    x: Reals, kernel: Pair, stride: Pair, dilation: Pair, padding: str, *, fill: float = 0.0
) -> Iterator[tuple[int, int, Reals]]:
    """Yield, for each kernel position, the inputs that it meets at every output position."""
    pads = [(0, 0), (0, 0), (0, 0), (0, 0)]
    spans = []
    for axis in (0, 1):
        size, window = x.shape[axis + 1], dilation[axis] * (kernel[axis] - 1) + 1
        rule = (size, kernel[axis], stride[axis], dilation[axis], padding)
        before = padding_before(*rule)
        span = (output_size(*rule) - 1) * stride[axis] + 1
        pads[axis + 1] = (before, max(span - 1 + window - size - before, 0))
        spans.append(span)
    padded = np.pad(x, pads, constant_values=fill)
    for kh in range(kernel[0]):
        for kw in range(kernel[1]):
            top, left = kh * dilation[0], kw * dilation[1]
            rows = slice(top, top + spans[0], stride[0])
            columns = slice(left, left + spans[1], stride[1])
            yield kh, kw, padded[:, rows, columns]


def _reduce_windows(
    combine: Callable[[Reals, Reals], Reals],
    x: Reals,
    kernel: Pair,
    stride: Pair,
    padding: str,
    *,
    fill: float,
) -> Reals:
    total: Reals | None = None
    for _, _, taps in _taps(x, kernel, stride, (1, 1), padding, fill=fill):
        total = taps if total is None else combine(total, taps)
    assert total is not None
    return total
