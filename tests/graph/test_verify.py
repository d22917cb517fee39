"""Every message of `verify` that is not an operator's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graph_builders import int8, one_op, per_channel, per_tensor, plain, refuses

from midge.graph import DType, Graph, Op, Quantization, Tensor, verify
from midge.graph.ops.add import Add
from midge.graph.ops.reshape import Reshape
from midge.graph.verify import LARGEST_TENSOR_BYTES

GRAPH = one_op(Add(), (int8("a", 2, 3), int8("b", 3)), int8("y", 2, 3))
ADD = GRAPH.ops[0]


def with_tensor(tensor: Tensor, name: str | None = None) -> Graph:
    return replace(GRAPH, tensors={**GRAPH.tensors, name or tensor.name: tensor})


@pytest.mark.tiny
def test_a_sound_graph_is_given_back() -> None:
    assert verify(GRAPH) is GRAPH
    assert verify(replace(GRAPH, digest="0123456789abcdef" * 4))


WRONG = [
    (replace(GRAPH, name="2nd"), "graph name '2nd' is not a C identifier"),
    (replace(GRAPH, name="a-b"), "graph name 'a-b' is not a C identifier"),
    (replace(GRAPH, name="a\n"), r"graph name 'a\n' is not a C identifier"),
    (replace(GRAPH, name="naïve"), "graph name 'naïve' is not a C identifier"),
    (replace(GRAPH, name=""), "graph name '' is not a C identifier"),
    (replace(GRAPH, digest="abc"), "g: digest 'abc' is not SHA-256 in 64 hexadecimal digits"),
    (replace(GRAPH, digest="A" * 64), "is not SHA-256 in 64 hexadecimal digits"),
    (with_tensor(int8("", 3)), "g: tensor '': has an empty name"),
    (with_tensor(int8("\ud800", 3)), r"g: tensor '\ud800': its name is not Unicode text"),
    (replace(GRAPH, ops=(replace(ADD, name=""),)), "g: op '' (add): has an empty name"),
    (
        replace(GRAPH, ops=(replace(ADD, name="a\udfffb"),)),
        r"g: op 'a\udfffb' (add): its name is not Unicode text",
    ),
    (with_tensor(int8("c", 3), "d"), "tensor 'd': is filed under another name than its own, 'c'"),
    (with_tensor(int8("c", *[1] * 9)), "tensor 'c': has 9 dimensions; up to 8 are supported"),
    (with_tensor(int8("c", 2, 0)), "tensor 'c': shape [2, 0] has a dimension under 1"),
    (with_tensor(int8("c", -2, -3)), "tensor 'c': shape [-2, -3] has a dimension under 1"),
    (
        with_tensor(plain("c", 2**14, 2**12, 2, dtype=DType.INT32)),
        f"tensor 'c': {2**29} bytes; at most {LARGEST_TENSOR_BYTES} are supported",
    ),
    (
        with_tensor(Tensor("c", (2, 3), DType.INT8, per_channel([1, 1, 1], 2))),
        "tensor 'c': quantised along dimension 2 of shape [2, 3]",
    ),
    (
        with_tensor(Tensor("c", (2, 3), DType.INT8, per_channel([1, 1, 1], -1))),
        "tensor 'c': quantised along dimension -1 of shape [2, 3]",
    ),
    (
        with_tensor(
            Tensor("c", (1,), DType.INT8, Quantization(np.ones(1), np.zeros(1, np.int64)))  # type: ignore[arg-type]
        ),
        "scales are float64[1] and zero points int64[1]; expected float32[n] and int64[n]",
    ),
    (
        with_tensor(
            Tensor(
                *("c", (1,), DType.INT8),
                Quantization(np.ones((1, 1), np.float32), np.zeros(1, np.int32)),  # type: ignore[arg-type]
            )
        ),
        "tensor 'c': scales are float32[1, 1] and zero points int32[1]",
    ),
    (
        with_tensor(Tensor("c", (2,), DType.INT8, per_tensor(), np.zeros(3, np.int8))),
        "tensor 'c': holds int8[3], declared int8[2]",
    ),
    (
        with_tensor(Tensor("c", (2,), DType.INT32, None, np.zeros(2, np.int8))),
        "tensor 'c': holds int8[2], declared int32[2]",
    ),
    (replace(GRAPH, inputs=()), "g: has no inputs"),
    (replace(GRAPH, outputs=()), "g: has no outputs"),
    (replace(GRAPH, inputs=("a", "z")), "g: input 'z' is not a tensor of the graph"),
    (replace(GRAPH, outputs=("z",)), "g: output 'z' is not a tensor of the graph"),
    (replace(GRAPH, inputs=("a", "b", "a")), "g: an input is listed twice: ['a', 'b', 'a']"),
    (with_tensor(int8("b", 3, data=1)), "g: input 'b' is a constant"),
    (
        replace(with_tensor(int8("c", 3)), outputs=("c",)),
        "g: output 'c' is never computed",
    ),
    (
        replace(GRAPH, ops=(replace(ADD, inputs=("a", "z")),)),
        "g: op 'the_add' (add): input 'z' is not a tensor of the graph",
    ),
    (
        replace(GRAPH, ops=(replace(ADD, outputs=("z",)),)),
        "g: op 'the_add' (add): output 'z' is not a tensor of the graph",
    ),
    (
        replace(GRAPH, ops=(replace(ADD, outputs=("",)),)),
        "g: op 'the_add' (add): output '' is not a tensor of the graph",
    ),
    (
        replace(GRAPH, inputs=("a",)),
        "g: op 'the_add' (add): reads 'b' before anything writes it",
    ),
    (
        replace(GRAPH, ops=(replace(ADD, outputs=("a",)),)),
        "g: op 'the_add' (add): writes 'a', which is written already",
    ),
    (
        replace(GRAPH, ops=(ADD, replace(ADD, name="again"))),
        "g: op 'again' (add): writes 'y', which is written already",
    ),
    (
        replace(with_tensor(int8("y2", 2, 3)), ops=(ADD, replace(ADD, outputs=("y2",)))),
        "g: op 'the_add' (add): another op has this name",
    ),
    (
        replace(with_tensor(int8("y2", 2, 3)), ops=(replace(ADD, outputs=("y", "y2")),)),
        "g: op 'the_add' (add): has 2 outputs; expected 1",
    ),
    (
        replace(GRAPH, ops=(replace(ADD, outputs=()),)),
        "g: op 'the_add' (add): has 0 outputs; expected 1",
    ),
    (
        with_tensor(int8("y", 3, 2)),
        "g: op 'the_add' (add): y is int8[3, 2]; the operator gives int8[2, 3]",
    ),
    (
        with_tensor(plain("y", 2, 3, dtype=DType.INT16)),
        "g: op 'the_add' (add): y is int16[2, 3]; the operator gives int8[2, 3]",
    ),
    (
        one_op(Add(), (int8("a", 2**15, 1), int8("b", 2**15)), int8("y", 2)),
        f"g: op 'the_add' (add): y would have shape [32768, 32768], over {2**28} elements",
    ),
]


@pytest.mark.tiny
@pytest.mark.parametrize(("graph", "message"), WRONG, ids=[m[:60] for _, m in WRONG])
def test_message(graph: Graph, message: str) -> None:
    with refuses(message):
        verify(graph)


def test_a_later_operator_may_not_be_read_from() -> None:
    tensors = {t.name: t for t in (int8("x", 6), int8("h", 2, 3), int8("y", 3, 2))}
    first = Op("first", Reshape(shape=(2, 3)), ("x",), ("h",))
    second = Op("second", Reshape(shape=(3, 2)), ("h",), ("y",))
    verify(Graph("g", tensors, (first, second), ("x",), ("y",)))
    with refuses("g: op 'second' (reshape): reads 'h' before anything writes it"):
        verify(Graph("g", tensors, (second, first), ("x",), ("y",)))


def test_an_unused_tensor_and_an_unused_input_are_allowed() -> None:
    graph = with_tensor(int8("c", 3))
    verify(replace(graph, inputs=("a", "b", "c")))
    verify(graph)
