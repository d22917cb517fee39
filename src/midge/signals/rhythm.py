"""The running picture of a patient, or of a machine: what the last beats were like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midge.signals.features import BeatFacts, compute_features, feature_codes
from midge.signals.levels import MedianLevel
from midge.signals.pulse_search import FoundPulse, Pulse
from midge.signals.stage import Integers
from midge.signals.template import SPANS

LONGEST_RR = (1 << 14) - 1
"""Inner samples; longer intervals count as this."""
UNREST_BITS = 4
"""The mean of changes between intervals moves by 1/16."""
LONG_BITS = 5
"""The long mean of intervals moves by 1/32 of what is new."""
NOVELTY_BITS = 5
"""The mean distance to the nearest of three intervals moves by 1/32: small where early beats come
in a pattern, large in fibrillation."""
BASIC_BITS = 3
"""The basic rhythm moves by 1/8 towards an interval within 1/8 of it,"""
EARLY_BITS = 7
"""by 1/128 towards one that is shorter: an episode of early beats does not take it along,"""
LATE_BITS = 6
"""and by 1/64 towards one that is longer, unless two such follow one another: then by 1/4."""
CHANGES = 32
"""Changes between intervals whose median is the usual one: in fibrillation it is large, and early
beats in a regular rhythm do not move it."""


@dataclass(frozen=True)
class Rhythm:
    """What beats and the intervals between them were like, in columns named as in `BeatFacts`."""

    columns: Integers

    @property
    def usual_amplitude(self) -> Integers:
        """Median of eight, int64 [k]."""
        usual: Integers = self.columns[6]
        return usual

    def facts(
        self, millisecond_factor: int, distances: Integers, usual_distances: Integers
    ) -> BeatFacts:
        """Everything that features are made of.

        Args:
            millisecond_factor: See `BeatFacts`.
            distances: To the template, int64 [k, 3].
            usual_distances: What they usually are, int64 [k, 3].
        """
        return BeatFacts(millisecond_factor, *self.columns, *distances.T, *usual_distances.T)


def gather_rhythm(found: Sequence[FoundPulse], rr_after: Integers) -> Rhythm:
    """The rhythm at each beat, in the order in which beats are decided.

    Args:
        found: The beats.
        rr_after: The interval behind each, int64 [k].
    """
    levels = [MedianLevel() for _ in range(4)]
    rr_level, amplitude_level, slope_level, width_level = levels
    long_mean = previous = unrest = basic = novelty = 0
    earlier = (0, 0)
    changes = [0] * CHANGES
    rows: list[tuple[int, ...]] = []
    for index, (beat, after) in enumerate(zip(found, rr_after.tolist(), strict=True)):
        pulse = beat.pulse
        rr = after if index == 0 else pulse.at - found[index - 1].pulse.at
        rr = min(rr, LONGEST_RR)
        values = (rr, pulse.amplitude, pulse.slope, pulse.width)
        if index == 0:
            for level, value in zip(levels, values, strict=True):
                level.fill(value)
            long_mean, basic, previous = rr << 8, rr << 8, rr
            earlier = (rr, rr)
        else:
            for level, value in zip(levels[1:], values[1:], strict=True):
                level.add(value)
        rows.append(
            (
                rr,
                after,
                previous,
                rr_level.median,
                long_mean >> 8,
                pulse.amplitude,
                amplitude_level.median,
                pulse.slope,
                slope_level.median,
                pulse.width,
                width_level.median,
                pulse.extreme,
                unrest,
                basic >> 8,
                sorted(changes)[CHANGES // 2],
                novelty,
            )
        )
        change = min(abs(rr - previous), rr_level.median)
        changes[index % CHANGES] = change
        basic = _next_basic(basic, rr, abs(rr - previous))
        unrest += ((change << 8) - unrest) >> UNREST_BITS
        rr_level.add(rr)
        long_mean += ((rr << 8) - long_mean) >> LONG_BITS
        apart = min(change, *(abs(rr - other) for other in earlier))
        novelty += ((apart << 8) - novelty) >> NOVELTY_BITS
        earlier = (previous, earlier[0])
        previous = rr
    return Rhythm(np.asarray(rows, np.int64).reshape(len(rows), 16).T)


def _next_basic(basic: int, rr: int, step: int) -> int:
    """The basic rhythm behind an interval.

    Args:
        basic: In front of it, in 256ths of inner samples.
        rr: The interval.
        step: By how much it differs from the one before.
    """
    apart = (rr << 8) - basic
    if abs(apart) * 8 <= basic:
        return basic + (apart >> BASIC_BITS)
    if apart < 0:
        return basic + (apart >> EARLY_BITS)
    if step * 8 <= rr:
        return basic + (apart >> 2)
    return basic + (min(apart, basic >> 2) >> LATE_BITS)


def interval_codes(
    names: tuple[str, ...], rr_before: Integers, rr_after: Integers
) -> NDArray[np.int8]:
    """Features of a rhythm of which nothing but the intervals is known, as a network takes them.

    Args:
        names: Of features that tell of intervals alone.
        rr_before: Inner samples in front of each beat, int64 [k].
        rr_after: Behind each, up to the time-out, int64 [k].

    Returns:
        int8 [k, len(names)].
    """
    pulses = (Pulse(at, 0, 0, 0, 0, 0) for at in np.cumsum(rr_before).tolist())
    found = [FoundPulse(pulse, pulse.at, noisy=False) for pulse in pulses]
    rhythm = gather_rhythm(found, rr_after)
    none = np.zeros((rr_before.size, SPANS), np.int64)
    return feature_codes(names, compute_features(names, rhythm.facts(1, none, none)))
