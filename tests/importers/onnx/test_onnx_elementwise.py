"""Operators on each element, held against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnx_files import check, imported, model, node, ours, reals

X = reals(2, 3, 4, low=-4, high=4)


@pytest.mark.parametrize(
    "op_type",
    [
        *("Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "HardSigmoid", "HardSwish", "LeakyRelu"),
        *("Mish", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin"),
        *("Softplus", "Softsign", "Tan", "Tanh", "ThresholdedRelu", "Elu", "Celu", "Shrink"),
    ],
)
def test_a_function_of_one_value(op_type: str) -> None:
    opset = 18 if op_type == "Mish" else 17
    x = np.where(np.abs(X) < 1e-2, np.float32(0.5), X)
    check(model([node(op_type, ["x"], ["y"])], {"x": x}, opset=opset), {"x": x}, ulps=16, sums=8)


@pytest.mark.parametrize("op_type", ["Log", "Sqrt"])
def test_a_function_of_what_is_positive(op_type: str) -> None:
    x = reals(5, 7, low=0.01, high=9)
    check(model([node(op_type, ["x"], ["y"])], {"x": x}), {"x": x})


@pytest.mark.parametrize(
    ("op_type", "attributes"),
    [
        ("Elu", {"alpha": 0.5}),
        ("Celu", {"alpha": 2.0}),
        ("Selu", {"alpha": 1.5, "gamma": 2.0}),
        ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
        ("LeakyRelu", {"alpha": -0.5}),
        ("ThresholdedRelu", {"alpha": 0.25}),
        ("Shrink", {"bias": 0.5, "lambd": 1.0}),
        ("IsInf", {"detect_negative": 0}),
        ("IsInf", {"detect_positive": 0}),
        ("Gelu", {}),
        ("Gelu", {"approximate": "tanh"}),
    ],
)
def test_attributes_of_functions(op_type: str, attributes: dict[str, Any]) -> None:
    x = X.copy()
    if op_type == "IsInf":
        x[0, 0, :2] = np.inf, -np.inf
    made = node(op_type, ["x"], ["y"], **attributes)
    check(model([made], {"x": x}, opset=20), {"x": x}, ulps=16, sums=8)


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (0, 6, "relu6"),
        (0, None, "relu"),
        (-1, 1, "relu_n1_to_1"),
        (0, 3.4028235e38, "relu"),
        (-0.5, 1.5, "minimum"),
        (None, 1.5, "minimum"),
        (-1.5, None, "maximum"),
    ],
)
def test_a_clip_becomes_the_plainest_clamp(low: float, high: float, kind: str) -> None:
    ends = {n: np.float32(v) for n, v in (("low", low), ("high", high)) if v is not None}
    names = ["x", *("low" if low is not None else "", "high" if high is not None else "")]
    graph = check(model([node("Clip", names, ["y"])], {"x": X}, ends), {"x": X})
    assert graph.ops[-1].kind == kind


def test_a_clip_without_ends_is_nothing() -> None:
    graph = check(model([node("Clip", ["x"], ["y"])], {"x": X}), {"x": X})
    assert [op.kind for op in graph.ops] == ["reshape"]


@pytest.mark.parametrize("shape", [(3, 1, 1), (1,), (5,), (3, 4, 5)])
def test_slopes_of_prelu_broadcast(shape: tuple[int, ...]) -> None:
    x, slope = reals(2, 3, 4, 5), reals(*shape, seed=1)
    check(model([node("PRelu", ["x", "slope"], ["y"])], {"x": x}, {"slope": slope}), {"x": x})


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"])
@pytest.mark.parametrize("shape", [(2, 3, 4), (4,), (3, 1), (1, 1, 1)])
def test_two_operands_broadcast(op_type: str, shape: tuple[int, ...]) -> None:
    inputs = {"a": X, "b": reals(*shape, seed=2, low=0.5, high=3)}
    check(model([node(op_type, ["a", "b"], ["y"])], inputs), inputs)


@pytest.mark.parametrize("op_type", ["Max", "Min", "Sum", "Mean"])
def test_many_operands(op_type: str) -> None:
    inputs = {n: reals(2, 3, seed=i) for i, n in enumerate("abcd")}
    check(model([node(op_type, list(inputs), ["y"])], inputs), inputs, sums=4)


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Mod"])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_plain_integers(op_type: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    inputs = {
        "a": rng.integers(-90, 90, (4, 5)).astype(dtype),
        "b": rng.choice([-7, -2, 1, 3, 8], (5,)).astype(dtype),
    }
    check(model([node(op_type, ["a", "b"], ["y"])], inputs), inputs)


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_narrow_integers_wrap_around(op_type: str, dtype: Any) -> None:
    inputs = {
        "a": np.array([100, 3, 127, 60], dtype),
        "b": np.array([100, 5, 127, 4], dtype),
    }
    graph = imported(model([node(op_type, ["a", "b"], ["y"])], inputs))
    (found,) = ours(graph, inputs)
    expected = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[op_type]
    np.testing.assert_array_equal(found, expected(inputs["a"], inputs["b"]))
    assert found.dtype == dtype


def test_a_remainder_of_floats_has_the_sign_of_the_dividend() -> None:
    inputs = {"a": reals(50, low=-9, high=9), "b": reals(50, seed=1, low=-3, high=3)}
    check(model([node("Mod", ["a", "b"], ["y"], fmod=1)], inputs), inputs, ulps=0)


@pytest.mark.parametrize("op_type", ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
def test_comparisons(op_type: str) -> None:
    inputs = {"a": np.round(X), "b": np.round(reals(4, seed=1))}
    check(model([node(op_type, ["a", "b"], ["y"])], inputs), inputs)


@pytest.mark.parametrize("op_type", ["And", "Or", "Xor"])
def test_logic(op_type: str) -> None:
    inputs = {"a": X > 0, "b": reals(4, seed=1) > 0}
    check(model([node(op_type, ["a", "b"], ["y"])], inputs), inputs)
    check(model([node("Not", ["a"], ["y"])], {"a": X > 0}), {"a": X > 0})


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.bool_, np.int8])
def test_a_choice(dtype: Any) -> None:
    inputs = {"c": X > 0, "a": reals(3, 4, seed=1).astype(dtype), "b": np.zeros(1, dtype)}
    proto = model([node("Where", ["c", "a", "b"], ["y"])], inputs)
    (found,) = ours(imported(proto), inputs)
    np.testing.assert_array_equal(found, np.where(inputs["c"], inputs["a"], inputs["b"]))
    assert found.dtype == dtype


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 5, 8, -1, -2, 0.5, -0.5, 1.7, -3.3, 9])
def test_powers_of_what_is_positive(exponent: float) -> None:
    x = reals(4, 5, low=0.1, high=3)
    made = model([node("Pow", ["x", "e"], ["y"])], {"x": x}, {"e": np.float32(exponent)})
    check(made, {"x": x}, ulps=24)


def test_powers_with_computed_exponents_and_any_sign() -> None:
    base = np.array([-2, -2, -2, 0, 0, 3, -1.5, -2], np.float32)
    inputs = {"x": base, "e": np.array([3, 2, 0, 0, 2, -1, 1.5, -3], np.float32)}
    check(model([node("Pow", ["x", "e"], ["y"])], inputs), inputs, ulps=24)


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("is_last", [True, False])
def test_a_decomposed_gelu_is_one_operator(order: int, is_last: bool) -> None:
    scaled = [
        node("Div", ["x", "root"], ["scaled"]),
        node("Mul", ["x", "inverse"], ["scaled"]),
    ][order % 2]
    pair = ["scaled_x", "raised"][:: 1 if order < 2 else -1]
    middle = [node("Erf", ["scaled"], ["erf"]), node("Add", ["erf", "one"], ["raised"])]
    if is_last:
        ends = [
            node("Mul", ["x", "raised"], ["product"]),
            node("Mul", ["half", "product"], ["y"]),
        ]
    else:
        ends = [node("Mul", ["x", "half"], ["scaled_x"]), node("Mul", pair, ["y"])]
    constants = {
        "root": np.float32(np.sqrt(2)),
        "inverse": np.float32(np.sqrt(0.5)),
        "one": np.float32(1),
        "half": np.float32(0.5),
    }
    proto = model([scaled, *middle, *ends], {"x": X}, constants)
    graph = check(proto, {"x": X}, ulps=8, sums=8)
    assert [op.kind for op in graph.ops] == ["gelu"]


def test_what_is_no_gelu_is_left_alone() -> None:
    nodes = [
        node("Div", ["x", "root"], ["scaled"]),
        node("Erf", ["scaled"], ["erf"]),
        node("Add", ["erf", "one"], ["raised"]),
        node("Mul", ["x", "raised"], ["product"]),
        node("Mul", ["half", "product"], ["y"]),
    ]
    constants = {"root": np.float32(2), "one": np.float32(1), "half": np.float32(0.5)}
    graph = check(model(nodes, {"x": X}, constants), {"x": X}, ulps=8, sums=8)
    assert "gelu" not in [op.kind for op in graph.ops]
    constants["root"] = np.float32(np.sqrt(2))
    graph = check(model(nodes, {"x": X}, constants, ["y", "erf"]), {"x": X}, ulps=8, sums=8)
    assert "gelu" not in [op.kind for op in graph.ops]


@pytest.mark.parametrize(("to", "expected"), [(6, np.int32), (3, np.int8), (9, np.bool_)])
def test_casts(to: int, expected: Any) -> None:
    x = np.array([-3.7, 0.0, 2.5, 100.2], np.float32)
    graph = imported(model([node("Cast", ["x"], ["y"], to=to)], {"x": x}))
    np.testing.assert_array_equal(ours(graph, {"x": x})[0], x.astype(expected))


def test_doubles_that_are_known_become_floats() -> None:
    double = helper.make_tensor("value", 11, [2], [0.1, 0.2])
    nodes = [
        node("Constant", [], ["d"], value=double),
        node("Cast", ["d"], ["f"], to=1),
        node("Add", ["x", "f"], ["y"]),
    ]
    check(model(nodes, {"x": reals(3, 2)}), {"x": reals(3, 2)})
