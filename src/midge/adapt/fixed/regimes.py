"""Regimes, as `midge.adapt.regimes` has them: errors in mean errors and evidence are Q20."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.fixed.arithmetic import (
    LIMIT,
    ONE,
    Int64s,
    digits,
    dither,
    filled,
    narrow,
    product,
    quotient,
    ratio,
    reciprocal,
    rounded,
    towards,
    wide,
)
from midge.adapt.fixed.constants import (
    ADVANTAGE_SLACK,
    CALM,
    LARGEST_ADVANTAGE,
    LARGEST_CALM,
    LARGEST_EXCESS,
    LARGEST_RISE,
    LARGEST_SLACK,
    LARGEST_SURPRISE,
    LEVEL_RATE,
    RECENT,
    YOUNG_LEVEL_RATE,
)
from midge.adapt.fixed.mixing import trust
from midge.adapt.fixed.numbers import numbers_of
from midge.adapt.fixed.state import FixedState
from midge.adapt.fixed.units import joint_steps
from midge.adapt.regimes import (
    DOUBT_TICKS,
    FIRST_TICKS,
    STORE_TICKS,
    YOUNG_TICKS,
    Change,
    best_regime,
    enter_regime,
    free_place,
    open_regime,
)
from midge.adapt.settings import Sizes
from midge.adapt.state import (
    CURRENT,
    ERROR,
    EVIDENCE,
    KNOWN,
    LEVEL,
    SEARCHING,
    SINCE,
    SPREAD,
    TICKS,
)

Mask = NDArray[np.bool_]


def watch(state: FixedState, sizes: Sizes, features: Int64s, step: Int64s, known: Mask) -> Change:
    """Follow the errors of all regimes, and change regime where they say so.

    Args:
        state: Changed in place.
        sizes: Its dimensions.
        features: [joint features] of the tick before.
        step: [channels], the step that the sample made.
        known: Channels that were seen.
    """
    counters, seen = state.counters, int(state.counters[KNOWN])
    rounding = dither(int(counters[TICKS]))
    coefficients = wide(np.concatenate([state.joint[None], state.pool[:seen]]))
    errors = narrow(step - joint_steps(coefficients, features))
    error, *rest = (int(square) for square in _relative_squares(state, errors, known))
    squares = np.array(rest, np.int64)
    state.watch[ERROR] = towards(int(state.watch[ERROR]), error, RECENT, rounding)
    before = wide(state.pool_error[:seen])
    state.pool_error[:seen] = towards(before, squares, RECENT, rounding)
    if counters[TICKS] <= FIRST_TICKS:
        return Change()
    if seen == 0:
        open_regime(state, 0)
        return Change(is_new=True)
    counters[SINCE] = min(int(counters[SINCE]) + 1, 1 << 30)
    drift = _is_change(state, sizes, error)
    _compare(state, error - squares)
    best = best_regime(state)
    if state.pool_advantage[best] > numbers_of(sizes.settings).recall_advantage:
        drift = drift or best != counters[CURRENT]
        _recall(state, sizes, best)
        return Change(drift)
    if counters[SEARCHING]:
        return Change(drift, _search(state, sizes))
    _settle(state, error)
    return Change(drift)


def _relative_squares(state: FixedState, errors: Int64s, known: Mask) -> Int64s:
    """[regimes]: mean over channels of squared errors [regimes, channels], in mean errors."""
    residual = wide(state.residual) + 16
    places = digits(residual)
    inverse = reciprocal(filled(residual, places))
    relative = np.minimum(np.abs(errors) * inverse >> (6 + places), LARGEST_SURPRISE)
    squares = np.where(known, rounded(relative * relative, 20), 0)
    out: Int64s = squares.sum(axis=1) // errors.shape[1]
    return out


def _is_change(state: FixedState, sizes: Sizes, error: int) -> bool:
    """Add a tick's evidence; True where it has just become enough."""
    numbers = numbers_of(sizes.settings)
    excess = min(ratio(error, int(state.watch[LEVEL]) + 1, 20), LARGEST_EXCESS)
    evidence = min(int(state.watch[EVIDENCE]), LIMIT - LARGEST_EXCESS) + excess
    slack = min(product(numbers.change_slack, _wildness(state), 20), LARGEST_SLACK)
    evidence = max(evidence - ONE - slack, 0)
    state.watch[EVIDENCE] = evidence
    if state.counters[SEARCHING] or evidence <= numbers.change_evidence:
        return False
    state.watch[EVIDENCE] = 0
    state.counters[SEARCHING] = 1
    return True


def _wildness(state: FixedState) -> int:
    """How wild errors are, at least 1: the square of twice their spread."""
    spread = max(2 * min(int(state.watch[SPREAD]), LIMIT // 2), ONE)
    return product(spread, spread, 20)


def _search(state: FixedState, sizes: Sizes) -> bool:
    """Recall a regime, or give up and open one: whether it did."""
    counters, numbers = state.counters, numbers_of(sizes.settings)
    counters[SEARCHING] += 1
    best, error = best_regime(state), int(state.watch[ERROR])
    if state.pool_error[best] < product(error, numbers.recall_ratio, 24):
        _recall(state, sizes, best)
        return False
    if counters[SEARCHING] == DOUBT_TICKS:
        np.maximum(state.joint_variances, numbers.doubt, out=state.joint_variances)
    if counters[SEARCHING] <= sizes.settings.search_ticks:
        return False
    likeliest = int(np.argmax(state.pool_advantage[: counters[KNOWN]]))
    if state.pool_advantage[likeliest] >= -numbers.known_loss:
        state.watch[LEVEL] = error
        enter_regime(state, likeliest)
        return False
    open_regime(state, free_place(state, sizes))
    return True


def _compare(state: FixedState, advantages: Int64s) -> None:
    """Add a tick's advantages [regimes] over the joint unit to the evidence for each regime."""
    level = product(int(state.watch[LEVEL]) + 1, _wildness(state), 20)
    levels = np.full(len(advantages), level)
    sizes = np.minimum(quotient(np.abs(advantages), levels, 20), LARGEST_ADVANTAGE)
    before = wide(state.pool_advantage[: len(advantages)])
    evidence = np.minimum(before, LIMIT - LARGEST_ADVANTAGE) + np.sign(advantages) * sizes
    least = -LIMIT - 1 if state.counters[SEARCHING] else 0
    state.pool_advantage[: len(advantages)] = np.maximum(evidence - ADVANTAGE_SLACK, least)


def _recall(state: FixedState, sizes: Sizes, place: int) -> None:
    """The joint unit goes on from a regime's coefficients, and is believed."""
    state.joint[:] = state.pool[place]
    trust(state, sizes)
    state.watch[ERROR] = state.pool_error[place]
    state.watch[LEVEL] = state.pool_level[place]
    enter_regime(state, place, since=YOUNG_TICKS)


def _settle(state: FixedState, error: int) -> None:
    """Outside of a search: follow the usual level, and store the regime while it is calm."""
    counters, current = state.counters, int(state.counters[CURRENT])
    ticks, level = int(counters[TICKS]), int(state.watch[LEVEL])
    if error < LARGEST_CALM:
        speed = YOUNG_LEVEL_RATE if counters[SINCE] < YOUNG_TICKS else LEVEL_RATE
        rise = min(ratio(error, level + 1, 24), LARGEST_RISE)
        away = (rise >> 4) - ONE
        spread = int(state.watch[SPREAD])
        state.watch[SPREAD] = towards(spread, product(away, away, 20), LEVEL_RATE, dither(ticks))
        level = towards(level, product(rise, level, 24), speed, dither(ticks))
        state.watch[LEVEL] = level
    if ticks % STORE_TICKS == 0 and state.watch[ERROR] < product(level, CALM, 24):
        state.pool[current] = state.joint
        state.pool_level[current] = level
        state.pool_used[current] = counters[TICKS]
