"""Who is believed: each unit by its recent squared error, for every channel and anchor.

A forecast of each anchor is kept in a stride, waits for its truth, and is judged then: no look
ahead, and as much memory for a lead of 60 as for one of 4. The weight of a unit is ``1 / error^2``
of its mean squared error, to a constant; a mean of all units is hard to beat (they err in different
directions), and this stays near it until one is clearly better. Between anchors weights are
interpolated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt.normalise import in_user_units, normalised
from midge.adapt.settings import DIRECT, JOINT, REGIME, Sizes
from midge.adapt.state import KNOWN, TICKS, State

Float32s = NDArray[np.float32]
Mask = NDArray[np.bool_]
AnyState = Any
"""Of a learner in any arithmetic."""

LARGEST_SQUARE = np.float32(9)
_TINY = np.float32(1e-9)


def judge(state: State, sizes: Sizes, sample: Float32s, past: Float32s, known: Mask) -> None:
    """Compare forecasts of this tick with the sample.

    Args:
        state: `fitness` is changed.
        sizes: Its dimensions.
        sample: [channels], in units of the channel.
        past: [ring, channels] before the sample, the last first.
        known: Channels that were seen.
    """
    slowest = np.float32(1) - np.float32(sizes.settings.fitness_memory)
    first = 0
    for anchor, (lead, slots, stride) in enumerate(
        zip(sizes.anchors, sizes.pending, sizes.strides, strict=True)
    ):
        made = int(state.counters[TICKS]) + 1 - lead
        if made >= 1 and made % stride == 0:
            waiting = state.waiting[first + made // stride % slots]
            rate = max(slowest, np.float32(1) / np.float32(made // stride + 1))
            forecasts = np.concatenate([normalised(state, waiting), past[lead - 1][None]])
            errors = forecasts - sample
            squares = np.minimum(errors * errors, LARGEST_SQUARE)
            before = state.fitness[:, anchor]
            state.fitness[:, anchor] = np.where(known, before + rate * (squares - before), before)
        first += slots


def keep(state: State, sizes: Sizes, forecasts: Float32s) -> None:
    """Keep what is due for judgement of forecasts [leads, units, channels], in channel units."""
    first = 0
    ticks = int(state.counters[TICKS])
    for lead, slots, stride in zip(sizes.anchors, sizes.pending, sizes.strides, strict=True):
        if ticks % stride == 0:
            kept = in_user_units(state, forecasts[lead - 1, :-1])
            state.waiting[first + ticks // stride % slots] = kept
        first += slots


def furthest_due(state: AnyState, sizes: Sizes) -> int:
    """The longest lead that `keep` will ask for at this tick; at least 1."""
    ticks = int(state.counters[TICKS])
    due = [
        lead
        for lead, stride in zip(sizes.anchors, sizes.strides, strict=True)
        if ticks % stride == 0
    ]
    return max(due, default=1)


def weights(state: State, sizes: Sizes) -> Float32s:
    """[anchors, units, channels]; they sum to 1 over units, to rounding."""
    fitness = np.swapaxes(state.fitness, 0, 1)
    best = fitness.min(axis=1, keepdims=True)
    ratio = (best + _TINY) / (fitness + _TINY)
    shares = ratio * ratio
    shares[: len(sizes.anchors) - sizes.direct_anchors, DIRECT] = 0
    if state.counters[KNOWN] == 0:
        shares[:, REGIME] = 0
    total = np.add.accumulate(shares, axis=1)[:, -1:]
    out: Float32s = shares / total
    return out


def trust(state: State, sizes: Sizes) -> None:
    """A regime has just been recalled: credit it with a part of the best unit's error."""
    best = np.float32(sizes.settings.trust) * state.fitness.min(axis=0)
    state.fitness[JOINT] = best
    state.fitness[REGIME] = best


def mixed(sizes: Sizes, shares: Float32s, forecasts: Float32s) -> Float32s:
    """[leads, channels]: forecasts [leads, units, channels] of leads from 1 on, by weights."""
    leads = len(forecasts)
    above, part = sizes.mix_places
    above, part = above[:leads], part[:leads, None, None]
    below = shares[np.maximum(above - 1, 0)]
    share = below + part * (shares[above] - below)
    out: Float32s = np.add.accumulate(share * forecasts, axis=1)[:, -1]
    return out
