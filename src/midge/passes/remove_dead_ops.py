"""remove_dead_ops: what no output depends on is left out."""

from __future__ import annotations

from midge.graph import Graph, Op


def remove_dead_ops(graph: Graph) -> Graph:
    """Keep the operators that an output of the graph needs, and the tensors that they name.

    Requires a verified graph; ensures that every operator has an output that something reads.
    """
    needed = set(graph.outputs)
    kept: list[Op] = []
    for op in reversed(graph.ops):
        if needed.intersection(op.outputs):
            kept.append(op)
            needed.update(op.inputs)
    live = graph.with_ops(kept[::-1])
    return graph if len(live.tensors) == len(graph.tensors) else live
