"""Layers with weights whose numbers the networks of `midge.synthetic` leave out.

Those keep to what TFLite Micro defines. Here sums reach 2**30 and beyond while the factor that
rescales them is over one, or so near to one that nothing is left of int32, and each way to store
the factors is met with each width of sums.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from support.networks import network

OPERATORS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
CHANNELS = 8


@dataclass(frozen=True)
class Numbers:
    """The numbers of a layer of eight channels.

    Attributes:
        factors: What one unit of the sum is in units of the output: one number, or one a channel.
        bias: One a channel, or one for all.
        zero_point: The output's.
    """

    factors: tuple[float, ...]
    bias: tuple[int, ...]
    zero_point: int = 0


_LARGEST = 2**31 - 2**17
_ENDS = (2**30 - 9, -(2**30) + 5, 2**30 + 9, -(2**30) - 3, _LARGEST, -_LARGEST, 2**29, -100)
# (2**15 + 1) * (2**15 - 1) = 2**30 - 1: a factor under one by less than its 31 bits show.
_NEARLY = (1 + 2.0**-15) * (1 - 2.0**-15)
_NUMBERS = {
    "one_factor_narrow": Numbers((0.004,), (300,)),
    "one_factor_wide": Numbers((2.0**-23,), _ENDS),
    "packed_narrow": Numbers(tuple(0.003 * 1.3**i for i in range(8)), (500,)),
    "packed_wide": Numbers(tuple(2.0**-24 * 1.3**i for i in range(8)), _ENDS),
    "split_narrow": Numbers(tuple(2.0**-12 * 2.6**i for i in range(8)), (900,)),
    "split_wide": Numbers(tuple(2.0**-26 * 2.6**i for i in range(8)), _ENDS),
    "split_with_zeros": Numbers((2.0**-33, 0.01, 2.0**-40, 0.02, 0.004, 1e-12, 0.3, 0.1), (7,)),
    "zero_alone": Numbers((2.0**-35,), (12345,), 17),
    "packed_without_shift": Numbers(tuple(0.5 * 1.1**i for i in range(8)), (-3,)),
    "split_without_shift": Numbers(tuple(0.8 * 0.2**i for i in range(8)), (5,)),
    "half": Numbers((0.5,), (3,)),
    "one": Numbers((1.0,), (-2,)),
    "over_one_narrow": Numbers((3.7, 1.2, 90.0, 6.1, 1.0, 2.0, 1.99, 700.0), (1,)),
    "over_one_wide": Numbers((6.1,), _ENDS),
    "over_one_wide_packed": Numbers((6.1, 1.5, 2.2, 9.0, 1.1, 1.3, 1.9, 7.0), _ENDS, -40),
    "just_under_one_high": Numbers((_NEARLY,), _ENDS, 127),
    "just_under_one_low": Numbers((_NEARLY,), _ENDS, -128),
    "just_under_two_high": Numbers((2 * _NEARLY,), _ENDS, 127),
    "just_under_two_low": Numbers((2 * _NEARLY,), _ENDS, -128),
}


@cache
def extreme_layers(operator: str) -> tuple[SyntheticNetwork, ...]:
    """One network for each row of numbers."""
    return tuple(_layer(operator, name, numbers) for name, numbers in _NUMBERS.items())


def _layer(operator: str, name: str, numbers: Numbers) -> SyntheticNetwork:
    scale = (1 + 2.0**-15) if _NEARLY in numbers.factors or 2 * _NEARLY in numbers.factors else 1.0
    scales = tuple(f / scale for f in numbers.factors)

    def add(builder: NetworkBuilder) -> str:
        shape, weights_shape = {
            "CONV_2D": ((1, 3, 3, 4), (CHANNELS, 2, 2, 4)),
            "DEPTHWISE_CONV_2D": ((1, 3, 3, CHANNELS), (1, 2, 2, CHANNELS)),
            "FULLY_CONNECTED": ((3, 6), (CHANNELS, 6)),
        }[operator]
        values = builder.rng.integers(-2, 3, weights_shape).astype(np.int8)
        bias = np.resize(np.array(numbers.bias, np.int64), CHANNELS).astype(np.int32)
        weights = Weights(values, scales, bias)
        x = builder.input(shape, Quantization((scale,), (-3,)))
        output = Quantization((1.0,), (numbers.zero_point,))
        if operator == "CONV_2D":
            return builder.conv_2d(x, weights, Conv2DOptions(), output)
        if operator == "DEPTHWISE_CONV_2D":
            return builder.depthwise_conv_2d(x, weights, DepthwiseConv2DOptions(), output)
        return builder.fully_connected(x, weights, FullyConnectedOptions(), output)

    made = network(f"{operator}/extreme/{name}", add)
    # The builder keeps outputs within what TFLite Micro defines; here the scale is to stay.
    (output,) = made.model.outputs
    tensors = tuple(
        replace(t, quantization=Quantization((1.0,), (numbers.zero_point,)))
        if t.name == output
        else t
        for t in made.model.tensors
    )
    return SyntheticNetwork(made.name, replace(made.model, tensors=tensors))
