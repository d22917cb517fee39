"""Networks as PyTorch's exporter writes them: imported, brought to the device's layout, equal."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from midge.graph import Graph, interpret, outputs_of
from midge.importers.onnx import import_onnx
from midge.passes.to_channels_last import to_channels_last

pytestmark = pytest.mark.filterwarnings("ignore")
"""The exporter warns of itself."""


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        hidden = 4 * inputs
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.Hardswish(),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.is_residual else y


class MobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1),
            nn.BatchNorm2d(8),
            nn.SiLU(),
            InvertedResidual(8, 8, 1),
            InvertedResidual(8, 16, 2),
            nn.AdaptiveAvgPool2d(1),
        )
        self.classifier = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1)).softmax(-1)


def signal_network() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(1, 8, 7, 2, 3),
        nn.BatchNorm1d(8),
        nn.LeakyReLU(),
        nn.MaxPool1d(3, 2, 1),
        nn.Conv1d(8, 16, 5, padding="same"),
        nn.GELU(),
        nn.AvgPool1d(2),
        nn.Flatten(),
        nn.Linear(128, 5),
    )


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 2, 2)
        self.last = nn.Conv2d(8, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first(x))
        wide = nn.functional.interpolate(
            nn.functional.max_pool2d(y, 2), scale_factor=2, mode="bilinear"
        )
        return self.last(torch.cat([wide, self.up(nn.functional.avg_pool2d(y, 2))], 1))


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.GRU] | type[nn.LSTM]) -> None:
        super().__init__()
        self.layers = kind(6, 8, 2, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x)[0][:, -1])


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 16)
        self.positions = nn.Parameter(torch.randn(1, 10, 16))
        layer = nn.TransformerEncoderLayer(
            16, 2, 32, batch_first=True, activation="gelu", norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.classifier = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.encoder(self.embedding(x) + self.positions).mean(1))


def exported(make: Callable[[], nn.Module], x: Tensor) -> tuple[Graph, np.ndarray]:
    """The module's graph, and what PyTorch says."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    module = make().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.uniform_(-0.3, 0.3)
            part.running_var.uniform_(0.5, 2)
    file = io.BytesIO()
    torch.onnx.export(module, (x,), file, dynamo=False, opset_version=17)
    return import_onnx(file.getvalue(), "net.onnx"), module(x).detach().numpy()


def answer(graph: Graph, x: Tensor) -> np.ndarray:
    (name,) = graph.inputs
    order = graph.layouts.get(name, tuple(range(x.ndim)))
    given = x.numpy().transpose(order).astype(graph.tensors[name].dtype.numpy)
    (found,) = outputs_of(graph, interpret(graph, {name: given})).items()
    order = graph.layouts.get(found[0], tuple(range(found[1].ndim)))
    return found[1].transpose(np.argsort(order))


@pytest.mark.parametrize(
    ("make", "shape"),
    [(MobileNet, (1, 1, 16, 16)), (signal_network, (1, 1, 64)), (Decoder, (1, 1, 12, 12))],
)
def test_convolutional_networks_lose_all_transposes(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    graph, expected = exported(make, x)
    np.testing.assert_allclose(answer(graph, x), expected, rtol=1e-5, atol=1e-6)
    lowered = to_channels_last(graph)
    np.testing.assert_allclose(answer(lowered, x), expected, rtol=1e-5, atol=1e-6)
    kinds = {op.kind for op in lowered.ops}
    assert "transpose" not in kinds
    assert "mul" not in kinds, "batch normalisation is part of the weights"


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_recurrent_networks(kind: type[nn.GRU] | type[nn.LSTM]) -> None:
    x = torch.randn(1, 7, 6, generator=torch.Generator().manual_seed(1))
    graph, expected = exported(lambda: Recurrent(kind), x)
    np.testing.assert_allclose(answer(graph, x), expected, rtol=1e-5, atol=1e-6)
    recurrent = [op for op in graph.ops if op.kind in ("gru", "lstm")]
    assert len(recurrent) == 4
    assert not any(op.kind == "assign_variable" for op in graph.ops)


def test_a_transformer() -> None:
    x = torch.randint(0, 20, (1, 10), generator=torch.Generator().manual_seed(1))
    graph, expected = exported(Transformer, x)
    np.testing.assert_allclose(answer(graph, x), expected, rtol=1e-5, atol=1e-6)
    kinds = [op.kind for op in graph.ops]
    assert kinds.count("gelu") == 2
    assert kinds.count("layer_norm") == 4
    assert "erf" not in kinds
