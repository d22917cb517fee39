"""The depthwise tile that makes two outputs at a time: shapes at its edges, exact on the core."""

from __future__ import annotations

import pytest

from midge.c_emitter import KERNELS
from midge.c_emitter.kernel import layers_of
from midge.graph import Rounding
from midge.synthetic import SyntheticNetwork
from midge.synthetic.model_description import DepthwiseConv2DOptions, Quantization
from midge.synthetic.network_builder import NetworkBuilder
from support.layer_bench import Bench, build_layers, unequal_networks, with_rounding
from support.networks import bell_weights, imported, join, network

(KERNEL,) = (k for k in KERNELS["depthwise_conv_2d"] if k.variant == "scalar")
SHAPES = (
    # Rows of taps too far apart for an immediate.
    ((1, 5, 68, 2), (1, 3, 3, 2), DepthwiseConv2DOptions(activation="RELU")),
    # One row of taps, and more of them than three; a last row of bands that is not whole.
    ((1, 6, 6, 3), (1, 1, 3, 3), DepthwiseConv2DOptions(activation="RELU6")),
    ((1, 37, 14, 2), (1, 5, 3, 2), DepthwiseConv2DOptions(activation="RELU")),
    # The smallest plane, without a border, and more outputs than inputs.
    ((2, 3, 4, 5), (1, 3, 3, 5), DepthwiseConv2DOptions("VALID", activation="RELU")),
    ((1, 4, 8, 3), (1, 3, 3, 6), DepthwiseConv2DOptions(depth_multiplier=2, activation="RELU")),
)


def layer(number: int) -> SyntheticNetwork:
    image, weights, options = SHAPES[number]

    def add(builder: NetworkBuilder) -> str:
        x = builder.input(image, Quantization((0.05,), (-128 if number % 2 else 7,)))
        return builder.depthwise_conv_2d(x, bell_weights(builder, weights, 3), options)

    return network(f"DEPTHWISE_CONV_2D/pairs/{number}", add)


@pytest.mark.parametrize("rounding", [Rounding.TFLITE_DOUBLE, Rounding.SINGLE])
def test_two_outputs_at_a_time_are_exact(rounding: Rounding) -> None:
    networks = [layer(number) for number in range(len(SHAPES))]
    for made in networks:
        (only,) = layers_of(imported(made))
        assert "two outputs at a time" in KERNEL.tiles(only)[0].text, made.description
    joined = join(networks)
    graph = with_rounding(joined.graph, rounding)
    artifact = build_layers(graph, (KERNEL,) * len(graph.ops), Bench("cortex-m0plus"))
    assert not unequal_networks(joined, artifact, seeds=range(5))
