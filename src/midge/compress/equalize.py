"""equalize: the channels of a tensor between two weighted sums are brought to similar ranges.

A channel that is multiplied by a factor on one side and divided by it on the other leaves the
network as it is, since the operators between the two are linear for positive factors. Codes, one
scale for all channels, then serve small channels better. Factors are powers of two, so that every
float32 result of the network stays the same bit for bit.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV
2019, section 4.1. There both sides' weights have one scale each. Here every output channel has its
own, so that the first layer's weights take any factor at no cost; what is evened out is the range
of the activations against that of the second layer's columns, to a share that is chosen by the
noise that it leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from midge.compress.calibrate import Float64Array, Observed
from midge.compress.rules import RULES
from midge.graph import Activation, Attributes, DType, Graph, Op, Tensor
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.pad import Pad
from midge.graph.ops.rectifiers import LeakyRelu, Relu
from midge.graph.ops.reductions import Mean
from midge.graph.ops.reshape import Reshape

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Exponents of a channel's factor; the first leaves everything."""
WORTH_IT = 0.9
"""Of the noise before; what saves less changes nothing."""
MOST_DOUBLINGS = 12
"""Of a factor in either direction: what is left of a channel of zeros is not blown up."""
_HOMOGENEOUS = (Activation.NONE, Activation.RELU)


@dataclass(frozen=True)
class Pair:
    """Two weighted sums, with nothing between them that a positive factor does not pass.

    Attributes:
        first: Writes the channels.
        second: Reads them.
    """

    first: Op
    second: Op


def equalize(graph: Graph, observed: Observed) -> tuple[Graph, tuple[str, ...]]:
    """Even out channels wherever that lowers the noise of quantisation.

    Args:
        graph: A verified float graph.
        observed: What its tensors held.

    Returns:
        The graph with other constants, equal in every bit of its outputs; and the names of the ops
        whose output channels were changed.
    """
    tensors = dict(graph.tensors)
    changed: dict[str, Op] = {op.name: op for op in graph.ops}
    names = []
    for pair in pairs_of(graph):
        first, second = changed[pair.first.name], changed[pair.second.name]
        factors = _factors(tensors, first, second, observed)
        if factors is None:
            continue
        changed[first.name] = _scaled(tensors, first, _by_row(tensors, first, factors))
        changed[second.name] = _scaled(tensors, second, _by_column(tensors, second, factors))
        names.append(first.name)
    if not names:
        return graph, ()
    return graph.with_ops([changed[op.name] for op in graph.ops], tensors), tuple(names)


def pairs_of(graph: Graph) -> list[Pair]:
    """Every pair, in the graph's order."""
    readers: dict[str, list[Op]] = {}
    for op in graph.ops:
        for name in op.inputs:
            readers.setdefault(name, []).append(op)
    found = []
    for first in graph.ops:
        if not _is_weighted(graph, first) or _activation(first) not in _HOMOGENEOUS:
            continue
        name = first.outputs[0]
        while len(readers.get(name, [])) == 1 and name not in graph.outputs:
            (reader,) = readers[name]
            if reader.inputs[0] == name and _is_weighted(graph, reader):
                if _columns_fit(graph, first, reader):
                    found.append(Pair(first, reader))
                break
            if not _passes_factors(graph, reader):
                break
            name = reader.outputs[0]
    return found


def _is_weighted(graph: Graph, op: Op) -> bool:
    if not isinstance(op.attributes, Conv2D | DepthwiseConv2D | FullyConnected):
        return False
    x, w, *rest = graph.op_inputs(op)
    constants = [w, *(t for t in rest if t is not None)]
    return (
        x is not None
        and x.dtype is DType.FLOAT32
        and all(t is not None and t.is_constant for t in constants)
    )


def _activation(op: Op) -> Activation:
    attributes = op.attributes
    if isinstance(attributes, Conv2D | DepthwiseConv2D | FullyConnected):
        return attributes.activation
    return Activation.NONE


def _passes_factors(graph: Graph, op: Op) -> bool:
    """Whether a positive factor of a channel comes out as it goes in, channels last throughout."""
    attributes: Attributes = op.attributes
    x = graph.op_inputs(op)[0]
    if x is None or not x.shape:
        return False
    last = len(x.shape) - 1
    if isinstance(attributes, MaxPool2D | AveragePool2D):
        return attributes.activation in _HOMOGENEOUS
    if isinstance(attributes, Mean):
        return last not in attributes.axes
    if isinstance(attributes, Pad):
        return attributes.before[last] == attributes.after[last] == 0
    if isinstance(attributes, Reshape):
        # Rows of whole pixels stay so: a feature's channel is its number modulo the channels.
        return not attributes.shape or attributes.shape[-1] % x.shape[last] == 0
    return isinstance(attributes, Relu | LeakyRelu)


def _channels(graph_tensors: Mapping[str, Tensor], op: Op) -> int:
    rule = RULES[op.kind]
    assert rule.weights is not None
    return graph_tensors[op.inputs[1]].shape[rule.weights[1]]


def _columns_fit(graph: Graph, first: Op, second: Op) -> bool:
    """What the second sums over is the first's channels, once or many times over."""
    channels = _channels(graph.tensors, first)
    x = graph.tensors[second.inputs[0]]
    if isinstance(second.attributes, FullyConnected):
        return graph.tensors[second.inputs[1]].shape[1] % channels == 0
    return x.shape[-1] == channels


def _factors(
    tensors: Mapping[str, Tensor], first: Op, second: Op, observed: Observed
) -> Float64Array | None:
    """For each channel a power of two to divide it by; None where that is not worth it."""
    channels = _channels(tensors, first)
    ranges = observed.moments[first.outputs[0]].largest.reshape(-1, channels).max(axis=0)
    squares = observed.moments[second.inputs[0]].mean_square.reshape(-1, channels).mean(axis=0)
    columns, by_output = _columns(tensors[second.inputs[1]], second, channels)
    alive = (ranges > 0) & (columns > 0)
    if alive.sum() < 2:
        return None
    ratio = np.where(alive, ranges / np.where(alive, columns, 1), 1)
    logs = np.log2(np.where(alive, ratio, 1))
    logs = np.where(alive, logs - logs[alive].mean(), 0)
    noises = []
    for share in SHARES:
        doublings = np.clip(np.rint(share * logs), -MOST_DOUBLINGS, MOST_DOUBLINGS)
        noises.append((_noise(2.0**doublings, ranges, squares, by_output), doublings))
    least = min(range(len(SHARES)), key=lambda i: noises[i][0])
    if not noises[least][0] < WORTH_IT * noises[0][0]:
        return None
    factors: Float64Array = 2.0 ** noises[least][1]
    return factors


def _columns(w: Tensor, op: Op, channels: int) -> tuple[Float64Array, Float64Array]:
    """Weights by input channel.

    Returns:
        The largest weight of each channel relative to the largest of its output [channels]; and
        magnitudes as [outputs, taps, channels], of depthwise weights [channels, taps, 1].
    """
    data = np.abs(np.asarray(w.data).astype(np.float64))
    if isinstance(op.attributes, DepthwiseConv2D):
        # Each channel has outputs, and so scales, of its own.
        by_channel = data.reshape(-1, channels, data.shape[3] // channels)
        taps = by_channel.transpose(1, 0, 2).reshape(channels, -1, 1)
        return np.where(taps.max(axis=(1, 2)) > 0, 1.0, 0.0), taps
    per_group = data.shape[-1]
    if per_group >= channels:
        by_output = data.reshape(data.shape[0], -1, channels)
    else:
        groups = channels // per_group
        by_output = np.zeros((data.shape[0], data[0].size // per_group, channels))
        each = data.shape[0] // groups
        for g in range(groups):
            rows = slice(g * each, (g + 1) * each)
            by_output[rows, :, g * per_group : (g + 1) * per_group] = data[rows].reshape(
                each, -1, per_group
            )
    largest = by_output.max(axis=(1, 2), keepdims=True)
    relative = by_output / np.where(largest > 0, largest, 1)
    return relative.max(axis=(0, 1)), by_output


def _noise(
    factors: Float64Array, ranges: Float64Array, squares: Float64Array, by_output: Float64Array
) -> float:
    """The second sum's noise, of the rounding of its inputs and of its weights, times 12."""
    step = (ranges / factors).max() / 255
    if by_output.shape[2] == 1:
        weights = by_output * factors[:, None, None]
        inputs = squares / factors**2
        of_weights = (weights.max(axis=(1, 2)) / 127) ** 2 * by_output.shape[1] * inputs
    else:
        weights = by_output * factors
        inputs = squares / factors**2
        used = (by_output > 0).any(axis=1) @ inputs * by_output.shape[1]
        of_weights = (weights.max(axis=(1, 2)) / 127) ** 2 * used
    return float(step**2 * (weights**2).sum() + of_weights.sum())


def _by_row(
    tensors: Mapping[str, Tensor], op: Op, factors: Float64Array
) -> dict[int, Float64Array]:
    """What to multiply the first op's weights and bias by, by their index among its inputs."""
    rule = RULES[op.kind]
    assert rule.weights is not None
    shape = [1] * len(tensors[op.inputs[1]].shape)
    shape[rule.weights[1]] = -1
    found = {1: 1 / factors.reshape(shape)}
    if len(op.inputs) > 2 and op.inputs[2]:
        found[2] = 1 / factors
    return found


def _by_column(
    tensors: Mapping[str, Tensor], op: Op, factors: Float64Array
) -> dict[int, Float64Array]:
    """What to multiply the second op's weights by."""
    w = tensors[op.inputs[1]]
    if isinstance(op.attributes, DepthwiseConv2D):
        return {1: np.repeat(factors, w.shape[3] // factors.size)}
    if w.shape[-1] >= factors.size:
        return {1: np.tile(factors, w.shape[-1] // factors.size)}
    groups = factors.size // w.shape[-1]
    rows = np.repeat(factors.reshape(groups, -1), w.shape[0] // groups, axis=0)
    return {1: rows[:, None, None, :]}


def _scaled(tensors: dict[str, Tensor], op: Op, factors: Mapping[int, Float64Array]) -> Op:
    """The op with constants of its own, since another op may read the original ones."""
    inputs = list(op.inputs)
    for index, by in factors.items():
        constant = tensors[inputs[index]]
        name = f"{op.name}/equalized_{('weights', 'bias')[index - 1]}"
        data = np.asarray(constant.data, np.float32) * by.astype(np.float32)
        tensors[name] = replace(constant, name=name, data=np.ascontiguousarray(data))
        inputs[index] = name
    return replace(op, inputs=tuple(inputs))
