"""`units.h`: rows of bytes at odd addresses, long enough for words, copied on emulated cores."""

from __future__ import annotations

import numpy as np
import pytest

import midge
from midge.graph import DType, Quantization, Tensor, verify
from midge.graph.ops.gather import Gather
from midge.importers.graph_builder import GraphBuilder

FILE = "units.h"
"""The kernel, whose mutants this test judges."""
ROWS, ROW_BYTES = 5, 15
CHOSEN = np.array([3, 0, 4, 4, 1], np.int32)


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4", "rv32imc"])
def test_rows_of_bytes(core: str) -> None:
    builder = GraphBuilder()
    codes = Quantization.per_tensor(0.5, 3)
    x = builder.add(Tensor("x", (ROWS, ROW_BYTES), DType.INT8, codes))
    y = builder.one("y", Gather(axis=0), [x, builder.constant("i", CHOSEN)], quantization=codes)
    graph = verify(builder.graph("net", [x], [y]))
    values = np.random.default_rng(0).integers(-128, 128, x.shape).astype(np.int8)
    found = midge.compile(graph, target=core).run({"x": values}).outputs["y"]
    assert np.array_equal(found, values[CHOSEN])
