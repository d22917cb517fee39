from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from float_networks import arrays, residual

import midge
from midge.driver.quantize import quantize
from midge.errors import UserError
from midge.graph import DType, format_graph


def test_a_package_is_saved_compiled_and_run(tmp_path: Path) -> None:
    graph = residual()
    x = arrays(graph, 20)["x"]
    labels = np.arange(20) % 4
    package = quantize(graph, x, labels=labels, target="cortex-m4", explained=False)
    device = package.report.integer_vs_device
    assert device is not None
    assert device.largest_error == 0
    assert set(package.report.accuracy or {}) == {"float", "integer", "device"}
    assert "equal in every bit" in package.text

    package.save(tmp_path / "residual.midge")
    kept = midge.load(tmp_path / "residual.midge")
    assert format_graph(kept) == format_graph(package.graph)

    answers = package.run(x)
    assert answers.shape == (20, 4)
    ran = package.compile().run(_codes(package.graph, x[:1]))
    tensor = package.graph.tensors["y"]
    reals = (ran.outputs.astype(np.float64) - tensor.zero_point) * tensor.scale
    assert np.array_equal(reals.reshape(-1), answers[0].reshape(-1))


def _codes(graph, x):  # type: ignore[no-untyped-def]
    tensor = graph.tensors["x"]
    steps = np.floor(np.abs(x / np.float32(tensor.scale)) + 0.5) * np.sign(x)
    return np.clip(steps + tensor.zero_point, -128, 127).astype(np.int8)


def test_a_float_file_is_quantised_by_its_path(tmp_path: Path) -> None:
    graph = residual()
    midge.driver.save(graph, tmp_path / "residual.midge")
    x = arrays(graph)["x"]
    by_path = quantize(tmp_path / "residual.midge", x, explained=False)
    assert format_graph(by_path.graph) == format_graph(quantize(graph, x, explained=False).graph)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"wieghts": "int4"}, r"quantize has no setting \['wieghts'\]; known: weights"),
        ({"weights": "int3"}, "weights 'int3' are none of"),
        ({"target": "cortex-m99"}, "cortex-m99"),
        ({"evaluation": np.zeros((2, 3))}, "evaluation samples: input 'x': has shape"),
    ],
)
def test_wrong_calls_are_refused(call: dict[str, object], message: str) -> None:
    graph = residual()
    with pytest.raises(UserError, match=message):
        quantize(graph, arrays(graph)["x"], explained=False, **call)  # type: ignore[arg-type]


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(UserError, match=r"a torch.nn.Module or an ExportedProgram; found dict"):
        quantize({}, np.zeros((2, 3)))


def test_compiling_for_nothing_is_refused() -> None:
    graph = residual()
    package = quantize(graph, arrays(graph)["x"], explained=False)
    with pytest.raises(UserError, match="no target is given"):
        package.compile()


def test_modules_and_programs_of_pytorch_give_the_same_network() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 5 * 5, 3),
    ).eval()
    x = torch.randn(20, 2, 5, 5)
    program = torch.export.export(module, (x[:1],))
    by_module = quantize(module, x, explained=False)
    by_program = quantize(program, x.numpy(), explained=False)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, torch.arange(20) % 3), 8)
    by_loader = quantize(module, loader, explained=False)
    assert by_module.graph.ops == by_loader.graph.ops
    assert [op.kind for op in by_module.graph.ops] == [op.kind for op in by_program.graph.ops]
    assert not any(t.dtype is DType.FLOAT32 for t in by_module.graph.tensors.values())
    with torch.no_grad():
        expected = module(x).numpy()
    answers = by_module.run(x).reshape(20, 3)
    noise = ((answers - expected) ** 2).sum() / (expected**2).sum()
    assert 10 * np.log10(noise) < -30
    assert by_loader.report.accuracy is not None


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
@pytest.mark.parametrize("activations", ["int8", "int16"])
def test_recurrent_layers_are_quantised_as_one_step(kind: str, activations: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)

    class Recurrent(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm = torch.nn.LayerNorm(6)
            self.layer = getattr(torch.nn, kind)(6, 8, batch_first=True)
            self.head = torch.nn.Linear(8, 4)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return self.head(self.layer(self.norm(x))[0][:, -1])

    module = Recurrent().eval()
    x = torch.randn(20, 7, 6)
    package = quantize(module, x, activations=activations, target="cortex-m4", explained=False)
    kinds = [op.kind for op in package.graph.ops]
    assert kinds.count(kind.lower()) == 1
    device = package.report.integer_vs_device
    assert device is not None
    assert device.largest_error == 0
    with torch.no_grad():
        expected = module(x).numpy()
    answers = package.run(x).reshape(expected.shape)
    noise = ((answers - expected) ** 2).sum() / (expected**2).sum()
    assert 10 * np.log10(noise) < {"int8": -32, "int16": -42}[activations]
