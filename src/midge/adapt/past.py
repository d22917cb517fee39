"""The past: a ring of samples as they were given, and the count of ticks."""

from __future__ import annotations

import numpy as np

from midge.adapt.arithmetic import AnyState, Values
from midge.adapt.settings import Sizes
from midge.adapt.state import POSITION, TICKS, TICKS_END

_WRAP_BY = 1 << 29


def last(state: AnyState, sizes: Sizes) -> Values:
    """[channels], the last sample."""
    sample: Values = state.ring[(state.counters[POSITION] - 1) % sizes.ring]
    return sample


def backwards(state: AnyState) -> Values:
    """[ring, channels], the last sample first."""
    ring, position = state.ring, int(state.counters[POSITION])
    return np.concatenate([ring[:position][::-1], ring[position:][::-1]])


def push(state: AnyState, sizes: Sizes, raw: Values) -> None:
    """A sample enters the past, and its tick is over."""
    position = int(state.counters[POSITION])
    state.ring[position] = raw
    state.counters[POSITION] = (position + 1) % sizes.ring
    ticks = int(state.counters[TICKS]) + 1
    if ticks >= TICKS_END:
        back = wrap_back(sizes)
        ticks -= back
        state.pool_used[:] = np.maximum(state.pool_used - back, 0)
    state.counters[TICKS] = ticks


def wrap_back(sizes: Sizes) -> int:
    """By how much the count of ticks goes back at its end, so that no schedule notices."""
    periods = [s * p for s, p in zip(sizes.strides, sizes.pending, strict=True)]
    period = int(np.lcm.reduce([32, *periods]))
    return _WRAP_BY // period * period
