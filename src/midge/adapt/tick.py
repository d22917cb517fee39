"""One tick of a learner, whatever its arithmetic.

In order: what is missing is filled in; the surprise is measured; regimes are watched; units learn;
forecasts that came due are judged; season and normaliser follow; the sample enters the past; the
next ticks are forecast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.adapt import judging, learning, past, regimes, season
from midge.adapt.arithmetic import Ahead, AnyState, Arithmetic, Mask, Number, Values
from midge.adapt.state import TICKS


@dataclass(frozen=True)
class Told:
    """What learning from a sample told.

    Attributes:
        change: What happened to the regimes.
        anomaly: The share of ticks expected to be as unusual, 0 to 1.
        is_flagged: Whether that is below the target rate of false alarms.
    """

    change: regimes.Change
    anomaly: float
    is_flagged: bool


class Tick:
    """What a learner does with its state.

    Args:
        arithmetic: Of the state's numbers.
    """

    def __init__(self, arithmetic: Arithmetic) -> None:
        self.arithmetic = arithmetic

    def learn(self, state: AnyState, given: Values) -> Told:
        """Take in a sample [channels], as `Arithmetic.samples` gives it: all but forecasts."""
        a = self.arithmetic
        raw, known = a.received(given)
        change, probability = regimes.Change(), a.certain
        if state.counters[TICKS] == 0:
            a.normalise.begin(state, raw)
        else:
            raw = np.where(known, raw, a.normalise.filled_in(state))
            change, probability = self._learn(state, raw, known)
        a.normalise.follow(state, a.sizes, raw)
        past.push(state, a.sizes, raw)
        anomaly = float(probability) / float(a.certain)
        return Told(change, anomaly, bool(probability < a.false_alarm_rate))

    def _learn(self, state: AnyState, raw: Values, known: Mask) -> tuple[regimes.Change, Number]:
        """All that learns from a sample in units of its channels."""
        a, longest = self.arithmetic, self.arithmetic.sizes.settings.stuck_ticks
        sample, before = a.normalise.normalised(state, raw), self._past(state)
        is_same = raw == past.last(state, a.sizes)
        state.repeats[:] = np.where(is_same, np.minimum(state.repeats + 1, longest), 0)
        learned = known & (state.repeats < longest)
        if not known.any():
            return regimes.Change(), a.certain
        surprise = a.anomaly.surprise_of(state, sample, known)
        probability = a.anomaly.probability_of(state, surprise)
        features = a.units.FEATURES.joint(before, a.sizes.joint_lags)
        change = regimes.watch(a, state, features, sample - before[0], known)
        learning.learn(a, state, before, sample, learned)
        judging.judge(a, state, sample, before, known)
        season.follow_season(a, state, sample, before)
        return change, probability

    def _past(self, state: AnyState) -> Values:
        """[ring, channels] in units of the channels, the last sample first."""
        a = self.arithmetic
        return a.normalise.normalised(state, a.wide(past.backwards(state)))

    def ahead(self, state: AnyState) -> Ahead:
        """Forecasts from the last sample on."""
        a, best = self.arithmetic, regimes.best_regime(state)
        regime = state.pool[best] if best >= 0 else state.joint
        return a.units.forecaster(state, a.sizes, self._past(state), regime)

    def look_ahead(self, state: AnyState, ahead: Ahead) -> None:
        """Keep what is due for judgement, and what is expected next."""
        a = self.arithmetic
        lead = judging.furthest_due(a.sizes, int(state.counters[TICKS]))
        forecasts = ahead.until(lead)
        judging.keep(a, state, forecasts)
        shares = a.mixing.weights(state, a.sizes)
        state.expected[:] = a.mixing.mixed(a.sizes, shares, forecasts, 1)[0]

    def forecast(self, state: AnyState, ahead: Ahead, rows: int) -> Values:
        """[rows, channels], in the user's units."""
        a = self.arithmetic
        shares = a.mixing.weights(state, a.sizes)
        forecasts = ahead.until(a.sizes.reach(rows))
        values = a.mixing.mixed(a.sizes, shares, forecasts, rows)
        return a.in_user_units(state, values)
