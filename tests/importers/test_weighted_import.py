"""How convolutions, dense layers and matrix products of every type are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tflite
from test_tflite_oracle import where_roundings_part
from tflite_files import activation, constant, imported, integers, quantization, refuses

from midge.graph import Activation, Attributes, DType, Graph, Rounding, interpret, outputs_of
from midge.graph.ops.batch_matmul import BatchMatmul
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.transpose_conv import TransposeConv
from midge.importers import import_tflite
from midge.synthetic.model_description import (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    Fields,
    FullyConnectedOptions,
    Quantization,
)
from midge.synthetic.model_description import Tensor as FileTensor
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.tflite_writer import write_tflite
from support.oracle import tflm_outputs


def attributes(graph: Graph) -> Attributes:
    (op,) = graph.ops
    return op.attributes


def int16(name: str, *shape: int) -> FileTensor:
    return FileTensor(name, shape, "int16", quantization())


def numbers(name: str, dtype: str, *values: int) -> FileTensor:
    return FileTensor(name, (len(values),), dtype, None, np.array(values, dtype))


# ---- roundings ----

IMAGE, KERNEL, IMAGE_Y = int16("x", 1, 3, 3, 2), constant("w", 2, 1, 1, 2), int16("y", 1, 3, 3, 2)
ROW, ROW_W, ROW_Y = int16("x", 1, 2), constant("w", 2, 2), int16("y", 1, 2)
LONG, SHORT = numbers("b", "int64", 1, 2), numbers("b", "int32", 1, 2)
ASKS_FOR_32 = {"QuantizedBiasType": tflite.TensorType.INT32}


def conv(**fields: Any) -> Fields:
    return Fields.of("Conv2DOptions", StrideW=1, StrideH=1, **fields)


@pytest.mark.parametrize(
    ("bias", "fields", "expected"),
    [
        (LONG, {}, Rounding.TFLITE_16X8),
        (LONG, ASKS_FOR_32, Rounding.TFLITE_16X8),
        (SHORT, {}, Rounding.TFLITE_DOUBLE),
        (None, {}, Rounding.TFLITE_16X8),
        (None, ASKS_FOR_32, Rounding.TFLITE_DOUBLE),
    ],
)
def test_the_bias_says_how_wide_sums_of_int16_are(
    bias: FileTensor | None, fields: dict[str, Any], expected: Rounding
) -> None:
    inputs: Sequence[FileTensor | None] = (IMAGE, KERNEL, bias)
    assert attributes(imported("CONV_2D", conv(**fields), inputs, IMAGE_Y)).rounding is expected  # type: ignore[attr-defined]
    dense = Fields.of("FullyConnectedOptions", **fields)
    graph = imported("FULLY_CONNECTED", dense, (ROW, ROW_W, bias), ROW_Y)
    assert attributes(graph) == FullyConnected(rounding=expected)


def test_depthwise_and_transposed_sums_of_int16_are_long() -> None:
    weights = constant("w", 1, 1, 1, 2)
    for bias in (None, LONG):
        graph = imported(
            "DEPTHWISE_CONV_2D", DepthwiseConv2DOptions(), (IMAGE, weights, bias), IMAGE_Y
        )
        assert attributes(graph).rounding is Rounding.TFLITE_16X8  # type: ignore[attr-defined]
    with refuses("b is int32; supported here: int64"):
        imported("DEPTHWISE_CONV_2D", DepthwiseConv2DOptions(), (IMAGE, weights, SHORT), IMAGE_Y)


def test_int16_without_a_bias_may_list_it_as_absent_or_empty() -> None:
    for bias in (None, numbers("b", "int32")):
        graph = imported("FULLY_CONNECTED", FullyConnectedOptions(), (ROW, ROW_W, bias), ROW_Y)
        assert graph.ops[0].inputs == ("x", "w", "")
        assert set(graph.tensors) == {"x", "w", "y"}


def test_inputs_behind_the_bias_are_refused() -> None:
    more = (ROW, ROW_W, LONG, numbers("c", "int32", 1))
    with refuses("takes 2 inputs and 1 optional ones, found ['x', 'w', 'b', 'c']"):
        imported("FULLY_CONNECTED", FullyConnectedOptions(), more, ROW_Y)


# ---- weights ----


def test_int4_weights_and_their_zero_point() -> None:
    values = np.array([[-8, 7, 3], [1, 0, -1]], np.int8)
    w = FileTensor("w", (2, 3), "int4", quantization(zero_point=2), values)
    x, y = activation("x", 1, 3), activation("y", 1, 2)
    graph = imported("FULLY_CONNECTED", FullyConnectedOptions(), (x, w), y)
    read = graph.tensors["w"]
    assert read.dtype is DType.INT4
    assert read.zero_point == 2
    assert read.size_bytes == 3
    assert np.asarray(read.data).tolist() == values.tolist()


def test_a_zero_point_of_convolution_weights_is_refused() -> None:
    w = FileTensor(
        "w", (2, 1, 1, 2), "int8", quantization(zero_point=2), np.ones((2, 1, 1, 2), "i1")
    )
    with refuses("w has a zero point other than 0; supported here: symmetric weights"):
        imported(
            "CONV_2D",
            Conv2DOptions(),
            (activation("x", 1, 3, 3, 2), w),
            activation("y", 1, 3, 3, 2),
        )


def test_float_weights_may_be_computed_in_dense_layers() -> None:
    x, w, b = (FileTensor(n, s, "float32") for n, s in (("x", (1, 2)), ("w", (3, 2)), ("b", (3,))))
    y = FileTensor("y", (1, 3), "float32")
    graph = imported("FULLY_CONNECTED", FullyConnectedOptions("RELU"), (x, w, b), y)
    assert graph.inputs == ("x", "w", "b")
    assert attributes(graph) == FullyConnected(activation=Activation.RELU)


# ---- TRANSPOSE_CONV ----

X, W = activation("x", 1, 4, 3, 2), constant("w", 5, 3, 4, 2)
SHAPE = integers("shape", [1, 8, 9, 5])
Y = activation("y", 1, 8, 9, 5)


def transposed(**fields: Any) -> Fields:
    return Fields.of("TransposeConvOptions", **({"StrideH": 2, "StrideW": 3} | fields))


def test_transpose_conv_same() -> None:
    options = transposed(FusedActivationFunction=tflite.ActivationFunctionType.RELU)
    graph = imported("TRANSPOSE_CONV", options, (SHAPE, W, X), Y)
    # The convolution of 8x9 by 3x4 in steps of (2, 3): (4-1)*2+3 = 8+1, (3-1)*3+4 = 9+1.
    assert attributes(graph) == TransposeConv(
        extent=(8, 9), stride=(2, 3), pad_before=(0, 0), activation=Activation.RELU
    )
    assert graph.ops[0].inputs == ("x", "w", "")
    wide = constant("w", 5, 5, 6, 2)
    graph = imported("TRANSPOSE_CONV", transposed(), (SHAPE, wide, X), Y)
    assert attributes(graph) == TransposeConv(extent=(8, 9), stride=(2, 3), pad_before=(1, 1))


def test_transpose_conv_valid_with_a_bias() -> None:
    shape, y = integers("shape", [1, 9, 10, 5]), activation("y", 1, 9, 10, 5)
    options = transposed(Padding=tflite.Padding.VALID)
    bias = integers("b", [1, 2, 3, 4, 5])
    graph = imported("TRANSPOSE_CONV", options, (shape, W, X, bias), y)
    assert attributes(graph) == TransposeConv(extent=(9, 10), stride=(2, 3))
    assert graph.ops[0].inputs == ("x", "w", "b")
    empty = numbers("b", "int32")
    graph = imported("TRANSPOSE_CONV", options, (shape, W, X, empty), y)
    assert graph.ops[0].inputs == ("x", "w", "")


def test_transpose_conv_of_int16() -> None:
    x, y = int16("x", *X.shape), int16("y", *Y.shape)
    for dtype in ("int16", "int64"):
        bias = numbers("b", dtype, 1, 2, 3, 4, 5)
        graph = imported("TRANSPOSE_CONV", transposed(), (SHAPE, W, x, bias), y)
        assert attributes(graph).rounding is Rounding.TFLITE_16X8  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("message", "fields", "inputs"),
    [
        (
            "output shape [1, 8, 8, 5] is not that of y, [1, 8, 9, 5]; make them equal",
            {},
            (integers("shape", [1, 8, 8, 5]), W, X),
        ),
        ("output shape [8, 9] is not that of y", {}, (integers("shape", [8, 9]), W, X)),
        (
            "input shape is computed at run time; a constant is supported",
            {},
            (FileTensor("shape", (4,), "int32"), W, X),
        ),
        (
            "an output of (8, 9) pixels has no room for VALID windows of (9, 1)",
            {"Padding": tflite.Padding.VALID},
            (SHAPE, constant("w", 5, 9, 1, 2), X),
        ),
        (
            "kernel (3, 4), stride (0, 3) and dilation (1, 1) must be at least 1",
            {"StrideH": 0},
            (SHAPE, W, X),
        ),
        ("has 2 inputs; expected at least 3", {}, (SHAPE, W)),
        (
            "takes 2 inputs and 1 optional ones, found ['x', 'w', 'none', 'x']",
            {},
            (SHAPE, W, X, None, X),
        ),
    ],
)
def test_transpose_conv_refusals(
    message: str, fields: dict[str, Any], inputs: tuple[FileTensor | None, ...]
) -> None:
    with refuses(message):
        imported("TRANSPOSE_CONV", transposed(**fields), inputs, Y)


# ---- BATCH_MATMUL ----


def test_batch_matmul() -> None:
    for adj_x, adj_y in ((False, False), (True, False), (False, True)):
        a = activation("a", 2, 4, 3) if adj_x else activation("a", 2, 3, 4)
        b = activation("b", 5, 4) if adj_y else activation("b", 4, 5)
        options = Fields.of("BatchMatMulOptions", AdjX=adj_x, AdjY=adj_y)
        graph = imported("BATCH_MATMUL", options, (a, b), activation("y", 2, 3, 5))
        assert attributes(graph) == BatchMatmul(adj_x=adj_x, adj_y=adj_y)
    a, b = int16("a", 3, 4), int16("b", 4, 5)
    y = FileTensor("y", (3, 5), "int16", quantization(8.0))
    graph = imported("BATCH_MATMUL", Fields.of("BatchMatMulOptions"), (a, b), y)
    assert attributes(graph) == BatchMatmul(rounding=Rounding.TFLITE_16X8)


def test_the_product_of_scales_is_a_double_in_matrix_products() -> None:
    s_a, s_b = (float(v) for v in np.random.default_rng(0).uniform(0.5, 2, 2).astype(np.float32))
    s_y = float(np.float32(s_a * s_b * 2**23))
    sums = [s for s in where_roundings_part(s_a, s_b, s_y) if s < 2**28]
    assert sums, "these scales show nothing"
    # Each sum is 127 times what its column holds, and the rest from rows that are 1.
    long, rest = 18000, 127
    a = np.repeat(np.array([[127, 1]], np.int8), (long, rest), axis=1)
    b = np.zeros((long + rest, len(sums)), np.int8)
    for column, value in zip(b.T, sums, strict=True):
        times_127, ones = divmod(value, 127)
        full, last = divmod(times_127, 127)
        column[:full], column[full], column[long : long + ones] = 127, last, 1
    assert (a.astype(np.int64) @ b.astype(np.int64)).reshape(-1).tolist() == sums
    builder = NetworkBuilder(seed=0)
    x = builder.input(a.shape, Quantization((s_a,), (0,)))
    w = builder.constant(b, Quantization((s_b,), (0,)))
    y = builder.operator(
        "BATCH_MATMUL",
        (x, w),
        Fields.of("BatchMatMulOptions"),
        np.zeros((3, 1, len(sums))),
        Quantization((s_y,), (0,)),
        dtype="int8",
    )
    data = write_tflite(builder.build([y]))
    graph = import_tflite(data, "m.tflite")
    (found,) = outputs_of(graph, interpret(graph, {x: a})).values()
    (expected,) = tflm_outputs(data, [a])
    assert np.array_equal(found, expected)
