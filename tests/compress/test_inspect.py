from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from float_networks import arrays, branches, chain, residual, samples

from midge.compress import inspect, quantize_graph, take_samples
from midge.errors import UserError
from midge.graph import read_graph, write_graph
from midge.report import render_quantization_text


def test_without_the_float_network_integers_speak_for_themselves() -> None:
    graph = residual()
    w = graph.tensors["depthwise.w"]
    weights, bias = np.array(w.data), np.array(graph.tensors["depthwise.b"].data)
    weights[..., 2], bias[2] = 0, 1
    changed = replace(
        graph,
        tensors={
            **graph.tensors,
            w.name: replace(w, data=weights),
            "depthwise.b": replace(graph.tensors["depthwise.b"], data=bias),
        },
    )
    made = quantize_graph(changed, samples(graph), explained=False)
    kept = read_graph(write_graph(made.graph), "kept.midge")
    labels = np.zeros(24, np.int64)
    report = inspect(kept, take_samples(kept, arrays(graph)["x"], labels))
    layers = {layer.name: layer for layer in report.layers}
    assert layers["depthwise"].dead_channels == 1
    assert layers["stem"].dead_channels == 0
    assert layers["stem"].snr_db is None
    assert layers["stem"].saturated is not None
    # A rectified output lies at the lower end where it is cut.
    assert 0.2 < layers["stem"].saturated < 0.8
    assert layers["stem"].code_low == 0
    assert set(report.accuracy or {}) == {"integer"}
    assert report.float_vs_integer is None
    text = render_quantization_text(report.to_json())
    assert "1 of 8" in text
    assert "no float network is given to compare with" in text


@pytest.mark.parametrize("network", [residual, branches, chain])
def test_with_the_float_network_it_says_what_quantising_did(network) -> None:  # type: ignore[no-untyped-def]
    graph = network()
    made = quantize_graph(graph, samples(graph), explained=False)
    kept = read_graph(write_graph(made.graph), "kept.midge")
    given = take_samples(kept, arrays(graph))
    report = inspect(kept, given, made.reference)
    assert report.float_vs_integer == made.report.float_vs_integer
    before = {layer.name: layer for layer in made.report.layers}
    compared = [layer for layer in report.layers if layer.snr_db is not None]
    assert len(compared) >= 3
    for layer in compared:
        assert layer.snr_db == pytest.approx(before[layer.name].snr_db)


def test_another_float_network_is_refused() -> None:
    graph = residual()
    made = quantize_graph(graph, samples(graph), explained=False)
    given = take_samples(made.graph, arrays(graph))
    with pytest.raises(UserError, match="give the float model that this one was quantised from"):
        inspect(made.graph, given, branches())
