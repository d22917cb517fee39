"""Writes a `ModelDescription` as the bytes of a .tflite file.

The schema is TFLite's own (schema.fbs, version 3) through the generated code of the `tflite`
package and the `flatbuffers` builder. The same description gives the same bytes. Constants start at
multiples of 16 bytes, as the schema's ``force_align`` asks, so that a runtime may read int32 in
place.

To add an operator: an options class in `model_description`, one entry in ``_OPTIONS`` here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray

from midge.errors import UserError
from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    Fields,
    FullyConnectedOptions,
    ModelDescription,
    Operator,
    PadOptions,
    Pool2DOptions,
    Quantization,
    ReshapeOptions,
    SoftmaxOptions,
    Tensor,
)

SCHEMA_VERSION = 3
FILE_IDENTIFIER = b"TFL3"
CONSTANT_ALIGNMENT = 16
# Codes above 127 do not fit the schema's first, one-byte field, which then holds this marker.
_LAST_SHORT_CODE = 127

_TENSOR_TYPES = {
    name: getattr(tflite.TensorType, name.upper())
    for name in (
        *("int4", "int8", "int16", "int32", "int64", "uint8", "float32", "bool", "resource"),
    )
}

_Builder = Any  # flatbuffers.Builder: the package has no type information


def write_tflite(model: ModelDescription) -> bytes:
    """Return `model` as the contents of a .tflite file.

    Args:
        model: The description. Shapes are written as given: a wrong shape makes a wrong file.

    Raises:
        UserError: A name is unknown or used twice, a type or attribute has no counterpart in the
            schema, or a constant's contents do not have the tensor's shape and type.
    """
    subgraphs = (model, *model.functions)
    for part in subgraphs:
        _check_names(part)
    builder = flatbuffers.Builder(1024)
    constants: list[NDArray[Any]] = []
    codes = sorted({(_builtin_code(op), op.version) for part in subgraphs for op in part.operators})
    written = [_subgraph(builder, part, codes, constants) for part in subgraphs]
    buffers = [_table(builder, "Buffer")]
    buffers += [_table(builder, "Buffer", Data=_aligned_bytes(builder, c)) for c in constants]
    root = _table(
        builder,
        "Model",
        Version=SCHEMA_VERSION,
        OperatorCodes=_offsets(builder, [_operator_code(builder, *code) for code in codes]),
        Subgraphs=_offsets(builder, written),
        Description=builder.CreateString(model.comment),
        Buffers=_offsets(builder, buffers),
    )
    builder.Finish(root, file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())


def _subgraph(
    builder: _Builder,
    model: ModelDescription,
    codes: Sequence[tuple[int, int]],
    constants: list[NDArray[Any]],
) -> int:
    """Write one subgraph; its constants go to the end of `constants`."""
    tensors = []
    for tensor in model.tensors:
        buffer_index = 0  # by convention the first buffer is empty: "not a constant"
        if tensor.values is not None:
            constants.append(_checked_values(tensor))
            buffer_index = len(constants)
        tensors.append(_tensor(builder, tensor, buffer_index))
    index_of = {tensor.name: index for index, tensor in enumerate(model.tensors)}
    operators = [_operator(builder, op, codes, index_of) for op in model.operators]
    return _table(
        builder,
        "SubGraph",
        Tensors=_offsets(builder, tensors),
        Inputs=_int32s(builder, [index_of[name] for name in model.inputs]),
        Outputs=_int32s(builder, [index_of[name] for name in model.outputs]),
        Operators=_offsets(builder, operators),
        Name=builder.CreateString("main"),
    )


def _check_names(model: ModelDescription) -> None:
    names = [tensor.name for tensor in model.tensors]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"model description: tensor names must be unique; used twice: {twice}")
    used = [*model.inputs, *model.outputs]
    for op in model.operators:
        used += [name for name in (*op.inputs, *op.outputs) if name is not None]
    unknown = sorted(set(used) - set(names))
    if unknown:
        raise UserError(
            f"model description: these names are used but no tensor has them: {unknown}; "
            "add the tensors or correct the names"
        )


def _checked_values(tensor: Tensor) -> NDArray[Any]:
    values = np.asarray(tensor.values)
    stored = "int8" if tensor.dtype == "int4" else tensor.dtype
    if values.shape != tensor.shape or values.dtype.name != stored:
        raise UserError(
            f"tensor '{tensor.name}': the constant is {values.dtype.name} {values.shape}, "
            f"the tensor {tensor.dtype} {tensor.shape}; make them equal"
        )
    if tensor.dtype == "int4":  # two to a byte, the first in the low half
        halves = np.append(values.reshape(-1), [0] * (values.size % 2)).astype(np.uint8) & 15
        return (halves[::2] | halves[1::2] << 4).astype(np.uint8)
    return values


def _builtin_code(op: Operator) -> int:
    return _schema_value(tflite.BuiltinOperator, op.op, "operator")


def _schema_value(enumeration: Any, name: str, what: str) -> int:
    value = getattr(enumeration, name, None)
    if not isinstance(value, int):
        names = sorted(key for key in vars(enumeration) if not key.startswith("_"))
        raise UserError(f"'{name}' is not an {what} of the TFLite schema; expected one of {names}")
    return value


def _operator_code(builder: _Builder, code: int, version: int) -> int:
    return _table(
        builder,
        "OperatorCode",
        DeprecatedBuiltinCode=min(code, _LAST_SHORT_CODE),
        Version=version,
        BuiltinCode=code,
    )


def _tensor(builder: _Builder, tensor: Tensor, buffer_index: int) -> int:
    if tensor.dtype not in _TENSOR_TYPES:
        raise UserError(
            f"tensor '{tensor.name}': type {tensor.dtype} cannot be written; "
            f"supported: {sorted(_TENSOR_TYPES)}"
        )
    fields: dict[str, Any] = {
        "Shape": _int32s(builder, tensor.shape),
        "Type": _TENSOR_TYPES[tensor.dtype],
        "Buffer": buffer_index,
        "Name": builder.CreateString(tensor.name),
    }
    if tensor.quantization is not None:
        fields["Quantization"] = _quantization(builder, tensor.name, tensor.quantization)
    if tensor.signature is not None:
        fields["ShapeSignature"] = _int32s(builder, tensor.signature)
    if tensor.variable:
        fields["IsVariable"] = True
    return _table(builder, "Tensor", **fields)


def _quantization(builder: _Builder, name: str, quantization: Quantization) -> int:
    if not quantization.scales or len(quantization.scales) != len(quantization.zero_points):
        raise UserError(
            f"tensor '{name}': {len(quantization.scales)} scales and "
            f"{len(quantization.zero_points)} zero points; expected one or more, equally many"
        )
    return _table(
        builder,
        "QuantizationParameters",
        Scale=builder.CreateNumpyVector(np.array(quantization.scales, np.float32)),
        ZeroPoint=builder.CreateNumpyVector(np.array(quantization.zero_points, np.int64)),
        QuantizedDimension=quantization.dimension,
    )


def _operator(
    builder: _Builder, op: Operator, codes: Sequence[tuple[int, int]], index_of: dict[str, int]
) -> int:
    if isinstance(op.options, Fields):
        return _operator_table(
            builder, op, codes, index_of, op.options.table, _plain_fields(builder, op.options)
        )
    entry = _OPTIONS.get(op.op)
    if entry is None or not isinstance(op.options, entry[0]):
        expected = entry[0].__name__ if entry else f"one of {sorted(_OPTIONS)}"
        raise UserError(
            f"operator {op.op} with {type(op.options).__name__} cannot be written; "
            f"expected {expected}"
        )
    _, table, fields_of = entry
    return _operator_table(builder, op, codes, index_of, table, fields_of(builder, op.options))


def _operator_table(
    builder: _Builder,
    op: Operator,
    codes: Sequence[tuple[int, int]],
    index_of: dict[str, int],
    table: str,
    options: dict[str, Any],
) -> int:
    fields: dict[str, Any] = {}
    if table:
        fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, table)
        fields["BuiltinOptions"] = _table(builder, table, **options)
    return _table(
        builder,
        "Operator",
        OpcodeIndex=codes.index((_builtin_code(op), op.version)),
        Inputs=_int32s(builder, [-1 if name is None else index_of[name] for name in op.inputs]),
        Outputs=_int32s(builder, [index_of[name] for name in op.outputs]),
        **fields,
    )


def _plain_fields(builder: _Builder, options: Fields) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in options.values:
        if isinstance(value, str):
            fields[name] = builder.CreateString(value)
        elif isinstance(value, tuple):
            fields[name] = _int32s(builder, value)
        else:
            fields[name] = value
    return fields


def _table(builder: _Builder, name: str, /, **fields: Any) -> int:
    # The generated code has <Table>Start, <Table>Add<Field> and <Table>End for every table.
    getattr(tflite, f"{name}Start")(builder)
    for field, value in fields.items():
        getattr(tflite, f"{name}Add{field}")(builder, value)
    offset: int = getattr(tflite, f"{name}End")(builder)
    return offset


def _int32s(builder: _Builder, values: Sequence[int]) -> int:
    offset: int = builder.CreateNumpyVector(np.array(values, np.int32))
    return offset


def _offsets(builder: _Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    end: int = builder.EndVector()
    return end


def _aligned_bytes(builder: _Builder, values: NDArray[Any]) -> int:
    little_endian = values.astype(values.dtype.newbyteorder("<")).tobytes()
    # The buffer is built backwards: this makes the first byte of what is written next land on the
    # alignment, and CreateByteVector adds no padding after it.
    builder.Prep(CONSTANT_ALIGNMENT, len(little_endian))
    offset: int = builder.CreateByteVector(little_endian)
    return offset


def _window_fields(options: Any) -> dict[str, int]:
    return {
        "Padding": _schema_value(tflite.Padding, options.padding, "padding"),
        "StrideH": options.stride[0],
        "StrideW": options.stride[1],
        **_activation_field(options),
    }


def _dilation_fields(options: Any) -> dict[str, int]:
    return {"DilationHFactor": options.dilation[0], "DilationWFactor": options.dilation[1]}


def _activation_field(options: Any) -> dict[str, int]:
    code = _schema_value(tflite.ActivationFunctionType, options.activation, "activation")
    return {"FusedActivationFunction": code}


def _conv_2d(_: _Builder, options: Conv2DOptions) -> dict[str, Any]:
    return _window_fields(options) | _dilation_fields(options)


def _depthwise_conv_2d(_: _Builder, options: DepthwiseConv2DOptions) -> dict[str, Any]:
    multiplier = {"DepthMultiplier": options.depth_multiplier}
    return _window_fields(options) | _dilation_fields(options) | multiplier


def _fully_connected(_: _Builder, options: FullyConnectedOptions) -> dict[str, Any]:
    return _activation_field(options) | {"KeepNumDims": options.keep_num_dims}


def _pool_2d(_: _Builder, options: Pool2DOptions) -> dict[str, Any]:
    size = {"FilterHeight": options.filter[0], "FilterWidth": options.filter[1]}
    return _window_fields(options) | size


def _add(_: _Builder, options: AddOptions) -> dict[str, Any]:
    return _activation_field(options)


def _softmax(_: _Builder, options: SoftmaxOptions) -> dict[str, Any]:
    return {"Beta": options.beta}


def _reshape(builder: _Builder, options: ReshapeOptions) -> dict[str, Any]:
    if options.new_shape is None:
        return {}
    return {"NewShape": _int32s(builder, options.new_shape)}


def _pad(_: _Builder, __: PadOptions) -> dict[str, Any]:
    return {}


# operator -> (its options class, its options table in the schema, the table's fields)
_OPTIONS: dict[str, tuple[type, str, Callable[[Any, Any], dict[str, Any]]]] = {
    "CONV_2D": (Conv2DOptions, "Conv2DOptions", _conv_2d),
    "DEPTHWISE_CONV_2D": (DepthwiseConv2DOptions, "DepthwiseConv2DOptions", _depthwise_conv_2d),
    "FULLY_CONNECTED": (FullyConnectedOptions, "FullyConnectedOptions", _fully_connected),
    "AVERAGE_POOL_2D": (Pool2DOptions, "Pool2DOptions", _pool_2d),
    "MAX_POOL_2D": (Pool2DOptions, "Pool2DOptions", _pool_2d),
    "ADD": (AddOptions, "AddOptions", _add),
    "SOFTMAX": (SoftmaxOptions, "SoftmaxOptions", _softmax),
    "RESHAPE": (ReshapeOptions, "ReshapeOptions", _reshape),
    "PAD": (PadOptions, "PadOptions", _pad),
}
