"""Builds a graph one operator at a time, as the importers of frameworks do.

What a framework says in channels-first order stands here as it is said: an operator on images gets
a `transpose` in front of it and one behind it, and a pass removes them (`passes/channels_last`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from midge.errors import UserError
from midge.graph import Array, Attributes, DType, Graph, Op, Quantization, Tensor
from midge.graph.ops.conversions import Dequantize
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.transpose import Transpose

_DTYPES = {dtype.numpy: dtype for dtype in DType if dtype is not DType.INT4}
"""By the NumPy dtype of their arrays."""


def dtype_of(array: Array) -> DType:
    """The element type that holds an array.

    Raises:
        UserError: none does.
    """
    found = _DTYPES.get(array.dtype.newbyteorder("<"))
    if found is None:
        names = ", ".join(d.value for d in _DTYPES.values())
        raise UserError(f"holds {array.dtype}; supported: {names}")
    return found


class GraphBuilder:
    """A graph in the making.

    Attributes:
        tensors: By name, every tensor so far.
        ops: In order.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.tensors: dict[str, Tensor] = {}
        self.ops: list[Op] = []
        self._producers: dict[str, Op] = {}
        self._tensor_names = _Names()
        self._op_names = _Names()

    def add(self, tensor: Tensor) -> Tensor:
        """Take in a tensor under a name like its own that is still free."""
        named = replace(tensor, name=self._tensor_names.free(tensor.name))
        self.tensors[named.name] = named
        return named

    def input(self, name: str, shape: Sequence[int], dtype: DType) -> Tensor:
        """A tensor that the caller writes."""
        return self.add(Tensor(name, tuple(shape), dtype))

    def constant(self, name: str, data: Array, quantization: Quantization | None = None) -> Tensor:
        """A constant.

        Raises:
            UserError: its type is none of the graph's.
        """
        try:
            dtype = dtype_of(data)
        except UserError as error:
            raise UserError(f"constant {name} {error}") from None
        array = np.ascontiguousarray(data, dtype.numpy).reshape(data.shape)
        return self.add(Tensor(name, tuple(data.shape), dtype, quantization, array))

    def variable(self, name: str, first: Array, quantization: Quantization | None = None) -> Tensor:
        """A tensor that outlives a run, with its first value."""
        return self.add(
            Tensor(name, tuple(first.shape), dtype_of(first), quantization, first, variable=True)
        )

    def op(
        self,
        name: str,
        attributes: Attributes,
        inputs: Sequence[Tensor | None],
        *,
        outputs: Sequence[str] = (),
        quantization: Quantization | None = None,
    ) -> tuple[Tensor, ...]:
        """Append an operator; its outputs have the types that its own rule gives.

        Args:
            name: Says where in the user's model it stands, such as ``features.3.conv``; made
                unique.
            attributes: What it is.
            inputs: Tensors of this graph; None where an optional one is left out.
            outputs: Their names; the operator's where left out.
            quantization: Of every output.

        Returns:
            The outputs.

        Raises:
            UserError: the operator does not take such inputs.
        """
        types = attributes.infer(inputs)
        unique = self._op_names.free(name)
        names = list(outputs) + [unique] * (len(types) - len(outputs))
        made = tuple(
            self.add(Tensor(n, t.shape, t.dtype, quantization))
            for n, t in zip(names, types, strict=True)
        )
        op = Op(
            unique,
            attributes,
            tuple(t.name if t is not None else "" for t in inputs),
            tuple(t.name for t in made),
        )
        self.ops.append(op)
        self._producers |= {t.name: op for t in made}
        return made

    def one(
        self,
        name: str,
        attributes: Attributes,
        inputs: Sequence[Tensor | None],
        *,
        output: str = "",
        quantization: Quantization | None = None,
    ) -> Tensor:
        """As `op`, of an operator with one output."""
        outputs = (output,) if output else ()
        (made,) = self.op(name, attributes, inputs, outputs=outputs, quantization=quantization)
        return made

    def renamed(self, x: Tensor, name: str, first: int) -> Tensor:
        """The tensor under a name like this one that is still free.

        Args:
            x: Computed by one of the newest operators.
            name: As a user knows it.
            first: Number of operators that are older than all that name the tensor.
        """
        if x.name == name:
            return self.tensors[name]
        made = self.add(replace(self.tensors.pop(x.name), name=name))
        self._producers.pop(x.name)
        for number, op in enumerate(self.ops[first:], first):
            if x.name in (*op.inputs, *op.outputs):
                inputs, outputs = (
                    tuple(made.name if n == x.name else n for n in names)
                    for names in (op.inputs, op.outputs)
                )
                self.ops[number] = replace(op, inputs=inputs, outputs=outputs)
            for output in self.ops[number].outputs:
                self._producers[output] = self.ops[number]
        return made

    def producer(self, tensor: Tensor) -> Op | None:
        """The operator that computes a tensor; None for inputs, constants and variables."""
        return self._producers.get(tensor.name)

    def transposed(self, x: Tensor, permutation: Sequence[int]) -> Tensor:
        """The tensor with its dimensions in another order: at once where it is a constant.

        A constant behind a `dequantize` stays one: its stored integers are transposed, and its
        scales run along the dimension that they ran along.
        """
        order = tuple(permutation)
        if order == tuple(range(len(order))):
            return x
        if x.is_constant:
            return self.add(_transposed_constant(x, order))
        producer = self.producer(x)
        if producer is not None and isinstance(producer.attributes, Dequantize):
            stored = self.tensors[producer.inputs[0]]
            if stored.is_constant:
                turned = self.add(_transposed_constant(stored, order))
                return self.one(producer.name, producer.attributes, (turned,))
        attributes = Transpose(permutation=order)
        return self.one(f"{x.name}.transpose", attributes, (x,), quantization=x.quantization)

    def unsqueezed(self, x: Tensor, axis: int) -> Tensor:
        """The tensor with one more dimension of extent 1; constants stay so, as in `transposed`."""
        shape = (*x.shape[:axis], 1, *x.shape[axis:])
        if x.is_constant:
            return self.add(_unsqueezed_constant(x, axis))
        producer = self.producer(x)
        if producer is not None and isinstance(producer.attributes, Dequantize):
            stored = self.tensors[producer.inputs[0]]
            if stored.is_constant:
                wider = self.add(_unsqueezed_constant(stored, axis))
                return self.one(producer.name, producer.attributes, (wider,))
        return self.reshaped(x, shape)

    def reshaped(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """The tensor with other extents and the same elements; constants stay so."""
        extents = tuple(int(e) for e in shape)
        if extents == x.shape:
            return x
        if x.is_constant and x.quantization is None:
            return self.add(replace(x, shape=extents, data=np.asarray(x.data).reshape(extents)))
        attributes = Reshape(shape=extents)
        return self.one(f"{x.name}.reshape", attributes, (x,), quantization=x.quantization)

    def channels_last(self, x: Tensor) -> Tensor:
        """[n, c, ...] as [n, ..., c]."""
        rank = len(x.shape)
        return self.transposed(x, (0, *range(2, rank), 1))

    def channels_first(self, x: Tensor) -> Tensor:
        """[n, ..., c] as [n, c, ...]."""
        rank = len(x.shape)
        return self.transposed(x, (0, rank - 1, *range(1, rank - 1)))

    def graph(
        self, name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor], digest: str = ""
    ) -> Graph:
        """What was built, without tensors that nothing names; not yet verified."""
        ends = tuple(t.name for t in inputs), tuple(t.name for t in outputs)
        return Graph(name, {}, (), *ends, digest).with_ops(self.ops, self.tensors)


def _transposed_constant(x: Tensor, order: tuple[int, ...]) -> Tensor:
    quantization = x.quantization
    if quantization is not None and quantization.axis is not None:
        quantization = replace(quantization, axis=order.index(quantization.axis))
    data = np.ascontiguousarray(np.transpose(np.asarray(x.data), order))
    return replace(x, shape=data.shape, data=data, quantization=quantization)


def _unsqueezed_constant(x: Tensor, axis: int) -> Tensor:
    quantization = x.quantization
    if quantization is not None and quantization.axis is not None and quantization.axis >= axis:
        quantization = replace(quantization, axis=quantization.axis + 1)
    data = np.expand_dims(np.asarray(x.data), axis)
    return replace(x, shape=data.shape, data=data, quantization=quantization)


class _Names:
    """Names that are taken, and the numbers that were put behind them."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}

    def free(self, name: str) -> str:
        """The name, or with the first number behind it that makes it free; taken from now on."""
        wanted = found = name or "unnamed"
        while found in self._taken:
            self._numbers[wanted] = self._numbers.get(wanted, 1) + 1
            found = f"{wanted}_{self._numbers[wanted]}"
        self._taken.add(found)
        return found
