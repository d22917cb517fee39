"""Every operator alone with every attribute and every extreme number: a systematic list.

Random networks meet most of these sooner or later; these meet them always, and a failure names its
cause. TFLite Micro takes all of them; that is tested.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Pool2DOptions,
    Quantization,
)
from midge.synthetic.network_builder import Calibration, NetworkBuilder, Weights
from midge.synthetic.synthetic_network import SyntheticNetwork

Shape = tuple[int, ...]
_Case = tuple[str, Callable[[NetworkBuilder], str]]

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
        multiplier: Input scale * weight scale / output scale, with `zero_point` for the output.
        zero_point: See `multiplier`.
    """

    input: Quantization = _INPUT
    scales: str = "channel"
    spread: float = 1.5
    weights: str = "bell"
    bias: str = "random"
    output: Calibration = Calibration()
    multiplier: float | None = None
    zero_point: int = 7


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
    "multiplier_just_below_1": _Numbers(
        multiplier=1 - 2.0**-24, scales="tensor", weights="tiny", bias="none"
    ),
    "multiplier_1": _Numbers(multiplier=1.0, scales="tensor", weights="tiny", zero_point=127),
    "multiplier_6": _Numbers(multiplier=6.1, weights="tiny"),
    "multiplier_3000": _Numbers(multiplier=3000.0, weights="tiny", bias="none", zero_point=-1),
}

_ACTIVATIONS = ("RELU", "RELU6", "RELU_N1_TO_1")


def single_op_networks() -> list[SyntheticNetwork]:
    """Return the list; the names are unique and start with the operator's."""
    networks = []
    for name, build in _all_cases():
        builder = NetworkBuilder(seed=zlib.crc32(name.encode()))
        output = build(builder)
        networks.append(SyntheticNetwork(name, builder.build([output])))
    return networks


def _all_cases() -> Iterator[_Case]:
    yield from _conv_2d_cases()
    yield from _depthwise_conv_2d_cases()
    yield from _fully_connected_cases()
    yield from _pool_2d_cases()
    yield from _add_cases()
    yield from _softmax_cases()
    yield from _reshape_cases()
    yield from _pad_cases()


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
}

# name -> (input, weights (units, depth), keep_num_dims)
_FULLY_CONNECTED: dict[str, tuple[Shape, Shape, bool]] = {
    "16_to_9": ((1, 16), (9, 16), False),
    "odd_depth": ((1, 13), (5, 13), False),
    "depth_1": ((4, 1), (3, 1), False),
    "one_unit": ((1, 16), (1, 16), False),
    "batch_5": ((5, 8), (7, 8), False),
    "rank_1": ((12,), (5, 12), False),
    "rank_1_keep": ((12,), (5, 12), True),
    "rank_2_keep": ((3, 8), (4, 8), True),
    "rank_3_flattened": ((2, 3, 8), (5, 8), False),
    "rank_3_keep": ((2, 3, 8), (5, 8), True),
    "rank_4_as_one_row": ((1, 3, 2, 4), (5, 24), False),
    "rank_4_rows_of_half_an_image": ((1, 2, 3, 4), (5, 12), False),
    "rank_4_keep": ((2, 3, 2, 4), (5, 4), True),
}


def _conv_2d_cases() -> Iterator[_Case]:
    for name, (image, weights, options) in _CONV_2D.items():
        yield _layer_case(name, "CONV_2D", image, weights, options)
    image, weights = (1, 4, 5, 4), (20, 3, 3, 4)
    for name, numbers in (_NUMBERS | {"absent_bias": _Numbers(bias="-1")}).items():
        yield _layer_case(name, "CONV_2D", image, weights, Conv2DOptions(), numbers)
    for activation in _ACTIVATIONS:
        yield _layer_case(
            activation, "CONV_2D", image, weights, Conv2DOptions(activation=activation)
        )


def _depthwise_conv_2d_cases() -> Iterator[_Case]:
    op = "DEPTHWISE_CONV_2D"
    for name, (image, weights, options) in _DEPTHWISE_CONV_2D.items():
        yield _layer_case(name, op, image, weights, options)
    image, weights, multiplier = (1, 4, 5, 6), (1, 3, 3, 24), 4
    for name, numbers in _NUMBERS.items():
        options = DepthwiseConv2DOptions(depth_multiplier=multiplier)
        yield _layer_case(name, op, image, weights, options, numbers)
    for activation in _ACTIVATIONS:
        options = DepthwiseConv2DOptions(depth_multiplier=multiplier, activation=activation)
        yield _layer_case(activation, op, image, weights, options)


def _fully_connected_cases() -> Iterator[_Case]:
    op = "FULLY_CONNECTED"
    for name, (shape, weights, keep) in _FULLY_CONNECTED.items():
        options = FullyConnectedOptions(keep_num_dims=keep)
        yield _layer_case(name, op, shape, weights, options)
    for name, numbers in (_NUMBERS | {"absent_bias": _Numbers(bias="-1")}).items():
        yield _layer_case(name, op, (3, 10), (25, 10), FullyConnectedOptions(), numbers)
    for activation in _ACTIVATIONS:
        options = FullyConnectedOptions(activation=activation)
        yield _layer_case(activation, op, (3, 10), (25, 10), options)


def _layer_case(
    name: str,
    op: str,
    shape: Shape,
    weights_shape: Shape,
    options: Any,
    numbers: _Numbers = _Numbers(),
) -> _Case:
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
    middle = 2 / (numbers.input.scale * sigma)  # real outputs of a few units: RELU6 clamps some
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


# name -> (image, options)
_POOL_2D: dict[str, tuple[Shape, Pool2DOptions]] = {
    "1x1": ((1, 3, 4, 5), Pool2DOptions((1, 1))),
    "1x2_ties": ((1, 4, 8, 3), Pool2DOptions((1, 2), "VALID", (1, 2))),
    "2x2_stride_2": ((1, 6, 4, 3), Pool2DOptions((2, 2), "VALID", (2, 2))),
    "3x3_same": ((1, 5, 4, 3), Pool2DOptions((3, 3), "SAME")),
    "3x3_same_stride_2": ((1, 6, 7, 2), Pool2DOptions((3, 3), "SAME", (2, 2))),
    "even_kernel_same": ((1, 5, 5, 2), Pool2DOptions((2, 4), "SAME")),
    "unequal": ((1, 9, 8, 2), Pool2DOptions((4, 3), "VALID", (3, 1))),
    "stride_over_kernel": ((1, 9, 10, 2), Pool2DOptions((2, 1), "SAME", (4, 3))),
    "kernel_over_image_same": ((1, 2, 3, 3), Pool2DOptions((5, 9), "SAME")),
    "whole_image": ((1, 7, 5, 4), Pool2DOptions((7, 5))),
    "whole_image_of_289": ((1, 17, 17, 2), Pool2DOptions((17, 17))),
    "one_by_one_image": ((1, 1, 1, 4), Pool2DOptions((3, 3), "SAME")),
    "batch_3": ((3, 4, 5, 2), Pool2DOptions((2, 3), "SAME", (2, 2))),
    "RELU": ((1, 4, 4, 3), Pool2DOptions((2, 2), activation="RELU")),
    "RELU6": ((1, 4, 4, 3), Pool2DOptions((2, 2), activation="RELU6")),
    "RELU_N1_TO_1": ((1, 4, 4, 3), Pool2DOptions((2, 2), activation="RELU_N1_TO_1")),
}


def _pool_2d_cases() -> Iterator[_Case]:
    for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        for name, (image, options) in _POOL_2D.items():
            yield _pool_2d_case(op, name, image, options, Quantization((0.06,), (-11,)))
        for zero_point in (-128, 127):
            name = f"RELU6_zero_point_{zero_point}"
            options = Pool2DOptions((2, 2), "SAME", activation="RELU6")
            quantization = Quantization((0.06,), (zero_point,))
            yield _pool_2d_case(op, name, (1, 4, 4, 3), options, quantization)


def _pool_2d_case(
    op: str, name: str, image: Shape, options: Pool2DOptions, quantization: Quantization
) -> _Case:
    def build(builder: NetworkBuilder) -> str:
        return builder.pool_2d(op, builder.input(image, quantization), options)

    return f"{op}/{name}", build


@dataclass(frozen=True)
class _Add:
    """An ADD: two shapes and their quantisations; `second` is ``"input"``, ``"constant"``, ..."""

    a: Shape
    b: Shape
    a_quantization: Quantization = Quantization((0.031,), (-20,))
    b_quantization: Quantization = Quantization((0.057,), (9,))
    second: str = "input"
    options: AddOptions = AddOptions()
    output: Calibration = field(default=Calibration())


_IMAGE = (1, 3, 4, 5)
_ADD: dict[str, _Add] = {
    "images": _Add(_IMAGE, _IMAGE),
    "rank_1": _Add((9,), (9,)),
    "one_element": _Add((1,), (1,)),
    "rank_5": _Add((2, 1, 2, 3, 2), (2, 1, 2, 3, 2)),
    "rank_5_broadcast": _Add((2, 1, 2, 3, 2), (1, 3, 2, 1, 2)),
    "batch_3": _Add((3, 4, 5), (3, 4, 5)),
    "itself": _Add(_IMAGE, _IMAGE, second="itself"),
    "constant_second": _Add(_IMAGE, _IMAGE, second="constant"),
    "constant_first": _Add(_IMAGE, _IMAGE, second="constant first"),
    "constant_per_channel": _Add(_IMAGE, (5,), second="constant"),
    "constant_scalar": _Add(_IMAGE, (1,), second="constant"),
    "constant_larger_than_input": _Add((1, 1, 4, 1), (1, 3, 4, 5), second="constant"),
    "per_channel": _Add(_IMAGE, (1, 1, 1, 5)),
    "per_row": _Add(_IMAGE, (1, 3, 1, 1)),
    "per_row_first": _Add((1, 3, 1, 1), _IMAGE),
    "lower_rank": _Add(_IMAGE, (4, 5)),
    "leading_ones_only": _Add((4, 5), (1, 1, 4, 5)),
    "both_broadcast": _Add((2, 1, 4, 1), (1, 3, 1, 5)),
    "equal_scales": _Add(_IMAGE, _IMAGE, b_quantization=Quantization((0.031,), (-20,))),
    "second_scale_2^-20": _Add(_IMAGE, _IMAGE, b_quantization=Quantization((3e-8,), (3,))),
    "second_scale_2^20": _Add(_IMAGE, _IMAGE, b_quantization=Quantization((32500.0,), (3,))),
    "second_scale_2^-40": _Add(_IMAGE, _IMAGE, b_quantization=Quantization((2.8e-14,), (3,))),
    "zero_points_at_opposite_ends": _Add(
        _IMAGE,
        _IMAGE,
        Quantization((0.031,), (-128,)),
        Quantization((0.031,), (127,)),
    ),
    "output_zero_point_at_an_end": _Add(_IMAGE, _IMAGE, output=Calibration(one_sided=True)),
    "saturating": _Add(_IMAGE, _IMAGE, output=Calibration(stretch=0.05)),
    "few_codes": _Add(_IMAGE, _IMAGE, output=Calibration(stretch=40.0)),
    "output_scale_far_below_inputs": _Add(_IMAGE, _IMAGE, output=Calibration(stretch=0.001)),
    **{name: _Add(_IMAGE, _IMAGE, options=AddOptions(name)) for name in _ACTIVATIONS},
}


def _add_cases() -> Iterator[_Case]:
    for name, case in _ADD.items():
        yield _add_case(name, case)


def _add_case(name: str, case: _Add) -> _Case:
    def build(builder: NetworkBuilder) -> str:
        first = builder.input(case.a, case.a_quantization)
        if case.second == "itself":
            second = first
        elif case.second == "input":
            second = builder.input(case.b, case.b_quantization)
        else:
            codes = builder.rng.integers(-128, 128, case.b).astype(np.int8)
            second = builder.constant(codes, case.b_quantization)
        if case.second == "constant first":
            first, second = second, first
        return builder.add(first, second, case.options, case.output)

    return f"ADD/{name}", build


# name -> (shape, input scale, beta)
_SOFTMAX: dict[str, tuple[Shape, float, float]] = {
    "rank_1": ((7,), 0.08, 1.0),
    "rank_2": ((1, 12), 0.08, 1.0),
    "rank_3": ((2, 3, 5), 0.08, 1.0),
    "rank_4": ((1, 2, 3, 4), 0.08, 1.0),
    "batch_4": ((4, 10), 0.08, 1.0),
    "depth_1": ((3, 1), 0.08, 1.0),
    "depth_2": ((5, 2), 0.11, 1.0),
    "depth_511": ((1, 511), 0.002, 1.0),
    "beta_0.3": ((3, 9), 0.08, 0.3),
    "beta_10": ((3, 9), 0.08, 10.0),
    "beta_0.001": ((3, 9), 0.08, 0.001),
    "one_code_is_a_factor_of_e": ((3, 9), 1.0, 1.0),
    "multiplier_at_its_cap": ((3, 9), 40.0, 1.0),
    "nearly_flat": ((3, 9), 1e-7, 1.0),
}


def _softmax_cases() -> Iterator[_Case]:
    for name, (shape, scale, beta) in _SOFTMAX.items():
        for zero_point in (4, -128):
            yield _softmax_case(f"{name}/zero_point_{zero_point}", shape, scale, zero_point, beta)


def _softmax_case(name: str, shape: Shape, scale: float, zero_point: int, beta: float) -> _Case:
    def build(builder: NetworkBuilder) -> str:
        return builder.softmax(builder.input(shape, Quantization((scale,), (zero_point,))), beta)

    return f"SOFTMAX/{name}", build


# name -> (shape, new shape, the operand as written or None for an attribute)
_RESHAPE: dict[str, tuple[Shape, Shape, Shape | None]] = {
    "flatten": ((1, 2, 3, 4), (1, 24), (1, 24)),
    "flatten_with_-1": ((1, 2, 3, 4), (1, 24), (-1, 24)),
    "flatten_batch": ((3, 2, 2, 2), (3, 8), (3, -1)),
    "to_rank_1": ((2, 3), (6,), (6,)),
    "to_image": ((1, 24), (1, 2, 3, 4), (1, 2, 3, 4)),
    "to_rank_3": ((24,), (2, 3, 4), (2, 3, 4)),
    "attribute": ((1, 2, 3, 4), (4, 6), None),
    "same_shape": ((2, 5), (2, 5), (2, 5)),
}


def _reshape_cases() -> Iterator[_Case]:
    for name, (shape, new_shape, written) in _RESHAPE.items():
        yield _reshape_case(name, shape, new_shape, written)


def _reshape_case(name: str, shape: Shape, new_shape: Shape, written: Shape | None) -> _Case:
    def build(builder: NetworkBuilder) -> str:
        return builder.reshape(builder.input(shape, _INPUT), new_shape, written)

    return f"RESHAPE/{name}", build


# name -> (shape, paddings, zero point)
_PAD: dict[str, tuple[Shape, tuple[tuple[int, int], ...], int]] = {
    "image": ((1, 3, 4, 2), ((0, 0), (1, 1), (1, 1), (0, 0)), -5),
    "unequal": ((1, 3, 4, 2), ((0, 0), (0, 3), (2, 1), (0, 0)), 13),
    "channels": ((1, 3, 2, 2), ((0, 0), (0, 0), (0, 0), (1, 2)), 0),
    "every_axis": ((2, 2, 3, 2), ((1, 0), (1, 2), (0, 1), (2, 1)), 60),
    "batch_only": ((2, 2, 3, 2), ((1, 2), (0, 0), (0, 0), (0, 0)), -60),
    "nothing": ((1, 2, 3, 2), ((0, 0), (0, 0), (0, 0), (0, 0)), 1),
    "zero_point_-128": ((1, 3, 4, 2), ((0, 0), (1, 1), (1, 1), (0, 0)), -128),
    "zero_point_127": ((1, 3, 4, 2), ((0, 0), (1, 1), (1, 1), (0, 0)), 127),
    "rank_1": ((5,), ((2, 3),), 7),
    "rank_2": ((2, 3), ((0, 1), (2, 0)), 7),
    "rank_3": ((2, 3, 2), ((0, 1), (2, 0), (1, 1)), 7),
    "rank_5": ((1, 2, 2, 3, 2), ((0, 1), (1, 0), (1, 1), (0, 2), (1, 0)), 7),
}


def _pad_cases() -> Iterator[_Case]:
    for name, (shape, paddings, zero_point) in _PAD.items():
        yield _pad_case(name, shape, paddings, zero_point)


def _pad_case(
    name: str, shape: Shape, paddings: tuple[tuple[int, int], ...], zero_point: int
) -> _Case:
    def build(builder: NetworkBuilder) -> str:
        x = builder.input(shape, Quantization((0.05,), (zero_point,)))
        return builder.pad(x, paddings)

    return f"PAD/{name}", build
