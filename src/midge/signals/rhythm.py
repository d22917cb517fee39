"""The running picture of a patient, or of a machine: what the last beats were like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.signals.features import BeatFacts
from midge.signals.levels import MedianLevel
from midge.signals.pulse_search import FoundPulse
from midge.signals.stage import Integers

LONGEST_RR = (1 << 14) - 1
"""Inner samples; longer intervals count as this."""
UNREST_BITS = 4
"""The mean of changes between intervals moves by 1/16."""
LONG_BITS = 5
"""The long mean of intervals moves by 1/32 of what is new."""


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
    long_mean = previous = unrest = 0
    rows: list[tuple[int, ...]] = []
    for index, (beat, after) in enumerate(zip(found, rr_after.tolist(), strict=True)):
        pulse = beat.pulse
        rr = after if index == 0 else pulse.at - found[index - 1].pulse.at
        rr = min(rr, LONGEST_RR)
        values = (rr, pulse.amplitude, pulse.slope, pulse.width)
        if index == 0:
            for level, value in zip(levels, values, strict=True):
                level.fill(value)
            long_mean, previous = rr << 8, rr
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
            )
        )
        change = min(abs(rr - previous), rr_level.median)
        unrest += ((change << 8) - unrest) >> UNREST_BITS
        rr_level.add(rr)
        long_mean += ((rr << 8) - long_mean) >> LONG_BITS
        previous = rr
    return Rhythm(np.asarray(rows, np.int64).reshape(len(rows), 13).T)
