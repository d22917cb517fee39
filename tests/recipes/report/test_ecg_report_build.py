"""From judged records to figures: gross matrices, sets of records, curves, goals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from judged_records import judged
from sample_ecg_reports import sample

from midge.recipes.ecg.beat_matching import Counts
from midge.recipes.ecg.judged import Judged
from midge.recipes.ecg.report_build import (
    TITLES,
    curves_of,
    detector_of,
    goals_of,
    matrix_of,
    rows_of,
    systems_of,
    uplink_of,
)
from midge.recipes.ecg.report_data import Goal


def both(name: str, truth: str, said: str, missed: tuple[int, ...] = ()) -> Judged:
    """A record of which all systems say the same."""
    one = judged(name, truth, said, said, "." * len(truth), missed)
    return replace(
        one,
        labels=dict.fromkeys(TITLES, one.labels["device"]),
        scores=dict.fromkeys(TITLES, one.scores["device"]),
    )


def test_missed_beats_stand_in_the_matrix() -> None:
    matrix = matrix_of(both("100", "NNVSF", "NSVSV", missed=(2,)), "device")
    assert matrix.tolist() == [
        [1, 1, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 0, 1],
        [0, 0, 1, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
    ]


def test_gross_figures_with_and_without_the_crowded_record() -> None:
    records = [both("100", "NNNV", "NNNV"), both("232", "SSSS", "SSNN")]
    (device,) = [s for s in systems_of(records) if s.name == "device"]
    assert list(device.scores) == ["all", "without 232"]
    assert device.scores["all"].sensitivity == {"N": 1, "S": 0.5, "V": 1}
    assert device.scores["all"].predictivity["N"] == 3 / 5
    assert device.scores["without 232"].sensitivity == {"N": 1, "S": None, "V": 1}
    alone = systems_of(records[:1])[0]
    assert list(alone.scores) == ["all"]


def test_reference_beats_are_a_set_of_their_own() -> None:
    one = both("100", "NNNV", "NNNN", missed=(0,))
    one = replace(one, at_reference={"device": np.array(list("NNNV"))})
    by_name = {system.name: system for system in systems_of([one])}
    assert "reference beats" not in by_name["cloud"].scores
    scores = by_name["device"].scores["reference beats"]
    assert scores.sensitivity == {"N": 1, "S": None, "V": 1}
    assert [row[-1] for row in scores.confusion] == [0] * 6


def test_a_curve_s_working_point_is_that_of_the_labels() -> None:
    one = both("100", "NNNNVVSS", "NVNNVNSS")
    curves = {curve.name: curve for curve in curves_of([one], "cloud")}
    assert curves["V"].at == (pytest.approx(1 / 6), 0.5)
    assert curves["S"].at == (0, 1)
    assert curves["S"].area == 1
    assert curves["suspicious"].at == (0.25, 0.75)
    flagged = replace(one, flagged=np.array([True] * 8))
    device = {curve.name: curve for curve in curves_of([flagged], "device")}
    assert device["suspicious"].at == (1, 1)
    assert curves_of([replace(one, scores={})], "cloud") == ()
    assert [c.name for c in curves_of([both("100", "NNV", "NNV")], "cloud")] == ["V", "suspicious"]


def test_rows_have_each_record_s_own_figures() -> None:
    row = rows_of([both("208", "NNVV", "NNVN", missed=(0,))])[0]
    assert row.beats == {"N": 2, "S": 0, "V": 2, "F": 0, "Q": 0}
    assert (row.detector.beats, row.detector.found, row.detector.false) == (4, 3, 0)
    assert row.device.sensitivity == {"N": 0.5, "S": None, "V": 0.5}
    assert row.flagged == 0
    assert row.sent == pytest.approx(100 / (6 * 360 * 1.5))


def test_what_cannot_be_divided_is_none() -> None:
    none = detector_of(Counts())
    assert (none.sensitivity, none.predictivity) == (None, None)
    assert detector_of(Counts(found=3, missed=1, false=1)).sensitivity == 0.75


def test_goals_are_met_or_missed_by_their_bounds() -> None:
    report = sample()
    board = replace(report.boards[0], flash_bytes=32_769, ram_bytes=8_192, duty=0.05, beat_ms=None)
    systems = {s.name: s for s in report.systems}
    goals = {g.what: g for g in goals_of(systems, report.uplink, [board], report.detector)}
    assert goals["ventricular sensitivity, wrist"] == Goal(
        "ventricular sensitivity, wrist", "88.0 %", "at least 90 %", False
    )
    assert goals["bytes sent, of the lead in 12 bits"].met
    nordic = {what.split(": ")[1]: g for what, g in goals.items() if what.startswith("Nordic")}
    assert not nordic["flash"].met
    assert nordic["RAM with stack"].met
    assert nordic["time that the core computes"].met
    assert nordic["slowest beat"].met is None
    assert nordic["events against the twin"].met
    cascade = goals["wrist and cloud against the cloud alone: macro-F1"]
    assert (cascade.value, cascade.met) == ("+0.00 points", True)


def test_sums_of_traffic_become_hours() -> None:
    one = both("100", "N" * 598, "N" * 598).traffic
    found = uplink_of(one + one)
    assert found.hours == pytest.approx(2 * 600 / 3600, abs=1e-4)
    assert (found.beats, found.sent_bytes, found.coded_bytes) == (1196, 200, 2000)
    assert found.packed_bytes == 2 * 600 * 360 * 3 // 2
