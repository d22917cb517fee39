"""Random networks of weighted sums in every type, against TFLite Micro and on the device."""

from __future__ import annotations

from collections import Counter

import pytest

from midge.graph import DType
from midge.synthetic import random_network
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.synthetic_network import SyntheticNetwork
from midge.synthetic.weighted_layers import Layer, add_layer
from midge.synthetic.weighted_numbers import Numbers
from support.differential import Machine, check_against_oracle, check_on_device, graph_of

OPERATORS = (
    *("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "BATCH_MATMUL"),
    "RESHAPE",
)
CORES = ("cortex-m4", "cortex-m0plus", "rv32imc")


def grown(seed: int, dtype: str) -> SyntheticNetwork:
    return random_network(seed, ops=OPERATORS, dtype=dtype, max_ops=5, max_elements=400)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_random_networks_agree_with_tflite_micro(dtype: str) -> None:
    met: Counter[tuple[str, DType]] = Counter()
    for seed in range(60):
        network = grown(seed, dtype)
        graph = graph_of(network)
        met.update((op.kind, DType(dtype)) for op in graph.ops)
        check_against_oracle(network, graph, range(3))
    assert all(met[op.lower(), DType(dtype)] >= 10 for op in OPERATORS[:-1]), met


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("number", range(3))
def test_random_networks_agree_with_the_device(dtype: str, number: int) -> None:
    network = grown(100 + number, dtype)
    check_on_device(network, graph_of(network), Machine(CORES[number]), range(5))


@pytest.mark.parametrize("bias", ["there", "listed", "empty"])
def test_a_float_bias_may_be_left_out_in_each_way(bias: str) -> None:
    layer = Layer("FULLY_CONNECTED", (3, 4))
    builder = NetworkBuilder(seed=1)
    x = builder.input((2, 4), None, "float32")
    constants, output = Numbers(bias=bias).draw(builder.rng, layer, "float32")
    made = SyntheticNetwork(bias, builder.build([add_layer(builder, x, layer, constants, output)]))
    graph = graph_of(made)
    assert [len(graph.ops[0].inputs), graph.ops[0].inputs[2:] == ("",)] == [3, bias != "there"]
    check_against_oracle(made, graph, range(3))
