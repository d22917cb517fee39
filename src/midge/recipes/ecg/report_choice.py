"""Which beats the report shows as pictures: some of each kind, from as many patients as it can."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from midge.recipes.ecg.beat_matching import NO_BEAT
from midge.recipes.ecg.judged import Judged
from midge.recipes.ecg.report_data import Strip, StripBeat
from midge.recipes.ecg.report_strips import thin_out

SECONDS = 5.0
DRAWN_HZ = 180.0
EACH = 3
"""Strips of a kind."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Kind:
    """A heading and the detected beats that belong under it.

    Attributes:
        title: The heading.
        right: Whether these ended well.
        of: Which of a record's detected beats.
    """

    title: str
    right: bool
    of: Callable[[Judged], Mask]


def _said(judged: Judged, system: str, letter: str) -> Mask:
    return np.asarray(judged.labels[system] == letter)


def _ended_right(judged: Judged) -> Mask:
    return np.asarray(judged.labels["cascade"] == judged.truth)


def _wrist_right(judged: Judged) -> Mask:
    return np.asarray(judged.labels["device"] == judged.truth)


KINDS = (
    Kind(
        "Ventricular, seen on the wrist and confirmed",
        True,
        lambda j: (j.truth == "V") & _said(j, "device", "V") & j.flagged & _ended_right(j),
    ),
    Kind(
        "Supraventricular, seen on the wrist and confirmed",
        True,
        lambda j: (j.truth == "S") & _said(j, "device", "S") & j.flagged & _ended_right(j),
    ),
    Kind(
        "Wrong on the wrist, put right by the cloud",
        True,
        lambda j: (j.truth != NO_BEAT) & j.flagged & ~_wrist_right(j) & _ended_right(j),
    ),
    Kind(
        "Ectopic and never flagged: missed",
        False,
        lambda j: np.isin(j.truth, ("S", "V")) & ~j.flagged & ~_ended_right(j),
    ),
    Kind(
        "Flagged, and the cloud missed it",
        False,
        lambda j: np.isin(j.truth, ("S", "V")) & j.flagged & ~_ended_right(j),
    ),
    Kind(
        "Normal, and called ectopic in the end",
        False,
        lambda j: (j.truth == "N") & ~_ended_right(j),
    ),
)


def choose_strips(records: Sequence[Judged]) -> tuple[Strip, ...]:
    """Some strips of each kind; the same records give the same strips."""
    strips: list[Strip] = []
    for kind in KINDS:
        found = [
            [(judged, int(i)) for i in _inner(judged, np.flatnonzero(kind.of(judged)))]
            for judged in records
        ]
        chosen = list(_spread(found))[:EACH]
        strips += [cut_strip(kind.title, kind.right, judged, index) for judged, index in chosen]
    return tuple(strips)


def _inner(judged: Judged, beats: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Those that have half a strip before and behind them; from the record's middle outwards."""
    half = SECONDS / 2 * judged.record.rate_hz
    at = judged.positions[beats]
    size = judged.record.samples.size
    beats = beats[(at > half) & (at < size - half)]
    order = np.argsort(np.abs(judged.positions[beats] - size / 2), kind="stable")
    return beats[order]


def _spread(by_record: Sequence[list[tuple[Judged, int]]]) -> Iterator[tuple[Judged, int]]:
    """The first of each record, those with most beats of the kind first; then the second."""
    ordered = sorted(by_record, key=len, reverse=True)
    for row in zip_longest(*ordered):
        yield from (candidate for candidate in row if candidate is not None)


def cut_strip(kind: str, right: bool, judged: Judged, index: int) -> Strip:
    """The seconds round a detected beat.

    Args:
        kind: Heading.
        right: Whether it ended well.
        judged: The record.
        index: Of the detected beat.
    """
    record = judged.record
    length = int(SECONDS * record.rate_hz)
    begin = int(judged.positions[index]) - length // 2
    values = [float(v) for v in record.millivolts[begin : begin + length]]
    drawn, rate_hz = thin_out(values, record.rate_hz, DRAWN_HZ)
    beats, middle = _beats_within(judged, index, begin, length, rate_hz / record.rate_hz)
    scale = rate_hz / record.rate_hz
    spans = [
        (max(int(first) - begin, 0), min(int(end) - begin, length))
        for first, end in judged.sent
        if first < begin + length and end > begin
    ]
    return Strip(
        kind=kind,
        right=right,
        record=record.name,
        start_s=round(begin / record.rate_hz, 3),
        rate_hz=rate_hz,
        millivolts=tuple(round(v, 3) for v in drawn),
        beats=beats,
        middle=middle,
        sent=tuple((round(first * scale), round(end * scale)) for first, end in spans),
    )


def _beats_within(
    judged: Judged, index: int, begin: int, length: int, scale: float
) -> tuple[tuple[StripBeat, ...], int]:
    """All beats of the span, missed ones too, in order; and which of them is the one shown."""
    found: list[tuple[int, bool, StripBeat]] = []
    truth = judged.truth
    for i in np.flatnonzero((judged.positions >= begin) & (judged.positions < begin + length)):
        at = int(judged.positions[i])
        beat = StripBeat(
            at=round((at - begin) * scale),
            reference="" if truth[i] == NO_BEAT else str(truth[i]),
            device=str(judged.labels["device"][i]),
            cascade=str(judged.labels["cascade"][i]),
            flagged=bool(judged.flagged[i]),
        )
        found.append((at, int(i) == index, beat))
    reference = judged.record.beats
    missed = judged.matching.detected_of < 0
    inside = (reference >= begin) & (reference < begin + length)
    for r in np.flatnonzero(missed & inside):
        at = int(reference[r])
        letter = str(judged.record.classes[r])
        found.append((at, False, StripBeat(round((at - begin) * scale), letter, "", "", False)))
    found.sort(key=lambda entry: entry[0])
    return tuple(beat for _, _, beat in found), [shown for _, shown, _ in found].index(True)
