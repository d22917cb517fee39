"""`lstm_f32.h` in gates whose two sums are as great as floats get, and nearly cancel."""

from __future__ import annotations

import numpy as np

from midge.graph import DType, verify
from midge.graph.ops.lstm import Lstm
from midge.importers.graph_builder import GraphBuilder
from support.state_on_host import Stream, on_host

FILE = "lstm_f32.h"
"""The kernel, whose mutants this test judges."""
UNITS = 24


def test_sums_near_the_greatest_numbers() -> None:
    # From the second step on the hidden state, about 0.76, brings the other sum down to -2.6e38.
    rng = np.random.default_rng(0)
    builder = GraphBuilder()
    x = builder.input("x", (1, 4, 1), DType.FLOAT32)
    weights = [
        builder.constant(name, values.astype(np.float32))
        for name, values in (
            *((f"w{g}", rng.uniform(1.5e38, 3.4e38, (UNITS, 1))) for g in "ifgo"),
            *((f"r{g}", np.diag(rng.uniform(-3.4e38, -3e38, UNITS))) for g in "ifgo"),
            *((f"b{g}", np.zeros(UNITS)) for g in "ifgo"),
        )
    ]
    states = [builder.variable(name, np.zeros((1, UNITS), np.float32), None) for name in "hc"]
    y = builder.one("y", Lstm(), [x, *weights, *states])
    graph = verify(builder.graph("net", [x], [y]))
    machine = on_host(graph)
    arena, state, stream = machine.new_arena(), machine.new_state(), Stream(graph)
    machine.init(arena.address, state.address)
    for sign in (1, -1):
        sample = {"x": np.full(x.shape, sign, np.float32)}
        (found,), (expected,) = machine.infer(arena, state, sample), stream.next(sample)
        assert found.tobytes() == expected.tobytes(), (found, expected)
