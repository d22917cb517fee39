"""Weighted sums of float32: one product and one sum at a time, in TFLite Micro's order.

A sum starts from +0.0 and so is never -0.0: an addend of zero, of either sign, changes nothing.
Taps that lie outside an image may therefore be left out, as TFLite Micro does, or taken as +0.0,
as a `pad` in front of a convolution has them, as long as the weights are finite.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph.accumulate import expect_bias
from midge.graph.float_clamp import Float32Array, activate_float
from midge.graph.operands import expect_type
from midge.graph.types import Activation, Array, DType, Tensor


def check_float_sum(w: Tensor, b: Tensor | None, channels: int, *, finite: bool = False) -> None:
    """Types of a weighted sum's operands, constant or computed.

    Args:
        w: Its weights.
        b: Its bias.
        channels: Entries of the bias.
        finite: Constant weights must be finite.
    """
    expect_type(w, DType.FLOAT32)
    if b is not None:
        expect_type(b, DType.FLOAT32)
        expect_bias(b, channels, constant=False)
    if finite and w.is_constant and not np.all(np.isfinite(np.asarray(w.data, np.float32))):
        raise UserError(f"{w.name} holds a number that is not finite")


def window_sums(
    patches: Array, inside: npt.NDArray[np.bool_], kernels: Float32Array
) -> Float32Array:
    """Sums over windows, tap by tap and channel by channel.

    Args:
        patches: float32 [n, out_h, out_w, kernel_h, kernel_w, groups * channels].
        inside: Which taps lie in the image, [1, out_h, out_w, kernel_h, kernel_w, 1].
        kernels: [groups, outputs, kernel_h, kernel_w, channels].

    Returns:
        float32 [n, out_h, out_w, groups * outputs].
    """
    groups, outputs, kernel_h, kernel_w, channels = kernels.shape
    rows = patches.shape[:3]
    by_group = np.asarray(patches, np.float32).reshape(
        *rows, kernel_h, kernel_w, groups, channels, 1
    )
    sums = np.zeros((*rows, groups, outputs), np.float32)
    with np.errstate(all="ignore"):
        for h, w, c in np.ndindex(kernel_h, kernel_w, channels):
            more = sums + by_group[:, :, :, h, w, :, c] * kernels[:, :, h, w, c]
            sums = np.where(inside[:, :, :, h, w, :, None], more, sums)
    return sums.reshape(*rows, groups * outputs)


def matrix_product(a: Array, b: Array) -> Float32Array:
    """``sum_k a[..., i, k] * b[..., k, j]``, k by k; leading dimensions broadcast."""
    left, right = np.asarray(a, np.float32), np.asarray(b, np.float32)
    leading = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    sums = np.zeros((*leading, left.shape[-2], right.shape[-1]), np.float32)
    with np.errstate(all="ignore"):
        for k in range(left.shape[-1]):
            sums += left[..., :, k, None] * right[..., None, k, :]
    return sums


def finish_float(
    sums: Float32Array, values: Sequence[Array | None], activation: Activation
) -> Float32Array:
    """The third operand, if it is there, and the clamp; channels are the last dimension."""
    bias = values[2] if len(values) > 2 else None
    with np.errstate(all="ignore"):
        biased = sums if bias is None else sums + np.asarray(bias, np.float32)
    return activate_float(biased, activation)
