"""Quantisation-aware training: what is trained computes as the integers do that it becomes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 - behind the check that it is there

from midge.compress.torch_ops import OPERATORS  # noqa: E402
from midge.driver.aware import quantization_aware  # noqa: E402
from midge.driver.quantize import quantize  # noqa: E402
from midge.errors import UserError  # noqa: E402
from midge.graph import DType, Quantization, verify  # noqa: E402
from midge.importers.torch_export import import_module  # noqa: E402
from support.torch_networks import NETWORKS, seeded  # noqa: E402

STEPS = 4


def _samples(name: str, count: int = 16) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(count, *NETWORKS[name].sample)


def _train(module: nn.Module, x: Tensor, steps: int = STEPS, rate: float = 2e-3) -> list[float]:
    """Towards classes at random: what counts is that weights and ranges move."""
    optimizer = torch.optim.AdamW(module.parameters(), rate)
    labels = torch.arange(len(x)) % 5
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _steps_apart(package: Any, module: nn.Module, x: Tensor) -> np.ndarray:
    """Outputs of the integers minus those of the module, in steps of the output's codes."""
    with torch.no_grad():
        expected = module(x).numpy()
    given = package.run(x).reshape(expected.shape)
    output = package.graph.tensors[package.graph.outputs[0]]
    return np.rint((given - expected) / output.scale)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_integers_compute_what_was_trained(name: str) -> None:
    module, _ = seeded(name)
    x = _samples(name)
    aware = quantization_aware(module, x)
    before = {n: p.detach().clone() for n, p in aware.module.named_parameters()}
    losses = _train(aware.module, x)
    assert losses[-1] < losses[0]
    moved = {n for n, p in aware.module.named_parameters() if not torch.equal(p, before[n])}
    assert moved == set(before)

    package = aware.convert("cortex-m4", explained=False)
    verify(package.graph)
    assert not any(t.dtype is DType.FLOAT32 for t in package.graph.tensors.values())
    device = package.report.integer_vs_device
    assert device is not None
    assert device.largest_error == 0
    apart = _steps_apart(package, aware.module, x)
    # Sums, functions and tables are rounded once more than in training.
    assert np.abs(apart).max() <= 3
    assert (np.abs(apart) <= 1).mean() > 0.9


def _small(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 8, 1),
        nn.ReLU6(),
        nn.Flatten(),
        nn.Linear(8 * 16, 5),
    ).eval()


def test_an_untrained_module_is_what_quantize_gives() -> None:
    module, x = _small(), torch.randn(20, 2, 4, 4, generator=torch.Generator().manual_seed(2))
    by_ptq = quantize(module, x, explained=False)
    aware = quantization_aware(module, x).convert(explained=False)
    assert np.array_equal(by_ptq.run(x), aware.run(x))


@pytest.mark.parametrize(
    "settings", [{"weights": "int4"}, {"activations": "int16"}, {"learn_ranges": False}], ids=str
)
def test_settings_hold_for_training_too(settings: dict[str, Any]) -> None:
    module, x = _small(), torch.randn(20, 2, 4, 4, generator=torch.Generator().manual_seed(3))
    aware = quantization_aware(module, x, **settings)
    scales = aware.module.scales().detach().clone()
    _train(aware.module, x, steps=6)
    assert torch.equal(aware.module.scales(), scales) == (settings == {"learn_ranges": False})
    package = aware.convert(explained=False)
    types = {t.dtype for t in package.graph.tensors.values() if t.is_constant}
    assert (DType.INT4 in types) == ("weights" in settings)
    outputs = package.graph.tensors[package.graph.outputs[0]]
    assert outputs.dtype is (DType.INT16 if "activations" in settings else DType.INT8)
    # A step of int16 is finer than float32's sums of other order are alike.
    most = 8 if "activations" in settings else 1
    assert np.abs(_steps_apart(package, aware.module, x)).max() <= most


def test_an_inputs_own_codes_are_not_trained() -> None:
    module, x = _small(), torch.randn(20, 2, 4, 4, generator=torch.Generator().manual_seed(3))
    (name,) = quantize(module, x, explained=False).graph.inputs
    aware = quantization_aware(module, x, input_codes={name: (1 / 32, -5)})
    before = aware.module.scales().detach().clone()
    _train(aware.module, x, steps=6)
    assert not torch.equal(aware.module.scales(), before)
    graph = aware.convert(explained=False).graph
    assert graph.tensors[name].quantization == Quantization.per_tensor(1 / 32, -5)


def test_training_gives_back_what_int4_costs() -> None:
    torch.manual_seed(4)
    teacher = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 5)).eval()
    x = torch.randn(256, 12)
    with torch.no_grad():
        wanted = teacher(x)
    aware = quantization_aware(teacher, x[:64], weights="int4")
    before = aware.convert(explained=False, evaluation=x).report.float_vs_integer
    optimizer = torch.optim.Adam(aware.module.parameters(), 5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 300)
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(aware.module(x), wanted).backward()
        optimizer.step()
        schedule.step()
    after = aware.convert(explained=False, evaluation=x).report.float_vs_integer
    assert before is not None
    assert after is not None
    assert after.snr_db is not None
    assert before.snr_db is not None
    assert after.snr_db > before.snr_db + 0.8


class _Many(nn.Module):
    """Operators that the six networks do not have."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1)
        self.act = nn.PReLU(4)
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.up(x))
        y = torch.cat([y, torch.sigmoid(y)], 1)
        y = nn.functional.avg_pool2d(nn.functional.hardswish(y), 3, 2, 1, count_include_pad=False)
        y = torch.maximum(y, nn.functional.silu(y).flip(2)).flatten(2).transpose(1, 2)
        steps, _ = self.lstm(y)
        return self.head(torch.tanh(steps).sum(1) * 0.5)


def test_other_operators_are_the_modules_own() -> None:
    torch.manual_seed(5)
    module, x = _Many().eval(), torch.randn(16, 3, 3, 3)
    aware = quantization_aware(module, x, bias_correction=False)
    aware.module.rounds = False
    with torch.no_grad():
        assert torch.allclose(aware.module(x), module(x), atol=1e-5)
    aware.module.rounds = True
    _train(aware.module, x)
    package = aware.convert(explained=False)
    apart = _steps_apart(package, aware.module, x)
    # The lstm's gates and cell have codes of their own.
    assert np.abs(apart).mean() <= 3


def test_what_training_cannot_pass_through_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OPERATORS, "softmax")
    monkeypatch.delitem(OPERATORS, "gelu")
    module = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 5), nn.Softmax(-1)).eval()
    with pytest.raises(UserError, match=r"2 operators have no form.*'1' \(gelu\), '3' \(softmax\)"):
        quantization_aware(module, torch.randn(16, 4))


def test_operators_without_integers_are_named_with_their_path() -> None:
    class Ratio(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cumsum(x, 1)

    module = nn.Sequential(nn.Linear(4, 6), Ratio(), nn.Linear(6, 5)).eval()
    with pytest.raises(UserError, match=r"'1.*\(cumsum\)"):
        quantization_aware(module, torch.randn(16, 4))


def test_a_copy_is_trained_alone() -> None:
    module, x = _small(), torch.randn(16, 2, 4, 4)
    trained = quantization_aware(module, x).module
    kept = copy.deepcopy(trained)
    with torch.no_grad():
        before = kept(x)
    _train(trained, x)
    with torch.no_grad():
        assert torch.equal(kept(x), before)
        kept.load_state_dict(trained.state_dict())
        assert torch.equal(kept(x), trained(x))


def test_a_stream_is_not_trained_on() -> None:
    module, x = seeded("gru_spotter")
    graph = import_module(module, x, streaming=True)
    with pytest.raises(UserError, match=r"gru' \(gru\) keep state from call to call"):
        quantization_aware(graph, _samples("gru_spotter"))


def test_wrong_calls_are_refused() -> None:
    module, x = _small(), torch.randn(16, 2, 4, 4)
    with pytest.raises(UserError, match=r"has no setting \['wieghts'\]"):
        quantization_aware(module, x, wieghts="int4")
    aware = quantization_aware(module, x)
    with pytest.raises(UserError, match=r"has shape \[16, 2, 4, 5\]; expected \[n, 2, 4, 4\]"):
        aware.module(torch.randn(16, 2, 4, 5))
    with pytest.raises(UserError, match="found 2 inputs; expected 1"):
        aware.module(x, x)
    with torch.no_grad():
        aware.module.log_scales.fill_(float("nan"))
    with pytest.raises(UserError, match="a scale that is no positive finite number"):
        aware.convert()
    with torch.no_grad():
        next(iter(aware.module.parameters())).fill_(float("inf"))
        aware.module.log_scales.fill_(0.0)
    with pytest.raises(UserError, match="training has left NaN or an infinity in"):
        aware.convert()
