"""Vibration: what is normal is learned from 2.5 s of a healthy bearing, then worn ones are heard.

Every record is put on unit RMS first. Learned from: the first half of the healthy record. Alarms on
its second half, which begins `GAP_S` later, are false; of a worn bearing's record the first second
is heard, and the aim is an alarm within `AIM_MS`. Each record begins with an empty front end, whose
first frame is not judged: its filters fill. Settings were chosen on the first half alone
(`bench/adapt_vibration.py`). All methods get the same rate of flags and the same rule.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt.benchmark.vibration_signals import (
    RATE_HZ,
    Records,
    Signal,
    in_counts,
    on_one_level,
    with_noise,
)
from midge.adapt.monitor import AlarmRule, Monitor, Watch, Watched
from midge.signals.band_energies import BandEnergies

MONITOR = Monitor(BandEnergies("bands", frame=512, octaves=5), learn=238, rule=AlarmRule(5, 8))
AIM_MS = 100
NOISES_DB = (None, 10.0, 0.0, -6.0)
"""The last is beyond the aim, to show where it ends."""
SEEDS = range(5)
GAP_S, HEARD_S = 0.1, 1.0
LEARNER, RESTLESS = "learner", "learner that learns whatever is flagged"

Json = dict[str, Any]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Piece:
    """What is heard of a record at once.

    Attributes:
        energies: int16 [frames, octaves].
        level: Logarithm of each frame's RMS [frames], on one level.
        raw_level: The same before it was put on one level, noise as loud in every record.
    """

    energies: NDArray[np.int16]
    level: Floats
    raw_level: Floats


Detector = Callable[[Piece, float], Callable[[Piece], Flags]]
"""From what is learned, and a target rate, to what flags the frames of another piece [frames]."""


def run(
    records: Records,
    others: Mapping[str, Detector],
    told: Callable[[str], None],
    *,
    noises_db: Sequence[float | None] = NOISES_DB,
    seeds: Sequence[int] = SEEDS,
) -> Json:
    """All methods on all records, with and without noise.

    Args:
        records: A healthy one and worn ones.
        others: Besides the learner and the baselines of this module.
        told: Hears what is under way.
        noises_db: Levels of the noise below the records; None is none.
        seeds: Of the noise; without noise there is one run.
    """
    rows: list[Json] = []
    for noise in noises_db:
        for seed in seeds if noise is not None else seeds[:1]:
            told(f"vibration: {_named(noise)}, seed {seed}")
            pieces = pieces_of(records, noise, seed)
            for method, detector in {**DETECTORS, **others}.items():
                rows += _heard(method, detector, pieces, {"noise_db": noise, "seed": seed})
    front, rule = MONITOR.front, MONITOR.rule
    return {
        "notice": records.notice,
        "rate_hz": RATE_HZ,
        "frame": front.frame,
        "octaves": front.octaves,
        "rule": [rule.flagged, rule.of],
        "alarm_rate": MONITOR.alarm_rate,
        "ram_bytes": MONITOR.new_model().ram_bytes,
        "learned_frames": len(pieces_of(records, None, 0)[_LEARNED].energies),
        "aim_ms": AIM_MS,
        "heard_s": HEARD_S,
        "rows": rows,
    }


_LEARNED, _SECOND = "learned", "second half"


def first_half(healthy: Signal) -> Signal:
    """All that may be learned from, and chosen on."""
    return healthy[: healthy.size // 2]


def pieces_of(records: Records, noise_db: float | None, seed: int) -> dict[str, Piece]:
    """What is learned, the second half of the healthy record, and the start of each worn one."""
    healthy, heard = records.healthy, int(HEARD_S * RATE_HZ)
    half, gap = healthy.size // 2, int(GAP_S * RATE_HZ)
    loud = float(np.std(healthy))
    rng = np.random.default_rng(seed)

    def piece(record: Signal, begin: int, end: int) -> Piece:
        scaled = on_one_level(record)[begin:end]
        raw = (record - record.mean())[begin:end] / loud
        noise = with_noise(np.zeros(scaled.size), noise_db, rng)
        energies = MONITOR.front.run(in_counts(scaled + noise))
        return Piece(energies, _levels(scaled + noise), _levels(raw + noise))

    return {
        _LEARNED: piece(healthy, 0, half),
        _SECOND: piece(healthy, half + gap, healthy.size),
        **{name: piece(record, 0, heard) for name, record in records.faults.items()},
    }


def _levels(signal: Signal) -> Floats:
    frame = MONITOR.front.frame
    whole = signal[: signal.size // frame * frame].reshape(-1, frame)
    out: Floats = np.log(np.mean(whole**2, axis=1)) / 2
    return out


def _heard(
    method: str, detector: Detector, pieces: Mapping[str, Piece], run_of: Json
) -> list[Json]:
    """A row for every record but the one that is learned."""
    flag = detector(pieces[_LEARNED], MONITOR.rule.flag_rate(MONITOR.alarm_rate))
    rows = []
    for name, piece in pieces.items():
        if name == _LEARNED:
            continue
        raised = MONITOR.rule.raised(flag(piece)[1:])
        onsets = np.flatnonzero(np.diff(raised, prepend=False) & raised)
        rows.append(
            {
                "method": method,
                **run_of,
                "record": None if name == _SECOND else name,
                "frames": len(raised),
                "alarms": len(onsets),
                "share": float(raised.mean()),
                "first_ms": milliseconds(MONITOR.front, int(onsets[0])) if len(onsets) else None,
            }
        )
    return rows


def milliseconds(front: BandEnergies, frame: int) -> float:
    """From a record's start to the end of a frame, counted from the first that is judged."""
    return 1e3 * (frame + 2) * front.frame / RATE_HZ


def watches(learned: Piece, heard: Piece, hold: int | None = None) -> Watched:
    """What the monitor makes of a piece but its first frame, behind what it has learned.

    Args:
        learned: Of a machine as it should be.
        heard: After it.
        hold: In the place of the monitor's own.
    """
    return _heard_by(_learned(learned, MONITOR.hold if hold is None else hold), heard)


def _learned(learned: Piece, hold: int) -> Watch:
    watch = replace(MONITOR, learn=len(learned.energies), hold=hold).start()
    watch.feed(learned.energies)
    return watch


def _heard_by(watch: Watch, heard: Piece) -> Watched:
    return copy.deepcopy(watch).feed(heard.energies[1:])


def _learner(hold: int) -> Detector:
    def detector(learned: Piece, rate: float) -> Callable[[Piece], Flags]:
        del rate  # the monitor's own
        watch = _learned(learned, hold)
        return lambda piece: np.append(False, _heard_by(watch, piece).is_flagged)

    return detector


def gaussian(learned: Piece, rate: float) -> Callable[[Piece], Flags]:
    """Mahalanobis distance on the same energies, by the F distribution of Hotelling's test."""
    from scipy.stats import f as distribution  # noqa: PLC0415 - an extra that only this needs

    values = learned.energies.astype(np.float64)
    count, octaves = values.shape
    mean, inverse = values.mean(axis=0), np.linalg.inv(np.cov(values.T))
    factor = count * (count - octaves) / (octaves * (count * count - 1))
    limit = float(distribution.isf(rate, octaves, count - octaves))

    def flags(piece: Piece) -> Flags:
        away = piece.energies - mean
        squares = np.einsum("ij,jk,ik->i", away, inverse, away)
        out: Flags = squares * factor > limit
        return out

    return flags


def _rms(levels: Callable[[Piece], Floats]) -> Detector:
    """The logarithm of a frame's RMS, normally distributed, on both sides."""

    def detector(learned: Piece, rate: float) -> Callable[[Piece], Flags]:
        mean, spread = levels(learned).mean(), levels(learned).std(ddof=1)

        def flags(piece: Piece) -> Flags:
            away = np.abs(levels(piece) - mean) / (spread * math.sqrt(2))
            return np.array([math.erfc(one) < rate for one in away.tolist()], bool)

        return flags

    return detector


DETECTORS: Mapping[str, Detector] = {
    LEARNER: _learner(MONITOR.hold),
    RESTLESS: _learner(0),
    "Mahalanobis distance, same energies": gaussian,
    "RMS, unit RMS first": _rms(lambda piece: piece.level),
    "RMS, as recorded": _rms(lambda piece: piece.raw_level),
}


def _named(noise_db: float | None) -> str:
    return "no noise" if noise_db is None else f"noise at {noise_db:g} dB"
