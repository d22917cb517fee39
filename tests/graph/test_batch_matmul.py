"""batch_matmul: meaning, worked out by hand or by NumPy, and limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from graph_builders import int8, one_op, per_channel, per_tensor, plain, random_int8, refuses

from midge.graph import Array, DType, Rounding, Tensor, interpret, outputs_of, verify
from midge.graph.ops.batch_matmul import BatchMatmul

LONG = Rounding.TFLITE_16X8
FLOAT = DType.FLOAT32


def computed(
    attributes: BatchMatmul, inputs: Sequence[Tensor], y: Tensor, **values: Array
) -> Array:
    graph = verify(one_op(attributes, inputs, y))
    (output,) = outputs_of(graph, interpret(graph, values)).values()
    return output


def int16(name: str, *shape: int, scale: float = 1.0, zero_point: int = 0) -> Tensor:
    return Tensor(name, shape, DType.INT16, per_tensor(scale, zero_point))


def test_both_zero_points_are_taken_off() -> None:
    a, b = int8("a", 1, 2, scale=1.0, zero_point=-3), int8("b", 2, 1, scale=1.0, zero_point=10)
    y = int8("y", 1, 1, scale=2.0, zero_point=-1)
    left, right = np.array([[-2, 4]], np.int8), np.array([[11], [7]], np.int8)
    # 1 * 1 + 7 * -3 = -20
    assert computed(BatchMatmul(), (a, b), y, a=left, b=right).tolist() == [[-11]]
    wide = int8("y", 1, 1, scale=0.01)
    assert computed(BatchMatmul(), (a, b), wide, a=left, b=right).tolist() == [[-128]]


@pytest.mark.parametrize("adj_x", [False, True])
@pytest.mark.parametrize("adj_y", [False, True])
@pytest.mark.parametrize(
    ("shape_a", "shape_b"),
    [
        ((3, 4), (4, 5)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (1, 6, 4, 5)),
        ((2, 1, 2, 3, 4), (3, 1, 4, 5)),
    ],
)
def test_batches_broadcast_and_operands_may_be_turned_round(
    adj_x: bool, adj_y: bool, shape_a: tuple[int, ...], shape_b: tuple[int, ...]
) -> None:
    left, right = random_int8(shape_a, 1), random_int8(shape_b, 2)
    exact = left.astype(int) @ right.astype(int)
    stored = [
        np.ascontiguousarray(v.swapaxes(-1, -2) if turned else v)
        for v, turned in ((left, adj_x), (right, adj_y))
    ]
    attributes = {"adj_x": adj_x, "adj_y": adj_y}
    a, b = (int8(n, *v.shape, scale=1.0) for n, v in zip("ab", stored, strict=True))
    y = int8("y", *exact.shape, scale=1024.0)
    found = computed(BatchMatmul(**attributes), (a, b), y, a=stored[0], b=stored[1])
    assert np.abs(found - exact / 1024).max() <= 0.51
    wide = [v.astype(np.int16) for v in stored]
    a, b = (int16(n, *v.shape) for n, v in zip("ab", wide, strict=True))
    y = int16("y", *exact.shape, scale=1024.0)
    long = BatchMatmul(**attributes, rounding=LONG)
    assert np.abs(computed(long, (a, b), y, a=wide[0], b=wide[1]) - exact / 1024).max() <= 0.51
    real = [v.astype(np.float32) for v in stored]
    a, b = (plain(n, *v.shape, dtype=FLOAT) for n, v in zip("ab", real, strict=True))
    y = plain("y", *exact.shape, dtype=FLOAT)
    assert np.array_equal(
        computed(BatchMatmul(**attributes), (a, b), y, a=real[0], b=real[1]), exact
    )


def test_int16_sums_are_long() -> None:
    a, b, y = int16("a", 1, 100), int16("b", 100, 1), int16("y", 1, 1, scale=2.0**24)
    left, right = np.full((1, 100), -(2**15), np.int16), np.full((100, 1), -(2**15), np.int16)
    found = computed(BatchMatmul(rounding=LONG), (a, b), y, a=left, b=right)
    assert found.tolist() == [[100 * 2**6]]


def test_float_sums_run_in_order_and_are_not_clamped() -> None:
    a, b, y = (
        plain("a", 1, 3, dtype=FLOAT),
        plain("b", 3, 1, dtype=FLOAT),
        plain("y", 1, 1, dtype=FLOAT),
    )
    ones = np.ones((3, 1), np.float32)
    for values, expected in (
        ((1e8, 1, -1e8), 0),
        ((1e8, -1e8, 1), 1),
        ((np.inf, 1, 1), np.inf),
        ((3e38, 3e38, 0), np.inf),
    ):
        left = np.array([values], np.float32)
        assert computed(BatchMatmul(), (a, b), y, a=left, b=ones).item() == expected


def test_macs() -> None:
    a, b, y = int8("a", 2, 1, 4, 3), int8("b", 5, 4, 6), int8("y", 2, 5, 3, 6)
    assert verify(one_op(BatchMatmul(adj_x=True), (a, b), y)).macs() == 2 * 5 * 3 * 6 * 4


A, B, Y = int8("a", 2, 3, 4), int8("b", 2, 4, 5), int8("y", 2, 3, 5)
DEEP = 32897
REFUSALS = [
    ("takes 2 inputs", BatchMatmul(), (A,), Y),
    (
        "a is int32; supported here: int8, int16, float32",
        BatchMatmul(),
        (plain("a", 2, 3, 4, dtype=DType.INT32), B),
        Y,
    ),
    ("b is int16; supported here: int8", BatchMatmul(), (A, int16("b", 2, 4, 5)), Y),
    (
        "a has shape [4]; expected 2 or 3 or 4 or 5 dimensions",
        BatchMatmul(),
        (int8("a", 4), B),
        Y,
    ),
    (
        "b has shape [1, 1, 1, 1, 4, 5]; expected 2 or 3 or 4 or 5 dimensions",
        BatchMatmul(),
        (A, int8("b", 1, 1, 1, 1, 4, 5)),
        Y,
    ),
    (
        "a of shape [2, 3, 4] and b of shape [2, 4, 5] have 3 and 4 elements to sum over",
        BatchMatmul(adj_x=True),
        (A, B),
        Y,
    ),
    (
        "a of shape [2, 3, 4] and b of shape [2, 4, 5] have 4 and 5 elements to sum over",
        BatchMatmul(adj_y=True),
        (A, B),
        Y,
    ),
    (
        "batches of a of shape [2, 3, 4] and b of shape [3, 4, 5] do not broadcast",
        BatchMatmul(),
        (A, int8("b", 3, 4, 5)),
        Y,
    ),
    (
        "b is quantised per channel; supported here: per tensor",
        BatchMatmul(),
        (A, Tensor("b", B.shape, DType.INT8, per_channel([1, 2], 0))),
        Y,
    ),
    ("a is int8 without quantisation parameters", BatchMatmul(), (plain("a", 2, 3, 4), B), Y),
    (
        "b has zero point 1; supported for int16: 0",
        BatchMatmul(rounding=LONG),
        (int16("a", 2, 3, 4), int16("b", 2, 4, 5, zero_point=1)),
        int16("y", 2, 3, 5),
    ),
    ("rounding tflite_16x8 is not for int8", BatchMatmul(rounding=LONG), (A, B), Y),
    (
        "rounding tflite_double is not for int16",
        BatchMatmul(),
        (int16("a", 2, 3, 4), int16("b", 2, 4, 5)),
        int16("y", 2, 3, 5),
    ),
    (
        f"sums of up to {DEEP * 255 * 256} leave int32; {DEEP} products are too many",
        BatchMatmul(),
        (int8("a", 1, DEEP, zero_point=127), int8("b", DEEP, 1, zero_point=-128)),
        int8("y", 1, 1),
    ),
    (
        f"sums of up to {2**47} leave 48 bits; {2**17} products are too many",
        BatchMatmul(rounding=LONG),
        (int16("a", 1, 2**17), int16("b", 2**17, 1)),
        int16("y", 1, 1, scale=2.0**20),
    ),
    (
        "times the scale of y overflow int32; its scale 1 is too fine",
        BatchMatmul(rounding=LONG),
        (int16("a", 1, 2), int16("b", 2, 1)),
        int16("y", 1, 1),
    ),
]


@pytest.mark.parametrize(
    ("message", "attributes", "inputs", "y"), REFUSALS, ids=[r[0][:60] for r in REFUSALS]
)
def test_refusal(
    message: str, attributes: BatchMatmul, inputs: tuple[Tensor, ...], y: Tensor
) -> None:
    with refuses(message):
        verify(one_op(attributes, inputs, y))


def test_the_deepest_sums_that_cannot_overflow_are_taken() -> None:
    a, b = int8("a", 1, DEEP - 1, zero_point=127), int8("b", DEEP - 1, 1, zero_point=-128)
    verify(one_op(BatchMatmul(), (a, b), int8("y", 1, 1)))
