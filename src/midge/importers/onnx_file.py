"""The protobuf of an .onnx file as plain data, with nothing in it trusted.

Nothing but the bytes that are given is read: no external data, no paths. Parts are counted before
they are parsed (`onnx_wire`), constants are held against the bytes that they have before an array
is made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from midge.errors import UnsupportedError, UserError
from midge.graph import Array
from midge.importers.onnx_wire import expect_moderate

LARGEST_FILE_BYTES = 1 << 28
MOST_NODES = 1 << 13
"""Of a graph."""
MOST_OPERANDS = 1 << 11
"""Inputs or outputs of a node."""
HIGHEST_RANK = 8
OLDEST_OPSET = 13
NEWEST_OPSET = 28
"""The newest whose operators the converters of this package were held against."""

_TYPE = onnx.TensorProto.DataType
_NUMPY: dict[int, tuple[str, str]] = {
    _TYPE.FLOAT: ("<f4", "float_data"),
    _TYPE.UINT8: ("|u1", "int32_data"),
    _TYPE.INT8: ("|i1", "int32_data"),
    _TYPE.UINT16: ("<u2", "int32_data"),
    _TYPE.INT16: ("<i2", "int32_data"),
    _TYPE.INT32: ("<i4", "int32_data"),
    _TYPE.INT64: ("<i8", "int64_data"),
    _TYPE.BOOL: ("|b1", "int32_data"),
    _TYPE.FLOAT16: ("<f2", "int32_data"),
    _TYPE.DOUBLE: ("<f8", "double_data"),
    _TYPE.UINT32: ("<u4", "uint64_data"),
    _TYPE.UINT64: ("<u8", "uint64_data"),
}
"""Element types of constants: NumPy's, and the field that holds them where `raw_data` does not."""
_HALVES = {_TYPE.INT4: "|i1", _TYPE.UINT4: "|u1"}
"""Types of which two elements stand in a byte, and what holds one here."""

PARSE_ERRORS = (
    *(DecodeError, ValueError, TypeError, AttributeError, OverflowError, KeyError, IndexError),
    *(UnicodeDecodeError, RecursionError, MemoryError),
)
"""What protobuf raises on a damaged file."""


def type_name(code: int) -> str:
    """ONNX's name of an element type, in lower case; its number where it has none."""
    names: dict[int, str] = {v: k.lower() for k, v in _TYPE.items()}
    return names.get(code, f"type {code}")


@dataclass(frozen=True, eq=False)
class Constant:
    """Elements that a file holds.

    Attributes:
        name: "" for an attribute's.
        data: Their values; of int4 and uint4 one an int8 or uint8.
        type_code: ONNX's number of the element type.
    """

    name: str
    data: Array
    type_code: int

    @property
    def type_name(self) -> str:
        """ONNX's name of the element type."""
        return type_name(self.type_code)


@dataclass(frozen=True)
class OnnxInput:
    """An input or output of the graph.

    Attributes:
        name: The value's.
        type_code: ONNX's number of the element type.
        dims: Extents; None where one is left open without a name, a string where it has one. None
            for all where the file does not say how many there are.
    """

    name: str
    type_code: int
    dims: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class OnnxNode:
    """A node as the file has it.

    Attributes:
        index: Its place in the file.
        name: Its own, or made of its type and place.
        op_type: Such as ``Conv``.
        domain: "" for ONNX's own operators.
        inputs: Names of values; "" where an optional one is left out.
        outputs: The same.
        attributes: AttributeProto by name.
    """

    index: int
    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class OnnxModel:
    """A file's graph.

    Attributes:
        opset: Version of ONNX's own operators.
        inputs: What the caller writes, without those that constants stand for.
        outputs: What the caller reads.
        constants: Initializers by name.
        nodes: In file order.
    """

    opset: int
    inputs: tuple[OnnxInput, ...]
    outputs: tuple[OnnxInput, ...]
    constants: Mapping[str, Constant]
    nodes: tuple[OnnxNode, ...]


def read_onnx(data: bytes, source: str) -> OnnxModel:
    """Parse the bytes of an .onnx file.

    Args:
        data: The file.
        source: Its name, for messages.

    Raises:
        UserError: it is not an .onnx file, or damaged.
        UnsupportedError: it uses a part of the format that Midge does not read, or an opset.
    """
    if len(data) > LARGEST_FILE_BYTES:
        raise UserError(f"{source}: {len(data)} bytes; files up to {LARGEST_FILE_BYTES} are read")
    try:
        expect_moderate(data)
        model = onnx.ModelProto.FromString(data)
        return _model(model, source)
    except PARSE_ERRORS as error:
        detail = str(error) or type(error).__name__
        raise UserError(
            f"{source}: is not an .onnx file, or damaged: its protobuf does not parse ({detail}). "
            "Export the model again"
        ) from None


def _model(model: Any, source: str) -> OnnxModel:
    if not model.HasField("graph"):
        raise ValueError("holds no graph")
    opset = _opset(model, source)
    _refuse_parts(model, source)
    graph = model.graph
    if len(graph.node) > MOST_NODES:
        raise UnsupportedError(
            f"{source}: has {len(graph.node)} nodes; up to {MOST_NODES} are read. Simplify the "
            "graph, or keep loops rolled"
        )
    constants: dict[str, Constant] = {}
    for tensor in graph.initializer:
        if not tensor.name or tensor.name in constants:
            raise ValueError(f"an initializer's name {tensor.name!r} is empty or not the only one")
        constants[tensor.name] = constant_of(tensor)
    inputs = tuple(_value(v) for v in graph.input if v.name not in constants)
    outputs = tuple(_value(v) for v in graph.output)
    nodes = tuple(_node(node, index) for index, node in enumerate(graph.node))
    return OnnxModel(opset, inputs, outputs, constants, nodes)


def _opset(model: Any, source: str) -> int:
    versions = {e.version for e in model.opset_import if e.domain in ("", "ai.onnx")}
    newest = min(NEWEST_OPSET, onnx.defs.onnx_opset_version())
    expected = f"supported: {OLDEST_OPSET} to {newest}"
    if len(versions) != 1:
        found = ", ".join(map(str, sorted(versions))) or "none"
        raise UserError(f"{source}: names the versions {found} of ONNX's operators; {expected}")
    (version,) = versions
    if version < OLDEST_OPSET:
        raise UnsupportedError(
            f"{source}: opset {version} of ONNX's operators; {expected}. Export the model with a "
            "newer opset, or convert it with onnx.version_converter"
        )
    if version > newest:
        raise UnsupportedError(
            f"{source}: opset {version} of ONNX's operators; {expected}. Export the model with an "
            "older opset" + (", or update the onnx package" if newest < NEWEST_OPSET else "")
        )
    return int(version)


def _refuse_parts(model: Any, source: str) -> None:
    graph = model.graph
    for held, what, advice in (
        (model.functions, "functions of its own", "Inline them with onnx.inliner"),
        (model.training_info, "training information", "Export for inference"),
        (graph.sparse_initializer, "sparse initializers", "Store them dense"),
    ):
        if held:
            raise UnsupportedError(
                f"{source}: has {what}, which Midge does not read. {advice}, and import that"
            )
    for tensor in graph.initializer:
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise UnsupportedError(
                f"{source}: initializer {tensor.name!r} stands in another file; Midge reads no "
                "files that a model names. Save the model with its data inside: "
                "onnx.save_model(model, path, save_as_external_data=False)"
            )


def _value(value: Any) -> OnnxInput:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise ValueError(f"{value.name!r} is a {kind or 'value without a type'}, not a tensor")
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return OnnxInput(value.name, tensor.elem_type, None)
    if len(tensor.shape.dim) > HIGHEST_RANK:
        raise ValueError(f"{value.name!r} has {len(tensor.shape.dim)} dimensions")
    dims: list[int | str | None] = []
    for dim in tensor.shape.dim:
        said = dim.WhichOneof("value")
        dims.append(None if said is None else getattr(dim, said))
    return OnnxInput(value.name, tensor.elem_type, tuple(dims))


def _node(node: Any, index: int) -> OnnxNode:
    attributes = {a.name: a for a in node.attribute}
    if len(attributes) != len(node.attribute):
        raise ValueError(f"node {index} has two attributes of one name")
    if max(len(node.input), len(node.output)) > MOST_OPERANDS:
        raise ValueError(f"node {index} has over {MOST_OPERANDS} inputs or outputs")
    domain = "" if node.domain == "ai.onnx" else node.domain
    name = node.name or f"{node.op_type}_{index}"
    return OnnxNode(
        index,
        name,
        node.op_type,
        domain,
        tuple(node.input),
        tuple(node.output),
        attributes,
    )


def constant_of(tensor: Any) -> Constant:
    """The elements of a TensorProto.

    Raises:
        ValueError: they are not as many as its shape says, or of a type that holds none here.
    """
    name, code = tensor.name, tensor.data_type
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ValueError(f"{name!r} stands in another file")
    if tensor.HasField("segment"):
        raise ValueError(f"{name!r} is a segment of a tensor")
    if code not in _NUMPY and code not in _HALVES:
        raise ValueError(f"{name!r} has element type {type_name(code)}")
    shape = tuple(tensor.dims)
    if len(shape) > HIGHEST_RANK or any(extent < 0 for extent in shape):
        raise ValueError(f"{name!r} has shape {list(shape[: HIGHEST_RANK + 1])}")
    count = math.prod(shape)
    if code in _HALVES:
        return Constant(name, _halves(tensor, count).reshape(shape), code)
    numpy, field = _NUMPY[code]
    dtype = np.dtype(numpy)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != count * dtype.itemsize:
            raise ValueError(
                f"{name!r} has {len(tensor.raw_data)} bytes; its shape takes "
                f"{count * dtype.itemsize}"
            )
        flat = np.frombuffer(tensor.raw_data, dtype)
        if dtype == np.bool_:
            flat = np.frombuffer(tensor.raw_data, np.uint8) != 0
    else:
        flat = _listed(tensor, field, count, dtype)
    return Constant(name, flat.reshape(shape), code)


def _listed(tensor: Any, field: str, count: int, dtype: np.dtype[np.generic]) -> Array:
    listed = getattr(tensor, field)
    if len(listed) != count:
        raise ValueError(f"{tensor.name!r} has {len(listed)} elements; its shape takes {count}")
    if dtype == np.float16:
        # Their bits stand in the integers.
        return np.array(listed, np.uint16).view(np.float16)
    return np.array(listed, dtype)


def _halves(tensor: Any, count: int) -> Array:
    """Elements of four bits, the low half of each byte first."""
    size = -(-count // 2)
    if tensor.HasField("raw_data"):
        packed = np.frombuffer(tensor.raw_data, np.uint8)
    else:
        packed = np.array(tensor.int32_data, np.int64).astype(np.uint8)
    if packed.size != size:
        raise ValueError(f"{tensor.name!r} has {packed.size} bytes; its shape takes {size}")
    halves = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1)[:count]
    if tensor.data_type == _TYPE.UINT4:
        return halves
    signed = halves.astype(np.int8)
    return np.where(signed > 7, signed - 16, signed).astype(np.int8)
