"""How operators on each element of two or more tensors are read from a file."""

from __future__ import annotations

import numpy as np
import pytest
import tflite
from tflite_files import activation, imported

from midge.errors import UnsupportedError, UserError
from midge.graph import Activation, Attributes
from midge.graph.ops.add import Add, SquaredDifference, Sub
from midge.graph.ops.add_n import AddN
from midge.graph.ops.comparison import Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual
from midge.graph.ops.div import Div
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.floor_division import FloorDiv, FloorMod
from midge.graph.ops.logical import LogicalAnd, LogicalOr
from midge.graph.ops.mul import Mul
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.select import Select
from midge.synthetic.model_description import Fields, Tensor

ACTIVATED = {"ADD": Add, "SUB": Sub, "MUL": Mul, "DIV": Div}
PLAIN: dict[str, tuple[type[Attributes], str, str]] = {
    "SQUARED_DIFFERENCE": (SquaredDifference, "float32", "float32"),
    "MINIMUM": (Minimum, "int64", "int64"),
    "MAXIMUM": (Maximum, "int32", "int32"),
    "FLOOR_DIV": (FloorDiv, "float32", "float32"),
    "FLOOR_MOD": (FloorMod, "float32", "float32"),
    "PRELU": (Prelu, "float32", "float32"),
    "EQUAL": (Equal, "bool", "bool"),
    "NOT_EQUAL": (NotEqual, "int32", "bool"),
    "GREATER": (Greater, "int64", "bool"),
    "GREATER_EQUAL": (GreaterEqual, "float32", "bool"),
    "LESS": (Less, "float32", "bool"),
    "LESS_EQUAL": (LessEqual, "int32", "bool"),
    "LOGICAL_AND": (LogicalAnd, "bool", "bool"),
    "LOGICAL_OR": (LogicalOr, "bool", "bool"),
    "ADD_N": (AddN, "float32", "float32"),
}


def plain(name: str, dtype: str, *shape: int) -> Tensor:
    return Tensor(name, shape or (3,), dtype)


@pytest.mark.parametrize("op", ACTIVATED)
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NONE", Activation.NONE),
        ("RELU", Activation.RELU),
        ("RELU6", Activation.RELU6),
        ("RELU_N1_TO_1", Activation.RELU_N1_TO_1),
    ],
)
def test_activations(op: str, name: str, expected: Activation) -> None:
    code = getattr(tflite.ActivationFunctionType, name)
    options = Fields.of(f"{op.title()}Options", FusedActivationFunction=code)
    tensors = (activation("a", 2, 3), activation("b", 3)), activation("y", 2, 3)
    graph = imported(op, options, *tensors)
    assert graph.ops[0].attributes == ACTIVATED[op](activation=expected)
    assert graph.ops[0].inputs == ("a", "b")


@pytest.mark.parametrize("op", ["ADD", "SUB"])
def test_what_is_said_of_powers_of_two_makes_no_difference(op: str) -> None:
    table = f"{op.title()}Options"
    tensors = (activation("a", 3), activation("b", 3)), activation("y", 3)
    ops = [imported(op, Fields.of(table, PotScaleInt16=pot), *tensors).ops for pot in (True, False)]
    assert ops[0] == ops[1]


@pytest.mark.parametrize("op", PLAIN)
def test_operators_without_options(op: str) -> None:
    kind, dtype, result = PLAIN[op]
    # Their tables have no fields, and a file may leave them out.
    graph = imported(op, Fields(), (plain("a", dtype), plain("b", dtype)), plain("y", result))
    assert graph.ops[0].attributes == kind()
    assert graph.ops[0].inputs == ("a", "b")


def test_select_and_long_sums() -> None:
    inputs = plain("c", "bool"), activation("a", 2, 3), activation("b", 3)
    graph = imported("SELECT_V2", Fields.of("SelectV2Options"), inputs, activation("y", 2, 3))
    assert graph.ops[0].attributes == Select()
    assert graph.ops[0].inputs == ("c", "a", "b")
    many = tuple(activation(f"x{i}", 3) for i in range(5))
    graph = imported("ADD_N", Fields.of("AddNOptions"), many, activation("y", 3))
    assert graph.ops[0].attributes == AddN()
    assert len(graph.ops[0].inputs) == 5


@pytest.mark.parametrize("op", ACTIVATED)
def test_options_must_be_there(op: str) -> None:
    y = activation("y", 3)
    with pytest.raises(UserError, match=f"op 0 \\({op}\\): has no {op.title()}Options"):
        imported(op, Fields(), (activation("a", 3), activation("b", 3)), y)


@pytest.mark.parametrize("op", ACTIVATED)
def test_activations_that_are_not_supported(op: str) -> None:
    code = tflite.ActivationFunctionType.TANH
    options = Fields.of(f"{op.title()}Options", FusedActivationFunction=code)
    with pytest.raises(UnsupportedError, match=f"op 0 \\({op}\\): fused activation 4 is not supp"):
        imported(op, options, (activation("a", 3), activation("b", 3)), activation("y", 3))


def test_int32_add_with_an_activation() -> None:
    code = tflite.ActivationFunctionType.RELU6
    tensors = (plain("a", "int32"), plain("b", "int32")), plain("y", "int32")
    options = Fields.of("AddOptions", FusedActivationFunction=code)
    with pytest.raises(UnsupportedError) as refused:
        imported("ADD", options, *tensors)
    assert (
        "\n  op 0 (ADD): fused relu6 in an ADD of int32 is not supported (TFLite Micro computes it "
        "as none, TFLite clamps); supported: NONE\n"
    ) in str(refused.value)
    for op in ("SUB", "MUL", "DIV"):
        options = Fields.of(f"{op.title()}Options", FusedActivationFunction=code)
        attributes = imported(op, options, *tensors).ops[0].attributes
        assert attributes == ACTIVATED[op](activation=Activation.RELU6)


def test_inputs_that_are_left_out() -> None:
    with pytest.raises(UserError, match=r"takes 2 inputs and 0 optional ones, found \['a'\]"):
        imported("MINIMUM", Fields(), (activation("a", 3),), activation("y", 3))
    with pytest.raises(UserError, match="expected at least 1"):
        imported("ADD", Fields.of("AddOptions", FusedActivationFunction=1), (), activation("y", 3))


def test_a_constant_divisor_of_zero() -> None:
    b = Tensor("b", (3,), "int32", None, np.array([1, 0, 2], np.int32))
    with pytest.raises(UserError, match="b is a constant divisor that holds the value 0"):
        imported("DIV", Fields.of("DivOptions"), (plain("a", "int32"), b), plain("y", "int32"))
