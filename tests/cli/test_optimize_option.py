"""`--optimize`, `--no-measure` and `--feed-rows` of `compile` and `run`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import midge as api
from midge.driver import choice_cache
from midge.driver.goals import GOALS

Command = Callable[..., object]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered from before."""
    monkeypatch.setattr(choice_cache, "cache_directory", lambda: tmp_path / "cache")


@pytest.mark.parametrize("goal", GOALS)
def test_each_goal_is_that_of_the_api(
    goal: str, midge: Command, models: Path, tmp_path: Path
) -> None:
    model, out = models / "dense.tflite", tmp_path / "out"
    shown = midge("compile", model, "--optimize", goal, "--out", out)
    assert (shown.code, shown.err) == (0, ""), shown
    assert shown.progress.startswith("measuring kernels on cortex-m4: program 1 of ")
    artifact = api.compile(api.load(model), optimize=goal, measured=True)
    assert (out / "dense.c").read_text() == artifact.emitted.files["dense.c"]
    report = json.loads((out / "report.json").read_text())
    assert report["optimize"] == report["selection"]["goal"] == goal
    assert f"Kernels chosen by measurement for {goal}: " in shown.out
    page = (out / "report.html").read_text()
    assert "Choice of kernels" in page
    again = midge("compile", model, "--optimize", goal, "--out", tmp_path / "again")
    assert again.progress == "", "what was measured is remembered"
    for file in out.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_by_rule_nothing_is_measured(midge: Command, models: Path, tmp_path: Path) -> None:
    model, out = models / "dense.tflite", tmp_path / "out"
    shown = midge("compile", model, "--no-measure", "--out", out)
    assert (shown.code, shown.err, shown.progress) == (0, "", "")
    assert (out / "dense.c").read_text() == api.compile(api.load(model)).emitted.files["dense.c"]
    report = json.loads((out / "report.json").read_text())
    assert (report["optimize"], report["selection"]) == ("balanced", None)


@pytest.mark.parametrize(("name", "measured"), [("padded", True), ("mobile_chain", False)])
def test_rows_are_fed_and_give_the_same_outputs(
    name: str, measured: bool, midge: Command, models: Path, tmp_path: Path
) -> None:
    run = ("run", models / f"{name}.tflite", "--json", "-")
    run += () if measured else ("--no-measure",)
    whole, fed = midge(*run), midge(*run, "--feed-rows")
    assert (whole.code, fed.code) == (0, 0), fed
    one, other = json.loads(whole.out), json.loads(fed.out)
    assert one["outputs"] == other["outputs"]
    assert other["layers"] == []
    out = tmp_path / "out"
    assert midge("compile", run[1], "--feed-rows", *run[4:], "--out", out).code == 0
    header = (out / f"{name}.h").read_text()
    assert f"{name}_feed_row(" in header
    assert f"{name}_input(" not in header


def test_a_network_that_takes_no_image_is_not_fed(midge: Command, models: Path) -> None:
    shown = midge("run", models / "dense.tflite", "--feed-rows")
    assert shown.code == 2
    assert "cannot be handed in row by row" in shown.err


def test_fed_layers_are_not_compared(midge: Command, models: Path) -> None:
    shown = midge("run", models / "mobile_chain.tflite", "--feed-rows", "--compare-layers")
    assert shown.code == 2
    assert "compare it without --feed-rows" in shown.err


def test_rows_of_a_small_arena_equal_the_interpreter(midge: Command, models: Path) -> None:
    run = ("run", models / "mobile_chain.tflite", "--optimize", "ram")
    shown = midge(*run, "--compare-layers")
    assert shown.code == 0, shown
    assert "every value" in shown.out
