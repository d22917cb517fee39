from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from midge.compress.variants import (
    takes_int4,
    with_half_the_channels,
    with_half_the_input,
    with_int4_weights,
)
from midge.graph import DType, Graph, Quantization, interpret, outputs_of, verify
from midge.graph.ops.add import Add
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.reductions import Mean
from midge.graph.ops.reshape import Reshape
from midge.importers.graph_builder import GraphBuilder

IMAGE = Quantization.per_tensor(0.05, -3)


def weights(shape: tuple[int, ...], axis: int, seed: int) -> tuple[np.ndarray, Quantization]:
    generator = np.random.default_rng(seed)
    scale = generator.uniform(0.005, 0.02, shape[axis]).astype(np.float32)
    data = generator.integers(-127, 128, shape).astype(np.int8)
    return data, Quantization(scale, np.zeros(shape[axis], np.int64), axis)


def network(*, flatten: bool = False, residual: bool = False) -> Graph:
    """conv 3x3 -> depthwise -> conv 1x1 -> mean or flatten -> fully connected."""
    builder = GraphBuilder()
    x = builder.add(
        replace(builder.input("x", (1, 8, 8, 3), DType.INT8), quantization=IMAGE, name="image")
    )
    stem = builder.one(
        "stem",
        Conv2D(pad_before=(1, 1), pad_after=(1, 1)),
        (x, builder.constant("w0", *weights((6, 3, 3, 3), 0, 0))),
        quantization=IMAGE,
    )
    y = builder.one(
        "depthwise",
        DepthwiseConv2D(stride=(2, 2), pad_before=(1, 1), pad_after=(1, 1)),
        (stem, builder.constant("w1", *weights((1, 3, 3, 6), 3, 1))),
        quantization=IMAGE,
    )
    bias = np.arange(6, dtype=np.int32) * 50
    y = builder.one(
        "pointwise",
        Conv2D(),
        (y, builder.constant("w2", *weights((6, 1, 1, 6), 0, 2)), builder.constant("b2", bias)),
        quantization=IMAGE,
    )
    if residual:
        other = builder.one(
            "branch",
            Conv2D(stride=(2, 2)),
            (stem, builder.constant("w4", *weights((6, 1, 1, 6), 0, 5))),
            quantization=IMAGE,
        )
        y = builder.one("add", Add(), (y, other), quantization=IMAGE)
    if flatten:
        y = builder.one("flatten", Reshape(shape=(1, 96)), (y,), quantization=IMAGE)
    else:
        y = builder.one("mean", Mean(axes=(1, 2), keep_dims=False), (y,), quantization=IMAGE)
    features = y.shape[1]
    y = builder.one(
        "head",
        FullyConnected(),
        (y, builder.constant("w3", *weights((4, features), 0, 3))),
        quantization=Quantization.per_tensor(0.4, 5),
    )
    return verify(builder.graph("net", [x], [y]))


def run(graph: Graph, seed: int = 7) -> np.ndarray:
    (name,) = graph.inputs
    shape = graph.tensors[name].shape
    image = np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)
    (y,) = outputs_of(graph, interpret(graph, {name: image})).values()
    return np.asarray(y)


def test_int4_goes_to_pointwise_and_fully_connected_layers_alone() -> None:
    graph = network()
    assert [op.name for op in graph.ops if takes_int4(graph, op)] == ["pointwise", "head"]
    narrow = with_int4_weights(graph, ["pointwise", "head"])
    assert [narrow.tensors[op.inputs[1]].dtype for op in narrow.ops if len(op.inputs) > 1] == [
        DType.INT8,
        DType.INT8,
        DType.INT4,
        DType.INT4,
    ]
    assert not any(takes_int4(narrow, op) for op in narrow.ops)


def test_int4_weights_stand_for_nearly_the_same_reals() -> None:
    graph = network()
    narrow = with_int4_weights(graph, ["pointwise"])
    before, after = (g.tensors[g.ops[2].inputs[1]] for g in (graph, narrow))
    reals = [
        np.asarray(t.data).astype(float) * t.quantization.scale.reshape(-1, 1, 1, 1)  # type: ignore[union-attr]
        for t in (before, after)
    ]
    half_a_step = np.abs(reals[0]).max(axis=(1, 2, 3)) / 7 / 2
    assert np.all(np.abs(reals[0] - reals[1]).max(axis=(1, 2, 3)) <= half_a_step * 1.001)
    bias = [np.asarray(g.tensors[g.ops[2].inputs[2]].data).astype(float) for g in (graph, narrow)]
    scale = [t.quantization.scale for t in (before, after)]  # type: ignore[union-attr]
    assert np.all(np.abs(bias[0] * scale[0] - bias[1] * scale[1]) <= scale[1] * 0.501)


@pytest.mark.parametrize("layer", ["stem", "pointwise"])
@pytest.mark.parametrize("flatten", [False, True])
def test_half_the_channels_are_those_with_the_larger_weights(layer: str, flatten: bool) -> None:
    """As the whole network with the weights of the others, and what reads them, at zero."""
    graph = network(flatten=flatten)
    pruned = with_half_the_channels(graph, layer)
    assert pruned is not None
    tensors = dict(graph.tensors)
    op = next(op for op in graph.ops if op.name == layer)
    w = np.asarray(tensors[op.inputs[1]].data)
    norms = np.abs(w.astype(float)).reshape(6, -1).sum(axis=1)
    gone = np.argsort(norms)[:3]
    # What reads the channels: the next layer that sums over them.
    reader = graph.ops[
        [o.name for o in graph.ops].index({"stem": "pointwise", "pointwise": "head"}[layer])
    ]
    columns = np.array(tensors[reader.inputs[1]].data)
    columns.reshape(columns.shape[0], -1, 6)[..., gone] = 0
    tensors[reader.inputs[1]] = replace(tensors[reader.inputs[1]], data=columns)
    assert np.array_equal(run(pruned), run(graph.with_ops(graph.ops, tensors)))
    kept = {op.name: pruned.tensors[op.outputs[0]].shape[-1] for op in pruned.ops}
    assert kept[layer] == 3
    assert kept["head"] == 4
    assert pruned.macs() < graph.macs()


def test_channels_that_meet_others_stay() -> None:
    graph = network(residual=True)
    assert with_half_the_channels(graph, "pointwise") is None
    assert with_half_the_channels(graph, "branch") is None


def test_channels_that_leave_the_network_stay() -> None:
    assert with_half_the_channels(network(), "head") is None


@pytest.mark.parametrize("flatten", [False, True])
def test_half_the_input(flatten: bool) -> None:
    graph = network(flatten=flatten)
    smaller = with_half_the_input(graph)
    assert smaller is not None
    assert smaller.tensors[smaller.inputs[0]].shape == (1, 4, 4, 3)
    assert run(smaller).shape == (1, 4)
    assert smaller.macs() < graph.macs() / 3
