"""Variables: what they are to verify, interpreter and text, and their two operators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graph_builders import int8, per_channel, per_tensor, plain, refuses

from midge.graph import (
    Array,
    DType,
    Graph,
    Op,
    Tensor,
    format_graph,
    initial_state,
    interpret,
    parse_graph,
    state_after,
    verify,
)
from midge.graph.ops.add import Add
from midge.graph.ops.variable import AssignVariable, ReadVariable

X, SUM, OLD = int8("x", 2), int8("sum", 2), int8("old", 2)
V = replace(int8("v", 2, data=[3, -4]), variable=True)
READ = Op("read", ReadVariable(), ("v",), ("old",))
ADD = Op("add", Add(), ("old", "x"), ("sum",))
ASSIGN = Op("assign", AssignVariable(), ("v", "sum"), ())


def graph_of(*ops: Op, v: Tensor = V) -> Graph:
    tensors = {t.name: t for t in (X, v, OLD, SUM)}
    return Graph("g", tensors, ops, ("x",), ("sum",))


TOTAL = graph_of(READ, ADD, ASSIGN)
"""What came in so far, added up."""


@pytest.mark.tiny
def test_a_variable_goes_from_run_to_run() -> None:
    verify(TOTAL)
    state = initial_state(TOTAL)
    totals = []
    for x in ([1, 1], [10, 0], [-4, 100]):
        values = interpret(TOTAL, {"x": np.array(x, np.int8)}, state)
        assert set(values) == {"x", "old", "sum", "v"}
        state = state_after(TOTAL, values)
        totals.append(values["sum"].tolist())
        assert state["v"].tolist() == totals[-1]
    assert totals == [[4, -3], [14, -3], [10, 97]]
    again = interpret(TOTAL, {"x": np.array([1, 1], np.int8)})
    assert again["sum"].tolist() == totals[0], "without a state a run starts from the first one"
    assert np.asarray(V.data).tolist() == [3, -4]


@pytest.mark.tiny
def test_readers_behind_an_assignment_see_the_new_value() -> None:
    late = Op("late", ReadVariable(), ("v",), ("new",))
    graph = graph_of(READ, ADD, ASSIGN, late)
    graph = replace(graph, tensors={**graph.tensors, "new": int8("new", 2)}, outputs=("new",))
    values = interpret(verify(graph), {"x": np.array([1, 1], np.int8)})
    assert (values["old"].tolist(), values["new"].tolist()) == ([3, -4], [4, -3])


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "variable 'v' is missing; expected 'v'"),
        ({"v": np.zeros(3, np.int8)}, "variable 'v' is int8[3]; expected int8[2]"),
        ({"v": np.zeros(2, np.int16)}, "variable 'v' is int16[2]; expected int8[2]"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(state: dict[str, Array], message: str) -> None:
    with refuses(message):
        interpret(TOTAL, {"x": np.zeros(2, np.int8)}, state)


@pytest.mark.tiny
def test_what_a_variable_must_be() -> None:
    with refuses("g: tensor 'v': is a variable without a first value"):
        verify(graph_of(READ, ADD, ASSIGN, v=replace(V, data=None)))
    with refuses("g: tensor 'v': holds int8[3], declared int8[2]"):
        verify(graph_of(READ, ADD, ASSIGN, v=replace(V, data=np.zeros(3, np.int8))))
    with refuses("op 'read' (read_variable): v is not a variable"):
        verify(graph_of(READ, ADD, v=replace(V, variable=False)))
    with refuses("op 'assign' (assign_variable): rewrites input 0, 'v', which is not a variable"):
        twice = Op("add", Add(), ("x", "x"), ("sum",))
        verify(graph_of(twice, ASSIGN, v=replace(V, variable=False)))
    with refuses("g: output 'v' is a variable; read it by an operator"):
        verify(replace(TOTAL, outputs=("v",)))
    with refuses("g: input 'v' is a variable"):
        verify(replace(TOTAL, inputs=("x", "v")))
    with refuses("op 'make' (add): writes 'v', which is written already"):
        verify(graph_of(Op("make", Add(), ("x", "x"), ("v",)), READ, ADD))
    with refuses("g: tensor 'v': is int4 and not a constant; supported: int4 weights"):
        verify(graph_of(READ, ADD, ASSIGN, v=replace(V, dtype=DType.INT4)))
    wide = replace(V, quantization=per_channel([1, 2], 0))
    with refuses("op 'add' (add): v is quantised per channel; supported here: per tensor"):
        verify(graph_of(Op("add", Add(), ("v", "x"), ("sum",)), v=wide))


@pytest.mark.tiny
def test_all_variables_together_are_of_a_size_that_somebody_has() -> None:
    huge = np.broadcast_to(np.int8(0), (1 << 27,))
    more = {
        n: Tensor(n, huge.shape, DType.INT8, None, huge, variable=True) for n in ("a", "b", "c")
    }
    ops = [Op(f"set_{n}", AssignVariable(), (n, n), ()) for n in more]
    with refuses("g: its 4 variables take 402653186 bytes; at most 268435456 are supported"):
        verify(replace(graph_of(READ, ADD, *ops), tensors={**TOTAL.tensors, **more}))


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (int8("sum", 3), "sum is int8[3]; the variable v is int8[2]"),
        (plain("sum", 2, dtype=DType.INT16), "sum is int16[2]; the variable v is int8[2]"),
        (plain("sum", 2), "sum is int8 without quantisation parameters"),
        (
            int8("sum", 2, zero_point=1),
            "v has scale 0.5 and zero point 0, sum 0.5 and 1; this operator does not rescale",
        ),
    ],
)
def test_only_the_like_is_assigned(value: Tensor, message: str) -> None:
    graph = Graph("g", {"v": V, "sum": value, "x": X}, (ASSIGN,), ("x", "sum"), ("x",))
    with refuses(f"g: op 'assign' (assign_variable): {message}"):
        verify(graph)


@pytest.mark.tiny
def test_what_is_read_is_of_the_variables_type_and_numbers() -> None:
    for y, message in (
        (int8("old", 1, 2), "old is int8[1, 2]; the operator gives int8[2]"),
        (int8("old", 2, scale=0.25), "v has scale 0.5 and zero point 0, old 0.25 and 0"),
    ):
        graph = Graph("g", {"v": V, "old": y, "x": X}, (READ,), ("x",), ("old",))
        with refuses(message):
            verify(graph)
    for dtype in ReadVariable.types:
        v = Tensor("v", (2,), dtype, None, np.ones(2, dtype.numpy), variable=True)
        y = Tensor("old", (2,), dtype)
        graph = verify(Graph("g", {"v": v, "old": y, "x": X}, (READ,), ("x",), ("old",)))
        assert interpret(graph, {"x": np.zeros(2, np.int8)})["old"].dtype == dtype.numpy


def large(count: int) -> Graph:
    """A variable too large to be written out."""
    data = np.arange(count, dtype=np.int8)
    v = Tensor("v", (count,), DType.INT8, per_tensor(), data, variable=True)
    x = int8("x", count)
    ops = (Op("assign", AssignVariable(), ("v", "x"), ()),)
    return Graph("g", {"x": x, "v": v}, ops, ("x",), ("x",))


@pytest.mark.tiny
def test_variables_go_through_the_text_form() -> None:
    for graph in (TOTAL, large(16), large(17)):
        text = format_graph(graph)
        assert " variable data=" in text
        constants = {n: t.data for n, t in graph.tensors.items() if t.data is not None}
        again = parse_graph(text, constants)
        assert again == graph
        assert format_graph(again) == text
        assert verify(again).variables == graph.variables
    line = format_graph(TOTAL).splitlines()[3]
    assert line == 'tensor %1 "v" int8[2] scale=0.5 zero_point=0 variable data=[3, -4]'
    cut = format_graph(TOTAL).replace(" variable data=[3, -4]", " variable")
    with refuses("g: tensor 'v': is a variable without a first value"):
        verify(parse_graph(cut))
    with refuses("constant 'v' is not among the 0 given ones"):
        parse_graph(format_graph(large(17)))


def test_a_long_name_of_a_variable_is_shortened_wherever_it_stands() -> None:
    name = "v" * 200_000
    tensors = {n: t for n, t in TOTAL.tensors.items() if n != "v"}
    ops = [
        replace(op, inputs=tuple(name if n == "v" else n for n in op.inputs)) for op in TOTAL.ops
    ]
    graph = replace(TOTAL, tensors={**tensors, name: replace(V, name=name)}, ops=tuple(ops))
    shown = format_graph(verify(graph), full=False)
    assert max(map(len, shown.splitlines())) <= 100
    assert "v…v" in shown


@pytest.mark.tiny
def test_a_table_for_people_lists_the_variables() -> None:
    shown = format_graph(TOTAL, full=False)
    assert "\nstate   v    int8 2  scale 0.5  zero point 0\n" in shown
    assert "assign (assign_variable)  v, 1" in shown
