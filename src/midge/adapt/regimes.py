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

from midge.adapt.arithmetic import AnyState, Arithmetic, Mask, Number, Values
from midge.adapt.judging import trust
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
)

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


@dataclass(frozen=True)
class Change:
    """What happened to the regimes at a tick.

    Attributes:
        drift: A change was told.
        is_new: A regime was opened.
    """

    drift: bool = False
    is_new: bool = False


def watch(a: Arithmetic, state: AnyState, features: Values, step: Values, known: Mask) -> Change:
    """Follow the errors of all regimes, and change regime where they say so.

    Args:
        a: The learner's numbers.
        state: Changed in place.
        features: [joint features] of the tick before.
        step: [channels], the step that the sample made.
        known: Channels that were seen.
    """
    counters = state.counters
    error, squares = _follow_errors(a, state, features, step, known)
    if counters[TICKS] <= FIRST_TICKS:
        return Change()
    if counters[KNOWN] == 0:
        _open(state, 0)
        return Change(is_new=True)
    counters[SINCE] = min(int(counters[SINCE]) + 1, 1 << 30)
    drift = _is_change(a, state, error)
    _compare(a, state, error - squares)
    best = best_regime(state)
    if state.pool_advantage[best] > a.numbers.recall_advantage:
        drift = drift or best != counters[CURRENT]
        _recall(a, state, best)
        return Change(drift)
    if counters[SEARCHING]:
        return Change(drift, _search(a, state))
    _settle(a, state, error)
    return Change(drift)


def best_regime(state: AnyState) -> int:
    """The place of the regime that forecasts best lately; -1 if there is none."""
    known = int(state.counters[KNOWN])
    return int(np.argmin(state.pool_error[:known])) if known else -1


def _follow_errors(
    a: Arithmetic, state: AnyState, features: Values, step: Values, known: Mask
) -> tuple[Number, Values]:
    """The joint unit's error at this tick, and those of [known regimes]."""
    ticks, seen = int(state.counters[TICKS]), int(state.counters[KNOWN])
    coefficients = np.concatenate([state.joint[None], state.pool[:seen]])
    errors = a.narrow(step - a.units.joint_steps(coefficients, features))
    squares = a.measures.relative_squares(state, errors, known)
    before = a.wide(np.append(state.watch[ERROR], state.pool_error[:seen]))
    recent = a.towards(before, squares, a.constants.RECENT, ticks)
    state.watch[ERROR], state.pool_error[:seen] = recent[0], recent[1:]
    return squares[0], squares[1:]


def _is_change(a: Arithmetic, state: AnyState, error: Number) -> bool:
    """Add a tick's evidence; True where it has just become enough."""
    c, level = a.constants, a.wide(state.watch[LEVEL])
    excess = min(a.ratio(error, level + a.tiny), c.LARGEST_EXCESS)
    slack = min(a.times(a.numbers.change_slack, _wildness(a, state)), c.LARGEST_SLACK)
    before = a.with_room(state.watch[EVIDENCE], c.LARGEST_EXCESS)
    evidence = max(before + (excess - a.one - slack), 0)
    state.watch[EVIDENCE] = evidence
    if state.counters[SEARCHING] or evidence <= a.numbers.change_evidence:
        return False
    state.watch[EVIDENCE] = 0
    state.counters[SEARCHING] = 1
    return True


def _wildness(a: Arithmetic, state: AnyState) -> Number:
    """How wild errors are, at least 1: the square of twice their spread.

    Noise of four channels has a spread of a half; where the dynamics bend, errors come in bursts,
    which are no evidence of anything.
    """
    spread = max(2 * a.wide(state.watch[SPREAD]), a.one)
    return a.times(spread, spread)


def _compare(a: Arithmetic, state: AnyState, advantages: Values) -> None:
    """Add a tick's advantages [regimes] over the joint unit to the evidence for each regime.

    Paired in this way, what noise does to both forecasts cancels: regimes are told apart that raise
    the error by too little to be noticed by itself. Evidence against is kept in a search only.
    """
    c, seen = a.constants, len(advantages)
    usual = a.times(a.wide(state.watch[LEVEL]) + a.tiny, _wildness(a, state))
    relative = a.ratios(advantages, usual)
    bounded = np.minimum(np.maximum(relative, -c.LARGEST_ADVANTAGE), c.LARGEST_ADVANTAGE)
    before = a.with_room(state.pool_advantage[:seen], c.LARGEST_ADVANTAGE)
    evidence = a.narrow(before + (bounded - c.ADVANTAGE_SLACK))
    if not state.counters[SEARCHING]:
        evidence = np.maximum(evidence, 0)
    state.pool_advantage[:seen] = evidence


def _search(a: Arithmetic, state: AnyState) -> bool:
    """Recall a regime, or give up and open one: whether it did."""
    n, counters = a.numbers, state.counters
    counters[SEARCHING] += 1
    best, error = best_regime(state), a.wide(state.watch[ERROR])
    if state.pool_error[best] < a.part(error, n.recall_ratio):
        _recall(a, state, best)
        return False
    if counters[SEARCHING] == DOUBT_TICKS:
        np.maximum(state.joint_variances, n.doubt, out=state.joint_variances)
    if counters[SEARCHING] <= a.sizes.settings.search_ticks:
        return False
    likeliest = int(np.argmax(state.pool_advantage[: counters[KNOWN]]))
    if state.pool_advantage[likeliest] >= -n.known_loss:
        state.watch[LEVEL] = error
        _enter(state, likeliest)
        return False
    _open(state, _free_place(a.sizes, state))
    return True


def _recall(a: Arithmetic, state: AnyState, place: int) -> None:
    """The joint unit goes on from a regime's coefficients, and is believed."""
    state.joint[:] = state.pool[place]
    trust(a, state)
    state.watch[ERROR] = state.pool_error[place]
    state.watch[LEVEL] = state.pool_level[place]
    _enter(state, place, since=YOUNG_TICKS)


def _free_place(sizes: Sizes, state: AnyState) -> int:
    """An empty place of the pool, or the least recently used one but the present."""
    seen = int(state.counters[KNOWN])
    if seen < sizes.regimes:
        return seen
    used = state.pool_used.astype(np.int64)
    used[state.counters[CURRENT]] = 1 << 40
    return int(np.argmin(used))


def _open(state: AnyState, place: int) -> None:
    """The joint unit as it is becomes a new regime."""
    counters = state.counters
    state.pool[place] = state.joint
    state.pool_error[place] = state.watch[ERROR]
    state.pool_level[place] = state.watch[ERROR]
    state.watch[LEVEL] = state.watch[ERROR]
    state.pool_id[place] = counters[NEXT_ID]
    counters[NEXT_ID] = min(int(counters[NEXT_ID]) + 1, (1 << 31) - 1)
    counters[KNOWN] = max(int(counters[KNOWN]), place + 1)
    _enter(state, place)


def _enter(state: AnyState, place: int, since: int = 0) -> None:
    """Make a regime the present one, that has been learned for so many ticks."""
    counters = state.counters
    counters[CURRENT] = place
    counters[SEARCHING] = 0
    counters[SINCE] = since
    state.watch[EVIDENCE] = 0
    state.pool_advantage[:] = 0
    state.pool_used[place] = counters[TICKS]


def _settle(a: Arithmetic, state: AnyState, error: Number) -> None:
    """Outside of a search: follow the usual level, and store the regime while it is calm."""
    c, counters = a.constants, state.counters
    ticks, current = int(counters[TICKS]), int(counters[CURRENT])
    level = a.wide(state.watch[LEVEL])
    if error < c.LARGEST_CALM:
        rate = c.YOUNG_LEVEL_RATE if counters[SINCE] < YOUNG_TICKS else c.LEVEL_RATE
        rise = min(a.share(error, level + a.tiny), c.LARGEST_RISE)
        away = a.number(rise) - a.one
        spread = a.wide(state.watch[SPREAD])
        state.watch[SPREAD] = a.towards(spread, a.times(away, away), c.LEVEL_RATE, ticks)
        level = a.towards(level, a.part(level, rise), rate, ticks)
        state.watch[LEVEL] = level
    if ticks % STORE_TICKS == 0 and state.watch[ERROR] < a.part(level, c.CALM):
        state.pool[current] = state.joint
        state.pool_level[current] = level
        state.pool_used[current] = ticks
