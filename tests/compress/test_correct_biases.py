from __future__ import annotations

import numpy as np
import pytest
from float_networks import Layers, residual, samples

from midge.compress import QuantizeSettings, Samples, quantize_graph, take_samples
from midge.compress.evaluate import runs, to_real
from midge.graph import Activation, DType, Graph


def positive(seed: int = 0) -> Graph:
    """Layers whose inputs have means far from zero: rounding weights shifts what they sum."""
    net = Layers(seed)
    x = net.builder.input("x", (1, 6, 6, 4), DType.FLOAT32)
    first = net.conv("first", x, 8, 1)
    deep = net.depthwise("deep", first, Activation.NONE)
    return net.graph("positive", [x], [net.conv("last", deep, 6, 1, Activation.NONE)])


def positive_samples(graph: Graph, count: int = 32, seed: int = 5) -> Samples:
    rng = np.random.default_rng(seed)
    return take_samples(graph, np.abs(rng.standard_normal((count, 6, 6, 4))) + 1)


def mean_error(graph: Graph, given: Samples, settings: QuantizeSettings) -> tuple[float, float]:
    """Largest shift of a channel's mean, relative to the channels' spread; and the report's SNR."""
    made = quantize_graph(graph, given, settings, explained=False)
    (name,) = graph.outputs
    tensor = made.graph.tensors[name]
    right = np.stack([v[name] for v in runs(graph, given, "")]).astype(np.float64)
    coded = np.stack([to_real(tensor, v[name]) for v in runs(made.graph, given, "")])
    shift = np.abs((coded - right).reshape(-1, right.shape[-1]).mean(axis=0)).max()
    assert made.report.float_vs_integer is not None
    assert made.report.float_vs_integer.snr_db is not None
    return float(shift / right.std()), made.report.float_vs_integer.snr_db


# Rounding to int8 shifts little: next to the outputs' own rounding that is hardly noise.
@pytest.mark.parametrize(("weights", "gain_db"), [("int8", -0.2), ("int4", 1.0)])
def test_the_mean_of_channels_comes_back(weights: str, gain_db: float) -> None:
    graph = positive()
    given = positive_samples(graph)
    plain, plain_snr = mean_error(
        graph, given, QuantizeSettings(weights=weights, bias_correction=False)
    )
    corrected, corrected_snr = mean_error(graph, given, QuantizeSettings(weights=weights))
    assert corrected < plain / 3
    assert corrected_snr > plain_snr + gain_db


def test_it_holds_on_samples_that_were_not_seen() -> None:
    graph = positive()
    seen, unseen = positive_samples(graph), positive_samples(graph, seed=6)
    found = []
    for correction in (False, True):
        settings = QuantizeSettings(weights="int4", bias_correction=correction)
        made = quantize_graph(graph, seen, settings, evaluation=unseen, explained=False)
        assert made.report.float_vs_integer is not None
        found.append(made.report.float_vs_integer.snr_db or 0)
        assert not made.report.evaluated_on_calibration
    assert found[1] > found[0] + 1


def test_a_layer_without_a_bias_gets_one() -> None:
    net = Layers(2)
    x = net.builder.input("x", (1, 8), DType.FLOAT32)
    from midge.graph.ops.fully_connected import FullyConnected

    y = net.op("fc", FullyConnected(), x, net.weights("w", (3, 8), 8), output="y")
    graph = net.graph("bare", [x], [y])
    given = take_samples(graph, np.abs(np.random.default_rng(0).standard_normal((32, 8))) + 2)
    for settings, inputs in (
        (QuantizeSettings(bias_correction=False), 2),
        (QuantizeSettings(), 3),
    ):
        made = quantize_graph(graph, given, settings, explained=False)
        (op,) = made.graph.ops
        assert len(op.inputs) == inputs


def test_other_biases_stay() -> None:
    graph = residual()
    given = samples(graph)
    off, on = (
        quantize_graph(graph, given, QuantizeSettings(bias_correction=c), explained=False).graph
        for c in (False, True)
    )
    for before, after in zip(off.ops, on.ops, strict=True):
        assert before.attributes == after.attributes
        weights = [
            graph_.tensors[op.inputs[1]].data
            for graph_, op in ((off, before), (on, after))
            if len(op.inputs) > 1
        ]
        if before.kind in ("conv_2d", "depthwise_conv_2d", "fully_connected"):
            assert np.array_equal(*weights)  # type: ignore[arg-type]
