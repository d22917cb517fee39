from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import midge as api
from midge.report import render_html, render_text
from support import objects
from support.networks import mobile_chain
from support.tools import GCC

Command = Callable[..., object]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """The folder that `midge compile` wrote."""
    from midge.cli import main

    out = tmp_path_factory.mktemp("compiled") / "new" / "folder"
    assert main(["compile", str(models / "mobile_chain.tflite"), "--out", str(out)]) == 0
    return out


def test_files_are_the_library_and_the_report(compiled: Path) -> None:
    names = ["mobile_chain.c", "mobile_chain.h", "report.html", "report.json"]
    assert sorted(p.name for p in compiled.iterdir()) == names
    report = json.loads((compiled / "report.json").read_text())
    assert (compiled / "report.html").read_text() == render_html(report)


def test_report_says_what_was_compiled_and_what_it_costs(compiled: Path) -> None:
    report = json.loads((compiled / "report.json").read_text())
    assert list(report) == [
        *("midge", "model", "target", "compiler", "optimisation", "feed_rows", "optimize"),
        *("selection", "costs", "memory_plan"),
    ]
    model, plan, costs = report["model"], report["memory_plan"], report["costs"]
    assert model["name"] == "mobile_chain"
    assert model["ops"] == len(mobile_chain().model.operators)
    assert model["inputs"][0]["shape"] == [1, 14, 14, 3]
    assert model["outputs"][0]["dtype"] == "int8"
    assert len(model["digest"]) == 64
    assert report["target"]["name"] == "cortex-m4"
    assert report["compiler"].startswith("zig cc ")
    assert costs["ram_bytes"]["arena"] == plan["arena_bytes"]
    assert plan["arena_bytes"] - plan["lower_bound_bytes"] == plan["gap_bytes"]
    assert costs["macs"] == model["macs"] == sum(row["macs"] for row in costs["layers"])
    assert costs["flash_bytes"]["weights"] >= model["constants_bytes"]
    roles = [b["role"] for b in plan["buffers"]]
    assert (roles.count("input"), roles.count("output")) == (1, 1)
    for buffer in plan["buffers"]:
        assert 0 <= buffer["offset"] <= plan["arena_bytes"] - buffer["size_bytes"]
        assert buffer["first"] <= buffer["last"] < len(plan["live"])


def test_two_runs_write_the_same_bytes(midge: Command, models: Path, tmp_path: Path) -> None:
    for model, options in (
        ("two_by_two", ("--target", "esp32c3", "--c-level", "s")),
        ("padded", ("--cc", GCC, "--keep-input")),
    ):
        written = []
        for out in (tmp_path / f"{model}_a", tmp_path / "elsewhere" / f"{model}_b"):
            with objects.left_alone():
                shown = midge("compile", models / f"{model}.tflite", "--out", out, *options)
            assert shown.code == 0, shown
            written.append({p.name: p.read_bytes() for p in out.iterdir()})
        assert written[0] == written[1]
        assert len(written[0]) == 4


def test_terminal_shows_the_report(midge: Command, models: Path, tmp_path: Path) -> None:
    shown = midge("compile", models / "dense.tflite", "--target", "rp2040", "--out", tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    end = f"wrote dense.h, dense.c, report.json, report.html to {tmp_path}\n"
    assert shown.out == render_text(report) + "\n" + end
    assert not shown.err


def test_target_that_nothing_emulates_gets_portable_c(
    midge: Command, models: Path, tmp_path: Path
) -> None:
    shown = midge(
        "compile", models / "mobile_chain.tflite", "--target", "esp32s3", "--out", tmp_path
    )
    assert shown.code == 0, shown
    source = (tmp_path / "mobile_chain.c").read_text()
    assert "midge_conv_2d_s8" in source
    assert "_dsp(" not in source
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["costs"] is None
    assert report["compiler"] is None
    portable = api.compile(api.load(models / "mobile_chain.tflite"), target="cortex-m0plus")
    assert source == portable.emitted.files["mobile_chain.c"], "one portable C for every core"


def test_name_and_level_reach_the_files(midge: Command, models: Path, tmp_path: Path) -> None:
    model = models / "dense.tflite"
    small, fast = tmp_path / "small", tmp_path / "fast"
    for out, level in ((small, "s"), (fast, "3")):
        shown = midge("compile", model, "--name", "kws", "--c-level", level, "--out", out)
        assert shown.code == 0
        assert "enum midge_status kws_run(void *arena, void *state);" in (out / "kws.h").read_text()
    assert (small / "kws.c").read_bytes() == (fast / "kws.c").read_bytes()
    levels = [json.loads((o / "report.json").read_text())["optimisation"] for o in (small, fast)]
    assert levels == ["-Os", "-O3"]


def test_keep_input_costs_its_bytes(midge: Command, models: Path, tmp_path: Path) -> None:
    arenas = []
    for options in ((), ("--keep-input",)):
        shown = midge("compile", models / "padded.tflite", "--out", tmp_path, *options)
        assert shown.code == 0
        report = json.loads((tmp_path / "report.json").read_text())
        arenas.append(report["memory_plan"]["arena_bytes"])
    assert arenas[1] > arenas[0]


def test_python_api_gives_what_the_command_writes(compiled: Path, models: Path) -> None:
    graph = api.load(models / "mobile_chain.tflite")
    artifact = api.compile(graph, target="cortex-m4", measured=True)
    for name, text in artifact.emitted.files.items():
        assert (compiled / name).read_text() == text
    result = artifact.run(np.zeros((14, 14, 3), np.int8))
    assert isinstance(result.outputs, np.ndarray)
    assert result.outputs.shape == (1, 6)
