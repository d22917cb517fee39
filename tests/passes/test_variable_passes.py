"""Passes over variables: reads forwarded, constants frozen, what nobody needs left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from midge.errors import InternalError
from midge.graph import (
    DType,
    Graph,
    Op,
    Quantization,
    Tensor,
    initial_state,
    interpret,
    outputs_of,
    state_after,
    verify,
)
from midge.graph.ops.add import Add
from midge.graph.ops.pad import Pad
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.variable import AssignVariable, ReadVariable
from midge.passes import run_passes
from midge.passes.forward_variable_reads import forward_variable_reads
from midge.passes.freeze_variables import freeze_variables
from midge.passes.fuse_pad import fuse_pad
from midge.passes.pipeline import PIPELINE, Pass
from midge.passes.remove_dead_ops import remove_dead_ops
from midge.synthetic.streaming_models import lstm_model, streaming_keyword_model
from support.networks import INPUT, conv, imported, network

CODES = Quantization.per_tensor(0.5, 0)


def int8(name: str, *shape: int) -> Tensor:
    return Tensor(name, shape, DType.INT8, CODES)


def variable(name: str, *shape: int) -> Tensor:
    first = np.arange(np.prod(shape), dtype=np.int8).reshape(shape)
    return replace(int8(name, *shape), data=first, variable=True)


def read(v: str, y: str) -> Op:
    return Op(f"read_{y}", ReadVariable(), (v,), (y,))


def assign(v: str, x: str) -> Op:
    return Op(f"assign_{v}_{x}", AssignVariable(), (v, x), ())


def add(a: str, b: str, y: str) -> Op:
    return Op(f"add_{y}", Add(), (a, b), (y,))


def graph_of(ops: list[Op], outputs: str = "y", **more: Tensor) -> Graph:
    """Over x and y of 4 elements, variables v and w, and everything else that operators make."""
    tensors = {"x": int8("x", 4), "v": variable("v", 4), "w": variable("w", 4), **more}
    tensors |= {n: int8(n, 4) for op in ops for n in op.outputs if n not in tensors}
    graph = Graph("g", {}, (), ("x",), tuple(outputs.split()))
    return verify(graph.with_ops(ops, tensors))


def assert_same_stream(before: Graph, after: Graph, steps: int = 5) -> None:
    """The same outputs and the same state, step by step, as far as both have it."""
    rng = np.random.default_rng(0)
    states = [initial_state(before), initial_state(after)]
    for _ in range(steps):
        sample = {
            n: rng.integers(-128, 128, before.tensors[n].shape).astype(np.int8)
            for n in before.inputs
        }
        results = [
            interpret(graph, sample, state)
            for graph, state in zip((before, after), states, strict=True)
        ]
        states = [state_after(g, r) for g, r in zip((before, after), results, strict=True)]
        expected, found = (outputs_of(g, r) for g, r in zip((before, after), results, strict=True))
        assert all(np.array_equal(found[n], expected[n]) for n in expected)
        assert all(np.array_equal(states[1][n], states[0][n]) for n in states[1])


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


@pytest.mark.tiny
def test_readers_in_front_of_the_next_assignment_read_the_variable() -> None:
    graph = graph_of([read("v", "a"), add("a", "x", "y"), assign("v", "y")])
    after = forward_variable_reads(graph)
    assert [(op.name, op.inputs) for op in after.ops] == [
        ("add_y", ("v", "x")),
        ("assign_v_y", ("v", "y")),
    ]
    assert "a" not in after.tensors
    assert verify(after) is after
    assert_same_stream(graph, after)
    assert forward_variable_reads(after) is after


@pytest.mark.tiny
def test_each_read_up_to_its_own_assignment() -> None:
    ops = [
        *(read("v", "a"), add("a", "a", "b"), assign("v", "x")),
        *(read("v", "c"), add("b", "c", "y"), assign("w", "c"), assign("v", "y")),
        *(read("w", "d"), add("d", "x", "z")),
    ]
    graph = graph_of(ops, "y z")
    after = forward_variable_reads(graph)
    assert [op.inputs for op in after.ops] == [
        *(("v", "v"), ("v", "x"), ("b", "v"), ("w", "v"), ("v", "y"), ("w", "x")),
    ]
    assert_same_stream(graph, after)


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("ops", "outputs"),
    [
        # A reader behind the assignment needs the old value.
        ([read("v", "a"), assign("v", "x"), add("a", "x", "y")], "y"),
        # So does one of two.
        ([read("v", "a"), add("a", "x", "b"), assign("v", "b"), add("a", "b", "y")], "y"),
        # A variable cannot be an output.
        ([read("v", "y"), assign("v", "x")], "y"),
        # What is read is what is assigned.
        ([read("v", "a"), add("a", "x", "y"), assign("v", "a")], "y"),
        # A reshape has its input's bytes, which are not in the arena.
        (
            [
                *(read("v", "a"), Op("flat", Reshape(shape=(2, 2)), ("a",), ("f",))),
                *(Op("back", Reshape(shape=(4,)), ("f",), ("b",)), add("b", "x", "y")),
                assign("v", "y"),
            ],
            "y",
        ),
    ],
    ids=["behind", "one_of_two", "output", "itself", "reshape"],
)
def test_reads_that_stay(ops: list[Op], outputs: str) -> None:
    graph = graph_of(ops, outputs, f=int8("f", 2, 2))
    assert forward_variable_reads(graph) is graph
    run = run_passes(graph)
    assert "read_variable" in kinds(run)
    assert_same_stream(graph, run)


@pytest.mark.tiny
def test_a_read_that_nobody_reads_goes() -> None:
    graph = graph_of([read("v", "a"), add("x", "x", "y"), assign("v", "x"), read("v", "b")])
    assert kinds(forward_variable_reads(graph)) == ["add", "assign_variable"]
    assert kinds(run_passes(graph)) == ["add"], "and so does the assignment"


@pytest.mark.tiny
def test_a_variable_that_nothing_rewrites_is_a_constant() -> None:
    ops = [read("v", "a"), add("a", "w", "b"), add("b", "x", "c"), add("c", "a", "y")]
    graph = graph_of(ops)
    after = freeze_variables(graph)
    assert not after.variables
    assert kinds(after) == ["add", "add", "add"]
    assert after.tensors["w"].is_constant
    assert np.array_equal(np.asarray(after.tensors["a"].data), np.arange(4))
    assert verify(after) is after
    assert_same_stream(graph, after)
    assert freeze_variables(after) is after
    assert kinds(run_passes(graph)) == ["add", "add"], "what depends on constants alone is folded"


@pytest.mark.tiny
def test_a_frozen_variable_may_be_an_output_and_another_stays_one() -> None:
    graph = graph_of([read("v", "y"), read("w", "a"), add("a", "x", "z"), assign("w", "z")], "y z")
    after = run_passes(graph)
    assert [t.name for t in after.variables] == ["w"]
    assert after.tensors["y"].is_constant
    assert_same_stream(graph, after)


@pytest.mark.tiny
def test_what_no_output_depends_on_in_any_run_is_left_out() -> None:
    ops = [
        # w counts for itself alone; v goes into the output of the next run.
        *(read("w", "a"), add("a", "x", "b"), assign("w", "b")),
        *(read("v", "c"), add("c", "x", "y"), add("y", "x", "d"), assign("v", "d")),
    ]
    graph = graph_of(ops)
    after = remove_dead_ops(graph)
    assert [t.name for t in after.variables] == ["v"]
    assert kinds(after) == ["read_variable", "add", "add", "assign_variable"]
    assert remove_dead_ops(after) is after
    assert_same_stream(graph, after)
    # From one variable to the other to the output, each a run later.
    chained = graph_of([read("w", "a"), read("v", "y"), assign("v", "a"), assign("w", "x")])
    assert remove_dead_ops(chained) is chained
    assert_same_stream(chained, run_passes(chained))


@pytest.mark.tiny
def test_a_pad_of_a_variable_is_not_moved_behind_its_assignment() -> None:
    made = network("conv", lambda b: conv(b, b.input((1, 4, 4, 2), INPUT), 3))
    graph = imported(made)
    (layer,) = graph.ops
    x = graph.tensors[layer.inputs[0]]
    kept = replace(x, name="kept", data=np.full(x.shape, 9, np.int8), variable=True)
    border = replace(x, name="border", shape=(1, 6, 6, 2))
    ops = [
        Op("pad", Pad(before=(0, 1, 1, 0), after=(0, 1, 1, 0)), ("kept",), ("border",)),
        Op("assign", AssignVariable(), ("kept", x.name), ()),
        replace(layer, inputs=("border", *layer.inputs[1:])),
    ]
    y = replace(graph.tensors[layer.outputs[0]], shape=(1, 6, 6, 3))
    tensors = {**graph.tensors, "kept": kept, "border": border, y.name: y}
    stateful = verify(graph.with_ops(ops, tensors))
    assert fuse_pad(stateful) is stateful
    assert_same_stream(stateful, run_passes(stateful))


@pytest.mark.parametrize(
    "rewrite", [*dict.fromkeys(PIPELINE), run_passes], ids=lambda p: p.__name__
)
def test_streams_keep_every_bit(rewrite: Pass) -> None:
    for made in (streaming_keyword_model(1), lstm_model(1)):
        before = imported(made)
        after = rewrite(before)
        assert verify(after) is after
        if after is not before:
            assert_same_stream(before, after, steps=30)
            assert rewrite(after) is after


@pytest.mark.tiny
def test_the_keyword_model_reads_its_buffers_in_place() -> None:
    before, after = (
        imported(streaming_keyword_model()),
        run_passes(imported(streaming_keyword_model())),
    )
    assert kinds(before).count("read_variable") == 4
    assert "read_variable" not in kinds(after)
    assert len(after.variables) == len(before.variables) == 5


@pytest.mark.tiny
def test_a_pass_that_loses_a_variable_is_named() -> None:
    def forget(graph: Graph) -> Graph:
        first = {n: replace(t, data=None) if t.variable else t for n, t in graph.tensors.items()}
        return replace(graph, tensors=first)

    graph = graph_of([read("v", "a"), add("a", "x", "y"), assign("v", "y")])
    with pytest.raises(InternalError, match=r"pass forget .*'v': is a variable without a first"):
        run_passes(graph, (forget,))
