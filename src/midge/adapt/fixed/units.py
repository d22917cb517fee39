"""The units, as `midge.adapt.units` has them, in integers.

Features are Q20, at most 16 in magnitude, behind a constant; coefficients are Q22. Products are
summed exactly and rounded once. What is iterated stays within the bound of features: further out
every forecast is held anyway.
"""

from __future__ import annotations

import numpy as np

from midge.adapt.fixed.arithmetic import LIMIT, ONE, Int64s, narrow, root, rounded, wide, within
from midge.adapt.fixed.constants import LARGEST_FEATURE, RANGE, REACH
from midge.adapt.fixed.numbers import direct_parts
from midge.adapt.fixed.state import FixedState
from midge.adapt.settings import DIRECT, FAST, JOINT, PERSISTENCE, REGIME, SEASON, UNITS, Sizes
from midge.adapt.state import PERIOD
from midge.adapt.units import SEASONAL


def clipped(values: Int64s) -> Int64s:
    """Samples as features."""
    return within(values, LARGEST_FEATURE)


def joint_features(past: Int64s, lags: int) -> Int64s:
    """[1 + lags * channels]: the constant; every channel at lag 0; every channel at lag 1; ..."""
    return np.concatenate([np.full(1, ONE), clipped(past[:lags]).reshape(-1)])


def lag_features(past: Int64s, lags: int, ago: int = 0) -> Int64s:
    """[1 + lags, channels], as they were `ago` ticks before."""
    return _with_constant(clipped(past[ago : ago + lags]))


def season_features(past: Int64s, lags: int, period: int) -> Int64s:
    """[1 + lags + 3, channels]: lags, then lags `period` - 2, `period` - 1 and `period`."""
    seasonal = past[period - 2 : period - 2 + SEASONAL]
    return _with_constant(clipped(np.concatenate([past[:lags], seasonal])))


def _with_constant(features: Int64s) -> Int64s:
    return np.concatenate([np.full((1, features.shape[1]), ONE), features])


def joint_steps(coefficients: Int64s, features: Int64s) -> Int64s:
    """[..., channels]: coefficients [..., features, channels] times features [features]."""
    return narrow(rounded(np.sum(coefficients * features[:, None], axis=-2), 22))


def channel_steps(coefficients: Int64s, features: Int64s) -> Int64s:
    """[..., channels]: coefficients [..., features, channels] times features of that shape."""
    return narrow(rounded(np.sum(coefficients * features, axis=-2), 22))


def limits(state: FixedState, last: Int64s) -> tuple[Int64s, Int64s]:
    """Between what a forecast stays, [channels] each, given the last sample."""
    middle = (wide(state.mean) + 8) >> 4
    spread = root(state.variance) * 256
    low = np.minimum(middle - RANGE * spread, last - REACH * spread)
    high = np.maximum(middle + RANGE * spread, last + REACH * spread)
    return np.maximum(low, -LIMIT), np.minimum(high, LIMIT)


class Forecaster:
    """Forecasts of every unit from one state, computed no further than asked.

    Args:
        state: Whose; it must not change while forecasts are asked for.
        sizes: Its dimensions.
        past: [ring, channels], in units of the channel, the last sample first.
        regime: Coefficients of the best regime [features, channels]; the joint unit's if none.
    """

    _ITERATED = (JOINT, REGIME, FAST, SEASON)

    def __init__(self, state: FixedState, sizes: Sizes, past: Int64s, regime: Int64s) -> None:
        self._state, self._sizes, self._last = state, sizes, past[0]
        horizon, channels = sizes.horizon, sizes.channels
        self._made = 0
        self._features = np.empty((len(self._ITERATED), horizon + len(past), channels), np.int64)
        self._features[:, horizon:] = clipped(past)
        self._joint = np.stack([wide(state.joint), regime])
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
        features[:, now - 1] = clipped(features[:, now] + steps)
        self._made += 1

    def _direct_line(self, past: Int64s) -> Int64s:
        """[horizon, channels]: straight lines from the last sample through each anchor's forecast.

        They are level behind the last.
        """
        z = self._sizes
        features = lag_features(past, z.settings.direct_lags)
        steps = channel_steps(wide(self._state.direct), features)
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
