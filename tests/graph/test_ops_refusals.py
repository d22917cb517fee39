"""What pools, add, softmax, pad and reshape refuse, each message."""

from __future__ import annotations

import pytest
from graph_builders import int8, one_op, per_tensor, plain, refuses

from midge.graph import (
    Activation,
    Attributes,
    DType,
    Rounding,
    Tensor,
    verify,
)
from midge.graph.ops.add import Add
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.pad import Pad
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.softmax import Softmax

IMAGE = int8("x", 2, 9, 7, 4)
W = int8("w", 6, 3, 3, 4, data=1)
Y = int8("y", 2, 7, 5, 6)
ROW, Y_ROW = int8("x", 3, 8), int8("y", 3, 5)
PROBABILITIES = {"scale": 1 / 256, "zero_point": -128}


def other(message: str, attributes: Attributes, *inputs: Tensor | None, y: Tensor) -> object:
    return pytest.param(message, attributes, inputs, y, id=f"{attributes.kind}-{message[:50]}")


REFUSALS = [
    *(
        other(message, pool, *inputs, y=y)
        for pool in (AveragePool2D(kernel=(3, 3)), MaxPool2D(kernel=(3, 3)))
        for message, inputs, y in (
            ("takes 1 inputs and 0 optional ones, found ['x', 'w']", (IMAGE, W), Y),
            ("x has shape [9, 7]; expected 4 dimensions", (int8("x", 9, 7),), Y),
            (
                "x is int32; supported here: int8, int16, float32",
                (plain("x", 2, 9, 7, 4, dtype=DType.INT32),),
                Y,
            ),
            (
                "x has scale 0.5 and zero point 0, y 0.5 and 1; this operator does not rescale",
                (IMAGE,),
                int8("y", 2, 7, 5, 4, zero_point=1),
            ),
            (
                "x has scale 0.5 and zero point 0, y 0.25 and 0; this operator does not rescale",
                (IMAGE,),
                int8("y", 2, 7, 5, 4, scale=0.25),
            ),
            ("x is int8 without quantisation", (plain("x", 2, 9, 7, 4),), int8("y", 2, 7, 5, 4)),
        )
    ),
    *(
        other(message, pool(kernel=(1, 1), **attributes), x, y=y)
        for pool in (AveragePool2D, MaxPool2D)
        for message, attributes, x, y in (
            (
                "a window of (1, 1) taps lies wholly outside the (1, 1) image",
                {"pad_before": (1, 0)},
                int8("x", 1, 1, 1, 1),
                int8("y", 1, 2, 1, 1),
            ),
            (
                "y has scale 1e-38, too fine for relu_n1_to_1: -1 is -1e+38 steps, over int32",
                {"activation": Activation.RELU_N1_TO_1},
                int8("x", 1, 1, 1, 1, scale=1e-38),
                int8("y", 1, 1, 1, 1, scale=1e-38),
            ),
        )
    ),
    *(
        other(
            "(64, 64) windows of (256, 256) taps over 1 images of 1 channels read 268435456 "
            "elements; supported: up to 67108864",
            pool(kernel=(256, 256), pad_before=(128, 128), pad_after=(127, 127)),
            int8("x", 1, 64, 64, 1),
            y=int8("y", 1, 64, 64, 1),
        )
        for pool in (AveragePool2D, MaxPool2D)
    ),
    other("takes 2 inputs and 0 optional ones, found ['a']", Add(), int8("a", 3), y=Y_ROW),
    other(
        "a is int64; supported here: int8, int16, int32, float32",
        Add(),
        plain("a", 3, dtype=DType.INT64),
        int8("b", 3),
        y=Y_ROW,
    ),
    other(
        "b is bool; supported here: int8",
        Add(),
        int8("a", 3),
        plain("b", 3, dtype=DType.BOOL),
        y=Y_ROW,
    ),
    other(
        "shapes [2, 3] of a and [2] of b do not broadcast",
        Add(),
        int8("a", 2, 3),
        int8("b", 2),
        y=Y_ROW,
    ),
    other(
        "b is int8 without quantisation parameters",
        Add(),
        int8("a", 3),
        plain("b", 3),
        y=int8("y", 3),
    ),
    other(
        "scales 0.5 and 524288 are not under 2**19 times the output's 1",
        Add(),
        int8("a", 3),
        int8("b", 3, scale=2.0**19),
        y=int8("y", 3, scale=1.0),
    ),
    other(
        "too fine for relu6",
        Add(activation=Activation.RELU6),
        int8("a", 3, scale=1e-38),
        int8("b", 3, scale=1e-38),
        y=int8("y", 3, scale=1e-38),
    ),
    other("takes 1 inputs and 0 optional ones, found ['x', 'x']", Softmax(), ROW, ROW, y=Y_ROW),
    other(
        "x is int32; supported here: int8, int16, float32",
        Softmax(),
        plain("x", 3, dtype=DType.INT32),
        y=int8("y", 3),
    ),
    other("x is a scalar; expected at least one dimension", Softmax(), int8("x"), y=int8("y")),
    other(
        "y has scale 0.5 and zero point 0; expected 1/256 and -128",
        Softmax(),
        int8("x", 3),
        y=int8("y", 3),
    ),
    other(
        "y has scale 0.00390625 and zero point 0; expected 1/256 and -128",
        Softmax(),
        int8("x", 3),
        y=int8("y", 3, scale=1 / 256),
    ),
    other(
        "x has rows of 512; supported: up to 511",
        Softmax(),
        int8("x", 2, 512),
        y=int8("y", 2, 512, **PROBABILITIES),
    ),
    other(
        "rounding single; supported here: tflite_double",
        Softmax(rounding=Rounding.SINGLE),
        int8("x", 3),
        y=int8("y", 3, **PROBABILITIES),
    ),
    *(
        other(
            message, Softmax(beta=beta), int8("x", 3, scale=scale), y=int8("y", 3, **PROBABILITIES)
        )
        for beta, scale, message in (
            (1.0, 2.0**-26, "beta 1 times scale 1.49012e-08 is not over 2**-26"),
            (0.0, 1.0, "beta 0 times scale 1 is not over 2**-26"),
            (-1.0, 1.0, "beta -1 times scale 1 is not over 2**-26"),
            (float("nan"), 1.0, "beta nan is not a finite float32"),
            (float("inf"), 1.0, "beta inf is not a finite float32"),
            (1e300, 1.0, "beta 1e+300 is not a finite float32"),
        )
    ),
    other(
        "takes 1 inputs and 1 optional ones, found ['x', 'v', 'w']",
        Pad(before=(1,), after=(1,)),
        int8("x", 3),
        int8("v", 1),
        int8("w", 3),
        y=int8("y", 5),
    ),
    other(
        "padding (1,), (1,) does not name each dimension of x",
        Pad(before=(1,), after=(1,)),
        int8("x", 3, 3),
        y=int8("y", 5, 5),
    ),
    other(
        "padding (1,), (1, 1) does not name each dimension of x",
        Pad(before=(1,), after=(1, 1)),
        int8("x", 3),
        y=int8("y", 5),
    ),
    other(
        "padding (), () does not name each dimension of x",
        Pad(before=(), after=()),
        int8("x"),
        y=int8("y"),
    ),
    other(
        "padding (1,), (-1,) is negative",
        Pad(before=(1,), after=(-1,)),
        int8("x", 3),
        y=int8("y", 3),
    ),
    other(
        "this operator does not rescale, they must be equal",
        Pad(before=(1,), after=(1,)),
        int8("x", 3),
        y=int8("y", 5, scale=0.75),
    ),
    other(
        "takes 1 inputs and 0 optional ones, found ['x', 'none']",
        Reshape(shape=(3,)),
        int8("x", 3),
        None,
        y=int8("y", 3),
    ),
    other(
        "x of shape [2, 3] has not the elements of [2, 2]",
        Reshape(shape=(2, 2)),
        int8("x", 2, 3),
        y=int8("y", 2, 2),
    ),
    other(
        "this operator does not rescale, they must be equal",
        Reshape(shape=(6,)),
        int8("x", 2, 3),
        y=int8("y", 6, zero_point=1),
    ),
    other(
        "y is int8 without quantisation parameters",
        Reshape(shape=(6,)),
        int8("x", 2, 3),
        y=plain("y", 6),
    ),
    other(
        "x is float32, which cannot be quantised",
        Reshape(shape=(6,)),
        Tensor("x", (2, 3), DType.FLOAT32, per_tensor()),
        y=Tensor("y", (6,), DType.FLOAT32, per_tensor()),
    ),
    other(
        "x is bool, which cannot be quantised",
        Reshape(shape=(6,)),
        Tensor("x", (2, 3), DType.BOOL, per_tensor()),
        y=Tensor("y", (6,), DType.BOOL, per_tensor()),
    ),
]


@pytest.mark.parametrize(("message", "attributes", "inputs", "y"), REFUSALS)
def test_refusal(
    message: str, attributes: Attributes, inputs: tuple[Tensor | None, ...], y: Tensor
) -> None:
    graph = one_op(attributes, inputs, y)
    with refuses(f"g: op 'the_{attributes.kind}' ({attributes.kind}): ") as error:
        verify(graph)
    assert message in str(error.value)


def test_pools_take_scales_that_differ_by_a_millionth() -> None:
    # TFLM's pooling allows it, and computes as if they were equal.
    near = int8("y", 2, 7, 5, 4, scale=0.5 + 5e-7)
    verify(one_op(AveragePool2D(kernel=(3, 3)), (IMAGE,), near))
