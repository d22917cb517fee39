"""remove_dead_ops: what no output depends on is left out."""

from __future__ import annotations

from midge.graph import Graph, Op


def remove_dead_ops(graph: Graph) -> Graph:
    """Keep the operators that an output of the graph needs, in this run or a later one.

    Requires a verified graph; ensures that every operator has an output, or rewrites a variable,
    that something reads.
    """
    needed = set(graph.outputs)
    known = 0
    # What a run needs of a variable, the run before has to leave there: once more around.
    while len(needed) > known:
        known = len(needed)
        for op in reversed(graph.ops):
            if needed.intersection(_written(op)):
                needed.update(op.inputs)
    live = graph.with_ops([op for op in graph.ops if needed.intersection(_written(op))])
    return graph if len(live.tensors) == len(graph.tensors) else live


def _written(op: Op) -> tuple[str, ...]:
    return (*op.outputs, *(op.inputs[i] for i in op.attributes.updates()))
