"""A season's period, found online: the lag at which a stream resembles itself.

The mean distance of a sample to the one `lag` ticks before grows with the lag for most streams. A
lag is a period where it is far below the largest at shorter lags; the shortest such lag wins unless
a longer one is clearly better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.settings import Sizes
from midge.adapt.state import PERIOD, TICKS, State

Float32s = NDArray[np.float32]

RATE = np.float32(0.002)
LOOK_TICKS = 32
"""The period is looked for once in so many ticks."""
CLEARLY = np.float32(0.9)
DEEP = np.float32(0.7)
BETTER = np.float32(0.85)


def follow_season(state: State, sizes: Sizes, sample: Float32s, past: Float32s) -> None:
    """Take a sample into the distances, and change the period where a better one is found."""
    ticks = int(state.counters[TICKS])
    if ticks < sizes.ring:
        return
    apart = np.abs(sample - past)
    distances = np.add.accumulate(apart, axis=1)[:, -1]
    rate = max(np.float32(1) / np.float32(ticks - sizes.ring + 1), RATE)
    state.season_errors += rate * (distances - state.season_errors)
    if ticks >= 2 * sizes.ring and ticks % LOOK_TICKS == 0:
        period = _period(state, sizes)
        if period != state.counters[PERIOD]:
            state.counters[PERIOD] = period
            state.season[:] = 0
            state.season_upper[:] = 0
            state.season_variances[:] = np.float32(sizes.settings.prior)


def _period(state: State, sizes: Sizes) -> int:
    """The present period, or the one that should replace it. `season_errors[i]` is lag i + 1."""
    present = int(state.counters[PERIOD])
    largest = np.maximum.accumulate(state.season_errors)
    depths = state.season_errors / (largest + np.float32(1e-9))
    best, depth = present, np.float32(1)
    for lag in range(sizes.settings.shortest_season, sizes.longest_season + 1):
        if depths[lag - 1] < CLEARLY * depth:
            best, depth = lag, depths[lag - 1]
    better = depth < DEEP and depth < BETTER * depths[present - 1]
    return best if better else present
