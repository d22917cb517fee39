"""The graph: tensors, operators, quantisation. Plain immutable data.

A graph is never changed in place: a pass returns a new one. Tensors are known by name; operators
stand in an order in which every tensor is written before it is read. Activations are NHWC.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
"""Any array; which dtype it holds is said by the tensor beside it."""


def same_bits(a: Array | None, b: Array | None) -> bool:
    """Both are None, or arrays of one dtype, shape and content; NaN equals itself, 0.0 not -0.0."""
    if a is None or b is None:
        return a is b
    return (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()


class DType(enum.Enum):
    """Element types. The value is the name in the text form and NumPy's name of the type."""

    INT4 = "int4"
    """Weights: two to a byte in files and in flash, one to an int8 in arrays."""
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    UINT8 = "uint8"
    BOOL = "bool"
    FLOAT32 = "float32"

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The little-endian NumPy dtype of arrays that hold such elements."""
        name = "int8" if self is DType.INT4 else self.value
        return np.dtype(name).newbyteorder("<")

    @property
    def size_bits(self) -> int:
        """Bits of one element, densely packed."""
        return 4 if self is DType.INT4 else 8 * np.dtype(self.value).itemsize

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value of an integer type."""
        if self is DType.INT4:
            return -8, 7
        info = np.iinfo(np.dtype(self.value))
        return int(info.min), int(info.max)


class Rounding(enum.Enum):
    """How a requantising operator rounds; every importer sets it and every pass keeps it."""

    TFLITE_DOUBLE = "tflite_double"
    """Rounding doubling high multiply, then a rounding shift: TFLite Micro and CMSIS-NN."""
    TFLITE_16X8 = "tflite_16x8"
    """A multiplier of 15 bits, 64-bit sums, one rounding shift: int16 activations in TFLite."""
    SINGLE = "single"
    """One 64-bit multiply and one rounding shift: LiteRT 2 and, by their logs, closed engines."""
    HALF_EVEN = "half_even"
    """Multiplication by a float32 scale, rounded half to even: ONNX QLinear operators."""


class Activation(enum.Enum):
    """A clamp fused behind an operator."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    RELU_N1_TO_1 = "relu_n1_to_1"


@dataclass(frozen=True, eq=False)
class Quantization:
    """Affine quantisation: ``real = scale * (stored - zero_point)``.

    Attributes:
        scale: float32 [n]; n is 1, or the size of dimension `axis`.
        zero_point: int64 [n].
        axis: The dimension that the entries run along; None for one entry for the whole tensor.
    """

    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int64]
    axis: int | None = None

    @classmethod
    def per_tensor(cls, scale: float, zero_point: int) -> Quantization:
        """One scale and zero point for the whole tensor."""
        return cls(np.array([scale], np.float32), np.array([zero_point], np.int64))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Quantization)
            and self.axis == other.axis
            and same_bits(self.scale, other.scale)
            and same_bits(self.zero_point, other.zero_point)
        )

    def __hash__(self) -> int:
        return hash((self.axis, self.scale.tobytes(), self.zero_point.tobytes()))


@dataclass(frozen=True, eq=False)
class Tensor:
    """A named value: a constant where `data` is set, a variable, or computed or fed.

    Attributes:
        name: Unique in its graph.
        shape: Static extent of each dimension, all at least 1; () is a scalar.
        dtype: Element type.
        quantization: How integers stand for real numbers; None for plain numbers.
        data: The constant's elements, or a variable's first value, of `shape` and `dtype`; None
            otherwise.
        variable: It outlives a run: operators read it and rewrite it in place, in graph order.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None = None
    data: Array | None = None
    variable: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes of all elements, densely packed."""
        return -(-self.size * self.dtype.size_bits // 8)

    @property
    def is_constant(self) -> bool:
        """True when the elements are known at compile time."""
        return self.data is not None and not self.variable

    @property
    def is_computed(self) -> bool:
        """True when a run makes the elements, or its caller: they stand in the arena."""
        return self.data is None

    @property
    def scale(self) -> float:
        """The scale of a tensor that has one for all of it."""
        return float(self._single().scale[0])

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor that has one for all of it."""
        return int(self._single().zero_point[0])

    def _single(self) -> Quantization:
        quantization = self.quantization
        if quantization is None or quantization.scale.size != 1:
            raise ValueError(f"{self.name}: has no single scale; verify the graph first")
        return quantization

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tensor):
            return NotImplemented
        return same_bits(self.data, other.data) and (
            self.name,
            self.shape,
            self.dtype,
            self.quantization,
            self.variable,
        ) == (
            other.name,
            other.shape,
            other.dtype,
            other.quantization,
            other.variable,
        )

    def __hash__(self) -> int:
        return hash((self.name, self.shape, self.dtype))


@dataclass(frozen=True)
class TensorType:
    """What a shape rule says of an output: its extent and element type."""

    shape: tuple[int, ...]
    dtype: DType


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What an operator is and does: its attributes as fields, its meaning as methods.

    One subclass an operator, in `midge.graph.ops`; frozen, keyword-only. Fields are bool, int,
    float, enum members, or tuples of int (nested at most once): the text form prints just these.
    """

    kind: ClassVar[str]
    """The operator's name in the text form, in kernels, and in `midge.graph.ops`."""
    types: ClassVar[tuple[DType, ...]]
    """Element types of the first input that have a meaning; what the others are follows."""
    reads_values: ClassVar[bool] = True
    """False where the results follow from the inputs' types alone, and so are constants."""

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """The outputs' types; raises UserError, without the place, where inputs do not fit."""
        raise NotImplementedError

    def check(
        self,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> None:
        """Raise UserError where quantisation or values break what `evaluate` relies on."""

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """The meaning: output arrays from input arrays, exact in every bit.

        Behind the outputs stand the new values of the variables that `updates` names.
        """
        raise NotImplementedError

    def updates(self) -> tuple[int, ...]:
        """Indices of the inputs that are variables and rewritten in place."""
        return ()

    def macs(
        self,
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - for operators that have some
        outputs: Sequence[Tensor],  # noqa: ARG002
    ) -> int:
        """Multiply-accumulates of one run, padding counted as the field does; 0 where none."""
        return 0


@dataclass(frozen=True)
class Op:
    """One operator of a graph.

    Attributes:
        name: Unique in its graph; names the layer in reports and in the emitted C.
        attributes: What it is and does.
        inputs: Tensor names; "" where an optional input is left out.
        outputs: Tensor names.
    """

    name: str
    attributes: Attributes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The operator's kind, such as ``conv_2d``."""
        return self.attributes.kind


@dataclass(frozen=True)
class Graph:
    """A network.

    Attributes:
        name: A C identifier; the emitted files and symbols carry it.
        tensors: By name.
        ops: In an order in which they can run.
        inputs: Names of the tensors that the caller writes.
        outputs: Names of the tensors that the caller reads.
        digest: SHA-256 of the file it was imported from, hex; "" for a graph made in memory.
        layouts: For an input or output whose dimensions stand in another order than in the source
            model, the permutation p with ``graph_array = source_array.transpose(p)``.
    """

    name: str
    tensors: Mapping[str, Tensor] = field(hash=False)
    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    digest: str = ""
    layouts: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))
        object.__setattr__(self, "layouts", MappingProxyType(dict(self.layouts)))

    def op_inputs(self, op: Op) -> tuple[Tensor | None, ...]:
        """The op's input tensors, None where an optional one is left out."""
        return tuple(self.tensors[name] if name else None for name in op.inputs)

    def op_outputs(self, op: Op) -> tuple[Tensor, ...]:
        """The op's output tensors."""
        return tuple(self.tensors[name] for name in op.outputs)

    def source_shape(self, name: str) -> tuple[int, ...]:
        """Shape of an input or output in the source model, which may order dimensions otherwise."""
        shape = self.tensors[name].shape
        order = self.layouts.get(name, tuple(range(len(shape))))
        return tuple(shape[order.index(dimension)] for dimension in range(len(shape)))

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """What outlives a run, in the order in which it stands in the state."""
        return tuple(t for t in self.tensors.values() if t.variable)

    def constant_bytes(self) -> int:
        """Bytes of all constants that an operator reads, as they stand in the graph."""
        used = {name for op in self.ops for name in op.inputs if name}
        return sum(t.size_bytes for n, t in self.tensors.items() if n in used and t.is_constant)

    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(op.attributes.macs(self.op_inputs(op), self.op_outputs(op)) for op in self.ops)

    def with_ops(self, ops: Sequence[Op], tensors: Mapping[str, Tensor] | None = None) -> Graph:
        """A graph of these ops (and tensors), without the tensors that nothing names any more."""
        kept = dict(self.tensors if tensors is None else tensors)
        named = {*self.inputs, *self.outputs}
        for op in ops:
            named.update(op.inputs, op.outputs)
        return replace(self, ops=tuple(ops), tensors={n: t for n, t in kept.items() if n in named})
