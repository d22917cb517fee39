"""Small .tflite files for the tests of this room, sound and spoiled."""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
import pytest
import tflite
from numpy.typing import NDArray

from midge.errors import UserError
from midge.graph import Graph
from midge.importers import import_tflite
from midge.synthetic.model_description import (
    ModelDescription,
    Operator,
    Options,
    Quantization,
    Tensor,
)
from midge.synthetic.tflite_writer import write_tflite

# Numbers of the fields in TensorFlow Lite's schema.fbs, in the order of each table.
OPERATOR_CODE = {"deprecated_builtin_code": 0, "custom_code": 1, "version": 2, "builtin_code": 3}
TENSOR = {"shape": 0, "type": 1, "buffer": 2, "name": 3, "quantization": 4}
OPERATOR = {"opcode_index": 0, "inputs": 1, "outputs": 2, "options_type": 3, "options": 4}
CONV_2D_OPTIONS = {"padding": 0, "stride_w": 1, "stride_h": 2, "activation": 3}


def quantization(scale: float = 0.5, zero_point: int = 0) -> Quantization:
    return Quantization((scale,), (zero_point,))


def activation(name: str, *shape: int, scale: float = 0.5, zero_point: int = 0) -> Tensor:
    return Tensor(name, shape, "int8", quantization(scale, zero_point))


def constant(name: str, *shape: int, value: int = 1) -> Tensor:
    return Tensor(name, shape, "int8", quantization(), np.full(shape, value, np.int8))


def integers(name: str, values: Any) -> Tensor:
    data: NDArray[np.int32] = np.array(values, np.int32)
    return Tensor(name, data.shape, "int32", None, data)


def one_operator(
    op: str, options: Options, inputs: Sequence[Tensor | None], *outputs: Tensor
) -> ModelDescription:
    """A model of one operator; what is no constant is an input of the model."""
    there = [t for t in inputs if t is not None]
    return ModelDescription(
        tuple({t.name: t for t in (*there, *outputs)}.values()),
        (Operator(op, tuple(t.name if t else None for t in inputs), _names(outputs), options),),
        _names(t for t in there if t.values is None),
        _names(outputs),
    )


def _names(tensors: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(t.name for t in tensors))


def imported(op: str, options: Options, inputs: Sequence[Tensor | None], *outputs: Tensor) -> Graph:
    return import_tflite(write_tflite(one_operator(op, options, inputs, *outputs)), "m.tflite")


def put(data: bytearray, table: Any, field: int, layout: str, value: float) -> None:
    """Overwrite a number that a table stores; a field with its default is not stored."""
    offset = table._tab.Offset(4 + 2 * field)
    assert offset, "the field is not in the file"
    struct.pack_into(layout, data, table._tab.Pos + offset, value)


def subgraph(data: bytes | bytearray) -> Any:
    return tflite.Model.GetRootAs(data, 0).Subgraphs(0)


def vector_length_position(data: bytes | bytearray, table: Any, field: int) -> int:
    """Where the length of a table's vector stands."""
    at = table._tab.Pos + table._tab.Offset(4 + 2 * field)
    return int(at + struct.unpack_from("<I", data, at)[0])


def raw_file(
    name: str,
    *,
    tensors: int = 1,
    operators: int = 1,
    rank: int = 4,
    indices: int = 1,
    variable: bool = False,
    sparse: bool = False,
    content: bytes = b"",
) -> bytes:
    """A file whose lists name one tensor and one operator over and over.

    The operator is an ADD that reads and writes the first tensor `indices` times. The tensor has
    `rank` dimensions of 1, or holds `content`.
    """
    builder = flatbuffers.Builder(1024)
    elements = builder.CreateByteVector(content)
    long_name = builder.CreateString(name)
    shape = [len(content)] if content else [1] * rank
    extents = builder.CreateNumpyVector(np.array(shape, np.int32))
    first = builder.CreateNumpyVector(np.zeros(indices, np.int32))
    tflite.SparsityParametersStart(builder)
    sparsity = tflite.SparsityParametersEnd(builder)
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, extents)
    tflite.TensorAddType(builder, tflite.TensorType.INT8)
    tflite.TensorAddName(builder, long_name)
    tflite.TensorAddIsVariable(builder, variable)
    if sparse:
        tflite.TensorAddSparsity(builder, sparsity)
    tensor = tflite.TensorEnd(builder)
    tflite.OperatorStart(builder)
    tflite.OperatorAddInputs(builder, first)
    tflite.OperatorAddOutputs(builder, first)
    operator = tflite.OperatorEnd(builder)
    all_tensors = _offsets(builder, [tensor] * tensors)
    all_operators = _offsets(builder, [operator] * operators)
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, all_tensors)
    tflite.SubGraphAddInputs(builder, first)
    tflite.SubGraphAddOutputs(builder, first)
    tflite.SubGraphAddOperators(builder, all_operators)
    graphs = _offsets(builder, [tflite.SubGraphEnd(builder)])
    tflite.OperatorCodeStart(builder)
    codes = _offsets(builder, [tflite.OperatorCodeEnd(builder)])
    tflite.BufferStart(builder)
    tflite.BufferAddData(builder, elements)
    buffers = _offsets(builder, [tflite.BufferEnd(builder)])
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, codes)
    tflite.ModelAddSubgraphs(builder, graphs)
    tflite.ModelAddBuffers(builder, buffers)
    builder.Finish(tflite.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _offsets(builder: flatbuffers.Builder, tables: list[int]) -> int:
    """A vector of tables, as `PrependUOffsetTRelative` would fill it, but in one step."""
    builder.Prep(4, 4 * len(tables))
    # How far from the end of the file an entry stands, less how far its table does.
    places = builder.Offset() + 4 * np.arange(len(tables), 0, -1)
    return int(builder.CreateNumpyVector((places - np.array(tables)).astype(np.uint32)))


def refuses(message: str) -> contextlib.AbstractContextManager[pytest.ExceptionInfo[UserError]]:
    return pytest.raises(UserError, match=re.escape(message))
