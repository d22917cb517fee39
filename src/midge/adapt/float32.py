"""The learner's numbers in float32.

Every operation is an addition, subtraction, multiplication, division, square root or comparison, in
the order that is written.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt import anomaly, constants, covariance, measures, mixing, normalise, units
from midge.adapt.arithmetic import (
    Anomaly,
    Covariance,
    Measures,
    Mixing,
    Normalise,
    Number,
    Numbers,
    Units,
    Values,
)
from midge.adapt.regimes import KNOWN_ALREADY
from midge.adapt.settings import Settings, Sizes
from midge.adapt.state import State, check_sound, new_state

Float32s = NDArray[np.float32]
Mask = NDArray[np.bool_]


def numbers_of(s: Settings) -> Numbers:
    """Settings as float32."""
    one = np.float32
    return Numbers(
        joint=one(s.joint_memory),
        fast=one(s.fast_memory),
        season=one(s.season_memory),
        direct=one(s.direct_memory),
        prior=one(s.prior),
        largest_variance=one(s.largest_variance),
        doubt=one(s.doubt),
        movement_rate=one(s.movement_rate),
        movement_reserve=one(s.movement_reserve),
        fitness_rate=one(1) - one(s.fitness_memory),
        change_slack=one(s.change_slack),
        change_evidence=one(s.change_evidence),
        recall_advantage=one(s.recall_advantage),
        known_loss=KNOWN_ALREADY * one(s.search_ticks),
        recall_ratio=one(s.recall_ratio),
        trust=one(s.trust),
    )


class Float32:
    """An `Arithmetic`, in which numbers, shares and rates are one.

    Args:
        sizes: Dimensions of the state.
        false_alarm_rate: Target share of ticks that are flagged.
    """

    one = whole = certain = np.float32(1)
    tiny = measures.TINY
    factor = "upper"
    # Of the class: an instance that holds modules is not copied or pickled.
    constants: ModuleType = constants
    normalise: Normalise = normalise
    anomaly: Anomaly = anomaly
    measures: Measures = measures
    covariance: Covariance = covariance
    units: Units = units
    mixing: Mixing = mixing

    def __init__(self, sizes: Sizes, false_alarm_rate: float) -> None:
        self.sizes, self.numbers = sizes, numbers_of(sizes.settings)
        self.false_alarm_rate = np.float32(false_alarm_rate)

    def new_state(self) -> State:
        """The state before the first sample."""
        return new_state(self.sizes)

    def check(self, state: State) -> None:
        """Raise a `UserError` where no learner can have such a state."""
        check_sound(state, self.sizes)

    def samples(self, given: Values) -> Float32s:
        """As float32; what is too large becomes infinite."""
        with np.errstate(over="ignore"):
            return np.asarray(given, np.float32)

    def received(self, given: Float32s) -> tuple[Float32s, Mask]:
        """What is not finite, or too large, is missing."""
        known = np.abs(given) < normalise.LARGEST_INPUT
        return np.where(known, given, np.float32(0)), known

    def in_user_units(self, state: State, values: Float32s) -> Float32s:
        """[..., channels], from units of the channels."""
        return normalise.in_user_units(state, values)

    def scales(self, state: State) -> NDArray[np.float64]:
        """[channels], in the user's units."""
        return state.scale.astype(np.float64)

    def kept(self, state: State, forecasts: Float32s) -> Float32s:
        """In the user's units, which do not change."""
        return normalise.in_user_units(state, forecasts)

    def waited(self, state: State, kept: Float32s) -> Float32s:
        """In units of the channels, as they are by now."""
        return normalise.normalised(state, kept)

    def wide(self, kept: Any) -> Number:
        """What is kept is computed with."""
        return kept

    def narrow(self, values: Float32s) -> Float32s:
        """They need no bound."""
        return values

    def with_room(self, evidence: Any, room: Number) -> Number:
        """There is room."""
        del room
        return evidence

    def times(self, a: Number, b: Number) -> Number:
        """``a * b``."""
        return a * b

    part = times

    def ratio(self, a: Number, b: Number) -> Number:
        """``a / b``."""
        return a / b

    ratios = share = ratio

    def number(self, share: Number) -> Number:
        """The same."""
        return share

    def rate(self, count: int, slowest: Number) -> Number:
        """The larger of ``1 / count`` and the slowest rate."""
        return max(np.float32(1) / np.float32(count), slowest)

    def towards(self, mean: Number, seen: Number, rate: Number, ticks: int) -> Number:
        """Where a mean goes; whatever the tick is."""
        del ticks
        return mean + rate * (seen - mean)
