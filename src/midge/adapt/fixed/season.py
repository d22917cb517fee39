"""A season's period, as `midge.adapt.season` finds it; distances are Q20, depths Q24."""

from __future__ import annotations

import numpy as np

from midge.adapt.fixed.arithmetic import Int64s, dither, product, quotient, rate, towards, wide
from midge.adapt.fixed.constants import BETTER, CLEARLY, DEEP, LARGEST_DISTANCE, SEASON_RATE
from midge.adapt.fixed.numbers import numbers_of
from midge.adapt.fixed.state import FixedState
from midge.adapt.season import LOOK_TICKS
from midge.adapt.settings import Sizes
from midge.adapt.state import PERIOD, TICKS


def follow_season(state: FixedState, sizes: Sizes, sample: Int64s, past: Int64s) -> None:
    """Take a sample into the distances, and change the period where a better one is found."""
    ticks = int(state.counters[TICKS])
    if ticks < sizes.ring:
        return
    distances = np.minimum(np.abs(sample - past), LARGEST_DISTANCE).sum(axis=1)
    speed = rate(ticks - sizes.ring + 1, SEASON_RATE)
    errors = wide(state.season_errors)
    state.season_errors[:] = towards(errors, distances, speed, dither(ticks))
    if ticks >= 2 * sizes.ring and ticks % LOOK_TICKS == 0:
        period = _period(state, sizes)
        if period != state.counters[PERIOD]:
            state.counters[PERIOD] = period
            state.season[:] = 0
            state.season_factor[:] = 0
            state.season_variances[:] = numbers_of(sizes.settings).prior


def _period(state: FixedState, sizes: Sizes) -> int:
    """The present period, or the one that should replace it. `season_errors[i]` is lag i + 1."""
    present = int(state.counters[PERIOD])
    errors = wide(state.season_errors)
    depths = quotient(errors, np.maximum.accumulate(errors) + 1, 24)
    best, depth = present, 1 << 24
    for lag in range(sizes.settings.shortest_season, sizes.longest_season + 1):
        if depths[lag - 1] < product(depth, CLEARLY, 24):
            best, depth = lag, int(depths[lag - 1])
    is_better = depth < DEEP and depth < product(int(depths[present - 1]), BETTER, 24)
    return best if is_better else present
