"""forward_variable_reads: whoever reads a copy of a variable reads the variable itself."""

from __future__ import annotations

from bisect import bisect
from dataclasses import replace

from midge.graph import Graph
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.variable import ReadVariable


def forward_variable_reads(graph: Graph) -> Graph:
    """Leave out each read of a variable whose readers all run before the next rewriting of it.

    Exact: until then the variable holds what was read. The order of operators that touch one
    variable is kept from here on (`midge.memory_plan`). Reads stay where an output of the graph is
    what was read, since a variable cannot be one; where an operator rewrites the variable that it
    reads, since it may read an element again that it has rewritten; and in front of a reshape,
    which has its input's bytes for an output.

    Requires a verified graph; ensures that every read that stays has such a reader, or one behind
    a rewriting.
    """
    readers: dict[str, list[int]] = {}
    rewritings: dict[str, list[int]] = {}
    for number, op in enumerate(graph.ops):
        for name in dict.fromkeys(op.inputs):
            readers.setdefault(name, []).append(number)
        for index in op.attributes.updates():
            rewritings.setdefault(op.inputs[index], []).append(number)
    forwarded: dict[str, str] = {}
    for number, op in enumerate(graph.ops):
        if not isinstance(op.attributes, ReadVariable):
            continue
        variable, copy = op.inputs[0], op.outputs[0]
        later = rewritings.get(variable, [])
        at = bisect(later, number)
        end = later[at] if at < len(later) else len(graph.ops)
        if copy not in graph.outputs and all(
            reader < end and not isinstance(graph.ops[reader].attributes, Reshape)
            for reader in readers.get(copy, [])
        ):
            forwarded[copy] = variable
    if not forwarded:
        return graph
    return graph.with_ops(
        [
            replace(op, inputs=tuple(forwarded.get(name, name) for name in op.inputs))
            for op in graph.ops
            if not op.outputs or op.outputs[0] not in forwarded
        ]
    )
