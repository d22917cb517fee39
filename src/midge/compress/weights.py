"""Weights as integers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from midge.graph import Array, DType, Graph, Op, Quantization
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.fully_connected import FullyConnected

Float64Array = npt.NDArray[np.float64]

LARGEST_CODES = {DType.INT8: 127, DType.INT4: 7}
"""Symmetric: the code at the lower end is left over, as TFLite's quantisation has it."""
LARGEST_BIAS = {DType.INT32: 2**30, DType.INT64: 2**45}
"""Half of what a sum may reach; the other half is for the products."""
LEAST_SCALE = 1e-30
INT4_SHARES = np.linspace(1.0, 0.4, 25)
"""Of a channel's largest weight: where codes may end."""


def may_be_int4(graph: Graph, op: Op) -> bool:
    """Whether the op is fully connected or a 1x1 convolution: kernels unpack those on the fly."""
    if not isinstance(op.attributes, Conv2D | FullyConnected):
        return False
    shape = graph.tensors[op.inputs[1]].shape
    return len(shape) == 2 or shape[1:3] == (1, 1)


def quantize_weights(
    weights: Array,
    bias: Array | None,
    *,
    axis: int,
    dtype: DType,
    x_scale: float,
    long_sums: bool,
    importance: Float64Array | None = None,
) -> tuple[npt.NDArray[np.int8], Quantization]:
    """Weights to the nearest codes, one scale an output channel.

    int8 codes reach to each channel's largest weight. Of int4 the end is searched that gives the
    least error, in which a weight counts as much as the mean square of what it multiplies.

    Args:
        weights: float32.
        bias: float32 [channels]; scales are such that it fits the integers of sums.
        axis: The dimension of output channels.
        dtype: int8 or int4.
        x_scale: Of the input's codes.
        long_sums: Sums, and so biases, have 64 bits.
        importance: Mean squares of the inputs, of a shape that broadcasts with one channel's
            weights; all 1 where left out.

    Returns:
        Codes, int8 also where they are int4, and their scales, zero points 0.
    """
    rows = np.moveaxis(weights.astype(np.float64), axis, 0)
    flat = rows.reshape(rows.shape[0], -1)
    largest = np.abs(flat).max(axis=1)
    ends = largest
    if dtype is DType.INT4:
        inputs = np.ones(rows.shape[1:]) if importance is None else importance
        ends = _searched_ends(flat, np.broadcast_to(inputs, rows.shape[1:]).reshape(-1), largest)
    scale = ends / LARGEST_CODES[dtype]
    scale = np.maximum(scale, _least_scales(bias, x_scale, long_sums, scale))
    stored = scale.astype(np.float32)
    top = LARGEST_CODES[dtype]
    codes = np.clip(np.rint(flat / stored.astype(np.float64)[:, None]), -top, top)
    turned = np.moveaxis(codes.reshape(rows.shape), 0, axis).astype(np.int8)
    zeros = np.zeros(stored.size, np.int64)
    return np.ascontiguousarray(turned), Quantization(stored, zeros, axis)


def _least_scales(
    bias: Array | None, x_scale: float, long_sums: bool, scale: Float64Array
) -> Float64Array:
    """Scales under which a bias would not fit its integers; some scale for channels of zeros."""
    some = float(scale.max()) or 1.0
    least = np.where(scale > 0, LEAST_SCALE, some)
    if bias is not None:
        limit = LARGEST_BIAS[DType.INT64 if long_sums else DType.INT32]
        least = np.maximum(least, np.abs(bias.astype(np.float64)) / (x_scale * limit))
    return np.asarray(least)


def _searched_ends(
    flat: Float64Array, importance: Float64Array, largest: Float64Array
) -> Float64Array:
    """For each channel the end of int4's codes with the least weighted squared error."""
    top = LARGEST_CODES[DType.INT4]
    best, ends = np.full(largest.shape, np.inf), largest.copy()
    for share in INT4_SHARES:
        scale = np.where(largest > 0, largest * share / top, 1.0)[:, None]
        rounded = np.clip(np.rint(flat / scale), -top, top) * scale
        error = ((flat - rounded) ** 2 * importance).sum(axis=1)
        better = error < best
        best, ends = np.where(better, error, best), np.where(better, largest * share, ends)
    return ends
