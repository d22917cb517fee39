"""One call of an operator, as its converter sees it: arguments that are checked when they are read.

Arguments that a converter does not read are refused afterwards: nothing is silently ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, Attributes, DType, Quantization, Tensor
from midge.graph.movement import Movement
from midge.graph.ops.conversions import Cast, Dequantize
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.transpose import Transpose
from midge.importers.graph_builder import GraphBuilder
from midge.importers.torch_program import GRAPH_TYPES, Argument, Node, Ref, Refused, TorchType

IGNORED = frozenset(
    (
        *("device", "layout", "pin_memory", "memory_format", "generator", "non_blocking", "copy"),
        *("cudnn_enabled", "cudnn_enable", "momentum", "implicit", "requires_grad", "is_coalesced"),
    )
)
"""Arguments that say nothing of the numbers that come out in evaluation mode."""
STORED = (DType.INT8, DType.INT16, DType.UINT8)
LARGEST_KNOWN = 1 << 20
"""Elements of a tensor of indices that is computed while importing."""


class Values(Protocol):
    """Where a call finds the program's values."""

    def graph_tensor(self, name: str) -> Tensor:
        """The tensor of a value; a constant is taken into the graph."""

    def raw_constant(self, name: str) -> Array | None:
        """A constant's elements in the type that the program has them in; None if it is none."""


class Call:
    """A call.

    Attributes:
        node: It.
        name: Says where in the user's module it stands; for operators of the graph.
        builder: Of the graph in the making.
        streaming: Recurrent layers begin where the last call left off.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        builder: GraphBuilder,
        values: Values,
        *,
        streaming: bool = False,
    ) -> None:
        """A call whose values are found in `values`."""
        self.node = node
        self.name = name
        self.builder = builder
        self.streaming = streaming
        self._values = values
        self._read: set[str] = set()

    # Arguments.

    def has(self, name: str) -> bool:
        """The argument is given and not None."""
        return self._argument(name) is not None

    def tensor(self, name: str) -> Tensor:
        """A tensor argument."""
        found = self._argument(name)
        if not isinstance(found, Ref):
            raise self._wrong(name, found, "a tensor")
        return self._values.graph_tensor(found.name)

    def optional(self, name: str) -> Tensor | None:
        """A tensor argument that may be left out."""
        return self.tensor(name) if self.has(name) else None

    def tensors(self, name: str) -> list[Tensor]:
        """A list of tensors."""
        return [self._ref(name, item) for item in self._items(name, "tensors")]

    def optional_tensors(self, name: str) -> list[Tensor | None]:
        """A list of tensors some of which may be left out."""
        items = self._items(name, "tensors")
        return [None if item is None else self._ref(name, item) for item in items]

    def integer(self, name: str, default: int | None = None) -> int:
        """An integer."""
        found = self._argument(name)
        found = default if found is None else found
        if isinstance(found, bool) or not isinstance(found, int):
            raise self._wrong(name, found, "an integer")
        return found

    def real(self, name: str, default: float | None = None) -> float:
        """A number."""
        found = self._argument(name)
        found = default if found is None else found
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._wrong(name, found, "a number")
        return float(found)

    def flag(self, name: str, default: bool = False) -> bool:
        """A truth value."""
        found = self._argument(name)
        found = default if found is None else found
        if not isinstance(found, bool):
            raise self._wrong(name, found, "true or false")
        return found

    def text(self, name: str, default: str) -> str:
        """A word."""
        found = self._argument(name)
        found = default if found is None else found
        if not isinstance(found, str):
            raise self._wrong(name, found, "a word")
        return found

    def integers(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """A list of integers; a single one counts as a list."""
        found = self._argument(name)
        if found is None and default is not None:
            return tuple(default)
        items = found if isinstance(found, tuple) else (found,)
        if not all(isinstance(i, int) and not isinstance(i, bool) for i in items):
            raise self._wrong(name, found, "integers")
        return tuple(i for i in items if isinstance(i, int))

    def dtype(self, name: str = "dtype", default: DType | None = None) -> DType | None:
        """An element type; None where it is left out."""
        found = self._argument(name)
        if found is None:
            return default
        if not isinstance(found, TorchType):
            raise self._wrong(name, found, "an element type")
        if found not in GRAPH_TYPES:
            raise UnsupportedError(f"gives {found.value}; supported: float32, integers and bool")
        return GRAPH_TYPES[found]

    def operand(self, name: str) -> Tensor | bool | int | float:
        """A tensor, or a number in its place."""
        found = self._argument(name)
        if isinstance(found, bool | int | float):
            return found
        return self.tensor(name)

    def known(self, name: str) -> Array:
        """The elements of a tensor that is known while importing, in the program's own type."""
        found = self._argument(name)
        if isinstance(found, Ref):
            raw = self._values.raw_constant(found.name)
            if raw is not None:
                return raw
        return self.known_values(self.tensor(name))

    def known_values(self, tensor: Tensor) -> Array:
        """The elements of a tensor of the graph, where they follow from constants alone.

        Raises:
            UnsupportedError: they follow from an input, or there are too many.
        """
        if tensor.is_constant:
            return np.asarray(tensor.data)
        op = self.builder.producer(tensor)
        if op is None or len(op.outputs) != 1 or op.attributes.updates():
            raise UnsupportedError(f"{tensor.name} is computed at run time; supported: a constant")
        if tensor.size > LARGEST_KNOWN:
            raise UnsupportedError(f"{tensor.name} has {tensor.size} elements to compute")
        inputs = [self.builder.tensors[n] if n else None for n in op.inputs]
        values = [None if t is None else self.known_values(t) for t in inputs]
        (result,) = op.attributes.evaluate(values, inputs, (tensor,))
        return result

    def settled(self, tensor: Tensor) -> Tensor:
        """The tensor as a constant, where it follows from constants; stored integers stay so."""
        if tensor.is_constant or self._follows_from_stored(tensor):
            return tensor
        try:
            return self.builder.constant(tensor.name, self.known_values(tensor))
        except UnsupportedError:
            return tensor

    def _follows_from_stored(self, tensor: Tensor) -> bool:
        op = self.builder.producer(tensor)
        if op is None:
            return False
        if isinstance(op.attributes, Dequantize):
            return True
        return any(self._follows_from_stored(self.builder.tensors[n]) for n in op.inputs if n)

    def expect(self, name: str, *allowed: Argument) -> None:
        """The argument is left out or one of these.

        Raises:
            UnsupportedError: it is another.
        """
        found = self._argument(name)
        if found is not None and found not in allowed:
            names = ", ".join(map(_shown, allowed))
            raise UnsupportedError(f"{name} is {_shown(found)}; supported: {names}")

    def ignore(self, name: str) -> None:
        """The argument says nothing of the numbers that come out."""
        self._read.add(name)

    def reals(self, name: str) -> tuple[float, ...]:
        """A list of numbers."""
        items = self._items(name, "numbers")
        if not all(isinstance(i, int | float) and not isinstance(i, bool) for i in items):
            raise self._wrong(name, items, "numbers")
        return tuple(float(i) for i in items if isinstance(i, int | float))

    def unread(self) -> list[str]:
        """Arguments that are given and that nothing has looked at."""
        given = (n for n, a in self.node.arguments.items() if a is not None and a is not False)
        return [name for name in given if name not in self._read and name not in IGNORED]

    def _argument(self, name: str) -> Argument:
        self._read.add(name)
        found = self.node.arguments.get(name)
        if isinstance(found, Refused):
            raise UnsupportedError(f"{name} is {found.what}, which is not supported")
        return found

    def _items(self, name: str, what: str) -> tuple[Argument, ...]:
        found = self._argument(name)
        if not isinstance(found, tuple):
            raise self._wrong(name, found, what)
        return found

    def _ref(self, name: str, item: Argument) -> Tensor:
        if not isinstance(item, Ref):
            raise self._wrong(name, item, "tensors")
        return self._values.graph_tensor(item.name)

    def _wrong(self, name: str, found: Argument, expected: str) -> UserError:
        return UserError(f"argument {name} is {_shown(found)}; expected {expected}")

    # The graph.

    def emit(
        self,
        attributes: Attributes,
        *inputs: Tensor | None,
        suffix: str = "",
        quantization: Quantization | None = None,
    ) -> Tensor:
        """Append an operator with one output.

        What moves stored integers keeps their quantisation; nothing but `dequantize` computes with
        them.

        Args:
            attributes: What it is.
            inputs: Its inputs.
            suffix: Behind the call's name, for one of several operators.
            quantization: Of the output.
        """
        (made,) = self.emit_many(attributes, *inputs, suffix=suffix, quantization=quantization)
        return made

    def emit_many(
        self,
        attributes: Attributes,
        *inputs: Tensor | None,
        suffix: str = "",
        quantization: Quantization | None = None,
    ) -> tuple[Tensor, ...]:
        """As `emit`, of an operator with any number of outputs."""
        stored = [t for t in inputs if t is not None and t.quantization is not None]
        if isinstance(attributes, Movement | Reshape):
            quantization = stored[0].quantization if stored else None
        elif stored and not isinstance(attributes, Dequantize):
            raise UnsupportedError(
                f"computes with the stored integers of {stored[0].name}; supported: dequantize them"
            )
        name = f"{self.name}.{suffix}" if suffix else self.name
        return self.builder.op(name, attributes, inputs, quantization=quantization)

    def number(self, value: float, like: Tensor, suffix: str = "value") -> Tensor:
        """A constant scalar of the type of `like`.

        Raises:
            UnsupportedError: the type does not hold it.
        """
        dtype = like.dtype
        if dtype is not DType.FLOAT32:
            low, high = (0, 1) if dtype is DType.BOOL else dtype.limits
            if value != int(value) or not low <= value <= high:
                raise UnsupportedError(f"{value:g} is no number of type {dtype.value}")
        with np.errstate(over="ignore"):
            data = np.asarray(value).astype(dtype.numpy)
        return self.builder.constant(f"{self.name}.{suffix}", data)

    def vector(self, data: Array, suffix: str) -> Tensor:
        """A constant."""
        return self.builder.constant(f"{self.name}.{suffix}", data)

    def cast(self, x: Tensor, to: DType) -> Tensor:
        """The tensor in another type; the same where it has it."""
        if x.dtype is to:
            return x
        if x.is_constant and x.quantization is None:
            values = Cast(to=to).evaluate((x.data,), (x,), ())
            return self.builder.constant(f"{x.name}.cast", values[0])
        return self.emit(Cast(to=to), x, suffix="cast")

    def reshaped(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """The tensor with other extents, on the way to something."""
        return self.builder.reshaped(x, shape)

    def view(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """The tensor with other extents, which is what was called for."""
        extents = tuple(int(extent) for extent in shape)
        if x.is_constant or extents == x.shape:
            return self.builder.reshaped(x, extents)
        return self.emit(Reshape(shape=extents), x)

    def permuted(self, x: Tensor, order: Sequence[int]) -> Tensor:
        """The tensor with its dimensions in another order, which is what was called for."""
        producer = self.builder.producer(x)
        of_weights = producer is not None and isinstance(producer.attributes, Dequantize)
        if x.is_constant or of_weights or list(order) == list(range(len(order))):
            return self.builder.transposed(x, order)
        return self.emit(Transpose(permutation=tuple(order)), x)

    def batched(self, x: Tensor, rank: int, convert: Callable[[Tensor], Tensor]) -> Tensor:
        """Convert a tensor of `rank` dimensions, or one that lacks the batch alone.

        Raises:
            UserError: it has another number of dimensions.
        """
        if len(x.shape) == rank:
            return convert(x)
        if len(x.shape) != rank - 1:
            raise UserError(
                f"{x.name} has shape {list(x.shape)}; expected {rank} dimensions, or one less "
                "for a single sample"
            )
        y = convert(self.reshaped(x, (1, *x.shape)))
        return self.reshaped(y, y.shape[1:])


def axis_of(axis: int, rank: int) -> int:
    """A dimension's number counted from the front.

    Raises:
        UserError: there is no such dimension.
    """
    # A scalar is taken as having one dimension, as PyTorch does.
    extent = max(rank, 1)
    if not -extent <= axis < extent:
        raise UserError(f"dimension {axis} of a tensor of {rank} dimensions")
    return axis % extent


def _shown(argument: Argument) -> str:
    if isinstance(argument, TorchType):
        return argument.value
    if isinstance(argument, Ref):
        return f"the tensor {argument.name}"
    if isinstance(argument, tuple):
        return "[" + ", ".join(map(_shown, argument[:8])) + "]"
    return "left out" if argument is None else str(argument)[:80]
