"""remove_dead_ops: what no output and no variable depends on is left out."""

from __future__ import annotations

from midge.graph import Graph, Op


def remove_dead_ops(graph: Graph) -> Graph:
    """Keep the operators that an output or a variable of the graph needs, and what they name.

    Requires a verified graph; ensures that every operator has an output that something reads, or
    rewrites a variable.
    """
    needed = set(graph.outputs)
    kept: list[Op] = []
    for op in reversed(graph.ops):
        if needed.intersection(op.outputs) or op.attributes.updates():
            kept.append(op)
            needed.update(op.inputs)
    live = graph.with_ops(kept[::-1])
    return graph if len(live.tensors) == len(graph.tensors) else live
