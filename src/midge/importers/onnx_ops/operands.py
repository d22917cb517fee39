"""What a converter sees of its node: values, attributes, and the graph in the making."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, Attributes, DType, Quantization, Tensor
from midge.graph.ops.conversions import Cast
from midge.importers.folding_builder import FoldingBuilder
from midge.importers.onnx_file import Constant, OnnxNode, constant_of

Value = Tensor | Constant
"""A tensor of the graph, or elements of the file that no operator has asked for yet."""

MOST_INTEGERS = 1 << 12
"""Of a list of axes, extents, paddings or sizes."""
UINT8_OFFSET = 128
"""What is taken from unsigned codes and their zero points, so that they become int8."""

_KINDS = onnx.AttributeProto.AttributeType


class Context:
    """What all nodes share.

    Attributes:
        builder: The graph in the making.
        values: By name; None for one that a node before could not give.
        shifted: Names of int8 tensors whose elements the file has as uint8, larger by 128.
        opset: Version of ONNX's own operators.
    """

    def __init__(self, builder: FoldingBuilder, opset: int) -> None:
        """Start with no values."""
        self.builder = builder
        self.values: dict[str, Value | None] = {}
        self.shifted: set[str] = set()
        self.opset = opset
        self._tensors: dict[tuple[str, bool], Tensor] = {}

    def tensor(self, name: str, value: Value, *, shifted: bool = False) -> Tensor:
        """The value as a tensor of the graph; a constant becomes one where it is first asked for.

        Args:
            name: The value's.
            value: Itself.
            shifted: uint8 constants become int8.
        """
        if isinstance(value, Tensor):
            return self.builder.tensors[value.name]
        found = self._tensors.get((name, shifted))
        if found is None:
            data = value.data
            if data.size == 0:
                raise UnsupportedError(f"{name} has no elements")
            if shifted and data.dtype == np.uint8:
                data = (data.astype(np.int16) - UINT8_OFFSET).astype(np.int8)
            if value.type_code == onnx.TensorProto.INT4:
                found = self.builder.add(Tensor(name, data.shape, DType.INT4, data=data))
            else:
                found = self.builder.constant(name, data)
            self._tensors[name, shifted] = found
        return found


class OnnxOp:
    """One node.

    Attributes:
        record: As the file has it.
        context: What it shares with the others.
        builder: The graph in the making.
        since: The opset since which the operator means what it means here.
    """

    def __init__(self, record: OnnxNode, context: Context, since: int) -> None:
        """Look up nothing yet."""
        self.record = record
        self.context = context
        self.builder = context.builder
        self.since = since
        self._read: set[str] = set()
        values = (context.values[n] for n in record.inputs if n)
        self._reads_shifted = any(
            isinstance(v, Tensor) and v.name in context.shifted for v in values
        )

    @property
    def name(self) -> str:
        """Of the node."""
        return self.record.name

    @property
    def count(self) -> int:
        """How many inputs are named, left out ones in between included."""
        return len(self.record.inputs)

    def has(self, index: int) -> bool:
        """An optional input is there."""
        return index < self.count and self.record.inputs[index] != ""

    def has_output(self, index: int) -> bool:
        """Something may read an optional output."""
        return index < len(self.record.outputs) and self.record.outputs[index] != ""

    def value(self, index: int) -> Value:
        """An input that must be there."""
        if not self.has(index):
            raise UserError(f"input {index} is left out")
        value = self.context.values[self.record.inputs[index]]
        assert value is not None, "nodes behind one that was not converted are not either"
        return value

    def tensor(self, index: int) -> Tensor:
        """An input as a tensor of the graph."""
        shifted = self.reads_shifted()
        return self.context.tensor(self.record.inputs[index], self.value(index), shifted=shifted)

    def optional(self, index: int) -> Tensor | None:
        """The same, None where it is left out."""
        return self.tensor(index) if self.has(index) else None

    def tensors(self) -> list[Tensor]:
        """All inputs."""
        return [self.tensor(i) for i in range(self.count)]

    def float32(self, index: int) -> Tensor:
        """An input that has to be float32."""
        x = self.tensor(index)
        if x.dtype is not DType.FLOAT32:
            raise UnsupportedError(f"input {x.name} is {x.dtype.value}; supported here: float32")
        return x

    def reads_shifted(self) -> bool:
        """An input is uint8 in the file and int8 in the graph."""
        return self._reads_shifted

    def is_known(self, index: int) -> bool:
        """An input is there, and its elements are."""
        if not self.has(index):
            return False
        value = self.value(index)
        return isinstance(value, Constant) or value.is_constant

    def array(self, index: int) -> Array:
        """The elements of an input that is known.

        Raises:
            UnsupportedError: it is computed at run time.
        """
        value = self.value(index)
        if isinstance(value, Constant):
            return value.data
        if not value.is_constant:
            raise UnsupportedError(
                f"input {value.name} is computed at run time; supported here: a constant"
            )
        return np.asarray(value.data)

    def integers(self, index: int) -> list[int]:
        """The elements of a known list of integers, or of one integer."""
        found = self.array(index)
        if found.dtype.kind not in "iu" or found.ndim > 1 or found.size > MOST_INTEGERS:
            raise UserError(
                f"input {self.record.inputs[index]!r} is {found.dtype}{list(found.shape)}; "
                f"expected up to {MOST_INTEGERS} integers"
            )
        return [int(v) for v in found.reshape(-1)]

    def integer(self, index: int) -> int:
        """The only element of a known input."""
        found = self.integers(index)
        if len(found) != 1:
            raise UserError(f"input {index} has {len(found)} elements; expected 1")
        return found[0]

    def scalar(self, index: int) -> float:
        """The only element of a known input, which may be a real."""
        found = self.array(index)
        if found.size != 1 or found.dtype.kind not in "fiu":
            raise UserError(
                f"input {self.record.inputs[index]!r} is {found.dtype}{list(found.shape)}; "
                "expected one number"
            )
        return float(found.reshape(-1)[0])

    def has_attribute(self, name: str) -> bool:
        """An optional attribute is there."""
        return name in self.record.attributes

    def ignore(self, *names: str) -> None:
        """These attributes change nothing here."""
        self._read.update(names)

    def _attribute(self, name: str, kind: int) -> Any:
        self._read.add(name)
        attribute = self.record.attributes.get(name)
        if attribute is None:
            return None
        if attribute.ref_attr_name:
            raise UnsupportedError(f"attribute {name} refers to a function's")
        if attribute.type != kind:
            raise UserError(
                f"attribute {name} has type {_kind(attribute.type)}; expected {_kind(kind)}"
            )
        return attribute

    def whole(self, name: str, default: int | None = None) -> int:
        """An attribute that is an integer."""
        found = self._attribute(name, _KINDS.INT)
        if found is None and default is None:
            raise UserError(f"has no attribute {name}")
        return int(found.i) if found is not None else int(default or 0)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """An attribute that is 0 or 1."""
        found = self.whole(name, int(default))
        if found not in (0, 1):
            raise UserError(f"attribute {name} is {found}; expected 0 or 1")
        return found == 1

    def real(self, name: str, default: float | None = None) -> float:
        """An attribute that is a float32."""
        found = self._attribute(name, _KINDS.FLOAT)
        if found is None and default is None:
            raise UserError(f"has no attribute {name}")
        return float(np.float32(default if found is None else found.f))

    def wholes(self, name: str) -> list[int] | None:
        """An attribute that is a list of integers; None where it is left out."""
        found = self._attribute(name, _KINDS.INTS)
        if found is None:
            return None
        if len(found.ints) > MOST_INTEGERS:
            raise UserError(f"attribute {name} has {len(found.ints)} elements")
        return [int(v) for v in found.ints]

    def reals(self, name: str) -> list[float] | None:
        """An attribute that is a list of float32; None where it is left out."""
        found = self._attribute(name, _KINDS.FLOATS)
        return None if found is None else [float(v) for v in found.floats]

    def text(self, name: str, default: str | None = None) -> str:
        """An attribute that is text."""
        found = self._attribute(name, _KINDS.STRING)
        if found is None and default is None:
            raise UserError(f"has no attribute {name}")
        return str(default) if found is None else found.s.decode("utf-8", "replace")

    def texts(self, name: str) -> list[str] | None:
        """An attribute that is a list of texts; None where it is left out."""
        found = self._attribute(name, _KINDS.STRINGS)
        return None if found is None else [s.decode("utf-8", "replace") for s in found.strings]

    def elements(self, name: str) -> Constant | None:
        """An attribute that is a tensor; None where it is left out."""
        found = self._attribute(name, _KINDS.TENSOR)
        if found is None:
            return None
        try:
            return constant_of(found.t)
        except ValueError as error:
            raise UserError(f"attribute {name}: {error}") from None

    def expect_all_read(self) -> None:
        """No attribute is left that might have changed the meaning.

        Raises:
            UserError: one is.
        """
        unread = sorted(self.record.attributes.keys() - self._read)
        if unread:
            raise UserError(f"attribute {unread[0]} is not known of {self.record.op_type}")

    def emit(self, attributes: Attributes, *inputs: Tensor | None, part: str = "") -> Tensor:
        """Append an operator with one output.

        Args:
            attributes: What it is.
            inputs: Of it.
            part: What it is of the node, where that takes several.
        """
        name = f"{self.name}.{part}" if part else self.name
        return self.builder.one(name, attributes, inputs)

    def emit_all(self, attributes: Attributes, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Append an operator with several outputs."""
        return self.builder.op(self.name, attributes, inputs)

    def constant(
        self,
        data: Any,
        dtype: Any = np.float32,
        *,
        part: str = "constant",
        quantization: Quantization | None = None,
    ) -> Tensor:
        """A constant of the graph that the node brings along."""
        array = np.asarray(data, dtype)
        return self.builder.constant(f"{self.name}.{part}", array, quantization)

    def cast(self, x: Tensor, to: DType) -> Tensor:
        """The tensor as another type."""
        return x if x.dtype is to else self.emit(Cast(to=to), x, part=f"as_{to.value}")


def _kind(number: int) -> str:
    names: Mapping[int, str] = {v: k for k, v in _KINDS.items()}
    return names.get(number, str(number))


def axis_of(axis: int, rank: int) -> int:
    """An axis that may count from the end, from the front.

    Raises:
        UserError: the tensor has no such dimension.
    """
    if not -rank <= axis < rank:
        raise UserError(f"axis {axis} of a tensor of {rank} dimensions")
    return axis + rank if axis < 0 else axis


def axes_of(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Such axes, each of them once.

    Raises:
        UserError: the tensor has no such dimension, or one is named twice.
    """
    found = tuple(axis_of(axis, rank) for axis in axes)
    if len(set(found)) != len(found):
        raise UserError(f"axes {list(axes)[:16]} name a dimension twice")
    return found
