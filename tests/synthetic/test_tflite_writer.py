from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tflite

from midge.errors import UserError
from midge.synthetic import ModelDescription, write_tflite
from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    Operator,
    PadOptions,
    Quantization,
    Tensor,
)

CHANNEL_SCALES = (0.5, 0.25, 0.125)
WEIGHTS = np.arange(-13, 14, dtype=np.int8).reshape(3, 1, 3, 3)
PADDINGS = np.array([[0, 0], [0, 1], [2, 0], [0, 0]], np.int32)

MODEL = ModelDescription(
    tensors=(
        Tensor("image", (1, 4, 5, 3), "int8", Quantization((0.1,), (-7,))),
        Tensor("paddings", (4, 2), "int32", None, PADDINGS),
        Tensor("padded", (1, 5, 7, 3), "int8", Quantization((0.1,), (-7,))),
        Tensor("weights", (3, 1, 3, 3), "int8", Quantization(CHANNEL_SCALES, (0, 0, 0)), WEIGHTS),
        Tensor("result", (1, 5, 3, 3), "int8", Quantization((2.0,), (5,))),
    ),
    operators=(
        Operator("PAD", ("image", "paddings"), ("padded",), PadOptions(), 2),
        Operator(
            "CONV_2D",
            ("padded", "weights", None),
            ("result",),
            Conv2DOptions("VALID", (1, 2), (4, 1), "RELU6"),
            3,
        ),
    ),
    inputs=("image",),
    outputs=("result", "padded"),
    comment="two operators",
)


def test_the_file_says_what_the_description_says() -> None:
    data = write_tflite(MODEL)
    assert tflite.Model.ModelBufferHasIdentifier(data, 0)
    model = tflite.Model.GetRootAs(data, 0)
    assert (model.Version(), model.Description()) == (3, b"two operators")
    assert model.SubgraphsLength() == 1
    graph = model.Subgraphs(0)
    assert list(graph.InputsAsNumpy()) == [0]
    assert list(graph.OutputsAsNumpy()) == [4, 2]

    result = graph.Tensors(4)
    assert (result.Name(), list(result.ShapeAsNumpy())) == (b"result", [1, 5, 3, 3])
    assert result.Type() == tflite.TensorType.INT8
    assert result.Quantization().Scale(0) == 2.0
    assert result.Quantization().ZeroPoint(0) == 5

    weights = graph.Tensors(3)
    assert list(weights.Quantization().ScaleAsNumpy()) == list(CHANNEL_SCALES)
    assert list(weights.Quantization().ZeroPointAsNumpy()) == [0, 0, 0]
    assert weights.Quantization().QuantizedDimension() == 0
    assert bytes(model.Buffers(weights.Buffer()).DataAsNumpy()) == WEIGHTS.tobytes()
    paddings = graph.Tensors(1)
    assert (paddings.Type(), paddings.Quantization()) == (tflite.TensorType.INT32, None)
    assert bytes(model.Buffers(paddings.Buffer()).DataAsNumpy()) == PADDINGS.tobytes()


def test_the_file_has_the_operators_with_their_attributes() -> None:
    model = tflite.Model.GetRootAs(write_tflite(MODEL), 0)
    graph = model.Subgraphs(0)
    codes = []
    for index in range(graph.OperatorsLength()):
        code = model.OperatorCodes(graph.Operators(index).OpcodeIndex())
        assert code.DeprecatedBuiltinCode() == code.BuiltinCode()
        codes.append((code.BuiltinCode(), code.Version()))
    assert codes == [(tflite.BuiltinOperator.PAD, 2), (tflite.BuiltinOperator.CONV_2D, 3)]
    conv = graph.Operators(1)
    assert list(conv.InputsAsNumpy()) == [2, 3, -1]
    assert list(conv.OutputsAsNumpy()) == [4]
    assert conv.BuiltinOptionsType() == tflite.BuiltinOptions.Conv2DOptions
    options = tflite.Conv2DOptions()
    options.Init(conv.BuiltinOptions().Bytes, conv.BuiltinOptions().Pos)
    assert options.Padding() == tflite.Padding.VALID
    assert (options.StrideH(), options.StrideW()) == (1, 2)
    assert (options.DilationHFactor(), options.DilationWFactor()) == (4, 1)
    assert options.FusedActivationFunction() == tflite.ActivationFunctionType.RELU6


def test_computed_tensors_share_the_empty_first_buffer() -> None:
    model = tflite.Model.GetRootAs(write_tflite(MODEL), 0)
    assert model.Buffers(0).DataLength() == 0
    assert [model.Subgraphs(0).Tensors(i).Buffer() for i in range(5)] == [0, 1, 0, 2, 0]


def test_constants_start_at_multiples_of_16_bytes() -> None:
    data = np.frombuffer(write_tflite(MODEL), np.uint8)
    model = tflite.Model.GetRootAs(data, 0)
    start = data.__array_interface__["data"][0]
    for index in (1, 2):
        constant = model.Buffers(index).DataAsNumpy()
        assert (constant.__array_interface__["data"][0] - start) % 16 == 0


def test_the_same_description_gives_the_same_bytes() -> None:
    again = replace(MODEL, tensors=tuple(replace(tensor) for tensor in MODEL.tensors))
    assert write_tflite(again) == write_tflite(MODEL)


def _with_operator(operator: Operator) -> ModelDescription:
    return replace(MODEL, operators=(operator,))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            replace(MODEL, outputs=("logits",)),
            r"no tensor has them: \['logits'\]; add the tensors or correct the names",
        ),
        (
            replace(MODEL, tensors=(*MODEL.tensors, MODEL.tensors[0])),
            r"names must be unique; used twice: \['image'\]",
        ),
        (
            replace(
                MODEL,
                tensors=(*MODEL.tensors, Tensor("w", (2,), "int8", None, np.zeros(3, np.int8))),
            ),
            r"tensor 'w': the constant is int8 \(3,\), the tensor int8 \(2,\)",
        ),
        (
            replace(MODEL, tensors=(*MODEL.tensors, Tensor("f", (2,), "float64"))),
            r"tensor 'f': type float64 cannot be written; supported: \['bool', 'float32', 'int16'",
        ),
        (
            replace(
                MODEL, tensors=(*MODEL.tensors, Tensor("q", (2,), "int8", Quantization((1.0,), ())))
            ),
            r"tensor 'q': 1 scales and 0 zero points; expected one or more, equally many",
        ),
        (
            _with_operator(Operator("COVN_2D", ("image",), ("result",), Conv2DOptions())),
            r"'COVN_2D' is not an operator of the TFLite schema; expected one of .*'CONV_2D'",
        ),
        (
            _with_operator(Operator("CONV_2D", ("image",), ("result",), AddOptions())),
            r"operator CONV_2D with AddOptions cannot be written; expected Conv2DOptions",
        ),
        (
            _with_operator(Operator("LSTM", ("image",), ("result",), AddOptions())),
            r"operator LSTM with AddOptions cannot be written; expected one of \['ADD'",
        ),
        (
            _with_operator(Operator("ADD", ("image",), ("result",), AddOptions("GELU"))),
            r"'GELU' is not an activation of the TFLite schema; expected one of \['NONE'",
        ),
    ],
)
def test_a_bad_description_is_refused(model: ModelDescription, message: str) -> None:
    with pytest.raises(UserError, match=message):
        write_tflite(model)
