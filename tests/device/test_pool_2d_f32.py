"""`pool_2d_f32.h` in windows of the most negative numbers, under which its maximum starts."""

from __future__ import annotations

import numpy as np

from midge.driver.compare_layers import unequal_elements
from midge.graph import DType, Graph, Op, Tensor, interpret, outputs_of
from midge.graph.ops.max_pool_2d import MaxPool2D
from support.host_network import run_on_host

FILE = "pool_2d_f32.h"
"""The kernel, whose mutants this test judges."""


def test_maxima_of_the_most_negative_numbers() -> None:
    lowest = -np.finfo(np.float32).max
    values = np.array([lowest, -2e38, -np.inf, -3e38, -np.inf, -np.inf, lowest, -1.0], np.float32)
    x = Tensor("x", (1, 2, 4, 1), DType.FLOAT32)
    pool = MaxPool2D(kernel=(1, 2), stride=(1, 2))
    (result,) = pool.infer([x])
    y = Tensor("y", result.shape, result.dtype)
    graph = Graph("net", {"x": x, "y": y}, (Op("00", pool, ("x",), ("y",)),), ("x",), ("y",))
    sample = {"x": values.reshape(x.shape)}
    expected = outputs_of(graph, interpret(graph, sample))["y"]
    found = run_on_host(graph, sample)["y"]
    assert not unequal_elements(found, np.ascontiguousarray(expected)).any(), (found, expected)
