"""`midge adapt`: a pass over a recorded stream, and the benchmark's smallest parts."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
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


def test_numbers_too_large_for_the_learner_are_missing_in_figures(midge, tmp_path: Path):
    rows = "\n".join(f"{value},{value % 5}" for value in range(40))
    (tmp_path / "stream.csv").write_text(f"a,b\n1e400,1\n-1e308,2\n9e30,3\n{rows}\n")

    shown = midge("adapt", "run", "--data", tmp_path / "stream.csv", "--horizon", 2, "--json", "-")

    assert shown.code == 0

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    told = json.loads(shown.out, parse_constant=refuse)
    assert all(value < 1e3 for row in told["leads"] for value in row["rmse"])


def test_columns_are_named_with_spaces_about_and_limited(midge, csv: Path, tmp_path: Path):
    shown = midge("adapt", "run", "--data", csv, "--columns", " a , b,", "--horizon", 1)
    assert shown.code == 0
    assert "400 samples of 2 channels" in shown.out

    wide = tmp_path / "wide.csv"
    wide.write_text(",".join(["1"] * 65) + "\n")
    shown = midge("adapt", "run", "--data", wide)
    assert shown.code == 2
    assert (
        "65 columns of numbers; expected 64 at most; choose some of them (--columns)" in shown.err
    )


def test_a_pipe_is_read_and_no_device_is_replaced(midge, csv: Path, tmp_path: Path):
    """A page is renamed into place, which would take /dev/null away."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(pipe.write_bytes, csv.read_bytes())
        shown = midge("adapt", "run", "--data", pipe, "--horizon", 1)
        writing.result(timeout=10)
    assert shown.code == 0

    shown = midge("adapt", "run", "--data", csv, "--horizon", 1, "--plot", pipe)
    assert shown.code == 2
    assert "holds pipe, which Midge did not write" in shown.err
    assert pipe.is_fifo()


def test_the_benchmark_looks_first_whether_it_may_write(midge, tmp_path: Path):
    (tmp_path / "adapt.md").write_text("my own notes")

    shown = midge("adapt", "benchmark", "--only", "switching", "--quick", "--out", tmp_path)

    assert shown.code == 2
    assert "holds adapt.md, which Midge did not write; nothing was written" in shown.err
    assert "switching" not in shown.err
