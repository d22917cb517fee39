"""An operand that no input can change becomes a constant: what computed it is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from midge.graph import Array, Graph, Op, Tensor
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.mul import Mul
from midge.passes.channel_ranges import Range
from midge.passes.names import free_name


def replace_constant_operands(graph: Graph, ranges: Mapping[str, Range]) -> Graph:
    """Give arithmetic on two tensors one value a channel where one of the two is constant.

    So the dead branch of a residual block goes: per channel both addends have to agree, since
    neither can be left out of their sum.

    Args:
        graph: A verified graph.
        ranges: Of its channels; they hold in the result too, for every tensor of the same name.

    Returns:
        The graph itself where there is no such operand, or where the other one does not have the
        result's shape without it.
    """
    tensors = dict(graph.tensors)
    ops = [_with_constant(graph, op, ranges, tensors) for op in graph.ops]
    changed = any(new is not old for new, old in zip(ops, graph.ops, strict=True))
    return graph.with_ops(ops, tensors) if changed else graph


def _with_constant(
    graph: Graph, op: Op, ranges: Mapping[str, Range], tensors: dict[str, Tensor]
) -> Op:
    if not isinstance(op.attributes, Add | Sub | Mul | Minimum | Maximum):
        return op
    (y,) = graph.op_outputs(op)
    for place, (name, other) in enumerate(zip(op.inputs, reversed(op.inputs), strict=True)):
        operand, beside = graph.tensors[name], graph.tensors[other]
        known, stays = ranges.get(name), ranges.get(other)
        if known is None or stays is None or operand.is_constant or operand.variable:
            continue
        if known.is_constant.all() and not stays.is_constant.all() and beside.shape == y.shape:
            inputs = list(op.inputs)
            inputs[place] = _constant(operand, known, tensors)
            return replace(op, inputs=tuple(inputs))
    return op


def _constant(operand: Tensor, known: Range, tensors: dict[str, Tensor]) -> str:
    """One pixel of a tensor whose pixels are alike."""
    shape = (*(1 for _ in operand.shape[:-1]), *operand.shape[-1:])
    data: Array = known.low.astype(operand.dtype.numpy).reshape(shape)
    name = free_name(f"{operand.name}_value", tensors)
    tensors[name] = replace(operand, name=name, shape=shape, data=np.asarray(data))
    return name
