"""Inputs and outputs whose dimensions stand in another order than in the source model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from graph_builders import int8, one_op, plain, refuses

from midge.graph import DType, Graph, Op, format_graph, parse_graph, verify
from midge.graph.ops.comparison import Less
from midge.graph.ops.rectifiers import Relu
from midge.graph.ops.reshape import Reshape

ORDER = (0, 2, 3, 1)
PLAIN = one_op(Relu(), (int8("x", 1, 5, 6, 3),), int8("y", 1, 5, 6, 3))


def with_layouts(**layouts: Any) -> Graph:
    return replace(PLAIN, layouts=layouts)


@pytest.mark.tiny
def test_layouts_are_a_part_of_the_graph() -> None:
    graph = verify(with_layouts(x=ORDER))
    assert graph == with_layouts(x=ORDER)
    assert graph != PLAIN
    assert graph != with_layouts(x=(0, 3, 1, 2))
    assert hash(graph) == hash(with_layouts(x=ORDER))
    assert with_layouts(x=ORDER, y=ORDER) == with_layouts(y=ORDER, x=ORDER)


def test_layouts_cannot_be_changed_in_place() -> None:
    given = {"x": ORDER}
    graph = replace(PLAIN, layouts=given)
    given.clear()
    assert graph.layouts == {"x": ORDER}
    with pytest.raises(TypeError):
        graph.layouts["y"] = ORDER  # type: ignore[index]


def test_with_ops_keeps_layouts() -> None:
    graph = with_layouts(x=ORDER)
    other = Op("r", Reshape(shape=(1, 5, 6, 3)), ("x",), ("y",))
    assert graph.with_ops([other]).layouts == {"x": ORDER}


def test_the_source_shape_is_that_of_the_array_before_it_is_transposed() -> None:
    graph = with_layouts(x=ORDER)
    source = np.zeros(graph.source_shape("x"))
    assert source.shape == (1, 3, 5, 6)
    assert source.transpose(graph.layouts["x"]).shape == graph.tensors["x"].shape
    assert graph.source_shape("y") == (1, 5, 6, 3)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"z": ORDER}, "g: layout of 'z', which is neither input nor output"),
    ({"x": (0, 1, 2)}, "g: layout of 'x' is (0, 1, 2); expected a tuple with each of its 4 dim"),
    ({"x": (0, 1, 2, 2)}, "g: layout of 'x' is (0, 1, 2, 2); expected"),
    ({"x": (1, 2, 3, 4)}, "g: layout of 'x' is (1, 2, 3, 4); expected"),
    ({"x": (-1, 0, 1, 2)}, "g: layout of 'x' is (-1, 0, 1, 2); expected"),
    ({"x": [0, 2, 3, 1]}, "g: layout of 'x' is [0, 2, 3, 1]; expected a tuple"),
    ({"x": (False, 2, 3, 1)}, "g: layout of 'x' is (False, 2, 3, 1); expected"),
    ({"x": None}, "g: layout of 'x' is None; expected"),
]


@pytest.mark.parametrize(("layouts", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_a_layout_is_a_permutation(layouts: dict[str, Any], message: str) -> None:
    with refuses(message):
        verify(with_layouts(**layouts))


def test_a_layout_of_an_inner_tensor_is_refused() -> None:
    graph = one_op(Relu(), (int8("x", 1, 5, 6, 3),), int8("h", 1, 5, 6, 3))
    longer = graph.with_ops(
        [*graph.ops, Op("again", Relu(), ("h",), ("y",))],
        {**graph.tensors, "y": int8("y", 1, 5, 6, 3)},
    )
    longer = replace(longer, outputs=("y",))
    assert verify(replace(longer, layouts={"y": ORDER}))
    with refuses("g: layout of 'h', which is neither input nor output"):
        verify(replace(longer, layouts={"h": ORDER}))


@pytest.mark.tiny
def test_the_text_form_says_layouts_where_there_are_some() -> None:
    assert "layout" not in format_graph(PLAIN)
    graph = with_layouts(y=(0, 3, 1, 2), x=ORDER)
    text = format_graph(graph)
    assert "outputs %1\nlayout %0 [0, 2, 3, 1]\nlayout %1 [0, 3, 1, 2]\nop " in text
    assert parse_graph(text) == graph
    assert format_graph(with_layouts(x=ORDER, y=(0, 3, 1, 2))) == text


TEXT = format_graph(with_layouts(x=ORDER))
SPOILED = [
    ("layout %0", "layout %9", "line 7, column 8: found '%9', expected a tensor that a line above"),
    ("layout %0", "layout x", "line 7, column 8: found 'x', expected a tensor such as %0"),
    ("layout %0 [", "layout %0 ", "line 7, column 11: found '0', expected '['"),
    ("3, 1]\n", "3, 1] 5\n", "line 7, column 24: found '5', expected the end of the line"),
    ("[0, 2, 3, 1]\n", "[0, 2, x]\n", "line 7, column 18: found 'x', expected a whole number"),
    ("[0, 2, 3, 1]\n", "[1, 1, 1, 1, 1, 1, 1, 1, 1]\n", "expected at most 8 numbers"),
    (
        "layout %0 [0, 2, 3, 1]\n",
        2 * "layout %0 [0, 2, 3, 1]\n",
        "line 8, column 8: found '%0', expected a tensor that has no layout yet",
    ),
    ("end\n", "layout %1 [0]\nend\n", "line 9, column 1: found 'layout', expected 'op' or 'end'"),
]


@pytest.mark.parametrize(("old", "new", "message"), SPOILED, ids=[m for *_, m in SPOILED])
def test_what_is_said_of_a_spoiled_layout(old: str, new: str, message: str) -> None:
    spoiled = TEXT.replace(old, new, 1)
    assert spoiled != TEXT
    with refuses(message):
        parse_graph(spoiled)


def test_a_layout_of_what_is_no_tensor_has_no_text() -> None:
    with refuses("g: 'z' is named but is not a tensor of the graph"):
        format_graph(with_layouts(z=ORDER))


def test_people_read_the_shape_that_the_source_has() -> None:
    assert "in the source" not in format_graph(PLAIN, full=False)
    assert "in the source 1×3×5×6" in format_graph(with_layouts(x=ORDER), full=False)


def test_what_only_the_first_end_has_is_shown() -> None:
    graph = one_op(Less(), (int8("a", 2), int8("b", 2)), plain("y", 2, dtype=DType.BOOL))
    first, second, last = format_graph(graph, full=False).splitlines()[2:5]
    assert first == second.replace("b", "a")
    assert "scale 0.5  zero point 0" in first
    assert last == "output  y  bool 2"
