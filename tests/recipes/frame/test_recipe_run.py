"""Running a recipe: each stage once, again from where it stopped, and only what has changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from midge.errors import InternalError, UserError
from midge.recipes import Recipe, Settings, Stage, StageContext, run_recipe

Called = list[str]


def toy(called: Called, salt: str = "") -> Recipe:
    """Draw, double, and sum as a report; each says that it was called."""

    def draw(context: StageContext) -> None:
        called.append("draw")
        numbers = np.random.default_rng(context.settings.seed).integers(0, 9, 5)
        context.save_arrays("numbers.npz", {"numbers": numbers})

    def double(context: StageContext) -> None:
        called.append("double")
        numbers = context.load_arrays("draw", "numbers.npz")["numbers"]
        context.save_json("doubled.json", [int(2 * n) for n in numbers])

    def report(context: StageContext) -> None:
        called.append("report")
        context.save_text("report.txt", f"{sum(context.load_json('double', 'doubled.json'))}\n")

    return Recipe(
        "toy",
        "1",
        (
            Stage("draw", "draw", draw, settings=("seed",), fingerprint=lambda _: salt),
            Stage("double", "double", double, needs=("draw",)),
            Stage("report", "report", report, needs=("double",), settings=("target",)),
        ),
        "report/report.txt",
    )


@pytest.fixture
def called() -> Called:
    return []


def test_the_second_run_does_nothing_again(called: Called, tmp_path: Path) -> None:
    recipe = toy(called)
    first = run_recipe(recipe, Settings(), tmp_path / "run").read_text()
    assert called == ["draw", "double", "report"]
    assert run_recipe(recipe, Settings(), tmp_path / "run").read_text() == first
    assert called == ["draw", "double", "report"]


def test_only_what_depends_on_a_change_is_done_again(called: Called, tmp_path: Path) -> None:
    run_recipe(toy(called), Settings(), tmp_path)
    called.clear()
    run_recipe(toy(called), Settings(target="rp2040"), tmp_path)
    assert called == ["report"]
    called.clear()
    run_recipe(toy(called), Settings(seed=1, target="rp2040"), tmp_path)
    assert called == ["draw", "double", "report"]


def test_a_stage_that_leaves_the_same_spares_those_behind_it(
    called: Called, tmp_path: Path
) -> None:
    run_recipe(toy(called), Settings(), tmp_path)
    called.clear()
    run_recipe(toy(called, salt="other data, same numbers"), Settings(), tmp_path)
    assert called == ["draw"]


@pytest.mark.parametrize("damage", ["changed", "gone", "added"])
def test_what_somebody_changed_is_made_anew(called: Called, tmp_path: Path, damage: str) -> None:
    run_recipe(toy(called), Settings(), tmp_path)
    called.clear()
    path = tmp_path / "double" / "doubled.json"
    if damage == "changed":
        path.write_text("[1]")
    elif damage == "gone":
        path.unlink()
    else:
        (path.parent / "more.txt").write_text("x")
    run_recipe(toy(called), Settings(), tmp_path)
    assert called == ["double"]
    assert json.loads(path.read_text()) != [1]
    assert not (path.parent / "more.txt").exists()


def test_one_seed_gives_the_same_bytes_in_any_folder(called: Called, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "deep" / "two"]
    for folder in folders:
        run_recipe(toy(called), Settings(seed=7), folder)
    one, two = ({p.name: p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
    assert one == two


def test_a_stopped_stage_keeps_its_checkpoint_and_nothing_half_written(tmp_path: Path) -> None:
    stopped: list[bool] = []
    trained: list[int] = []

    def learn(context: StageContext) -> None:
        kept = context.folder / "epoch.json"
        for epoch in range(json.loads(kept.read_text()) if kept.exists() else 0, 6):
            trained.append(epoch)
            if epoch == 3 and not stopped:
                stopped.append(True)
                with context.whole("epoch.json") as path:
                    path.write_text("half of a checkpoi")
                    raise KeyboardInterrupt
            context.save_json("epoch.json", epoch + 1)

    recipe = Recipe("toy", "1", (Stage("learn", "learn", learn),), "learn/epoch.json")
    with pytest.raises(KeyboardInterrupt):
        run_recipe(recipe, Settings(), tmp_path)
    assert json.loads((tmp_path / "learn" / "epoch.json").read_text()) == 3
    run_recipe(recipe, Settings(), tmp_path)
    assert trained == [0, 1, 2, 3, 3, 4, 5]
    assert not list(tmp_path.rglob(".partial-*"))


SLOW = """
import sys, time
from pathlib import Path
from midge.recipes import Recipe, Settings, Stage, run_recipe

def first(context):
    context.save_text("a.txt", "a")

def second(context):
    kept = context.folder / "steps.txt"
    done = kept.read_text() if kept.exists() else ""
    while len(done) < 40:
        time.sleep(0.05)
        done += "x"
        context.save_text("steps.txt", done)
    context.save_text("started.txt", str(len(sys.argv)))

stages = (Stage("first", "first", first), Stage("second", "second", second, needs=("first",)))
run_recipe(Recipe("slow", "1", stages, "second/steps.txt"), Settings(), Path(sys.argv[1]))
"""


def _start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, os.fspath(folder)], stderr=subprocess.PIPE, text=True
    )


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    steps = tmp_path / "second" / "steps.txt"
    process = _start(tmp_path)
    _wait_for(lambda: steps.exists() and len(steps.read_text()) >= 5, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = len(steps.read_text())
    process = _start(tmp_path)
    _wait_for(lambda: len(steps.read_text()) > kept, process)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert "[1/2] first: done already" in said
    assert "[2/2] second: done in" in said
    assert len(steps.read_text()) == 40


@pytest.mark.tiny
def test_a_strangers_folder_stays_as_it_is(called: Called, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds other files.*Choose another --out"):
        run_recipe(toy(called), Settings(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    other = tmp_path / "other"
    run_recipe(toy(called), Settings(), other)
    with pytest.raises(UserError, match="holds a run of recipe 'toy'"):
        run_recipe(replace(toy(called), name="else"), Settings(), other)
    with pytest.raises(UserError, match="cannot be used as --out"):
        run_recipe(toy(called), Settings(), tmp_path / "thesis.txt" / "run")


@pytest.mark.tiny
def test_a_recipe_that_contradicts_itself_is_a_defect(called: Called, tmp_path: Path) -> None:
    recipe = toy(called)
    backwards = replace(recipe, stages=recipe.stages[::-1])
    with pytest.raises(InternalError, match="needs a stage that is not before it"):
        run_recipe(backwards, Settings(), tmp_path)
    nameless = Stage("x", "x", lambda _: None, sources=("recipes/no_such_*.py",))
    with pytest.raises(InternalError, match="names no file"):
        run_recipe(replace(recipe, stages=(nameless,)), Settings(), tmp_path)

    def nosy(context: StageContext) -> None:
        context.load_json("draw", "numbers.json")

    stages = (recipe.stages[0], Stage("nosy", "nosy", nosy))
    with pytest.raises(InternalError, match="reads 'draw' without needing it"):
        run_recipe(replace(recipe, stages=stages), Settings(), tmp_path)
