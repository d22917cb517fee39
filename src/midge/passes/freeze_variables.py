"""freeze_variables: a variable that nothing rewrites is a constant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from midge.graph import Graph
from midge.graph.ops.variable import ReadVariable


def freeze_variables(graph: Graph) -> Graph:
    """Make constants of variables that keep their first value, and of what is read from them.

    Requires a verified graph; ensures that an operator rewrites every variable.
    """
    rewritten = {op.inputs[i] for op in graph.ops for i in op.attributes.updates()}
    frozen = {t.name for t in graph.variables if t.name not in rewritten}
    if not frozen:
        return graph
    tensors = dict(graph.tensors)
    for name in frozen:
        content = np.ascontiguousarray(tensors[name].data)
        tensors[name] = replace(tensors[name], data=content, variable=False)
    kept = []
    for op in graph.ops:
        if isinstance(op.attributes, ReadVariable) and op.inputs[0] in frozen:
            read = op.outputs[0]
            tensors[read] = replace(tensors[read], data=tensors[op.inputs[0]].data)
        else:
            kept.append(op)
    return graph.with_ops(kept, tensors)
