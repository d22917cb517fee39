"""Running a graph: what comes out, and what is said when the inputs do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from graph_builders import int8, int32, one_op, refuses

from midge.errors import InternalError
from midge.graph import (
    Array,
    Attributes,
    DType,
    Graph,
    Op,
    Tensor,
    TensorType,
    interpret,
    outputs_of,
    verify,
)
from midge.graph.ops.add import Add
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.reshape import Reshape

SUM = one_op(Add(), (int8("a", 2), int8("b", 2)), int8("y", 2))
A, B = np.array([1, 2], np.int8), np.array([3, 4], np.int8)


@pytest.mark.tiny
def test_every_computed_tensor_is_kept_and_no_constant() -> None:
    x, w, b = int8("x", 1, 2), int8("w", 3, 2, data=1), int32("b", [0, 10, 20])
    hidden, y = int8("hidden", 1, 3), int8("y", 3)
    layer = one_op(FullyConnected(), (x, w, b), hidden)
    graph = verify(
        Graph(
            "g",
            {t.name: t for t in (x, w, b, hidden, y)},
            (*layer.ops, Op("flat", Reshape(shape=(3,)), ("hidden",), ("y",))),
            ("x",),
            ("y",),
        )
    )
    values = interpret(graph, {"x": np.array([[4, 5]], np.int8)})
    assert set(values) == {"x", "hidden", "y"}
    assert values["hidden"].tolist() == [[5, 10, 15]]  # (9 + bias) * 0.5, halves away from zero
    assert values["y"].tolist() == [5, 10, 15]
    assert outputs_of(graph, values)["y"].tolist() == [5, 10, 15]


def test_an_input_or_a_constant_may_be_an_output() -> None:
    constant = int8("c", 2, data=[7, 8])
    tensors = {**SUM.tensors, "c": constant}
    graph = verify(replace(SUM, tensors=tensors, outputs=("a", "c", "y")))
    outputs = outputs_of(graph, interpret(graph, {"a": A, "b": B}))
    assert [outputs[n].tolist() for n in ("a", "c", "y")] == [[1, 2], [7, 8], [4, 6]]


def test_a_missing_input_is_named() -> None:
    with refuses("input 'b' is missing; expected 'a', 'b'"):
        interpret(SUM, {"a": A})


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.zeros((1, 2), np.int8), "int8[1, 2]"),
        (np.zeros(2, np.uint8), "uint8[2]"),
        (np.zeros(2, np.float32), "float32[2]"),
        (np.int8(3), "int8[]"),
    ],
)
def test_an_input_of_another_type_is_refused(value: Array, found: str) -> None:
    with refuses(f"input 'b' is {found}; expected int8[2]"):
        interpret(SUM, {"a": A, "b": value})


@dataclass(frozen=True, kw_only=True)
class Liar(Attributes):
    """Declares one type and gives another."""

    kind = "liar"

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:  # noqa: ARG002
        return (TensorType((2,), DType.INT8),)

    def evaluate(
        self,
        values: Sequence[Array | None],  # noqa: ARG002
        inputs: Sequence[Tensor | None],  # noqa: ARG002
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> tuple[Array, ...]:
        return (np.zeros(3, np.int16),)


def test_an_operator_that_breaks_its_own_rule_is_a_defect() -> None:
    graph = verify(one_op(Liar(), (int8("x", 2),), int8("y", 2)))
    with pytest.raises(InternalError, match=r"the_liar \(liar\) gave int16\[3\] for y, which is"):
        interpret(graph, {"x": A})
