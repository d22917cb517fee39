"""The flatbuffer of a .tflite file as plain data, with nothing in it trusted.

Reading goes through the classes that the `tflite` package generated from TensorFlow's schema. They
follow offsets without looking, so every failure of theirs is turned into "damaged file" here, and
what they are asked to read is counted and held against the file's size: offsets may overlap, and a
few kilobytes could otherwise be read over and over as gigabytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tflite

from midge.errors import UserError
from midge.graph import Array, DType, Quantization, Tensor

FILE_IDENTIFIER = b"TFL3"
LARGEST_FILE_BYTES = 1 << 28
HIGHEST_RANK = 8
READINGS = 4
"""How often each byte of a file is read on average at most; converters let few vectors overlap."""
FREE_READING_BYTES = 1 << 20
"""What may be read from a small file beyond that."""

READ_ERRORS = (
    *(struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError, KeyError),
    MemoryError,
)
"""What the schema's classes raise on a damaged file."""

_TYPES = {
    tflite.TensorType.INT4: DType.INT4,
    tflite.TensorType.FLOAT32: DType.FLOAT32,
    tflite.TensorType.INT32: DType.INT32,
    tflite.TensorType.UINT8: DType.UINT8,
    tflite.TensorType.INT64: DType.INT64,
    tflite.TensorType.BOOL: DType.BOOL,
    tflite.TensorType.INT16: DType.INT16,
    tflite.TensorType.INT8: DType.INT8,
}
_TYPE_NAMES = {v: k for k, v in vars(tflite.TensorType).items() if isinstance(v, int)}
_BUILTIN_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}


@dataclass(frozen=True)
class TfliteOp:
    """An operator as the file has it.

    Attributes:
        index: Its place in the file.
        builtin: The schema's name, such as ``CONV_2D``; ``CUSTOM:name`` for a custom one.
        inputs: Indices into the tensors; -1 where an optional one is left out.
        outputs: Indices into the tensors.
        table: The flatbuffer options, None where there are none.
        table_type: The schema's number for the kind of options.
    """

    index: int
    builtin: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    table: Any
    table_type: int

    def options(self, schema: type[Any]) -> Any:
        """The options read by the schema's class; None where the file has none of this kind."""
        if self.table is None or self.table_type != getattr(tflite.BuiltinOptions, schema.__name__):
            return None
        return _Guarded(schema(), self.table)


class _Guarded:
    """A schema class's reader, whose failures become UserError: fields are read when asked for."""

    def __init__(self, reader: Any, table: Any) -> None:
        self._reader = reader
        self._table = table

    def __getattr__(self, field: str) -> Callable[..., Any]:
        accessor = getattr(self._reader, field)

        def read(*arguments: int) -> Any:
            try:
                self._reader.Init(self._table.Bytes, self._table.Pos)
                return accessor(*arguments)
            except READ_ERRORS as error:
                kind = type(self._reader).__name__
                raise UserError(f"its {kind} do not parse ({error})") from None

        return read


@dataclass(frozen=True)
class Handle:
    """A tensor of a file that names a variable instead of holding numbers.

    Attributes:
        name: The tensor's.
    """

    name: str


@dataclass(frozen=True)
class TfliteSubgraph:
    """One of a file's subgraphs; the first one is the network.

    Attributes:
        tensors: By index; a string says why one cannot be used.
        ops: In file order.
        inputs: Indices of the tensors that the caller writes.
        outputs: Indices of the tensors that the caller reads.
    """

    tensors: tuple[Tensor | Handle | str, ...]
    ops: tuple[TfliteOp, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_tflite(data: bytes, source: str) -> tuple[TfliteSubgraph, ...]:
    """Parse the bytes of a .tflite file into its subgraphs, at least one.

    Names of tensors are unique in the whole file.

    Args:
        data: The file.
        source: Its name, for messages.

    Raises:
        UserError: it is not a .tflite file, or damaged.
    """
    if len(data) > LARGEST_FILE_BYTES:
        raise UserError(f"{source}: {len(data)} bytes; files up to {LARGEST_FILE_BYTES} are read")
    if len(data) < 8 or data[4:8] != FILE_IDENTIFIER:
        raise UserError(
            f"{source}: is not a .tflite file: bytes 4 to 8 are {data[4:8]!r}, "
            f"expected {FILE_IDENTIFIER!r}"
        )
    try:
        return _Reader(data, source).subgraphs()
    except READ_ERRORS as error:
        detail = str(error) or type(error).__name__
        raise UserError(
            f"{source}: is damaged: its flatbuffer does not parse ({detail}). "
            "Export the model again"
        ) from None


class _Reader:
    """One pass over the file."""

    def __init__(self, data: bytes, source: str) -> None:
        self.data = data
        self.source = source
        self.root: Any = tflite.Model.GetRootAsModel(data, 0)
        self.names: set[str] = set()
        self.unread_bytes = READINGS * len(data) + FREE_READING_BYTES

    def subgraphs(self) -> tuple[TfliteSubgraph, ...]:
        if self.root.Version() != 3:
            raise UserError(
                f"{self.source}: schema version {self.root.Version()}; version 3 is read"
            )
        count = self._count(self.root.SubgraphsLength(), 4)
        if count < 1:
            raise UserError(f"{self.source}: holds no subgraph")
        return tuple(self._subgraph(self.root.Subgraphs(i)) for i in range(count))

    def _subgraph(self, graph: Any) -> TfliteSubgraph:
        tensors = [
            self._tensor(graph.Tensors(i), i) for i in range(self._count(graph.TensorsLength(), 4))
        ]
        ops = [
            self._op(graph.Operators(i), i) for i in range(self._count(graph.OperatorsLength(), 4))
        ]
        subgraph = TfliteSubgraph(
            tuple(tensors),
            tuple(ops),
            self._indices(graph.InputsAsNumpy()),
            self._indices(graph.OutputsAsNumpy()),
        )
        used = [*subgraph.inputs, *subgraph.outputs]
        for op in ops:
            # An input of an operator may be left out, which -1 says.
            used += [*op.outputs, *(i for i in op.inputs if i != -1)]
        if used and not 0 <= min(used) <= max(used) < len(tensors):
            raise ValueError(f"a tensor index is outside 0 to {len(tensors) - 1}")
        return subgraph

    def _count(self, length: int, entry_bytes: int) -> int:
        """A vector's length, once it is known to lie in the file and not to be read too often."""
        size_bytes = length * entry_bytes
        if not 0 <= size_bytes <= len(self.data):
            raise ValueError(f"a vector of {size_bytes} bytes in a file of {len(self.data)}")
        self.unread_bytes -= size_bytes
        if self.unread_bytes < 0:
            raise ValueError("too many of its parts overlap")
        return length

    def _numbers(self, vector: Any) -> Array:
        # The schema's classes give the number 0 for a vector that is not there.
        numbers = np.empty(0, np.int32) if isinstance(vector, int) else np.asarray(vector)
        self._count(numbers.size, numbers.itemsize)
        return numbers

    def _indices(self, vector: Any) -> tuple[int, ...]:
        return tuple(self._numbers(vector).tolist())

    def _tensor(self, tensor: Any, index: int) -> Tensor | Handle | str:
        raw_name = tensor.Name() or b""
        self._count(len(raw_name), 1)
        name = raw_name.decode("utf-8", "replace") or f"tensor_{index}"
        while name in self.names:
            name = f"{name}#{index}"
        self.names.add(name)
        if tensor.Type() == tflite.TensorType.RESOURCE:
            return Handle(name)
        dtype = _TYPES.get(tensor.Type())
        if dtype is None:
            return f"{name} is {_TYPE_NAMES.get(tensor.Type(), tensor.Type())}"
        if tensor.Sparsity() is not None:
            return f"{name} is sparse"
        shape = self._indices(tensor.ShapeAsNumpy())
        if len(shape) > HIGHEST_RANK:
            raise ValueError(f"{name} has {len(shape)} dimensions")
        result = Tensor(name, shape, dtype, self._quantization(tensor.Quantization()))
        if tensor.IsVariable():
            return as_variable(result)
        return replace(result, data=self._constant(result, tensor.Buffer()))

    def _quantization(self, quantization: Any) -> Quantization | None:
        if (
            quantization is None
            or not quantization.ScaleLength()
            or not quantization.ZeroPointLength()
        ):
            return None
        scale = self._numbers(quantization.ScaleAsNumpy()).astype(np.float32)
        zero_point = self._numbers(quantization.ZeroPointAsNumpy()).astype(np.int64)
        if zero_point.size == 1:
            zero_point = np.repeat(zero_point, scale.size)
        axis = int(quantization.QuantizedDimension()) if scale.size > 1 else None
        return Quantization(scale, zero_point, axis)

    def _constant(self, tensor: Tensor, buffer_index: int) -> Array | None:
        if not 0 <= buffer_index < self.root.BuffersLength():
            raise ValueError(f"{tensor.name} names buffer {buffer_index}, which is not there")
        buffer = self.root.Buffers(buffer_index)
        if buffer is None or not buffer.DataLength():
            return None
        content = self._numbers(buffer.DataAsNumpy()).tobytes()
        if len(content) != tensor.size_bytes:
            raise ValueError(
                f"{tensor.name} has {len(content)} bytes; its shape takes {tensor.size_bytes}"
            )
        if tensor.dtype is DType.INT4:
            return _unpacked(content, tensor.size).reshape(tensor.shape)
        return np.frombuffer(content, tensor.dtype.numpy).reshape(tensor.shape)

    def _op(self, op: Any, index: int) -> TfliteOp:
        if not 0 <= op.OpcodeIndex() < self.root.OperatorCodesLength():
            raise ValueError(f"operator {index} names code {op.OpcodeIndex()}, which is not there")
        code = self.root.OperatorCodes(op.OpcodeIndex())
        # Codes over 126 stand in the newer field alone; older writers fill the older field alone.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        builtin = _BUILTIN_NAMES.get(number, f"builtin {number}")
        if builtin == "CUSTOM":
            custom = code.CustomCode() or b""
            self._count(len(custom), 1)
            builtin = f"CUSTOM:{custom.decode('utf-8', 'replace')}"
        return TfliteOp(
            index,
            builtin,
            self._indices(op.InputsAsNumpy()),
            self._indices(op.OutputsAsNumpy()),
            op.BuiltinOptions(),
            op.BuiltinOptionsType(),
        )


def as_variable(tensor: Tensor, *, by_byte: bool = False) -> Tensor:
    """A tensor that outlives a run and first stands for zeros.

    Source: TFLM `micro/micro_interpreter_graph.cc`, ResetTensorData, which fills int8 alone with
    the zero point; `micro/micro_resource_variable.cc`, Allocate, which fills any type with its
    lowest byte.

    Args:
        tensor: Its name, type and quantisation.
        by_byte: It is named by a handle: filled as in the second source.
    """
    quantization = tensor.quantization
    zero = 0 if quantization is None else int(quantization.zero_point[0])
    if tensor.dtype is not DType.INT8 and not by_byte:
        zero = 0
    first = np.frombuffer(bytes([zero & 0xFF]) * tensor.dtype.numpy.itemsize, tensor.dtype.numpy)
    # A view of one element: nothing is allocated for a size that only a hostile file has.
    return replace(tensor, data=np.broadcast_to(first[0], _positive(tensor.shape)), variable=True)


def _positive(shape: tuple[int, ...]) -> tuple[int, ...]:
    if any(extent < 1 for extent in shape):
        raise ValueError(f"a variable has shape {list(shape)}")
    return shape


def _unpacked(content: bytes, count: int) -> Array:
    """int4 elements as int8, the low half of each byte first (TFLM UnpackDenseInt4IntoInt8)."""
    packed = np.frombuffer(content, np.uint8)
    halves = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1)[:count].astype(np.int8)
    return np.where(halves > 7, halves - 16, halves).astype(np.int8)
