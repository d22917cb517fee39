"""What the page draws is counted right."""

from __future__ import annotations

import json

import numpy as np
import pytest
from float_networks import Floats, Layers, arrays, branches, chain, residual, samples

from midge.compress import Samples, quantize_graph, take_samples
from midge.compress.evaluate import runs
from midge.compress.pictures import BINS, MOST_BEYOND, pictures_of
from midge.graph import DType, Graph
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.logistic_tanh import Tanh
from midge.graph.ops.variable import AssignVariable, ReadVariable
from midge.report import render_quantization_html


def labelled(graph: Graph, labels: object) -> Samples:
    return take_samples(graph, arrays(graph), labels)


@pytest.mark.parametrize("network", [residual, branches, chain])
def test_every_page_of_a_network_can_be_drawn(network) -> None:  # type: ignore[no-untyped-def]
    graph = network()
    made = quantize_graph(graph, samples(graph), explained=False)
    pictures = pictures_of(made.graph, samples(graph), made.reference)
    assert json.loads(json.dumps(pictures, allow_nan=False)) == pictures
    html = render_quantization_html({**made.report.to_json(), "pictures": pictures})
    drawn = {layer.name for layer in made.report.layers if layer.kind != "reshape"}
    assert drawn <= {picture["name"] for picture in pictures["layers"]}
    assert html.count('aria-label="Values of ') == len(drawn)
    shown = {picture["name"] for picture in pictures["layers"] if picture["float"]}
    assert shown >= {layer.name for layer in made.report.layers if layer.snr_db is not None}


def test_the_histogram_counts_every_value_of_both_networks() -> None:
    graph = residual()
    made = quantize_graph(graph, samples(graph), explained=False)
    pictures = {p["name"]: p for p in pictures_of(made.graph, samples(graph), graph)["layers"]}
    stem = pictures["stem"]
    values = np.concatenate(
        [run[graph_output(graph, "stem")].reshape(-1) for run in runs(graph, samples(graph), "")]
    )
    assert sum(stem["float"]) == sum(stem["integer"]) == values.size
    edges = np.linspace(stem["low"], stem["high"], BINS + 1)
    assert stem["float"][10] == ((values >= edges[10]) & (values < edges[11])).sum()
    assert stem["codes"][0] == 0
    assert stem["inner"] == pytest.approx(np.quantile(values, [0.005, 0.995]))


def graph_output(graph: Graph, name: str) -> str:
    return next(op.outputs[0] for op in graph.ops if op.name == name)


def test_channels_that_were_evened_out_are_shown_as_they_were_and_are() -> None:
    graph = chain(spread=5.0)
    made = quantize_graph(graph, samples(graph), explained=False)
    assert "first" in made.report.equalized
    pictures = {p["name"]: p for p in pictures_of(made.graph, samples(graph), graph)["layers"]}
    first = pictures["first"]
    before = np.array([high for _, high in first["channels_before"]])
    after = np.array([high for _, high in first["channels"]])
    factors = np.log2(after / before)
    assert np.allclose(factors, np.rint(factors))
    assert after.max() / after.min() < before.max() / before.min() / 8
    assert first["weights"]["stored"] != pytest.approx(first["weights"]["float"], rel=0.1)
    second = pictures["second"]["weights"]
    assert len(second["stored"]) == 4


def test_far_values_do_not_flatten_the_picture() -> None:
    graph = residual()
    made = quantize_graph(graph, samples(graph), explained=False)
    loud = take_samples(graph, {n: a * 1e6 for n, a in arrays(graph).items()})
    stem = next(p for p in pictures_of(made.graph, loud, graph)["layers"] if p["name"] == "stem")
    low, high = stem["codes"]
    assert stem["high"] == pytest.approx(high + MOST_BEYOND * (high - low))
    assert stem["float"][-1] > 0
    assert sum(stem["integer"][BINS // 2 + 2 :]) == 0


def test_answers_are_counted_against_each_other_and_the_labels() -> None:
    graph = residual()
    made = quantize_graph(graph, samples(graph), explained=False)
    x = samples(graph)
    output = graph.outputs[0]
    right = np.array([run[output].argmax() for run in runs(graph, x, "")])
    given = np.array([run[made.graph.outputs[0]].argmax() for run in runs(made.graph, x, "")])
    labels = np.where(np.arange(24) % 2, right, (right + 1) % 4)
    answers = pictures_of(made.graph, labelled(graph, labels), graph)["answers"]
    counts = np.array(answers["counts"])
    assert counts.sum() == 24
    assert np.trace(counts) == (right == given).sum()
    assert answers["right"]["both"] == ((right == labels) & (given == labels)).sum()
    assert sum(answers["right"].values()) == 24
    assert pictures_of(made.graph, x, graph)["answers"]["right"] is None


def test_the_cloud_holds_pairs_of_elements() -> None:
    graph = residual()
    made = quantize_graph(graph, samples(graph), explained=False)
    outputs = pictures_of(made.graph, samples(graph), graph)["outputs"]
    assert outputs["elements"] == 24 * 4
    first = next(iter(runs(graph, samples(graph), "")))[graph.outputs[0]].reshape(-1)
    assert [a for a, _ in outputs["points"][:4]] == pytest.approx(first)
    assert all(abs(a - b) < 0.1 for a, b in outputs["points"])


def test_integers_alone_have_a_histogram_and_no_more() -> None:
    graph = residual()
    made = quantize_graph(graph, samples(graph), explained=False)
    pictures = pictures_of(made.graph, samples(graph))
    assert pictures["outputs"] is None
    assert pictures["answers"] is None
    for picture in pictures["layers"]:
        assert picture["float"] is None
        assert sum(picture["integer"]) > 0


def test_a_network_of_one_value_is_drawn() -> None:
    """Constant outputs, one output element, one channel."""
    net = Layers()
    x = net.builder.input("x", (1, 2), DType.FLOAT32)
    graph = net.graph("one", [x], [net.fully("y", x, 1)])
    zeros: Floats = np.zeros((4, 2), np.float32)
    flat = take_samples(graph, zeros)
    made = quantize_graph(graph, take_samples(graph, arrays(graph)["x"]), explained=False)
    pictures = pictures_of(made.graph, flat, graph)
    assert pictures["answers"] is None
    (layer,) = pictures["layers"]
    assert layer["channels"] is None
    assert render_quantization_html({**made.report.to_json(), "pictures": pictures})


def test_a_stream_is_drawn_with_the_state_that_it_had() -> None:
    net = Layers(8)
    x = net.builder.input("x", (1, 3), DType.FLOAT32)
    state = net.builder.variable("state", np.full((1, 5), 0.25, np.float32))
    both = net.op("both", Concatenation(axis=1), net.op("read", ReadVariable(), state), x)
    after = net.op("after", Tanh(), net.fully("mix", both, 5))
    net.builder.op("assign", AssignVariable(), (state, after))
    graph = net.graph("cell", [x], [net.fully("head", after, 2, output="y")])
    walk = np.cumsum(np.random.default_rng(3).standard_normal((40, 3)), axis=0) * 0.3
    given = take_samples(graph, walk)
    made = quantize_graph(graph, given, explained=False)
    pictures = pictures_of(made.graph, given, graph)
    name = graph.outputs[0]
    last = list(runs(graph, given, ""))[-1][name].reshape(-1)
    assert [a for a, _ in pictures["outputs"]["points"][-2:]] == pytest.approx(last)
    assert np.trace(pictures["answers"]["counts"]) >= 36
