"""Operators on each element of two or more tensors: shapes, and values worked out by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from graph_builders import int8, one_op, per_tensor, plain

from midge.graph import Activation, Array, Attributes, DType, Tensor, interpret, outputs_of, verify
from midge.graph.elementwise import Arithmetic
from midge.graph.ops.add import Add, CommonScale, SquaredDifference, Sub
from midge.graph.ops.add_n import AddN
from midge.graph.ops.comparison import Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual
from midge.graph.ops.div import RECIPROCALS, Div
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.floor_division import FloorDiv, FloorMod
from midge.graph.ops.logical import LogicalAnd, LogicalOr
from midge.graph.ops.mul import Mul
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.select import Select

I16, I32, I64 = DType.INT16, DType.INT32, DType.INT64
F32, BOOL = DType.FLOAT32, DType.BOOL
INF, NAN = np.inf, np.nan
LEAST, MOST = -(2**31), 2**31 - 1
LARGEST = float(np.finfo(np.float32).max)
TINY = 2.0**-149
"""The least float32 over 0."""
COMPARISONS = (Equal, NotEqual, Greater, GreaterEqual, Less, LessEqual)
ACTIVATIONS = (Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)


def quantized(name: str, *shape: int, scale: float = 0.5, zero_point: int = 0) -> Tensor:
    return Tensor(name, shape, I16, per_tensor(scale, zero_point))


def computed(
    attributes: Attributes, inputs: tuple[Tensor, ...], y: Tensor, *values: npt.ArrayLike
) -> Array:
    """The output for these values."""
    graph = verify(one_op(attributes, inputs, y))
    given = {
        t.name: np.asarray(v).astype(t.dtype.numpy).reshape(t.shape)
        for t, v in zip(inputs, values, strict=True)
    }
    # No step warns: neither of overflow nor of what is not a number.
    with np.errstate(all="raise"):
        return outputs_of(graph, interpret(graph, given))[y.name]


def of(
    attributes: Attributes, dtype: DType, *values: npt.ArrayLike, result: DType | None = None
) -> Array:
    """The output for plain numbers of one type."""
    inputs = tuple(plain(f"x{i}", *np.shape(value), dtype=dtype) for i, value in enumerate(values))
    shape = np.broadcast_shapes(*map(np.shape, values))
    return computed(attributes, inputs, plain("y", *shape, dtype=result or dtype), *values)


def assert_floats(found: Array, expected: npt.ArrayLike) -> None:
    """Equal in every bit but those that say which kind of NaN."""
    wanted = np.asarray(expected, np.float32)
    assert np.array_equal(np.isnan(found), np.isnan(wanted)), found
    numbers = ~np.isnan(wanted)
    assert found[numbers].tobytes() == wanted[numbers].tobytes(), found


SHAPES = [
    ((2, 1, 3), (5, 1), (2, 5, 3)),
    ((), (4,), (4,)),
    ((), (), ()),
    ((1, 1, 2), (3, 1, 1, 1), (3, 1, 1, 2)),
]


@pytest.mark.parametrize("kind", [Sub, Mul, SquaredDifference, Minimum, FloorMod, Less, LogicalOr])
@pytest.mark.parametrize(("a", "b", "y"), SHAPES)
def test_shapes_broadcast(
    kind: type[Attributes], a: tuple[int, ...], b: tuple[int, ...], y: tuple[int, ...]
) -> None:
    dtype = BOOL if kind is LogicalOr else F32
    result = BOOL if kind in (LogicalOr, Less) else F32
    found = of(kind(), dtype, np.ones(a), np.ones(b), result=result)
    assert (found.shape, found.dtype) == (y, result.numpy)


@pytest.mark.parametrize("kind", [Add, Sub, Mul, Div, SquaredDifference, Prelu])
def test_codes_may_be_scalars(kind: type[Attributes]) -> None:
    found = computed(kind(), (int8("a"), int8("b")), int8("y"), 6, 2)
    assert computed(Less(), (int8("a"), int8("b")), plain("y", dtype=BOOL), 2, 6).tolist() is True
    expected = {"add": 8, "sub": 4, "mul": 6, "div": 6, "squared_difference": 8, "prelu": 6}
    assert found.tolist() == expected[kind.kind]


def test_what_has_no_activation_has_no_clamp() -> None:
    assert SquaredDifference().clamp is Activation.NONE
    assert [Mul(activation=kind).clamp for kind in ACTIVATIONS] == list(ACTIVATIONS)


@pytest.mark.parametrize(
    ("attributes", "a", "b", "expected"),
    [
        (Add(), [MOST, LEAST, 5], [1, -1, -7], [LEAST, MOST, -2]),
        (Sub(), [MOST, LEAST, 5], [-1, 1, -7], [LEAST, MOST, 12]),
        (Mul(), [MOST, 2**16, -3], [2, 2**15, 7], [-2, LEAST, -21]),
        (SquaredDifference(), [MOST, 2**16, -3], [LEAST, 0, 7], [1, 0, 100]),
        (Div(), [7, -7, 7, -7, LEAST, MOST], [2, 2, -2, -2, -1, LEAST], [3, -3, -3, 3, LEAST, 0]),
        (Div(), [7, 0, LEAST], [0, 0, 0], [0, 0, 0]),
        (Add(activation=Activation.RELU), [MOST, 5], [1, 6], [0, 11]),
        (Sub(activation=Activation.RELU6), [9, 5, 1], [2, 1, 3], [6, 4, 0]),
        (Mul(activation=Activation.RELU_N1_TO_1), [9, 0, -4], [2, 1, 3], [1, 0, -1]),
        (Div(activation=Activation.RELU6), [30, 9, -4], [2, 2, 2], [6, 4, 0]),
        (Minimum(), [MOST, LEAST, 5], [1, -1, 5], [1, LEAST, 5]),
        (Maximum(), [MOST, LEAST, 5], [1, -1, 5], [MOST, -1, 5]),
    ],
)
def test_int32_wraps_around_then_is_clamped(
    attributes: Attributes, a: list[int], b: list[int], expected: list[int]
) -> None:
    assert of(attributes, I32, a, b).tolist() == expected


def test_int64_is_compared_in_all_its_bits() -> None:
    a, b = [2**60, -(2**63), 2**63 - 1], [2**60 + 1, 2**63 - 1, 2**63 - 2]
    inputs = plain("a", 3, dtype=I64), plain("b", 3, dtype=I64)
    values = np.array(a), np.array(b)
    y = plain("y", 3, dtype=I64)
    assert computed(Minimum(), inputs, y, *values).tolist() == [2**60, -(2**63), 2**63 - 2]
    assert computed(Maximum(), inputs, y, *values).tolist() == [2**60 + 1, 2**63 - 1, 2**63 - 1]
    less = computed(Less(), inputs, plain("y", 3, dtype=BOOL), *values)
    assert less.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("attributes", "a", "b", "expected"),
    [
        # A fused activation holds infinities even where there is none; NaN and -0.0 pass.
        (Add(), [INF, 3e38, NAN, -0.0], [1, 3e38, 1, -0.0], [LARGEST, LARGEST, NAN, -0.0]),
        (Sub(), [-INF, INF, 0.0, -0.0], [1, INF, 0.0, 0.0], [-LARGEST, NAN, 0.0, -0.0]),
        (Mul(), [1e-30, 0.0, INF, TINY], [1e-30, -1, 0, 0.5], [0.0, -0.0, NAN, 0.0]),
        (Div(), [1, -1, 0, 1, TINY], [0, 0, 0, 3, 2], [LARGEST, -LARGEST, NAN, 1 / 3, 0]),
        (Add(activation=Activation.RELU), [-1, NAN, -0.0], [0, 1, -0.0], [0.0, NAN, -0.0]),
        (Div(activation=Activation.RELU6), [9, -1, 3], [1, 1, 1], [6, 0, 3]),
        (SquaredDifference(), [INF, 3e38, NAN, 1], [1, -3e38, 1, 3], [INF, INF, NAN, 4]),
        # A comparison with NaN is false, so the second operand comes out.
        (Minimum(), [NAN, 1, -0.0, 0.0], [1, NAN, 0.0, -0.0], [1, NAN, 0.0, -0.0]),
        (Maximum(), [NAN, 1, -0.0, 0.0], [1, NAN, 0.0, -0.0], [1, NAN, 0.0, -0.0]),
        (FloorDiv(), [7, -7, 1, -1, -0.0, 5], [2, 2, 3, 3, 3, INF], [3, -4, 0, -1, -0.0, 0]),
        (FloorDiv(), [1, -1, 0, INF, NAN], [0, 0, 0, 2, 2], [INF, -INF, NAN, INF, NAN]),
        # 16777217 quotients are whole in double precision, and rounded once on the way back.
        (FloorDiv(), [50331649, 3e38, TINY], [3, 1e-38, 1], [16777216, INF, 0]),
        (FloorMod(), [7, -7, 7, -7, -6], [3, 3, -3, -3, 3], [1, 2, -2, -1, -0.0]),
        (FloorMod(), [1, 1, INF, NAN, 2], [INF, -INF, 2, 2, 0], [1, -INF, NAN, NAN, NAN]),
        (FloorMod(), [5 * TINY, 3e38, -TINY], [3 * TINY, 2 * TINY, 1], [2 * TINY, 0, 1]),
        (Prelu(), [2, -2, -0.0, NAN, -INF], [5, 0.25, 5, 5, 0], [2, -0.5, -0.0, NAN, NAN]),
    ],
)
def test_float32(
    attributes: Attributes, a: list[float], b: list[float], expected: list[float]
) -> None:
    assert_floats(of(attributes, F32, a, b), expected)


def test_comparisons_with_what_is_not_a_number() -> None:
    a, b = [1, 1, 2, NAN, NAN, 0.0], [1, 2, 1, 1, NAN, -0.0]
    expected = {
        Equal: [1, 0, 0, 0, 0, 1],
        NotEqual: [0, 1, 1, 1, 1, 0],
        Greater: [0, 0, 1, 0, 0, 0],
        GreaterEqual: [1, 0, 1, 0, 0, 1],
        Less: [0, 1, 0, 0, 0, 0],
        LessEqual: [1, 1, 0, 0, 0, 1],
    }
    for kind in COMPARISONS:
        assert of(kind(), F32, a, b, result=BOOL).astype(int).tolist() == expected[kind], kind


def test_truth_tables() -> None:
    a, b = [0, 0, 1, 1], [0, 1, 0, 1]
    for kind, expected in {
        LogicalAnd: [0, 0, 0, 1],
        LogicalOr: [0, 1, 1, 1],
        Equal: [1, 0, 0, 1],
        NotEqual: [0, 1, 1, 0],
    }.items():
        assert of(kind(), BOOL, a, b).astype(int).tolist() == expected, kind


def test_codes_are_compared_as_reals_of_eight_fraction_bits() -> None:
    a, b = int8("a", 4, scale=0.5, zero_point=10), int8("b", 4, scale=0.25, zero_point=-10)
    y = plain("y", 4, dtype=BOOL)
    # Reals 0, 0.5, 1, -1 against 0, 0.5, 1.25, -1.25.
    values = [10, 11, 12, 8], [-10, -8, -5, -15]
    assert computed(Equal(), (a, b), y, *values).tolist() == [True, True, False, False]
    assert computed(Greater(), (a, b), y, *values).tolist() == [False, False, False, True]
    # Scales of 2**-10 leave a quarter of a unit for each code: what rounds alike counts as equal.
    fine = int8("a", 4, scale=2.0**-10), int8("b", 4, scale=2.0**-10)
    assert computed(Equal(), fine, y, [0, 1, 2, 3], [1, 1, 1, 6]).tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("kind", [Add, Sub])
def test_sums_of_int16_with_zero_points_use_all_of_int32(kind: type[CommonScale]) -> None:
    # 65535 << 15 is 32768 under 2**31, and so is the sum of two such, halved.
    inputs = quantized("a", 2, zero_point=32767), quantized("b", 2, zero_point=-32768)
    y = quantized("y", 2, scale=1.0)
    found = computed(kind(), inputs, y, [-32768, 32767], [-32768, 32767]).tolist()
    # Reals -32767.5 and 0, 0 and 32767.5; a half goes away from zero.
    assert found == ([-32768, 32767] if kind is Add else [-32768, -32768])


def test_squared_difference_of_int16_reaches_all_of_its_range() -> None:
    inputs = quantized("a", 2, scale=1.0), quantized("b", 2, scale=1.0)
    y = quantized("y", 2, scale=2.0**17)
    found = computed(SquaredDifference(), inputs, y, [-32768, 3], [32767, 3])
    # (-16384 - 16384)**2 * 4 / 2**17, both halves rounded away from zero.
    assert found.tolist() == [32767, 0]


def test_quotients_of_codes() -> None:
    a, b = int8("a", 6, scale=0.5, zero_point=1), int8("b", 6, scale=0.5, zero_point=-1)
    y = int8("y", 6, scale=0.125, zero_point=3)
    # Dividends 3, -3, 3, -128, 0, 126 of divisors 1, 1, -2, 127, 5, 128 in codes.
    values = [4, -2, 4, -127, 1, 127], [0, 0, -3, 126, 4, 127]
    found = computed(Div(), (a, b), y, *values).tolist()
    assert found == [27, -21, -9, -5, 3, 11]


def test_quotients_by_zero_go_to_the_end_of_the_clamp() -> None:
    a, b = int8("a", 3), int8("b", 3, zero_point=4)
    for activation, expected in {
        Activation.NONE: [127, -128, 2],
        Activation.RELU6: [14, 2, 2],
    }.items():
        y = int8("y", 3, zero_point=2)
        found = computed(Div(activation=activation), (a, b), y, [1, -1, 0], [4, 4, 4])
        assert found.tolist() == expected


def test_quotients_far_under_a_step_of_the_output_are_zero() -> None:
    # The last shift is by 68 bits here.
    a, b, y = int8("a", 3, scale=2.0**-20), int8("b", 3), int8("y", 3, scale=2.0**10, zero_point=9)
    assert computed(Div(), (a, b), y, [1, -1, 0], [127, -128, 127]).tolist() == [9, 9, 9]


def test_reciprocals_are_those_of_real_numbers() -> None:
    divisors = np.arange(1, 256)
    exact = 2.0 ** (31 + np.floor(np.log2(divisors))) / divisors
    assert np.abs(RECIPROCALS[1:] - np.minimum(exact, 2**31 - 1)).max() < 5
    assert RECIPROCALS[0] == 0


def test_slopes_of_codes() -> None:
    x, slope = int8("x", 4, scale=0.5, zero_point=1), int8("slope", 4, scale=0.25, zero_point=-2)
    y = int8("y", 4, scale=0.125)
    # Reals -1.5, -1.5, 0, 2 with slopes 0, 0.5, 1, 1.
    assert computed(Prelu(), (x, slope), y, [-2, -2, 1, 5], [-2, 0, 2, 2]).tolist() == [
        0,
        -6,
        0,
        16,
    ]


def test_sums_of_many_start_from_the_code_zero() -> None:
    inputs = tuple(int8(f"x{i}", 2, scale=1.0, zero_point=10) for i in range(3))
    y = int8("y", 2, scale=1.0)
    # Reals 1 + 2 + 3, and 0; the sum starts from code 0, which stands for -10.
    assert computed(AddN(), inputs, y, [11, 10], [12, 10], [13, 10]).tolist() == [-4, -10]


def test_float_sums_of_many_start_from_zero_and_go_from_left_to_right() -> None:
    found = of(AddN(), F32, [2.0**24, -0.0], [1, -0.0], [1, -0.0])
    assert_floats(found, [2.0**24, 0.0])


def test_select_moves_codes_and_floats() -> None:
    condition = plain("c", 2, 1, dtype=BOOL)
    a, b, y = int8("a", 3), int8("b", 1), int8("y", 2, 3)
    found = computed(Select(), (condition, a, b), y, [1, 0], [1, 2, 3], [9])
    assert found.tolist() == [[1, 2, 3], [9, 9, 9]]
    floats = (condition, plain("a", dtype=F32), plain("b", 2, dtype=F32))
    chosen = computed(Select(), floats, plain("y", 2, 2, dtype=F32), [1, 0], NAN, [-0.0, 2])
    assert_floats(chosen, [[NAN, NAN], [-0.0, 2]])


def test_every_part_of_an_arithmetic_operator_has_to_be_given() -> None:
    zero = np.zeros(1, np.int64)
    trio = int8("a", 1), int8("b", 1), int8("y", 1)
    bare, common = Arithmetic(), CommonScale()
    for part in (
        lambda: bare.of_codes(zero, zero, trio),
        lambda: bare.of_integers(zero, zero),
        lambda: bare.of_floats(zero, zero),
        lambda: common.combine(zero, zero),
        lambda: common.real_factors(*trio),
    ):
        with pytest.raises(NotImplementedError):
            part()
