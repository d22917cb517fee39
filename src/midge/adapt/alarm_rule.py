"""The rule of `Alarms` in float32, one operation at a time: what the C on a device computes too.

Logarithms are to the base of 2 and go straight from one power of two to the next: the bits of a
float, less those of 1, are such a logarithm in units of 2^-23. Sums of them are exact. Nothing is
exponentiated, since ranks are among bins of such logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt.anomaly import SLOWEST, rank
from midge.adapt.normalise import LARGEST_INPUT
from midge.adapt.settings import TAIL_BINS
from midge.adapt.state import Field, unsound

Float32s = NDArray[np.float32]
Int32s = NDArray[np.int32]
Int64s = NDArray[np.intp]
Numbers = NDArray[Any]

FILLED, RANKED, QUIET = range(3)
"""Places in `AlarmState.counters`: ticks of which forecasts wait, up to the longest lead; ticks
that were ranked; ticks that a burst still lasts."""

KINDS = 3
"""Of evidence."""
MOST_RANKED = 1 << 30
"""The count of ticks stops here: nothing depends on it any more."""

GUESS = np.float32(41)
"""Ticks that a guess of the tail counts as: always the most that it can. Evidence comes in bursts,
so that so many ticks say less of the tail than as many of a learner's errors."""
FIRST_TICKS = 100
"""No alarm before so many were seen: evidence has nothing to be ranked among."""
LEVEL_FROM = 20
"""Errors count for nothing before their mean stands on so many."""

SMOOTHING = np.float32(0.1)
FLOOR = np.float32(0.1)
"""Added to every relative error: a forecast that happens to be right says little."""
RESOLUTION = np.float32(1e-6)
"""Relative to a sample: float32 forecasts say no more."""
TINY = np.finfo(np.float32).tiny
LARGEST_ERROR = np.float32(4e18)
"""What is larger is the error of no forecast."""
LARGEST_RELATIVE = np.float32(2.0**32)
ONE = 0x3F800000
"""The bits of 1."""

BINS_AN_OCTAVE = np.float32(3)
FIRST_EDGE = np.float32(-3)
"""Logarithm of the lower edge of the first bin."""
LAST_PLACE = np.nextafter(np.float32(TAIL_BINS), np.float32(0))
LARGEST_LOGARITHM = np.float32(128)


@dataclass(frozen=True)
class AlarmSizes:
    """All that is fixed of alarms.

    Attributes:
        channels: Numbers a sample.
        leads: Ascending from 1.
        rate: Probability below which evidence is an alarm.
        quiet: Ticks without such evidence that end a burst.
    """

    channels: int
    leads: tuple[int, ...]
    rate: float
    quiet: int

    @cached_property
    def firsts(self) -> Int64s:
        """[leads]: where a lead's forecasts begin to wait; so many as it is ticks long."""
        return np.cumsum((0, *self.leads[:-1]))

    @cached_property
    def lengths(self) -> Int32s:
        """[leads], in ticks."""
        return np.array(self.leads, np.int32)


def alarm_fields(z: AlarmSizes) -> tuple[Field, ...]:
    """The layout of what alarms remember."""
    leads = len(z.leads)
    return (
        Field("counters", (3,), dtype="<i4"),
        Field("places", (leads,), dtype="<i4"),
        Field("level", (leads, z.channels)),
        Field("smooth", (z.channels,)),
        Field("tails", (KINDS, TAIL_BINS)),
        Field("waiting", (sum(z.leads), z.channels)),
    )


@dataclass
class AlarmState:
    """The arrays, by the names and shapes of `alarm_fields`; all begin as zeros.

    Attributes:
        counters: See above.
        places: Where among those of each lead the oldest waiting forecast stands.
        level: Mean absolute error of each lead and channel, in the user's units.
        smooth: Of each channel, the mean logarithm of relative errors, smoothed.
        tails: Share of ticks whose evidence fell into each bin.
        waiting: Forecasts, lead after lead.
    """

    counters: Int32s
    places: Int32s
    level: Float32s
    smooth: Float32s
    tails: Float32s
    waiting: Float32s


def new_alarm_state(z: AlarmSizes) -> AlarmState:
    """Before the first sample."""
    return AlarmState(**{f.name: np.zeros(f.shape, f.dtype) for f in alarm_fields(z)})


def judge(
    state: AlarmState, z: AlarmSizes, sample: Float32s, ahead: Float32s
) -> tuple[np.float32, bool]:
    """What a sample tells; it counts, and the forecasts made behind it wait.

    Args:
        state: Is changed.
        z: Its dimensions.
        sample: [channels]; what is not finite, or 1e18 and more, is missing.
        ahead: [leads, channels].

    Returns:
        The probability of the most unusual evidence, and whether an alarm begins.
    """
    with np.errstate(all="ignore"):
        errors, known = _errors(state, z, sample, ahead)
        evidence = _evidence(state, sample, errors, known)
    probability, ranked = np.float32(1), int(state.counters[RANKED])
    if evidence is not None:
        told = [_rank(tail, ranked, one) for tail, one in zip(state.tails, evidence, strict=True)]
        probability = min(told)
        state.counters[RANKED] = min(ranked + 1, MOST_RANKED)
    is_unusual = bool(probability < np.float32(z.rate)) and ranked + 1 >= FIRST_TICKS
    left = int(state.counters[QUIET])
    state.counters[QUIET] = z.quiet if is_unusual else max(left - 1, 0)
    return probability, is_unusual and left == 0


def _errors(
    state: AlarmState, z: AlarmSizes, sample: Float32s, ahead: Float32s
) -> tuple[Float32s, NDArray[np.bool_]]:
    """Absolute errors [leads, channels] of forecasts that come due, and which of them there are."""
    rows, filled = z.firsts + state.places, int(state.counters[FILLED])
    errors: Float32s = np.abs(sample - state.waiting[rows])
    known = (np.abs(sample) < LARGEST_INPUT) & (errors <= LARGEST_ERROR)
    known &= (z.lengths <= filled)[:, None]
    state.waiting[rows] = ahead
    state.places[:] = np.where(state.places + 1 == z.lengths, 0, state.places + 1)
    state.counters[FILLED] = min(filled + 1, z.leads[-1])
    return errors, known


def _evidence(
    state: AlarmState, sample: Float32s, errors: Float32s, known: NDArray[np.bool_]
) -> tuple[np.float32, ...] | None:
    """Logarithms of the three kinds; None where no error is known. Levels are followed."""
    level, seen = state.level, int(state.counters[RANKED]) + 1  # the first sample has no forecast
    rate = max(np.float32(1) / np.float32(seen + 1), SLOWEST)
    relative = np.zeros_like(level)
    if seen >= LEVEL_FROM:
        least = RESOLUTION * np.abs(sample) + TINY
        relative = np.where(known, np.minimum(errors / (level + least), LARGEST_RELATIVE), relative)
    level[:] = np.where(known, level + rate * (errors - level), level)
    mean = _mean_logarithm(relative + FLOOR)
    state.smooth += SMOOTHING * (mean - state.smooth)
    if not known.any():
        return None
    return _mean_logarithm(relative[:1]).max(), mean.max(), state.smooth.max()


def _mean_logarithm(values: Float32s) -> Float32s:
    """About the mean logarithm to the base of 2, of each column of numbers of 0 to 2^32."""
    total = (values.view(np.int32) - ONE).sum(axis=0, dtype=np.int32)
    out: Float32s = total.astype(np.float32) * one_of(len(values))
    return out


def one_of(count: int) -> np.float32:
    """What a sum of so many logarithms is multiplied by."""
    return np.float32(2.0**-23 / count)


def _rank(tail: Float32s, ranked: int, evidence: np.float32) -> np.float32:
    place = min(max((evidence - FIRST_EDGE) * BINS_AN_OCTAVE, np.float32(0)), LAST_PLACE)
    bin_ = int(place)
    return rank(tail, ranked, bin_, place - np.float32(bin_), GUESS)


def check_alarms(state: AlarmState, z: AlarmSizes) -> None:
    """Raise a `UserError` where no alarms can remember this; the C asks the same.

    Forecasts that wait may be anything.
    """
    counters = np.array((z.leads[-1], MOST_RANKED, z.quiet))
    ranges: tuple[tuple[str, Numbers, float, Numbers | float], ...] = (
        ("counters", state.counters, 0, counters),
        ("places", state.places, 0, z.lengths - 1),
        ("level", state.level, 0, float(LARGEST_ERROR)),
        ("smooth", state.smooth, -float(LARGEST_LOGARITHM), float(LARGEST_LOGARITHM)),
        ("tails", state.tails, 0, 1),
    )
    for name, values, low, high in ranges:
        if not np.all((values >= low) & (values <= high)):
            raise unsound(f"numbers in '{name}' beyond {low} to {high}")
