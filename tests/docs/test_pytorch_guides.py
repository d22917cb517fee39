"""The guides from PyTorch to a microcontroller are executed from top to bottom."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import Any

import pytest
from guide_steps import mismatch, steps_of, unmarked

from midge.cli import main
from midge.compress.settings import ACTIVATIONS, OBSERVERS, WEIGHTS, QuantizeSettings

PAGES = ("docs/from-pytorch.md", "docs/quantization.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_step_of_the_page_does_what_it_says(
    page: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {"__name__": "guide"}
    printed: dict[str, str] = {}
    for step in steps_of(page):
        if step.kind == "output":
            assert not (why := mismatch(step.body, printed[step.name])), f"{step.name}: {why}"
            continue
        capsys.readouterr()
        with warnings.catch_warnings():
            # PyTorch warns of itself when it exports.
            warnings.simplefilter("ignore")
            if step.kind == "example":
                exec(compile(step.body, "model.py", "exec"), scope)
            else:
                for line in step.body.splitlines():
                    program, *options = shlex.split(line)
                    assert program == "midge"
                    assert main(options) == step.exit_code, line
        out, err = capsys.readouterr()
        said = [line for line in err.splitlines() if not line.startswith("over budget; ")]
        printed[step.name] = out + "\n".join(said)


@pytest.mark.parametrize("page", PAGES)
def test_no_block_is_left_out(page: str) -> None:
    assert steps_of(page)
    assert unmarked(page) == []


def test_the_page_names_every_setting_and_choice() -> None:
    text = Path(__file__).resolve().parents[2].joinpath("docs/quantization.md").read_text("utf-8")
    for name in QuantizeSettings.__dataclass_fields__:
        assert f"| `{name}` |" in text, name
    for choice in (*WEIGHTS, *ACTIVATIONS, *OBSERVERS):
        assert f"`{choice}`" in text, choice


@pytest.mark.parametrize(
    ("expected", "found", "alike"),
    [
        ("a 10\n", "a   11\n", True),
        ("a 10\n", "b 10\n", False),
        ("a 100\n", "a 200\n", False),
        ("a 1,000 B\n", "a 1,100 B\n", True),
        ("a 1\n", "a\n", False),
        ("a\n...\n", "a\nb\nc\n", True),
        ("a\n...\n", "b\n", False),
        ("...\nc\n", "a\nb\nc\n", True),
        ("...\nc\n", "a\nc\nb\n", False),
        ("a\n...\nc\n...\n", "a\nb\nc\nd\n", True),
        ("a\n...\nc\n", "a\nb\n", False),
        ("a\n", "a\nb\n", False),
        ("a\nb\n", "a\n", False),
        ("a\n", "", False),
    ],
)
def test_what_counts_as_the_printed_output(expected: str, found: str, alike: bool) -> None:
    assert (mismatch(expected, found) == "") == alike
