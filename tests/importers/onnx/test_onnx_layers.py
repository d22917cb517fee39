"""Products, normalisations, reductions, resizing and recurrence, held against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_files import check, imported, model, node, ours, reals

from midge.graph import interpret
from midge.graph.interpreter import state_after

X = reals(2, 3, 4)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 3, 4), (4, 5)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((4,), (4,)),
        ((4,), (2, 4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (3, 4, 5)),
        ((2, 3, 4), (4,)),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_matmul(a: tuple[int, ...], b: tuple[int, ...], known: bool) -> None:
    left, right = reals(*a), reals(*b, seed=1)
    inputs = {"a": left} | ({} if known else {"b": right})
    made = model([node("MatMul", ["a", "b"], ["y"])], inputs, {"b": right} if known else {})
    graph = check(made, inputs, sums=8)
    is_layer = known and len(b) == 2
    assert ("fully_connected" in [op.kind for op in graph.ops]) == is_layer


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("alpha", "beta", "c"),
    [(1, 1, (5,)), (0.5, 2, (1, 5)), (1, 1, (3, 1)), (1, 1, ()), (2, 1, None)],
)
def test_gemm(
    trans_a: int, trans_b: int, known: bool, alpha: float, beta: float, c: tuple[int, ...] | None
) -> None:
    a, b = reals(*((4, 3) if trans_a else (3, 4))), reals(*((5, 4) if trans_b else (4, 5)), seed=1)
    parameters = {"b": b} | ({} if c is None else {"c": reals(*c, seed=2)})
    inputs = {"a": a} | ({} if known else parameters)
    made = node(
        "Gemm",
        ["a", *parameters],
        ["y"],
        alpha=float(alpha),
        beta=float(beta),
        transA=trans_a,
        transB=trans_b,
    )
    check(model([made], inputs, parameters if known else {}), inputs, sums=16)


@pytest.mark.parametrize(
    ("equation", "a", "b"),
    [
        ("ij,jk->ik", (3, 4), (4, 5)),
        ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
        ("bhqd,bhkd->bhqk", (1, 2, 3, 4), (1, 2, 5, 4)),
        ("bqhd, bkhd -> bhqk", (1, 3, 2, 4), (1, 5, 2, 4)),
        ("i,j->ji", (3,), (4,)),
        ("ij,ij->", (3, 4), (3, 4)),
    ],
)
def test_einsum(equation: str, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    inputs = {"a": reals(*a), "b": reals(*b, seed=1)}
    check(model([node("Einsum", ["a", "b"], ["y"], equation=equation)], inputs), inputs, sums=16)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (2, 3, 4, 5)])
def test_batch_normalisation(shape: tuple[int, ...]) -> None:
    x = reals(*shape)
    constants = {
        "scale": reals(3, seed=1),
        "shift": reals(3, seed=2),
        "mean": reals(3, seed=3),
        "variance": reals(3, seed=4, low=0.1, high=2),
    }
    made = node("BatchNormalization", ["x", *constants], ["y"], epsilon=1e-3)
    graph = check(model([made], {"x": x}, constants), {"x": x}, sums=4)
    assert [op.kind for op in graph.ops] == ["mul", "add"]
    factor = graph.tensors[graph.ops[0].inputs[1]]
    assert factor.shape == (3, *[1] * (len(shape) - 2))


@pytest.mark.parametrize("axis", [-1, 1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_layer_normalisation(axis: int, bias: bool) -> None:
    constants = {"scale": reals(*X.shape[axis:], seed=1)}
    constants |= {"shift": reals(*X.shape[axis:], seed=2)} if bias else {}
    made = node("LayerNormalization", ["x", *constants], ["y"], axis=axis)
    graph = check(model([made], {"x": X}, constants), {"x": X}, ulps=16, sums=16)
    assert "layer_norm" in [op.kind for op in graph.ops]


def test_the_moments_of_a_layer_normalisation() -> None:
    made = node("LayerNormalization", ["x", "scale"], ["y", "m", "d"])
    proto = model([made], {"x": X}, {"scale": reals(4, seed=1)}, ["y", "m", "d"])
    check(proto, {"x": X}, ulps=16, sums=16)


def test_instance_normalisation() -> None:
    x = reals(2, 3, 4, 5)
    constants = {"scale": reals(3, seed=1), "shift": reals(3, seed=2)}
    made = node("InstanceNormalization", ["x", *constants], ["y"])
    check(model([made], {"x": x}, constants), {"x": x}, ulps=16, sums=16)


@pytest.mark.parametrize("opset", [18, 21])
def test_group_normalisation(opset: int) -> None:
    x, entries = reals(2, 6, 4, 5), 3 if opset == 18 else 6
    constants = {"scale": reals(entries, seed=1), "shift": reals(entries, seed=2)}
    made = node("GroupNormalization", ["x", *constants], ["y"], num_groups=3)
    graph = imported(model([made], {"x": x}, constants, opset=opset))
    groups = x.astype(np.float64).reshape(2, 3, -1)
    even = groups - groups.mean(axis=2, keepdims=True)
    even /= np.sqrt(groups.var(axis=2, keepdims=True) + 1e-5)
    repeats = 6 // entries
    scale, shift = (np.repeat(c, repeats).reshape(6, 1, 1) for c in constants.values())
    expected = even.reshape(x.shape) * scale + shift
    np.testing.assert_allclose(ours(graph, {"x": x})[0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("op_type", ["Softmax", "LogSoftmax", "LpNormalization"])
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_along_an_axis(op_type: str, axis: int) -> None:
    check(model([node(op_type, ["x"], ["y"], axis=axis)], {"x": X}), {"x": X}, ulps=16, sums=8)


@pytest.mark.parametrize(
    "op_type",
    [
        *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean"),
        *("ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
    ],
)
@pytest.mark.parametrize("axes", [None, (1,), (0, -1), (2, 1)])
@pytest.mark.parametrize("keep", [0, 1])
def test_reductions(op_type: str, axes: tuple[int, ...] | None, keep: int) -> None:
    x = np.abs(X) + np.float32(0.1)
    known = {} if axes is None else {"axes": np.array(axes, np.int64)}
    made = node(op_type, ["x", *known], ["y"], keepdims=keep)
    check(model([made], {"x": x}, known, opset=18), {"x": x}, ulps=32, sums=32)
    if op_type != "ReduceSum" and axes is not None:
        made = node(op_type, ["x"], ["y"], keepdims=keep, axes=axes)
        check(model([made], {"x": x}, opset=13), {"x": x}, ulps=32, sums=32)


@pytest.mark.parametrize("op_type", ["ReduceMax", "ReduceMin"])
def test_reductions_of_bool(op_type: str) -> None:
    x = X > 0
    made = node(op_type, ["x", "axes"], ["y"], keepdims=0)
    graph = imported(model([made], {"x": x}, {"axes": np.array([1], np.int64)}, opset=20))
    expected = x.any(axis=1) if op_type == "ReduceMax" else x.all(axis=1)
    np.testing.assert_array_equal(ours(graph, {"x": x})[0], expected)


@pytest.mark.parametrize("op_type", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("attributes", [{}, {"axis": -1, "keepdims": 0}, {"axis": 1}])
@pytest.mark.parametrize("last", [0, 1])
def test_where_the_extremes_stand(op_type: str, attributes: dict[str, Any], last: int) -> None:
    x = np.round(X)
    made = node(op_type, ["x"], ["y"], select_last_index=last, **attributes)
    check(model([made], {"x": x}), {"x": x})


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_running_sums(exclusive: int, reverse: int) -> None:
    made = node("CumSum", ["x", "axis"], ["y"], exclusive=exclusive, reverse=reverse)
    check(model([made], {"x": X}, {"axis": np.array(-2, np.int64)}), {"x": X}, sums=4)


RESIZES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]


@pytest.mark.parametrize("transformation", RESIZES)
@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("size", [(8, 6), (5, 2), (4, 7)])
def test_nearest_pixels(transformation: str, rounding: str, size: tuple[int, int]) -> None:
    x = reals(1, 2, 4, 3)
    made = node(
        "Resize",
        ["x", "", "", "sizes"],
        ["y"],
        mode="nearest",
        coordinate_transformation_mode=transformation,
        nearest_mode=rounding,
    )
    proto = model([made], {"x": x}, {"sizes": np.array([1, 2, *size], np.int64)})
    check(proto, {"x": x}, ulps=0)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("transformation", RESIZES)
@pytest.mark.parametrize("scales", [(2, 2), (1.5, 2.5), (0.5, 1), (0.6, 0.7)])
def test_mixtures_of_pixels(mode: str, transformation: str, scales: tuple[float, float]) -> None:
    x = reals(1, 2, 8, 6)
    made = node(
        "Resize",
        ["x", "", "scales"],
        ["y"],
        mode=mode,
        coordinate_transformation_mode=transformation,
    )
    proto = model([made], {"x": x}, {"scales": np.array([1, 1, *scales], np.float32)})
    check(proto, {"x": x}, ulps=64, sums=64)


def test_a_usual_doubling_is_one_operator() -> None:
    x = reals(1, 2, 4, 3)
    scales = {"scales": np.array([1, 1, 2, 2], np.float32)}
    for mode, transformation, rounding, kind in (
        ("nearest", "asymmetric", "floor", "resize_nearest"),
        ("linear", "half_pixel", "floor", "resize_bilinear"),
        ("linear", "align_corners", "floor", "resize_bilinear"),
    ):
        made = node(
            "Resize",
            ["x", "", "scales"],
            ["y"],
            mode=mode,
            coordinate_transformation_mode=transformation,
            nearest_mode=rounding,
        )
        kinds = [op.kind for op in imported(model([made], {"x": x}, scales)).ops]
        assert kinds == ["transpose", kind, "transpose"]


@pytest.mark.parametrize("antialias", [0, 1])
def test_filters_against_aliasing(antialias: int) -> None:
    x = reals(1, 1, 8, 8)
    made = node("Resize", ["x", "", "s"], ["y"], mode="linear", antialias=antialias)
    proto = model([made], {"x": x}, {"s": np.array([1, 1, 0.5, 0.25], np.float32)}, opset=18)
    check(proto, {"x": x}, ulps=64, sums=64)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("reset", [0, 1])
def test_recurrence(kind: str, direction: str, first: bool, reset: int) -> None:
    if kind == "LSTM" and reset:
        pytest.skip("has no reset gate")
    steps, batch, width, units = 5, 2, 3, 4
    count, gates = (2 if direction == "bidirectional" else 1), (3 if kind == "GRU" else 4)
    inputs = {"x": reals(steps, batch, width)}
    constants = {
        "w": reals(count, gates * units, width, seed=1),
        "r": reals(count, gates * units, units, seed=2),
        "b": reals(count, 2 * gates * units, seed=3),
    }
    names, outputs = ["x", *constants], ["y", "h", "c"][: gates - 1]
    if first:
        inputs["h0"] = reals(count, batch, units, seed=4)
        names += ["", "h0"]
        if kind == "LSTM":
            inputs["c0"] = reals(count, batch, units, seed=5)
            names.append("c0")
    attributes = {"linear_before_reset": reset} if kind == "GRU" else {}
    made = node(kind, names, outputs, hidden_size=units, direction=direction, **attributes)
    proto = model([made], inputs, constants, outputs)
    graph = check(proto, inputs, ulps=64, sums=64)
    # A second run starts from the same state.
    values = interpret(graph, inputs)
    again = interpret(graph, inputs, state_after(graph, values))
    for name in graph.outputs:
        np.testing.assert_array_equal(again[name], values[name])


def test_zeros_to_start_from_are_left_out() -> None:
    """As PyTorch writes them: of the batch's shape, which is known."""
    x = reals(3, 2, 3)
    constants = {"w": reals(1, 16, 3, seed=1), "r": reals(1, 16, 4, seed=2)}
    constants["shape"] = np.array([1, 2, 4])
    nodes = [
        node("ConstantOfShape", ["shape"], ["zeros"]),
        node("LSTM", ["x", "w", "r", "", "", "zeros", "zeros"], ["y"], hidden_size=4),
    ]
    graph = check(model(nodes, {"x": x}, constants), {"x": x}, ulps=64, sums=64)
    assert [op.kind for op in graph.ops] == ["lstm", "reshape"]


def test_recurrence_without_a_bias() -> None:
    x = reals(3, 1, 2)
    constants = {"w": reals(1, 12, 2, seed=1), "r": reals(1, 12, 4, seed=2)}
    made = node("GRU", ["x", "w", "r"], ["", "h"], hidden_size=4)
    check(model([made], {"x": x}, constants, ["h"]), {"x": x}, ulps=64, sums=64)
