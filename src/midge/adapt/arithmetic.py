"""What the learner asks of the numbers it is computed in.

The learner is written once: `tick.py`, and `regimes.py`, `learning.py`, `judging.py` and
`season.py`, which it calls, take an `Arithmetic`. What is in here is all that there is twice, for
float32 (`float32.py`) and for integers (`fixed/integers.py`): the form of numbers, what rounds, and
stages whose order of operations is their arithmetic's own. Of these `covariance.py` carries a gain
from column to column where float32 carries sums; `units.py` and `mixing.py` sum exactly, round once
and go from anchor to anchor in equal steps; `normalise.py` moves an offset by whole steps;
`anomaly.py` walks its histogram with a sum that is bounded; `measures.py` bounds an error before it
is squared.

Numbers have three forms, which are one in float32. A *number* is a sample in units of its channel,
an error, evidence. A *share* is what a number is multiplied by or what two numbers are to each
other. A *rate* is how fast a mean follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from midge.adapt.features import Features
from midge.adapt.settings import Sizes

AnyState = Any
"""Of a learner in any arithmetic."""
Number = Any
"""One number, or an array of them, as an arithmetic computes with it."""
Values = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Numbers:
    """Settings of these names, in the form of an arithmetic.

    Attributes:
        joint, fast, season, direct: Memories, as `Covariance` takes them.
        prior, largest_variance, doubt: Variances, likewise.
        movement_rate, movement_reserve: As credit is kept.
        fitness_rate: One less the memory of fitness, a rate.
        change_slack, change_evidence, recall_advantage: Numbers.
        known_loss: What evidence a regime may have lost in a search that opens no new one, a
            number.
        recall_ratio, trust: Shares.
    """

    joint: Any
    fast: Any
    season: Any
    direct: Any
    prior: Number
    largest_variance: Number
    doubt: Number
    movement_rate: Number
    movement_reserve: Number
    fitness_rate: Number
    change_slack: Number
    change_evidence: Number
    recall_advantage: Number
    known_loss: Number
    recall_ratio: Number
    trust: Number


class Ahead(Protocol):
    """Forecasts of every unit from one state."""

    def until(self, lead: int) -> Values:
        """[lead, units, channels], in units of the channels."""


class Normalise(Protocol):
    """Units of the channels."""

    def normalised(self, state: AnyState, samples: Values, /) -> Values:
        """[..., channels], samples in units of the channels."""

    def filled_in(self, state: AnyState, /) -> Values:
        """[channels], what stands for a missing sample."""

    def begin(self, state: AnyState, sample: Values, /) -> None:
        """The first sample."""

    def follow(self, state: AnyState, sizes: Sizes, sample: Values, /) -> None:
        """Take a sample into the units, and change those that no longer fit."""


class Anomaly(Protocol):
    """How unusual a tick is."""

    def surprise_of(self, state: AnyState, sample: Values, known: Mask, /) -> Number:
        """The surprise of a sample; the mean errors are followed."""

    def probability_of(self, state: AnyState, surprise: Number, /) -> Number:
        """The share of ticks that are expected to surprise as much; the histogram is followed."""


class Measures(Protocol):
    """Errors and distances."""

    def relative_squares(self, state: AnyState, errors: Values, known: Mask, /) -> Values:
        """[regimes]: of errors [regimes, channels], in mean errors, the mean over channels."""

    def judged(self, errors: Values, /) -> Values:
        """Squares of errors, as fitness keeps them."""

    def distances(self, sample: Values, past: Values, /) -> Values:
        """[ring]: of a sample [channels] to each of the past, summed over channels."""

    def depths(self, distances: Values, largest: Values, /) -> Values:
        """Distances to the largest of shorter lags, shares."""


class Covariance(Protocol):
    """Recursive least squares."""

    def gain_and_update(
        self, factor: Values, variances: Values, features: Values, memory: Any, largest: Number, /
    ) -> Values:
        """[filters, n], the gains for features [filters, n]; the covariances are changed."""


class Units(Protocol):
    """The small linear models."""

    FEATURES: Features

    def joint_steps(self, coefficients: Values, features: Values, /) -> Values:
        """[..., channels]: coefficients [..., features, channels] times features [features]."""

    def channel_steps(self, coefficients: Values, features: Values, /) -> Values:
        """[..., channels]: coefficients times features [..., features, channels]."""

    def move(
        self, coefficients: Values, gains: Values, errors: Values, credit: Values, learned: Mask, /
    ) -> None:
        """Coefficients [features, channels] by gains [channels, features] times errors."""

    def forecaster(self, state: AnyState, sizes: Sizes, past: Values, regime: Values, /) -> Ahead:
        """Forecasts from one state; the regime's coefficients are [features, channels]."""


class Mixing(Protocol):
    """Who is believed."""

    def weights(self, state: AnyState, sizes: Sizes, /) -> Values:
        """[anchors, units, channels]."""

    def mixed(self, sizes: Sizes, shares: Values, forecasts: Values, leads: int, /) -> Values:
        """[leads, channels]: the first of forecasts [leads, units, channels], by weights.

        Forecasts reach to `sizes.reach(leads)` or further.
        """


class Arithmetic(Protocol):
    """The numbers of one learner.

    Attributes:
        sizes: Of the learner.
        numbers: Its settings.
        constants: A module of constants by their names in C.
        one, whole, certain: One, as a number, as a share and as a share of ticks.
        tiny: Added to a number that divides, so that none does by nothing.
        false_alarm_rate: A share of ticks.
        factor: What names of triangles end in.
    """

    sizes: Sizes
    numbers: Numbers
    constants: ModuleType
    one: Number
    whole: Number
    certain: Number
    tiny: Number
    false_alarm_rate: Number
    factor: str
    normalise: Normalise
    anomaly: Anomaly
    measures: Measures
    covariance: Covariance
    units: Units
    mixing: Mixing

    def new_state(self) -> AnyState:
        """The state before the first sample."""

    def check(self, state: AnyState) -> None:
        """Raise a `UserError` where no learner can have such a state."""

    def samples(self, given: Values) -> Values:
        """[..., channels], from the user's units as the C takes them."""

    def received(self, given: Values) -> tuple[Values, Mask]:
        """Samples to compute with, 0 where they are missing, and where they are not."""

    def in_user_units(self, state: AnyState, values: Values) -> Values:
        """[..., channels], from units of the channels."""

    def scales(self, state: AnyState) -> NDArray[np.float64]:
        """[channels], in the user's units."""

    def kept(self, state: AnyState, forecasts: Values) -> Values:
        """[units, channels], as forecasts wait for their truth, from units of the channels."""

    def waited(self, state: AnyState, kept: Values) -> Values:
        """The inverse."""

    def wide(self, kept: Any) -> Number:
        """What a state keeps, to compute with."""

    def narrow(self, values: Values) -> Values:
        """Numbers within what a state keeps."""

    def with_room(self, evidence: Any, room: Number) -> Number:
        """What a state keeps, held so low that it can still grow by `room`."""

    def times(self, a: Number, b: Number) -> Number:
        """A number times a number."""

    def part(self, whole: Number, share: Number) -> Number:
        """A share of a number."""

    def ratio(self, a: Number, b: Number) -> Number:
        """``a / b`` as a number; a >= 0, b > 0."""

    def ratios(self, a: Values, b: Number) -> Values:
        """The same of numbers of either sign."""

    def share(self, a: Number, b: Number) -> Number:
        """``a / b`` as a share; a >= 0, b > 0."""

    def number(self, share: Number) -> Number:
        """A share as a number."""

    def rate(self, count: int, slowest: Number) -> Number:
        """The larger of ``1 / count`` and the slowest rate; count > 0."""

    def towards(self, mean: Number, seen: Number, rate: Number, ticks: int) -> Number:
        """Where a mean goes at a tick."""
