"""From judged records to the report's figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt

from midge.recipes.ecg.beat_matching import NO_BEAT, Counts
from midge.recipes.ecg.judged import Judged
from midge.recipes.ecg.records import CLASSES
from midge.recipes.ecg.report_data import (
    Board,
    Curve,
    Detector,
    Goal,
    RecordRow,
    Scores,
    Share,
    System,
    Uplink,
)
from midge.recipes.ecg.scores import confusion, rates, roc
from midge.recipes.ecg.uplink import Traffic

TITLES = {
    "float": "small network, float32",
    "int8": "small network, int8",
    "device": "wrist (device, bit for bit)",
    "cloud": "cloud alone",
    "cascade": "wrist and cloud",
}
CROWDED = "232"
"""The record with three quarters of DS2's supraventricular beats."""
SAID = "NSV"
_ROWS = (*CLASSES, "false")
_COLUMNS = (*SAID, "missed")

Matrix = npt.NDArray[np.int64]


def systems_of(records: Sequence[Judged]) -> tuple[System, ...]:
    """What each way to decide came to: with all records, without 232, at the reference's beats."""
    names = [judged.record.name for judged in records]
    found = []
    for name, title in TITLES.items():
        sets = {"all": scores_of(matrix_of(judged, name) for judged in records)}
        if CROWDED in names and len(names) > 1:
            others = (judged for judged in records if judged.record.name != CROWDED)
            sets["without 232"] = scores_of(matrix_of(judged, name) for judged in others)
        if all(name in judged.at_reference for judged in records):
            matrices = (
                confusion(judged.record.classes, judged.at_reference[name], np.array([], "<U1"))
                for judged in records
            )
            sets["reference beats"] = scores_of(matrices)
        found.append(System(name, title, sets, curves_of(records, name)))
    return tuple(found)


def matrix_of(judged: Judged, system: str) -> Matrix:
    """The confusion matrix of one record, beats that were missed included."""
    counted = judged.matching.detected_counts
    missed = judged.matching.missed(judged.record.classes)
    return confusion(judged.truth[counted], judged.labels[system][counted], missed)


def scores_of(matrices: Iterable[Matrix]) -> Scores:
    """The gross figures of several records."""
    matrix = reduce(add, matrices)
    found = rates(matrix)
    return Scores(
        rows=_ROWS,
        columns=_COLUMNS,
        confusion=tuple(tuple(int(n) for n in row) for row in matrix),
        sensitivity=found.sensitivity,
        predictivity=found.predictivity,
        f1=found.f1,
        macro_f1=found.macro_f1,
        accuracy=found.accuracy,
    )


def curves_of(records: Sequence[Judged], system: str) -> tuple[Curve, ...]:
    """How well V, S and any ectopic beat are told from the rest; F and Q are left out."""
    if not all(system in judged.scores for judged in records):
        return ()
    truth = np.concatenate([judged.truth for judged in records])
    scores = np.concatenate([judged.scores[system] for judged in records]).astype(np.float64)
    labels = np.concatenate([judged.labels[system] for judged in records])
    flagged = np.concatenate([judged.flagged for judged in records])
    kept = np.isin(truth, (*SAID, NO_BEAT))
    truth, scores, labels, flagged = (a[kept] for a in (truth, scores, labels, flagged))
    ectopic = np.isin(truth, ("S", "V"))
    called = flagged if system == "device" else labels != "N"
    questions = [
        (letter, _lead(scores, SAID.index(letter)), truth == letter, labels == letter)
        for letter in "VS"
    ] + [("suspicious", -_lead(scores, 0), ectopic, called)]
    curves = []
    for name, score, positive, said in questions:
        if positive.any() and not positive.all():
            points, area = roc(score, positive)
            at = (float(said[~positive].mean()), float(said[positive].mean()))
            curves.append(Curve(name, tuple(points), area, at))
    return tuple(curves)


def _lead(scores: npt.NDArray[np.float64], column: int) -> npt.NDArray[np.float64]:
    """By how much a class leads the best of the others, float64 [k]."""
    others = np.delete(scores, column, axis=1).max(axis=1)
    return np.asarray(scores[:, column] - others)


def detector_of(counts: Counts) -> Detector:
    """The detector's figures."""
    detections = counts.found + counts.false
    return Detector(
        beats=counts.beats,
        found=counts.found,
        false=counts.false,
        sensitivity=counts.sensitivity if counts.beats else None,
        predictivity=counts.predictivity if detections else None,
    )


def uplink_of(traffic: Traffic) -> Uplink:
    """What went up."""
    return Uplink(
        hours=round(traffic.seconds / 3600, 4),
        beats=traffic.beats,
        flagged=traffic.flagged,
        sent_bytes=traffic.sent_bytes,
        packed_bytes=traffic.packed_bytes,
        plain_bytes=traffic.plain_bytes,
        coded_bytes=traffic.coded_bytes,
        dropped_segments=traffic.dropped_segments,
    )


def rows_of(records: Sequence[Judged]) -> tuple[RecordRow, ...]:
    """A row a record."""
    rows = []
    for judged in records:
        traffic = judged.traffic
        rows.append(
            RecordRow(
                name=judged.record.name,
                beats={c: int(np.sum(judged.record.classes == c)) for c in CLASSES},
                detector=detector_of(judged.matching.counts),
                device=scores_of([matrix_of(judged, "device")]),
                cascade=scores_of([matrix_of(judged, "cascade")]),
                flagged=traffic.flagged / traffic.beats if traffic.beats else None,
                sent=traffic.sent_share if traffic.samples else None,
            )
        )
    return tuple(rows)


def goals_of(
    systems: Mapping[str, System], uplink: Uplink, boards: Sequence[Board], all_found: Detector
) -> tuple[Goal, ...]:
    """What was asked for beside what came out."""
    scores = {name: system.scores["all"] for name, system in systems.items()}
    goals = [
        _within("device against the float network: macro-F1", scores["device"], scores["float"]),
        _at_least("ventricular sensitivity, wrist", scores["device"].sensitivity.get("V"), 0.90),
        _at_least("ventricular predictivity, wrist", scores["device"].predictivity.get("V"), 0.85),
        _at_least(
            "supraventricular sensitivity, wrist", scores["device"].sensitivity.get("S"), 0.70
        ),
        _within("wrist and cloud against the cloud alone: macro-F1", scores["cascade"],
                scores["cloud"]),
        _at_most(
            "bytes sent, of the lead in 12 bits",
            uplink.sent_bytes / uplink.packed_bytes if uplink.packed_bytes else None,
            0.15,
        ),
        _at_least("beats found, all records", all_found.sensitivity, 0.996, 2),
        _at_least("of what is found, beats, all records", all_found.predictivity, 0.997, 2),
    ]  # fmt: skip
    for board in boards:
        title = board.title.partition(" (")[0]
        equal = "equal" if board.equal else "different"
        goals += [
            _below(f"{title}: flash", board.flash_bytes, 32 * 1024, "bytes"),
            _below(f"{title}: RAM with stack", board.ram_bytes, 8 * 1024, "bytes"),
            _below(f"{title}: slowest beat", board.beat_ms, 10.0, "ms"),
            _at_most(f"{title}: time that the core computes", board.duty, 0.05),
            Goal(f"{title}: events against the twin", equal, "equal in every bit",
                 board.equal),
        ]  # fmt: skip
    return tuple(goals)


def _percent(share: Share, places: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{places}f} %"


def _at_least(what: str, share: Share, bound: float, places: int = 1) -> Goal:
    met = None if share is None else share >= bound
    return Goal(what, _percent(share, places), f"at least {100 * bound:g} %", met)


def _at_most(what: str, share: Share, bound: float) -> Goal:
    met = None if share is None else share <= bound
    return Goal(what, _percent(share), f"at most {100 * bound:g} %", met)


def _below(what: str, value: float | None, bound: float, unit: str) -> Goal:
    met = None if value is None else value <= bound
    text = "–" if value is None else f"{value:,.1f} {unit}" if unit == "ms" else f"{value:,} {unit}"
    return Goal(what, text, f"at most {bound:,g} {unit}", met)


def _within(what: str, one: Scores, other: Scores) -> Goal:
    """At most a point of macro-F1 below."""
    if one.macro_f1 is None or other.macro_f1 is None:
        return Goal(what, "–", "within 1.0 point", None)
    points = 100 * (one.macro_f1 - other.macro_f1)
    text = f"{points:+.2f} points".replace("-", "\N{MINUS SIGN}")
    return Goal(what, text, "within 1.0 point", points >= -1.0)
