"""`midge adapt`: a pass over a recorded stream, and the benchmark's smallest parts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from midge.adapt.benchmark.switching_systems import make_stream


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    series = make_stream("sensors", 1, segments=2).series[:400]
    series[100, 2] = np.nan
    path = tmp_path / "stream.csv"
    rows = "\n".join(",".join("" if np.isnan(v) else f"{v:.6f}" for v in row) for row in series)
    path.write_text("a,b,c,d\n" + rows + "\n")
    return path


def test_a_pass_over_a_stream(midge, csv: Path, tmp_path: Path):
    shown = midge("adapt", "run", "--data", csv, "--horizon", 8, "--plot", tmp_path / "out.html")

    assert shown.code == 0
    assert "400 samples of 4 channels" in shown.out
    page = (tmp_path / "out.html").read_text()
    assert page.count("<svg") == 6
    assert "http://www.w3.org" in page
    assert "<script" not in page


def test_its_figures_as_json(midge, csv: Path):
    shown = midge("adapt", "run", "--data", csv, "--columns", "a,b", "--horizon", 8, "--json", "-")

    told = json.loads(shown.out)
    assert told["channels"] == ["a", "b"]
    assert [row["lead"] for row in told["leads"]] == [1, 4, 8]
    assert all(0 < value < 5 for row in told["leads"] for value in row["rmse"])
    assert told["ram_bytes"] <= 8192
    assert told["alarms"] == sorted(set(told["alarms"]))


def test_a_missing_file_is_named(midge, tmp_path: Path):
    shown = midge("adapt", "run", "--data", tmp_path / "none.csv")

    assert shown.code == 2
    assert "none.csv: cannot be read" in shown.err


def test_the_benchmark_writes_its_tables(midge, tmp_path: Path):
    shown = midge(
        "adapt",
        "benchmark",
        "--only",
        "speed",
        "--quick",
        "--out",
        tmp_path,
        "--plot",
        tmp_path / "page.html",
    )

    assert shown.code == 0
    content = json.loads((tmp_path / "adapt.json").read_text())
    assert content["quick"] is True
    assert [row["ticks"] for row in content["speed"]["rows"]] == [300, 1000]
    assert "## Time a tick" in (tmp_path / "adapt.md").read_text()
    assert "<svg" in (tmp_path / "page.html").read_text()


def test_the_benchmark_without_data_says_what_it_needs(midge, tmp_path: Path):
    shown = midge(
        "adapt", "benchmark", "--only", "nab", "--data", tmp_path, "--out", tmp_path / "out"
    )

    assert shown.code == 2
    assert "no folder nab" in shown.err
    assert "github.com/numenta/NAB" in shown.err
