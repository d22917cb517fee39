"""One tick of every unit's least squares, with bounded movement, as `midge.adapt.learning`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.fixed.arithmetic import INT32_MAX, Int64s, narrow, quotient, rounded, wide, within
from midge.adapt.fixed.constants import LARGEST_ERROR
from midge.adapt.fixed.covariance import gain_and_update
from midge.adapt.fixed.numbers import Memory, numbers_of
from midge.adapt.fixed.state import FixedState
from midge.adapt.fixed.units import (
    channel_steps,
    joint_features,
    joint_steps,
    lag_features,
    season_features,
)
from midge.adapt.normalise import FREE_TICKS
from midge.adapt.settings import Sizes
from midge.adapt.state import PERIOD, TICKS

Int32s = NDArray[np.int32]
Mask = NDArray[np.bool_]


def learn(state: FixedState, sizes: Sizes, past: Int64s, sample: Int64s, learned: Mask) -> None:
    """Move every unit towards a sample.

    Args:
        state: Changed in place.
        sizes: Its dimensions.
        past: [ring, channels] before the sample, in units of the channel, the last first.
        sample: [channels], in units of the channel.
        learned: Channels to learn from.
    """
    if not learned.any() or state.counters[TICKS] < FREE_TICKS:
        return
    s, numbers = sizes.settings, numbers_of(sizes.settings)
    step = sample - past[0]
    grown = wide(state.credit) + numbers.movement_rate
    state.credit[:] = np.minimum(grown, numbers.movement_reserve)
    features = joint_features(past, sizes.joint_lags)
    errors = narrow(step - joint_steps(wide(state.joint), features))
    gains = gain_and_update(
        state.joint_factor,
        state.joint_variances,
        features[None],
        numbers.joint,
        numbers.largest_variance,
    )
    shared = np.repeat(gains, sizes.channels, axis=0)
    _move(state.joint, shared, errors, state.credit[0], learned)

    features = lag_features(past, s.fast_lags)
    errors = narrow(step - channel_steps(wide(state.fast), features))
    gains = _gains(state.fast_factor, state.fast_variances, features, numbers.fast, sizes, learned)
    _move(state.fast, gains, errors, state.credit[1], learned)

    features = season_features(past, s.season_lags, int(state.counters[PERIOD]))
    errors = narrow(step - channel_steps(wide(state.season), features))
    factor, variances = state.season_factor, state.season_variances
    gains = _gains(factor, variances, features, numbers.season, sizes, learned)
    _move(state.season, gains, errors, state.credit[2], learned)
    _learn_direct(state, sizes, past, sample, learned)


def _learn_direct(
    state: FixedState, sizes: Sizes, past: Int64s, sample: Int64s, learned: Mask
) -> None:
    """All places at once: of filters that do not depend on each other the order is no matter."""
    numbers, due = numbers_of(sizes.settings), int(state.counters[TICKS])
    leads = [lead for lead in sizes.anchors[-sizes.direct_anchors :] if lead <= due]
    if not leads:
        return
    each = [lag_features(past, sizes.settings.direct_lags, ago=lead - 1) for lead in leads]
    learns = np.zeros((len(leads), sizes.channels), bool) | learned
    factor, variances = state.direct_factor[: len(leads)], state.direct_variances[: len(leads)]
    some_factor, some_variances = factor[learns], variances[learns]
    gains = np.zeros((*learns.shape, sizes.direct_features), np.int64)
    features = np.swapaxes(np.stack(each), 1, 2)[learns]
    gains[learns] = gain_and_update(
        some_factor, some_variances, features, numbers.direct, numbers.largest_variance
    )
    factor[learns], variances[learns] = some_factor, some_variances
    for place, lead in enumerate(leads):
        told = channel_steps(wide(state.direct[place]), each[place])
        errors = within(narrow(sample - past[lead - 1] - told), LARGEST_ERROR)
        _move(state.direct[place], gains[place], errors, state.credit[3 + place], learned)


def _gains(
    factor: Int32s,
    variances: Int32s,
    features: Int64s,
    memory: Memory,
    sizes: Sizes,
    learned: Mask,
) -> Int64s:
    """[channels, features]; what is not learned keeps its covariance."""
    largest = numbers_of(sizes.settings).largest_variance
    features = features.T
    if learned.all():
        return gain_and_update(factor, variances, features, memory, largest)
    some_factor, some_variances = factor[learned], variances[learned]
    gains = np.zeros_like(features)
    gains[learned] = gain_and_update(
        some_factor, some_variances, features[learned], memory, largest
    )
    factor[learned], variances[learned] = some_factor, some_variances
    return gains


def _move(
    coefficients: Int32s, gains: Int64s, errors: Int64s, credit: Int32s, learned: Mask
) -> None:
    """Coefficients [features, channels] by gains [channels, features] times errors, on credit.

    What a movement costs is rounded up, what of an error is left for too little credit down.
    """
    left = wide(credit)
    reach = np.minimum(np.abs(gains).sum(axis=1), INT32_MAX)
    wish = np.minimum((reach * np.abs(errors) + ((1 << 22) - 1)) >> 22, INT32_MAX)
    short = wish > left
    part = quotient(left, np.maximum(wish, 1), 30)
    counted = np.where(short, np.sign(errors) * (np.abs(errors) * part >> 30), errors)
    counted = np.where(learned, counted, 0)
    credit[:] = np.where(learned, np.where(short, 0, left - wish), left)
    coefficients[:] = narrow(coefficients + rounded(gains.T * counted, 16))
