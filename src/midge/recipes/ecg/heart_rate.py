"""The learner on the heart rate, beat by beat: what it forecast, flagged and took for a regime.

Samples are intervals between the beats that the device detects, as beats a minute. Size and rate of
false alarms were chosen on the patients of DS1; all else is as it is for any stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from midge.adapt import StreamModel, Trace
from midge.recipes.ecg.beat_matching import NO_BEAT, match_record
from midge.recipes.ecg.records import Record
from midge.recipes.ecg.rhythms import FIBRILLATION, SINUS, Episode

HORIZON = 8
RAM = "2 KB"
FALSE_ALARM_RATE = 0.01
MEAN_OF = 8
"""Beats in the mean that is a baseline."""
NEAR_BEATS = 10
"""How far from a change of rhythm a beat is near to it."""
ODD_BEATS = ("S", "V", "F", NO_BEAT)

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Int64Array = npt.NDArray[np.int64]


def new_learner() -> StreamModel:
    """A learner of one heart, before its first beat."""
    return StreamModel(channels=1, horizon=HORIZON, ram=RAM, false_alarm_rate=FALSE_ALARM_RATE)


@dataclass(frozen=True)
class Tally:
    """What came of it, as sums: adding gives several records' together.

    Attributes:
        beats: With an interval before them.
        forecast: Of them, all but the first.
        learner_bpm: Sum of the learner's absolute errors, a beat ahead.
        last_bpm: The same of repeating the last rate.
        mean_bpm: The same of the mean over the last eight rates, or as many as there are.
        flagged: Beats.
        odd: Beats whose interval begins or ends at an ectopic beat or at a false detection, or
            spans a missed beat.
        flagged_odd: Of them, flagged.
        near: Beats near a change of rhythm.
        flagged_near: Of them, flagged.
        changes: Of rhythm.
        rhythm_beats: Beats in a noted rhythm, in records with more than one.
        commonest: Of them, those in the commonest rhythm of their record.
        by_regime: Of them, those in the rhythm that is the commonest in their regime.
        records: How many.
        below_last: Of them, those in which the learner's error is below that of the last rate.
        below_mean: The same of the mean.
    """

    beats: int
    forecast: int
    learner_bpm: float
    last_bpm: float
    mean_bpm: float
    flagged: int
    odd: int
    flagged_odd: int
    near: int
    flagged_near: int
    changes: int
    rhythm_beats: int
    commonest: int
    by_regime: int
    records: int
    below_last: int
    below_mean: int

    def __add__(self, other: Tally) -> Tally:
        mine, theirs = asdict(self), asdict(other)
        return Tally(**{name: value + theirs[name] for name, value in mine.items()})


@dataclass(frozen=True)
class Rhythm:
    """A stretch of time, in seconds from the record's beginning, and the rhythm in it."""

    from_s: float
    to_s: float
    name: str


@dataclass(frozen=True)
class Regime:
    """A stretch of time, in seconds, and the identity of the learner's regime; -1 before any."""

    from_s: float
    to_s: float
    identity: int


@dataclass(frozen=True)
class OnBoard:
    """The learner's C on the emulated board, over the first beats of the record.

    Attributes:
        title: Of the board.
        clock_hz: Of its core; None where the core is on no board.
        beats: That ran.
        cycles: Mean of a beat, the forecast included, with memory that answers at once; None
            without a model of the core.
        ram_bytes: State and stack.
        state_bytes: State alone.
        flash_bytes: Code and constants.
        equal: What every beat told was what the twin says, forecasts included, in every bit.
    """

    title: str
    clock_hz: int | None
    beats: int
    cycles: float | None
    ram_bytes: int
    state_bytes: int
    flash_bytes: int
    equal: bool


@dataclass(frozen=True)
class HeartRate:
    """One record's heart rate as the learner saw it, and figures of all test records.

    Attributes:
        record: The one that is shown.
        chosen: Why it, in words.
        duration_s: Of the record.
        horizon: Beats that are forecast.
        false_alarm_rate: That was asked for.
        at_s: Of each beat with an interval before it, seconds.
        rate_bpm: The heart rate at each.
        forecast_bpm: What was forecast for it one beat before; None at the first.
        anomaly: The share of beats expected to be as unusual.
        flagged: Indices of the beats that were flagged.
        regimes: The learner's.
        rhythms: The cardiologists'; empty where they noted none, as for made-up records.
        ectopic: The cardiologists' S and V: seconds, and class.
        shown: Figures of this record.
        all: Figures of all test records.
        board: The C of the learner on the board.
    """

    record: str
    chosen: str
    duration_s: float
    horizon: int
    false_alarm_rate: float
    at_s: tuple[float, ...]
    rate_bpm: tuple[float, ...]
    forecast_bpm: tuple[float | None, ...]
    anomaly: tuple[float, ...]
    flagged: tuple[int, ...]
    regimes: tuple[Regime, ...]
    rhythms: tuple[Rhythm, ...]
    ectopic: tuple[tuple[float, str], ...]
    shown: Tally
    all: Tally
    board: OnBoard

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> HeartRate:
        """Out of what `asdict` made of one."""
        lists = {name: tuple(v) for name, v in content.items() if isinstance(v, list)}
        return cls(
            **{
                **content,
                **lists,
                "regimes": tuple(Regime(**regime) for regime in content["regimes"]),
                "rhythms": tuple(Rhythm(**rhythm) for rhythm in content["rhythms"]),
                "ectopic": tuple((at, name) for at, name in content["ectopic"]),
                "shown": Tally(**content["shown"]),
                "all": Tally(**content["all"]),
                "board": OnBoard(**content["board"]),
            }
        )


def heart_rates(positions: Int64Array, rate_hz: int) -> Float64Array:
    """Beats a minute at every detected beat but the first, float64 [k - 1].

    Args:
        positions: int64 [k], samples, ascending.
        rate_hz: Samples a second.
    """
    rates: Float64Array = 60.0 * rate_hz / np.diff(positions)
    return rates


@dataclass(frozen=True)
class Followed:
    """A record that the learner has followed.

    Attributes:
        record: With the reference.
        positions: int64 [k], detected beats.
        rhythms: As the cardiologists noted them.
        trace: What the learner made of the rates.
    """

    record: Record
    positions: Int64Array
    rhythms: tuple[Episode, ...]
    trace: Trace

    @property
    def rates(self) -> Float64Array:
        """float64 [k - 1], beats a minute at every beat but the first."""
        return heart_rates(self.positions, self.record.rate_hz)


def choose_record(rhythms: Sequence[Sequence[Episode]]) -> tuple[int, str]:
    """Which record is shown, by a rule that knows nothing of what the learner makes of it.

    Args:
        rhythms: Of every record that can be.

    Returns:
        its index, and why in words.
    """
    for index, episodes in enumerate(rhythms):
        if {SINUS, FIBRILLATION} <= {episode.name for episode in episodes}:
            return index, "the first test record with both sinus rhythm and atrial fibrillation"
    return 0, "the first test record, for none has both sinus rhythm and atrial fibrillation"


def tally(followed: Followed) -> Tally:
    """Figures of one record."""
    record, trace, rates = followed.record, followed.trace, followed.rates
    matching = match_record(record, followed.positions)
    truth, before = rates[1:], rates[:-1]
    errors = [
        round(float(np.abs(truth - forecast).sum()), 3)
        for forecast in (trace.forecasts[:-1, 0, 0].astype(np.float64), before, _means(before))
    ]
    odd = _odd(matching.carried(record.classes), matching.reference_of)
    changes = np.array([episode.first for episode in followed.rhythms[1:]], np.int64)
    near = _near(followed.positions[1:], changes)
    flagged = trace.is_flagged
    names = _rhythm_at(followed.positions[1:], followed.rhythms)
    noted = (names != "") & (changes.size > 0)
    return Tally(
        beats=rates.size,
        forecast=truth.size,
        learner_bpm=errors[0],
        last_bpm=errors[1],
        mean_bpm=errors[2],
        flagged=int(flagged.sum()),
        odd=int(odd.sum()),
        flagged_odd=int((odd & flagged).sum()),
        near=int(near.sum()),
        flagged_near=int((near & flagged).sum()),
        changes=changes.size,
        rhythm_beats=int(noted.sum()),
        commonest=_most(names[noted]),
        by_regime=sum(
            _most(names[noted & (trace.regime == regime)]) for regime in np.unique(trace.regime)
        ),
        records=1,
        below_last=int(errors[0] < errors[1]),
        below_mean=int(errors[0] < errors[2]),
    )


def add_up(tallies: Sequence[Tally]) -> Tally:
    """Several records' together."""
    return reduce(add, tallies)


def _means(rates: Float64Array) -> Float64Array:
    """At every beat the mean of the last `MEAN_OF` rates, or of as many as there are."""
    sums = np.concatenate([[0.0], np.cumsum(rates)])
    ends = np.arange(1, rates.size + 1)
    begins = np.maximum(ends - MEAN_OF, 0)
    means: Float64Array = (sums[ends] - sums[begins]) / (ends - begins)
    return means


def _odd(classes: npt.NDArray[np.str_], reference_of: Int64Array) -> BoolArray:
    """Which intervals are no sinus node's, bool [k - 1]."""
    odd = np.isin(classes, ODD_BEATS)
    missed: BoolArray = np.diff(reference_of) > 1
    return odd[1:] | odd[:-1] | missed


def _near(beats: Int64Array, changes: Int64Array) -> BoolArray:
    """Which beats stand within `NEAR_BEATS` of a change, bool [k - 1]."""
    near = np.zeros(beats.size, np.bool_)
    for at in np.searchsorted(beats, changes).tolist():
        near[max(at - NEAR_BEATS, 0) : at + NEAR_BEATS] = True
    return near


def _rhythm_at(beats: Int64Array, rhythms: Sequence[Episode]) -> npt.NDArray[np.str_]:
    """The rhythm at each beat, str [k - 1]; "" before the first that is noted."""
    starts = np.array([episode.first for episode in rhythms], np.int64)
    names = np.array(["", *(episode.name for episode in rhythms)])
    return np.asarray(names[np.searchsorted(starts, beats, "right")])


def _most(names: npt.NDArray[np.str_]) -> int:
    """How often the commonest stands there."""
    return int(np.unique(names, return_counts=True)[1].max()) if names.size else 0


def shown_record(followed: Followed, chosen: str, everything: Tally, board: OnBoard) -> HeartRate:
    """One record with all that a picture of it takes.

    Args:
        followed: The record.
        chosen: Why it, in words.
        everything: Figures of all test records.
        board: What the learner's C did.
    """
    record, trace = followed.record, followed.trace
    at_s = _seconds(followed.positions[1:], record)
    ahead = trace.forecasts[:-1, 0, 0].astype(np.float64)
    ectopic = np.isin(record.classes, ("S", "V"))
    starts = _seconds(np.array([one.first for one in followed.rhythms], np.int64), record)
    ends = _seconds(np.array([one.end for one in followed.rhythms], np.int64), record)
    noted = [one.name for one in followed.rhythms]
    return HeartRate(
        record=record.name,
        chosen=chosen,
        duration_s=round(record.duration_s, 3),
        horizon=HORIZON,
        false_alarm_rate=FALSE_ALARM_RATE,
        at_s=tuple(at_s),
        rate_bpm=tuple(round(rate, 2) for rate in followed.rates.tolist()),
        forecast_bpm=(None, *(round(rate, 2) for rate in ahead.tolist())),
        anomaly=tuple(float(f"{share:.4g}") for share in trace.anomaly.tolist()),
        flagged=tuple(np.flatnonzero(trace.is_flagged).tolist()),
        regimes=_regimes(at_s, trace.regime),
        rhythms=tuple(
            Rhythm(begin, end, name) for begin, end, name in zip(starts, ends, noted, strict=True)
        ),
        ectopic=tuple(
            zip(
                _seconds(record.beats[ectopic], record),
                record.classes[ectopic].tolist(),
                strict=True,
            )
        ),
        shown=tally(followed),
        all=everything,
        board=board,
    )


def _seconds(samples: Int64Array, record: Record) -> list[float]:
    return [round(at, 3) for at in (samples / record.rate_hz).tolist()]


def _regimes(at_s: Sequence[float], regimes: Int64Array) -> tuple[Regime, ...]:
    """Stretches of one regime; each lasts until the beat at which the next begins."""
    starts = [0, *(np.flatnonzero(np.diff(regimes)) + 1).tolist()]
    ends = [at_s[start] for start in starts[1:]] + [at_s[-1]]
    return tuple(
        Regime(at_s[start], end, int(regimes[start]))
        for start, end in zip(starts, ends, strict=True)
    )
