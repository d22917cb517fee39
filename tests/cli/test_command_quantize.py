from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import midge as api
from midge.graph import DType, Graph, verify
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.cumsum import Cumsum
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.rectifiers import Relu
from midge.graph.ops.reductions import Mean
from midge.importers.graph_builder import GraphBuilder

Command = Callable[..., Any]
Refused = Callable[..., str]


def network(*, odd: bool = False) -> Graph:
    """conv -> relu -> mean -> fully connected in float32; where odd, running sums of it."""
    generator = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return generator.normal(0, 0.3, shape).astype(np.float32)

    builder = GraphBuilder()
    x = builder.input("image", (1, 6, 6, 2), DType.FLOAT32)
    y = builder.one("stem", Conv2D(), (x, builder.constant("w", weights(5, 3, 3, 2))))
    y = builder.one("relu", Relu(), (y,))
    y = builder.one("mean", Mean(axes=(1, 2), keep_dims=False), (y,))
    y = builder.one("head", FullyConnected(), (y, builder.constant("v", weights(3, 5))))
    if odd:
        y = builder.one("odd.sums", Cumsum(axis=1), (y,))
    return verify(builder.graph("small", [x], [y]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float model, samples and labels."""
    made = tmp_path_factory.mktemp("quantize")
    api.save(network(), made / "small.midge")
    samples = np.random.default_rng(1).normal(0, 1, (40, 6, 6, 2)).astype(np.float32)
    np.save(made / "x.npy", samples)
    np.save(made / "y.npy", np.arange(40) % 3)
    return made


def test_writes_a_network_of_integers_and_a_report(midge: Command, folder: Path) -> None:
    out, report = folder / "small_int8.midge", folder / "report.json"
    shown = midge(
        *("quantize", folder / "small.midge", "--calibrate", folder / "x.npy"),
        *("--labels", folder / "y.npy", "--target", "cortex-m0plus"),
        *("--out", out, "--json", report, "--html", folder / "report.html"),
    )
    assert shown.code == 0, shown.err
    graph = api.load(out)
    assert {t.dtype for t in graph.tensors.values()} <= {DType.INT8, DType.INT32}
    assert "equal in every bit" in shown.out
    assert f"wrote {out}" in shown.out
    content = json.loads(report.read_text())
    assert content["integer_vs_device"]["largest_error"] == 0
    assert set(content["accuracy"]) == {"float", "integer", "device"}
    assert content["accuracy"]["integer"] == content["accuracy"]["device"]
    assert "<svg" in (folder / "report.html").read_text()
    compiled = midge("compile", out, "--target", "nrf52840", "--out", folder / "c", "--ram", "4k")
    assert compiled.code == 0, compiled.err
    inspected = midge(
        *("inspect", out, "--evaluate", folder / "x.npy", "--labels", folder / "y.npy"),
        *("--reference", folder / "small.midge"),
    )
    assert inspected.code == 0, inspected.err
    assert "SNR" in inspected.out
    assert "head" in inspected.out


def test_inspect_without_the_float_network_says_so(midge: Command, folder: Path) -> None:
    out = folder / "plain.midge"
    common = ("quantize", folder / "small.midge", "--calibrate", folder / "x.npy", "--quick")
    assert midge(*common, "--out", out, "--weights", "int4").code == 0
    shown = midge("inspect", out, "--evaluate", folder / "x.npy")
    assert shown.code == 0, shown.err
    assert "no float network is given to compare with" in shown.out
    assert "SNR" not in shown.out


def test_int16_activations(midge: Command, folder: Path) -> None:
    out = folder / "wide.midge"
    shown = midge(
        *("quantize", folder / "small.midge", "--calibrate", folder / "x.npy", "--quick"),
        *("--activations", "int16", "--out", out),
    )
    assert shown.code == 0, shown.err
    graph = api.load(out)
    assert graph.tensors[graph.inputs[0]].dtype is DType.INT16


def test_what_has_no_integer_form_is_named(refused: Refused, folder: Path, midge: Command) -> None:
    api.save(network(odd=True), folder / "odd.midge")
    common = ("quantize", folder / "odd.midge", "--calibrate", folder / "x.npy", "--quick")
    out = ("--out", folder / "odd_int8.midge")
    said = refused(*common, *out, match="odd.sums")
    assert "off by the zero point" in said, "the reason"
    allowed = midge(*common, "--allow-float", *out)
    assert allowed.code == 0, allowed.err
    assert "in float32: odd.sums" in allowed.out
    refused(*common, "--keep-float", "nobody", *out, match="nobody")


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros((4, 5, 6, 2), np.float32), r"\[4, 5, 6, 2\].*6, 6, 2"),
        (np.full((4, 6, 6, 2), np.nan, np.float32), r"sample 0.*(NaN|not finite|nan)"),
        (
            np.zeros((0, 6, 6, 2), np.float32),
            r"\[0, 6, 6, 2\]; expected \[n, 6, 6, 2\], n at least 1",
        ),
        (np.zeros((4, 6, 6, 2), np.complex64), "complex64"),
    ],
)
def test_samples_that_do_not_fit(
    refused: Refused, folder: Path, samples: np.ndarray, said: str
) -> None:
    np.save(folder / "bad.npy", samples)
    refused(
        *("quantize", folder / "small.midge", "--calibrate", folder / "bad.npy"),
        *("--out", folder / "never.midge"),
        match=said,
    )
    assert not (folder / "never.midge").exists()


def test_other_refusals(refused: Refused, folder: Path) -> None:
    x = ("--calibrate", folder / "x.npy")
    refused("quantize", folder / "small.midge", *x, "--out", folder / "a.c", match=r"\.midge")
    refused("quantize", folder / "none.onnx", *x, "--out", folder / "a.midge", match="none.onnx")
    refused("quantize", folder / "x.npy", *x, "--out", folder / "a.midge", match="supported")
    np.save(folder / "few.npy", np.arange(7))
    labels = ("--labels", folder / "few.npy", "--out", folder / "a.midge")
    refused("quantize", folder / "small.midge", *x, *labels, match="7")
