"""Reductions, arguments and running sums: shapes, refusals, and values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from graph_builders import int8, one_op, per_channel, per_tensor, plain, refuses

from midge.graph import Array, Attributes, DType, Rounding, Tensor, interpret, outputs_of, verify
from midge.graph.ops.argument import ArgMax, ArgMin
from midge.graph.ops.cumsum import Cumsum
from midge.graph.ops.reductions import Mean, ReduceAll, ReduceMax, ReduceMin, Sum

INF, NAN, LARGEST = float("inf"), float("nan"), float(np.finfo(np.float32).max)
X = int8("x", 2, 3, 4)


def floats(name: str, *shape: int) -> Tensor:
    return plain(name, *shape, dtype=DType.FLOAT32)


def int16(name: str, *shape: int, scale: float = 0.5, zero_point: int = 0) -> Tensor:
    return Tensor(name, shape, DType.INT16, per_tensor(scale, zero_point))


def computed(attributes: Attributes, x: Tensor, y: Tensor, values: object) -> Array:
    graph = verify(one_op(attributes, (x,), y))
    array = np.array(values, x.dtype.numpy).reshape(x.shape)
    return outputs_of(graph, interpret(graph, {"x": array}))["y"]


def refusal(message: str, attributes: Attributes, x: Tensor, y: Tensor) -> object:
    return pytest.param(message, attributes, x, y, id=f"{attributes.kind}-{message[:50]}")


REFUSALS = [
    *(
        refusal(message, Mean(axes=axes), X, int8("y", 2))
        for axes, message in (
            ((1, 3), "axes [1, 3] of x, which has 3 dimensions; expected each at most once, asc"),
            ((-1,), "axes [-1] of x, which has 3 dimensions"),
            ((2, 1), "axes [2, 1] of x, which has 3 dimensions"),
            ((1, 1), "axes [1, 1] of x, which has 3 dimensions"),
        )
    ),
    refusal(
        "x is int32; supported here: int8, int16, float32",
        Sum(axes=(0,)),
        plain("x", 3, dtype=DType.INT32),
        int8("y"),
    ),
    refusal("x is int8; supported here: bool", ReduceAll(axes=(0,)), int8("x", 3), int8("y")),
    refusal(
        "sums of 8454144 elements of x reach 2155806720 and overflow int32",
        Sum(axes=(0, 1)),
        int8("x", 129, 65536, zero_point=-128),
        int8("y"),
    ),
    refusal(
        "sums of 65536 elements of x reach 2147483648 and overflow int32",
        Mean(axes=(0,)),
        int16("x", 65536),
        int16("y"),
    ),
    refusal(
        "the scales give a factor of 2.14748e+09; expected one from 0 to under 2**30",
        Sum(axes=(0,)),
        int8("x", 3, scale=2.0**31),
        int8("y", scale=1.0),
    ),
    refusal(
        "rounding single; supported here: tflite_double",
        Mean(axes=(0,), rounding=Rounding.SINGLE),
        int8("x", 3),
        int8("y"),
    ),
    refusal("x is int8 without quantisation", Sum(axes=(0,)), plain("x", 3), int8("y")),
    refusal(
        "x is quantised per channel",
        Sum(axes=(0,)),
        Tensor("x", (2,), DType.INT8, per_channel((0.5, 0.25), 0)),
        int8("y"),
    ),
    refusal(
        "this operator does not rescale, they must be equal",
        ReduceMax(axes=(0,)),
        int8("x", 3),
        int8("y", zero_point=1),
    ),
    refusal(
        "axis 1 of x, which has 1 dimensions",
        ArgMax(axis=1),
        int8("x", 3),
        plain("y", dtype=DType.INT32),
    ),
    refusal(
        "axis -1 of x, which has 1 dimensions",
        ArgMin(axis=-1),
        int8("x", 3),
        plain("y", dtype=DType.INT32),
    ),
    refusal(
        "indices of type int16; supported: int32, int64",
        ArgMin(axis=0, index_type=DType.INT16),
        int8("x", 3),
        plain("y", dtype=DType.INT16),
    ),
    refusal(
        "axis 2 of x, which has 2 dimensions", Cumsum(axis=2), int8("x", 3, 2), int8("y", 3, 2)
    ),
    refusal(
        "x is int16; supported here: int8, float32",
        Cumsum(axis=0),
        int16("x", 3),
        int16("y", 3),
    ),
    refusal(
        "scale 524288 of x is not under 2**19 times that of y, 1",
        Cumsum(axis=0),
        int8("x", 3, scale=2.0**19),
        int8("y", 3, scale=1.0),
    ),
    refusal(
        "x has 1048577 elements along axis 0; supported: up to 1048576",
        Cumsum(axis=0),
        int8("x", 2**20 + 1),
        int8("y", 2**20 + 1),
    ),
    refusal(
        "rounding half_even; supported here: tflite_double",
        Cumsum(axis=0, rounding=Rounding.HALF_EVEN),
        int8("x", 3),
        int8("y", 3),
    ),
]


@pytest.mark.parametrize(("message", "attributes", "x", "y"), REFUSALS)
def test_refusal(message: str, attributes: Attributes, x: Tensor, y: Tensor) -> None:
    with refuses(f"g: op 'the_{attributes.kind}' ({attributes.kind}): ") as error:
        verify(one_op(attributes, (x,), y))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        (Mean(axes=(0, 2)), (3,)),
        (Mean(axes=(0, 2), keep_dims=True), (1, 3, 1)),
        (Sum(axes=()), (2, 3, 4)),
        (Sum(axes=(0, 1, 2)), ()),
        (ReduceMin(axes=(1,)), (2, 4)),
        (ArgMax(axis=1), (2, 4)),
        (ArgMin(axis=2, index_type=DType.INT64), (2, 3)),
        (Cumsum(axis=1), (2, 3, 4)),
    ],
)
def test_shape(attributes: Attributes, shape: tuple[int, ...]) -> None:
    (found,) = attributes.infer((X,))
    assert found.shape == shape
    index = getattr(attributes, "index_type", DType.INT8)
    assert found.dtype is index


@pytest.mark.tiny
def test_a_tie_of_a_mean_goes_up() -> None:
    x, y = int8("x", 4, 2, scale=1.0), int8("y", 4, scale=1.0)
    found = computed(Mean(axes=(1,)), x, y, [[1, 2], [-1, -2], [1, 1], [127, 126]])
    assert found.tolist() == [2, -1, 1, 127]


def test_the_division_by_a_count_is_cut_down_within_the_factor() -> None:
    # A third as (2**30 << 1) // 3, shifted right by two: 3 * 0.33333333 is under 1, and yet 1.
    factor = Mean(axes=(0,)).factor(int8("x", 3, scale=1.0), int8("y", scale=1.0))
    assert (int(factor.multiplier[0]), int(factor.shift[0])) == (2**31 // 3, 0)
    tiny = Mean(axes=(0,)).factor(int8("x", 1000, scale=1.0), int8("y", scale=1.5 * 2.0**30))
    # Nothing is shifted beyond 31, even if digits are lost.
    assert int(tiny.shift[0]) == -31
    assert int(tiny.multiplier[0]) == (round(2 / 3 * 2**31) << 1) // 1000


def test_zero_points_are_taken_off_and_put_on() -> None:
    x = int8("x", 2, 2, scale=0.5, zero_point=-128)
    y = int8("y", 2, scale=1.0, zero_point=10)
    assert computed(Sum(axes=(1,)), x, y, [[-128, -124], [0, 100]]).tolist() == [12, 127]
    wide, narrow = int16("x", 3, scale=0.5, zero_point=7), int16("y", scale=0.25, zero_point=-1)
    assert computed(Sum(axes=(0,)), wide, narrow, [8, 9, 10]).item() == 2 * (1 + 2 + 3) - 1
    assert computed(Mean(axes=(0,)), wide, narrow, [32767] * 3).item() == 32767


def test_floats_are_summed_in_the_order_they_stand_in() -> None:
    x, y = floats("x", 2, 2, 1), floats("y", 1)
    big = 2.0**24
    assert computed(Sum(axes=(0, 1)), x, y, [1, big, 1, -big]).item() == 0.0
    assert computed(Sum(axes=(0, 1)), x, y, [big, -big, 1, 1]).item() == 2.0
    assert computed(Mean(axes=(0, 1)), x, y, [big, -big, 1, 1]).item() == 0.5


def test_a_float_sum_starts_from_zero_and_may_overflow() -> None:
    x, y = floats("x", 2, 2), floats("y", 2)
    found = computed(Sum(axes=(1,)), x, y, [[-0.0, -0.0], [LARGEST, LARGEST]])
    assert (str(found[0]), float(found[1])) == ("0.0", INF)


def test_extremes_pass_over_what_is_not_a_number() -> None:
    x, y = floats("x", 4, 2), floats("y", 4)
    rows = [[NAN, 1.0], [NAN, NAN], [-INF, -INF], [0.0, -0.0]]
    largest = computed(ReduceMax(axes=(1,)), x, y, rows)
    assert largest[:3].tolist() == [1.0, -LARGEST, -LARGEST]
    assert str(largest[3]) == "0.0", "the first of equals stays"
    least = computed(ReduceMin(axes=(1,)), x, y, rows)
    assert least[:3].tolist() == [1.0, LARGEST, -INF]


def test_all_is_true_of_nothing_but_truth() -> None:
    x, y = plain("x", 3, 2, dtype=DType.BOOL), plain("y", 3, dtype=DType.BOOL)
    rows = [[True, True], [True, False], [False, False]]
    assert computed(ReduceAll(axes=(1,)), x, y, rows).tolist() == [True, False, False]


def test_the_first_of_equals_is_found_and_nan_is_never_better() -> None:
    x, y = floats("x", 3, 3), plain("y", 3, dtype=DType.INT64)
    rows = [[1.0, 3.0, 3.0], [NAN, 9.0, 1.0], [2.0, NAN, 2.5]]
    assert computed(ArgMax(axis=1, index_type=DType.INT64), x, y, rows).tolist() == [1, 0, 2]
    least = computed(ArgMin(axis=1, index_type=DType.INT64), x, y, rows)
    assert (least.tolist(), least.dtype) == ([0, 0, 0], np.int64)


def test_running_sums_go_both_ways_with_or_without_the_element_itself() -> None:
    x, y = floats("x", 4), floats("y", 4)

    def sums(**flags: bool) -> list[float]:
        return list(computed(Cumsum(axis=0, **flags), x, y, [1, 2, 3, 4]).tolist())

    assert sums() == [1, 3, 6, 10]
    assert sums(exclusive=True) == [0, 1, 3, 6]
    assert sums(reverse=True) == [10, 9, 7, 4]
    assert sums(exclusive=True, reverse=True) == [9, 7, 4, 0]


def test_an_int8_running_sum_starts_from_minus_the_zero_point() -> None:
    # So it does in TFLite Micro, whatever may have been meant.
    x, y = int8("x", 3, scale=1.0, zero_point=5), int8("y", 3, scale=1.0)
    assert computed(Cumsum(axis=0), x, y, [5, 6, 7]).tolist() == [-5, -4, -2]
    assert computed(Cumsum(axis=0, exclusive=True), x, y, [5, 6, 7]).tolist() == [-5, -5, -4]


def test_an_int8_running_sum_goes_on_where_q12_19_ends() -> None:
    # 33 steps of 127 are over 4096, where TFLite Micro's sum turns negative.
    x, y = int8("x", 200, scale=1.0), int8("y", 200, scale=512.0)
    found = computed(Cumsum(axis=0), x, y, [127] * 200)
    assert found.tolist() == [round(127 * n / 512) for n in range(1, 201)]
