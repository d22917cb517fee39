"""Who is believed, as `midge.adapt.mixing` has it: squared errors are Q27, shares Q24.

Between anchors a share goes in equal steps to what it is at the next, so that a lead costs an
addition for each; what the steps' rounding leaves is made up behind the anchor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.fixed.arithmetic import (
    LIMIT,
    Int64s,
    digits,
    dither,
    narrow,
    quotient,
    rate,
    rounded,
    times,
    towards,
    wide,
    within,
)
from midge.adapt.fixed.constants import LARGEST_JUDGED
from midge.adapt.fixed.numbers import mix_parts, numbers_of
from midge.adapt.fixed.state import FixedState
from midge.adapt.settings import DIRECT, JOINT, REGIME, Sizes
from midge.adapt.state import KNOWN, TICKS

Mask = NDArray[np.bool_]


def judge(state: FixedState, sizes: Sizes, sample: Int64s, past: Int64s, known: Mask) -> None:
    """Compare forecasts of this tick with the sample.

    Args:
        state: `fitness` is changed.
        sizes: Its dimensions.
        sample: [channels], in units of the channel.
        past: [ring, channels] before the sample, the last first.
        known: Channels that were seen.
    """
    ticks, first = int(state.counters[TICKS]), 0
    slowest = numbers_of(sizes.settings).fitness_rate
    for anchor, (lead, slots, stride) in enumerate(
        zip(sizes.anchors, sizes.pending, sizes.strides, strict=True)
    ):
        made = ticks + 1 - lead
        if made >= 1 and made % stride == 0:
            waiting = wide(state.waiting[first + made // stride % slots])
            forecasts = np.concatenate([waiting, past[lead - 1][None]])
            errors = within(forecasts - sample, LARGEST_JUDGED)
            squares = np.minimum(errors * errors >> 13, LIMIT)
            before = wide(state.fitness[:, anchor])
            speed = rate(made // stride + 1, slowest)
            moved = towards(before, squares, speed, dither(ticks))
            state.fitness[:, anchor] = np.where(known, moved, before)
        first += slots


def keep(state: FixedState, sizes: Sizes, forecasts: Int64s) -> None:
    """Keep what is due for judgement of forecasts [leads, units, channels], in channel units."""
    first = 0
    ticks = int(state.counters[TICKS])
    for lead, slots, stride in zip(sizes.anchors, sizes.pending, sizes.strides, strict=True):
        if ticks % stride == 0:
            state.waiting[first + ticks // stride % slots] = forecasts[lead - 1, :-1]
        first += slots


def weights(state: FixedState, sizes: Sizes) -> Int64s:
    """[anchors, units, channels]; they sum to 1 over units, to rounding down."""
    fitness = np.swapaxes(wide(state.fitness), 0, 1)
    left_out = np.zeros(fitness.shape, bool)
    left_out[: len(sizes.anchors) - sizes.direct_anchors, DIRECT] = True
    left_out[:, REGIME] |= bool(state.counters[KNOWN] == 0)
    best = np.where(left_out, LIMIT, fitness).min(axis=1, keepdims=True)
    down = np.maximum(digits(fitness + 1) - 16, 0)
    ratio = np.where(left_out, 0, ((best + 1) >> down << 15) // ((fitness + 1) >> down))
    shares = ratio * ratio >> 2
    total = shares.sum(axis=1, keepdims=True)
    return shares * quotient(np.full_like(total, 1 << 28), total, 24) >> 28


def trust(state: FixedState, sizes: Sizes) -> None:
    """A regime has just been recalled: credit it with a part of the best unit's error."""
    best = times(wide(state.fitness).min(axis=0), numbers_of(sizes.settings).trust, 24)
    state.fitness[JOINT] = best
    state.fitness[REGIME] = best


def mixed(sizes: Sizes, shares: Int64s, forecasts: Int64s) -> Int64s:
    """[leads, channels]: forecasts [leads, units, channels] of leads from 1 on, by weights."""
    leads = len(forecasts)
    share = np.empty((max(leads, sizes.anchors[-1]), *shares.shape[1:]), np.int64)
    share[0] = now = shares[0]
    done = 1
    for lead, at_anchor, part in zip(sizes.anchors, shares, mix_parts(sizes), strict=True):
        if lead > done:
            slope = rounded((at_anchor - now) * part, 31)
            share[done:lead] = now + slope * np.arange(1, lead - done + 1)[:, None, None]
            done, now = lead, share[lead - 1]
    share[done:] = now
    return narrow(rounded(np.sum(share[:leads] * forecasts, axis=1), 24))
