"""The log of evaluations and the line of progress."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from midge.errors import UserError
from midge.recipes.progress import Progress, duration
from midge.recipes.run_log import append_run


def test_the_log_only_grows(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    append_run(path, {"seed": 0})
    append_run(path, {"seed": 1})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["seed"] for line in lines] == [0, 1]
    assert all(line["at"].endswith("+00:00") for line in lines)
    with pytest.raises(UserError, match="cannot be written"):
        append_run(tmp_path / "nowhere" / "runs.jsonl", {})


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (42.4, "42 s"), (150, "2 min")]
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_progress_says_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress([1.0, 3.0])
    progress.begin(0, "read")
    now[0] += 20
    progress.end()
    progress.begin(1, "learn")
    now[0] += 30
    progress.at(1, 2, "epoch 1 of 2")
    now[0] += 1
    progress.at(1, 2, "too soon to say again")
    now[0] += 29
    progress.end()
    progress.skip(1, "learn")
    assert capsys.readouterr().err.splitlines() == [
        "[1/2] read ...",
        "[1/2] read: done in 20 s, about 60 s left",
        "[2/2] learn ...",
        "[2/2] learn 50 %: epoch 1 of 2, about 30 s left",
        "[2/2] learn: done in 60 s",
        "[2/2] learn: done already",
    ]
