"""Structured pruning: what is left computes as the whole does with the other channels at zero."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402 - behind the check that it is there

from midge.compress.torch_prune import PrunePlan, plan_pruning, prune  # noqa: E402
from midge.errors import UserError  # noqa: E402
from midge.importers.torch_export import import_module  # noqa: E402
from support.torch_networks import NETWORKS, seeded  # noqa: E402


def _masked(module: nn.Module, plan: PrunePlan) -> nn.Module:
    """The whole module, in which nobody reads the removed channels."""
    masked = copy.deepcopy(module)
    state = masked.state_dict(keep_vars=True)
    with torch.no_grad():
        for channel in plan.removed:
            for member in channel.members:
                if not member.makes:
                    state[member.name].select(member.dimension, member.position).zero_()
    return masked


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("name", list(NETWORKS))
def test_half_of_the_channels_go_and_the_rest_computes_the_same(name: str) -> None:
    module, x = seeded(name)
    pruned = prune(module, x, fraction=0.5)
    inputs = torch.randn(8, *NETWORKS[name].sample)
    plan = plan_pruning(module, (inputs,), fraction=0.5)
    with torch.no_grad():
        expected = _masked(module, plan)(inputs)
        assert torch.allclose(pruned(inputs), expected, atol=2e-5)
        assert not torch.allclose(module(inputs), expected, atol=1e-3)
    # Every group loses half; of attention heads and rows that are normalised all stay.
    assert len(plan.removed) == sum(g.count // 2 for g in plan.groups if len(g.channels) == g.count)
    least = 0.85 if name == "tiny_transformer" else 0.5
    assert _count(pruned) < least * _count(module)
    assert import_module(pruned, x).macs() < least * import_module(module, x).macs()
    # What a user goes on with: a training step.
    pruned.train()
    pruned(inputs).sum().backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in pruned.parameters())


def test_the_original_is_left_as_it_is() -> None:
    module, x = seeded("resnet8")
    module.train()
    before = {n: t.clone() for n, t in module.state_dict().items()}
    pruned = prune(module, x, fraction=0.25)
    assert pruned.training
    after = module.state_dict()
    assert all(torch.equal(before[n], after[n]) for n in before)


def test_pruning_twice_goes_on_from_the_first() -> None:
    module, x = seeded("ds_cnn")
    once = prune(module, x, fraction=0.25)
    twice = prune(once, x, fraction=0.5)
    assert once.classifier.in_features == 12
    assert twice.classifier.in_features == 6


class _Branches(nn.Module):
    """Concatenation, a gate on channels, groups of layers on one sum, and a vector of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(2, 6, 3, padding=1)
        self.right = nn.Conv2d(2, 10, 1)
        self.gate = nn.Conv2d(16, 16, 1)
        self.norm = nn.BatchNorm2d(16)
        self.scale = nn.Parameter(torch.rand(16, 1, 1) + 0.5)
        self.head = nn.Linear(16 * 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat([self.left(x), self.right(x)], 1)
        y = self.norm(y) * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True))) * self.scale
        return self.head(nn.functional.max_pool2d(torch.relu(y), 2).flatten(1))


def test_dependencies_go_through_concatenation_gates_and_flatten() -> None:
    torch.manual_seed(0)
    module, x = _Branches().eval(), torch.randn(3, 2, 4, 4)
    plan = plan_pruning(module, (x,), fraction=0.5)
    pruned = prune(module, x, fraction=0.5)
    assert pruned.left.out_channels + pruned.right.out_channels == 8
    assert pruned.norm.num_features == 8
    assert (pruned.gate.in_channels, pruned.gate.out_channels) == (8, 8)
    assert pruned.scale.shape == (8, 1, 1)
    assert pruned.head.in_features == 8 * 4
    with torch.no_grad():
        assert torch.allclose(pruned(x), _masked(module, plan)(x), atol=1e-5)


def test_a_layer_keeps_as_many_channels_as_it_is_told() -> None:
    module, x = seeded("mobilenet_v2")
    block = "features.1.conv.0"
    pruned = prune(module, x, channels={block: 4})
    assert dict(pruned.named_modules())[block].out_channels == 4
    fours = prune(module, x, fraction=0.4, multiple_of=4)
    convs = [m for m in fours.modules() if isinstance(m, nn.Conv2d)]
    assert all(c.out_channels % 4 == 0 for c in convs)
    assert _count(fours) < _count(module)


@pytest.mark.parametrize("importance", ["l1", "l2"])
def test_the_smallest_channels_go_first(importance: str) -> None:
    torch.manual_seed(1)
    module = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 4, 3)
    ).eval()
    small, quiet = (1, 6), (3, 4)
    with torch.no_grad():
        module[0].weight[list(small)] *= 1e-2
        module[1].weight[list(quiet)] *= 1e-2
    plan = plan_pruning(module, (torch.randn(1, 1, 4, 4),), fraction=0.5, importance=importance)
    assert plan.cuts["0.weight", 0] == (1, 3, 4, 6)


def test_a_module_that_cannot_be_pruned_says_why() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 6)
            self.norm = nn.LayerNorm(6)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.inner(x))

    with pytest.raises(UserError, match=r"none of its channels .* norm \(layer_norm\): channels"):
        prune(Mixed(), torch.randn(2, 4), fraction=0.5)


def test_numbers_written_into_forward_are_told() -> None:
    class Written(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 8, 3)
            self.head = nn.Linear(8 * 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.conv(x).view(-1, 8 * 4))

    with pytest.raises(UserError, match="does not run with fewer channels"):
        prune(Written(), torch.randn(1, 1, 4, 4), fraction=0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give fraction"),
        ({"fraction": 1.0}, "fraction is 1.0; expected from 0 to under 1"),
        ({"fraction": 0.5, "importance": "luck"}, "importance 'luck' is none of"),
        ({"fraction": 0.5, "multiple_of": 0}, "multiple_of is 0"),
        ({"channels": {"nowhere": 4}}, "'nowhere' cannot be pruned; these can: .*stem.0"),
        ({"channels": {"stem.0": 99}}, "to keep 99 channels; expected from 1 to 16"),
    ],
)
def test_wrong_calls_are_refused(arguments: dict[str, object], message: str) -> None:
    module, x = seeded("ds_cnn")
    with pytest.raises(UserError, match=message):
        prune(module, x, **arguments)


def test_a_module_that_cannot_be_exported_is_refused() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(UserError, match=r"Branching: torch.export cannot export it"):
        prune(Branching(), torch.randn(2, 4), fraction=0.5)
