"""The units: small linear models that forecast one tick ahead, and are iterated over the horizon.

Features are samples in units of their channel (`normalise.py`), at most 16 in magnitude, behind a
constant; what is forecast is the step from the last sample. In the order of `settings.UNITS`:

- joint: lags of every channel, slow memory.
- fast: lags of one channel, quick memory.
- season: lags of one channel and three samples about one period before what is forecast.
- direct: lags of one channel, straight to each of the last anchors; linear in between.
- regime: the best of the pool, of the joint unit's form.
- persistence: the last sample.

What follows is float32's own: sums in ascending order, from their first term.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.features import Features
from midge.adapt.normalise import LARGEST_COEFFICIENT
from midge.adapt.settings import DIRECT, FAST, JOINT, PERSISTENCE, REGIME, SEASON, UNITS, Sizes
from midge.adapt.state import PERIOD, State

Float32s = NDArray[np.float32]
Mask = NDArray[np.bool_]

LARGEST_FEATURE = np.float32(16)
LARGEST_VALUE = np.float32(1e4)
RANGE, REACH = np.float32(5), np.float32(3)
"""Forecasts stay within `RANGE` standard deviations of the mean or `REACH` of the last sample. What
is iterated is not held to that: a value that is stopped looks to a unit like a turn."""
SEASONAL = 3
FEATURES = Features(np.float32(1), LARGEST_FEATURE)


def joint_steps(coefficients: Float32s, features: Float32s) -> Float32s:
    """[..., channels]: coefficients [..., features, channels] times features [features]."""
    return channel_steps(coefficients, features[:, None])


def channel_steps(coefficients: Float32s, features: Float32s) -> Float32s:
    """[..., channels]: coefficients [..., features, channels] times features of that shape."""
    sums: Float32s = np.add.accumulate(coefficients * features, axis=-2)[..., -1, :]
    return sums


def move(
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


def limits(state: State, last: Float32s) -> tuple[Float32s, Float32s]:
    """Between what a forecast stays, [channels] each, given the last sample."""
    middle = (state.mean - state.offset) / state.scale
    spread = np.sqrt(state.variance) / state.scale
    low = np.minimum(middle - RANGE * spread, last - REACH * spread)
    high = np.maximum(middle + RANGE * spread, last + REACH * spread)
    return low, high


def forecaster(state: State, sizes: Sizes, past: Float32s, regime: Float32s) -> Forecaster:
    """Forecasts from one state."""
    return Forecaster(state, sizes, past, regime)


class Forecaster:
    """Forecasts of every unit from one state, computed no further than asked.

    Args:
        state: Whose; it must not change while forecasts are asked for.
        sizes: Its dimensions.
        past: [ring, channels], in units of the channel, the last sample first.
        regime: Coefficients of the best regime [features, channels]; the joint unit's if none.
    """

    _ITERATED = (JOINT, REGIME, FAST, SEASON)

    def __init__(self, state: State, sizes: Sizes, past: Float32s, regime: Float32s) -> None:
        self._state, self._sizes, self._last = state, sizes, past[0]
        horizon, channels = sizes.horizon, sizes.channels
        self._made = 0
        self._values = np.empty((horizon + 1, len(self._ITERATED), channels), np.float32)
        self._values[0] = past[0]
        self._features = np.empty((len(self._ITERATED), horizon + len(past), channels), np.float32)
        self._features[:, horizon:] = FEATURES.clipped(past)
        self._joint = np.stack([state.joint, regime])
        self._joint_terms = np.empty_like(self._joint)
        self._joint_terms[:, 0] = self._joint[:, 0]
        self._low, self._high = limits(state, past[0])
        self._direct = self._direct_ends(past)

    def until(self, lead: int) -> Float32s:
        """[lead, units, channels], in units of the channel."""
        while self._made < lead:
            self._advance()
        out = np.empty((lead, len(UNITS), self._sizes.channels), np.float32)
        iterated = np.maximum(self._values[1 : lead + 1], self._low)
        out[:, self._ITERATED] = np.minimum(iterated, self._high)
        out[:, DIRECT] = self._direct_line(lead)
        out[:, PERSISTENCE] = self._last
        return out

    def _advance(self) -> None:
        """One more tick of the iterated units."""
        z, state, s = self._sizes, self._state, self._sizes.settings
        now = z.horizon - self._made
        features = self._features
        steps = np.empty((len(self._ITERATED), z.channels), np.float32)

        lags = features[:2, now : now + z.joint_lags].reshape(2, -1, 1)
        np.multiply(self._joint[:, 1:], lags, out=self._joint_terms[:, 1:])
        steps[:2] = np.add.accumulate(self._joint_terms, axis=1)[:, -1]

        terms = state.fast.copy()
        terms[1:] *= features[2, now : now + s.fast_lags]
        steps[2] = np.add.accumulate(terms, axis=0)[-1]

        terms = state.season.copy()
        terms[1 : 1 + s.season_lags] *= features[3, now : now + s.season_lags]
        seasonal = now + int(state.counters[PERIOD]) - 2
        terms[1 + s.season_lags :] *= features[3, seasonal : seasonal + SEASONAL]
        steps[3] = np.add.accumulate(terms, axis=0)[-1]

        reached = self._values[self._made] + steps
        reached = np.minimum(np.maximum(reached, -LARGEST_VALUE), LARGEST_VALUE)
        self._values[self._made + 1] = reached
        features[:, now - 1] = FEATURES.clipped(reached)
        self._made += 1

    def _direct_ends(self, past: Float32s) -> Float32s:
        """[1 + direct anchors, channels]: the last sample, then the forecast of each anchor."""
        features = FEATURES.lags(past, self._sizes.settings.direct_lags)
        steps = channel_steps(self._state.direct, features)
        ends = np.minimum(np.maximum(past[0] + steps, self._low), self._high)
        return np.concatenate([past[:1], ends])

    def _direct_line(self, lead: int) -> Float32s:
        """[lead, channels], straight lines between the ends, level behind the last."""
        above, part = self._sizes.direct_places
        above, part = above[:lead], part[:lead, None]
        start, end = self._direct[above - 1], self._direct[above]
        line: Float32s = start + (end - start) * part
        return line
