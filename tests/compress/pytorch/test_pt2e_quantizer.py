"""torchao's PT2E flow under the quantizer for it: what comes out lowers to integers alone."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")

from torch import Tensor, nn  # noqa: E402 - behind the check that it is there

from midge.errors import UnsupportedError  # noqa: E402
from midge.graph import DType, Graph, Rounding, verify  # noqa: E402
from midge.importers.torch_export import import_exported  # noqa: E402
from midge.passes.lower_qdq import lower_qdq  # noqa: E402
from midge.passes.to_channels_last import to_channels_last  # noqa: E402
from support.torch_networks import GruSpotter  # noqa: E402


class _Residual(nn.Module):
    """What feed-forward networks are made of, at the smallest size, over images and signals."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.signal = nn.Conv1d(8, 6, 3, stride=2, padding=1)
        self.signal_norm = nn.BatchNorm1d(6)
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(self.stem(x)))
        y = y + torch.nn.functional.hardswish(self.depthwise(y))
        y = torch.cat([y, torch.sigmoid(y)], 1)
        y = torch.nn.functional.max_pool2d(y, 2).flatten(2)
        y = torch.relu(self.signal_norm(self.signal(y)))
        return self.head(torch.nn.functional.max_pool1d(y, 2).flatten(1))


def _quietly(step: Any, *arguments: Any, **options: Any) -> Any:
    """torchao warns of its own future."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return step(*arguments, **options)


def _integers(converted: nn.Module, one: Tensor) -> Graph:
    program = _quietly(torch.export.export, converted, (one,))
    return lower_qdq(to_channels_last(import_exported(program)), Rounding.TFLITE_DOUBLE)


@pytest.fixture
def _few_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchao traces 24 patterns of each convolution, those that the network lacks included."""
    utils = _quietly(__import__, "torchao.quantization.pt2e.qat_utils", fromlist=["utils"])
    # Only to save time, so another version may do without.
    fold = getattr(utils, "_fold_conv_bn_qat_helper", None)
    if fold is None:
        return

    def fold_where_there_are(m: Any, convolution: Any, *rest: Any, **options: Any) -> Any:
        transposed = convolution in (nn.functional.conv_transpose1d, nn.functional.conv_transpose2d)
        return m if transposed else fold(m, convolution, *rest, **options)

    monkeypatch.setattr(utils, "_fold_conv_bn_qat_helper", fold_where_there_are)


def _trained(module: nn.Module, x: Tensor) -> nn.Module:
    pt2e = _quietly(__import__, "torchao.quantization.pt2e", fromlist=["pt2e"])
    flow = _quietly(__import__, "torchao.quantization.pt2e.quantize_pt2e", fromlist=["flow"])
    from midge.compress.torch_pt2e import MidgeQuantizer

    batch = ({0: torch.export.Dim.DYNAMIC},)
    program = _quietly(torch.export.export, module.train(), (x,), dynamic_shapes=batch)
    quantizer = MidgeQuantizer(training=True)
    prepared = _quietly(flow.prepare_qat_pt2e, program.module(), quantizer)
    optimizer = torch.optim.SGD(prepared.parameters(), 0.01)
    for _ in range(3):
        optimizer.zero_grad()
        prepared(x).square().mean().backward()
        optimizer.step()
    _quietly(pt2e.move_exported_model_to_eval, prepared)
    return _quietly(flow.convert_pt2e, prepared)


@pytest.mark.usefixtures("_few_patterns")
def test_what_pt2e_trains_becomes_integers() -> None:
    torch.manual_seed(0)
    x = torch.randn(16, 1, 4, 4)
    converted = _trained(_Residual(), x)
    graph = verify(_integers(converted, x[:1]))
    assert not any(t.dtype is DType.FLOAT32 for t in graph.tensors.values())

    from midge.compress.measure import answers_of
    from midge.compress.samples import take_samples

    with torch.no_grad():
        expected = converted(x).numpy()
    given = answers_of(graph, take_samples(graph, x)).main.reshape(expected.shape)
    steps = (given - expected) / graph.tensors[graph.outputs[0]].scale
    assert np.abs(steps).max() < 2.5


def test_what_has_no_annotation_is_named() -> None:
    from midge.compress.torch_pt2e import MidgeQuantizer

    program = _quietly(torch.export.export, GruSpotter().eval(), (torch.randn(1, 16, 10),))
    with pytest.raises(UnsupportedError, match=r"gru \(aten.gru.input\).*midge.quantization_aware"):
        MidgeQuantizer().annotate(program.module())
