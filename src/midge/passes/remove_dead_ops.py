"""remove_dead_ops: what no output depends on is left out."""

from __future__ import annotations

from midge.graph import Graph, Op


def remove_dead_ops(graph: Graph) -> Graph:
    """Keep the operators that an output of the graph needs.

    Requires a verified graph; ensures that every operator has an output that something reads.
    """
    needed = set(graph.outputs)
    kept: list[Op] = []
    for op in reversed(graph.ops):
        if needed.intersection(op.outputs):
            kept.append(op)
            needed.update(op.inputs)
    return graph if len(kept) == len(graph.ops) else graph.with_ops(kept[::-1])
