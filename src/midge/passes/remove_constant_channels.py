"""remove_constant_channels: what no input can change, and what nobody reads, is not computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from midge.graph import Array, DType, Graph, Op, Quantization, Tensor
from midge.graph.accumulate import is_long
from midge.graph.operands import tensor
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.slice import Slice
from midge.graph.requantize import Int64Array
from midge.passes.channel_ranges import Range, channel_ranges, weighted_sums
from midge.passes.channel_uses import (
    Kept,
    Ties,
    is_needed,
    kept_channels,
    kept_labels,
    replaced_by_bias,
    ties_of,
)
from midge.passes.channel_weights import (
    ChannelWeights,
    Flags,
    Inside,
    Weighted,
    channel_weights,
)
from midge.passes.constant_operands import replace_constant_operands
from midge.passes.names import free_name


def remove_constant_channels(graph: Graph) -> Graph:
    """Take out of every layer the channels whose value no input can change, and those unread.

    What they add to the sums behind them goes into the biases there. Exact in every bit: which
    channels are constant is proved from the weights for all inputs (`channel_ranges`), and a sum
    keeps its value, only its constant part is added beforehand. No sum can overflow that could
    not before: what goes into a bias was counted in full by `check_weighted`.

    A constant channel that is not the zero point stays where some windows of its reader see the
    border in its place. Tensors that lose channels have new names, since they do not hold what the
    tensors of the old names hold; inputs, outputs and variables of the graph keep all theirs, and
    no tensor loses its last.

    Requires a verified graph; ensures that every channel that is computed can change an output or
    is tied to one that can (`channel_uses`).
    """
    if not any(isinstance(op.attributes, Weighted) for op in graph.ops):
        return graph
    # Once more around: what had several groups may have one, which mixes its channels.
    while (smaller := _once(graph)) is not graph:
        graph = smaller
    return graph


def _once(graph: Graph) -> Graph:
    ranges = channel_ranges(graph)
    graph = replace_constant_operands(graph, ranges)
    kept = kept_channels(graph, ranges)
    needed = [op for op in graph.ops if is_needed(op, kept)]
    if len(needed) == len(graph.ops) and all(flags.all() for flags in kept.values()):
        return graph
    return _Shrinking(graph, ranges, kept).done(needed)


@dataclass
class _Shrinking:
    """A graph that loses channels.

    Attributes:
        graph: As it was.
        ranges: Of its tensors.
        kept: The channels of its computed tensors that stay.
    """

    graph: Graph
    ranges: Mapping[str, Range]
    kept: Kept

    def __post_init__(self) -> None:
        self.tensors = dict(self.graph.tensors)
        self.names = {n: n for n in self.graph.tensors}
        for name, flags in self.kept.items():
            if flags.any() and not flags.all():
                self.names[name] = self._add(_cut(self.tensors[name], -1, flags), name)

    def done(self, ops: list[Op]) -> Graph:
        """The graph of these operators, each over what is left of its tensors."""
        return self.graph.with_ops([self._smaller(op) for op in ops], self.tensors)

    def _add(self, new: Tensor, name: str) -> str:
        """File a tensor under a name of its own, made from this one."""
        free = free_name(name if name.endswith("_live") else f"{name}_live", self.tensors)
        self.tensors[free] = replace(new, name=free)
        return free

    def _smaller(self, op: Op) -> Op:
        if all(self.kept[n].all() for n in (*op.inputs, *op.outputs) if n in self.kept):
            return op
        inputs, outputs = self.graph.op_inputs(op), self.graph.op_outputs(op)
        renamed = replace(
            op,
            inputs=tuple(self.names[n] if n else n for n in op.inputs),
            outputs=tuple(self.names[n] for n in op.outputs),
        )
        weights = channel_weights(op.attributes, inputs)
        if weights is not None and isinstance(op.attributes, Weighted):
            return self._smaller_sums(op, op.attributes, renamed, weights)
        ties = ties_of(op, inputs, outputs)
        return renamed if ties is None else self._smaller_ties(op, renamed, ties)

    def _smaller_ties(self, op: Op, renamed: Op, ties: Ties) -> Op:
        """Constant operands are cut; what a concatenation has nothing of any more goes."""
        labels = kept_labels(op, ties, self.kept)
        names = []
        for old, new, each in zip(op.inputs, renamed.inputs, ties.inputs, strict=True):
            stays = None if each is None else np.isin(each, labels)
            if stays is not None and not stays.any():
                continue
            if stays is not None and old not in self.kept and not stays.all():
                names.append(self._add(_cut(self.graph.tensors[old], -1, stays), old))
            else:
                names.append(new)
        last = self.tensors[renamed.outputs[0]].shape[-1:]
        changes: dict[str, Any] = {}
        if isinstance(op.attributes, Reshape | Slice):
            changes["shape"] = (*op.attributes.shape[:-1], *last)
        if isinstance(op.attributes, Slice):
            changes["size"] = (*op.attributes.size[:-1], *last)
        attributes = replace(op.attributes, **changes) if changes else op.attributes
        return replace(renamed, attributes=attributes, inputs=tuple(names))

    def _smaller_sums(
        self, op: Op, attributes: Weighted, renamed: Op, weights: ChannelWeights
    ) -> Op:
        """Cut the weights and put what is left out of the sums into the bias."""
        x, w = (tensor(t) for t in self.graph.op_inputs(op)[:2])
        b = self.graph.tensors[op.inputs[2]] if len(op.inputs) > 2 and op.inputs[2] else None
        rows = self.kept[op.outputs[0]]
        columns = self.kept.get(x.name, np.ones(weights.groups * weights.inputs, np.bool_))
        bias = np.zeros(len(rows), np.int64) if b is None else np.asarray(b.data).astype(np.int64)
        data = np.asarray(w.data)
        if weights.groups == 1 and not columns.all():
            bias = bias + self._left_out(x, weights, columns)
            fixed = replaced_by_bias(w, self.ranges[op.outputs[0]])
            if fixed.any():
                least, _ = weighted_sums(attributes, self.graph.op_inputs(op), self.ranges[x.name])
                bias = np.where(fixed, least, bias)
                data = _with_zeros(data, weights.axis, fixed)
        smaller = _cut(replace(w, data=data), weights.axis, rows)
        if weights.groups == 1:
            smaller = _without_inputs(smaller, attributes, columns)
        names = [renamed.inputs[0], w.name if smaller == w else self._add(smaller, w.name)]
        if b is not None or bias.any():
            dtype = DType.INT64 if is_long(attributes.rounding) else DType.INT32
            whole = b if b is not None else Tensor(f"{op.name}_bias", bias.shape, dtype)
            folded = _cut(replace(whole, data=bias.astype(whole.dtype.numpy)), 0, rows)
            names.append(whole.name if folded == b else self._add(folded, whole.name))
        return replace(renamed, inputs=tuple(names))

    def _left_out(self, x: Tensor, weights: ChannelWeights, columns: Flags) -> Int64Array:
        """What the input channels that go add to each sum, int64 [outputs].

        Of a channel that can change all weights that count are zero, so that any of its values will
        do; the taps of one that cannot are always inside, or the border is the same, or their
        weights are zero (`needed_inputs`).
        """
        values = np.where(columns, 0, self.ranges[x.name].low - x.zero_point)
        always = weights.values[:, 0] * (weights.inside == Inside.ALWAYS)[:, None, None]
        return np.asarray(np.einsum("tio,i->o", always, values), np.int64)


def _cut(whole: Tensor, axis: int, stays: Flags) -> Tensor:
    """A tensor without some indices of a dimension."""
    axis %= len(whole.shape)
    if stays.all():
        return whole
    shape = (*whole.shape[:axis], int(stays.sum()), *whole.shape[axis + 1 :])
    data = None if whole.data is None else np.compress(stays, np.asarray(whole.data), axis)
    quantization = whole.quantization
    if quantization is not None and quantization.axis == axis and quantization.scale.size > 1:
        scale, zero_point = quantization.scale[stays], quantization.zero_point[stays]
        quantization = Quantization(scale, zero_point, axis)
    return replace(whole, shape=shape, data=data, quantization=quantization)


def _without_inputs(w: Tensor, attributes: Weighted, columns: Flags) -> Tensor:
    """Weights of one group without some input channels."""
    if isinstance(attributes, FullyConnected):
        return _cut(w, 1, np.tile(columns, w.shape[1] // len(columns)))
    # A depthwise convolution of one group has one input channel, which stays.
    return _cut(w, 3, columns) if columns.size > 1 else w


def _with_zeros(data: Array, axis: int, channels: Flags) -> Array:
    """Weights that add nothing to the sums of some output channels."""
    changed = np.moveaxis(data.copy(), axis, 0)
    changed[channels] = 0
    return np.ascontiguousarray(np.moveaxis(changed, 0, axis))
