"""drop_identities: operators that change nothing, and reshapes of reshapes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from midge.graph import Graph, Op, Tensor
from midge.graph.ops.broadcast_to import BroadcastTo, Tile
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.pad import MirrorPad, Pad
from midge.graph.ops.reductions import Reduction
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.slice import Slice
from midge.graph.ops.split import Split
from midge.graph.ops.transpose import Transpose


def drop_identities(graph: Graph) -> Graph:
    """Leave out what gives its input back, and merge reshapes.

    These are reshapes to the same shape, transposes that move nothing, pads by nothing, slices,
    splits, concatenations, broadcasts and tilings of one whole. A transpose that only moves
    extents of 1 becomes a reshape. A reshape of what was reshaped reads what that one read. A
    reduction whose kept extents of 1 a reshape takes away does not keep them.

    Requires a verified graph; ensures that none of these stands, but where an output of the graph
    is an input, a constant or another output under a name of its own, or where a variable is read.
    """
    while (smaller := _once(graph)) is not graph:
        graph = smaller
    return graph


def _once(graph: Graph) -> Graph:
    readers = Counter(n for op in graph.ops for n in op.inputs if n)
    readers.update(graph.outputs)
    ops: list[Op] = []
    by_output: dict[str, int] = {}
    instead: dict[str, str] = {}
    changed = False
    for each in graph.ops:
        op = replace(each, inputs=tuple(_resolved(n, instead) for n in each.inputs))
        x = graph.tensors[op.inputs[0]] if op.inputs and op.inputs[0] else None
        y = graph.tensors[op.outputs[0]] if len(op.outputs) == 1 else None
        if x is None or y is None or x.variable or x.quantization != y.quantization:
            ops.append(op)
            by_output |= {name: len(ops) - 1 for name in op.outputs}
            continue
        if _is_identity(op, x, y) and y.name not in graph.outputs:
            instead[y.name] = x.name
            changed = True
            continue
        number = by_output.get(x.name)
        before = None if number is None else ops[number]
        ends = (*graph.inputs, *graph.outputs)
        if (
            _is_identity(op, x, y)
            and before is not None
            and number is not None
            and x.name not in ends
        ):
            # An output of the graph keeps its name: what computes it writes it at once.
            written = tuple(y.name if n == x.name else n for n in before.outputs)
            ops[number] = replace(before, outputs=written)
            by_output[y.name] = number
            instead[x.name] = y.name
            changed = True
            continue
        merged = _merged(graph, op, before, x, y, alone=readers[x.name] == 1)
        if merged is not None:
            op, absorbed = merged
            changed = True
            if absorbed and number is not None:
                ops[number] = op
                by_output[y.name] = number
                continue
        ops.append(op)
        by_output |= {name: len(ops) - 1 for name in op.outputs}
    if not changed:
        return graph
    ops = [replace(op, inputs=tuple(_resolved(n, instead) for n in op.inputs)) for op in ops]
    return _without_unread(graph.with_ops(ops))


def _resolved(name: str, instead: dict[str, str]) -> str:
    while name in instead:
        name = instead[name]
    return name


def _without_unread(graph: Graph) -> Graph:
    """Without reshapes whose output nobody reads any more."""
    read = {n for op in graph.ops for n in op.inputs} | {*graph.outputs}
    return graph.with_ops(
        [op for op in graph.ops if not isinstance(op.attributes, Reshape) or op.outputs[0] in read]
    )


def _is_identity(op: Op, x: Tensor, y: Tensor) -> bool:
    if x.shape != y.shape:
        return False
    attributes = op.attributes
    if isinstance(attributes, Transpose):
        return attributes.permutation == tuple(range(len(x.shape)))
    if isinstance(attributes, Slice):
        return all(
            step == 1 or extent == 1 for step, extent in zip(attributes.step, x.shape, strict=True)
        )
    if isinstance(attributes, Concatenation):
        return len(op.inputs) == 1
    return isinstance(attributes, Reshape | Pad | MirrorPad | BroadcastTo | Tile | Split)


def _merged(
    graph: Graph, op: Op, before: Op | None, x: Tensor, y: Tensor, *, alone: bool
) -> tuple[Op, bool] | None:
    """The operator with what stands in front of it, and whether it takes that one's place."""
    attributes = op.attributes
    if isinstance(attributes, Transpose):
        moved = [d for d in attributes.permutation if x.shape[d] > 1]
        if moved == sorted(moved):
            return replace(op, attributes=Reshape(shape=y.shape)), False
    if not isinstance(attributes, Reshape) or before is None:
        return None
    source = graph.tensors[before.inputs[0]] if before.inputs and before.inputs[0] else None
    if source is None or source.variable:
        return None
    if isinstance(before.attributes, Reshape) and source.quantization == x.quantization:
        return replace(op, inputs=before.inputs), False
    reduction = before.attributes
    if isinstance(reduction, Reduction) and reduction.keep_dims and alone:
        kept = tuple(n for d, n in enumerate(source.shape) if d not in reduction.axes)
        if kept == y.shape:
            without = replace(reduction, keep_dims=False)
            return replace(before, attributes=without, outputs=op.outputs), True
    return None
