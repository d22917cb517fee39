"""A season's period, found online: the lag at which a stream resembles itself.

The mean distance of a sample to the one `lag` ticks before grows with the lag for most streams. A
lag is a period where it is far below the largest at shorter lags; the shortest such lag wins unless
a longer one is clearly better.
"""

from __future__ import annotations

import numpy as np

from midge.adapt.arithmetic import AnyState, Arithmetic, Values
from midge.adapt.state import PERIOD, TICKS

RATE = np.float32(0.002)
LOOK_TICKS = 32
"""The period is looked for once in so many ticks."""
CLEARLY = np.float32(0.9)
DEEP = np.float32(0.7)
BETTER = np.float32(0.85)


def follow_season(a: Arithmetic, state: AnyState, sample: Values, past: Values) -> None:
    """Take a sample into the distances, and change the period where a better one is found."""
    ticks, ring = int(state.counters[TICKS]), a.sizes.ring
    if ticks < ring:
        return
    distances, before = a.measures.distances(sample, past), a.wide(state.season_errors)
    rate = a.rate(ticks - ring + 1, a.constants.SEASON_RATE)
    state.season_errors[:] = a.towards(before, distances, rate, ticks)
    if ticks >= 2 * ring and ticks % LOOK_TICKS == 0:
        period = _period(a, state)
        if period != state.counters[PERIOD]:
            state.counters[PERIOD] = period
            state.season[:] = 0
            getattr(state, f"season_{a.factor}")[:] = 0
            state.season_variances[:] = a.numbers.prior


def _period(a: Arithmetic, state: AnyState) -> int:
    """The present period, or the one that should replace it. `season_errors[i]` is lag i + 1."""
    c, present, distances = a.constants, int(state.counters[PERIOD]), a.wide(state.season_errors)
    depths = a.measures.depths(distances, np.maximum.accumulate(distances))
    best, depth = present, a.whole
    for lag in range(a.sizes.settings.shortest_season, a.sizes.longest_season + 1):
        if depths[lag - 1] < a.part(depth, c.CLEARLY):
            best, depth = lag, depths[lag - 1]
    is_better = depth < c.DEEP and depth < a.part(depths[present - 1], c.BETTER)
    return best if is_better else present
