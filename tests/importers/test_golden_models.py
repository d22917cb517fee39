"""The four MLPerf Tiny models against the outputs of TFLite's reference kernels."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from midge.graph import Graph, Tensor, format_graph, interpret, outputs_of, parse_graph
from midge.importers import import_tflite
from midge.importers.tflite_file import read_tflite
from support.shared_data import (
    MLPERF_TINY,
    MLPERF_TINY_MODELS,
    mlperf_tiny_golden,
    mlperf_tiny_model,
    needs_mlperf_tiny,
)

pytestmark = [needs_mlperf_tiny, pytest.mark.parametrize("name", MLPERF_TINY_MODELS)]

SAMPLES = 8
"""Of each kind; all of them are compared when the emitted C is."""


@cache
def graph_of(name: str) -> Graph:
    return import_tflite(mlperf_tiny_model(name), f"{name}.tflite")


@pytest.mark.parametrize("kind", ["", "random_"])
def test_outputs_are_the_golden_ones(name: str, kind: str) -> None:
    graph, golden = graph_of(name), mlperf_tiny_golden(name)
    inputs, outputs = golden[f"{kind}inputs"], golden[f"{kind}outputs"]
    chosen = np.linspace(0, len(inputs) - 1, SAMPLES).astype(int)
    (x,), (y,) = graph.inputs, graph.outputs
    for k in chosen:
        values = interpret(graph, {x: inputs[k].reshape(graph.tensors[x].shape)})
        found = outputs_of(graph, values)[y]
        assert np.array_equal(found.reshape(-1), outputs[k].reshape(-1)), f"sample {k}"


def test_every_tensor_of_the_first_sample_is_the_golden_one(name: str) -> None:
    model = read_tflite(mlperf_tiny_model(name), name)[0]
    graph, golden = graph_of(name), mlperf_tiny_golden(name)
    (x,) = graph.inputs
    values = interpret(graph, {x: golden["inputs"][0].reshape(graph.tensors[x].shape)})
    # The runtime that wrote the file adds in place, over the first input that only the ADD reads.
    readers = Counter(n for op in graph.ops for n in op.inputs)
    adds = [op for op in graph.ops if op.kind == "add"]
    written_over = {next(n for n in op.inputs if readers[n] == 1): op.outputs[0] for op in adds}
    with np.load(MLPERF_TINY / "golden" / f"{name}.layers_sample0.npz") as layers:
        compared = set()
        for key in layers:
            tensor = model.tensors[int(key)]
            assert isinstance(tensor, Tensor)
            if tensor.data is None:
                found = values[written_over.get(tensor.name, tensor.name)]
                compared.add(tensor.name)
            else:
                found = tensor.data
            assert np.array_equal(found, layers[key]), tensor.name
    assert compared == set(values)


def test_input_and_output_scales_are_the_golden_ones(name: str) -> None:
    graph, golden = graph_of(name), mlperf_tiny_golden(name)
    for key, (tensor_name,) in (("input", graph.inputs), ("output", graph.outputs)):
        tensor = graph.tensors[tensor_name]
        scale, zero_point = golden[f"{key}_scale_zero_point"]
        assert np.float32(scale) == np.float32(tensor.scale)
        assert zero_point == tensor.zero_point


def test_the_text_form_gives_the_model_back(name: str) -> None:
    graph = graph_of(name)
    text = format_graph(graph)
    constants = {n: t.data for n, t in graph.tensors.items() if t.data is not None}
    again = parse_graph(text, constants)
    assert again == graph
    assert format_graph(again) == text
    assert max(map(len, format_graph(graph, full=False).splitlines())) <= 100


def test_work_and_constants_are_those_that_are_known(name: str) -> None:
    # Multiply-accumulates and bytes of constants, counted independently of this project.
    known = {
        "ad01_fcae_int8": (264_192, 270_880),
        "kws01_dscnn_int8": (2_656_768, 24_376),
        "vww01_mnv1_025_int8": (7_489_664, 219_072),
        "ic01_resnet8_int8": (12_501_632, 78_752),
    }
    macs, constant_bytes = known[name]
    graph = graph_of(name)
    shapes = 0 if name == "ad01_fcae_int8" else 8  # the shape input of the RESHAPE, not kept
    assert (graph.macs(), graph.constant_bytes() + shapes) == (macs, constant_bytes)
