"""prune: a copy of a module with fewer channels, physically smaller, to be trained on."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from midge.compress.torch_channels import Channel, Member, find_channels
from midge.errors import UserError

IMPORTANCES = ("l1", "l2")
_MOST_REASONS = 5
_Key = tuple[str, int]
"""A parameter and one of its dimensions."""


@dataclass(frozen=True)
class Group:
    """Layers that make the same channels: as many go from each.

    Attributes:
        layers: Paths of the modules, in order.
        channels: What may be removed, in order.
        count: Of all its channels, those that are kept in any case included.
    """

    layers: tuple[str, ...]
    channels: tuple[Channel, ...]
    count: int


@dataclass(frozen=True)
class PrunePlan:
    """What is to be removed.

    Attributes:
        removed: Channels.
        cuts: By parameter's or buffer's name and dimension, the indices that go, ascending.
        groups: All groups of layers that can be pruned.
    """

    removed: tuple[Channel, ...]
    cuts: Mapping[_Key, tuple[int, ...]]
    groups: tuple[Group, ...]


def prune(
    module: nn.Module,
    example_inputs: tuple[Any, ...] | Tensor,
    *,
    fraction: float | None = None,
    channels: Mapping[str, int] | None = None,
    importance: str = "l1",
    multiple_of: int = 1,
) -> nn.Module:
    """Remove the channels that matter least, through everything that depends on them.

    Convolutions, depthwise ones, batch normalisation, linear, recurrent layers of one layer,
    embeddings and parameters of one's own become smaller; sums of two layers lose the same channels
    on both sides. What follows computes as if the removed channels were zero. Train the result on;
    prune in several steps for the best accuracy.

    Args:
        module: Any module that `torch.export.export` takes.
        example_inputs: One batch, as `torch.export.export` takes it.
        fraction: Of the channels of every group of layers that can be pruned, from 0 to under 1.
        channels: How many a layer keeps, by its path; layers that depend on it lose the same ones.
            Given instead of `fraction`, all others stay; beside it, these are exempt from it.
        importance: ``l1`` or ``l2``: the mean magnitude, or root mean square, of the weights that
            make a channel, times what batch normalisation multiplies it by.
        multiple_of: What the number of channels that stay is rounded up to a multiple of; 4 suits
            processors that multiply four bytes at once.

    Returns:
        A copy with smaller parameters, in the mode of the original, which is left as it is.

    Raises:
        UserError: an argument is at fault, or no channel can be removed; the message says what
            keeps them.
    """
    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs)
    plan = plan_pruning(
        module,
        inputs,
        fraction=fraction,
        channels=channels,
        importance=importance,
        multiple_of=multiple_of,
    )
    pruned = copy.deepcopy(module)
    _cut(pruned, plan.cuts)
    _expect_sound(module, pruned, inputs)
    return pruned


def plan_pruning(
    module: nn.Module,
    example_inputs: tuple[Any, ...],
    *,
    fraction: float | None = None,
    channels: Mapping[str, int] | None = None,
    importance: str = "l1",
    multiple_of: int = 1,
) -> PrunePlan:
    """What `prune` would remove; arguments and errors are its own."""
    title = type(module).__name__
    if fraction is None and not channels:
        raise UserError(f"{title}: give fraction, such as 0.5, or channels={{'path': number}}")
    if fraction is not None and not 0 <= fraction < 1:
        raise UserError(f"{title}: fraction is {fraction!r}; expected from 0 to under 1")
    if importance not in IMPORTANCES:
        raise UserError(f"importance {importance!r} is none of: {', '.join(IMPORTANCES)}")
    if multiple_of < 1:
        raise UserError(f"multiple_of is {multiple_of!r}; expected at least 1")
    resting = copy.deepcopy(module).eval()
    found = find_channels(resting, example_inputs)
    groups = _groups(resting, found)
    if not groups:
        reasons = Counter(c.kept_by for c in found if c.kept_by)
        told = "; ".join(f"{r} ({n} channels)" for r, n in reasons.most_common(_MOST_REASONS))
        raise UserError(
            f"{title}: none of its channels can be removed: {told or 'it has no weights'}"
        )
    wanted = _wanted(title, groups, channels or {})
    removed: list[Channel] = []
    state = resting.state_dict()
    for number, group in enumerate(groups):
        if number in wanted:
            keep = wanted[number]
        else:
            keep = group.count - int((fraction or 0) * group.count)
            keep = min(group.count, -(-keep // multiple_of) * multiple_of)
        removed += _least(group, group.count - keep, state, importance)
    cuts: dict[_Key, set[int]] = {}
    for channel in removed:
        for member in channel.members:
            cuts.setdefault((member.name, member.dimension), set()).add(member.position)
    return PrunePlan(
        tuple(removed), {key: tuple(sorted(at)) for key, at in cuts.items()}, tuple(groups)
    )


def _groups(module: nn.Module, channels: Sequence[Channel]) -> list[Group]:
    """Channels that the same slices of parameters make, together."""
    parents = list(range(len(channels)))

    def root(number: int) -> int:
        while parents[number] != number:
            number = parents[number]
        return number

    first: dict[_Key, int] = {}
    for number, channel in enumerate(channels):
        for member in channel.members:
            if member.makes:
                key = member.name, member.dimension
                parents[root(number)] = root(first.setdefault(key, number))
    together: dict[int, list[Channel]] = {}
    for number, channel in enumerate(channels):
        if channel.members:
            together.setdefault(root(number), []).append(channel)
    groups = []
    for members in together.values():
        free = tuple(c for c in members if not c.kept_by and any(m.makes for m in c.members))
        if free:
            names = dict.fromkeys(m.name for c in members for m in c.members if m.makes)
            layers = tuple(dict.fromkeys(n.rpartition(".")[0] for n in names))
            groups.append(Group(layers, free, len(members)))
    order = {name: i for i, (name, _) in enumerate(module.named_modules())}
    return sorted(groups, key=lambda g: min(order.get(layer, 0) for layer in g.layers))


def _wanted(title: str, groups: Sequence[Group], channels: Mapping[str, int]) -> dict[int, int]:
    """How many channels the groups of named layers keep."""
    found: dict[int, int] = {}
    for path, keep in channels.items():
        number = next((i for i, g in enumerate(groups) if path in g.layers), None)
        if number is None:
            layers = [layer for g in groups for layer in g.layers]
            raise UserError(f"{title}: {path!r} cannot be pruned; these can: {layers}")
        group = groups[number]
        least = group.count - len(group.channels)
        if not max(1, least) <= keep <= group.count:
            raise UserError(
                f"{title}: {path!r} is to keep {keep!r} channels; expected from {max(1, least)} to "
                f"{group.count}"
            )
        if found.get(number, keep) != keep:
            raise UserError(
                f"{title}: {path!r} depends on another layer of channels, which is to keep "
                f"{found[number]}, not {keep}"
            )
        found[number] = keep
    return found


def _least(group: Group, count: int, state: Mapping[str, Tensor], importance: str) -> list[Channel]:
    """The channels of a group that matter least; no layer loses its last one."""
    scores = _scores(group, state, importance)
    ranked = sorted(range(len(group.channels)), key=lambda i: scores[i])
    left: Counter[_Key] = Counter()
    for channel in group.channels:
        left.update(_makers(channel))
    whole = {k: state[k[0]].shape[k[1]] for k in left}
    chosen: list[Channel] = []
    gone: Counter[_Key] = Counter()
    for index in ranked:
        channel = group.channels[index]
        if len(chosen) == count:
            break
        makers = Counter(_makers(channel))
        if all(gone[k] + n < whole[k] for k, n in makers.items()):
            gone += makers
            chosen.append(channel)
    return chosen


def _makers(channel: Channel) -> list[_Key]:
    return [(m.name, m.dimension) for m in channel.members if m.makes]


def _scores(group: Group, state: Mapping[str, Tensor], importance: str) -> list[float]:
    """How much each channel matters, layers weighing the same."""
    weights: dict[_Key, Tensor] = {}
    for channel in group.channels:
        for member in channel.members:
            tensor = state[member.name]
            key = member.name, member.dimension
            if member.makes and key not in weights and tensor.is_floating_point():
                weights[key] = _magnitudes(tensor, member, state, importance)
    scores = []
    for channel in group.channels:
        found: dict[str, list[float]] = {"weights": [], "factors": []}
        for member in channel.members:
            if not member.makes or (member.name, member.dimension) not in weights:
                continue
            kind = "weights" if state[member.name].ndim > 1 else "factors"
            if kind == "weights" or _is_factor(member.name, state):
                value = weights[member.name, member.dimension][member.position]
                found[kind].append(float(value))
        score = 1.0
        for values in found.values():
            score *= sum(values) / len(values) if values else 1.0
        scores.append(score)
    return scores


def _is_factor(name: str, state: Mapping[str, Tensor]) -> bool:
    """The weight of a batch normalisation."""
    place, _, last = name.rpartition(".")
    return last == "weight" and f"{place}.running_var" in state


def _magnitudes(
    tensor: Tensor, member: Member, state: Mapping[str, Tensor], importance: str
) -> Tensor:
    """Of each slice of a parameter, relative to their mean."""
    rows = tensor.detach().abs().double().movedim(member.dimension, 0)
    rows = rows.reshape(rows.shape[0], -1)
    sizes = rows.mean(1) if importance == "l1" else rows.square().mean(1).sqrt()
    if _is_factor(member.name, state):
        variance = state[f"{member.name.rpartition('.')[0]}.running_var"].double()
        sizes = sizes / (variance + 1e-5).sqrt()
    mean = sizes.mean()
    return sizes / mean if mean > 0 else sizes


def _cut(module: nn.Module, cuts: Mapping[_Key, tuple[int, ...]]) -> None:
    """Remove slices of parameters and buffers, and tell the modules that hold them."""
    by_name: dict[str, dict[int, tuple[int, ...]]] = {}
    for (name, dimension), indices in cuts.items():
        by_name.setdefault(name, {})[dimension] = indices
    tensors = dict(module.state_dict(keep_vars=True))
    replaced: dict[int, Tensor] = {}
    for name, by_dimension in by_name.items():
        old = tensors[name]
        value = old.detach()
        for dimension, indices in by_dimension.items():
            stays = sorted(set(range(value.shape[dimension])) - set(indices))
            value = value.index_select(dimension, torch.tensor(stays, device=value.device))
        value = value.clone()
        made = nn.Parameter(value, old.requires_grad) if isinstance(old, nn.Parameter) else value
        replaced[id(old)] = made
    for part in module.modules():
        # A parameter may stand under several names.
        for held in (part._parameters, part._buffers):
            for name, tensor in held.items():
                if tensor is not None and id(tensor) in replaced:
                    held[name] = replaced[id(tensor)]
        _retell(part)


def _retell(part: nn.Module) -> None:
    """Attributes of a layer that repeat the shape of its weights."""
    weight = getattr(part, "weight", None)
    if isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        part.out_channels = part.weight.shape[0]
        if part.groups > 1:
            part.groups = part.in_channels = part.out_channels
        else:
            part.in_channels = part.weight.shape[1]
    elif isinstance(part, nn.Linear):
        part.out_features, part.in_features = part.weight.shape
    elif isinstance(part, nn.modules.batchnorm._BatchNorm):
        held = part.running_mean if weight is None else weight
        if held is not None:
            part.num_features = held.shape[0]
    elif isinstance(part, nn.Embedding):
        part.embedding_dim = part.weight.shape[1]
    elif isinstance(part, nn.PReLU):
        part.num_parameters = part.weight.shape[0]
    elif isinstance(part, nn.GRU | nn.LSTM):
        first = part.weight_ih_l0
        part.input_size, part.hidden_size = first.shape[1], part.weight_hh_l0.shape[1]
        part._flat_weights = [getattr(part, n) for n in part._flat_weights_names]


def _expect_sound(module: nn.Module, pruned: nn.Module, inputs: tuple[Any, ...]) -> None:
    """The smaller module runs and gives outputs of the same shapes."""
    title = type(module).__name__
    modes = [(part, part.training) for part in pruned.modules()]
    whole = copy.deepcopy(module).eval()
    pruned.eval()
    try:
        with torch.no_grad():
            given = torch.utils._pytree.tree_leaves(pruned(*inputs))
            expected = torch.utils._pytree.tree_leaves(whole(*inputs))
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        raise UserError(
            f"{title}: does not run with fewer channels: {str(error).splitlines()[0][:300]}; "
            "numbers of channels must not be written into its forward: flatten(1) instead of "
            "view(n, 64), for example"
        ) from None
    finally:
        for part, mode in modes:
            part.training = mode
    if [getattr(t, "shape", None) for t in given] != [getattr(t, "shape", None) for t in expected]:
        raise UserError(f"{title}: gives outputs of other shapes with fewer channels")
