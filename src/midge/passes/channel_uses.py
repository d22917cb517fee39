"""Which channels of each tensor have to be computed, and how operators tie channels together.

Channels are the last dimension. A weighted layer mixes them: it needs of its input what can change
its sums. Most other operators take each channel for itself: what is left out behind them is left
out in front of them, and the other way round. All that remain need every channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from midge.graph import Attributes, Graph, Op, Tensor
from midge.graph.accumulate import weights_zero
from midge.graph.elementwise import Arithmetic
from midge.graph.elementwise_unary import Unary
from midge.graph.operands import tensor
from midge.graph.ops.add_n import AddN
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.lookup import Lookup
from midge.graph.ops.pad import MirrorPad, Pad
from midge.graph.ops.pool_2d import Pool2D
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.reductions import Reduction
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.resize_bilinear import ResizeBilinear
from midge.graph.ops.resize_nearest import ResizeNearest
from midge.graph.ops.slice import Slice
from midge.graph.ops.split import Split
from midge.graph.ops.transpose import Transpose
from midge.graph.requantize import Int64Array
from midge.passes.channel_ranges import Range, channels_of
from midge.passes.channel_weights import ChannelWeights, Flags, Inside, Weighted, channel_weights

Kept = Mapping[str, Flags]
"""Which channels of each computed tensor are kept, bool [channels] each."""


@dataclass(frozen=True, eq=False)
class Ties:
    """How an operator that takes each channel for itself ties the channels of its tensors.

    Channels with the same label stay or go together.

    Attributes:
        inputs: int64 [channels] for each input; None for one that is read whole.
        outputs: int64 [channels] for each output.
    """

    inputs: tuple[Int64Array | None, ...]
    outputs: tuple[Int64Array, ...]


def mixing_weights(op: Op, inputs: Sequence[Tensor | None]) -> ChannelWeights | None:
    """The weights of an integer layer in which every input channel may reach every output."""
    weights = channel_weights(op.attributes, inputs)
    return weights if weights is not None and weights.groups == 1 else None


def ties_of(op: Op, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> Ties | None:
    """How an operator ties channels; None for one that mixes them, or needs all."""
    attributes, ties = op.attributes, None
    if not inputs or not outputs or attributes.updates():
        return None
    if isinstance(attributes, Weighted):
        ties = _grouped(channel_weights(attributes, inputs))
    elif isinstance(attributes, Arithmetic | Minimum | Maximum | Prelu | AddN):
        ties = _broadcast(inputs, outputs[0])
    elif isinstance(attributes, Concatenation):
        ties = _concatenated(attributes, inputs, outputs[0])
    elif isinstance(attributes, Reshape):
        ties = _reshaped(tensor(inputs[0]), outputs[0])
    elif _keeps_channels(attributes, tensor(inputs[0])):
        labels = np.arange(channels_of(tensor(inputs[0])))
        ties = Ties((labels, *[None] * (len(inputs) - 1)), (labels,) * len(outputs))
    return ties


def _keeps_channels(attributes: Attributes, x: Tensor) -> bool:
    """True where channel c of every output follows from channel c of x alone."""
    last = len(x.shape) - 1
    keeps = False
    match attributes:
        case _ if last < 0:
            pass
        case Unary() | Lookup() | Pool2D() | ResizeBilinear() | ResizeNearest():
            keeps = True
        case Pad() | MirrorPad():
            keeps = attributes.before[last] == attributes.after[last] == 0
        case Transpose():
            keeps = attributes.permutation[last] == last
        case Reduction():
            keeps = last not in attributes.axes
        case Split():
            keeps = attributes.axis != last
        case Slice():
            whole = attributes.size[last] == x.shape[last] and attributes.step[last] == 1
            keeps = whole and attributes.shape[-1:] == x.shape[-1:]
    return keeps


def _grouped(weights: ChannelWeights | None) -> Ties | None:
    """Groups stay or go whole; weights and bias are cut like the output, by the pass itself."""
    if weights is None or weights.groups == 1:
        return None
    groups = np.arange(weights.groups)
    return Ties((np.repeat(groups, weights.inputs),), (np.repeat(groups, weights.outputs),))


def _broadcast(inputs: Sequence[Tensor | None], y: Tensor) -> Ties:
    channels = channels_of(y)
    labels = np.arange(channels)
    return Ties(
        tuple(labels if channels_of(tensor(t)) == channels else None for t in inputs), (labels,)
    )


def _concatenated(attributes: Concatenation, inputs: Sequence[Tensor | None], y: Tensor) -> Ties:
    labels = np.arange(channels_of(y))
    if attributes.axis != len(y.shape) - 1:
        return Ties((labels,) * len(inputs), (labels,))
    ends = np.cumsum([channels_of(tensor(t)) for t in inputs])[:-1]
    return Ties(tuple(np.split(labels, ends)), (labels,))


def _reshaped(x: Tensor, y: Tensor) -> Ties | None:
    """Where one's rows are whole rows of the other, pixel by pixel."""
    if not x.shape or not y.shape:
        return None
    period = min(x.shape[-1], y.shape[-1])
    if x.shape[-1] % period or y.shape[-1] % period:
        return None
    return Ties((np.arange(x.shape[-1]) % period,), (np.arange(y.shape[-1]) % period,))


def kept_channels(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, Flags]:
    """The channels that must be computed so that every output keeps every bit.

    Inputs and outputs of the graph and its variables are kept whole, and of every tensor that is
    read at least one channel is. What no kept channel needs is False throughout.

    Args:
        graph: A verified graph.
        ranges: Of `channel_ranges`.
    """
    kept = {
        name: np.zeros(channels_of(each), np.bool_)
        for name, each in graph.tensors.items()
        if not each.is_constant
    }
    for name in (*graph.inputs, *graph.outputs, *(t.name for t in graph.variables)):
        if name in kept:
            kept[name][:] = True
    uses = [(op, _use_of(graph, op, ranges)) for op in reversed(graph.ops)]
    known = -1
    # Sets only grow, so this ends; one turn more than there are ties against the running order.
    while (count := sum(int(flags.sum()) for flags in kept.values())) > known:
        known = count
        for op, use in uses:
            if is_needed(op, kept):
                _keep_for(op, use, kept)
    return kept


def is_needed(op: Op, kept: Kept) -> bool:
    """Something reads a result of the operator, in this run or a later one."""
    return bool(op.attributes.updates()) or any(kept[n].any() for n in op.outputs)


def _use_of(graph: Graph, op: Op, ranges: Mapping[str, Range]) -> Ties | Flags | None:
    """Ties, or which input channels which outputs need, bool [inputs, outputs], or neither."""
    inputs, outputs = graph.op_inputs(op), graph.op_outputs(op)
    weights = mixing_weights(op, inputs)
    if weights is None:
        return ties_of(op, inputs, outputs)
    x, w = tensor(inputs[0]), tensor(inputs[1])
    fixed = replaced_by_bias(w, ranges[op.outputs[0]])
    return np.asarray(needed_inputs(weights, x, ranges[x.name]) & ~fixed)


def replaced_by_bias(w: Tensor, y_range: Range) -> Flags:
    """Which outputs of a layer need no input at all, since no sum changes them: bool [outputs].

    A bias in the place of such a sum does, beside weights of zero, which are bytes of zero but
    where the weights have a zero point of their own.
    """
    return y_range.is_constant & (weights_zero(w) == 0)


def _keep_for(op: Op, use: Ties | Flags | None, kept: Mapping[str, Flags]) -> None:
    """Add to the sets what one operator needs."""
    if isinstance(use, Ties):
        labels = kept_labels(op, use, kept)
        for name, each in _labelled(op, use):
            if name in kept:
                kept[name][slice(None) if each is None else np.isin(each, labels)] = True
    elif use is None:
        for name in (*op.inputs, *op.outputs):
            if name in kept:
                kept[name][:] = True
    elif op.inputs[0] in kept:
        x = kept[op.inputs[0]]
        x |= use[:, kept[op.outputs[0]]].any(axis=1)
        x[0] |= not x.any()


def kept_labels(op: Op, ties: Ties, kept: Kept) -> Int64Array:
    """The labels of which a channel is kept somewhere."""
    found = [np.zeros(0, np.int64)]
    found += [e[kept[n]] for n, e in _labelled(op, ties) if e is not None and n in kept]
    return np.unique(np.concatenate(found))


def _labelled(op: Op, ties: Ties) -> Iterator[tuple[str, Int64Array | None]]:
    """Tensors with their labels; weights and biases, which have none, apart."""
    yield from zip(op.inputs, ties.inputs, strict=False)
    yield from zip(op.outputs, ties.outputs, strict=True)


def needed_inputs(weights: ChannelWeights, x: Tensor, x_range: Range) -> Flags:
    """Which input channels can change which sums in a way that no bias makes up for.

    A channel that can change does where a weight is not zero. One that cannot does where a tap sees
    it in some windows and the border in others, unless its value is the border's.

    Returns:
        bool [inputs, outputs] of the one group.
    """
    present = weights.values[:, 0] != 0
    seen = present & (weights.inside != Inside.NEVER)[:, None, None]
    straddling = present & (weights.inside == Inside.SOMETIMES)[:, None, None]
    fixed = x_range.is_constant
    as_border = fixed & (x_range.low == x.zero_point)
    needed = np.where(fixed[:, None], straddling.any(axis=0), seen.any(axis=0))
    return np.asarray(needed & ~as_border[:, None])
