"""`midge recipe`: what it lists and refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from midge.cli import main


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(a) for a in arguments]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("midge: error: ")
    assert "Traceback" not in err
    return err


@pytest.mark.tiny
def test_the_list_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "list"]) == 0
    out, _ = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ["recipe", "what", "it", "makes"]
    assert any(line.startswith("ecg ") and "rhythm" in line for line in lines)


def test_wrong_words_are_one_message(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run")
    run = ("recipe", "run")
    assert "none is called 'egc'; did you mean ecg?" in refused(capsys, *run, "egc", *out)
    assert "required: --out" in refused(capsys, *run, "ecg")
    assert "required: ACTION" in refused(capsys, "recipe")
    assert "no core or board is called 'nrf'" in refused(
        capsys, *run, "ecg", *out, "--target", "nrf"
    )
    assert "'cortex-m4' is no board" in refused(capsys, *run, "ecg", *out, "--target", "cortex-m4")
    assert "'esp32' is no board that is emulated" in refused(
        capsys, *run, "ecg", *out, "--target", "esp32"
    )
    for number in ("-1", "1.5", "x", "99999999999"):
        assert "expected a whole number from 0 on" in refused(
            capsys, *run, "ecg", *out, f"--seed={number}"
        )
    assert "expected at least 1, found 0" in refused(
        capsys, *run, "ecg", *out, "--records-on-device", "0"
    )
    assert not (tmp_path / "run").exists()


def test_a_library_that_is_missing_is_named_with_its_extra(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [m for m in sys.modules if m.startswith("midge.recipes.ecg.")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["recipe", "run", "ecg", "--out", str(tmp_path / "run")]) == 3
    _, err = capsys.readouterr()
    assert "recipe 'ecg' needs torch, which is not installed: pip install 'midge[ecg]'" in err
    assert not (tmp_path / "run").exists()


def test_what_is_wrong_with_the_recordings_is_said_before_any_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = ("recipe", "run", "ecg", "--out", tmp_path / "run")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "44 of 44 records are missing" in refused(capsys, *run, "--data", empty)
    assert "is no folder" in refused(capsys, *run, "--data", tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    assert "cannot be used as --out" in refused(
        capsys, *run[:3], "--out", tmp_path / "file", "--data", "synthetic"
    )
