"""The single-operator cases of the layers with weights: shapes, attributes and numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from midge.synthetic.calibration import COVERING, Calibration
from midge.synthetic.growth import Case
from midge.synthetic.model_description import (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Quantization,
)
from midge.synthetic.network_builder import NetworkBuilder, Weights

Shape = tuple[int, ...]

ACTIVATIONS = ("RELU", "RELU6", "RELU_N1_TO_1")

_INPUT = Quantization((0.0471,), (-3,))
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class _Numbers:
    """The numbers of a layer.

    Attributes:
        input: Quantisation of the layer's input.
        scales: ``"channel"`` for one weight scale per output channel, ``"tensor"`` for one.
        spread: Natural logarithm of the largest channel's scale over the middle one's.
        weights: ``"bell"``, ``"ends"`` (-128 and 127), or ``"tiny"`` (-1, 0, 1).
        bias: ``"random"``, ``"largest"`` (reaching the ends of int32), ``"none"`` or ``"-1"``
            (listed as absent).
        output: The output's calibration, when `multiplier` is None.
        multiplier: Input scale * weight scale / output scale of the first channel.
        zero_point: The output's, when there is a multiplier.
        weight_scale: The first channel's; None takes one that gives outputs of a few units.
    """

    input: Quantization = _INPUT
    scales: str = "channel"
    spread: float = 1.5
    weights: str = "bell"
    bias: str = "random"
    output: Calibration = COVERING
    multiplier: float | None = None
    zero_point: int = 7
    weight_scale: float | None = None


_ORDINARY = _Numbers()

# What applies to every layer with weights: name -> numbers.
_NUMBERS = {
    "per_tensor": _Numbers(scales="tensor"),
    "no_bias": _Numbers(bias="none"),
    "per_tensor_no_bias": _Numbers(scales="tensor", bias="none"),
    "channel_scales_over_13_binades": _Numbers(spread=4.5),
    "weights_at_both_ends": _Numbers(weights="ends"),
    "input_zero_point_-128": _Numbers(input=Quantization((0.02,), (-128,))),
    "input_zero_point_127": _Numbers(input=Quantization((0.02,), (127,))),
    "output_zero_point_at_an_end": _Numbers(output=Calibration(one_sided=True)),
    "saturating": _Numbers(output=Calibration(stretch=0.04)),
    "few_codes": _Numbers(output=Calibration(stretch=30.0)),
    "multiplier_2^-10": _Numbers(multiplier=1.3 * 2.0**-10),
    "multiplier_2^-20": _Numbers(multiplier=1.7 * 2.0**-20, zero_point=-128),
    "multiplier_2^-26": _Numbers(multiplier=1.1 * 2.0**-26, bias="largest"),
    "multiplier_shift_-31": _Numbers(multiplier=0.999 * 2.0**-31, bias="largest"),
    "multiplier_flushed_to_zero": _Numbers(multiplier=0.999 * 2.0**-32, bias="largest"),
    "multiplier_1": _Numbers(
        input=Quantization((2.0**-4,), (-9,)),
        scales="tensor",
        weights="tiny",
        multiplier=1.0,
        zero_point=127,
        weight_scale=2.0**-6,
    ),
    # (2**23 + 64) * (2**24 - 128) = 2**47 - 2**13: below 1 by 2**-34, which its 31 bits round away.
    "multiplier_rounds_up_to_1": _Numbers(
        input=Quantization(((2**23 + 64) * 2.0**-28,), (-9,)),
        scales="tensor",
        weights="tiny",
        bias="none",
        multiplier=1 - 2.0**-34,
        weight_scale=(2**24 - 128) * 2.0**-30,
    ),
    "multiplier_6": _Numbers(multiplier=6.1, weights="tiny"),
    "multiplier_3000": _Numbers(multiplier=3000.0, weights="tiny", bias="none", zero_point=-1),
}


def layer_cases() -> Iterator[Case]:
    """Yield the cases of CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED."""
    yield from _conv_2d_cases()
    yield from _depthwise_conv_2d_cases()
    yield from _fully_connected_cases()


# name -> (image, weights OHWI, options)
_CONV_2D: dict[str, tuple[Shape, Shape, Conv2DOptions]] = {
    "1x1": ((1, 4, 5, 6), (7, 1, 1, 6), Conv2DOptions()),
    "1x1_one_channel_in": ((1, 4, 5, 1), (7, 1, 1, 1), Conv2DOptions()),
    "1x1_one_channel_out": ((1, 4, 5, 6), (1, 1, 1, 6), Conv2DOptions()),
    "1x1_stride_2": ((1, 5, 6, 3), (4, 1, 1, 3), Conv2DOptions("VALID", (2, 2))),
    "one_by_one_image": ((1, 1, 1, 5), (3, 3, 3, 5), Conv2DOptions()),
    "3x3_same": ((1, 6, 5, 3), (4, 3, 3, 3), Conv2DOptions()),
    "3x3_valid": ((1, 6, 5, 3), (4, 3, 3, 3), Conv2DOptions("VALID")),
    "3x3_same_stride_2": ((1, 6, 7, 3), (4, 3, 3, 3), Conv2DOptions("SAME", (2, 2))),
    "even_kernel_same": ((1, 5, 5, 2), (3, 2, 4, 2), Conv2DOptions()),
    "10x4_stride_2": ((1, 49, 10, 1), (4, 10, 4, 1), Conv2DOptions("SAME", (2, 2))),
    "unequal_strides": ((1, 9, 9, 2), (3, 3, 3, 2), Conv2DOptions("VALID", (1, 3))),
    "stride_over_kernel": ((1, 11, 10, 3), (4, 2, 2, 3), Conv2DOptions("SAME", (4, 5))),
    "kernel_over_image_same": ((1, 2, 3, 4), (3, 5, 8, 4), Conv2DOptions()),
    "kernel_is_image_valid": ((1, 4, 3, 4), (3, 4, 3, 4), Conv2DOptions("VALID")),
    "dilation_2": ((1, 9, 9, 2), (3, 3, 3, 2), Conv2DOptions("SAME", dilation=(2, 2))),
    "unequal_dilations_valid": (
        (1, 9, 9, 2),
        (3, 3, 2, 2),
        Conv2DOptions("VALID", dilation=(3, 5)),
    ),
    "dilation_over_image_same": (
        (1, 4, 3, 2),
        (3, 3, 3, 2),
        Conv2DOptions("SAME", dilation=(6, 2)),
    ),
    "stride_and_dilation": ((1, 9, 8, 2), (3, 3, 3, 2), Conv2DOptions("SAME", (2, 3), (2, 2))),
    "two_groups": ((1, 5, 5, 6), (4, 3, 3, 3), Conv2DOptions()),
    "a_group_per_channel": ((1, 5, 5, 4), (8, 3, 3, 1), Conv2DOptions()),
    "batch_3": ((3, 4, 5, 3), (4, 3, 3, 3), Conv2DOptions("SAME", (2, 1))),
}

_DEPTHWISE_CONV_2D: dict[str, tuple[Shape, Shape, DepthwiseConv2DOptions]] = {
    "1x1": ((1, 4, 5, 6), (1, 1, 1, 6), DepthwiseConv2DOptions()),
    "one_channel": ((1, 5, 5, 1), (1, 3, 3, 1), DepthwiseConv2DOptions()),
    "one_by_one_image": ((1, 1, 1, 5), (1, 3, 3, 5), DepthwiseConv2DOptions()),
    "3x3_same": ((1, 6, 5, 3), (1, 3, 3, 3), DepthwiseConv2DOptions()),
    "3x3_valid": ((1, 6, 5, 3), (1, 3, 3, 3), DepthwiseConv2DOptions("VALID")),
    "3x3_same_stride_2": ((1, 6, 7, 4), (1, 3, 3, 4), DepthwiseConv2DOptions("SAME", (2, 2))),
    "even_kernel_same": ((1, 5, 5, 2), (1, 2, 4, 2), DepthwiseConv2DOptions()),
    "10x4_multiplier_8": (
        (1, 49, 10, 1),
        (1, 10, 4, 8),
        DepthwiseConv2DOptions("SAME", (2, 2), depth_multiplier=8),
    ),
    "multiplier_3": ((1, 5, 4, 2), (1, 3, 3, 6), DepthwiseConv2DOptions(depth_multiplier=3)),
    "unequal_strides": ((1, 9, 9, 2), (1, 3, 3, 2), DepthwiseConv2DOptions("VALID", (1, 3))),
    "stride_over_kernel": ((1, 11, 10, 3), (1, 2, 2, 3), DepthwiseConv2DOptions("SAME", (4, 5))),
    "kernel_over_image_same": ((1, 2, 3, 4), (1, 5, 8, 4), DepthwiseConv2DOptions()),
    "kernel_is_image_valid": ((1, 4, 3, 4), (1, 4, 3, 4), DepthwiseConv2DOptions("VALID")),
    "dilation_2": ((1, 9, 9, 2), (1, 3, 3, 2), DepthwiseConv2DOptions(dilation=(2, 2))),
    "unequal_dilations_valid": (
        (1, 9, 9, 2),
        (1, 3, 2, 2),
        DepthwiseConv2DOptions("VALID", dilation=(3, 5)),
    ),
    "stride_and_dilation": (
        (1, 9, 8, 2),
        (1, 3, 3, 4),
        DepthwiseConv2DOptions("SAME", (2, 3), (2, 2), depth_multiplier=2),
    ),
    "batch_3": (
        (3, 4, 5, 3),
        (1, 3, 3, 6),
        DepthwiseConv2DOptions("SAME", (2, 1), depth_multiplier=2),
    ),
    "batch_2_of_four_channels": ((2, 5, 4, 4), (1, 3, 3, 4), DepthwiseConv2DOptions()),
}

# name -> (input, weights (units, depth), keep_num_dims)
_FULLY_CONNECTED: dict[str, tuple[Shape, Shape, bool]] = {
    "16_to_9": ((1, 16), (9, 16), False),
    "odd_depth": ((1, 13), (5, 13), False),
    "depth_1": ((4, 1), (3, 1), False),
    "one_unit": ((1, 16), (1, 16), False),
    "batch_5": ((5, 8), (7, 8), False),
    "depth_68": ((2, 68), (3, 68), False),
    "rank_1": ((12,), (5, 12), False),
    "rank_1_keep": ((12,), (5, 12), True),
    "rank_2_keep": ((3, 8), (4, 8), True),
    "rank_3_flattened": ((2, 3, 8), (5, 8), False),
    "rank_3_keep": ((2, 3, 8), (5, 8), True),
    "rank_4_as_one_row": ((1, 3, 2, 4), (5, 24), False),
    "rank_4_rows_of_half_an_image": ((1, 2, 3, 4), (5, 12), False),
    "rank_4_keep": ((2, 3, 2, 4), (5, 4), True),
}


def _conv_2d_cases() -> Iterator[Case]:
    for name, (image, weights, options) in _CONV_2D.items():
        yield _layer_case(name, "CONV_2D", image, weights, options)
    image, weights = (1, 4, 5, 4), (20, 3, 3, 4)
    for name, numbers in (_NUMBERS | {"absent_bias": _Numbers(bias="-1")}).items():
        yield _layer_case(name, "CONV_2D", image, weights, Conv2DOptions(), numbers=numbers)
    for activation in ACTIVATIONS:
        yield _layer_case(
            activation, "CONV_2D", image, weights, Conv2DOptions(activation=activation)
        )


def _depthwise_conv_2d_cases() -> Iterator[Case]:
    op = "DEPTHWISE_CONV_2D"
    for name, (image, weights, options) in _DEPTHWISE_CONV_2D.items():
        yield _layer_case(name, op, image, weights, options)
    image, weights, multiplier = (1, 4, 5, 6), (1, 3, 3, 24), 4
    for name, numbers in _NUMBERS.items():
        options = DepthwiseConv2DOptions(depth_multiplier=multiplier)
        yield _layer_case(name, op, image, weights, options, numbers=numbers)
    for activation in ACTIVATIONS:
        options = DepthwiseConv2DOptions(depth_multiplier=multiplier, activation=activation)
        yield _layer_case(activation, op, image, weights, options)


def _fully_connected_cases() -> Iterator[Case]:
    op = "FULLY_CONNECTED"
    for name, (shape, weights, keep) in _FULLY_CONNECTED.items():
        options = FullyConnectedOptions(keep_num_dims=keep)
        yield _layer_case(name, op, shape, weights, options)
    for name, numbers in (_NUMBERS | {"absent_bias": _Numbers(bias="-1")}).items():
        yield _layer_case(name, op, (3, 10), (25, 10), FullyConnectedOptions(), numbers=numbers)
    for activation in ACTIVATIONS:
        options = FullyConnectedOptions(activation=activation)
        yield _layer_case(activation, op, (3, 10), (25, 10), options)
    yield f"{op}/per_tensor_product_in_double", _product_in_double


def _product_in_double(builder: NetworkBuilder) -> str:
    """Outputs on which rounding the product of the scales to float32 shows (older TFLite does)."""
    x = builder.input((1, 1), Quantization((0.0865,), (0,)))
    accumulators = (-45340633, -37372823, -25231398, 27128495, 37372822)
    bias = np.array(accumulators, np.int32)
    weights = Weights(np.zeros((bias.size, 1), np.int8), (0.00566,), bias)
    output = Quantization((185.76,), (0,))
    return builder.fully_connected(x, weights, FullyConnectedOptions(), output)


def _layer_case(
    name: str,
    op: str,
    shape: Shape,
    weights_shape: Shape,
    options: Any,
    *,
    numbers: _Numbers = _ORDINARY,
) -> Case:
    channel_axis = 3 if op == "DEPTHWISE_CONV_2D" else 0

    def build(builder: NetworkBuilder) -> str:
        x = builder.input(shape, numbers.input)
        weights = _weights(builder.rng, weights_shape, channel_axis, numbers)
        output: Calibration | Quantization = numbers.output
        if numbers.multiplier is not None:
            scale = numbers.input.scale * weights.scales[0] / numbers.multiplier
            output = Quantization((scale,), (numbers.zero_point,))
        layer: Callable[..., str] = getattr(builder, op.lower())
        return layer(x, weights, options, output)

    return f"{op}/{name}", build


def _weights(
    rng: np.random.Generator, shape: Shape, channel_axis: int, numbers: _Numbers
) -> Weights:
    channels = shape[channel_axis]
    terms = prod(shape) // channels
    drawn = {
        "bell": rng.normal(0, 40, shape).clip(-127, 127),
        "ends": rng.choice(np.array([-128, 127]), shape),
        "tiny": rng.integers(-1, 2, shape),
    }[numbers.weights]
    values = np.rint(drawn).astype(np.int8)
    sigma = 74 * np.sqrt(terms) * max(float(values.astype(float).std()), 0.5)
    middle = numbers.weight_scale or 2 / (numbers.input.scale * sigma)
    scales = (middle,)
    if numbers.scales == "channel" and channels > 1:
        scales = tuple(middle * np.exp(numbers.spread * np.linspace(-1, 1, channels)))
        if numbers.multiplier is not None:
            scales = tuple(middle * np.exp(np.linspace(0, 0.4, channels)))
    reach = sigma if numbers.multiplier is None else 200 / numbers.multiplier
    largest_products = 255 * np.abs(values.astype(np.int64)).sum() + 1
    room = int(_INT32_MAX - largest_products)
    bias = None
    if numbers.bias == "largest":
        bias = np.where(np.arange(channels) % 2 == 0, room, -room).astype(np.int32)
    elif numbers.bias == "random":
        bias = rng.uniform(-reach, reach, channels).clip(-room, room).astype(np.int32)
    return Weights(values, scales, bias, absent_as_input=numbers.bias == "-1")
