"""One tick of every unit's least squares, with bounded movement.

Coefficients may move, summed over a unit's coefficients of one output, by `movement_rate` a tick in
the long run and by `movement_reserve` at once. So spikes, stuck sensors and slow poisoning move a
learner by at most ``reserve + 1000 rate`` in 1,000 ticks, whatever they are, while a real change of
level is still learned: nothing is left out, everything is bounded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.covariance import gain_and_update
from midge.adapt.normalise import FREE_TICKS, LARGEST_COEFFICIENT
from midge.adapt.settings import Sizes
from midge.adapt.state import PERIOD, TICKS, State
from midge.adapt.units import (
    channel_steps,
    joint_features,
    joint_steps,
    lag_features,
    season_features,
)

Float32s = NDArray[np.float32]
Mask = NDArray[np.bool_]

LARGEST_ERROR = np.float32(8)
"""Of a direct unit, in units of the channel: its leads are long and its errors large."""


def learn(state: State, sizes: Sizes, past: Float32s, sample: Float32s, learned: Mask) -> None:
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
    s = sizes.settings
    step = sample - past[0]
    rate, reserve = np.float32(s.movement_rate), np.float32(s.movement_reserve)
    state.credit[:] = np.minimum(state.credit + rate, reserve)
    features = joint_features(past, sizes.joint_lags)
    errors = step - joint_steps(state.joint, features)
    gains = gain_and_update(
        state.joint_upper, state.joint_variances, features[None], s.joint_memory, s.largest_variance
    )
    shared = np.repeat(gains, sizes.channels, axis=0)
    _move(state.joint, shared, errors, state.credit[0], learned)

    features = lag_features(past, s.fast_lags)
    errors = step - channel_steps(state.fast, features)
    gains = _gains(state.fast_upper, state.fast_variances, features, s.fast_memory, sizes, learned)
    _move(state.fast, gains, errors, state.credit[1], learned)

    features = season_features(past, s.season_lags, int(state.counters[PERIOD]))
    errors = step - channel_steps(state.season, features)
    gains = _gains(
        state.season_upper, state.season_variances, features, s.season_memory, sizes, learned
    )
    _move(state.season, gains, errors, state.credit[2], learned)
    _learn_direct(state, sizes, past, sample, learned)


def _learn_direct(
    state: State, sizes: Sizes, past: Float32s, sample: Float32s, learned: Mask
) -> None:
    s = sizes.settings
    for place, lead in enumerate(sizes.anchors[-sizes.direct_anchors :]):
        if state.counters[TICKS] < lead:
            continue
        features = lag_features(past, s.direct_lags, ago=lead - 1)
        errors = sample - past[lead - 1] - channel_steps(state.direct[place], features)
        errors = np.minimum(np.maximum(errors, -LARGEST_ERROR), LARGEST_ERROR)
        gains = _gains(
            state.direct_upper[place],
            state.direct_variances[place],
            features,
            s.direct_memory,
            sizes,
            learned,
        )
        _move(state.direct[place], gains, errors, state.credit[3 + place], learned)


def _gains(
    upper: Float32s,
    variances: Float32s,
    features: Float32s,
    memory: float,
    sizes: Sizes,
    learned: Mask,
) -> Float32s:
    """[channels, features]; what is not learned keeps its covariance."""
    largest = sizes.settings.largest_variance
    features = features.T
    if learned.all():
        return gain_and_update(upper, variances, features, memory, largest)
    some_upper, some_variances = upper[learned], variances[learned]
    gains = np.zeros_like(features)
    gains[learned] = gain_and_update(some_upper, some_variances, features[learned], memory, largest)
    upper[learned], variances[learned] = some_upper, some_variances
    return gains


def _move(
    coefficients: Float32s, gains: Float32s, errors: Float32s, credit: Float32s, learned: Mask
) -> None:
    """Coefficients [features, channels] by gains [channels, features] times errors, on credit."""
    reach = np.add.accumulate(np.abs(gains), axis=1)[:, -1]
    wish = reach * np.abs(errors)
    short = wish > credit
    part = np.where(short, credit / np.maximum(wish, np.float32(1e-30)), np.float32(1))
    errors = np.where(learned, errors * part, np.float32(0))
    credit -= np.where(learned, np.where(short, credit, wish), np.float32(0))
    moved = coefficients + gains.T * errors
    np.minimum(moved, LARGEST_COEFFICIENT, out=moved)
    np.maximum(moved, -LARGEST_COEFFICIENT, out=coefficients)
