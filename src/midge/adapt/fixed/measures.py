"""Errors and distances, as `midge.adapt.measures` has them; mean errors are Q24."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.fixed.arithmetic import (
    LIMIT,
    Int64s,
    digits,
    filled,
    quotient,
    reciprocal,
    rounded,
    wide,
    within,
)
from midge.adapt.fixed.constants import LARGEST_DISTANCE, LARGEST_JUDGED, LARGEST_SURPRISE
from midge.adapt.fixed.state import FixedState

Mask = NDArray[np.bool_]


def relative_squares(state: FixedState, errors: Int64s, known: Mask) -> Int64s:
    """[regimes]: mean over channels of squared errors [regimes, channels], in mean errors, Q20."""
    residual = wide(state.residual) + 16
    places = digits(residual)
    inverse = reciprocal(filled(residual, places))
    relative = np.minimum(np.abs(errors) * inverse >> (6 + places), LARGEST_SURPRISE)
    squares = np.where(known, rounded(relative * relative, 20), 0)
    out: Int64s = squares.sum(axis=1) // errors.shape[1]
    return out


def judged(errors: Int64s) -> Int64s:
    """Squares, bounded, Q27."""
    bounded = within(errors, LARGEST_JUDGED)
    squares: Int64s = np.minimum(bounded * bounded >> 13, LIMIT)
    return squares


def distances(sample: Int64s, past: Int64s) -> Int64s:
    """[ring]: of a sample [channels] to each of the past, summed over channels, Q20."""
    sums: Int64s = np.minimum(np.abs(sample - past), LARGEST_DISTANCE).sum(axis=1)
    return sums


def depths(distances: Int64s, largest: Int64s) -> Int64s:
    """Distances to the largest of shorter lags, Q24."""
    return quotient(distances, largest + 1, 24)
