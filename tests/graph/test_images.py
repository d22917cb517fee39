"""Pools of int16 and float32, and resized images: refusals, and values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from graph_builders import int8, one_op, per_tensor, plain, random_int8, refuses

from midge.graph import Activation, Array, Attributes, DType, Tensor, interpret, outputs_of, verify
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.l2_pool_2d import L2Pool2D
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.resize_bilinear import ResizeBilinear

INF, NAN, LARGEST = float("inf"), float("nan"), float(np.finfo(np.float32).max)


def floats(name: str, *shape: int) -> Tensor:
    return plain(name, *shape, dtype=DType.FLOAT32)


def int16(name: str, *shape: int, scale: float = 0.5, zero_point: int = 0) -> Tensor:
    return Tensor(name, shape, DType.INT16, per_tensor(scale, zero_point))


def computed(attributes: Attributes, x: Tensor, y: Tensor, values: object) -> list[float]:
    graph = verify(one_op(attributes, (x,), y))
    array = np.array(values, x.dtype.numpy).reshape(x.shape)
    found: Array = outputs_of(graph, interpret(graph, {"x": array}))["y"]
    return list(found.reshape(-1).tolist())


def refusal(message: str, attributes: Attributes, x: Tensor, y: Tensor) -> object:
    return pytest.param(message, attributes, x, y, id=f"{attributes.kind}-{message[:50]}")


REFUSALS = [
    refusal(
        "sums of 33000 elements may overflow int32; up to 32768 fit",
        AveragePool2D(kernel=(3, 11000)),
        int16("x", 1, 3, 11000, 1),
        int16("y", 1, 1, 1, 1),
    ),
    refusal(
        "this operator does not rescale, they must be equal",
        MaxPool2D(kernel=(1, 1)),
        int16("x", 1, 1, 1, 1),
        int16("y", 1, 1, 1, 1, scale=0.25),
    ),
    refusal(
        "x is int8; supported here: float32",
        L2Pool2D(kernel=(1, 1)),
        int8("x", 1, 1, 1, 1),
        int8("y", 1, 1, 1, 1),
    ),
    refusal(
        "a window of (1, 1) taps lies wholly outside the (1, 1) image",
        L2Pool2D(kernel=(1, 1), pad_before=(1, 0)),
        floats("x", 1, 1, 1, 1),
        floats("y", 1, 2, 1, 1),
    ),
    refusal(
        "align_corners and half_pixel_centers exclude each other",
        ResizeBilinear(size=(2, 2), align_corners=True, half_pixel_centers=True),
        int8("x", 1, 1, 1, 1),
        int8("y", 1, 2, 2, 1),
    ),
    *(
        refusal(
            f"resizes (1, 1) pixels to {size}; supported: 1 to 32768",
            ResizeBilinear(size=size),
            int8("x", 1, 1, 1, 1),
            int8("y", 1, 2, 2, 1),
        )
        for size in ((0, 1), (1, -3), (1, 32769))
    ),
    refusal(
        "x has shape [3]; expected 4 dimensions",
        ResizeBilinear(size=(1, 1)),
        int8("x", 3),
        int8("y", 3),
    ),
    refusal(
        "x is int16; supported here: int8, float32",
        ResizeBilinear(size=(1, 1)),
        int16("x", 1, 1, 1, 1),
        int16("y", 1, 1, 1, 1),
    ),
    refusal(
        "this operator does not rescale, they must be equal",
        ResizeBilinear(size=(1, 1)),
        int8("x", 1, 1, 1, 1),
        int8("y", 1, 1, 1, 1, zero_point=1),
    ),
]


@pytest.mark.parametrize(("message", "attributes", "x", "y"), REFUSALS)
def test_refusal(message: str, attributes: Attributes, x: Tensor, y: Tensor) -> None:
    with refuses(f"g: op 'the_{attributes.kind}' ({attributes.kind}): ") as error:
        verify(one_op(attributes, (x,), y))
    assert message in str(error.value)


@pytest.mark.tiny
def test_int16_means_are_rounded_half_away_from_zero() -> None:
    x, y = int16("x", 1, 1, 5, 1), int16("y", 1, 1, 3, 1)
    op = AveragePool2D(kernel=(1, 2), stride=(1, 2), pad_after=(0, 1))
    assert computed(op, x, y, [1000, 1001, -1000, -1001, 32767]) == [1001, -1001, 32767]


def test_int16_pools_are_clamped() -> None:
    x, y = int16("x", 1, 1, 3, 1), int16("y", 1, 1, 3, 1)
    op = MaxPool2D(kernel=(1, 1), activation=Activation.RELU6)
    assert computed(op, x, y, [-5, 5, 500]) == [0, 5, 12]


def test_float_means_count_no_padding_and_are_summed_in_order() -> None:
    x, y = floats("x", 1, 2, 2, 1), floats("y", 1, 2, 2, 1)
    op = AveragePool2D(kernel=(2, 2), pad_after=(1, 1))
    big = 2.0**24
    # 1 + 2**24 is 2**24 again, 1 - 2**24 is not.
    found = computed(op, x, y, [1, big, -big, 1])
    assert found == [0.25, big / 2, (1 - big) / 2, 1]


def test_float_pools_and_what_is_not_a_number() -> None:
    x, y = floats("x", 1, 1, 4, 1), floats("y", 1, 1, 2, 1)
    window = {"kernel": (1, 2), "stride": (1, 2)}
    assert computed(MaxPool2D(**window), x, y, [NAN, 3, NAN, NAN]) == [3, -LARGEST]
    means = computed(AveragePool2D(**window), x, y, [NAN, 3, INF, 3])
    # The clamp of no activation holds infinities, and lets NaN pass.
    assert np.isnan(means[0])
    assert means[1] == LARGEST


def test_the_root_of_the_mean_square() -> None:
    x, y = floats("x", 1, 1, 4, 1), floats("y", 1, 1, 2, 1)
    op = L2Pool2D(kernel=(1, 2), stride=(1, 2), activation=Activation.RELU6)
    root = float(np.sqrt(np.float32(12.5)))
    assert computed(op, x, y, [3, -4, 30, 40]) == [root, 6]


def test_pixels_are_mixed_and_rounded_half_away_from_zero() -> None:
    x, y = int8("x", 1, 1, 2, 2), int8("y", 1, 1, 4, 2)
    op = ResizeBilinear(size=(1, 4))
    assert computed(op, x, y, [10, -10, 13, -13]) == [10, -10, 12, -12, 13, -13, 13, -13]


def test_where_positions_stand() -> None:
    x, y = floats("x", 1, 1, 2, 1), floats("y", 1, 1, 4, 1)

    def resized(**flags: bool) -> list[float]:
        return computed(ResizeBilinear(size=(1, 4), **flags), x, y, [0, 12])

    assert resized() == [0, 6, 12, 12]
    assert resized(align_corners=True) == pytest.approx([0, 4, 8, 12])
    assert resized(half_pixel_centers=True) == [0, 3, 9, 12]


def test_steps_of_int8_have_ten_bits() -> None:
    op = ResizeBilinear(size=(7, 1), align_corners=True)
    assert op.scales((5, 3), DType.INT8) == ((4 * 1024 + 3) // 6, 3 * 1024)
    assert op.scales((5, 3), DType.FLOAT32) == (float(np.float32(4 / 6)), 3.0)


@pytest.mark.parametrize("size", [120, 1000])
def test_a_rounded_step_never_leads_beyond_the_last_pixel(size: int) -> None:
    # In TFLite Micro the last of 120 pixels out of one stands at 1071/1024, behind the image.
    x, y = int8("x", 1, 1, 1, 1), int8("y", 1, size, 1, 1)
    for flags in ({}, {"align_corners": True}, {"half_pixel_centers": True}):
        assert computed(ResizeBilinear(size=(size, 1), **flags), x, y, [-77]) == [-77] * size
    x = int8("x", 1, 2, 1, 1)
    found = computed(ResizeBilinear(size=(size, 1)), x, y, [-77, 100])
    assert (found[0], found[-1]) == (-77, 100)


def test_an_image_of_the_same_size_stays() -> None:
    values = random_int8((1, 3, 4, 2), 1)
    x, y = int8("x", 1, 3, 4, 2), int8("y", 1, 3, 4, 2)
    assert computed(ResizeBilinear(size=(3, 4)), x, y, values) == values.reshape(-1).tolist()
