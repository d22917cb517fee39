"""Errors and distances in float32: sums over channels in ascending order, bounds, quotients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.regimes import LARGEST_SQUARE
from midge.adapt.state import State

Float32s = NDArray[np.float32]
Mask = NDArray[np.bool_]

LARGEST_JUDGED = np.float32(9)
TINY = np.float32(1e-6)
_TINY_DISTANCE = np.float32(1e-9)


def relative_squares(state: State, errors: Float32s, known: Mask) -> Float32s:
    """[...]: mean over channels of squared errors [..., channels], in units of the residual's."""
    relative = errors / (state.residual + TINY)
    squares = np.minimum(relative * relative, LARGEST_SQUARE)
    sums = np.add.accumulate(np.where(known, squares, np.float32(0)), axis=-1)[..., -1]
    out: Float32s = np.divide(sums, np.float32(errors.shape[-1]))
    return out


def judged(errors: Float32s) -> Float32s:
    """Squares, bounded."""
    squares: Float32s = np.minimum(errors * errors, LARGEST_JUDGED)
    return squares


def distances(sample: Float32s, past: Float32s) -> Float32s:
    """[ring]: of a sample [channels] to each of the past, summed over channels."""
    sums: Float32s = np.add.accumulate(np.abs(sample - past), axis=1)[:, -1]
    return sums


def depths(distances: Float32s, largest: Float32s) -> Float32s:
    """Distances to the largest of shorter lags."""
    return distances / (largest + _TINY_DISTANCE)
