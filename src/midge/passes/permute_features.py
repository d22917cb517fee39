"""permute_features: a transpose in front of a flattened image goes into the weights behind it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush

import numpy as np
import numpy.typing as npt

from midge.graph import Graph, Op, Tensor
from midge.graph.elementwise import Binary
from midge.graph.elementwise_unary import Unary
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.conversions import Dequantize
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.transpose import Transpose
from midge.passes.names import free_name

Positions = npt.NDArray[np.intp]


class Readers:
    """Who reads and who writes each tensor of a graph.

    Attributes:
        graph: It.
        producers: Operators by each of their outputs.
    """

    def __init__(self, graph: Graph) -> None:
        """Look through a verified graph once."""
        self.graph = graph
        self.producers = {name: op for op in graph.ops for name in op.outputs}
        self._readers: dict[str, list[int]] = {}
        for number, op in enumerate(graph.ops):
            for name in dict.fromkeys(op.inputs):
                self._readers.setdefault(name, []).append(number)

    def behind(self, name: str) -> Iterator[tuple[Op, Callable[[str], None]]]:
        """Operators that read a tensor, or one that is named meanwhile, in graph order.

        Yields:
            An operator, and a function that names a further tensor.
        """
        waiting = list(self._readers.get(name, []))
        heapify(waiting)
        last = -1

        def follow(other: str) -> None:
            for number in self._readers.get(other, []):
                heappush(waiting, number)

        while waiting:
            number = heappop(waiting)
            if number != last:
                last = number
                yield self.graph.ops[number], follow


def absorbs_order(readers: Readers, name: str) -> bool:
    """True where the order of a tensor's last dimension matters to weights alone.

    It is read by fully connected layers with constant weights, at once or behind operators on each
    element and concatenations along it.
    """
    shape = readers.graph.tensors[name].shape
    return bool(shape) and _Followed.behind(readers, name, np.arange(shape[-1])) is not None


def permute_features(graph: Graph) -> Graph:
    """Leave out each transpose that only orders the features of fully connected layers.

    A network that flattens an image channels first has its weights in that order; the image stands
    channels last. So the weights' columns are put into the image's order. Float sums are then
    added up in another order, and agree up to rounding; integer ones are the same.

    Requires a verified graph; ensures that no transpose is read by a reshape alone that merges all
    the dimensions that it moves, where `absorbs_order` holds behind the reshape.
    """
    tensors = dict(graph.tensors)
    ops = list(graph.ops)
    changed = False
    readers = _readers(graph)
    producers = {name: op for op in graph.ops for name in op.outputs}
    for op in graph.ops:
        transpose = producers.get(op.inputs[0]) if op.inputs else None
        if not isinstance(op.attributes, Reshape) or transpose is None:
            continue
        columns = _columns(graph, transpose, op)
        if columns is None:
            continue
        current = Readers(replace(graph, ops=tuple(ops), tensors=tensors))
        followed = _Followed.behind(current, op.outputs[0], columns)
        if followed is None:
            continue
        number = next(i for i, each in enumerate(ops) if each.name == op.name)
        ops[number] = replace(op, inputs=transpose.inputs)
        ops, tensors = followed.applied(ops, tensors)
        readers[transpose.outputs[0]] -= 1
        if not readers[transpose.outputs[0]]:
            ops = [each for each in ops if each.name != transpose.name]
        changed = True
    return graph.with_ops(ops, tensors) if changed else graph


def _readers(graph: Graph) -> Counter[str]:
    readers = Counter(n for op in graph.ops for n in op.inputs if n)
    readers.update(graph.outputs)
    return readers


def _columns(graph: Graph, transpose: Op, reshape: Op) -> Positions | None:
    """Where each feature stands in what the transpose reads; None where it moves more than those.

    Element j of the last dimension behind the reshape is element ``columns[j]`` of it without the
    transpose.
    """
    attributes = transpose.attributes
    if not isinstance(attributes, Transpose):
        return None
    x, y = graph.tensors[transpose.inputs[0]], graph.tensors[reshape.outputs[0]]
    if x.variable or x.quantization != y.quantization or not y.shape:
        return None
    permutation = attributes.permutation
    for outer in range(len(permutation)):
        inner = permutation[outer:]
        moved = [d for d in permutation[:outer] if x.shape[d] > 1]
        size = math.prod(x.shape[d] for d in inner)
        stays = moved == sorted(moved) and all(
            d < i for d in moved for i in inner if x.shape[i] > 1
        )
        if size == y.shape[-1] and stays:
            ordered = sorted(inner)
            image = np.arange(size).reshape([x.shape[d] for d in ordered])
            return image.transpose([ordered.index(d) for d in inner]).reshape(-1)
    return None


@dataclass
class _Followed:
    """What becomes of the operators behind a tensor whose last dimension is put in another order.

    Attributes:
        readers: Of the graph that they are of.
        orders: By tensor, where each of its features stands now.
        changed: Operators by name, with the constants that they read instead.
    """

    readers: Readers
    orders: dict[str, Positions]
    changed: dict[str, list[tuple[int, int, Positions]]]

    @classmethod
    def behind(cls, readers: Readers, name: str, columns: Positions) -> _Followed | None:
        """Follow a tensor to its last readers; None where one needs the features as they were."""
        followed, outputs = cls(readers, {name: columns}, {}), readers.graph.outputs
        if name in outputs or readers.graph.tensors[name].shape[-1:] != columns.shape:
            return None
        reached = False
        for op, follow in readers.behind(name):
            if not followed._follow(op):
                return None
            if isinstance(op.attributes, FullyConnected):
                reached = True
            elif op.outputs[0] in outputs:
                return None
            else:
                follow(op.outputs[0])
        return followed if reached else None

    def _follow(self, op: Op) -> bool:
        attributes = op.attributes
        if isinstance(attributes, FullyConnected):
            return self._into_weights(op)
        if isinstance(attributes, Unary):
            self.orders[op.outputs[0]] = self.orders[op.inputs[0]]
            return True
        if isinstance(attributes, Binary | Prelu):
            return self._through_elements(op)
        if isinstance(attributes, Concatenation):
            return self._through_concatenation(op, attributes)
        return False

    def _into_weights(self, op: Op) -> bool:
        weights = self.readers.graph.tensors[op.inputs[1]]
        columns = self.orders.get(op.inputs[0])
        if columns is None or weights.shape[1:] != columns.shape:
            return False
        if len(op.inputs) > 2 and op.inputs[2] in self.orders:
            return False
        if not self._is_fixed(op.inputs[1]):
            return False
        self.changed[op.name] = [(1, 1, np.argsort(columns))]
        return True

    def _through_elements(self, op: Op) -> bool:
        (y,) = self.readers.graph.op_outputs(op)
        mine = [self.orders[n] for n in op.inputs if n in self.orders]
        if any(not np.array_equal(mine[0], other) for other in mine):
            return False
        if y.shape[-1:] != mine[0].shape:
            return False
        changes = []
        for index, name in enumerate(op.inputs):
            if name in self.orders:
                continue
            other = self.readers.graph.tensors[name]
            if not other.shape or other.shape[-1] == 1:
                continue
            if not self._is_fixed(name):
                return False
            changes.append((index, len(other.shape) - 1, np.argsort(mine[0])))
        self.orders[op.outputs[0]] = mine[0]
        self.changed[op.name] = changes
        return True

    def _through_concatenation(self, op: Op, attributes: Concatenation) -> bool:
        inputs = [self.readers.graph.tensors[n] for n in op.inputs]
        if attributes.axis != len(inputs[0].shape) - 1:
            return False
        begin, parts = 0, []
        for x in inputs:
            own = self.orders.get(x.name)
            parts.append(begin + (np.arange(x.shape[-1]) if own is None else own))
            begin += x.shape[-1]
        self.orders[op.outputs[0]] = np.concatenate(parts)
        return True

    def _is_fixed(self, name: str) -> bool:
        """True for a constant, at once or behind a dequantize."""
        tensor = self.readers.graph.tensors[name]
        producer = self.readers.producers.get(name)
        if producer is not None and isinstance(producer.attributes, Dequantize):
            tensor = self.readers.graph.tensors[producer.inputs[0]]
        return tensor.is_constant

    def applied(
        self, ops: list[Op], tensors: dict[str, Tensor]
    ) -> tuple[list[Op], dict[str, Tensor]]:
        """The operators with constants in the new order."""
        result: list[Op] = []
        tensors = dict(tensors)
        taken = {op.name for op in ops}
        producers = {name: op for op in ops for name in op.outputs}
        for op in ops:
            inputs = list(op.inputs)
            for index, axis, places in self.changed.get(op.name, []):
                name = inputs[index]
                if tensors[name].is_constant:
                    made = _taken(tensors[name], axis, places, tensors)
                else:
                    dequantize = producers[name]
                    codes = _taken(tensors[dequantize.inputs[0]], axis, places, tensors)
                    tensors[codes.name] = codes
                    made = replace(tensors[name], name=free_name(name, tensors))
                    own = free_name(dequantize.name, taken)
                    taken.add(own)
                    result.append(Op(own, dequantize.attributes, (codes.name,), (made.name,)))
                tensors[made.name] = made
                inputs[index] = made.name
            result.append(replace(op, inputs=tuple(inputs)))
        return result, tensors


def _taken(tensor: Tensor, axis: int, places: Positions, tensors: dict[str, Tensor]) -> Tensor:
    """A constant with the elements of one dimension in another order."""
    data = np.ascontiguousarray(np.take(np.asarray(tensor.data), places, axis))
    quantization = tensor.quantization
    if quantization is not None and quantization.axis == axis:
        quantization = replace(
            quantization,
            scale=quantization.scale[places],
            zero_point=quantization.zero_point[places],
        )
    name = free_name(tensor.name, tensors)
    return replace(tensor, name=name, data=data, quantization=quantization)
