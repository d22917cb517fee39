"""The learner's numbers in integers: numbers are Q20, shares Q24, rates Q31."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt.arithmetic import (
    Anomaly,
    Covariance,
    Measures,
    Mixing,
    Normalise,
    Number,
    Units,
    Values,
)
from midge.adapt.fixed import anomaly, constants, covariance, measures, mixing, normalise, units
from midge.adapt.fixed import arithmetic as q
from midge.adapt.fixed.arithmetic import LIMIT, ONE, Int64s
from midge.adapt.fixed.numbers import check_fixed, numbers_of
from midge.adapt.fixed.state import CERTAIN, FixedState, formats_of, new_fixed_state
from midge.adapt.settings import Sizes
from midge.adapt.state import check_counts, unsound

Int32s = NDArray[np.int32]
Mask = NDArray[np.bool_]

MISSING = -(1 << 31)


class Integers:
    """An `Arithmetic`, with samples in whole steps.

    Args:
        sizes: Dimensions of the state.
        false_alarm_rate: Target share of ticks that are flagged.
        resolution: The user's units a step.

    Raises:
        UserError: If integers do not reach for so many features.
    """

    one, whole, certain, tiny = ONE, 1 << 24, CERTAIN, 1
    factor = "factor"
    # Of the class: an instance that holds modules is not copied or pickled.
    constants: ModuleType = constants
    normalise: Normalise = normalise
    anomaly: Anomaly = anomaly
    measures: Measures = measures
    covariance: Covariance = covariance
    units: Units = units
    mixing: Mixing = mixing

    def __init__(self, sizes: Sizes, false_alarm_rate: float, resolution: float) -> None:
        check_fixed(sizes)
        self.sizes, self.numbers = sizes, numbers_of(sizes.settings)
        self.false_alarm_rate = round(false_alarm_rate * CERTAIN)
        self._resolution = resolution

    def new_state(self) -> FixedState:
        """The state before the first sample."""
        return new_fixed_state(self.sizes)

    def check(self, state: FixedState) -> None:
        """Raise a `UserError` where no learner can have such a state."""
        check_counts(state, self.sizes)
        for name, form in formats_of(self.sizes).items():
            values = getattr(state, name)
            if np.any(values < form.least) or np.any(values > form.most):
                raise unsound(f"numbers in '{name}' beyond {form.least} to {form.most}")

    def samples(self, given: Values) -> Int32s:
        """In steps; what is not finite is missing, what is too large stops at 2**30."""
        values = np.asarray(given, np.float64)
        known = np.isfinite(values)
        with np.errstate(over="ignore"):
            steps = np.rint(np.where(known, values, 0) / self._resolution)
        steps = np.clip(steps, -LIMIT - 1, LIMIT)
        return np.where(known, steps, MISSING).astype(np.int32)

    def received(self, given: Int32s) -> tuple[Int64s, Mask]:
        """Steps, and which are not missing."""
        known = given != MISSING
        return q.narrow(np.where(known, q.wide(given), 0)), known

    def in_user_units(self, state: FixedState, values: Int64s) -> NDArray[np.float64]:
        """[..., channels], from units of the channels: whole steps."""
        return normalise.in_steps(state, values).astype(np.float64) * self._resolution

    def scales(self, state: FixedState) -> NDArray[np.float64]:
        """[channels], in the user's units."""
        out: NDArray[np.float64] = np.exp2(state.exponent.astype(np.float64)) * self._resolution
        return out

    def kept(self, state: FixedState, forecasts: Int64s) -> Int64s:
        """In units of the channels: they are carried over when these change."""
        del state
        return forecasts

    def waited(self, state: FixedState, kept: Int32s) -> Int64s:
        """As they are."""
        del state
        return q.wide(kept)

    def wide(self, kept: Any) -> Number:
        """int, or int64, in which no product overflows."""
        return kept.astype(np.int64) if isinstance(kept, np.ndarray) else int(kept)

    def narrow(self, values: Int64s) -> Int64s:
        """Between -2**30 and 2**30 - 1."""
        return q.narrow(values)

    def with_room(self, evidence: Any, room: Number) -> Number:
        """At most so much below `LIMIT`."""
        most = LIMIT - room
        if isinstance(evidence, np.ndarray):
            return np.minimum(q.wide(evidence), most)
        return min(int(evidence), most)

    def times(self, a: Number, b: Number) -> Number:
        """Rounded, at most `LIMIT`."""
        return q.product(a, b, 20)

    def part(self, whole: Number, share: Number) -> Number:
        """Rounded, at most `LIMIT`."""
        if isinstance(whole, np.ndarray):
            return q.times(whole, share, 24)
        return q.product(int(whole), share, 24)

    def ratio(self, a: Number, b: Number) -> Number:
        """Rounded down."""
        return q.ratio(int(a), b, 20)

    def ratios(self, a: Int64s, b: Number) -> Int64s:
        """Rounded towards nothing."""
        out: Int64s = np.sign(a) * q.quotient(np.abs(a), np.full_like(a, b), 20)
        return out

    def share(self, a: Number, b: Number) -> Number:
        """Rounded down."""
        return q.ratio(int(a), b, 24)

    def number(self, share: Number) -> Number:
        """Rounded down."""
        return share >> 4

    def rate(self, count: int, slowest: Number) -> Number:
        """The larger of ``1 / count`` and the slowest rate."""
        return q.rate(count, slowest)

    def towards(self, mean: Number, seen: Number, rate: Number, ticks: int) -> Number:
        """Rounded by another part of one each tick."""
        return q.towards(mean, seen, rate, q.dither(ticks))
