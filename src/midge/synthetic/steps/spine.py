"""The int8 operators of ordinary convolutional networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from midge.synthetic.float_simulation import output_size
from midge.synthetic.growth import Growth, Step
from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Pair,
    Pool2DOptions,
    Quantization,
)
from midge.synthetic.random_numbers import (
    random_calibration,
    random_layer,
    random_quantization,
    random_zero_point,
)

MAX_SOFTMAX_DEPTH = 511
"""TFLite Micro stops the process on rows whose exponentials sum to 512 (reference/softmax.h)."""

_ACTIVATIONS = ("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")
_WEIGHTS_PER_ELEMENT = 4
_PRODUCTS_PER_ELEMENT = 128


def _activation(growth: Growth) -> str:
    return growth.choices.one_of(_ACTIVATIONS)


def _window(
    growth: Growth, height: int, width: int, may_dilate: bool
) -> tuple[Pair, Pair, Pair, str]:
    """Return kernel, stride, dilation and padding for an image of this size."""
    axes = [_window_axis(growth, size, may_dilate) for size in (height, width)]
    kernel, stride, dilation = ((axes[0][i], axes[1][i]) for i in range(3))
    padding = growth.choices.one_of(("SAME", "VALID"))
    fits = all(
        output_size(size, *axis, "VALID") >= 1
        for size, axis in zip((height, width), axes, strict=True)
    )
    return kernel, stride, dilation, padding if fits else "SAME"


def _window_axis(growth: Growth, size: int, may_dilate: bool) -> tuple[int, int, int]:
    integer, one_of = growth.choices.integer, growth.choices.one_of
    kernel = one_of((1, 3, None, size, size + 1)) or integer(1, 5)
    stride = one_of((1, 1, 2, None, kernel + 1)) or integer(1, 4)
    dilation = (one_of((1, 1, None)) or integer(2, 4)) if may_dilate else 1
    return kernel, stride, dilation


def _room(growth: Growth, positions: int, products: int, weights: int) -> int:
    """Return how many output channels the limits leave.

    Args:
        growth: The network.
        positions: Output elements per channel.
        products: Multiplications per output element.
        weights: Weights per output channel.
    """
    limit = growth.max_elements
    return min(
        limit // positions,
        _PRODUCTS_PER_ELEMENT * limit // (positions * products),
        _WEIGHTS_PER_ELEMENT * limit // weights,
    )


def _conv_2d(growth: Growth, source: str, *, keep_shape: bool = False) -> str | None:
    x = growth.image(source)
    if x is None:
        return None
    batch, height, width, depth = growth.builder.shape(x)
    kernel, stride, dilation, padding = _window(growth, height, width, may_dilate=True)
    if keep_shape:
        stride, padding = (1, 1), "SAME"
    groups = growth.choices.divisor(depth) if growth.choices.one_in(4) else 1
    taps = prod(kernel) * depth // groups
    positions = batch * _positions((height, width), kernel, stride, dilation, padding)
    room = _room(growth, positions, taps, taps)
    channels = depth
    if not keep_shape:
        channels = groups * growth.choices.integer(1, max(min(room // groups, 16), 1))
    if channels > room:
        return None
    weights, output = random_layer(
        growth.choices,
        growth.builder.rng,
        growth.builder.quantization(x).scale,
        (channels, *kernel, depth // groups),
        0,
    )
    options = Conv2DOptions(padding, stride, dilation, _activation(growth))
    return growth.done(growth.builder.conv_2d(x, weights, options, output), x)


def _depthwise_conv_2d(growth: Growth, source: str, *, keep_shape: bool = False) -> str | None:
    x = growth.image(source)
    if x is None:
        return None
    batch, height, width, depth = growth.builder.shape(x)
    kernel, stride, dilation, padding = _window(growth, height, width, may_dilate=True)
    multiplier = growth.choices.one_of((1, 1, 2, 3, 4))
    if keep_shape:
        stride, padding, multiplier = (1, 1), "SAME", 1
    positions = batch * _positions((height, width), kernel, stride, dilation, padding)
    if depth * multiplier > _room(growth, positions, prod(kernel), prod(kernel)):
        return None
    weights, output = random_layer(
        growth.choices,
        growth.builder.rng,
        growth.builder.quantization(x).scale,
        (1, *kernel, depth * multiplier),
        3,
    )
    # TFLite Micro crashes on a bias of -1 here (micro/kernels/depthwise_conv_common.cc).
    weights = replace(weights, absent_as_input=False)
    options = DepthwiseConv2DOptions(padding, stride, dilation, multiplier, _activation(growth))
    return growth.done(growth.builder.depthwise_conv_2d(x, weights, options, output), x)


def _fully_connected(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    first_summed = growth.choices.one_of((len(shape) - 1, min(1, len(shape) - 1), 0))
    depth = prod(shape[first_summed:])
    rows = prod(shape[:first_summed])
    room = _room(growth, rows, depth, depth)
    if room < 1:
        return None
    units = growth.choices.integer(1, min(room, 24))
    keep = first_summed == len(shape) - 1 and growth.choices.one_in(2)
    weights, output = random_layer(
        growth.choices,
        growth.builder.rng,
        growth.builder.quantization(x).scale,
        (units, depth),
        0,
    )
    options = FullyConnectedOptions(_activation(growth), keep_num_dims=keep)
    return growth.done(growth.builder.fully_connected(x, weights, options, output), x)


def _pool_2d(growth: Growth, op: str, source: str, *, keep_shape: bool = False) -> str | None:
    x = growth.image(source)
    if x is None:
        return None
    height, width = growth.builder.shape(x)[1:3]
    kernel, stride, _, padding = _window(growth, height, width, may_dilate=False)
    if keep_shape:
        stride, padding = (1, 1), "SAME"
    options = Pool2DOptions(kernel, padding, stride, _activation(growth))
    return growth.done(growth.builder.pool_2d(op, x, options), x)


def _add(growth: Growth, x: str) -> str | None:
    kind = growth.choices.one_of(("constant", "itself", "earlier", "residual", "input"))
    other: str | None = None
    if kind == "itself":
        other = x
    elif kind == "earlier":
        fitting = [name for name in growth.computed if name != x and _can_add(growth, x, name)]
        other = growth.choices.one_of(fitting) if fitting else None
    elif kind == "residual":
        other = _residual_branch(growth, x)
    elif kind == "input":
        quantization = random_quantization(growth.choices)
        other = growth.builder.input(_operand_shape(growth, x), quantization)
    if other is None:
        other = _constant_operand(growth, x)
    first, second = (other, x) if growth.choices.one_in(2) else (x, other)
    options = AddOptions(_activation(growth))
    output = random_calibration(growth.choices)
    return growth.done(growth.builder.add(first, second, options, output), first, second)


def _can_add(growth: Growth, a: str, b: str) -> bool:
    if growth.builder.dtype(b) != "int8":
        return False
    try:
        shape = np.broadcast_shapes(growth.builder.shape(a), growth.builder.shape(b))
    except ValueError:
        return False
    return prod(shape) <= growth.max_elements


def _residual_branch(growth: Growth, x: str) -> str | None:
    """Add an operator that keeps `x`'s shape; None if none can."""
    if len(growth.builder.shape(x)) != 4:
        return None
    kinds: list[Callable[[], str | None]] = []
    if "CONV_2D" in growth.ops:
        kinds.append(lambda: _conv_2d(growth, x, keep_shape=True))
    if "DEPTHWISE_CONV_2D" in growth.ops:
        kinds.append(lambda: _depthwise_conv_2d(growth, x, keep_shape=True))
    if "MAX_POOL_2D" in growth.ops:
        kinds.append(lambda: _pool_2d(growth, "MAX_POOL_2D", x, keep_shape=True))
    return growth.choices.one_of(kinds)() if kinds else None


def _constant_operand(growth: Growth, x: str) -> str:
    codes = growth.builder.rng.integers(-128, 128, _operand_shape(growth, x)).astype(np.int8)
    reach = growth.choices.one_of((0, 3, 3, 20))
    exponent = growth.choices.integer(-reach, reach) if reach else 0
    scale = growth.builder.quantization(x).scale * 2.0**exponent
    quantization = Quantization((scale,), (random_zero_point(growth.choices),))
    return growth.builder.constant(codes, quantization)


def _operand_shape(growth: Growth, x: str) -> tuple[int, ...]:
    """Return a shape that broadcasts with `x`'s."""
    shape = list(growth.builder.shape(x))
    kind = growth.choices.one_of(("same", "last axis", "some axes", "larger", "one element"))
    if kind == "last axis":
        return (shape[-1],)
    if kind == "one element":
        return (1,)
    if kind == "some axes":
        return tuple(1 if growth.choices.one_in(2) else size for size in shape)
    if kind == "larger":  # the sum is larger than x
        for axis, size in enumerate(shape):
            if size == 1 and 2 * prod(shape) <= growth.max_elements:
                shape[axis] = 2
    return tuple(shape)


def _softmax(growth: Growth, x: str) -> str | None:
    beta = growth.choices.one_of((1.0, 1.0, 0.5, 0.1, 0.03, 20.0))
    too_flat = beta * growth.builder.quantization(x).scale * 2**26 <= 1
    if too_flat or growth.builder.shape(x)[-1] > MAX_SOFTMAX_DEPTH:
        return None
    return growth.done(growth.builder.softmax(x, beta), x)


def _reshape(growth: Growth, x: str) -> str:
    shape = growth.factors(prod(growth.builder.shape(x)), growth.choices.integer(1, 4))
    kind = growth.choices.one_of(("operand", "operand with -1", "attribute"))
    written: Sequence[int] | None = shape
    if kind == "attribute":
        written = None
    elif kind == "operand with -1":
        free = growth.choices.integer(0, len(shape) - 1)
        written = [-1 if axis == free else size for axis, size in enumerate(shape)]
    return growth.done(growth.builder.reshape(x, shape, written), x)


def _pad(growth: Growth, x: str) -> str:
    paddings: list[tuple[int, int]] = []
    sizes = list(growth.builder.shape(x))
    for axis, size in enumerate(sizes):
        is_outer = axis == 0 and len(sizes) > 1  # padding a batch is legal and rare
        most = 0 if is_outer and not growth.choices.one_in(8) else 3
        pair = (growth.choices.integer(0, most), growth.choices.integer(0, most))
        sizes[axis] = size + sum(pair)
        if prod(sizes) > growth.max_elements:
            pair, sizes[axis] = (0, 0), size
        paddings.append(pair)
    return growth.done(growth.builder.pad(x, paddings), x)


def _positions(image: Pair, kernel: Pair, stride: Pair, dilation: Pair, padding: str) -> int:
    axes = zip(image, kernel, stride, dilation, strict=True)
    return prod(output_size(*axis, padding) for axis in axes)


def _int8(step: Step) -> Step:
    """The step, for int8 tensors alone."""
    return lambda growth, x: step(growth, x) if growth.builder.dtype(x) == "int8" else None


STEPS: dict[str, Step] = {
    "CONV_2D": _int8(_conv_2d),
    "DEPTHWISE_CONV_2D": _int8(_depthwise_conv_2d),
    "FULLY_CONNECTED": _int8(_fully_connected),
    "AVERAGE_POOL_2D": _int8(lambda growth, x: _pool_2d(growth, "AVERAGE_POOL_2D", x)),
    "MAX_POOL_2D": _int8(lambda growth, x: _pool_2d(growth, "MAX_POOL_2D", x)),
    "ADD": _int8(_add),
    "SOFTMAX": _int8(_softmax),
    "RESHAPE": _int8(_reshape),
    "PAD": _int8(_pad),
}
