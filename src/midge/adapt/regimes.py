"""Regimes: coefficients of the joint unit that are remembered, recognised and used again.

Every regime of the pool forecasts each tick, so a search costs one product a regime. When the error
of the joint unit rises far enough above its usual level (a one-sided cumulative sum), a change is
told; for `search_ticks` the regime of the pool that forecasts best may be recalled; where none has
been within a few ticks, the joint unit is made to learn quickly again, and where none is good
enough at the end, its new coefficients become a new regime in a free place or in the least recently
used one. Besides, a regime that has forecast better than the joint unit for long enough is recalled
at any time.

Both kinds of evidence are measured against the spread of errors about their level. The smallest
change that rises above the noise is then told on streams that are a linear system with noise, and
bursts of error on streams that are none do not tell one every cycle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midge.adapt.mixing import AnyState, trust
from midge.adapt.settings import Sizes
from midge.adapt.state import (
    CURRENT,
    ERROR,
    EVIDENCE,
    KNOWN,
    LEVEL,
    NEXT_ID,
    SEARCHING,
    SINCE,
    SPREAD,
    TICKS,
    State,
)
from midge.adapt.units import joint_steps

Float32s = NDArray[np.float32]
Mask = NDArray[np.bool_]

FIRST_TICKS = 64
"""Before it there is no regime."""
RECENT = np.float32(0.35)
"""Rate of recent errors: about three ticks."""
LARGEST_SQUARE = np.float32(25)
LARGEST_EXCESS, LARGEST_RISE = np.float32(4), np.float32(3)
LEVEL_RATES = np.float32(0.03), np.float32(0.01)
"""Rates of the usual level: in the first `YOUNG_TICKS` of a new regime, and later."""
YOUNG_TICKS = 100
LARGEST_SLACK = np.float32(0.6)
DOUBT_TICKS = 4
"""For so long into a search a regime may be recalled before the joint unit is made to doubt: what
is recalled is not to be unlearned by its own noise."""
CALM = np.float32(1.15)
"""A regime is stored while the recent error is below so many times its level."""
STORE_TICKS = 16
ADVANTAGE_SLACK, LARGEST_ADVANTAGE = np.float32(0.2), np.float32(2)
KNOWN_ALREADY = np.float32(0.25)
"""A search opens no new regime if one of the pool lost less than this of its evidence a tick."""
_TINY = np.float32(1e-6)


@dataclass(frozen=True)
class Change:
    """What happened to the regimes at a tick.

    Attributes:
        drift: A change was told.
        is_new: A regime was opened.
    """

    drift: bool = False
    is_new: bool = False


def best_regime(state: AnyState) -> int:
    """The place of the regime that forecasts best lately; -1 if there is none."""
    known = int(state.counters[KNOWN])
    return int(np.argmin(state.pool_error[:known])) if known else -1


def watch(state: State, sizes: Sizes, features: Float32s, step: Float32s, known: Mask) -> Change:
    """Follow the errors of all regimes, and change regime where they say so.

    Args:
        state: Changed in place.
        sizes: Its dimensions.
        features: [joint features] of the tick before.
        step: [channels], the step that the sample made.
        known: Channels that were seen.
    """
    counters, seen = state.counters, int(state.counters[KNOWN])
    error = _relative_square(state, step - joint_steps(state.joint, features), known)
    state.watch[ERROR] += RECENT * (error - state.watch[ERROR])
    errors = step - joint_steps(state.pool[:seen], features)
    squares = _relative_square(state, errors, known)
    state.pool_error[:seen] += RECENT * (squares - state.pool_error[:seen])
    if counters[TICKS] <= FIRST_TICKS:
        return Change()
    if seen == 0:
        open_regime(state, 0)
        return Change(is_new=True)
    counters[SINCE] = min(int(counters[SINCE]) + 1, 1 << 30)
    drift = _is_change(state, sizes, error)
    _compare(state, error - squares)
    best = best_regime(state)
    if state.pool_advantage[best] > np.float32(sizes.settings.recall_advantage):
        drift = drift or best != counters[CURRENT]
        _recall(state, sizes, best)
        return Change(drift)
    if counters[SEARCHING]:
        return Change(drift, _search(state, sizes))
    _settle(state, error)
    return Change(drift)


def _relative_square(state: State, errors: Float32s, known: Mask) -> Float32s:
    """[...]: mean over channels of squared errors [..., channels], in units of the residual's."""
    relative = errors / (state.residual + _TINY)
    squares = np.minimum(relative * relative, LARGEST_SQUARE)
    sums = np.add.accumulate(np.where(known, squares, np.float32(0)), axis=-1)[..., -1]
    out: Float32s = np.divide(sums, np.float32(errors.shape[-1]))
    return out


def _is_change(state: State, sizes: Sizes, error: Float32s) -> bool:
    """Add a tick's evidence; True where it has just become enough."""
    s, level = sizes.settings, state.watch[LEVEL]
    excess = min(error / (level + _TINY), LARGEST_EXCESS)
    slack = min(np.float32(s.change_slack) * _wildness(state), LARGEST_SLACK)
    evidence = state.watch[EVIDENCE] + (excess - np.float32(1) - slack)
    state.watch[EVIDENCE] = max(evidence, np.float32(0))
    if state.counters[SEARCHING] or state.watch[EVIDENCE] <= np.float32(s.change_evidence):
        return False
    state.watch[EVIDENCE] = 0
    state.counters[SEARCHING] = 1
    return True


def _wildness(state: State) -> np.float32:
    """How wild errors are, at least 1: the square of twice their spread.

    Noise of four channels has a spread of a half; where the dynamics bend, errors come in bursts,
    which are no evidence of anything.
    """
    spread = max(np.float32(2) * state.watch[SPREAD], np.float32(1))
    return np.float32(spread * spread)


def _search(state: State, sizes: Sizes) -> bool:
    """Recall a regime, or give up and open one: whether it did."""
    s, counters = sizes.settings, state.counters
    counters[SEARCHING] += 1
    best = best_regime(state)
    error = state.watch[ERROR]
    if state.pool_error[best] < np.float32(s.recall_ratio) * error:
        _recall(state, sizes, best)
        return False
    if counters[SEARCHING] == DOUBT_TICKS:
        np.maximum(state.joint_variances, np.float32(s.doubt), out=state.joint_variances)
    if counters[SEARCHING] <= s.search_ticks:
        return False
    likeliest = int(np.argmax(state.pool_advantage[: counters[KNOWN]]))
    if state.pool_advantage[likeliest] >= -KNOWN_ALREADY * np.float32(s.search_ticks):
        state.watch[LEVEL] = error
        enter_regime(state, likeliest)
        return False
    open_regime(state, free_place(state, sizes))
    return True


def _compare(state: State, advantages: Float32s) -> None:
    """Add a tick's advantages [regimes] over the joint unit to the evidence for each regime.

    Paired in this way, what noise does to both forecasts cancels: regimes are told apart that raise
    the error by too little to be noticed by itself. Evidence against is kept in a search only.
    """
    relative = advantages / ((state.watch[LEVEL] + _TINY) * _wildness(state))
    bounded = np.minimum(np.maximum(relative, -LARGEST_ADVANTAGE), LARGEST_ADVANTAGE)
    evidence = state.pool_advantage[: len(advantages)] + (bounded - ADVANTAGE_SLACK)
    if not state.counters[SEARCHING]:
        evidence = np.maximum(evidence, np.float32(0))
    state.pool_advantage[: len(advantages)] = evidence


def _recall(state: State, sizes: Sizes, place: int) -> None:
    """The joint unit goes on from a regime's coefficients, and is believed."""
    state.joint[:] = state.pool[place]
    trust(state, sizes)
    state.watch[ERROR] = state.pool_error[place]
    state.watch[LEVEL] = state.pool_level[place]
    enter_regime(state, place, since=YOUNG_TICKS)


def free_place(state: AnyState, sizes: Sizes) -> int:
    """An empty place of the pool, or the least recently used one but the present."""
    seen = int(state.counters[KNOWN])
    if seen < sizes.regimes:
        return seen
    used = state.pool_used.astype(np.int64)
    used[state.counters[CURRENT]] = 1 << 40
    return int(np.argmin(used))


def open_regime(state: AnyState, place: int) -> None:
    """The joint unit as it is becomes a new regime."""
    counters = state.counters
    state.pool[place] = state.joint
    state.pool_error[place] = state.watch[ERROR]
    state.pool_level[place] = state.watch[ERROR]
    state.watch[LEVEL] = state.watch[ERROR]
    state.pool_id[place] = counters[NEXT_ID]
    counters[NEXT_ID] = min(int(counters[NEXT_ID]) + 1, (1 << 31) - 1)
    counters[KNOWN] = max(int(counters[KNOWN]), place + 1)
    enter_regime(state, place)


def enter_regime(state: AnyState, place: int, since: int = 0) -> None:
    """Make a regime the present one, that has been learned for so many ticks."""
    counters = state.counters
    counters[CURRENT] = place
    counters[SEARCHING] = 0
    counters[SINCE] = since
    state.watch[EVIDENCE] = 0
    state.pool_advantage[:] = 0
    state.pool_used[place] = counters[TICKS]


def _settle(state: State, error: Float32s) -> None:
    """Outside of a search: follow the usual level, and store the regime while it is calm."""
    counters, current = state.counters, int(state.counters[CURRENT])
    level = state.watch[LEVEL]
    if error < LARGEST_SQUARE:
        rate = LEVEL_RATES[0] if counters[SINCE] < YOUNG_TICKS else LEVEL_RATES[1]
        rise = min(error / (level + _TINY), LARGEST_RISE)
        away = rise - np.float32(1)
        state.watch[SPREAD] += LEVEL_RATES[1] * (away * away - state.watch[SPREAD])
        level = level + rate * (rise * level - level)
        state.watch[LEVEL] = level
    if counters[TICKS] % STORE_TICKS == 0 and state.watch[ERROR] < CALM * level:
        state.pool[current] = state.joint
        state.pool_level[current] = level
        state.pool_used[current] = counters[TICKS]
