"""One tick of a learner, whatever its arithmetic, and how float32 does it.

`StreamModel` keeps a state and asks a `Tick` to change it; `midge.adapt.fixed.tick` is the other
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from midge.adapt import anomaly, learning, mixing, normalise, regimes, season
from midge.adapt.dialect import FLOAT32, Dialect
from midge.adapt.settings import Sizes
from midge.adapt.state import POSITION, TICKS, State, check_sound, new_state
from midge.adapt.units import Forecaster, joint_features

Float32s = NDArray[np.float32]
Samples = NDArray[Any]
Mask = NDArray[np.bool_]


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


class Ahead(Protocol):
    """Forecasts from one state."""

    def until(self, lead: int) -> Samples:
        """[lead, units, channels], in units of the channels."""


class Tick(Protocol):
    """What a learner does, in one arithmetic."""

    dialect: Dialect

    def new_state(self) -> Any:
        """The state before the first sample."""

    def samples(self, given: NDArray[Any]) -> Samples:
        """[..., channels], from the user's units as the C takes them."""

    def learn(self, state: Any, given: Samples) -> tuple[Samples, Told]:
        """All that changes with a sample, but the past.

        Returns:
            The sample with what is missing filled in, and what it told.
        """

    def ahead(self, state: Any) -> Ahead:
        """Forecasts from the last sample on."""

    def look_ahead(self, state: Any, ahead: Ahead) -> None:
        """Keep what is due for judgement, and what is expected next."""

    def forecast(self, state: Any, ahead: Ahead, rows: int) -> NDArray[Any]:
        """[rows, channels], in the user's units."""

    def scales(self, state: Any) -> NDArray[np.float64]:
        """[channels], in the user's units."""

    def check(self, state: Any) -> None:
        """Raise a `UserError` where no learner can have such a state."""


class FloatTick:
    """In float32, in the order that is written here."""

    dialect = FLOAT32

    def __init__(self, sizes: Sizes, false_alarm_rate: float) -> None:
        self._sizes, self._rate = sizes, np.float32(false_alarm_rate)

    def new_state(self) -> State:
        """The state before the first sample."""
        return new_state(self._sizes)

    def samples(self, given: NDArray[Any]) -> Float32s:
        """As float32; what is too large becomes infinite."""
        with np.errstate(over="ignore"):
            return np.asarray(given, np.float32)

    def learn(self, state: State, given: Float32s) -> tuple[Float32s, Told]:
        """All that changes with a sample, but the past."""
        known = np.abs(given) < normalise.LARGEST_INPUT
        raw = np.where(known, given, np.float32(0))
        change, probability = regimes.Change(), np.float32(1)
        if state.counters[TICKS] == 0:
            normalise.begin(state, raw)
        else:
            raw = np.where(known, raw, normalise.filled_in(state))
            change, probability = self._learn(state, raw, known)
        normalise.follow(state, self._sizes, raw)
        return raw, Told(change, float(probability), bool(probability < self._rate))

    def _learn(self, state: State, raw: Float32s, known: Mask) -> tuple[regimes.Change, np.float32]:
        """All that learns from a sample in units of its channels."""
        sizes, longest = self._sizes, self._sizes.settings.stuck_ticks
        sample, past = normalise.normalised(state, raw), self._past(state)
        last = state.ring[(state.counters[POSITION] - 1) % sizes.ring]
        state.repeats[:] = np.where(raw == last, np.minimum(state.repeats + 1, longest), 0)
        learned = known & (state.repeats < longest)
        change, probability = regimes.Change(), np.float32(1)
        if known.any():
            surprise = anomaly.surprise_of(state, sample, known)
            probability = anomaly.probability_of(state, surprise)
            features = joint_features(past, sizes.joint_lags)
            change = regimes.watch(state, sizes, features, sample - past[0], known)
            learning.learn(state, sizes, past, sample, learned)
            mixing.judge(state, sizes, sample, past, known)
            season.follow_season(state, sizes, sample, past)
        return change, probability

    def _past(self, state: State) -> Float32s:
        """[ring, channels] in units of the channels, the last sample first."""
        return normalise.normalised(state, backwards(state))

    def ahead(self, state: State) -> Forecaster:
        """Forecasts from the last sample on."""
        best = regimes.best_regime(state)
        regime = state.pool[best] if best >= 0 else state.joint
        return Forecaster(state, self._sizes, self._past(state), regime)

    def look_ahead(self, state: State, ahead: Ahead) -> None:
        """Keep what is due for judgement, and what is expected next."""
        forecasts = ahead.until(mixing.furthest_due(state, self._sizes))
        mixing.keep(state, self._sizes, forecasts)
        shares = mixing.weights(state, self._sizes)
        state.expected[:] = mixing.mixed(self._sizes, shares, forecasts[:1])[0]

    def forecast(self, state: State, ahead: Ahead, rows: int) -> Float32s:
        """[rows, channels], in the user's units."""
        shares = mixing.weights(state, self._sizes)
        values = mixing.mixed(self._sizes, shares, ahead.until(rows))
        return normalise.in_user_units(state, values)

    def scales(self, state: State) -> NDArray[np.float64]:
        """[channels], in the user's units."""
        return state.scale.astype(np.float64)

    def check(self, state: State) -> None:
        """Raise a `UserError` where no learner can have such a state."""
        check_sound(state, self._sizes)


def backwards(state: Any) -> Samples:
    """[ring, channels], past samples as they are kept, the last first."""
    ring, position = state.ring, int(state.counters[POSITION])
    return np.concatenate([ring[:position][::-1], ring[position:][::-1]])
