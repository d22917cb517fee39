"""The vibration protocol on made-up bearings: what it finds, what it must not see, its report."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from midge.adapt.benchmark import data_files, vibration, vibration_report
from midge.adapt.benchmark.run import run_benchmark
from midge.adapt.benchmark.tables import table
from midge.adapt.benchmark.vibration_signals import (
    LEVEL,
    Records,
    in_counts,
    made_up,
    on_one_level,
    with_impulses,
    with_noise,
)
from midge.errors import UserError


@cache
def records() -> Records:
    return made_up(seed=0)


@cache
def content() -> vibration.Json:
    """What ``--only vibration --quick`` measures where there are no records."""
    nowhere = Path(__file__).parent
    found: vibration.Json = run_benchmark({}, ["vibration"], nowhere, True, lambda _: None)
    return found["vibration"]  # type: ignore[no-any-return]


def rows(method: str, noise: float | None) -> list[vibration.Json]:
    return [r for r in content()["rows"] if (r["method"], r["noise_db"]) == (method, noise)]


@pytest.mark.parametrize("noise", [None, 10.0])
def test_made_up_faults_are_heard_in_time_and_nothing_else(noise: float | None) -> None:
    healthy, *worn = rows(vibration.LEARNER, noise)
    assert healthy["record"] is None
    assert healthy["alarms"] == 0
    assert [row["record"] for row in worn] == list(records().faults)
    assert all(row["first_ms"] <= vibration.AIM_MS for row in worn)
    assert all(row["share"] > 0.5 for row in worn)


def test_what_learns_the_fault_is_soon_silent() -> None:
    held, restless = (
        np.mean([row["share"] for row in rows(method, None)[1:]])
        for method in (vibration.LEARNER, vibration.RESTLESS)
    )
    assert restless < held / 2


def test_nothing_is_heard_on_one_level_by_its_level() -> None:
    assert any(row["first_ms"] is None for row in rows("RMS, unit RMS first", None)[1:])


@pytest.mark.parametrize("method", vibration.DETECTORS)
def test_flags_do_not_depend_on_the_future(method: str) -> None:
    learned, second, worn, _ = vibration.pieces_of(records(), 10.0, 0).values()
    now = 20
    cut = vibration.Piece(worn.energies[:now], worn.level[:now], worn.raw_level[:now])
    flag = vibration.DETECTORS[method](learned, 0.1)
    flag(second)  # what was heard of another record leaves nothing behind
    np.testing.assert_array_equal(flag(worn)[:now], flag(cut))


def test_the_gap_and_the_halves_do_not_overlap() -> None:
    healthy = np.arange(300_000, dtype=np.float64) % 1000
    pieces = vibration.pieces_of(Records("", healthy, {}), None, 0)
    frames = [len(piece.energies) for piece in pieces.values()]
    assert frames == [150_000 // 512, (150_000 - 4_800) // 512]


def test_records_are_put_on_one_level() -> None:
    signal = on_one_level(np.array([4.0, 6.0, 4.0, 6.0]))
    np.testing.assert_allclose(signal, [-1, 1, -1, 1])
    np.testing.assert_array_equal(in_counts(np.array([-1.0, 1.0, 99.0])), [-LEVEL, LEVEL, 32767])


def test_noise_has_the_level_that_is_said() -> None:
    rng = np.random.default_rng(0)
    for noise_db, expected in ((10.0, 0.316), (0.0, 1.0), (-6.0, 1.995)):
        added = with_noise(np.zeros(100_000), noise_db, rng)
        assert np.std(added) == pytest.approx(expected, rel=0.02)
    assert with_noise(np.ones(3), None, rng).tolist() == [1, 1, 1]


def test_impulses_leave_the_level_and_raise_the_peaks() -> None:
    rng = np.random.default_rng(1)
    usual = on_one_level(rng.normal(size=48_000))
    worn = with_impulses(usual, 1.0, rng)
    assert np.std(worn) == pytest.approx(1)
    assert np.mean(worn**4) > 1.2 * np.mean(usual**4)


def test_the_report_has_a_row_for_each_method_and_record() -> None:
    text = vibration_report.markdown(content(), table)
    assert "SYNTHETIC bearing, seed 0" in text
    lines = text.splitlines()
    for method in vibration.DETECTORS:
        assert sum(line.startswith(f"| {method} |") for line in lines) == 2
    for name in records().faults:
        assert sum(line.startswith(f"| {name} |") for line in lines) == 1


def test_pictures_mark_the_frames_in_alarm() -> None:
    pictures = [part for part in vibration_report.pictures(records()) if "<svg" in part]
    assert len(pictures) == len(records().faults)
    assert all("#d00" in picture for picture in pictures)


def test_records_that_are_nowhere(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no bearing records there"):
        data_files.bearings_or_made_up(tmp_path, quick=False)
    assert data_files.bearings_or_made_up(tmp_path, quick=True).notice.startswith("SYNTHETIC")


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "97_Normal_0.mat").write_bytes(b"no matrix at all")
    with pytest.raises(UserError, match=r"97_Normal_0\.mat: cannot be read"):
        data_files.bearings(tmp_path)
