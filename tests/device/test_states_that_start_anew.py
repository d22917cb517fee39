"""Recurrent layers of floats whose runs start from zeros: a small number in their place shows."""

from __future__ import annotations

import numpy as np
import pytest

from midge.graph import Attributes, DType, verify
from midge.graph.ops.gru import Gru
from midge.graph.ops.lstm import Lstm
from midge.importers.graph_builder import GraphBuilder
from support.state_on_host import Stream, on_host

FILES = ("gru_f32.h", "lstm_f32.h")
"""The kernels, whose mutants this test judges."""
BATCH, STEPS, FEATURES, UNITS = 3, 2, 4, 5


@pytest.mark.parametrize("operator", [Gru(stateful=False), Lstm(stateful=False)])
def test_nothing_comes_of_nothing(operator: Attributes) -> None:
    # Without a bias zeros stay zeros, and the least other number is one.
    rng = np.random.default_rng(0)
    builder = GraphBuilder()
    x = builder.input("x", (BATCH, STEPS, FEATURES), DType.FLOAT32)
    is_lstm = isinstance(operator, Lstm)

    def weights(count: int) -> list[np.ndarray]:
        shape = (UNITS, count) if is_lstm else (3 * UNITS, count)
        return [rng.normal(0, 1, shape).astype(np.float32) for _ in range(4 if is_lstm else 1)]

    operands = [
        builder.constant("w", values) for count in (FEATURES, UNITS) for values in weights(count)
    ]
    if is_lstm:
        operands += [builder.constant("b", np.zeros(UNITS, np.float32)) for _ in range(4)]
        full = np.full((BATCH, UNITS), 7, np.float32)
        inputs = [x, *operands, *(builder.variable(n, full, None) for n in "hc")]
    else:
        inputs = [x, *operands, None, None, None]
    y = builder.one("y", operator, inputs)
    graph = verify(builder.graph("net", [x], [y]))
    machine = on_host(graph)
    arena, state, stream = machine.new_arena(), machine.new_state(), Stream(graph)
    machine.init(arena.address, state.address)
    for values in (rng.normal(0, 1, x.shape), np.zeros(x.shape)):
        sample = {"x": values.astype(np.float32)}
        (found,), (expected,) = machine.infer(arena, state, sample), stream.next(sample)
        assert found.tobytes() == expected.tobytes(), (found, expected)
    assert not found.any()
