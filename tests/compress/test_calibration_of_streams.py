from __future__ import annotations

import numpy as np
import pytest
from float_networks import Layers

from midge.compress import QuantizeSettings, quantize_graph, take_samples
from midge.compress.evaluate import stored_inputs
from midge.driver import compare_layers, compile_graph
from midge.graph import Activation, DType, Graph, Tensor
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.logistic_tanh import Tanh
from midge.graph.ops.slice import Slice
from midge.graph.ops.variable import AssignVariable, ReadVariable


def window(steps: int = 4) -> Graph:
    """The last inputs of a stream in a variable, and a layer over them."""
    net = Layers(7)
    x = net.builder.input("x", (1, 3), DType.FLOAT32)
    held = net.builder.variable("held", np.zeros((1, 3 * steps), np.float32))
    past = net.op("read", ReadVariable(), held)
    size = (1, 3 * steps - 3)
    kept = net.op("kept", Slice(begin=(0, 3), size=size, step=(1, 1), shape=size), past)
    now = net.op("joined", Concatenation(axis=1), kept, x)
    net.builder.op("assign", AssignVariable(), (held, now))
    hidden = net.op(
        "hidden",
        FullyConnected(activation=Activation.RELU),
        now,
        net.weights("hidden.w", (6, 3 * steps), 3 * steps),
        net.bias("hidden.b", 6),
    )
    return net.graph("window", [x], [net.fully("head", hidden, 2, output="y")])


def cell() -> Graph:
    """A recurrent cell whose state comes of a function with a scale of its own."""
    net = Layers(8)
    x = net.builder.input("x", (1, 3), DType.FLOAT32)
    state: Tensor = net.builder.variable("state", np.full((1, 5), 0.25, np.float32))
    both = net.op("both", Concatenation(axis=1), net.op("read", ReadVariable(), state), x)
    after = net.op("after", Tanh(), net.fully("mix", both, 5))
    net.builder.op("assign", AssignVariable(), (state, after))
    return net.graph("cell", [x], [net.fully("head", after, 2, output="y")])


def stream(graph: Graph, count: int = 40):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.standard_normal((count, 3)), axis=0) * 0.3
    return take_samples(graph, walk)


@pytest.mark.parametrize("activations", ["int8", "int16"])
@pytest.mark.parametrize("network", [window, cell])
def test_a_stream_keeps_its_state_in_integers(network, activations: str) -> None:  # type: ignore[no-untyped-def]
    graph = network()
    given = stream(graph)
    settings = QuantizeSettings(activations=activations)
    made = quantize_graph(graph, given, settings, explained=False)
    (variable,) = made.graph.variables
    assert variable.dtype.value == activations
    assert variable.quantization is not None
    assert not any(t.dtype is DType.FLOAT32 for t in made.graph.tensors.values())
    alike = made.report.float_vs_integer
    assert alike is not None
    assert alike.snr_db is not None
    # Both forget: an error of one step does not stay.
    assert alike.snr_db > {"int8": 28, "int16": 38}[activations]
    assert any("the network has state" in note for note in made.report.notes)


@pytest.mark.parametrize("network", [window, cell])
def test_the_device_follows_the_interpreter_along_the_stream(network) -> None:  # type: ignore[no-untyped-def]
    graph = network()
    given = stream(graph)
    made = quantize_graph(graph, given, explained=False)
    rows = [stored_inputs(made.graph, sample)["x"] for sample in given.samples[:6]]
    comparison = compare_layers(compile_graph(made.graph, target="cortex-m4"), np.stack(rows))
    assert comparison.samples == 6
    assert comparison.difference is None, comparison


def test_the_first_value_of_a_state_is_kept() -> None:
    graph = cell()
    made = quantize_graph(graph, stream(graph), explained=False)
    (variable,) = made.graph.variables
    reals = (np.asarray(variable.data).astype(np.float64) - variable.zero_point) * variable.scale
    assert np.abs(reals - 0.25).max() <= variable.scale / 2
