"""Which channels of a module depend on each other: what must be removed together.

Every element of every tensor carries the number of the channel that it belongs to, 0 for none.
Operators that move elements are run on these numbers; convolutions and the like begin new
channels; sums of two tensors make two channels one. What mixes channels in another way keeps them.

Source: Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023, for dependencies that
are found instead of declared.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from midge.errors import UserError
from midge.importers.torch_program import clean_path


def _names(*lines: str) -> frozenset[str]:
    return frozenset(name for line in lines for name in line.split())


_SAME = _names(
    "relu relu_ relu6 relu6_ hardtanh hardtanh_ leaky_relu leaky_relu_ elu elu_ gelu silu silu_",
    "mish sigmoid sigmoid_ tanh tanh_ hardsigmoid hardsigmoid_ hardswish hardswish_ softplus selu",
    "celu dropout dropout_ feature_dropout alpha_dropout abs neg exp sqrt rsqrt square erf clamp",
    "clamp_ clamp_min clamp_max pow log log1p reciprocal contiguous clone detach alias to",
)
"""Functions of one element."""
_PAIRS = _names("add add_ sub sub_ mul mul_ div div_ maximum minimum")
_MOVES = _names(
    "view reshape flatten unflatten permute transpose t squeeze unsqueeze select slice narrow cat",
    "concat stack chunk split split_with_sizes unbind expand repeat flip movedim swapaxes roll",
    "pixel_shuffle pixel_unshuffle",
)
_CONVOLUTIONS = _names("conv1d conv2d conv3d")
_POOLS = _names(
    "max_pool1d max_pool2d avg_pool1d avg_pool2d adaptive_avg_pool1d adaptive_avg_pool2d",
    "adaptive_max_pool1d adaptive_max_pool2d upsample_nearest1d upsample_nearest2d",
    "upsample_bilinear2d",
)
_REDUCTIONS = _names("mean sum amax amin")
GRU_GATES, LSTM_GATES = 3, 4


class Member(NamedTuple):
    """A slice of a parameter or buffer that goes when its channel goes.

    Attributes:
        name: Of the parameter, as in `state_dict`.
        dimension: Along which it is cut.
        position: Of the slice.
        makes: The slice makes the channel, or changes it; else it reads it.
    """

    name: str
    dimension: int
    position: int
    makes: bool


@dataclass(frozen=True)
class Channel:
    """What must be removed together to remove one channel.

    Attributes:
        members: Slices of parameters.
        kept_by: Why it cannot be removed; "" where it can.
    """

    members: tuple[Member, ...]
    kept_by: str


def find_channels(module: nn.Module, example: tuple[Any, ...]) -> list[Channel]:
    """All channels of a module.

    Args:
        module: In evaluation mode.
        example: What it is called with.

    Raises:
        UserError: `torch.export` cannot export the module.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(module, example)
        # PyTorch has no common class for what export may raise.
        except Exception as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), "")
            raise UserError(
                f"{type(module).__name__}: torch.export cannot export it: {reason[:300]}; try "
                "torch.export.export(module.eval(), example) alone"
            ) from None
    return _Walk(program).channels()


class _Walk:
    """Numbers of channels while they go through a program."""

    def __init__(self, program: Any) -> None:
        signature = program.graph_signature
        self._parameters: dict[str, str] = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
        }
        self._parents = [0]
        self._members: list[list[Member]] = [[]]
        self._kept: dict[int, str] = {}
        self._ids: dict[str, Any] = {}
        self._place = ""
        for node in program.graph.nodes:
            self._step(node)

    def channels(self) -> list[Channel]:
        """Numbers that have become one, with all their members."""
        members: dict[int, dict[Member, None]] = {}
        kept: dict[int, str] = {}
        for number in range(1, len(self._parents)):
            root = self._root(number)
            members.setdefault(root, {}).update(dict.fromkeys(self._members[number]))
            if number in self._kept:
                kept.setdefault(root, self._kept[number])
        return [Channel(tuple(m), kept.get(root, "")) for root, m in members.items()]

    def _new(self, count: int) -> Tensor:
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        self._members.extend([] for _ in range(count))
        return torch.arange(first, first + count)

    def _root(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number

    def _keep(self, ids: Any, reason: str) -> None:
        if isinstance(ids, Tensor):
            for number in torch.unique(ids).tolist():
                if number:
                    self._kept.setdefault(number, f"{self._place}: {reason}")

    def _add(self, ids: Tensor, name: str, dimension: int, makes: bool, offset: int = 0) -> None:
        for index, number in enumerate(ids.tolist()):
            if number:
                self._members[number].append(Member(name, dimension, index + offset, makes))

    def _step(self, node: Any) -> None:
        value = node.meta.get("val")
        if node.op == "output":
            self._place = "the outputs"
            for part in torch.utils._pytree.tree_leaves(node.args):
                self._keep(self._of(part), "users read them")
            return
        if node.op != "call_function":
            self._ids[node.name] = _none(value)
            return
        name = getattr(node.target, "__name__", str(node.target)).split(".")[0]
        stack = node.meta.get("nn_module_stack") or {}
        path = clean_path(str(list(stack.values())[-1][0])) if stack else ""
        self._place = f"{path or 'the module'} ({name})"
        handler = self._handler(name)
        found = handler(node) if handler is not None else None
        if found is None:
            for part in node.all_input_nodes:
                self._keep(self._ids.get(part.name), "channels are mixed")
            found = _none(value)
        self._ids[node.name] = found

    def _handler(self, name: str) -> Callable[[Any], Any] | None:
        for names, handler in (
            (_SAME, self._same),
            (_PAIRS, self._pair),
            (_MOVES, self._move),
            (_CONVOLUTIONS, self._convolution),
            (_POOLS, self._pool),
            (_REDUCTIONS, self._reduction),
        ):
            if name in names:
                return handler
        return {
            "linear": self._linear,
            "batch_norm": self._batch_norm,
            "prelu": self._prelu,
            "pad": self._pad,
            "constant_pad_nd": self._pad,
            "embedding": self._embedding,
            "softmax": self._row_function,
            "log_softmax": self._row_function,
            "gru": self._recurrent,
            "lstm": self._recurrent,
            "getitem": lambda node: self._ids[node.args[0].name][node.args[1]],
        }.get(name)

    def _of(self, argument: Any) -> Any:
        return self._ids.get(argument.name) if isinstance(argument, torch.fx.Node) else None

    def _parameter(self, node: Any, index: int) -> str:
        """The name of a parameter that stands as an argument; "" where it is left out."""
        argument = node.args[index] if index < len(node.args) else None
        return self._parameters.get(argument.name, "") if argument is not None else ""

    def _uniform(self, ids: Tensor, dimension: int) -> Tensor | None:
        """One number for each index along a dimension; None where that is not so."""
        rows = ids.movedim(dimension, 0).reshape(ids.shape[dimension], -1)
        return rows[:, 0] if bool((rows == rows[:, :1]).all()) else None

    def _same(self, node: Any) -> Any:
        return self._of(node.args[0])

    def _pair(self, node: Any) -> Any:
        value = node.meta["val"]
        total = torch.zeros(value.shape, dtype=torch.int64)
        for argument in node.args[:2]:
            ids = self._of(argument)
            if ids is None:
                continue
            total = self._joined(total, ids.broadcast_to(tuple(value.shape)))
        for argument in node.args[:2]:
            ids = self._of(argument)
            if isinstance(ids, Tensor) and not ids.any() and ids.numel() > 1:
                self._match(argument, ids, total)
        return total

    def _joined(self, a: Tensor, b: Tensor) -> Tensor:
        """Numbers of two tensors that are added element by element."""
        both = (a > 0) & (b > 0) & (a != b)
        pairs = torch.stack([a[both], b[both]], 1)
        for first, second in torch.unique(pairs, dim=0).tolist() if len(pairs) else []:
            one, other = self._root(first), self._root(second)
            self._parents[max(one, other)] = min(one, other)
        return torch.where(a > 0, a, b)

    def _match(self, argument: Any, ids: Tensor, total: Tensor) -> None:
        """An operand without channels has to shrink with the other: a parameter can."""
        for dimension, extent in enumerate(ids.shape):
            at = dimension + total.ndim - ids.ndim
            if extent == 1 or not total.any():
                continue
            column = self._uniform(total, at)
            if column is None:
                moved = total.movedim(at, 0).reshape(extent, -1)
                if not bool((moved == moved[:1]).all()):
                    self._keep(total, "an operand has no channels")
                continue
            name = self._parameters.get(argument.name, "")
            if name and len(torch.unique(column)) > 1:
                self._add(column, name, dimension, makes=True)
            elif len(torch.unique(column)) > 1:
                self._keep(total, "an operand has no channels")

    def _move(self, node: Any) -> Any:
        def numbers(argument: Any) -> Any:
            return self._ids[argument.name] if isinstance(argument, torch.fx.Node) else argument

        arguments = torch.fx.map_arg(node.args, numbers)
        keywords = torch.fx.map_arg(node.kwargs, numbers)
        if node.target is torch.ops.aten.view.default:
            # Numbers need not lie in memory as the reals do.
            return arguments[0].reshape(arguments[1])
        return node.target(*arguments, **keywords)

    def _convolution(self, node: Any) -> Any:
        x, weight, bias = self._of(node.args[0]), self._parameter(node, 1), self._parameter(node, 2)
        value = node.meta["val"]
        groups = node.args[6] if len(node.args) > 6 else 1
        channel_dimension = x.ndim - (node.args[1].meta["val"].ndim - 1)
        read = self._uniform(x, channel_dimension)
        if not weight or read is None:
            return None
        channels = value.shape[channel_dimension]
        if groups == 1:
            self._add(read, weight, 1, makes=False)
            made = self._new(channels)
        elif groups == len(read) == channels:
            made = read
        else:
            return None
        self._add(made, weight, 0, makes=True)
        if bias:
            self._add(made, bias, 0, makes=True)
        return _spread(made, value.shape, channel_dimension)

    def _linear(self, node: Any) -> Any:
        x, weight, bias = self._of(node.args[0]), self._parameter(node, 1), self._parameter(node, 2)
        read = self._uniform(x, x.ndim - 1)
        if not weight or read is None:
            return None
        self._add(read, weight, 1, makes=False)
        value = node.meta["val"]
        made = self._new(value.shape[-1])
        self._add(made, weight, 0, makes=True)
        if bias:
            self._add(made, bias, 0, makes=True)
        return _spread(made, value.shape, value.ndim - 1)

    def _batch_norm(self, node: Any) -> Any:
        x = self._of(node.args[0])
        column = self._uniform(x, 1)
        if column is None:
            return None
        for index in range(1, 5):
            name = self._parameter(node, index)
            if name:
                self._add(column, name, 0, makes=True)
        return x

    def _prelu(self, node: Any) -> Any:
        x, name = self._of(node.args[0]), self._parameter(node, 1)
        column = self._uniform(x, 1) if x.ndim > 1 else None
        if column is None or not name:
            return None
        if node.args[1].meta["val"].numel() > 1:
            self._add(column, name, 0, makes=True)
        return x

    def _pad(self, node: Any) -> Any:
        """What is outside is no channel's, and is read with it where it stands beside it."""
        x, shape = self._of(node.args[0]), tuple(node.meta["val"].shape)
        changed = [d for d in range(x.ndim) if x.shape[d] != shape[d]]
        if not changed:
            return x
        low, high = x.amin(changed, keepdim=True), x.amax(changed, keepdim=True)
        return low.broadcast_to(shape).contiguous() if bool((low == high).all()) else None

    def _pool(self, node: Any) -> Any:
        x, value = self._of(node.args[0]), node.meta["val"]
        if not isinstance(value, Tensor):
            return None
        spatial = 1 if "1d" in str(node.target) else 2
        column = self._uniform(x, x.ndim - spatial - 1)
        return None if column is None else _spread(column, value.shape, x.ndim - spatial - 1)

    def _reduction(self, node: Any) -> Any:
        x, value = self._of(node.args[0]), node.meta["val"]
        if len(node.args) < 2:
            return None
        dims = node.args[1] if isinstance(node.args[1], list | tuple) else [node.args[1]]
        if not dims:
            return None
        low, high = x.amin(tuple(dims)), x.amax(tuple(dims))
        return low.reshape(value.shape) if bool((low == high).all()) else None

    def _row_function(self, node: Any) -> Any:
        x = self._of(node.args[0])
        dimension = node.args[1]
        same = (x.amin(dimension) == x.amax(dimension)).all()
        return x if bool(same) else None

    def _embedding(self, node: Any) -> Any:
        name, value = self._parameter(node, 0), node.meta["val"]
        if not name:
            return None
        made = self._new(value.shape[-1])
        self._add(made, name, 1, makes=True)
        return _spread(made, value.shape, value.ndim - 1)

    def _recurrent(self, node: Any) -> Any:
        """A GRU or LSTM of one layer; the units of several have to stay as many."""
        is_gru = str(node.target).startswith("aten.gru")
        if not str(node.target).endswith(".input"):
            return None
        x, parameters, layers, both = (node.args[i] for i in (0, 2, 4, 7))
        names = [self._parameters.get(p.name, "") for p in parameters]
        states = node.args[1] if isinstance(node.args[1], list | tuple) else [node.args[1]]
        if layers != 1 or both or not all(names) or any(self._of(s).any() for s in states):
            return None
        ids = self._of(x)
        read = self._uniform(ids, ids.ndim - 1)
        if read is None:
            return None
        self._add(read, names[0], 1, makes=False)
        values = node.meta["val"]
        units = values[0].shape[-1]
        made = self._new(units)
        for gate in range(GRU_GATES if is_gru else LSTM_GATES):
            for name in names:
                self._add(made, name, 0, makes=True, offset=gate * units)
        self._add(made, names[1], 1, makes=False)
        return tuple(_spread(made, v.shape, v.ndim - 1) for v in values)


def _spread(channels: Tensor, shape: Sequence[int], dimension: int) -> Tensor:
    """Numbers along one dimension of a tensor."""
    extents = [1] * len(shape)
    extents[dimension] = -1
    return channels.reshape(extents).broadcast_to(tuple(shape)).contiguous()


def _none(value: Any) -> Any:
    """No channel anywhere."""
    if isinstance(value, Tensor):
        return torch.zeros(tuple(value.shape), dtype=torch.int64)
    if isinstance(value, list | tuple):
        return tuple(_none(v) for v in value)
    return None
