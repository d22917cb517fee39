"""One network for many beats at once: the interpreter's time goes into the number of its calls."""

from __future__ import annotations

from dataclasses import replace

from midge.errors import UserError
from midge.graph import Graph, Op, verify
from midge.graph.ops.reshape import Reshape


def batched(graph: Graph, size: int) -> Graph | None:
    """The graph with `size` in the place of the leading 1 of every computed tensor.

    Returns:
        None where an operator does not work on each row of its own, as `verify` finds from shapes.
    """
    computed = [tensor for tensor in graph.tensors.values() if not tensor.is_constant]
    if any(not tensor.shape or tensor.shape[0] != 1 for tensor in computed):
        return None
    tensors = {
        name: tensor if tensor.is_constant else replace(tensor, shape=(size, *tensor.shape[1:]))
        for name, tensor in graph.tensors.items()
    }
    try:
        wide = replace(graph, tensors=tensors)
        return verify(wide.with_ops([_widened(op, size) for op in graph.ops]))
    except UserError:
        return None


def _widened(op: Op, size: int) -> Op:
    if isinstance(op.attributes, Reshape):
        shape = (size, *op.attributes.shape[1:])
        return replace(op, attributes=replace(op.attributes, shape=shape))
    return op
