"""`copy_strided.h` over eight dimensions that do not merge; TFLite Micro's operators stop at five."""

from __future__ import annotations

import numpy as np
import pytest

from midge.graph import Attributes, DType, Graph, Op, Tensor, interpret, outputs_of
from midge.graph.ops.broadcast_to import BroadcastTo
from midge.graph.ops.transpose import Transpose
from support.host_network import run_on_host

FILE = "copy_strided.h"
"""The kernel, whose mutants these tests judge."""
EXTENTS = (2, 3, 4, 2, 3, 2, 3, 2)
MOVES: dict[str, tuple[tuple[int, ...], Attributes]] = {
    "even": (tuple(n if d % 2 == 0 else 1 for d, n in enumerate(EXTENTS)), BroadcastTo(shape=EXTENTS)),
    "odd": (tuple(n if d % 2 == 1 else 1 for d, n in enumerate(EXTENTS)), BroadcastTo(shape=EXTENTS)),
    "reversed": (EXTENTS, Transpose(permutation=(7, 6, 5, 4, 3, 2, 1, 0))),
    "shuffled": (EXTENTS, Transpose(permutation=(5, 2, 7, 0, 3, 6, 1, 4))),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16, DType.FLOAT32])
@pytest.mark.parametrize("name", MOVES)
def test_every_dimension_is_walked(name: str, dtype: DType) -> None:
    shape, attributes = MOVES[name]
    x = Tensor("x", shape, dtype)
    (moved,) = attributes.infer([x])
    y = Tensor("y", moved.shape, dtype)
    graph = Graph("net", {"x": x, "y": y}, (Op("00", attributes, ("x",), ("y",)),), ("x",), ("y",))
    sample = {"x": np.arange(np.prod(shape)).reshape(shape).astype(dtype.numpy)}
    expected = outputs_of(graph, interpret(graph, sample))["y"]
    np.testing.assert_array_equal(run_on_host(graph, sample)["y"], expected)
