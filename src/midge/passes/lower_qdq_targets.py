"""Which quantisation a float tensor is about to get, as `lower_qdq` looks ahead for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from midge.graph import Attributes, DType, Graph, Op, Tensor
from midge.graph.movement import Movement
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.conversions import Quantize
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.gather import Gather
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.rectifiers import Relu, Relu6, ReluN1To1
from midge.graph.ops.reductions import ReduceMax, ReduceMin
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.resize_bilinear import ResizeBilinear
from midge.graph.ops.select import Select
from midge.graph.ops.variable import AssignVariable, ReadVariable
from midge.passes.lower_qdq_numbers import own_quantization

CLAMPS = (Relu, Relu6, ReluN1To1)
"""Operators that can be fused behind sums."""
_KEEPING = (
    *(Movement, Reshape, MaxPool2D, AveragePool2D, ReduceMax, ReduceMin, ResizeBilinear),
    *(Minimum, Maximum, Select, Gather, ReadVariable),
)


def keeps_quantization(attributes: Attributes) -> bool:
    """True where integers go in and come out with one scale and zero point."""
    return isinstance(attributes, _KEEPING)


def is_float(tensor: Tensor | None) -> bool:
    """A float32 tensor."""
    return tensor is not None and tensor.dtype is DType.FLOAT32


def readers_of(graph: Graph) -> dict[str, list[Op]]:
    """The operators that read a tensor, in order."""
    found: dict[str, list[Op]] = {}
    for op in graph.ops:
        for name in dict.fromkeys(op.inputs):
            found.setdefault(name, []).append(op)
    return found


class Targets:
    """Finds the `quantize` operators that a float tensor ends in."""

    def __init__(self, graph: Graph, readers: Mapping[str, list[Op]]) -> None:
        """Of a graph and its readers."""
        self._graph = graph
        self._readers = readers
        self._found: dict[str, Tensor | None] = {}
        # From the last operator to the first, so that a question is answered from its readers'.
        for op in reversed(graph.ops):
            for name in op.outputs:
                self.of(name)

    def of(self, name: str) -> Tensor | None:
        """A tensor of the type and quantisation that the reals are wanted in.

        Operators that keep a quantisation, and clamps, are looked through. Of several ways it is
        the one whose range holds the others'; where none does, one that holds them all.
        """
        if name not in self._found:
            wanted = [t for op in self._readers.get(name, []) for t in self._of_reader(op, name)]
            self._found[name] = _widest(wanted) if wanted else None
        return self._found[name]

    def _of_reader(self, op: Op, name: str) -> list[Tensor]:
        if isinstance(op.attributes, Quantize):
            return [self._graph.tensors[op.outputs[0]]]
        if isinstance(op.attributes, AssignVariable):
            return []
        if not keeps_quantization(op.attributes) and not isinstance(op.attributes, CLAMPS):
            return []
        if not is_float(self._graph.tensors[name]):
            return []
        found = (self.of(output) for output in op.outputs)
        return [t for t in found if t is not None]


def _widest(wanted: Sequence[Tensor]) -> Tensor:
    """One of the tensors, or one like the first whose range holds all of theirs."""
    ranges = [_range(t) for t in wanted]
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    # Finer types first; of equal ones the finest scale.
    for tensor in sorted(wanted, key=lambda t: (-t.dtype.size_bits, t.scale)):
        own, slack = _range(tensor), tensor.scale / 2
        if own[0] <= low + slack and own[1] >= high - slack:
            return tensor
    first = max(wanted, key=lambda t: t.dtype.size_bits)
    return replace(first, quantization=own_quantization(np.array([low, high]), first.dtype))


def _range(tensor: Tensor) -> tuple[float, float]:
    low, high = ((limit - tensor.zero_point) * tensor.scale for limit in tensor.dtype.limits)
    return low, high
