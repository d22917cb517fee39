"""Layers of the sizes at which generated tiles change their ways.

Pixels, outputs and taps that fill tiles and do not; channels in fours and not; windows of three
columns that move by one or two; weights and inputs at both ends.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from midge.synthetic import SyntheticNetwork
from midge.synthetic.model_description import (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Quantization,
)
from midge.synthetic.network_builder import NetworkBuilder, Weights
from support.networks import bell_weights, network

Shape = tuple[int, ...]
_CONV: tuple[tuple[Shape, Shape, Conv2DOptions], ...] = (
    ((1, 3, 5, 8), (6, 1, 1, 8), Conv2DOptions(activation="RELU")),
    ((2, 3, 3, 7), (5, 1, 1, 7), Conv2DOptions(activation="RELU6")),
    ((1, 1, 1, 64), (3, 1, 1, 64), Conv2DOptions()),
    ((1, 4, 7, 33), (9, 1, 1, 33), Conv2DOptions(activation="RELU")),
    ((1, 2, 3, 130), (4, 1, 1, 130), Conv2DOptions(activation="RELU")),
    ((1, 2, 2, 4), (70, 1, 1, 4), Conv2DOptions(activation="RELU_N1_TO_1")),
    ((1, 6, 7, 4), (3, 3, 3, 4), Conv2DOptions(activation="RELU")),
    ((2, 5, 8, 8), (5, 3, 3, 8), Conv2DOptions(activation="RELU")),
    ((1, 9, 12, 16), (4, 3, 3, 16), Conv2DOptions()),
    ((1, 9, 5, 12), (2, 3, 3, 12), Conv2DOptions("VALID", (2, 2), activation="RELU")),
    ((1, 7, 8, 4), (2, 3, 3, 4), Conv2DOptions("VALID")),
    ((1, 4, 1, 4), (3, 3, 3, 4), Conv2DOptions(activation="RELU6")),
    ((1, 3, 3, 8), (4, 1, 3, 8), Conv2DOptions(activation="RELU")),
    ((1, 8, 4, 4), (3, 2, 3, 4), Conv2DOptions("SAME", (2, 1))),
    ((1, 8, 9, 20), (4, 5, 5, 20), Conv2DOptions("SAME", (2, 2), activation="RELU")),
    ((1, 6, 9, 3), (8, 3, 3, 3), Conv2DOptions("SAME", (1, 1), activation="RELU")),
    ((1, 8, 9, 3), (5, 3, 3, 3), Conv2DOptions("SAME", (2, 2), activation="RELU6")),
    ((1, 4, 8, 1), (4, 7, 3, 1), Conv2DOptions("SAME", (1, 1), activation="RELU")),
    ((1, 5, 7, 5), (4, 2, 3, 5), Conv2DOptions("VALID", (1, 1))),
    ((1, 6, 6, 16), (6, 1, 1, 16), Conv2DOptions("SAME", (2, 2))),
)
_DEPTHWISE: tuple[tuple[Shape, Shape, DepthwiseConv2DOptions], ...] = (
    ((1, 5, 5, 8), (1, 3, 3, 8), DepthwiseConv2DOptions(activation="RELU")),
    ((2, 6, 4, 13), (1, 3, 3, 13), DepthwiseConv2DOptions(activation="RELU6")),
    ((1, 7, 3, 4), (1, 3, 3, 4), DepthwiseConv2DOptions("SAME", (2, 2), activation="RELU")),
    ((1, 8, 8, 19), (1, 3, 3, 19), DepthwiseConv2DOptions("SAME", (2, 2))),
    ((1, 5, 6, 17), (1, 3, 3, 17), DepthwiseConv2DOptions("VALID", activation="RELU")),
    ((1, 1, 1, 22), (1, 3, 3, 22), DepthwiseConv2DOptions(activation="RELU")),
    ((1, 2, 9, 5), (1, 3, 3, 5), DepthwiseConv2DOptions()),
    ((1, 6, 7, 16), (1, 5, 5, 16), DepthwiseConv2DOptions(activation="RELU")),
)
_FULLY_CONNECTED: tuple[tuple[Shape, Shape], ...] = (
    ((1, 40), (12, 40)),
    ((3, 31), (6, 31)),
    ((1, 130), (5, 130)),
    ((2, 8), (3, 8)),
)


@cache
def tile_networks(operator: str) -> tuple[SyntheticNetwork, ...]:
    """One network a shape, and one of the first shapes with numbers at both ends."""
    shapes = {
        "CONV_2D": [(image, weights) for image, weights, _ in _CONV],
        "DEPTHWISE_CONV_2D": [(image, weights) for image, weights, _ in _DEPTHWISE],
        "FULLY_CONNECTED": list(_FULLY_CONNECTED),
    }[operator]
    made = [_made(operator, n, *pair, ends=False) for n, pair in enumerate(shapes)]
    return (*made, *(_made(operator, n, *pair, ends=True) for n, pair in enumerate(shapes[:3])))


def _made(
    operator: str, number: int, image: Shape, weights: Shape, *, ends: bool
) -> SyntheticNetwork:
    def add(builder: NetworkBuilder) -> str:
        axis = 3 if operator == "DEPTHWISE_CONV_2D" else 0
        x = builder.input(image, Quantization((0.05,), (-128 if number % 3 else 7,)))
        drawn = bell_weights(builder, weights, axis)
        if ends:
            values = np.where(builder.rng.random(weights) < 0.5, -127, 127).astype(np.int8)
            drawn = Weights(values, drawn.scales, drawn.bias)
        if operator == "CONV_2D":
            return builder.conv_2d(x, drawn, _CONV[number][2])
        if operator == "DEPTHWISE_CONV_2D":
            return builder.depthwise_conv_2d(x, drawn, _DEPTHWISE[number][2])
        return builder.fully_connected(x, drawn, FullyConnectedOptions())

    return network(f"{operator}/tile/{number}{'_ends' if ends else ''}", add)
