"""Operators that move elements, and the arithmetic of shapes, held against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_files import check, imported, model, node, ours, reals

X = reals(2, 3, 4)


def integers(*values: Any) -> Any:
    return np.array(values, np.int64)


def one(op_type: str, x: Any, *constants: Any, opset: int = 17, **attributes: Any) -> Any:
    """A model of one node, whose further inputs are known."""
    known = {f"c{i}": c for i, c in enumerate(constants) if c is not None}
    names = ["x", *(f"c{i}" if c is not None else "" for i, c in enumerate(constants))]
    return model([node(op_type, names, ["y"], **attributes)], {"x": x}, known, opset=opset)


def moves(op_type: str, x: Any, *constants: Any, **attributes: Any) -> Any:
    return check(one(op_type, x, *constants, **attributes), {"x": x}, ulps=0)


@pytest.mark.parametrize("shape", [(6, 4), (0, -1), (-1,), (2, 0, 2, 2), (1, 1, 24, 1), (2, 3, 4)])
def test_reshape(shape: tuple[int, ...]) -> None:
    moves("Reshape", X, integers(*shape))


@pytest.mark.parametrize("axis", [-3, -1, 0, 1, 2, 3])
def test_flatten(axis: int) -> None:
    moves("Flatten", X, axis=axis)


def test_squeeze_and_unsqueeze() -> None:
    x = reals(1, 3, 1, 4)
    moves("Squeeze", x)
    moves("Squeeze", x, integers(0))
    moves("Squeeze", x, integers(-2, 0))
    moves("Unsqueeze", x, integers(0, -1))
    moves("Unsqueeze", x, integers(2))


@pytest.mark.parametrize("perm", [None, (0, 2, 1), (2, 0, 1), (0, 1, 2)])
def test_transpose(perm: tuple[int, ...] | None) -> None:
    moves("Transpose", X, **({} if perm is None else {"perm": perm}))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(axis: int) -> None:
    inputs = {"a": X, "b": reals(2, 3, 4, seed=1)}
    made = node("Concat", ["a", "c", "b"], ["y"], axis=axis)
    check(model([made], inputs, {"c": reals(2, 3, 4, seed=2)}), inputs, ulps=0)


@pytest.mark.parametrize(("sizes", "opset"), [(None, 13), ((1, 4, 2), 13), (None, 18)])
def test_split(sizes: tuple[int, ...] | None, opset: int) -> None:
    x = reals(2, 6 if sizes is None else 7)
    names = ["x"] + ([] if sizes is None else ["sizes"])
    attributes = {"num_outputs": 3} if opset == 18 else {}
    made = node("Split", names, ["a", "b", "c"], axis=1, **attributes)
    known = {} if sizes is None else {"sizes": integers(*sizes)}
    check(model([made], {"x": x}, known, ["a", "b", "c"], opset), {"x": x}, ulps=0)


def test_the_last_of_equal_pieces_may_be_less() -> None:
    x = reals(2, 7)
    made = node("Split", ["x"], ["a", "b", "c"], axis=-1, num_outputs=3)
    graph = check(model([made], {"x": x}, {}, ["a", "b", "c"], 18), {"x": x}, ulps=0)
    assert [graph.tensors[n].shape for n in graph.outputs] == [(2, 3), (2, 3), (2, 1)]


@settings(max_examples=150, deadline=None)
@given(
    starts=st.lists(st.integers(-12, 12), min_size=2, max_size=2),
    ends=st.lists(
        st.sampled_from([-20, -3, -1, 0, 2, 5, 9, 2**63 - 1, -(2**63)]), min_size=2, max_size=2
    ),
    steps=st.lists(st.sampled_from([-3, -1, 1, 2, 7]), min_size=2, max_size=2),
    axes=st.sampled_from([(0, 1), (1, 0), (-1, 0)]),
)
def test_slice(starts: Any, ends: Any, steps: Any, axes: Any) -> None:
    x = reals(7, 6)
    expected = x
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut = [slice(None), slice(None)]
        cut[axis] = slice(start, end, step)
        # NumPy reads a negative end of a backward slice as one from the back, as ONNX does.
        expected = expected[tuple(cut)]
    proto = one("Slice", x, *(integers(*v) for v in (starts, ends, axes, steps)))
    if not expected.size:
        with pytest.raises(Exception, match="leaves nothing of dimension"):
            imported(proto)
        return
    check(proto, {"x": x}, ulps=0)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("indices", [0, -1, (1,), (0, -1, 1), ((0, 1), (1, 0))])
def test_gather_at_known_indices(axis: int, indices: Any) -> None:
    moves("Gather", X, np.array(indices, np.int64), axis=axis)


def test_gather_at_computed_indices_which_may_count_from_the_end() -> None:
    table = reals(5, 3)
    inputs = {"i": np.array([[0, -1], [4, -5]], np.int64)}
    check(model([node("Gather", ["t", "i"], ["y"])], inputs, {"t": table}), inputs, ulps=0)


@pytest.mark.parametrize("shape", [(2, 3, 4), (5, 2, 3, 4), (1, 1, 1), (4,), (2, 1, 4)])
def test_expand(shape: tuple[int, ...]) -> None:
    moves("Expand", reals(2, 3, 1), integers(*shape))


def test_tile() -> None:
    moves("Tile", X, integers(1, 3, 2))
    moves("Tile", X, integers(1, 1, 1))


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize("pads", [(0, 1, 2, 0, 2, 1), (0, 0, 3, 0, 0, 0), (0, -1, 1, 0, 0, -2)])
def test_pad(mode: str, pads: tuple[int, ...]) -> None:
    if mode == "wrap" and min(pads) < 0:
        pytest.skip("ONNX Runtime wraps what it has cut away")
    moves("Pad", X, integers(*pads), mode=mode, opset=19)


def test_the_value_and_the_axes_of_a_pad() -> None:
    moves("Pad", X, integers(1, 2), np.float32(7.5), integers(-1), opset=18)
    inputs = {"x": X, "v": np.array(3.5, np.float32)}
    made = node("Pad", ["x", "p", "v"], ["y"])
    check(model([made], inputs, {"p": integers(0, 0, 1, 0, 1, 0)}), inputs, ulps=0)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_blocks(mode: str) -> None:
    moves("DepthToSpace", reals(1, 12, 2, 3), blocksize=2, mode=mode)
    moves("SpaceToDepth", reals(1, 3, 4, 6), blocksize=2)


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [-1, 0, 2])
def test_triangles(upper: int, k: int) -> None:
    moves("Trilu", reals(2, 4, 5), np.array(k, np.int64), upper=upper)


@pytest.mark.parametrize("op_type", ["Identity", "Dropout"])
def test_what_is_passed_through_is_copied_to_an_output(op_type: str) -> None:
    graph = moves(op_type, X)
    assert [op.kind for op in graph.ops] == ["reshape"]


def test_the_mask_of_a_dropout_keeps_everything() -> None:
    check(model([node("Dropout", ["x"], ["y", "m"])], {"x": X}, {}, ["y", "m"]), {"x": X}, ulps=0)


def test_arithmetic_of_shapes_leaves_no_operator() -> None:
    """As PyTorch writes ``x.view(x.size(0), -1, x.size(2) // 2)``."""
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"], axis=0),
        node("Gather", ["shape", "two"], ["width"], axis=0),
        node("Div", ["width", "two"], ["half"]),
        node("Unsqueeze", ["batch", "first"], ["a"]),
        node("Unsqueeze", ["half", "first"], ["c"]),
        node("Concat", ["a", "minus", "c"], ["target"], axis=0),
        node("Reshape", ["x", "target"], ["y"]),
    ]
    constants = {
        "zero": np.array(0, np.int64),
        "two": np.array(2, np.int64),
        "first": integers(0),
        "minus": integers(-1),
    }
    graph = check(model(nodes, {"x": X}, constants), {"x": X}, ulps=0)
    assert [op.kind for op in graph.ops] == ["reshape"]
    assert graph.tensors["y"].shape == (2, 6, 2)


def test_a_shape_that_is_chosen_and_filled() -> None:
    """As PyTorch writes ``x.expand(...)``."""
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Shape", ["shape"], ["extent"]),
        node("ConstantOfShape", ["extent"], ["ones"], value=onnx_one()),
        node("Mul", ["ones", "minus"], ["negative"]),
        node("Equal", ["wanted", "negative"], ["unknown"]),
        node("Where", ["unknown", "ones", "wanted"], ["target"]),
        node("Expand", ["x", "target"], ["y"]),
    ]
    constants = {"minus": integers(-1), "wanted": integers(-1, 3, 5)}
    x = reals(2, 3, 1)
    check(model(nodes, {"x": x}, constants), {"x": x}, ulps=0)


def onnx_one() -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.ones(1, np.int64))


@pytest.mark.parametrize("limits", [(0, 4, 1), (3, -1, -1), (1, 9, 2)])
def test_a_range_is_known(limits: tuple[int, int, int]) -> None:
    names = ("start", "limit", "delta")
    nodes = [
        node("Range", names, ["r"]),
        node("Cast", ["r"], ["f"], to=1),
        node("Mul", ["x", "f"], ["y"]),
    ]
    constants = {n: np.array(v, np.int64) for n, v in zip(names, limits, strict=True)}
    check(model(nodes, {"x": X}, constants), {"x": X})


@pytest.mark.parametrize("value", [{"value_float": 2.5}, {"value_floats": [1.0, 2.0, 3.0, 4.0]}])
def test_constants_in_attributes(value: dict[str, Any]) -> None:
    nodes = [node("Constant", [], ["c"], **value), node("Add", ["x", "c"], ["y"])]
    check(model(nodes, {"x": X}), {"x": X})


def test_an_output_that_is_known_and_one_that_is_an_input() -> None:
    nodes = [node("Shape", ["x"], ["s"]), node("Identity", ["x"], ["y"])]
    graph = imported(model(nodes, {"x": X}, {}, ["s", "y"]))
    shape, copy = ours(graph, {"x": X})
    assert shape.tolist() == [2, 3, 4]
    np.testing.assert_array_equal(copy, X)
