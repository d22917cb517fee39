"""The units, as `midge.adapt.units` has them, in integers.

Features are Q20, at most 16 in magnitude, behind a constant; coefficients are Q22. Products are
summed exactly and rounded once. What is iterated stays within the bound of features: further out
every forecast is held anyway.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.features import Features
from midge.adapt.fixed.arithmetic import (
    INT32_MAX,
    LIMIT,
    ONE,
    Int64s,
    narrow,
    quotient,
    root,
    rounded,
    wide,
)
from midge.adapt.fixed.constants import LARGEST_FEATURE, RANGE, REACH
from midge.adapt.fixed.numbers import direct_parts
from midge.adapt.fixed.state import FixedState
from midge.adapt.settings import DIRECT, FAST, JOINT, PERSISTENCE, REGIME, SEASON, UNITS, Sizes
from midge.adapt.state import PERIOD
from midge.adapt.units import SEASONAL

Int32s = NDArray[np.int32]
Mask = NDArray[np.bool_]

FEATURES = Features(ONE, LARGEST_FEATURE)


def joint_steps(coefficients: Int32s, features: Int64s) -> Int64s:
    """[..., channels]: coefficients [..., features, channels] times features [features]."""
    return channel_steps(coefficients, features[:, None])


def channel_steps(coefficients: Int32s, features: Int64s) -> Int64s:
    """[..., channels]: coefficients [..., features, channels] times features of that shape."""
    return narrow(rounded(np.sum(wide(coefficients) * features, axis=-2), 22))


def move(
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


def limits(state: FixedState, last: Int64s) -> tuple[Int64s, Int64s]:
    """Between what a forecast stays, [channels] each, given the last sample."""
    middle = (wide(state.mean) + 8) >> 4
    spread = root(state.variance) * 256
    low = np.minimum(middle - RANGE * spread, last - REACH * spread)
    high = np.maximum(middle + RANGE * spread, last + REACH * spread)
    return np.maximum(low, -LIMIT), np.minimum(high, LIMIT)


def forecaster(state: FixedState, sizes: Sizes, past: Int64s, regime: Int32s) -> Forecaster:
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

    def __init__(self, state: FixedState, sizes: Sizes, past: Int64s, regime: Int32s) -> None:
        self._state, self._sizes, self._last = state, sizes, past[0]
        horizon, channels = sizes.horizon, sizes.channels
        self._made = 0
        self._features = np.empty((len(self._ITERATED), horizon + len(past), channels), np.int64)
        self._features[:, horizon:] = FEATURES.clipped(past)
        self._joint = wide(np.stack([state.joint, regime]))
        self._fast, self._season = wide(state.fast), wide(state.season)
        constants = np.stack([*self._joint[:, 0], self._fast[0], self._season[0]])
        self._constants = (constants + 2) >> 2
        self._low, self._high = limits(state, past[0])
        self._direct = self._direct_line(past)

    def until(self, lead: int) -> Int64s:
        """[lead, units, channels], in units of the channel."""
        while self._made < lead:
            self._advance()
        out = np.empty((lead, len(UNITS), self._sizes.channels), np.int64)
        horizon = self._sizes.horizon
        reached = self._features[:, horizon - lead : horizon][:, ::-1]
        out[:, self._ITERATED] = self._held(np.swapaxes(reached, 0, 1))
        out[:, DIRECT] = self._direct[:lead]
        out[:, PERSISTENCE] = self._last
        return out

    def _held(self, values: Int64s) -> Int64s:
        return np.minimum(np.maximum(values, self._low), self._high)

    def _advance(self) -> None:
        """One more tick of the iterated units."""
        z, s = self._sizes, self._sizes.settings
        now = z.horizon - self._made
        features = self._features
        sums = np.empty((len(self._ITERATED), z.channels), np.int64)

        lags = features[:2, now : now + z.joint_lags].reshape(2, -1, 1)
        sums[:2] = np.sum(self._joint[:, 1:] * lags, axis=1)

        sums[2] = np.sum(self._fast[1:] * features[2, now : now + s.fast_lags], axis=0)

        seasonal = now + int(self._state.counters[PERIOD]) - 2
        lags = features[3, now : now + s.season_lags]
        rows = np.concatenate([lags, features[3, seasonal : seasonal + SEASONAL]])
        sums[3] = np.sum(self._season[1:] * rows, axis=0)

        steps = narrow(rounded(sums, 22)) + self._constants
        features[:, now - 1] = FEATURES.clipped(features[:, now] + steps)
        self._made += 1

    def _direct_line(self, past: Int64s) -> Int64s:
        """[horizon, channels]: straight lines from the last sample through each anchor's forecast.

        They are level behind the last.
        """
        z = self._sizes
        features = FEATURES.lags(past, z.settings.direct_lags)
        steps = channel_steps(self._state.direct, features)
        ends = self._held(past[0] + steps)
        line = np.empty((z.horizon, z.channels), np.int64)
        start, value = 0, past[0]
        leads = z.anchors[-z.direct_anchors :]
        for lead, end, part in zip(leads, ends, direct_parts(z), strict=True):
            slope = rounded((end - value) * part, 31)
            further = np.arange(1, lead - start + 1)[:, None]
            line[start:lead] = narrow(value + slope * further)
            start, value = lead, line[lead - 1]
        line[start:] = value
        return line
