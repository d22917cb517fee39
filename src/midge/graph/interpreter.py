"""The meaning of a graph: every operator in NumPy, every tensor kept.

What the emitted C computes on any core is by definition what `interpret` computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from midge.errors import InternalError, UserError
from midge.graph.types import Array, Graph, Tensor

State = Mapping[str, Array]
"""The values of a graph's variables between two runs, by name."""


def initial_state(graph: Graph) -> dict[str, Array]:
    """The variables as ``<name>_init`` and ``<name>_reset`` set them."""
    return {t.name: np.asarray(t.data) for t in graph.variables}


def state_after(graph: Graph, values: Mapping[str, Array]) -> dict[str, Array]:
    """The state that the next run starts from, out of what `interpret` gave."""
    return {t.name: values[t.name] for t in graph.variables}


def interpret(
    graph: Graph, inputs: Mapping[str, Array], state: State | None = None
) -> dict[str, Array]:
    """Run a verified graph once.

    Args:
        graph: A graph that `verify` has accepted.
        inputs: An array of the declared shape and dtype for each of `graph.inputs`.
        state: The variables' values before the run; None takes their first ones.

    Returns:
        Every tensor that is not a constant, by name; variables as the run leaves them.

    Raises:
        UserError: an input or a variable is missing, or of another shape or dtype.
    """
    values = _taken("input", [graph.tensors[name] for name in graph.inputs], inputs)
    values |= _taken("variable", graph.variables, initial_state(graph) if state is None else state)
    constants = {n: t.data for n, t in graph.tensors.items() if t.is_constant}
    for op in graph.ops:
        operands = [values.get(n, constants.get(n)) if n else None for n in op.inputs]
        outputs = graph.op_outputs(op)
        results = op.attributes.evaluate(operands, graph.op_inputs(op), outputs)
        updated = tuple(graph.tensors[op.inputs[i]] for i in op.attributes.updates())
        for tensor, computed in zip((*outputs, *updated), results, strict=True):
            result = np.asarray(computed)
            if result.shape != tensor.shape or result.dtype != tensor.dtype.numpy:
                raise InternalError(
                    f"{op.name} ({op.kind}) gave {result.dtype}{list(result.shape)} for "
                    f"{tensor.name}, which is {tensor.dtype.value}{list(tensor.shape)}"
                )
            values[tensor.name] = result
    return values


def _taken(role: str, tensors: Sequence[Tensor], given: Mapping[str, Array]) -> dict[str, Array]:
    """The given arrays of these tensors, by name."""
    for tensor in tensors:
        if tensor.name not in given:
            expected = ", ".join(repr(t.name) for t in tensors)
            raise UserError(f"{role} {tensor.name!r} is missing; expected {expected}")
        value = given[tensor.name]
        if value.shape != tensor.shape or value.dtype != tensor.dtype.numpy:
            raise UserError(
                f"{role} {tensor.name!r} is {value.dtype}{list(value.shape)}; "
                f"expected {tensor.dtype.value}{list(tensor.shape)}"
            )
    return {tensor.name: given[tensor.name] for tensor in tensors}


def outputs_of(graph: Graph, values: Mapping[str, Array]) -> dict[str, Array]:
    """The graph's outputs among `values`; a constant or an input may be one."""
    return {
        name: np.asarray(values[name] if name in values else graph.tensors[name].data)
        for name in graph.outputs
    }
