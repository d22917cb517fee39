"""From an ONNX or PyTorch file to a graph in the order of the device, and what it computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from midge.cli import main
from midge.driver import save
from midge.driver.main_path import load
from midge.errors import UserError
from midge.graph import DType, Graph, interpret

SHAPE = (1, 3, 6, 8)
RNG = np.random.default_rng(4)
KERNEL = RNG.normal(0, 0.3, (5, 3, 3, 3)).astype(np.float32)
DENSE = RNG.normal(0, 0.3, (4, 5)).astype(np.float32)
# Quotients of scales that are far from simple fractions: no sum lies half way between two codes.
SCALES = {"x": 0.0301, "c": 0.0207, "p": 0.0117, "y": 0.0153}


def onnx_model(*, quantised: bool) -> bytes:
    """A convolution, its rectifier, the mean of each channel, and classes."""
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, NDArray[Any]] = {}

    def rescaled(name: str) -> str:
        """The tensor, rounded to int8 and back where the model is quantised."""
        if not quantised:
            return name
        constants[f"{name}_s"] = np.array(SCALES[name], np.float32)
        constants[f"{name}_z"] = np.array(3, np.int8)
        ends = [f"{name}_s", f"{name}_z"]
        nodes.append(helper.make_node("QuantizeLinear", [name, *ends], [f"{name}_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", *ends], [f"{name}_d"]))
        return f"{name}_d"

    def weights(name: str, values: NDArray[np.float32]) -> str:
        if not quantised:
            constants[name] = values
            return name
        scale = np.abs(values).max() / np.float32(127)
        constants[f"{name}_q"] = np.rint(values / scale).astype(np.int8)
        constants[f"{name}_s"] = np.array(scale, np.float32)
        constants[f"{name}_z"] = np.array(0, np.int8)
        inputs = [f"{name}_q", f"{name}_s", f"{name}_z"]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [name]))
        return name

    conv = [rescaled("x"), weights("k", KERNEL)]
    nodes.append(helper.make_node("Conv", conv, ["s"], pads=[1, 1, 1, 1], strides=[2, 2]))
    nodes.append(helper.make_node("Relu", ["s"], ["c"]))
    nodes.append(helper.make_node("GlobalAveragePool", [rescaled("c")], ["p"]))
    nodes.append(helper.make_node("Flatten", [rescaled("p")], ["f"]))
    nodes.append(helper.make_node("Gemm", ["f", weights("d", DENSE)], ["y"], transB=1))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info(rescaled("y"), TensorProto.FLOAT, (1, 4))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def of_onnxruntime(model: bytes, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the file says: fused kernels saturate sums of int8 on machines without VNNI."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options)
    return np.asarray(session.run(None, {"x": x})[0])


def samples() -> NDArray[np.float32]:
    return np.random.default_rng(5).normal(0, 1, (20, *SHAPE)).astype(np.float32)


def fed(graph: Graph, x: NDArray[Any]) -> NDArray[Any]:
    """The output for an input in the source's order."""
    (name,) = graph.inputs
    values = interpret(graph, {name: np.ascontiguousarray(x.transpose(graph.layouts[name]))})
    return np.asarray(values[graph.outputs[0]])


def loaded(path: Path, content: bytes) -> Graph:
    """The graph of a file, which stays the same through a .midge file."""
    path.write_bytes(content)
    graph = load(path)
    assert graph.layouts == {graph.inputs[0]: (0, 2, 3, 1)}
    assert "transpose" not in {op.kind for op in graph.ops}
    kept = path.with_suffix(".midge")
    save(graph, kept)
    assert load(kept) == graph
    return graph


def test_an_onnx_model(tmp_path: Path) -> None:
    model = onnx_model(quantised=False)
    graph = loaded(tmp_path / "net.onnx", model)
    assert graph.name == "net"
    for x in samples():
        np.testing.assert_allclose(fed(graph, x), of_onnxruntime(model, x), atol=1e-6)


def test_a_quantised_onnx_model_becomes_integers(tmp_path: Path) -> None:
    model = onnx_model(quantised=True)
    graph = loaded(tmp_path / "net.onnx", model)
    assert all(t.dtype is not DType.FLOAT32 for t in graph.tensors.values())
    x_tensor, y_tensor = (graph.tensors[n] for n in (graph.inputs[0], graph.outputs[0]))
    for x in samples():
        codes = np.clip(np.rint(x / np.float32(x_tensor.scale)) + x_tensor.zero_point, -128, 127)
        real = np.rint(of_onnxruntime(model, x) / np.float32(y_tensor.scale))
        assert np.array_equal(fed(graph, codes.astype(np.int8)) - y_tensor.zero_point, real)


def test_a_torch_archive(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 5, 3, stride=2, padding=1),
        torch.nn.BatchNorm2d(5),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(5 * 3 * 4, 4),
    ).eval()
    torch.export.save(torch.export.export(net, (torch.zeros(SHAPE),)), tmp_path / "made.pt2")
    graph = loaded(tmp_path / "net.pt2", (tmp_path / "made.pt2").read_bytes())
    for x in samples():
        expected = net(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(fed(graph, x), expected, atol=1e-6)


def test_what_cannot_be_lowered_names_the_file(tmp_path: Path) -> None:
    model = onnx.load_from_string(onnx_model(quantised=True))
    between = helper.make_node("Mul", ["s", "s"], ["squared"])
    relu = next(n for n in model.graph.node if n.op_type == "Relu")
    relu.input[0] = "squared"
    model.graph.node.insert(list(model.graph.node).index(relu), between)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"^net\.onnx: net: ") as error:
        load(tmp_path / "net.onnx")
    assert "Conv_3 (conv_2d): its output Conv_3 is not quantised" in str(error.value)


def test_show_reads_every_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx_model(quantised=True))
    save(load(tmp_path / "net.onnx"), tmp_path / "net.midge")
    shown: list[str] = []
    run: Callable[[list[str]], int] = main
    for name in ("net.onnx", "net.midge"):
        assert run(["show", str(tmp_path / name)]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "int8 1×6×8×3" in shown[0]
    assert "in the source 1×3×6×8" in shown[0]
