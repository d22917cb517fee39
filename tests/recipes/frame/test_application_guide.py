"""docs/build-your-own-application.md is executed from top to bottom."""

from __future__ import annotations

import json
import shlex
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from docs.guide_steps import mismatch, steps_of, unmarked
from midge.cli import main
from midge.recipes.vibration.recordings import CLASSES

PAGE = "docs/build-your-own-application.md"


def test_every_step_does_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIDGE_DATA", raising=False)
    scope: dict[str, Any] = {"__name__": "guide"}
    printed: dict[str, str] = {}
    said: dict[str, str] = {}
    for step in steps_of(PAGE):
        if step.kind == "output":
            assert not (why := mismatch(step.body, printed[step.name])), f"{step.name}: {why}"
            continue
        with warnings.catch_warnings():
            # PyTorch warns of itself when it exports.
            warnings.simplefilter("ignore")
            if step.kind == "example":
                exec(compile(step.body, PAGE, "exec"), scope)
            else:
                for line in step.body.splitlines():
                    program, *options = shlex.split(line)
                    assert program == "midge"
                    assert main(options) == step.exit_code, line
        printed[step.name], said[step.name] = capsys.readouterr()
    assert said["run"].count("done in") == 5
    assert said["again"].count("done already") == 5
    _check_report(tmp_path / "build" / "vibration")


def _check_report(folder: Path) -> None:
    """The quick run's report says what it is, and its figures are of all windows."""
    content = json.loads((folder / "report" / "report.json").read_text())
    assert content["synthetic"]
    assert content["quick"]
    for name in ("report.html", "report.txt"):
        text = (folder / "report" / name).read_text("utf-8")
        assert "SYNTHETIC" in text
        assert "QUICK" in text
    assert str(folder) not in json.dumps(content)
    rows = np.array(content["confusion"]["int8"])
    assert rows.shape == (len(CLASSES), len(CLASSES))
    assert (rows.sum(axis=1) == 2 * 12).all()
    assert content["flash_bytes"] < 32_768
    assert (folder / "compile" / "c" / "bearing.c").exists()


def test_no_block_is_left_out() -> None:
    bare = ("src/midge/recipes/vibration/", "package = midge.quantize(network")
    assert [line for line in unmarked(PAGE) if not line.startswith(bare)] == []
