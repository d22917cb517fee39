"""What convolutions and dense layers refuse, each message."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graph_builders import int8, int32, one_op, per_channel, per_tensor, plain, refuses

from midge.graph import (
    Activation,
    Attributes,
    DType,
    Quantization,
    Tensor,
    verify,
)
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected

IMAGE = int8("x", 2, 9, 7, 4)
FAR_ZERO = int8("x", 2, 9, 7, 4, zero_point=-128)
W = int8("w", 6, 3, 3, 4, data=1)
W_DEPTHWISE = int8("w", 1, 3, 3, 8, data=1)
Y = int8("y", 2, 7, 5, 6)
Y_DEPTHWISE = int8("y", 2, 7, 5, 8)
ROW, W_ROW, Y_ROW = int8("x", 3, 8), int8("w", 5, 8, data=1), int8("y", 3, 5)


def weights_of(quantization: Quantization | None, *shape: int, dtype: DType = DType.INT8) -> Tensor:
    return Tensor("w", shape, dtype, quantization, np.ones(shape, dtype.numpy))


def weighted(message: str, *inputs: Tensor | None, y: Tensor = Y, **attributes: object) -> object:
    """A convolution that is refused; the first inputs given replace x, w, b."""
    x, w, b = (*inputs, *(IMAGE, W, None)[len(inputs) :])
    return pytest.param(message, Conv2D(**attributes), (x, w, b), y, id=message[:50])


def other(message: str, attributes: Attributes, *inputs: Tensor | None, y: Tensor) -> object:
    return pytest.param(message, attributes, inputs, y, id=f"{attributes.kind}-{message[:50]}")


REFUSALS = [
    weighted("x has shape [9, 7, 4]; expected 4 dimensions", int8("x", 9, 7, 4)),
    weighted("w has shape [3, 3, 4]; expected 4 dimensions", IMAGE, int8("w", 3, 3, 4, data=1)),
    weighted(
        "x is int32; supported here: int8, int16, float32",
        plain("x", 2, 9, 7, 4, dtype=DType.INT32),
    ),
    weighted(
        "w of shape [6, 3, 3, 3] does not divide 4 input channels into groups",
        IMAGE,
        int8("w", 6, 3, 3, 3, data=1),
    ),
    weighted(
        "w of shape [5, 3, 3, 2] does not divide 4 input channels into groups",
        IMAGE,
        int8("w", 5, 3, 3, 2, data=1),
    ),
    weighted(
        "w of shape [6, 3, 3, 8] does not divide 4 input channels into groups",
        IMAGE,
        int8("w", 6, 3, 3, 8, data=1),
    ),
    weighted("a window of (3, 3) taps, dilation (5, 1), does not fit", dilation=(5, 1)),
    weighted("must be at least 1 and padding", stride=(0, 1)),
    weighted("x is int8 without quantisation parameters", plain("x", 2, 9, 7, 4)),
    weighted("y is int8 without quantisation parameters", y=plain("y", 2, 7, 5, 6)),
    weighted(
        "x is quantised per channel; supported here: per tensor",
        Tensor("x", IMAGE.shape, DType.INT8, per_channel([1, 2, 3, 4], 3)),
    ),
    weighted(
        "w is int16; supported here: int8, int4",
        IMAGE,
        weights_of(per_tensor(), *W.shape, dtype=DType.INT16),
    ),
    weighted("w is computed at run time; supported here: a constant", IMAGE, replace(W, data=None)),
    weighted("w is int8 without quantisation parameters", IMAGE, weights_of(None, *W.shape)),
    weighted(
        "w has a zero point other than 0; supported here: symmetric weights",
        IMAGE,
        weights_of(per_tensor(0.5, 3), *W.shape),
    ),
    weighted(
        "w is quantised along dimension 3; supported here: 0",
        IMAGE,
        weights_of(per_channel([1, 2, 3, 4], 3), *W.shape),
    ),
    weighted(
        "w has 4 scales and 4 zero points; expected 6",
        IMAGE,
        weights_of(per_channel([1, 2, 3, 4], 0), *W.shape),
    ),
    weighted(
        "w has 2 scales and 2 zero points; expected 1",
        IMAGE,
        weights_of(replace(per_channel([1, 2], 0), axis=None), *W.shape),
    ),
    weighted("b is int8; supported here: int32", IMAGE, W, int8("b", 6, data=1)),
    weighted(
        "b is computed at run time; supported here: a constant",
        IMAGE,
        W,
        plain("b", 6, dtype=DType.INT32),
    ),
    weighted("b has shape [5]; expected [6], one a channel", IMAGE, W, int32("b", np.ones(5))),
    weighted(
        "sums of up to 2147483648 overflow int32; the layer is too wide or its bias too large",
        FAR_ZERO,
        W,
        int32("b", [0, 2**31 - 256 * 36, 0, 0, 0, 0]),
    ),
    weighted(
        "y has scale 1e-09, too fine for relu6: 6 is 6e+09 steps, over int32",
        y=int8("y", 2, 7, 5, 6, scale=1e-09),
        activation=Activation.RELU6,
    ),
    weighted("takes 2 inputs and 1 optional ones, found ['x', 'none', 'none']", IMAGE, None),
    other("takes 2 inputs and 1 optional ones, found ['none', 'x']", Conv2D(), None, IMAGE, y=Y),
    other(
        "takes 2 inputs and 1 optional ones, found ['x', 'w', 'none', 'none']",
        Conv2D(),
        *(IMAGE, W, None, None),
        y=Y,
    ),
    weighted(
        f"(9, 7) windows of (128, 128) taps over 2 images of 128 channels read "
        f"{9 * 7 * 128**2 * 2 * 128} elements; supported: up to 67108864",
        int8("x", 2, 9, 7, 128),
        int8("w", 1, 128, 128, 128, data=1),
        pad_before=(64, 64),
        pad_after=(63, 63),
        y=int8("y", 2, 9, 7, 1),
    ),
    other(
        "w has shape [1, 3, 3, 6]; expected [1, h, w, m * 4] for 4 channels",
        DepthwiseConv2D(),
        IMAGE,
        int8("w", 1, 3, 3, 6, data=1),
        y=Y,
    ),
    other(
        "w has shape [2, 3, 3, 8]; expected [1, h, w, m * 4] for 4 channels",
        DepthwiseConv2D(),
        IMAGE,
        int8("w", 2, 3, 3, 8, data=1),
        y=Y_DEPTHWISE,
    ),
    other(
        "x has shape [4]; expected 4 dimensions",
        DepthwiseConv2D(),
        int8("x", 4),
        W_DEPTHWISE,
        y=Y_DEPTHWISE,
    ),
    other(
        "w has shape [4]; expected 4 dimensions",
        DepthwiseConv2D(),
        IMAGE,
        int8("w", 4, data=1),
        y=Y_DEPTHWISE,
    ),
    other(
        "x is uint8; supported here: int8, int16, float32",
        DepthwiseConv2D(),
        plain("x", 2, 9, 7, 4, dtype=DType.UINT8),
        W_DEPTHWISE,
        y=Y_DEPTHWISE,
    ),
    other(
        "w is quantised along dimension 2; supported here: 3",
        DepthwiseConv2D(),
        IMAGE,
        weights_of(per_channel([1, 2, 3], 2), 1, 3, 3, 8),
        y=Y_DEPTHWISE,
    ),
    other("takes 2 inputs and 1 optional ones", DepthwiseConv2D(), IMAGE, y=Y_DEPTHWISE),
    other(
        "w has shape [5, 8, 1]; expected 2 dimensions",
        FullyConnected(),
        ROW,
        int8("w", 5, 8, 1, data=1),
        y=Y_ROW,
    ),
    other(
        "x is int32; supported here: int8, int16, float32",
        FullyConnected(),
        plain("x", 3, 8, dtype=DType.INT32),
        W_ROW,
        y=Y_ROW,
    ),
    other(
        "x has 9 elements, which are not rows of 8 features",
        FullyConnected(),
        int8("x", 3, 3),
        W_ROW,
        y=Y_ROW,
    ),
    other(
        "x has shape [4, 2]; its last dimension must be 8",
        FullyConnected(keep_dims=True),
        int8("x", 4, 2),
        W_ROW,
        y=Y_ROW,
    ),
    other(
        "x has shape []; its last dimension must be 8",
        FullyConnected(keep_dims=True),
        int8("x"),
        W_ROW,
        y=Y_ROW,
    ),
    other("takes 2 inputs and 1 optional ones", FullyConnected(), ROW, y=Y_ROW),
]


@pytest.mark.parametrize(("message", "attributes", "inputs", "y"), REFUSALS)
def test_refusal(
    message: str, attributes: Attributes, inputs: tuple[Tensor | None, ...], y: Tensor
) -> None:
    graph = one_op(attributes, inputs, y)
    with refuses(f"g: op 'the_{attributes.kind}' ({attributes.kind}): ") as error:
        verify(graph)
    assert message in str(error.value)


BAD_QUANTIZATIONS = [
    (per_tensor(0.0), "w has a scale that is not a positive finite number"),
    (per_tensor(-1.0), "w has a scale that is not a positive finite number"),
    (per_tensor(float("nan")), "w has a scale that is not a positive finite number"),
    (per_tensor(float("inf")), "w has a scale that is not a positive finite number"),
    (per_tensor(1.0, 128), "w has a zero point outside int8"),
    (per_tensor(1.0, -129), "w has a zero point outside int8"),
    (
        Quantization(np.ones(6, np.float32), np.zeros(5, np.int64), 0),
        "w has 6 scales and 5 zero points; expected 6",
    ),
    (
        Quantization(np.empty(0, np.float32), np.empty(0, np.int64)),
        "w has 0 scales and 0 zero points; expected 1",
    ),
]


@pytest.mark.parametrize(("quantization", "message"), BAD_QUANTIZATIONS)
def test_quantisation_must_be_usable(quantization: Quantization, message: str) -> None:
    graph = one_op(Conv2D(), (IMAGE, weights_of(quantization, *W.shape)), Y)
    with refuses(message):
        verify(graph)


def test_a_single_scale_may_name_any_dimension() -> None:
    verify(one_op(Conv2D(), (IMAGE, int8("w", 1, 3, 3, 4, data=1)), int8("y", 2, 7, 5, 1)))
    named = weights_of(per_channel([0.5], 0), 1, 3, 3, 4)
    verify(one_op(Conv2D(), (IMAGE, named), int8("y", 2, 7, 5, 1)))


def test_the_largest_bias_that_cannot_overflow_is_taken() -> None:
    verify(one_op(Conv2D(), (FAR_ZERO, W, int32("b", [2**31 - 1 - 256 * 36] * 6)), Y))
