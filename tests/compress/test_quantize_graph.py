from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from float_networks import NETWORKS, Layers, arrays, chain, residual, samples

from midge.compress import QuantizeSettings, quantize_graph, take_samples
from midge.compress.evaluate import stored_inputs
from midge.compress.quantize_graph import Quantized
from midge.driver import compare_layers, compile_graph
from midge.errors import UnsupportedError, UserError
from midge.graph import DType, Graph, Rounding, format_graph, interpret, verify
from midge.graph.ops.cumsum import Cumsum
from midge.graph.ops.fully_connected import FullyConnected
from midge.report import render_quantization_text

LEAST_SNR_DB = {"residual": 35.0, "branches": 30.0, "chain": 34.0}
"""Measured: 38.9, 33.9 and 37.7."""


def float_types(graph: Graph) -> list[str]:
    return [t.name for t in graph.tensors.values() if t.dtype is DType.FLOAT32]


@cache
def quantised(name: str, **settings: Any) -> Quantized:
    """A network of `NETWORKS` and its integers; several tests look at the same ones."""
    graph = NETWORKS[name]()
    return quantize_graph(graph, samples(graph), QuantizeSettings(**settings), explained=False)


@pytest.mark.parametrize("name", NETWORKS)
def test_everything_becomes_integers_and_stays_close(name: str) -> None:
    graph = NETWORKS[name]()
    made = quantised(name)
    verify(made.graph)
    assert float_types(made.graph) == []
    assert set(made.graph.inputs) == set(graph.inputs)
    assert made.graph.outputs == graph.outputs
    alike = made.report.float_vs_integer
    assert alike is not None
    assert alike.snr_db is not None
    assert alike.snr_db > LEAST_SNR_DB[name]
    assert alike.cosine > 0.999


@pytest.mark.parametrize("name", NETWORKS)
def test_int16_activations_are_far_closer(name: str) -> None:
    made = quantised(name, activations="int16", weights="int8")
    assert float_types(made.graph) == []
    narrow = quantised(name)
    wide_snr = made.report.float_vs_integer.snr_db  # type: ignore[union-attr]
    narrow_snr = narrow.report.float_vs_integer.snr_db  # type: ignore[union-attr]
    assert wide_snr > narrow_snr + 3
    convs = [op for op in made.graph.ops if op.kind == "conv_2d"]
    for op in convs:
        assert op.attributes.rounding is Rounding.TFLITE_16X8  # type: ignore[attr-defined]
        assert made.graph.tensors[op.inputs[2]].dtype is DType.INT64


def test_int4_weights_are_those_that_kernels_unpack() -> None:
    made = quantised("residual", weights="int4")
    types = {
        op.name: made.graph.tensors[op.inputs[1]].dtype
        for op in made.graph.ops
        if op.kind in ("conv_2d", "depthwise_conv_2d", "fully_connected")
    }
    assert types == {
        "stem": DType.INT8,
        "depthwise": DType.INT8,
        "pointwise": DType.INT4,
        "classifier": DType.INT4,
    }
    wide = quantised("residual")
    saved = wide.report.weights_bytes - made.report.weights_bytes
    assert saved == (8 * 8 + 4 * 8) // 2


def test_int4_weights_stay_int8_beside_int16_and_the_report_says_so() -> None:
    graph = residual()
    settings = QuantizeSettings(weights="int4", activations="int16")
    made = quantize_graph(graph, samples(graph), settings, explained=False)
    assert not any(t.dtype is DType.INT4 for t in made.graph.tensors.values())
    assert any("int4 weights take int8 activations" in note for note in made.report.notes)


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"weights": "int4"},
        {"activations": "int16"},
        {"rounding": Rounding.SINGLE},
    ],
    ids=["int8", "int4", "int16", "single"],
)
def test_the_device_computes_what_the_interpreter_does(
    settings: dict[str, Any], target: str
) -> None:
    made = quantised("residual", **settings)
    artifact = compile_graph(made.graph, target=target)
    for sample in samples(residual()).samples[:2]:
        comparison = compare_layers(artifact, stored_inputs(made.graph, sample))
        assert comparison.difference is None, comparison


def test_the_same_samples_give_the_same_network() -> None:
    graph = residual()
    first, second = (quantize_graph(graph, samples(graph), explained=False) for _ in range(2))
    assert format_graph(first.graph) == format_graph(second.graph)
    assert first.report == second.report


def test_a_layer_that_is_kept_computes_in_float() -> None:
    graph = residual()
    settings = QuantizeSettings(keep_float=("classifier", "softmax"))
    made = quantize_graph(graph, samples(graph), settings, explained=False)
    kept = {op.name: op for op in made.graph.ops}
    for name in settings.keep_float:
        assert made.graph.tensors[kept[name].outputs[0]].dtype is DType.FLOAT32
    assert made.graph.tensors[kept["pointwise"].outputs[0]].dtype is DType.INT8
    assert "in float32: classifier, softmax" in made.report.notes
    every = tuple(op.name for op in graph.ops)
    untouched = quantize_graph(
        graph, samples(graph), QuantizeSettings(keep_float=every), explained=False
    )
    alike = untouched.report.float_vs_integer
    assert alike is not None
    assert alike.largest_error == 0


def test_operators_without_an_integer_form_are_all_named() -> None:
    net = Layers()
    x = net.builder.input("x", (1, 4, 6), DType.FLOAT32)
    summed = net.op("features.0.cumsum", Cumsum(axis=1), x)
    y = net.op("features.1.cumsum", Cumsum(axis=2), net.fully("head", summed, 6))
    graph = net.graph("sums", [x], [y])
    with pytest.raises(UnsupportedError) as refused:
        quantize_graph(graph, samples(graph))
    assert "2 operators would compute in float32" in str(refused.value)
    assert "'features.0.cumsum' (cumsum): its integer form starts from the code 0" in str(
        refused.value
    )
    assert "'features.1.cumsum'" in str(refused.value)
    allowed = quantize_graph(
        graph, samples(graph), QuantizeSettings(allow_float=True), explained=False
    )
    kinds = [op.kind for op in allowed.graph.ops if op.kind == "cumsum"]
    assert kinds == ["cumsum", "cumsum"]
    assert "in float32: features.0.cumsum, features.1.cumsum" in allowed.report.notes


def test_an_unknown_layer_cannot_be_kept() -> None:
    graph = residual()
    with pytest.raises(UserError, match=r"keep_float names \['stam'\], which are no operators"):
        quantize_graph(graph, samples(graph), QuantizeSettings(keep_float=("stam",)))


def test_a_quantised_network_is_refused() -> None:
    graph = residual()
    made = quantize_graph(graph, samples(graph), explained=False)
    with pytest.raises(UserError, match="is quantised already"):
        quantize_graph(made.graph, samples(graph))


def test_a_network_that_overflows_is_refused_by_its_layer() -> None:
    graph = residual()
    name = "pointwise.w"
    huge = replace(
        graph.tensors[name], data=np.full_like(graph.tensors[name].data, np.float32(3e38))
    )
    broken = replace(graph, tensors={**graph.tensors, name: huge})
    # Sums are clamped to the ends of float32; what follows has no finite sum.
    with pytest.raises(UserError, match=r"residual: op '\w+' \(\w+\) is not finite on calibration"):
        quantize_graph(broken, samples(graph))


def test_computed_weights_stay_float() -> None:
    net = Layers()
    x = net.builder.input("x", (1, 6), DType.FLOAT32)
    w = net.builder.input("w", (3, 6), DType.FLOAT32)
    y = net.op("dynamic", FullyConnected(), x, w)
    graph = net.graph("dynamic", [x, w], [y])
    rows = {"x": np.ones((16, 6), np.float32), "w": np.ones((16, 3, 6), np.float32)}
    with pytest.raises(UnsupportedError, match="its weights w are computed"):
        quantize_graph(graph, take_samples(graph, rows))


def test_a_dead_channel_and_a_large_bias_fit_their_integers() -> None:
    graph = residual()
    w, b = graph.tensors["stem.w"], graph.tensors["stem.b"]
    weights, bias = np.array(w.data), np.array(b.data)
    weights[0], weights[1], bias[1] = 0, 1e-12, 5
    tensors = {**graph.tensors, w.name: replace(w, data=weights), b.name: replace(b, data=bias)}
    changed = replace(graph, tensors=tensors)
    made = quantize_graph(changed, samples(graph), explained=False)
    alike = made.report.float_vs_integer
    assert alike is not None
    assert alike.snr_db is not None
    assert alike.snr_db > 30


def test_few_samples_are_a_note() -> None:
    graph = residual()
    made = quantize_graph(graph, samples(graph, 3), explained=False)
    assert made.report.notes[0].startswith("calibrated on 3 samples; with under 16")
    assert quantize_graph(graph, samples(graph, 16), explained=False).report.notes == ()


def test_the_report_is_plain_data_and_names_what_costs_most() -> None:
    graph = chain(spread=1.0)
    given = take_samples(graph, arrays(graph)["x"], np.zeros(24, np.int64))
    settings = QuantizeSettings(weights="int4")
    made = quantize_graph(graph, given, settings)
    report = made.report
    assert json.loads(json.dumps(report.to_json()))["model"] == "chain"
    # The pointwise layer has weights of four bits: nothing costs as much.
    assert report.costliest[0] == "second"
    by_change = {r.change: r for r in report.remedies}
    kept = by_change["keep_float=['second']"]
    assert kept.gain_db is not None
    assert kept.gain_db > 3
    assert kept.extra_bytes > 0
    wider = by_change["weights='int8'"]
    assert wider.extra_bytes == 4 * 8 // 2
    assert wider.gain_db is not None
    assert wider.gain_db > 3
    assert report.accuracy is not None
    assert set(report.accuracy) == {"float", "integer"}
    text = render_quantization_text(report.to_json())
    assert "Layers that cost most: second" in text
    assert all(len(line) <= 110 for line in text.splitlines())


def test_a_remedy_gives_what_the_report_says() -> None:
    graph = chain(spread=1.0)
    given = samples(graph)
    report = quantize_graph(graph, given, QuantizeSettings(bias_correction=False)).report
    remedy = report.remedies[0]
    kept = QuantizeSettings(bias_correction=False, keep_float=(remedy.layer,))
    made = quantize_graph(graph, given, kept, explained=False)
    alike = made.report.float_vs_integer
    assert alike is not None
    assert alike.snr_db == pytest.approx(remedy.snr_db)
    assert made.graph.constant_bytes() - report.weights_bytes == remedy.extra_bytes


def test_shares_of_clipped_elements_are_counted() -> None:
    graph = residual()
    settings = QuantizeSettings(observer="percentile", percentile=90, equalization=False)
    report = quantize_graph(graph, samples(graph), settings, explained=False).report
    stem = next(layer for layer in report.layers if layer.name == "stem")
    # A tenth is set aside, half of it on each side; one side is the zeros of the clamp.
    assert stem.clipped == pytest.approx(0.05, abs=0.01)
    assert stem.code_high is not None
    values = [interpret(graph, s) for s in samples(graph).samples]
    stored = np.concatenate([v[graph.ops[0].outputs[0]].reshape(-1) for v in values])
    beyond = (stored > stem.code_high + stem.scale / 2).mean()  # type: ignore[operator]
    assert stem.clipped == pytest.approx(beyond)
