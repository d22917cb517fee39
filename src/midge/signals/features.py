"""Numbers about a beat beside its window: rhythm, size, shape; each one small function.

A feature has a name, a twin here and a C function ``midge_feature_<name>`` in
`device/signals/features.h`. Both take the same facts about a beat (`BeatFacts`, ``struct
midge_beat_facts``) and give an int16, saturated. Ratios are in 256ths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from midge.signals.stage import LARGEST_INT16, Integers


@dataclass(frozen=True)
class BeatFacts:
    """What is known of beats when they are decided, each int64 [k].

    Attributes:
        millisecond_factor: Inner samples times this are milliseconds in 256ths, a single number.
        rr_before: Inner samples since the beat before; at the first beat, `rr_after`.
        rr_after: To the next one; the time-out where none came.
        rr_previous: The `rr_before` of the beat before.
        rr_local: Median of the eight intervals before `rr_before`.
        rr_long: Running mean of intervals, over about 32.
        amplitude: Of the beat.
        usual_amplitude: Median of eight, this beat's among them.
        slope: Of the beat.
        usual_slope: Median of eight.
        width: Of the beat, inner samples.
        usual_width: Median of eight.
        extreme: The band at the beat.
        unrest: Running mean, over about 16 beats, of how much an interval differs from the one
            before it, in 256ths of inner samples; changes count up to `rr_local`.
        rr_basic: Interval of the rhythm that early beats break into, though they be the majority.
        usual_change: Median of the last 32 changes between intervals, counted as in `unrest`.
        novelty: Running mean, over about 32 beats, of how much an interval differs from the nearest
            of the three before it, in 256ths of inner samples; counted up to `rr_local`.
        distance_before: To the template, in quarters of a code, in the window's first span.
        distance_at: In its second span, around the beat.
        distance_after: In its third.
        usual_distance_before: Running mean of the first span's distances, over about 16 beats.
        usual_distance_at: Of the second one's.
        usual_distance_after: Of the third one's.
    """

    millisecond_factor: int
    rr_before: Integers
    rr_after: Integers
    rr_previous: Integers
    rr_local: Integers
    rr_long: Integers
    amplitude: Integers
    usual_amplitude: Integers
    slope: Integers
    usual_slope: Integers
    width: Integers
    usual_width: Integers
    extreme: Integers
    unrest: Integers
    rr_basic: Integers
    usual_change: Integers
    novelty: Integers
    distance_before: Integers
    distance_at: Integers
    distance_after: Integers
    usual_distance_before: Integers
    usual_distance_at: Integers
    usual_distance_after: Integers


LEAST_USUAL_DISTANCE = 8
"""Quarters of a code; what is less is no measure."""


def ratio(above: Integers, below: Integers) -> Integers:
    """A quotient in 256ths, rounded to zero, saturated."""
    below = np.maximum(below, 1)
    sign = np.where(above < 0, -1, 1)
    above = np.minimum(np.abs(above), 1 << 22)
    quotient: Integers = (above << 8) // below
    return sign * np.minimum(quotient, LARGEST_INT16)


def _milliseconds(facts: BeatFacts, samples: Integers) -> Integers:
    milliseconds: Integers = samples * facts.millisecond_factor >> 8
    return np.minimum(milliseconds, LARGEST_INT16)


@dataclass(frozen=True)
class Feature:
    """One number about a beat.

    Attributes:
        compute: The twin.
        offset: The value that becomes code 0 for a network.
        shift: A code is so many bits coarser than the value.
    """

    compute: Callable[[BeatFacts], Integers]
    offset: int
    shift: int

    def codes(self, values: NDArray[np.int16]) -> NDArray[np.int8]:
        """The int8 that a network is given for values of this feature."""
        coarse: Integers = (values.astype(np.int64) - self.offset) >> self.shift
        return np.clip(coarse, -128, 127).astype(np.int8)


def _ratio(above: str, below: str) -> Feature:
    """A quotient of two facts; 64 codes are 1.0, code 0 stands for equality."""
    return Feature(lambda facts: ratio(getattr(facts, above), getattr(facts, below)), 256, 2)


def _interval_ms(fact: str) -> Feature:
    """An interval in milliseconds; a code is 8 ms, code 0 a second."""
    return Feature(lambda facts: _milliseconds(facts, getattr(facts, fact)), 1000, 3)


def _share_of_local(fact: str) -> Feature:
    """A fact in 256ths of inner samples over the local interval; a code is 1/256."""

    def compute(facts: BeatFacts) -> Integers:
        share: Integers = getattr(facts, fact) // np.maximum(facts.rr_local, 1)
        return np.minimum(share, LARGEST_INT16)

    return Feature(compute, 0, 0)


def _distance(fact: str) -> Feature:
    """A distance to the template; a code is a quarter of a window's code, code 0 is 16 of them."""
    return Feature(lambda facts: getattr(facts, fact), 64, 0)


def _distance_to_usual(place: str) -> Feature:
    """A distance to the template over the usual one, of which two codes are the least."""

    def compute(facts: BeatFacts) -> Integers:
        usual = np.maximum(getattr(facts, f"usual_distance_{place}"), LEAST_USUAL_DISTANCE)
        return ratio(getattr(facts, f"distance_{place}"), usual)

    return Feature(compute, 256, 2)


FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        "rr_before_ms": _interval_ms("rr_before"),
        "rr_after_ms": _interval_ms("rr_after"),
        "rr_before_to_local": _ratio("rr_before", "rr_local"),
        "rr_after_to_local": _ratio("rr_after", "rr_local"),
        "rr_before_to_long": _ratio("rr_before", "rr_long"),
        "rr_previous_to_local": _ratio("rr_previous", "rr_local"),
        "rr_before_to_after": _ratio("rr_before", "rr_after"),
        "rr_before_to_previous": _ratio("rr_before", "rr_previous"),
        "rr_local_to_long": _ratio("rr_local", "rr_long"),
        "amplitude_to_usual": _ratio("amplitude", "usual_amplitude"),
        "slope_to_usual": _ratio("slope", "usual_slope"),
        "width_to_usual": _ratio("width", "usual_width"),
        "width_ms": Feature(lambda facts: _milliseconds(facts, facts.width), 128, 0),
        "extreme_to_usual": Feature(
            lambda facts: ratio(facts.extreme, facts.usual_amplitude), 0, 2
        ),
        "rr_unrest": _share_of_local("unrest"),
        "rr_novelty": _share_of_local("novelty"),
        "rr_usual_change": Feature(lambda facts: ratio(facts.usual_change, facts.rr_local), 0, 0),
        "rr_before_to_basic": _ratio("rr_before", "rr_basic"),
        "rr_local_to_basic": _ratio("rr_local", "rr_basic"),
        "template_before": _distance("distance_before"),
        "template_at": _distance("distance_at"),
        "template_after": _distance("distance_after"),
        "template_before_to_usual": _distance_to_usual("before"),
        "template_at_to_usual": _distance_to_usual("at"),
        "template_after_to_usual": _distance_to_usual("after"),
    }
)
"""Every feature by name."""


def compute_features(names: tuple[str, ...], facts: BeatFacts) -> NDArray[np.int16]:
    """Features of beats, int16 [k, len(names)]."""
    result = np.zeros((facts.rr_before.size, len(names)), np.int16)
    for column, name in enumerate(names):
        result[:, column] = FEATURES[name].compute(facts)
    return result


def feature_codes(names: tuple[str, ...], values: NDArray[np.int16]) -> NDArray[np.int8]:
    """What a network is given for features, int16 [k, f] -> int8 [k, f]."""
    result = np.zeros(values.shape, np.int8)
    for column, name in enumerate(names):
        result[:, column] = FEATURES[name].codes(values[:, column])
    return result
