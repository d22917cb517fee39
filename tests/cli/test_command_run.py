from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midge.graph import Graph, interpret, outputs_of
from support.networks import Array, dense, imported, mobile_chain, two_by_two
from support.tools import QEMU, needs_gcc, needs_qemu

Command = Callable[..., Any]


def expected(graph: Graph, *inputs: Array) -> list[Array]:
    """What the interpreter computes for one sample."""
    return list(
        outputs_of(graph, interpret(graph, dict(zip(graph.inputs, inputs, strict=True)))).values()
    )


@pytest.fixture(scope="module")
def images() -> Array:
    return np.random.default_rng(5).integers(-128, 128, (3, 14, 14, 3)).astype(np.int8)


def test_run_json_is_what_the_issue_promises(
    midge: Command, models: Path, tmp_path: Path, images: Array
) -> None:
    np.save(tmp_path / "x.npy", images)
    run = (
        "run",
        models / "mobile_chain.tflite",
        "--target",
        "nrf52840",
        "--input",
        tmp_path / "x.npy",
    )
    shown = midge(*run, "--output", tmp_path / "y.npy", "--json", tmp_path / "run.json")
    assert shown.code == 0, shown
    content = json.loads((tmp_path / "run.json").read_text())
    promised = [
        *("outputs", "instructions", "cycles", "macs", "ram_bytes", "flash_bytes", "latency_ms"),
        *("energy_uj", "layers"),
    ]
    assert set(promised) <= content.keys()
    for key in ("instructions", "cycles", "macs"):
        assert isinstance(content[key], int)
    ram, flash = content["ram_bytes"], content["flash_bytes"]
    assert {"arena", "state", "static", "stack_peak", "total"} <= ram.keys()
    assert ram["total"] == ram["arena"] + ram["state"] + ram["static"] + ram["stack_peak"]
    assert ram["stack_bound"] >= ram["stack_peak"] > 0
    assert set(flash) == {"code", "weights", "total"}
    assert flash["total"] == flash["code"] + flash["weights"]
    for pair in (content["latency_ms"], content["energy_uj"]):
        zero_wait, modelled = pair
        assert 0 < zero_wait < modelled
    assert content["latency_ms"][0] == pytest.approx(content["cycles"] / 64e3, rel=1e-4)
    # The reshape computes nothing: there is no kernel of it.
    kinds = [op.op.lower() for op in mobile_chain().model.operators if op.op != "RESHAPE"]
    layers = content["layers"]
    assert [row["op"] for row in layers] == kinds
    for row in layers:
        assert {
            *("name", "op", "shape", "kernel", "variant", "instructions", "cycles", "macs"),
            "scratch_bytes",
        } <= row.keys()
        assert row["instructions"] > 0
        assert row["variant"]
        assert row["kernel"].startswith("midge_")
    inside = sum(row["instructions"] for row in layers)
    assert 0 < content["instructions"] - inside < 100, "the caller's own few"
    assert sum(row["cycles"] for row in layers) <= content["cycles"]
    assert sum(row["macs"] for row in layers) == content["macs"]
    assert np.array_equal(content["outputs"], np.load(tmp_path / "y.npy"))


def test_json_on_standard_output_stands_alone(midge: Command, models: Path, tmp_path: Path) -> None:
    run = ("run", models / "dense.tflite", "--json")
    shown = midge(*run, "-")
    assert shown.code == 0
    assert not shown.err
    content = json.loads(shown.out)
    assert content["samples"] == 1
    # Counts repeat exactly, and so does the choice of the random sample.
    assert midge(*run, "-").out == shown.out
    into_file = midge(*run, tmp_path / "run.json")
    assert (tmp_path / "run.json").read_text() == shown.out
    assert "RAM" in into_file.out


def test_outputs_have_the_form_of_the_inputs(
    midge: Command, models: Path, tmp_path: Path, images: Array
) -> None:
    graph = imported(mobile_chain(), "mobile_chain")
    rows = np.concatenate([expected(graph, x[None])[0] for x in images])
    for given, out, emulator in (
        (images, rows, QEMU),  # a batch
        (images[:, None], rows, "unicorn"),
        (images[0], rows[:1], "unicorn"),  # one sample
    ):
        np.save(tmp_path / "x.npy", given)
        shown = midge(
            *("run", models / "mobile_chain.tflite", "--emulator", emulator),
            *("--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy"),
        )
        assert shown.code == 0, shown
        written = np.load(tmp_path / "y.npy")
        assert written.dtype == np.int8
        assert np.array_equal(written, out)


def test_several_inputs_and_outputs_by_name(midge: Command, models: Path, tmp_path: Path) -> None:
    graph = imported(two_by_two(), "two_by_two")
    generator = np.random.default_rng(1)
    a = generator.integers(-128, 128, (3, 4, 4, 3)).astype(np.int8)
    b = generator.integers(-128, 128, (3, 1, 1, 3)).astype(np.int8)
    rows = [expected(graph, x[None], y[None]) for x, y in zip(a, b, strict=True)]
    run = ("run", models / "two_by_two.tflite", "--input", tmp_path / "x.npz")
    write = ("--output", tmp_path / "y.npz", "--json", "-")
    np.savez(tmp_path / "x.npz", input_0=a, input_1=b)
    shown = midge(*run, *write)
    assert shown.code == 0, shown
    content = json.loads(shown.out)
    with np.load(tmp_path / "y.npz") as written:
        assert sorted(written.files) == sorted(graph.outputs) == sorted(content["outputs"])
        for index, name in enumerate(graph.outputs):
            stacked = np.concatenate([row[index] for row in rows])
            assert np.array_equal(written[name], stacked)
            assert np.array_equal(content["outputs"][name], stacked)
    np.savez(tmp_path / "x.npz", input_0=a[1], input_1=b[1:2])
    assert midge(*run, *write).code == 0
    with np.load(tmp_path / "y.npz") as written:
        for index, name in enumerate(graph.outputs):
            assert np.array_equal(written[name], rows[1][index])


def test_single_input_by_name_gives_the_output_by_name(
    midge: Command, models: Path, tmp_path: Path
) -> None:
    graph = imported(dense(), "dense")
    x = np.arange(-4, 4, dtype=np.int8)[None]
    np.savez(tmp_path / "x.npz", input_0=x)
    files = ("--input", tmp_path / "x.npz", "--output", tmp_path / "y.npz")
    assert midge("run", models / "dense.tflite", *files).code == 0
    with np.load(tmp_path / "y.npz") as written:
        assert written.files == list(graph.outputs)
        assert np.array_equal(written[graph.outputs[0]], expected(graph, x)[0])


@needs_gcc
def test_gcc_and_zig_write_the_same_outputs(
    midge: Command, models: Path, tmp_path: Path, images: Array
) -> None:
    np.save(tmp_path / "x.npy", images)
    written = []
    for cc in ("zig", "gcc"):
        run = ("run", models / "mobile_chain.tflite", "--cc", cc, "--input", tmp_path / "x.npy")
        shown = midge(*run, "--output", tmp_path / f"{cc}.npy", "--json", "-")
        assert shown.code == 0, shown
        assert cc in json.loads(shown.out)["compiler"]
        written.append((tmp_path / f"{cc}.npy").read_bytes())
    assert written[0] == written[1]


def test_bare_core_has_no_clock_and_no_supply(midge: Command, models: Path) -> None:
    run = ("run", models / "dense.tflite", "--target", "cortex-m3", "--json", "-")
    content = json.loads(midge(*run).out)
    assert content["cycles"] > content["instructions"] > 0
    assert content["cycles_modelled"] == content["cycles"], "there is no flash to wait for"
    assert (content["latency_ms"], content["energy_uj"]) == (None, None)


@needs_qemu
def test_core_without_a_cycle_model_has_no_cycles(midge: Command, models: Path) -> None:
    run = ("run", models / "dense.tflite", "--target", "cortex-m55", "--json", "-")
    content = json.loads(midge(*run).out)
    assert content["emulator"] == "qemu"
    assert content["instructions"] > 0
    assert content["cycles"] is None
    assert all(row["cycles"] is None for row in content["layers"])
