"""The constants of a tile of dot products, in the order in which it reads them (`dot.py`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from midge.c_emitter.tiles.dot_shapes import Weights
from midge.c_emitter.tiles.dot_tile import DotTile
from midge.c_emitter.tiles.rescale import Int64Array


def dot_stream(tile: DotTile, weights: Int64Array, bias: Int64Array) -> npt.NDArray[np.uint32]:
    """Bias, weights and factors of every group, in the order in which the function reads them.

    Args:
        tile: The tile.
        weights: Of the layer, in the order of the pixels' taps, int64 [outputs, segments,
            2 * words].
        bias: With the zero point of the input folded in, int64 [outputs].

    Returns:
        uint32, as long as the function's ``end`` says.
    """
    shape, rescale = tile.shape, tile.rescale
    missing = tile.groups * shape.outputs - tile.outputs
    weights = np.pad(weights, ((0, missing), (0, 0), (0, 0)))
    bias = np.pad(bias, (0, missing))
    lift = np.pad(rescale.lift, (0, missing))
    if shape.weights is Weights.S16:
        bias = bias << lift
        words = _halves(weights << lift[:, None, None])
        words = words.reshape(tile.groups, shape.outputs, tile.segments, tile.words)
    else:
        bias = bias.reshape(-1, 2)
        bias = np.stack([bias[:, 0], bias[:, 0] + 256 * bias[:, 1]], axis=1)
        weights = weights.reshape(-1, 2, *weights.shape[1:])
        words = _halves(weights[:, 0] + 256 * weights[:, 1])
        words = words.reshape(tile.groups, shape.outputs // 2, tile.segments, tile.words)
    parts = []
    for segment in range(tile.segments):
        at = 0
        for taken in tile.steps():
            block = words[:, :, segment, at : at + taken]
            # Several pixels take a word of each output at a time, one pixel an output's words.
            block = block if shape.pixels == 1 else block.transpose(0, 2, 1)
            parts.append(block.reshape(tile.groups, -1))
            at += taken
    taps = np.concatenate(parts, axis=1)
    bias = bias.reshape(tile.groups, shape.outputs) & 0xFFFFFFFF
    at = tile.bias_at
    factors = [rescale.words(c) for c in range(tile.outputs)]
    factors += [[0] * rescale.words_a_channel] * missing
    ends = np.array(factors, np.int64).reshape(tile.groups, -1) & 0xFFFFFFFF
    back = np.full((tile.groups, int(tile.rewinds)), -tile.walked_bytes & 0xFFFFFFFF, np.int64)
    back[-1] = 0
    groups = np.concatenate([taps[:, :at], bias, taps[:, at:], ends, back], axis=1)
    return groups.reshape(-1).astype(np.uint32)


def stream_words(tile: DotTile) -> int:
    """Length of the stream."""
    rows = tile.shape.outputs // (1 if tile.shape.weights is Weights.S16 else 2)
    factors = tile.shape.outputs * (1 + tile.rescale.words_a_channel) + tile.rewinds
    return tile.groups * (rows * tile.segments * tile.words + factors)


def _halves(values: Int64Array) -> Int64Array:
    """Pairs of 16-bit numbers along the last axis as words, the first in the lower half."""
    if np.abs(values + 0.5).max(initial=0) > 1 << 15:
        raise ValueError("a weight leaves 16 bits; `greatest_lift` bounds the lift")
    return (values[..., ::2] & 0xFFFF) | ((values[..., 1::2] & 0xFFFF) << 16)


def greatest_lift(weights: Int64Array) -> Int64Array:
    """Bits by which each output's weights may be shifted left within int16, int64 [outputs].

    Args:
        weights: int64 [outputs, ...].
    """
    worst = np.maximum(np.abs(weights.reshape(weights.shape[0], -1)).max(axis=1), 1)
    lifts = np.arange(15)
    fits: Int64Array = ((worst[:, None] << lifts) < 1 << 15).sum(axis=1).astype(np.int64)
    return fits - 1


def may_be_mixed(weights: Int64Array) -> bool:
    """Whether every pair of outputs fits into halfwords: int8 without -128 always does."""
    padded = np.pad(weights, ((0, weights.shape[0] % 2), *((0, 0),) * (weights.ndim - 1)))
    pairs = padded[::2] + 256 * padded[1::2]
    return bool(pairs.min(initial=0) >= -(1 << 15) and pairs.max(initial=0) < 1 << 15)
