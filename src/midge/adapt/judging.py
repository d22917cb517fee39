"""Every unit is judged by its forecasts once their truth is there.

A forecast of each anchor is kept in a stride, waits for its truth, and is judged then: no look
ahead, and as much memory for a lead of 60 as for one of 4. Fitness is a mean squared error, to
which `mixing.py` gives weights.
"""

from __future__ import annotations

import numpy as np

from midge.adapt.arithmetic import AnyState, Arithmetic, Mask, Values
from midge.adapt.settings import JOINT, REGIME, Sizes
from midge.adapt.state import TICKS


def judge(a: Arithmetic, state: AnyState, sample: Values, past: Values, known: Mask) -> None:
    """Compare forecasts of this tick with the sample.

    Args:
        a: The learner's numbers.
        state: `fitness` is changed.
        sample: [channels], in units of the channel.
        past: [ring, channels] before the sample, the last first.
        known: Channels that were seen.
    """
    z, ticks, first = a.sizes, int(state.counters[TICKS]), 0
    for anchor, (lead, slots, stride) in enumerate(
        zip(z.anchors, z.pending, z.strides, strict=True)
    ):
        made = ticks + 1 - lead
        if made >= 1 and made % stride == 0:
            kept = state.waiting[first + made // stride % slots]
            forecasts = np.concatenate([a.waited(state, kept), past[lead - 1][None]])
            squares = a.measures.judged(forecasts - sample)
            before = a.wide(state.fitness[:, anchor])
            rate = a.rate(made // stride + 1, a.numbers.fitness_rate)
            moved = a.towards(before, squares, rate, ticks)
            state.fitness[:, anchor] = np.where(known, moved, before)
        first += slots


def keep(a: Arithmetic, state: AnyState, forecasts: Values) -> None:
    """Keep what is due for judgement of forecasts [leads, units, channels], in channel units."""
    z, ticks, first = a.sizes, int(state.counters[TICKS]), 0
    for lead, slots, stride in zip(z.anchors, z.pending, z.strides, strict=True):
        if ticks % stride == 0:
            kept = a.kept(state, forecasts[lead - 1, :-1])
            state.waiting[first + ticks // stride % slots] = kept
        first += slots


def furthest_due(sizes: Sizes, ticks: int) -> int:
    """The longest lead that `keep` will ask for at a tick; at least 1."""
    due = [
        lead
        for lead, stride in zip(sizes.anchors, sizes.strides, strict=True)
        if ticks % stride == 0
    ]
    return max(due, default=1)


def trust(a: Arithmetic, state: AnyState) -> None:
    """A regime has just been recalled: credit it with a part of the best unit's error."""
    best = a.part(a.wide(state.fitness).min(axis=0), a.numbers.trust)
    state.fitness[JOINT] = best
    state.fitness[REGIME] = best
