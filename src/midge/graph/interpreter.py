"""The meaning of a graph: every operator in NumPy, every tensor kept.

What the emitted C computes on any core is by definition what `interpret` computes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from midge.errors import InternalError, UserError
from midge.graph.types import Array, Graph


def interpret(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Run a verified graph once.

    Args:
        graph: A graph that `verify` has accepted.
        inputs: An array of the declared shape and dtype for each of `graph.inputs`.

    Returns:
        Every tensor that is not a constant, by name.

    Raises:
        UserError: an input is missing, or of another shape or dtype.
    """
    values: dict[str, Array] = {}
    for name in graph.inputs:
        tensor = graph.tensors[name]
        if name not in inputs:
            raise UserError(
                f"input {name!r} is missing; expected {', '.join(map(repr, graph.inputs))}"
            )
        value = inputs[name]
        if value.shape != tensor.shape or value.dtype != tensor.dtype.numpy:
            raise UserError(
                f"input {name!r} is {value.dtype}{list(value.shape)}; "
                f"expected {tensor.dtype.value}{list(tensor.shape)}"
            )
        values[name] = value
    constants = {n: t.data for n, t in graph.tensors.items() if t.data is not None}
    for op in graph.ops:
        operands = [values.get(n, constants.get(n)) if n else None for n in op.inputs]
        outputs = graph.op_outputs(op)
        results = op.attributes.evaluate(operands, graph.op_inputs(op), outputs)
        for tensor, result in zip(outputs, results, strict=True):
            if result.shape != tensor.shape or result.dtype != tensor.dtype.numpy:
                raise InternalError(
                    f"{op.name} ({op.kind}) gave {result.dtype}{list(result.shape)} for "
                    f"{tensor.name}, which is {tensor.dtype.value}{list(tensor.shape)}"
                )
            values[tensor.name] = result
    return values


def outputs_of(graph: Graph, values: Mapping[str, Array]) -> dict[str, Array]:
    """The graph's outputs among `values`; a constant or an input may be one."""
    return {
        name: np.asarray(values[name] if name in values else graph.tensors[name].data)
        for name in graph.outputs
    }
