"""Networks that ONNX Runtime quantised: Midge's integers against ONNX Runtime's own."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midge.driver import compile_graph
from midge.graph import Graph, Rounding, Tensor, interpret
from midge.importers.onnx import import_onnx
from midge.passes.lower_qdq import lower_qdq
from midge.passes.to_channels_last import to_channels_last
from support.onnxruntime_models import CASES, OnnxBuilder, Session, quantized_file, samples

EQUAL = {
    *("Conv", "Conv, pointwise", "Conv, strided", "Conv, dilated", "Conv, grouped"),
    *("Conv, depthwise", "Gemm", "MatMul", "MatMul of two inputs", "Mul", "GlobalAveragePool"),
    *("Sigmoid", "LeakyRelu", "Tanh", "HardSwish", "Relu", "Clip", "Div"),
    *("Concat", "MaxPool", "Resize, nearest", "Transpose", "Pad"),
}
"""Bit for bit; the others are off by at most one step."""
OPERATORS = {
    "QLinearConv",
    "QGemm",
    "QLinearMatMul",
    "QLinearMul",
    "QLinearGlobalAveragePool",
    "QLinearSigmoid",
    "QLinearLeakyRelu",
    "QLinearConcat",
    "QLinearAdd",
    "QLinearAveragePool",
    "QLinearSoftmax",
}
"""Integer operators of ONNX Runtime that the cases are meant to meet."""
DOCS = Path(__file__).parents[2] / "docs" / "oracles.md"


def lowered(file: Path) -> Graph:
    return lower_qdq(
        to_channels_last(import_onnx(file.read_bytes(), file.name, "net")), Rounding.HALF_EVEN
    )


def codes(x: Tensor, reals: Any) -> Any:
    """As QuantizeLinear rounds."""
    low, high = x.dtype.limits
    steps = np.rint(reals / np.float32(x.scale)) + x.zero_point
    return np.clip(steps, low, high).astype(x.dtype.numpy)


def turned(graph: Graph, name: str, array: Any) -> Any:
    """From the file's order of dimensions to the graph's."""
    return array.transpose(graph.layouts[name]) if name in graph.layouts else array


def inputs_of(graph: Graph, sample: dict[str, Any]) -> dict[str, Any]:
    return {n: codes(graph.tensors[n], turned(graph, n, sample[n])) for n in graph.inputs}


@cache
def differences(name: str, activations: str, folder: Path) -> tuple[int, int, int, list[str]]:
    """(elements, how many differ, by how many steps at most, ONNX Runtime's operators)."""
    file = quantized_file(name, activations, folder)
    graph, session = lowered(file), Session(file, optimised=True)
    (output,) = graph.outputs
    y = graph.tensors[output]
    elements = unequal = furthest = 0
    for sample in samples(CASES[name].inputs, 25, seed=7):
        found = interpret(graph, inputs_of(graph, sample))[output].astype(np.int64)
        # What comes out in float32 is a whole number of steps.
        expected = turned(graph, output, session.run(sample)) / np.float32(y.scale)
        off = np.abs(np.rint(expected).astype(np.int64) + y.zero_point - found)
        elements, unequal = elements + off.size, unequal + int((off > 0).sum())
        furthest = max(furthest, int(off.max()))
    return elements, unequal, furthest, session.kinds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnxruntime")


@pytest.mark.parametrize("activations", ["uint8", "int8"])
@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_equal_or_off_by_a_step(name: str, activations: str, folder: Path) -> None:
    elements, unequal, furthest, _ = differences(name, activations, folder)
    assert elements >= 100
    assert unequal == 0 if name in EQUAL else furthest <= 1


def test_onnx_runtime_ran_integer_operators(folder: Path) -> None:
    met = {kind for name in CASES for kind in differences(name, "uint8", folder)[3]}
    assert met >= OPERATORS


def test_the_documentation_names_the_same_operators() -> None:
    text = DOCS.read_text("utf-8")
    table = text.partition("<!-- onnxruntime:begin -->")[2].partition("<!-- onnxruntime:end -->")[0]
    rows = dict(
        re.findall(r"^\| ([A-Z][\w, ]*) \| (equal|within one step) \|", table, re.MULTILINE)
    )
    assert rows == {n: "equal" if n in EQUAL else "within one step" for n in CASES}


def network(b: OnnxBuilder) -> None:
    """Convolutions, a residual, a gate, pooling and a dense layer."""
    b.node("Conv", "x", b.weights("w1", 8, 3, 3, 3), b.weights("b1", 8), to="c1", pads=[1] * 4)
    b.node("Relu", "c1", to="r1")
    depthwise = {"pads": [1] * 4, "group": 8}
    b.node("Conv", "r1", b.weights("w2", 8, 1, 3, 3), b.weights("b2", 8), to="c2", **depthwise)
    b.node("Relu", "c2", to="r2")
    b.node("Conv", "r2", b.weights("w3", 8, 8, 1, 1), b.weights("b3", 8), to="c3")
    b.node("Add", "c3", "r1", to="sum")
    b.node("MaxPool", "sum", to="pooled", kernel_shape=[2, 2], strides=[2, 2])
    b.node("Sigmoid", "pooled", to="gate")
    b.node("Mul", "pooled", "gate", to="gated")
    b.node("GlobalAveragePool", "gated", to="means")
    b.node("Flatten", "means", to="flat")
    b.node("Gemm", "flat", b.weights("w4", 10, 8), b.weights("b4", 10), transB=1)


@pytest.mark.parametrize("activations", ["uint8", "int8"])
def test_a_network_gives_onnx_runtimes_integers(activations: str, tmp_path: Path) -> None:
    shapes = {"x": (1, 3, 8, 8)}
    file = quantized_file("network", activations, tmp_path, network, shapes)
    graph = lowered(file)
    assert "transpose" not in {op.kind for op in graph.ops}
    session = Session(file, optimised=True)
    y = graph.tensors["y"]
    off = []
    for sample in samples(shapes, 20, seed=3):
        found = interpret(graph, inputs_of(graph, sample))["y"].astype(np.int64) - y.zero_point
        expected = np.rint(session.run(sample) / np.float32(y.scale)).astype(np.int64)
        off.append(np.abs(found - expected))
    # The sum of the residual is the one layer that may differ, by a step.
    assert np.max(off) <= 1
    assert np.mean(np.asarray(off) == 0) >= 0.95
    sample = inputs_of(graph, samples(shapes, 1, seed=3)[0])
    result = compile_graph(graph, target="cortex-m0plus").run(sample["x"])
    expected = interpret(graph, sample)["y"]
    assert np.array_equal(np.asarray(result.outputs).reshape(expected.shape), expected)
