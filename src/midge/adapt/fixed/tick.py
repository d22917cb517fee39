"""One tick of the fixed-point learner."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt.fixed import anomaly, learning, mixing, normalise, regimes, season
from midge.adapt.fixed.arithmetic import LIMIT, Int64s, narrow, wide
from midge.adapt.fixed.dialect import FIXED
from midge.adapt.fixed.numbers import check_fixed
from midge.adapt.fixed.state import CERTAIN, FixedState, formats_of, new_fixed_state
from midge.adapt.fixed.units import Forecaster, joint_features
from midge.adapt.mixing import furthest_due
from midge.adapt.regimes import Change, best_regime
from midge.adapt.settings import Sizes
from midge.adapt.state import POSITION, TICKS, check_counts, unsound
from midge.adapt.tick import Ahead, Told, backwards

Int32s = NDArray[np.int32]
Mask = NDArray[np.bool_]

MISSING = -(1 << 31)


class FixedTick:
    """In integers, with samples in whole steps.

    Args:
        sizes: Dimensions of the state.
        false_alarm_rate: Target share of ticks that are flagged.
        resolution: The user's units a step.

    Raises:
        UserError: If integers do not reach for so many features.
    """

    dialect = FIXED

    def __init__(self, sizes: Sizes, false_alarm_rate: float, resolution: float) -> None:
        check_fixed(sizes)
        self._sizes, self._rate = sizes, round(false_alarm_rate * CERTAIN)
        self._resolution = resolution

    def new_state(self) -> FixedState:
        """The state before the first sample."""
        return new_fixed_state(self._sizes)

    def samples(self, given: NDArray[Any]) -> Int32s:
        """In steps; what is not finite is missing, what is too large stops at 2**30."""
        values = np.asarray(given, np.float64)
        known = np.isfinite(values)
        steps = np.clip(np.rint(np.where(known, values, 0) / self._resolution), -LIMIT - 1, LIMIT)
        return np.where(known, steps, MISSING).astype(np.int32)

    def learn(self, state: FixedState, given: Int32s) -> tuple[Int64s, Told]:
        """All that changes with a sample, but the past."""
        known = given != MISSING
        raw = narrow(np.where(known, wide(given), 0))
        change, probability = Change(), CERTAIN
        if state.counters[TICKS] == 0:
            normalise.begin(state, raw)
        else:
            raw = np.where(known, raw, normalise.filled_in(state))
            change, probability = self._learn(state, raw, known)
        normalise.follow(state, self._sizes, raw)
        return raw, Told(change, probability / CERTAIN, probability < self._rate)

    def _learn(self, state: FixedState, raw: Int64s, known: Mask) -> tuple[Change, int]:
        """All that learns from a sample in units of its channels."""
        sizes, longest = self._sizes, self._sizes.settings.stuck_ticks
        sample, past = normalise.normalised(state, raw), self._past(state)
        last = state.ring[(state.counters[POSITION] - 1) % sizes.ring]
        state.repeats[:] = np.where(raw == last, np.minimum(state.repeats + 1, longest), 0)
        learned = known & (state.repeats < longest)
        change, probability = Change(), CERTAIN
        if known.any():
            surprise = anomaly.surprise_of(state, sample, known)
            probability = anomaly.probability_of(state, surprise)
            features = joint_features(past, sizes.joint_lags)
            change = regimes.watch(state, sizes, features, sample - past[0], known)
            learning.learn(state, sizes, past, sample, learned)
            mixing.judge(state, sizes, sample, past, known)
            season.follow_season(state, sizes, sample, past)
        return change, probability

    def _past(self, state: FixedState) -> Int64s:
        """[ring, channels] in units of the channels, the last sample first."""
        return normalise.normalised(state, backwards(state).astype(np.int64))

    def ahead(self, state: FixedState) -> Forecaster:
        """Forecasts from the last sample on."""
        best = best_regime(state)
        regime = wide(state.pool[best] if best >= 0 else state.joint)
        return Forecaster(state, self._sizes, self._past(state), regime)

    def look_ahead(self, state: FixedState, ahead: Ahead) -> None:
        """Keep what is due for judgement, and what is expected next."""
        forecasts = ahead.until(furthest_due(state, self._sizes))
        mixing.keep(state, self._sizes, forecasts)
        shares = mixing.weights(state, self._sizes)
        state.expected[:] = mixing.mixed(self._sizes, shares, forecasts[:1])[0]

    def forecast(self, state: FixedState, ahead: Ahead, rows: int) -> NDArray[np.float64]:
        """[rows, channels], in the user's units: whole steps."""
        shares = mixing.weights(state, self._sizes)
        values = mixing.mixed(self._sizes, shares, ahead.until(rows))
        steps = normalise.in_steps(state, values).astype(np.float64)
        return steps * self._resolution

    def scales(self, state: FixedState) -> NDArray[np.float64]:
        """[channels], in the user's units."""
        out: NDArray[np.float64] = np.exp2(state.exponent.astype(np.float64)) * self._resolution
        return out

    def check(self, state: FixedState) -> None:
        """Raise a `UserError` where no learner can have such a state."""
        check_counts(state, self._sizes)
        for name, form in formats_of(self._sizes).items():
            values = getattr(state, name)
            if np.any(values < form.least) or np.any(values > form.most):
                raise unsound(f"numbers in '{name}' beyond {form.least} to {form.most}")
