"""What every operator computes, against loops over Python integers; shapes and scales at random."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import tflite_kernels as kernels
import tflite_scalars as c
from graph_builders import (
    int8,
    int32,
    one_op,
    per_channel,
    random_int8,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.graph import Activation, Array, Graph, Rounding, Tensor, interpret, outputs_of, verify
from midge.graph.ops.add import Add
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.pad import Pad
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.softmax import Softmax
from midge.graph.requantize import activation_range
from midge.graph.types import DType
from midge.graph.window import Window, same_padding

few = settings(max_examples=40, deadline=None)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
scales = st.floats(2.0**-12, 2.0**3, width=32)
zeros = st.integers(-128, 127)
activations = st.sampled_from(Activation)
seeds = st.integers(0, 2**32)


def computed(graph: Graph, **inputs: Array) -> Array:
    verify(graph)
    return outputs_of(graph, interpret(graph, inputs))[graph.outputs[0]]


def draw_window(draw: st.DrawFn, image: tuple[int, int], dilated: bool) -> Window:
    kernel, stride = draw(pairs), draw(pairs)
    dilation = draw(pairs) if dilated else (1, 1)
    if draw(st.booleans()):
        (top, bottom), (left, right) = (
            same_padding(image[d], kernel[d], stride[d], dilation[d]) for d in (0, 1)
        )
        return Window(kernel, stride, dilation, (top, left), (bottom, right))
    # Without padding the kernel must fit.
    fitting = tuple(min(kernel[d], (image[d] - 1) // dilation[d] + 1) for d in (0, 1))
    return Window((fitting[0], fitting[1]), stride, dilation)


def quantized_weights(
    draw: st.DrawFn, shape: tuple[int, ...], channel_axis: int, seed: int
) -> Tensor:
    data = random_int8(shape, seed)
    if draw(st.booleans()):
        return int8("w", *shape, scale=draw(scales), data=data)
    channels = shape[channel_axis]
    own = draw(st.lists(scales, min_size=channels, max_size=channels))
    return Tensor("w", shape, DType.INT8, per_channel(own, channel_axis), data)


def bias(draw: st.DrawFn, channels: int, seed: int) -> Tensor | None:
    if not draw(st.booleans()):
        return None
    return int32("b", np.random.default_rng(seed).integers(-(2**20), 2**20, channels))


def attributes_of(window: Window, activation: Activation) -> dict[str, Any]:
    return {
        "stride": window.stride,
        "pad_before": window.pad_before,
        "pad_after": window.pad_after,
        "activation": activation,
    }


@st.composite
def convolutions(draw: st.DrawFn, depthwise: bool) -> tuple[Graph, Window, Array]:
    image = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    seed, groups, per_group = draw(seeds), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    x = int8(
        "x",
        draw(st.integers(1, 2)),
        *image,
        groups * per_group,
        scale=draw(scales),
        zero_point=draw(zeros),
    )
    window = draw_window(draw, image, dilated=True)
    attributes = attributes_of(window, draw(activations)) | {"dilation": window.dilation}
    channels = draw(st.integers(1, 2)) * (x.shape[3] if depthwise else groups)
    out_shape = (x.shape[0], *window.output_extent(image), channels)
    y = int8("y", *out_shape, scale=draw(scales), zero_point=draw(zeros))
    shape = (1, *window.kernel, channels) if depthwise else (channels, *window.kernel, per_group)
    w = quantized_weights(draw, shape, 3 if depthwise else 0, seed)
    op = DepthwiseConv2D(**attributes) if depthwise else Conv2D(**attributes)
    graph = one_op(op, (x, w, bias(draw, channels, seed)), y)
    return graph, window, random_int8(x.shape, seed + 1)


def parts(graph: Graph) -> tuple[Tensor, Tensor, Tensor | None, Tensor, tuple[int, int]]:
    op = graph.ops[0]
    x, w, b = graph.op_inputs(op)
    (y,) = graph.op_outputs(op)
    assert x is not None
    assert w is not None
    return x, w, b, y, activation_range(y, op.attributes.activation)  # type: ignore[attr-defined]


@few
@given(convolutions(depthwise=False))
def test_conv_2d(case: tuple[Graph, Window, Array]) -> None:
    graph, window, image = case
    x, w, b, y, clamp = parts(graph)
    expected = kernels.conv_2d(x, image, w, b, y, window=window, clamp=clamp)
    assert np.array_equal(computed(graph, x=image), expected)


@few
@given(convolutions(depthwise=True))
def test_depthwise_conv_2d(case: tuple[Graph, Window, Array]) -> None:
    graph, window, image = case
    x, w, b, y, clamp = parts(graph)
    expected = kernels.depthwise_conv_2d(x, image, w, b, y, window=window, clamp=clamp)
    assert np.array_equal(computed(graph, x=image), expected)


@st.composite
def dense(draw: st.DrawFn) -> tuple[Graph, Array]:
    depth, outputs, seed = draw(st.integers(1, 9)), draw(st.integers(1, 4)), draw(seeds)
    leading = draw(st.lists(st.integers(1, 3), min_size=1, max_size=2))
    keep_dims = draw(st.booleans())
    x = int8("x", *leading, depth, scale=draw(scales), zero_point=draw(zeros))
    w = quantized_weights(draw, (outputs, depth), 0, seed)
    rows = tuple(leading) if keep_dims else (x.size // depth,)
    y = int8("y", *rows, outputs, scale=draw(scales), zero_point=draw(zeros))
    op = FullyConnected(keep_dims=keep_dims, activation=draw(activations))
    return one_op(op, (x, w, bias(draw, outputs, seed)), y), random_int8(x.shape, seed + 1)


@few
@given(dense())
def test_fully_connected(case: tuple[Graph, Array]) -> None:
    graph, values = case
    x, w, b, y, clamp = parts(graph)
    expected = kernels.fully_connected(x, values, w, b, y, clamp=clamp)
    assert np.array_equal(computed(graph, x=values), expected)


def test_scales_are_multiplied_and_divided_in_double() -> None:
    x, w, y = int8("x", 1, scale=1.1), int8("w", 1, 1, scale=1.3, data=1), int8("y", 1, 1)
    product = Fraction(x.scale) * Fraction(w.scale)
    factors = FullyConnected().factors(x, w, y)
    found = int(factors.multiplier[0]), int(factors.shift[0])
    assert found == c.quantize_multiplier(product / Fraction(y.scale))
    assert found != c.quantize_multiplier(c.to_float32(product) / Fraction(y.scale))


@st.composite
def pools(draw: st.DrawFn) -> tuple[Window, Activation, Tensor, Tensor, Array]:
    image = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    window = draw_window(draw, image, dilated=False)
    scale, zero, batch, channels = draw(scales), draw(zeros), draw(pairs)[0], draw(pairs)[1]
    x = int8("x", batch, *image, channels, scale=scale, zero_point=zero)
    out = (batch, *window.output_extent(image), channels)
    y = int8("y", *out, scale=scale, zero_point=zero)
    return window, draw(activations), x, y, random_int8(x.shape, draw(seeds))


@few
@given(pools())
def test_average_pool_2d(case: tuple[Window, Activation, Tensor, Tensor, Array]) -> None:
    window, activation, x, y, image = case
    op = AveragePool2D(kernel=window.kernel, **attributes_of(window, activation))
    expected = kernels.pool_2d(image, y, window, activation_range(y, activation), "average")
    assert np.array_equal(computed(one_op(op, (x,), y), x=image), expected)


@few
@given(pools())
def test_max_pool_2d(case: tuple[Window, Activation, Tensor, Tensor, Array]) -> None:
    window, activation, x, y, image = case
    op = MaxPool2D(kernel=window.kernel, **attributes_of(window, activation))
    expected = kernels.pool_2d(image, y, window, activation_range(y, activation), "max")
    assert np.array_equal(computed(one_op(op, (x,), y), x=image), expected)


@pytest.mark.tiny
def test_a_mean_is_rounded_half_away_from_zero_and_counts_no_padding() -> None:
    image = np.array([1, 2, -1, -2, 7], np.int8).reshape(1, 1, 5, 1)
    x, y = int8("x", 1, 1, 5, 1), int8("y", 1, 1, 3, 1)
    op = AveragePool2D(kernel=(1, 2), stride=(1, 2), pad_after=(0, 1))
    assert computed(one_op(op, (x,), y), x=image).reshape(-1).tolist() == [2, -2, 7]


@few
@given(
    shapes=st.sampled_from([((2, 3), (2, 3)), ((4,), (3, 4)), ((2, 1, 3), (5, 1)), ((1,), ())]),
    numbers=st.tuples(scales, scales, scales),
    offsets=st.tuples(zeros, zeros, zeros),
    activation=activations,
    seed=seeds,
)
def test_add(
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    numbers: tuple[float, float, float],
    offsets: tuple[int, int, int],
    activation: Activation,
    seed: int,
) -> None:
    a, b, y = (
        int8(name, *shape, scale=scale, zero_point=zero)
        for name, shape, scale, zero in zip(
            "aby", (*shapes, np.broadcast_shapes(*shapes)), numbers, offsets, strict=True
        )
    )
    values_a, values_b = random_int8(a.shape, seed), random_int8(b.shape, seed + 1)
    clamp = activation_range(y, activation)
    expected = kernels.add(a, values_a, b, values_b, y, clamp=clamp)
    graph = one_op(Add(activation=activation), (a, b), y)
    assert np.array_equal(computed(graph, a=values_a, b=values_b), expected)


def test_a_tensor_may_be_added_to_itself() -> None:
    x, y = int8("x", 3, scale=0.5), int8("y", 3, scale=1.0)
    graph = one_op(Add(), (x, x), y)
    assert computed(graph, x=np.array([-128, 3, 127], np.int8)).tolist() == [-128, 3, 127]


@few
@given(
    shape=st.sampled_from([(1,), (7,), (2, 5), (2, 1, 3)]),
    scale=st.floats(2.0**-20, 2.0**20, width=32),
    beta=st.floats(2.0**-4, 2.0**4, width=32),
    seed=seeds,
)
def test_softmax(shape: tuple[int, ...], scale: float, beta: float, seed: int) -> None:
    x, y = int8("x", *shape, scale=scale), int8("y", *shape, scale=1 / 256, zero_point=-128)
    values = random_int8(shape, seed)
    found = computed(one_op(Softmax(beta=beta), (x,), y), x=values)
    assert np.array_equal(found, kernels.softmax(x, values, beta))


@given(scale=st.floats(2.0**-20, 2.0**20, width=32), beta=st.floats(2.0**-4, 2.0**4, width=32))
def test_softmax_counts_differences_that_fit_five_integer_bits(scale: float, beta: float) -> None:
    multiplier, shift, least = Softmax(beta=beta).parameters(int8("x", 1, scale=scale))
    real = min(Fraction(beta) * Fraction(scale) * 2**26, Fraction(2**31 - 1))
    assert (multiplier, shift) == c.quantize_multiplier(kernels.to_double(real))
    # CalculateInputRadius: the largest difference that, shifted, is at most 31 in Q5.26.
    assert -least << shift <= 31 << 26 < (1 - least) << shift


def test_softmax_is_near_the_real_one() -> None:
    x, y = int8("x", 4, 16, scale=0.05), int8("y", 4, 16, scale=1 / 256, zero_point=-128)
    values = random_int8(x.shape, 3)
    found = computed(one_op(Softmax(beta=1.5), (x,), y), x=values).astype(float) + 128
    exponentials = np.exp(1.5 * 0.05 * values.astype(float))
    exact = 256 * exponentials / exponentials.sum(-1, keepdims=True)
    assert np.abs(found - np.clip(exact, 0, 255)).max() <= 0.51


def test_the_longest_row_of_equal_values_does_not_overflow() -> None:
    x, y = int8("x", 511), int8("y", 511, scale=1 / 256, zero_point=-128)
    values = np.zeros(511, np.int8)
    found = computed(one_op(Softmax(), (x,), y), x=values)
    assert np.array_equal(found, kernels.softmax(x, values, 1.0))
    assert set(found.tolist()) == {-127}  # 256 / 511 is over a half


@few
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=4
    ),
    zeros,
    seeds,
)
def test_pad(extents: list[tuple[int, int, int]], zero: int, seed: int) -> None:
    shape = tuple(n for _, n, _ in extents)
    x = int8("x", *shape, zero_point=zero)
    y = int8("y", *(sum(e) for e in extents), zero_point=zero)
    op = Pad(before=tuple(b for b, _, _ in extents), after=tuple(a for _, _, a in extents))
    values = random_int8(shape, seed)
    expected = np.full(y.shape, zero, np.int8)
    expected[tuple(slice(b, b + n) for b, n, _ in extents)] = values
    assert np.array_equal(computed(one_op(op, (x,), y), x=values), expected)


def test_reshape_moves_nothing() -> None:
    x, y = int8("x", 2, 6), int8("y", 3, 1, 4)
    values = random_int8(x.shape, 5)
    found = computed(one_op(Reshape(shape=(3, 1, 4)), (x,), y), x=values)
    assert found.shape == (3, 1, 4)
    assert np.array_equal(found.reshape(2, 6), values)


@pytest.mark.parametrize("rounding", [Rounding.TFLITE_DOUBLE, Rounding.SINGLE, Rounding.HALF_EVEN])
def test_a_weighted_sum_uses_its_own_rounding(rounding: Rounding) -> None:
    # 5/2 and 7/2: double rounding takes ties away from zero, half-even to 2 and 4.
    x, y = int8("x", 2, 1, scale=1.0), int8("y", 2, 1, scale=2.0)
    w = int8("w", 1, 1, scale=1.0, data=1)
    graph = one_op(FullyConnected(rounding=rounding), (x, w), y)
    found = computed(graph, x=np.array([[5], [-7]], np.int8)).reshape(-1).tolist()
    assert (
        found
        == {
            Rounding.TFLITE_DOUBLE: [3, -3],
            Rounding.SINGLE: [3, -3],
            Rounding.HALF_EVEN: [2, -4],
        }[rounding]
    )


def test_macs_are_counted_as_the_field_does() -> None:
    x, y = int8("x", 2, 8, 8, 4), int8("y", 2, 8, 8, 6)
    same = {"pad_before": (1, 1), "pad_after": (1, 1)}
    conv = one_op(Conv2D(**same), (x, int8("w", 6, 3, 3, 4, data=1)), y)
    assert verify(conv).macs() == 2 * 8 * 8 * 6 * 9 * 4
    grouped = one_op(Conv2D(**same), (x, int8("w", 6, 3, 3, 2, data=1)), y)
    assert verify(grouped).macs() == 2 * 8 * 8 * 6 * 9 * 2
    wide = int8("y", 2, 8, 8, 8)
    depthwise = one_op(DepthwiseConv2D(**same), (x, int8("w", 1, 3, 3, 8, data=1)), wide)
    assert verify(depthwise).macs() == 2 * 8 * 8 * 8 * 9
    layer = one_op(FullyConnected(), (x, int8("w", 10, 256, data=1)), int8("y", 2, 10))
    assert verify(layer).macs() == 2 * 10 * 256
    assert one_op(Add(), (x, x), x).macs() == 0
