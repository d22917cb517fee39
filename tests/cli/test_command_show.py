from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midge.virtual_mcu import BOARDS, CORES, targets

Command = Callable[..., Any]

CORE_NAMES = (
    *("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"),
    *("rv32imc", "rv32imac"),
)
BOARD_NAMES = (
    *("rp2040", "rp2350", "nrf52840", "nrf54l15", "stm32l4r5zi", "stm32f746", "stm32h743"),
    *("esp32c3", "esp32c6", "esp32", "esp32s3"),
)


@pytest.mark.tiny
def test_targets_as_a_table(midge: Command) -> None:
    shown = midge("targets")
    assert (shown.code, shown.err) == (0, "")
    head, *rows = shown.out.splitlines()
    assert head.split() == [
        *("target", "core", "ISA", "clock", "RAM", "flash", "emulated", "by", "cycles")
    ]
    by_name = {row.split()[0]: row for row in rows}
    assert list(by_name) == [t.name for t in targets()]
    assert {*CORE_NAMES, *BOARD_NAMES} <= by_name.keys()
    for words in ("cortex-m0plus", "armv6-m", "133 MHz", "264 KB", "2048 KB", "unicorn, qemu"):
        assert words in by_name["rp2040"]
    for name in ("esp32", "esp32s3"):
        assert "portable C only, not emulated" in by_name[name]
    assert "not modelled" in by_name["cortex-m55"]


@pytest.mark.tiny
def test_targets_as_json(midge: Command, tmp_path: Path) -> None:
    shown = midge("targets", "--json", "-")
    assert (shown.code, shown.err) == (0, "")
    rows = {row["name"]: row for row in json.loads(shown.out)}
    assert len(rows) == len(CORES) + len(BOARDS)
    pico = rows["rp2040"]
    assert (pico["kind"], pico["core"], pico["ram_bytes"]) == ("board", "cortex-m0plus", 264 * 1024)
    assert pico["sources"]
    assert rows["cortex-m4"]["kind"] == "core"
    assert rows["cortex-m4"]["clock_hz"] is None
    assert "dsp" in rows["cortex-m4"]["features"]
    assert "dsp" not in rows["cortex-m3"]["features"]
    assert rows["esp32"]["emulators"] == []
    silent = midge("targets", "--json", tmp_path / "targets.json")
    assert (silent.code, silent.out) == (0, "")
    assert (tmp_path / "targets.json").read_text() == shown.out


def test_show_prints_graph_and_plan(midge: Command, models: Path) -> None:
    shown = midge("show", models / "mobile_chain.tflite")
    assert (shown.code, shown.err) == (0, "")
    for words in ("mobile_chain: 13 operators", "03_depthwise_conv_2d", "12_softmax", "arena "):
        assert words in shown.out
    assert max(map(len, shown.out.splitlines())) <= 100
    assert midge("show", models / "mobile_chain.tflite").out == shown.out


@pytest.mark.tiny
def test_show_takes_the_passes_the_kernels_and_the_options_into_account(
    midge: Command, models: Path
) -> None:
    model = models / "padded.tflite"
    plain = midge("show", model).out
    assert "00_pad" not in plain, "the convolution has taken the border over"
    assert "02_pad" in plain
    # A core without the DSP kernels needs other scratch.
    assert midge("show", model, "--target", "cortex-m0plus").out != plain
    kept = midge("show", model, "--keep-input", "--name", "kept").out
    assert "kept: 3 operators" in kept
    arena = [int(text.split("\narena ")[1].split()[0]) for text in (plain, kept)]
    assert arena[1] > arena[0]


def test_module_runs_as_a_program(models: Path) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "midge", "show", models / "none.tflite"],
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("midge: error: ")
    assert done.stderr.count("\n") == 1
