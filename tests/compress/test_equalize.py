from __future__ import annotations

import numpy as np
import pytest
from float_networks import Layers, chain, residual, samples

from midge.compress import QuantizeSettings, quantize_graph
from midge.compress.calibrate import calibrate
from midge.compress.equalize import equalize, pairs_of
from midge.graph import Activation, DType, Graph, interpret, outputs_of, verify
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.reductions import Mean
from midge.graph.ops.reshape import Reshape


def flattened() -> Graph:
    """A convolution, its image as one row, a fully connected layer; channels differ."""
    net = Layers(3)
    x = net.builder.input("x", (1, 4, 4, 2), DType.FLOAT32)
    conv = net.conv("conv", x, 4)
    w = net.tensors_scaled = net.builder.tensors["conv.w"]
    net.builder.tensors["conv.w"] = _scaled(w, (4, 1, 1, 1))
    flat = net.op("flat", Reshape(shape=(1, 64)), conv)
    return net.graph("flattened", [x], [net.fully("fc", flat, 3, output="y")])


def _scaled(tensor, shape):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    factors = np.array([0.01, 0.1, 1, 30], np.float32).reshape(shape)
    return replace(tensor, data=np.asarray(tensor.data) * factors)


def depthwise() -> Graph:
    net = Layers(4)
    x = net.builder.input("x", (1, 6, 6, 3), DType.FLOAT32)
    conv = net.conv("conv", x, 4)
    net.builder.tensors["conv.w"] = _scaled(net.builder.tensors["conv.w"], (4, 1, 1, 1))
    deep = net.depthwise("deep", conv)
    mean = net.op("mean", Mean(axes=(1, 2)), net.conv("last", deep, 5, 1))
    return net.graph("depthwise", [x], [net.fully("fc", mean, 3, output="y")])


CASES = {
    "chain": chain,
    "groups": lambda: chain(groups=2, spread=4.0),
    "flattened": flattened,
    "depthwise": depthwise,
}


def snr(graph: Graph, *, equalization: bool) -> float:
    settings = QuantizeSettings(equalization=equalization)
    report = quantize_graph(graph, samples(graph), settings, explained=False).report
    assert report.float_vs_integer is not None
    assert report.float_vs_integer.snr_db is not None
    return report.float_vs_integer.snr_db


@pytest.mark.parametrize("name", CASES)
def test_the_float_network_stays_the_same_in_every_bit(name: str) -> None:
    graph = CASES[name]()
    given = samples(graph)
    changed, names = equalize(graph, calibrate(graph, given))
    assert names
    verify(changed)
    for sample in given.samples:
        before, after = (outputs_of(g, interpret(g, sample)) for g in (graph, changed))
        for key, value in before.items():
            assert value.tobytes() == after[key].tobytes()


@pytest.mark.parametrize(("name", "gain_db"), [("chain", 6.0), ("groups", 3.0), ("depthwise", 3.0)])
def test_channels_of_different_ranges_gain(name: str, gain_db: float) -> None:
    graph = CASES[name]()
    assert snr(graph, equalization=True) > snr(graph, equalization=False) + gain_db


def test_channels_are_brought_closer() -> None:
    graph = chain()
    given = samples(graph)
    observed = calibrate(graph, given)
    changed, names = equalize(graph, observed)
    assert names == ("first",)
    after = calibrate(changed, given)

    def spread(moments) -> float:  # type: ignore[no-untyped-def]
        ranges = moments["first"].largest.reshape(-1, 8).max(axis=0)
        return float(ranges.max() / ranges.min())

    assert spread(observed.moments) > 1000
    assert spread(after.moments) < 10


def test_even_channels_are_left_alone() -> None:
    graph = chain(spread=0.0)
    changed, names = equalize(graph, calibrate(graph, samples(graph)))
    assert names == ()
    assert changed is graph


def test_what_several_operators_read_is_no_pair() -> None:
    # The stem feeds the sum as well, the pointwise layer feeds it alone.
    assert [(p.first.name, p.second.name) for p in pairs_of(residual())] == [
        ("depthwise", "pointwise")
    ]


def test_a_clamp_at_six_is_no_pair() -> None:
    net = Layers()
    x = net.builder.input("x", (1, 4, 4, 3), DType.FLOAT32)
    clamped = net.conv("clamped", x, 4, activation=Activation.RELU6)
    y = net.conv("second", clamped, 4)
    assert pairs_of(net.graph("clamp", [x], [y])) == []


def test_an_output_is_no_pair() -> None:
    net = Layers()
    x = net.builder.input("x", (1, 4, 4, 3), DType.FLOAT32)
    first = net.conv("first", x, 4)
    assert pairs_of(net.graph("tap", [x], [net.conv("second", first, 4), first])) == []


def test_a_constant_that_two_layers_read_is_changed_for_one() -> None:
    net = Layers(1)
    x = net.builder.input("x", (1, 4), DType.FLOAT32)
    w = net.constant("w", np.diag([0.001, 0.1, 1, 100]))
    first = net.op("first", FullyConnected(activation=Activation.RELU), x, w)
    second = net.op(
        "second", FullyConnected(), first, net.constant("v", np.diag([900, 9, 1, 0.02]))
    )
    other = net.op("other", FullyConnected(), x, w)
    graph = net.graph("shared", [x], [second, other])
    given = samples(graph)
    changed, names = equalize(graph, calibrate(graph, given))
    assert names == ("first",)
    for sample in given.samples[:4]:
        before, after = interpret(graph, sample), interpret(changed, sample)
        for name in graph.outputs:
            assert before[name].tobytes() == after[name].tobytes()
