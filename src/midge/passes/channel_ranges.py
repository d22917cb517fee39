"""Between which integers each channel of each tensor stays, whatever the inputs are.

Proved operator by operator, from the inputs' types on: a weighted sum lies between its least and
its greatest, and rescaling, rounding and clamping keep the order of two values (`keeps_order`),
so that the operator's own meaning at both ends bounds everything between them. Channels are the
last dimension; a range holds for all pixels, those at a border among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from midge.graph import Array, Attributes, DType, Graph, Op, Rounding, Tensor
from midge.graph.accumulate import finish
from midge.graph.elementwise import rescaled_codes
from midge.graph.elementwise_unary import Unary
from midge.graph.movement import Movement
from midge.graph.operands import tensor
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.lookup import Lookup
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.mul import Mul
from midge.graph.ops.reductions import Mean, ReduceMax, ReduceMin, Sum
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.resize_bilinear import ResizeBilinear
from midge.graph.requantize import (
    INT32_MAX,
    INT32_MIN,
    Int64Array,
    Requantization,
    activation_range,
)
from midge.passes.channel_weights import Flags, Weighted, channel_weights

TRACKED = (DType.INT8, DType.INT16)
"""Types of activations; of all others nothing is known."""
MOST_MOVED = 1 << 20
"""Elements of which moves are followed one by one: an image of a megabyte."""


@dataclass(frozen=True, eq=False)
class Range:
    """The least and the greatest value that each channel can have.

    Attributes:
        low: int64 [channels], stored integers.
        high: The same.
    """

    low: Int64Array
    high: Int64Array

    @classmethod
    def anything(cls, tensor: Tensor) -> Range:
        """All that the type holds."""
        return cls(*(np.full(channels_of(tensor), end, np.int64) for end in tensor.dtype.limits))

    @classmethod
    def of_arrays(cls, low: Array, high: Array, channels: int) -> Range:
        """What two bounds of every element say of the channels."""
        return cls(
            low.reshape(-1, channels).min(axis=0).astype(np.int64),
            high.reshape(-1, channels).max(axis=0).astype(np.int64),
        )

    @property
    def is_constant(self) -> Flags:
        """Which channels have one value, whatever the inputs are: bool [channels]."""
        return np.asarray(self.low == self.high)

    def clipped(self, low: int, high: int) -> Range:
        """What a clamp leaves."""
        return Range(np.clip(self.low, low, high), np.clip(self.high, low, high))

    def joined(self, channels: int) -> Range:
        """What holds of all channels together, for each of so many."""
        return Range(np.full(channels, self.low.min()), np.full(channels, self.high.max()))


def channels_of(tensor: Tensor) -> int:
    """The extent of the last dimension; 1 of a scalar."""
    return tensor.shape[-1] if tensor.shape else 1


def channel_ranges(graph: Graph) -> dict[str, Range]:
    """A range for every tensor of int8 or int16, constants and variables included."""
    ranges: dict[str, Range] = {}
    for name, each in graph.tensors.items():
        if each.dtype not in TRACKED:
            continue
        if each.is_constant:
            data = np.asarray(each.data)
            ranges[name] = Range.of_arrays(data, data, channels_of(each))
        else:
            ranges[name] = Range.anything(each)
    for op in graph.ops:
        found = results(graph, op, ranges)
        for y, result in zip(graph.op_outputs(op), found, strict=True):
            if y.dtype in TRACKED and result is not None:
                ranges[y.name] = result
    return ranges


def results(graph: Graph, op: Op, ranges: Mapping[str, Range]) -> Sequence[Range | None]:
    """A range of each output of an operator, from those of its inputs; None where all may be."""
    inputs, outputs = graph.op_inputs(op), graph.op_outputs(op)
    nothing = [None] * len(outputs)
    known = [ranges.get(n) for n in op.inputs]
    tracked = all(y.dtype in TRACKED for y in outputs) and not op.attributes.updates()
    if not tracked or not known or known[0] is None:
        return nothing
    if isinstance(op.attributes, Weighted):
        return [_weighted(op.attributes, inputs, outputs[0], known[0])]
    given = [each for each in known if each is not None]
    if len(given) < len(known):
        return nothing
    if isinstance(op.attributes, Movement | Reshape):
        return _moved(op.attributes, inputs, outputs, given)
    return [_computed(op.attributes, inputs, outputs[0], given)]


def _computed(
    attributes: Attributes, inputs: Sequence[Tensor | None], y: Tensor, known: Sequence[Range]
) -> Range | None:
    """Of an operator with one output; None where nothing is known of it."""
    x, found = tensor(inputs[0]), None
    match attributes:
        case AveragePool2D() | MaxPool2D():
            # Every window has a pixel in the image, and padding does not count.
            found = known[0].clipped(*activation_range(y, attributes.activation))
        case ResizeBilinear():
            # A mixture of pixels, the weights of which are not negative and add up to one.
            found = known[0]
        case ReduceMax() | ReduceMin():
            found = _kept(attributes.axes, x, y, known[0])
        case Mean() | Sum():
            found = _summed(attributes, x, y, known[0])
        case Add() | Sub() | Mul() | Minimum() | Maximum():
            found = _binary(attributes, inputs, y, known)
        case Unary() | Lookup() if x.dtype is DType.INT8:
            found = _tabulated(attributes, inputs, y, known[0])
    return found


def weighted_sums(
    attributes: Weighted, inputs: Sequence[Tensor | None], x_range: Range
) -> tuple[Int64Array, Int64Array]:
    """The least and the greatest sum of each output channel of an integer layer, bias included.

    Args:
        attributes: A convolution or a fully connected layer.
        inputs: Its input, weights and bias.
        x_range: Of the input's channels.
    """
    x, w = tensor(inputs[0]), tensor(inputs[1])
    weights = channel_weights(attributes, inputs)
    if weights is None:
        # Rows that are not whole pixels: a feature may be of any channel.
        features = w.shape[1]
        row = replace(x, shape=(features,))
        weights = channel_weights(attributes, (row, w))
        x_range = x_range.joined(features)
    if weights is None:
        raise TypeError(f"{attributes.kind} over {x.dtype.value} has no integer weights")
    bias = np.zeros(1, np.int64)
    if len(inputs) > 2 and inputs[2] is not None:
        bias = np.asarray(inputs[2].data).astype(np.int64)
    least, greatest = weights.sums(x_range.low - x.zero_point, x_range.high - x.zero_point)
    return least + bias, greatest + bias


def _weighted(
    attributes: Weighted, inputs: Sequence[Tensor | None], y: Tensor, x_range: Range
) -> Range:
    x, w = tensor(inputs[0]), tensor(inputs[1])
    ends = np.stack(weighted_sums(attributes, inputs, x_range))
    # The bias is in the sums already.
    low, high = finish(attributes, ends, (None, None), inputs, y).astype(np.int64)
    exact = keeps_order(ends, attributes.factors(x, w, y))
    least, greatest = activation_range(y, attributes.activation)
    return Range(np.where(exact, low, least), np.where(exact, high, greatest))


def keeps_order(ends: Int64Array, factors: Requantization) -> Flags:
    """Where rescaling keeps the order of all sums between two ends, [2, channels].

    Factors are not negative; products, shifts and every rounding keep the order. Only under
    `tflite_double` a sum that is shifted left first may leave int32, where it wraps around.
    """
    if factors.rounding is not Rounding.TFLITE_DOUBLE:
        return np.ones(ends.shape[1:], np.bool_)
    shifted = ends << np.maximum(factors.shift.astype(np.int64), 0)
    return np.asarray(((shifted >= INT32_MIN) & (shifted <= INT32_MAX)).all(axis=0))


def _kept(axes: Sequence[int], x: Tensor, y: Tensor, known: Range) -> Range:
    """Of an operator that takes values over along some dimensions."""
    return known.joined(channels_of(y)) if len(x.shape) - 1 in axes else known


def _summed(attributes: Mean | Sum, x: Tensor, y: Tensor, known: Range) -> Range | None:
    known = _kept(attributes.axes, x, y, known)
    ends = (np.stack([known.low, known.high]) - x.zero_point) * attributes.count(x)
    factor = attributes.factor(x, y)
    if not keeps_order(ends, factor).all():
        return None
    vector = _vector(y)
    low, high = (rescaled_codes(end, factor, vector).astype(np.int64) for end in ends)
    return Range(low, high)


def _binary(
    attributes: Add | Sub | Mul | Minimum | Maximum,
    inputs: Sequence[Tensor | None],
    y: Tensor,
    known: Sequence[Range],
) -> Range | None:
    """Channels broadcast as the operands' last dimensions do."""
    a, b, channels = tensor(inputs[0]), tensor(inputs[1]), _vector(y)
    pairs = [(known[0].low, known[1].low), (known[0].high, known[1].high)]
    if isinstance(attributes, Add | Sub):
        if any(factor.shift.max() > 0 for factor in attributes.factors(a, b, y)):
            # Shifted left, a sum might wrap around. Scales of a network never ask for it.
            return None
        if isinstance(attributes, Sub):
            pairs = [(known[0].low, known[1].high), (known[0].high, known[1].low)]
    if isinstance(attributes, Mul):
        # A product is least and greatest at corners.
        pairs += [(known[0].low, known[1].high), (known[0].high, known[1].low)]
        products = np.stack([np.multiply(p - a.zero_point, q - b.zero_point) for p, q in pairs])
        if not keeps_order(products, attributes.factor(a, b, y)).all():
            return None
    vectors = [_vector(a), _vector(b)]
    corners = []
    for pair in pairs:
        stored = [v.astype(t.dtype.numpy) for v, t in zip(pair, vectors, strict=True)]
        (corner,) = attributes.evaluate(stored, vectors, (channels,))
        corners.append(np.broadcast_to(corner, channels.shape))
    found = np.stack(corners)
    return Range.of_arrays(found, found, channels.size)


def _tabulated(
    attributes: Attributes, inputs: Sequence[Tensor | None], y: Tensor, known: Range
) -> Range:
    """Of any function of one int8: the ends of its values in each range."""
    x = tensor(inputs[0])
    first, last = DType.INT8.limits
    codes = np.arange(first, last + 1, dtype=np.int8)
    values: list[Array | None] = [codes]
    values += [None if t is None else t.data for t in inputs[1:]]
    column, result = replace(x, shape=codes.shape), replace(y, shape=codes.shape)
    (table,) = attributes.evaluate(values, (column, *inputs[1:]), (result,))
    # One look for each range that there is, not for each channel.
    ranges, places = np.unique(np.stack([known.low, known.high]), axis=1, return_inverse=True)
    parts = [table[low - first : high - first + 1] for low, high in ranges.T]
    low, high = (np.array([int(end(p)) for p in parts], np.int64) for end in (np.min, np.max))
    return Range(low[places.reshape(-1)], high[places.reshape(-1)])


def _moved(
    attributes: Attributes,
    inputs: Sequence[Tensor | None],
    outputs: Sequence[Tensor],
    known: Sequence[Range],
) -> Sequence[Range | None]:
    """Of an operator that only moves elements: it moves their bounds."""
    sources = [tensor(t) for t in inputs]
    if sum(t.size for t in (*sources, *outputs)) > MOST_MOVED:
        return [None] * len(outputs)
    ends = []
    for each in ([r.low for r in known], [r.high for r in known]):
        spread = [
            np.broadcast_to(v.astype(t.dtype.numpy), t.shape or (1,)).reshape(t.shape)
            for v, t in zip(each, sources, strict=True)
        ]
        ends.append(attributes.evaluate(spread, sources, outputs))
    return [
        Range.of_arrays(low, high, channels_of(y))
        for low, high, y in zip(*ends, outputs, strict=True)
    ]


def _vector(tensor: Tensor) -> Tensor:
    """A stand-in that holds one element a channel."""
    return replace(tensor, shape=(channels_of(tensor),), data=None, variable=False)
