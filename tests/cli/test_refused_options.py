from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from midge.cli import main
from support.tools import needs_qemu

Refused = Callable[..., str]


@pytest.mark.tiny
def test_unknown_words_are_one_message_with_the_known_ones(refused: Refused, models: Path) -> None:
    model = models / "dense.tflite"
    refused("run", model, "--cc", "icc", match=r"argument --cc: invalid choice: 'icc'.*zig.*gcc")
    refused("run", model, "--emulator", "bochs", match="--emulator: invalid choice.*unicorn.*qemu")
    refused("compile", model, "--out", "x", "--c-level", "9", match="--c-level: invalid choice")
    refused(
        "run", model, "--optimize", "size", match="--optimize: invalid choice: 'size'.*balanced"
    )
    refused("run", model, "--feed-rows", "--keep-input", match="feed_rows .* exclude each other")
    refused(
        "run", model, "--taget", "x", match="unrecognized arguments: --taget x; see `midge --help`"
    )
    refused("run", match="required: model; see `midge run --help`")
    refused("compile", model, match="required: --out; see `midge compile --help`")
    refused("fly", model, match="invalid choice: 'fly'.*compile")
    refused(match="required: COMMAND; see `midge --help`")


@pytest.mark.tiny
def test_unknown_target_lists_what_there_is(refused: Refused, models: Path) -> None:
    for command in (("run",), ("show",), ("compile", "--out", "x")):
        message = refused(*command, models / "dense.tflite", "--target", "cortex-m5")
        assert "'cortex-m5'" in message
        assert "cortex-m55" in message
        assert "rp2040" in message


@pytest.mark.tiny
def test_help_and_version_are_no_errors(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["run", "--help"], ["--version"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        out, err = capsys.readouterr()
        assert out
        assert not err


def test_missing_compiler(
    refused: Refused, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    model = models / "dense.tflite"
    refused(
        *("run", model, "--cc", "gcc"),
        code=3,
        match="arm-none-eabi-gcc: not found on PATH, and --cc gcc needs it for cortex-m4; install "
        r"it \(apt-get install gcc-arm-none-eabi\), or choose --cc zig",
    )
    refused(
        *("run", model, "--cc", "gcc", "--target", "rv32imc"),
        code=3,
        match="riscv64-unknown-elf-gcc: not found on PATH",
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    refused(
        *("compile", model, "--out", tmp_path / "out"),
        code=3,
        match="zig: .*not found in this Python environment; pip install ziglang, or .*--cc gcc",
    )
    assert not (tmp_path / "out").exists()


def test_missing_emulator(
    refused: Refused, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    model = models / "dense.tflite"
    refused(
        *("run", model, "--emulator", "qemu"),
        code=3,
        match="qemu-system-arm: not found on PATH, and --emulator qemu needs it for cortex-m4; "
        r"install it \(apt-get install qemu-system-arm\)$",
    )
    # Nothing but QEMU has this core.
    refused("run", model, "--target", "cortex-m55", code=3, match="qemu-system-arm: not found")


def test_emulator_that_has_not_the_core(refused: Refused, models: Path) -> None:
    model = models / "dense.tflite"
    message = refused("run", model, "--target", "cortex-m55", "--emulator", "unicorn")
    assert "cortex-m55" in message
    assert "qemu" in message
    refused(
        *("run", model, "--target", "esp32"),
        match="esp32: nothing here emulates .*; the C is emitted, with portable kernels. Run it "
        "for another target, or on the board",
    )


@needs_qemu
def test_layers_of_a_core_that_only_qemu_has(refused: Refused, models: Path) -> None:
    refused(
        *("run", models / "dense.tflite", "--target", "cortex-m55", "--compare-layers"),
        match="cortex-m55: layers are compared under Unicorn, which does not have this core",
    )


def test_places_that_cannot_be_written(refused: Refused, models: Path, tmp_path: Path) -> None:
    # Below a regular file nobody can write, not even root.
    (tmp_path / "file").write_text("in the way")
    model, below = models / "dense.tflite", tmp_path / "file" / "below"
    refused("compile", model, "--out", below, match=r"below.*: cannot be written: Not a directory")
    refused(
        "selftest", model, "--out", tmp_path / "file", match=r"file: cannot be written: File ex"
    )
    np.save(tmp_path / "x.npy", np.zeros((1, 8), np.int8))
    run = ("run", model, "--input", tmp_path / "x.npy")
    refused(*run, "--output", f"{below}.npy", match=r"below\.npy: cannot be written: Not a direct")
    refused("targets", "--json", below, match="below: cannot be written: Not a directory")
    refused(*run, "--json", tmp_path, match="cannot be written: Is a directory")
    assert (tmp_path / "file").read_text() == "in the way"


def test_folder_in_the_place_of_a_file(refused: Refused, models: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "dense.c").mkdir(parents=True)
    refused(
        *("compile", models / "dense.tflite", "--out", out),
        match=r"out/dense\.c: cannot be written: Is a directory",
    )
    assert sorted(p.name for p in out.iterdir()) == ["dense.c", "dense.h"], "no partial file stays"


def test_files_of_before_are_replaced_and_those_of_others_are_not(
    midge: Callable[..., object], refused: Refused, models: Path, tmp_path: Path
) -> None:
    compile_ = ("compile", models / "dense.tflite", "--optimize", "speed", "--out", tmp_path)
    assert midge(*compile_).code == 0
    first = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert midge(*compile_, "--target", "rp2040").code == 0
    second = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in ("dense.c", "report.json", "report.html"))
    for name in ("dense.h", "report.json"):
        (tmp_path / name).write_text("mine")
    refused(
        *compile_, match=r": holds dense\.h, report\.json, which Midge did not write; nothing was"
    )
    third = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert third == {**second, "dense.h": b"mine", "report.json": b"mine"}


def test_self_test_of_a_network_called_main(refused: Refused, models: Path, tmp_path: Path) -> None:
    refused(
        *("selftest", models / "dense.tflite", "--name", "main", "--out", tmp_path / "out"),
        match="main: the self-test has a main.c of its own; give the network another name",
    )
    assert not (tmp_path / "out").exists()
