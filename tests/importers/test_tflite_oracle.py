"""Imported networks against TFLite Micro itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tflite_files import activation, constant, integers, one_operator, quantization

from midge.graph import Array, format_graph, interpret, outputs_of, parse_graph
from midge.graph import requantize as rq
from midge.importers import import_tflite
from midge.synthetic import random_network
from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    FullyConnectedOptions,
    ModelDescription,
    PadOptions,
)
from midge.synthetic.model_description import Tensor as FileTensor
from midge.synthetic.tflite_writer import write_tflite
from support.oracle import tflm_outputs, tflm_outputs_of_samples

NETWORKS = 60
SAMPLES = 2


def computed(data: bytes, inputs: list[Array]) -> list[Array]:
    graph = import_tflite(data, "m.tflite")
    values = interpret(graph, dict(zip(graph.inputs, inputs, strict=True)))
    outputs = outputs_of(graph, values)
    return [outputs[name] for name in graph.outputs]


@pytest.mark.parametrize("first", range(0, NETWORKS, 20))
def test_random_networks_are_computed_as_tflite_micro_computes_them(first: int) -> None:
    for seed in range(first, first + 20):
        network = random_network(seed)
        samples = [network.sample_inputs(SAMPLES * seed + k) for k in range(SAMPLES)]
        expected = tflm_outputs_of_samples(network.model_bytes, samples)
        for sample, outputs in zip(samples, expected, strict=True):
            for found, wanted in zip(computed(network.model_bytes, sample), outputs, strict=True):
                assert np.array_equal(found, wanted), network.description


def test_random_networks_come_back_from_their_text() -> None:
    for seed in range(NETWORKS):
        graph = import_tflite(random_network(seed).model_bytes, "m.tflite")
        text = format_graph(graph)
        constants = {n: t.data for n, t in graph.tensors.items() if t.data is not None}
        assert parse_graph(text, constants) == graph
        assert max(map(len, format_graph(graph, full=False).splitlines())) <= 100


def where_roundings_part(s_x: float, s_w: float, s_y: float) -> list[int]:
    """Accumulators whose outputs tell a float32 product of the scales from a double one."""
    single = float(np.float32(np.float32(s_x) * np.float32(s_w))) / s_y
    factors = [
        rq.requantization(np.array([f]), rq.Rounding.TFLITE_DOUBLE)
        for f in (single, s_x * s_w / s_y)
    ]
    found = []
    for output in range(20, 120):
        around = math.floor((output - 0.5) / (s_x * s_w / s_y))
        near = np.arange(around - 64, around + 64)
        a, b = (rq.requantize(near, f) for f in factors)
        found += near[a != b][:1].tolist()
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_product_of_scales_is_a_double_in_dense_layers_and_convolutions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    s_x, s_w = (float(v) for v in rng.uniform(0.5, 2, 2).astype(np.float32))
    s_y = float(np.float32(s_x * s_w * 2**23))
    sums = where_roundings_part(s_x, s_w, s_y)
    assert sums, "these scales show nothing"
    n = len(sums)
    bias: FileTensor = FileTensor(
        "b", (n,), "int32", quantization(s_x * s_w), np.array(sums, np.int32)
    )
    for op, options, x_shape, w_shape, y_shape in (
        ("FULLY_CONNECTED", FullyConnectedOptions(), (1, 4), (n, 4), (1, n)),
        ("CONV_2D", Conv2DOptions(), (1, 1, 1, 4), (n, 1, 1, 4), (1, 1, 1, n)),
    ):
        weights = FileTensor("w", w_shape, "int8", quantization(s_w), np.zeros(w_shape, np.int8))
        model: ModelDescription = one_operator(
            op,
            options,
            (activation("x", *x_shape, scale=s_x), weights, bias),
            activation("y", *y_shape, scale=s_y),
        )
        data, x = write_tflite(model), np.zeros(x_shape, np.int8)
        (expected,) = tflm_outputs(data, [x])
        assert np.array_equal(computed(data, [x])[0], expected)


def test_padding_takes_the_outputs_zero_point_and_reshape_moves_bytes() -> None:
    x = activation("x", 2, 3, scale=0.5, zero_point=7)
    paddings = integers("p", [[1, 0], [0, 2]])
    data = write_tflite(
        one_operator(
            "PAD", PadOptions(), (x, paddings), activation("y", 3, 5, scale=0.5, zero_point=7)
        )
    )
    values = np.arange(6, dtype=np.int8).reshape(2, 3)
    (expected,) = tflm_outputs(data, [values])
    assert np.array_equal(computed(data, [values])[0], expected)
    assert expected[0, 0] == 7


def test_a_constant_operand_is_read() -> None:
    data = write_tflite(
        one_operator(
            "ADD",
            AddOptions("RELU6"),
            (activation("x", 4, scale=0.1), constant("c", 2, 4, value=3)),
            activation("y", 2, 4, scale=0.05, zero_point=-100),
        )
    )
    x = np.array([-128, -1, 60, 127], np.int8)
    (expected,) = tflm_outputs(data, [x])
    assert np.array_equal(computed(data, [x])[0], expected)
