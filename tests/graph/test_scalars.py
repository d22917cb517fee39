"""Operators on scalars: whatever verify accepts is computed, and keeps its shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from midge.driver.samples import random_sample
from midge.errors import UserError
from midge.graph import Graph, Op, Tensor, interpret, verify
from support.networks import every_single_op, imported


def as_scalar(tensor: Tensor) -> Tensor:
    data = None if tensor.data is None else np.asarray(tensor.data).reshape(-1)[0].reshape(())
    return replace(tensor, shape=(), data=data)


def scalar_graphs() -> dict[str, Graph]:
    """The first case of each operator and type that still means something on scalars."""
    found: dict[str, Graph] = {}
    for made in every_single_op():
        graph = imported(made)
        if len(graph.ops) != 1:
            continue
        op: Op = graph.ops[0]
        first = graph.op_inputs(op)[0]
        assert first is not None
        name = f"{op.kind}-{first.dtype.value}"
        tensors = {n: as_scalar(t) for n, t in graph.tensors.items()}
        if name in found or any(t.dtype.size_bits == 4 for t in tensors.values()):
            continue
        try:
            found[name] = verify(replace(graph, tensors=tensors))
        except UserError:
            continue
    return found


def test_a_scalar_stays_one() -> None:
    graphs = scalar_graphs()
    for name, graph in graphs.items():
        values = interpret(graph, random_sample(graph))
        assert all(values[output].shape == () for output in graph.outputs), name
    kinds = {name.partition("-")[0] for name in graphs}
    assert {"add", "sub", "mul", "abs", "neg", "relu", "quantize", "logistic", "less"} <= kinds
