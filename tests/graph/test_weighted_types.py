"""Convolutions and dense layers in int4, int16 and float32: meaning, worked out by hand, and limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from graph_builders import int8, int32, one_op, per_channel, per_tensor, random_int8, refuses

from midge.graph import (
    Activation,
    Array,
    Attributes,
    DType,
    Graph,
    Rounding,
    Tensor,
    interpret,
    outputs_of,
    verify,
)
from midge.graph.accumulate import worst_sum
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected

LONG = Rounding.TFLITE_16X8


def int16(name: str, *shape: int, scale: float = 1.0, zero_point: int = 0) -> Tensor:
    return Tensor(name, shape, DType.INT16, per_tensor(scale, zero_point))


def int64(name: str, values: npt.ArrayLike) -> Tensor:
    data = np.asarray(values, np.int64)
    return Tensor(name, data.shape, DType.INT64, None, data)


def real(name: str, values: npt.ArrayLike) -> Tensor:
    data = np.asarray(values, np.float32)
    return Tensor(name, data.shape, DType.FLOAT32, None, data)


def float32(name: str, *shape: int) -> Tensor:
    return Tensor(name, shape, DType.FLOAT32)


def int4(name: str, values: npt.ArrayLike, scale: float = 1.0, zero_point: int = 0) -> Tensor:
    data = np.asarray(values, np.int8)
    return Tensor(name, data.shape, DType.INT4, per_tensor(scale, zero_point), data)


def computed(graph: Graph, **inputs: Array) -> list[float]:
    (output,) = outputs_of(graph, interpret(verify(graph), inputs)).values()
    return output.reshape(-1).tolist()


def dense(
    attributes: Attributes, x: Tensor, w: Tensor, b: Tensor | None, y: Tensor, *values: float
) -> list[float]:
    stored = np.array(values, x.dtype.numpy).reshape(x.shape)
    return computed(one_op(attributes, (x, w, b), y), x=stored)


# ---- int16 ----


@pytest.mark.parametrize(
    ("rounding", "expected"),
    # 5/2 and -7/2: one shift takes ties up; a 32-bit sum is doubled first, with the same result here.
    [(LONG, [3, -3]), (Rounding.TFLITE_DOUBLE, [3, -3]), (Rounding.HALF_EVEN, [2, -4])],
)
def test_int16_sums_are_rescaled_as_the_rounding_says(
    rounding: Rounding, expected: list[int]
) -> None:
    x, y, w = int16("x", 2, 1), int16("y", 2, 1, scale=2.0), int8("w", 1, 1, scale=1.0, data=1)
    assert dense(FullyConnected(rounding=rounding), x, w, None, y, 5, -7) == expected


def test_long_sums_are_multiplied_by_fifteen_bits() -> None:
    # 98300 / 3 = 32766.67; in 15 bits a third is 21845 / 2**16: 32766.17.
    x, y, w = int16("x", 1, 1), int16("y", 1, 1, scale=3.0), int8("w", 1, 1, scale=1.0, data=127)
    long_bias, bias = int64("b", [98300]), int32("b", [98300])
    assert dense(FullyConnected(rounding=LONG), x, w, long_bias, y, 0) == [32766]
    assert dense(FullyConnected(), x, w, bias, y, 0) == [32767]


def test_a_long_bias_reaches_over_int32() -> None:
    x, w = int16("x", 1, 1), int8("w", 2, 1, scale=2.0**-30, data=1)
    y = int16("y", 1, 2)
    b = int64("b", [2**40, -(2**44)])
    assert dense(FullyConnected(rounding=LONG), x, w, b, y, 0) == [1024, -16384]


def test_int16_dense_layers_have_zero_points() -> None:
    x, y = int16("x", 1, 2, zero_point=-100), int16("y", 1, 1, zero_point=1000)
    w = int8("w", 1, 2, scale=1.0, zero_point=3, data=[[5, -1]])
    for rounding in (LONG, Rounding.TFLITE_DOUBLE):
        # Centred, 107 * 2 - 100 * -4.
        assert dense(FullyConnected(rounding=rounding), x, w, None, y, 7, -200) == [1614]


def test_int16_convolutions_are_those_of_int8_with_more_room() -> None:
    rng = np.random.default_rng(4)
    for attributes, shape in ((Conv2D, (5, 3, 2, 4)), (DepthwiseConv2D, (1, 3, 2, 8))):
        geometry = {"pad_before": (1, 0), "pad_after": (1, 1), "stride": (2, 1)}
        channels = shape[0] if attributes is Conv2D else shape[3]
        weights = rng.integers(-9, 10, shape)
        small = int8("x", 1, 5, 4, 4, scale=1.0), int8("w", *shape, scale=1.0, data=weights)
        y = int8("y", 1, 3, 4, channels, scale=512.0)
        values = random_int8(small[0].shape, 1)
        narrow = computed(one_op(attributes(**geometry), small, y), x=values)
        for rounding in (LONG, Rounding.TFLITE_DOUBLE):
            wide = one_op(
                attributes(**geometry, rounding=rounding),
                (int16("x", 1, 5, 4, 4), small[1]),
                int16("y", *y.shape, scale=512.0),
            )
            assert computed(wide, x=values.astype(np.int16)) == narrow


# ---- int4 ----


def test_int4_weights_are_small_int8_ones() -> None:
    rng = np.random.default_rng(3)
    cases = (
        (Conv2D(), (3, 2, 2, 4), int8("y", 1, 4, 3, 3, scale=9.0)),
        (DepthwiseConv2D(), (1, 2, 2, 8), int8("y", 1, 4, 3, 8, scale=9.0)),
        (FullyConnected(), (3, 5), int8("y", 16, 3, scale=9.0)),
    )
    for attributes, shape, y in cases:
        weights = rng.integers(-8, 8, shape)
        x = int8("x", 1, 5, 4, 4, zero_point=-7)
        values = random_int8(x.shape, 2)
        of = [
            computed(one_op(attributes, (x, w), y), x=values)
            for w in (int4("w", weights), int8("w", *shape, scale=1.0, data=weights))
        ]
        assert of[0] == of[1]


# ---- zero points of weights ----


@pytest.mark.parametrize("zero", [-128, -1, 5, 127])
def test_a_zero_point_is_taken_off_the_weights(zero: int) -> None:
    rng = np.random.default_rng(zero + 128)
    weights = rng.integers(-128, 128, (4, 6))
    x, y = int8("x", 3, 6, zero_point=11), int8("y", 3, 4, scale=500.0, zero_point=-2)
    w = int8("w", 4, 6, scale=1.0, zero_point=zero, data=weights)
    values = random_int8(x.shape, 7)
    found = computed(one_op(FullyConnected(), (x, w), y), x=values)
    sums = (values.astype(int) - 11) @ (weights - zero).T
    assert np.abs(np.array(found) - (sums.reshape(-1) * 0.5 / 500.0 - 2)).max() <= 0.5


def test_worst_sums_count_zero_points() -> None:
    x = int8("x", 1, 2, zero_point=-20)
    w = int8("w", 1, 2, zero_point=3, data=[[5, -1]])
    # Stored: 128 * (5 + 1 + 2 * 3); the bias has 20 * (2 + 4) folded in.
    assert worst_sum(x, w, None, 0) == 128 * 12 + 20 * 6
    assert worst_sum(x, w, int32("b", [-1000]), 0) == 128 * 12 + 20 * 6 + 1000
    assert worst_sum(int16("x", 1, 2), replace(w, quantization=per_tensor()), None, 0) == 32768 * 6


# ---- float32 ----


def test_float_sums_run_in_order() -> None:
    x, w, y = float32("x", 1, 3), real("w", [[1, 1, 1]]), float32("y", 1, 1)
    # 1e8 + 1 is 1e8 in float32.
    assert dense(FullyConnected(), x, w, None, y, 1e8, 1, -1e8) == [0]
    assert dense(FullyConnected(), x, w, None, y, 1e8, -1e8, 1) == [1]
    assert dense(FullyConnected(), x, w, real("b", [2]), y, 1e8, 1, -1e8) == [2]


def test_float_convolutions_run_over_rows_columns_and_channels() -> None:
    x, y = float32("x", 1, 2, 2, 2), float32("y", 1, 1, 1, 1)
    weights = np.ones((1, 2, 2, 2), np.float32)
    values = np.zeros((1, 2, 2, 2), np.float32)
    values[0, 0, 0, 1], values[0, 0, 1, 0], values[0, 1, 0, 0] = 1e8, 1, -1e8
    assert computed(one_op(Conv2D(), (x, real("w", weights)), y), x=values) == [0]
    values[0, 0, 1, 0], values[0, 1, 0, 0] = -1e8, 1
    assert computed(one_op(Conv2D(), (x, real("w", weights)), y), x=values) == [1]
    pair = float32("y", 1, 1, 1, 2)
    found = computed(one_op(DepthwiseConv2D(), (x, real("w", weights)), pair), x=values)
    assert found == [-(10**8), 10**8]


def test_float_groups() -> None:
    x, y = float32("x", 1, 1, 1, 4), float32("y", 1, 1, 1, 4)
    w = real("w", np.array([[1, 2], [3, 4], [5, 6], [7, 8]]).reshape(4, 1, 1, 2))
    values = np.array([1, 10, 100, 1000], np.float32).reshape(x.shape)
    found = computed(one_op(Conv2D(), (x, w), y), x=values)
    assert found == [21, 43, 6500, 8700]


def test_taps_outside_the_image_add_nothing() -> None:
    x, y = float32("x", 1, 1, 1, 1), float32("y", 1, 1, 1, 1)
    w = real("w", np.full((1, 3, 3, 1), -5.0))
    same = {"pad_before": (1, 1), "pad_after": (1, 1)}
    for attributes in (Conv2D(**same), DepthwiseConv2D(**same)):
        graph = one_op(attributes, (x, w), y)
        assert computed(graph, x=np.full(x.shape, 2, np.float32)) == [-10]
        # No activation clamps infinities to the largest number.
        largest = float(np.finfo(np.float32).max)
        assert computed(graph, x=np.full(x.shape, -np.inf, np.float32)) == [largest]
        assert np.isnan(computed(graph, x=np.full(x.shape, np.nan, np.float32))).all()


def test_float_activations_and_the_sign_of_zero() -> None:
    x, w, y = float32("x", 1, 1), real("w", [[1], [-1]]), float32("y", 1, 2)
    attributes = FullyConnected(activation=Activation.RELU6)
    assert dense(attributes, x, w, real("b", [-0.0, 0.5]), y, 9) == [6, 0]
    found = dense(FullyConnected(), x, w, real("b", [-0.0, 0]), y, -0.0)
    assert [np.signbit(v) for v in found] == [False, False], "0.0 + -0.0 is 0.0"


def test_float_weights_and_bias_may_be_computed() -> None:
    x, y = float32("x", 2, 2), float32("y", 2, 1)
    graph = one_op(FullyConnected(), (x, float32("w", 1, 2), float32("b", 1)), y)
    values = {
        "x": np.array([[1, 2], [3, 4]], np.float32),
        "w": np.array([[10, 1]], np.float32),
        "b": np.array([0.5], np.float32),
    }
    assert computed(graph, **values) == [12.5, 34.5]


# ---- refusals ----

IMAGE, KERNEL = int16("x", 1, 3, 3, 2), int8("w", 2, 1, 1, 2, scale=1.0, data=1)
IMAGE_Y = int16("y", 1, 3, 3, 2)
F_IMAGE, F_KERNEL = float32("x", 1, 3, 3, 2), real("w", np.ones((2, 1, 1, 2)))
F_Y = float32("y", 1, 3, 3, 2)
ROW, ROW_Y = int16("x", 1, 4), int16("y", 1, 2)
WIDE = int8("w", 2, 4, scale=1.0, data=127)

REFUSALS = [
    (
        "x has zero point 5; supported for int16: 0",
        Conv2D(rounding=LONG),
        (int16("x", 1, 3, 3, 2, zero_point=5), KERNEL),
        IMAGE_Y,
    ),
    (
        "y has zero point -1; supported for int16: 0",
        Conv2D(),
        (IMAGE, KERNEL),
        int16("y", 1, 3, 3, 2, zero_point=-1),
    ),
    (
        "rounding tflite_16x8 is for int16; x is int8",
        FullyConnected(rounding=LONG),
        (int8("x", 1, 4), WIDE),
        int8("y", 1, 2),
    ),
    (
        "w is int4; supported here: int8",
        FullyConnected(rounding=LONG),
        (ROW, int4("w", np.ones((2, 4)))),
        ROW_Y,
    ),
    (
        "b is int32; supported here: int64",
        Conv2D(rounding=LONG),
        (IMAGE, KERNEL, int32("b", [1, 2])),
        IMAGE_Y,
    ),
    ("b is int64; supported here: int32", Conv2D(), (IMAGE, KERNEL, int64("b", [1, 2])), IMAGE_Y),
    (
        "w has a zero point other than 0; supported here: symmetric weights",
        DepthwiseConv2D(),
        (int8("x", 1, 3, 3, 2), int8("w", 1, 1, 1, 2, zero_point=1, data=1)),
        int8("y", 1, 3, 3, 2),
    ),
    (
        "w has a zero point other than 0; supported here: symmetric weights",
        FullyConnected(),
        (
            int8("x", 1, 4),
            replace(
                WIDE,
                quantization=replace(per_channel([1, 1], 0), zero_point=np.array([0, 1], np.int64)),
            ),
        ),
        int8("y", 1, 2),
    ),
    (
        f"sums of up to {2**47} leave 48 bits; the layer is too wide or its bias too large",
        FullyConnected(rounding=LONG),
        (ROW, WIDE, int64("b", [0, -(2**47) + 4 * 127 * 2**15])),
        ROW_Y,
    ),
    (
        f"sums of up to {2**63 + 4 * 127 * 2**15} leave 48 bits",
        FullyConnected(rounding=LONG),
        (ROW, WIDE, int64("b", [0, -(2**63)])),
        ROW_Y,
    ),
    (
        f"sums of up to {2**31} overflow int32",
        FullyConnected(),
        (ROW, WIDE, int32("b", [0, 2**31 - 4 * 127 * 2**15])),
        ROW_Y,
    ),
    (
        f"sums of up to {2**31} overflow int32",
        FullyConnected(),
        # |b| + 128 * (sum of |w| + 4 * 7 for the zero point)
        (
            int8("x", 1, 4),
            int8("w", 2, 4, zero_point=7, data=1),
            int32("b", [0, 2**31 - 128 * (4 + 28)]),
        ),
        int8("y", 1, 2),
    ),
    (
        "the scales give a factor of 128; expected one from 0 to under 2**7",
        FullyConnected(rounding=LONG),
        (ROW, int8("w", 2, 4, scale=128.0, data=1)),
        ROW_Y,
    ),
    (
        "times the scale of y overflow int32; its scale 0.01 is too fine",
        FullyConnected(rounding=LONG),
        (ROW, WIDE, int64("b", [0, 2**26])),
        int16("y", 1, 2, scale=0.01),
    ),
    (
        "y has scale 1e-09, too fine for relu6",
        FullyConnected(rounding=LONG, activation=Activation.RELU6),
        (ROW, int8("w", 2, 4, scale=1e-9, data=1)),
        int16("y", 1, 2, scale=1e-9),
    ),
    ("w is int8; supported here: float32", Conv2D(), (F_IMAGE, KERNEL), F_Y),
    (
        "b is int32; supported here: float32",
        Conv2D(),
        (F_IMAGE, F_KERNEL, int32("b", [1, 2])),
        F_Y,
    ),
    (
        "b has shape [3]; expected [2], one a channel",
        FullyConnected(),
        (float32("x", 1, 4), float32("w", 2, 4), float32("b", 3)),
        float32("y", 1, 2),
    ),
    (
        "w holds a number that is not finite",
        Conv2D(),
        (F_IMAGE, real("w", np.full((2, 1, 1, 2), np.inf))),
        F_Y,
    ),
    (
        "w holds a number that is not finite",
        DepthwiseConv2D(),
        (F_IMAGE, real("w", np.full((1, 1, 1, 2), np.nan))),
        F_Y,
    ),
]


@pytest.mark.parametrize(
    ("message", "attributes", "inputs", "y"), REFUSALS, ids=[r[0][:50] for r in REFUSALS]
)
def test_refusal(
    message: str, attributes: Attributes, inputs: tuple[Tensor | None, ...], y: Tensor
) -> None:
    with refuses(message):
        verify(one_op(attributes, inputs, y))


def test_the_largest_long_bias_is_taken() -> None:
    b = int64("b", [0, -(2**47) + 1 + 4 * 127 * 2**15])
    y = int16("y", 1, 2, scale=2.0**17)
    verify(one_op(FullyConnected(rounding=LONG), (ROW, WIDE, b), y))
