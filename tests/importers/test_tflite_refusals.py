"""What the importer refuses, each message, and that it names every place at once."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tflite
from tflite_files import (
    CONV_2D_OPTIONS,
    OPERATOR,
    OPERATOR_CODE,
    TENSOR,
    activation,
    constant,
    imported,
    integers,
    one_operator,
    put,
    raw_file,
    refuses,
    subgraph,
    vector_length_position,
)

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.importers import import_tflite
from midge.importers.tflite_convert import VARIABLE_OPERATORS
from midge.importers.tflite_file import LARGEST_FILE_BYTES, read_tflite
from midge.importers.tflite_ops import CONVERTERS
from midge.synthetic import random_network
from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    ModelDescription,
    Options,
    PadOptions,
    Pool2DOptions,
    ReshapeOptions,
    SoftmaxOptions,
)
from midge.synthetic.model_description import Tensor as FileTensor
from midge.synthetic.tflite_writer import write_tflite

X, W, Y = activation("x", 1, 8, 8, 4), constant("w", 6, 3, 3, 4), activation("y", 1, 6, 6, 6)
CONV = one_operator("CONV_2D", Conv2DOptions("VALID"), (X, W), Y)


def conv_file() -> bytearray:
    return bytearray(write_tflite(CONV))


def options_of(data: bytearray, schema: Any, op: int = 0) -> Any:
    table = subgraph(data).Operators(op).BuiltinOptions()
    options = schema()
    options.Init(table.Bytes, table.Pos)
    return options


def with_operators(model: ModelDescription, names: dict[int, str]) -> bytes:
    """The model's file with other operators in the place of some, by index."""
    codes = [tflite.BuiltinOperator.__dict__[n] for n in names.values()]
    # Each operator gets a code of its own, so that one can be changed without the others.
    model = replace(
        model,
        operators=tuple(replace(op, version=100 + i) for i, op in enumerate(model.operators)),
    )
    data = bytearray(write_tflite(model))
    root = tflite.Model.GetRootAs(data, 0)
    for index, code in zip(names, codes, strict=True):
        entry = root.OperatorCodes(root.Subgraphs(0).Operators(index).OpcodeIndex())
        put(data, entry, OPERATOR_CODE["deprecated_builtin_code"], "<b", min(code, 127))
        put(data, entry, OPERATOR_CODE["builtin_code"], "<i", code)
    return bytes(data)


@pytest.mark.tiny
def test_every_unsupported_operator_is_named_at_once() -> None:
    model = random_network(0).model
    count = len(model.operators)
    assert count >= 3
    data = with_operators(model, {0: "RANK", 1: "UNIQUE", count - 1: "WHERE"})
    with pytest.raises(UnsupportedError) as error:
        import_tflite(data, "net.tflite")
    assert str(error.value) == (
        "net.tflite: 3 places need what Midge does not have:\n"
        "  op 0 (RANK): the operator is not supported\n"
        "  op 1 (UNIQUE): the operator is not supported\n"
        f"  op {count - 1} (WHERE): the operator is not supported\n"
        f"supported operators: {', '.join(sorted((*CONVERTERS, *VARIABLE_OPERATORS)))}"
    )


def test_one_unsupported_place_is_one_place() -> None:
    with refuses("m.tflite: 1 place needs what Midge does not have:\n  op 0 (RANK)"):
        import_tflite(with_operators(CONV, {0: "RANK"}), "m.tflite")


def test_an_operator_that_the_schema_does_not_know_is_shown_by_number() -> None:
    data = conv_file()
    entry = tflite.Model.GetRootAs(data, 0).OperatorCodes(0)
    put(data, entry, OPERATOR_CODE["builtin_code"], "<i", 9999)
    with refuses("op 0 (builtin 9999): the operator is not supported"):
        import_tflite(bytes(data), "m.tflite")


def test_a_custom_operator_is_shown_as_one() -> None:
    with refuses("op 0 (CUSTOM:): the operator is not supported"):
        import_tflite(with_operators(CONV, {0: "CUSTOM"}), "m.tflite")


@pytest.mark.tiny
@pytest.mark.parametrize(("code", "name"), [(4, "TANH"), (5, "SIGN_BIT"), (77, "?")])
def test_an_activation_that_tflite_micro_ignores_is_refused(code: int, name: str) -> None:
    assert tflite.ActivationFunctionType.__dict__.get(name, code) == code
    options = Conv2DOptions("VALID", activation="RELU")
    data = bytearray(write_tflite(one_operator("CONV_2D", options, (X, W), Y)))
    table = options_of(data, tflite.Conv2DOptions)
    put(data, table, CONV_2D_OPTIONS["activation"], "<b", code)
    message = f"op 0 (CONV_2D): fused activation {code} is not supported (TFLite Micro computes it "
    with refuses(message):
        import_tflite(bytes(data), "m.tflite")


def refused(message: str, op: str, options: Options, *tensors: FileTensor | None) -> object:
    return pytest.param(message, op, options, tensors[:-1], tensors[-1], id=f"{op}-{message[:40]}")


A2, Y2 = activation("a", 2, 3), activation("y", 3, 8)
REFUSALS = [
    refused("has 1 inputs; expected at least 2", "CONV_2D", Conv2DOptions(), X, Y),
    refused("a required tensor is left out", "CONV_2D", Conv2DOptions(), X, None, Y),
    refused(
        "x has shape [8, 4]; expected 4 dimensions",
        "CONV_2D",
        Conv2DOptions(),
        activation("x", 8, 4),
        W,
        Y,
    ),
    refused(
        "w has shape [4]; expected 4 dimensions", "CONV_2D", Conv2DOptions(), X, constant("w", 4), Y
    ),
    refused(
        "stride (0, 1) and dilation (1, 1) must be at least 1",
        "CONV_2D",
        Conv2DOptions(stride=(0, 1)),
        X,
        W,
        Y,
    ),
    refused(
        "dilation (1, -1) must be at least 1",
        "CONV_2D",
        Conv2DOptions("VALID", dilation=(1, -1)),
        X,
        W,
        Y,
    ),
    refused(
        "depth multiplier 3 does not take 4 channels to the 8 of w",
        "DEPTHWISE_CONV_2D",
        DepthwiseConv2DOptions(depth_multiplier=3),
        X,
        constant("w", 1, 3, 3, 8),
        Y,
    ),
    refused(
        "x has shape [8]; expected 4 dimensions",
        "AVERAGE_POOL_2D",
        Pool2DOptions((2, 2)),
        activation("x", 8),
        Y,
    ),
    refused("kernel (0, 2)", "MAX_POOL_2D", Pool2DOptions((0, 2)), X, Y),
    refused("has 1 inputs; expected at least 2", "PAD", PadOptions(), A2, Y2),
    refused(
        "paddings have shape [2]; expected [2, 2] for a",
        "PAD",
        PadOptions(),
        A2,
        integers("p", [1, 2]),
        Y2,
    ),
    refused(
        "input p is computed at run time; a constant is supported",
        "PAD",
        PadOptions(),
        A2,
        FileTensor("p", (2, 2), "int32"),
        Y2,
    ),
    refused("beta inf is not a finite number", "SOFTMAX", SoftmaxOptions(float("inf")), A2, A2),
    refused("beta nan is not a finite number", "SOFTMAX", SoftmaxOptions(float("nan")), A2, A2),
]


@pytest.mark.parametrize(("message", "op", "options", "inputs", "y"), REFUSALS)
def test_message(
    message: str, op: str, options: Options, inputs: tuple[FileTensor | None, ...], y: FileTensor
) -> None:
    with refuses(f"  op 0 ({op}): ") as error:
        imported(op, options, inputs, replace(y, name="y"))
    assert message in str(error.value)


def test_what_verify_refuses_is_said_with_the_files_name() -> None:
    with refuses("m.tflite: m: op '00_conv_2d' (conv_2d): y is int8[1, 5, 6, 6]; the operator"):
        imported("CONV_2D", Conv2DOptions("VALID"), (X, W), activation("y", 1, 5, 6, 6))


def test_two_outputs_are_refused() -> None:
    model = one_operator("RESHAPE", ReshapeOptions(), (A2,), activation("y", 3, 2), A2)
    with refuses("op 0 (RESHAPE): has 2 outputs; expected 1"):
        import_tflite(write_tflite(model), "m.tflite")


def test_shuffled_weights_are_refused() -> None:
    x, w, y = activation("x", 1, 8), constant("w", 3, 8), activation("y", 1, 3)
    options = FullyConnectedOptions("RELU", keep_num_dims=True)
    data = bytearray(write_tflite(one_operator("FULLY_CONNECTED", options, (x, w), y)))
    table = options_of(data, tflite.FullyConnectedOptions)
    # The vtable is made to find the format of the weights where keep_num_dims holds its 1.
    vtable = table._tab.Pos - struct.unpack_from("<i", data, table._tab.Pos)[0]
    struct.pack_into("<H", data, vtable + 4 + 2 * 1, table._tab.Offset(4 + 2 * 2))
    with refuses("shuffled weights are not supported; supported: the default format"):
        import_tflite(bytes(data), "m.tflite")


def test_padding_of_a_third_kind_is_refused() -> None:
    data = bytearray(write_tflite(one_operator("CONV_2D", Conv2DOptions("VALID"), (X, W), Y)))
    put(data, options_of(data, tflite.Conv2DOptions), CONV_2D_OPTIONS["padding"], "<b", 2)
    with refuses("padding 2 is neither SAME nor VALID"):
        import_tflite(bytes(data), "m.tflite")


def test_options_of_another_kind_are_not_read() -> None:
    data = conv_file()
    kind = tflite.BuiltinOptions.Pool2DOptions
    put(data, subgraph(data).Operators(0), OPERATOR["options_type"], "<B", kind)
    with refuses("op 0 (CONV_2D): has no Conv2DOptions"):
        import_tflite(bytes(data), "m.tflite")


def test_options_outside_the_file_are_a_message() -> None:
    data = conv_file()
    put(data, subgraph(data).Operators(0), OPERATOR["options"], "<I", 0x7FFFFFFF)
    with refuses("op 0 (CONV_2D): its Conv2DOptions do not parse ("):
        import_tflite(bytes(data), "m.tflite")


@pytest.mark.parametrize(
    ("code", "says"), [(1, "FLOAT16"), (5, "STRING"), (10, "FLOAT64"), (99, "99")]
)
def test_tensors_of_other_types_are_named(code: int, says: str) -> None:
    data = conv_file()
    put(data, subgraph(data).Tensors(0), TENSOR["type"], "<b", code)
    with refuses(f"op 0 (CONV_2D): tensor x is {says}, which is not supported") as error:
        import_tflite(bytes(data), "m.tflite")
    assert f"input or output x is {says}, which is not supported" in str(error.value)
    assert "2 places need" in str(error.value)


def test_int32_activations_are_refused() -> None:
    data = conv_file()
    put(data, subgraph(data).Tensors(0), TENSOR["type"], "<b", tflite.TensorType.INT32)
    with refuses("x is int32; supported here: int8, int16, float32"):
        import_tflite(bytes(data), "m.tflite")


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "m.tflite: is not a .tflite file: bytes 4 to 8 are b'', expected b'TFL3'"),
        (b"\x1c\0\0\0TFL", "is not a .tflite file: bytes 4 to 8 are b'TFL'"),
        (b"\x1c\0\0\0TFL2" + bytes(99), "is not a .tflite file: bytes 4 to 8 are b'TFL2'"),
        (b"PK\x03\x04" + bytes(99), "is not a .tflite file"),
        (b"\x1c\0\0\0TFL3", "m.tflite: is damaged: its flatbuffer does not parse"),
        (b"\xff\xff\xff\xffTFL3" + bytes(99), "m.tflite: is damaged"),
        (b"\x08\0\0\0TFL3" + bytes(99), "m.tflite: schema version 0; version 3 is read"),
    ],
)
def test_what_is_no_model(data: bytes, message: str) -> None:
    with refuses(message):
        import_tflite(data, "m.tflite")


def test_a_file_of_gigabytes_is_refused_unread() -> None:
    # Zeroed pages that are never touched cost nothing.
    largest: Any = np.zeros(LARGEST_FILE_BYTES, np.uint8).data
    with refuses("m.tflite: is not a .tflite file"):
        read_tflite(largest, "m.tflite")
    data: Any = np.zeros(LARGEST_FILE_BYTES + 1, np.uint8).data
    with refuses(f"m.tflite: {LARGEST_FILE_BYTES + 1} bytes; files up to {LARGEST_FILE_BYTES} are"):
        read_tflite(data, "m.tflite")


def test_a_model_without_a_subgraph_is_refused() -> None:
    data = conv_file()
    root = tflite.Model.GetRootAs(data, 0)
    at = vector_length_position(data, root, 2)
    data[at : at + 4] = bytes(4)
    with refuses("m.tflite: holds no subgraph"):
        import_tflite(bytes(data), "m.tflite")


def test_a_variable_or_sparse_tensor_is_refused() -> None:
    (variable,) = read_tflite(raw_file("t", variable=True), "m.tflite")[0].tensors
    assert isinstance(variable, Tensor)
    assert (variable.variable, variable.data) == (True, 0)
    with refuses("op 0 (ADD): tensor t is sparse, which is not supported"):
        import_tflite(raw_file("t", sparse=True), "m.tflite")


def test_add_has_two_inputs() -> None:
    with pytest.raises(UserError, match="takes 2 inputs and 0 optional ones, found"):
        imported("ADD", AddOptions(), (A2,), activation("y", 2, 3))
