"""Rhythms that the training patients lack, made up: intervals, and what the chain says of them.

DS1 has three patients in atrial fibrillation, and one whose supraventricular beats come in long
episodes; a fold may have none of either. Training therefore gives some beats the rhythm of a
made-up patient. The ranges are those of the physiology:

- Fibrillation: independent log-normal intervals, whose spread is 0.10 to 0.28 of their mean.
- A sinus rhythm drifts, quickens and slows, and breathes: by up to a tenth of its cycle, in young
  people twice that (Task Force on heart rate variability, Circulation 93, 1996: 1043-1065).
- An early beat from the atria comes after half to 0.85 of a cycle. It takes the sinus node along,
  which goes on after a cycle and what the way to it takes: 1.0 to 1.4 cycles. One from the chambers
  leaves the sinus node alone: the pause makes up for the time.
- Early beats come alone, behind every beat or every second one, and in episodes of tachycardia.
- A sick sinus rests: it pauses behind an episode, and now and then without one, for 1.4 to 3
  cycles; episodes may outnumber its own beats (Issa, Miller and Zipes, Clinical Arrhythmology and
  Electrophysiology, on dysfunction of the sinus node).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from midge.recipes.ecg.networks import FEATURES, INPUT_CODES
from midge.signals.rhythm import interval_codes

COLUMNS = tuple(index for index, name in enumerate(FEATURES) if name.startswith("rr_"))
"""Of the features: those that tell of the rhythm."""

_NAMES = tuple(FEATURES[column] for column in COLUMNS)
_RATE_HZ = 180.0
_BEATS = 170
"""Of each patient; the first `_SETTLING` are not used."""
_SETTLING = 70
_FIBRILLATING = 60
_OF_EACH_HABIT = 20
_TIMEOUT_S = 1.6
_N, _S, _V = range(3)

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MadeUp:
    """Features of made-up beats, values of codes in the order of `COLUMNS`.

    Attributes:
        fibrillation: Of N beats in fibrillation, float32 [a, c].
        usual: Of N beats in all other rhythms, float32 [b, c].
        early: Of S beats, float32 [s, c].
    """

    fibrillation: Float32Array
    usual: Float32Array
    early: Float32Array


@dataclass(frozen=True)
class Habit:
    """How something breaks into a sinus rhythm. Of several values a patient has one.

    Attributes:
        between: Usual beats between the end of a pause and the next early beat, on average.
        early: Early beats that follow one another, on average; 0: pauses alone.
        ventricular: They come from the chambers.
        long_pauses: Share of the pauses that are those of a sick sinus.
        breathing: The largest share of a cycle by which breath changes it.
    """

    between: tuple[float, ...] = (3, 5, 10, 20, 50)
    early: tuple[float, ...] = (1,)
    ventricular: bool = False
    long_pauses: float = 0.0
    breathing: float = 0.10


HABITS = (
    Habit(between=(10_000,)),
    Habit(between=(10_000,), breathing=0.22),
    Habit(early=(0,), long_pauses=1.0),
    Habit(),
    Habit(between=(0,)),
    Habit(between=(1,)),
    Habit(early=(4, 7, 16)),
    Habit(between=(3,), early=(5, 11, 26), long_pauses=0.3),
    Habit(ventricular=True),
)
"""None, breath, pauses; single early beats, every second, every third, episodes; a sick sinus with
episodes; early beats from the chambers."""


@cache
def made_up_features(seed: int = 0) -> MadeUp:
    """Features of beats of made-up patients.

    Args:
        seed: Of the intervals. All trainings see the same patients.
    """
    random = np.random.default_rng(seed)
    fibrillation = [_codes(fibrillating(random)) for _ in range(_FIBRILLATING)]
    usual, early = [], []
    for habit in HABITS:
        for _ in range(_OF_EACH_HABIT):
            intervals, labels = broken_rhythm(random, habit)
            codes = _codes(intervals)
            usual.append(codes[labels[_SETTLING:] == _N])
            early.append(codes[labels[_SETTLING:] == _S])
    return MadeUp(np.concatenate(fibrillation), np.concatenate(usual), np.concatenate(early))


def _codes(intervals: Int64Array) -> Float32Array:
    """Of a patient's settled beats, float32 [_BEATS - _SETTLING, c]."""
    timeout = round(_TIMEOUT_S * _RATE_HZ)
    codes = interval_codes(_NAMES, intervals[:-1], np.minimum(intervals[1:], timeout))
    return (codes[_SETTLING:] * np.float32(INPUT_CODES["features"][0])).astype(np.float32)


def fibrillating(random: np.random.Generator) -> Int64Array:
    """Intervals in inner samples, int64 [_BEATS + 1]."""
    mean, spread = random.uniform(0.5, 1.1), random.uniform(0.10, 0.28)
    factor = np.exp(spread * random.standard_normal(_BEATS + 1))
    return _samples(mean * np.clip(factor, 0.45, 2.0))


def broken_rhythm(random: np.random.Generator, habit: Habit) -> tuple[Int64Array, Int64Array]:
    """A sinus rhythm and what breaks into it.

    Args:
        random: Where the patient comes from.
        habit: What they have.

    Returns:
        intervals in inner samples, int64 [_BEATS + 1], and the class of the beat behind each but
        the last, int64 [_BEATS].
    """
    cycle = random.uniform(0.6, 1.3)
    sinus = _sinus(random, 2 * _BEATS, cycle, random.uniform(0, habit.breathing))
    coupling, pause = random.uniform(0.5, 0.85), random.uniform(1.0, 1.4)
    between, early = random.choice(habit.between), random.choice(habit.early)
    episode_cycle, unrest = cycle * random.uniform(0.5, 0.85), random.uniform(0.015, 0.075)
    intervals: list[float] = []
    labels: list[int] = []
    while len(intervals) <= _BEATS:
        usual = min(_about(random, between), _BEATS) + (8 if random.random() < 0.08 else 0)
        now = len(intervals) % _BEATS
        intervals += sinus[now : now + usual].tolist()
        labels += [_N] * usual
        here = float(sinus[len(intervals) % _BEATS])
        count = _about(random, early)
        if count:
            own = here * coupling * random.normal(1, 0.04)
            following = episode_cycle * random.normal(1, unrest, count - 1)
            intervals += [own, *following.tolist()]
            labels += [_V if habit.ventricular else _S] * count
        if random.random() < habit.long_pauses:
            rest = here * random.uniform(1.4, 3.0)
        elif habit.ventricular:
            rest = max(2 * here - intervals[-1], 0.9 * here)
        else:
            rest = here * pause * random.normal(1, 0.05)
        intervals.append(rest)
        labels.append(_N)
    return _samples(np.asarray(intervals[: _BEATS + 1])), np.asarray(labels[:_BEATS], np.int64)


def _about(random: np.random.Generator, mean: float) -> int:
    """A number of beats, 0 only where the mean is; one more is as likely after any number."""
    return int(min(random.geometric(1 / mean), 60)) if 0 < mean < _BEATS else int(mean)


def _sinus(random: np.random.Generator, count: int, cycle: float, breathing: float) -> Float64Array:
    """Cycles of a sinus node in seconds, float64 [count]."""
    time = np.arange(count)
    pace = np.cumsum(random.normal(0, 0.01, count))
    pace = np.clip(pace - 0.7 * pace[-1] * time / count, -0.25, 0.25)
    for _ in range(random.integers(0, 4)):
        middle, width = random.uniform(0, count), random.uniform(8, 40)
        pace += random.uniform(-0.3, 0.2) * np.exp(-(((time - middle) / width) ** 2))
    breath = 2 * np.pi * (time * cycle / random.uniform(2.5, 6.5) + random.random())
    breathed = 1 + breathing * np.sin(breath) + random.normal(0, 0.012, count)
    cycles: Float64Array = cycle * np.exp(pace) * breathed
    return cycles


def _samples(seconds: Float64Array) -> Int64Array:
    """Seconds of the heart to inner samples."""
    samples: Int64Array = np.rint(np.clip(seconds, 0.25, 6.0) * _RATE_HZ).astype(np.int64)
    return samples
