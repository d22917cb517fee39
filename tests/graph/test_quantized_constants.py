"""dequantize of weights and biases, sums whose weights it computes, and tables of int8."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graph_builders import int8, one_op, per_channel, per_tensor, plain, refuses

from midge.graph import Attributes, DType, Quantization, Tensor, interpret, outputs_of, verify
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.conversions import Dequantize
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.lookup import Lookup
from midge.graph.ops.pad import Pad
from midge.graph.ops.transpose_conv import TransposeConv
from midge.importers.graph_builder import GraphBuilder
from midge.passes.fuse_pad import fuse_pad

FLOAT, INT8 = DType.FLOAT32, DType.INT8


def constant(dtype: DType, data: object, quantization: Quantization) -> Tensor:
    held = np.asarray(data, dtype.numpy)
    return Tensor("x", held.shape, dtype, quantization, held)


@pytest.mark.parametrize("dtype", [DType.INT4, INT8, DType.INT16, DType.INT32, DType.INT64])
def test_constants_of_any_integer_type_are_dequantized(dtype: DType) -> None:
    x = constant(dtype, [[-7, 0, 3]], per_tensor(0.5, 1))
    graph = verify(one_op(Dequantize(), [x], plain("y", 1, 3, dtype=FLOAT)), has_ends=False)
    assert interpret(graph, {})["y"].tolist() == [[-4.0, -0.5, 1.0]]


def test_scales_and_zero_points_run_along_a_dimension() -> None:
    along = Quantization(np.float32([0.5, 2, 0.25]), np.int64([0, 1, -4]), axis=1)
    x = constant(INT8, np.full((2, 3, 2), 8), along)
    graph = verify(one_op(Dequantize(), [x], plain("y", 2, 3, 2, dtype=FLOAT)), has_ends=False)
    expected = np.broadcast_to(np.float32([[4], [14], [3]]), (2, 3, 2))
    assert np.array_equal(interpret(graph, {})["y"], expected)


@pytest.mark.parametrize(
    ("message", "x"),
    [
        ("x is quantised per channel", replace(int8("x", 2, 3), quantization=None)),
        ("x is int32; supported here: int8, int16, uint8", plain("x", 2, 3, dtype=DType.INT32)),
        ("x is int8 without quantisation parameters", plain("x", 2, 3)),
    ],
    ids=["per-channel", "int32", "none"],
)
def test_computed_tensors_have_one_scale(message: str, x: Tensor) -> None:
    if "channel" in message:
        x = replace(x, quantization=per_channel([1, 2], axis=0))
    with refuses(message):
        verify(one_op(Dequantize(), [x], plain("y", 2, 3, dtype=FLOAT)))


SUMS: tuple[tuple[Attributes, tuple[int, ...]], ...] = (
    (Conv2D(pad_before=(1, 1), pad_after=(1, 1)), (3, 3, 3, 2)),
    (DepthwiseConv2D(pad_before=(1, 1), pad_after=(1, 1)), (1, 3, 3, 2)),
    (TransposeConv(extent=(8, 8), stride=(2, 2)), (3, 2, 2, 2)),
)


@pytest.mark.parametrize(("attributes", "shape"), SUMS, ids=lambda v: getattr(v, "kind", ""))
def test_sums_take_weights_and_biases_that_are_computed(
    attributes: Attributes, shape: tuple[int, ...]
) -> None:
    random = np.random.default_rng(0)
    stored = random.integers(-127, 128, shape).astype(np.int8)
    channels = shape[3] if attributes.kind == "depthwise_conv_2d" else shape[0]
    bias = random.integers(-99, 99, channels).astype(np.int32)
    results = []
    for computed in (True, False):
        b = GraphBuilder()
        x = b.input("x", (1, 4, 4, 2), FLOAT)
        if computed:
            w = b.one("w", Dequantize(), (b.constant("stored", stored, per_tensor(0.01)),))
            c = b.one("c", Dequantize(), (b.constant("bias", bias, per_tensor(0.02)),))
        else:
            w = b.constant("w", stored.astype(np.float32) * np.float32(0.01))
            c = b.constant("c", bias.astype(np.float32) * np.float32(0.02))
        graph = verify(b.graph("g", [x], [b.one("y", attributes, (x, w, c))]))
        image = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
        results.append(outputs_of(graph, interpret(graph, {"x": image}))["y"])
    assert np.array_equal(*results)


def test_a_pad_is_not_fused_into_weights_that_are_not_known() -> None:
    b = GraphBuilder()
    x = b.input("x", (1, 4, 4, 2), FLOAT)
    padded = b.one("padded", Pad(before=(0, 1, 1, 0), after=(0, 1, 1, 0)), (x,))
    stored = b.constant("stored", np.ones((3, 3, 3, 2), np.int8), per_tensor(0.01))
    y = b.one("y", Conv2D(), (padded, b.one("w", Dequantize(), (stored,))))
    graph = verify(b.graph("g", [x], [y]))
    assert fuse_pad(graph) is graph


def test_a_table_is_read_from_minus_128_on() -> None:
    table = Tensor("t", (256,), INT8, None, np.arange(127, -129, -1).astype(np.int8))
    x, y = int8("x", 2, 3), int8("y", 2, 3, scale=2.0, zero_point=9)
    graph = verify(one_op(Lookup(), [x, table], y))
    codes = np.int8([[-128, -127, 0], [1, 126, 127]])
    found = interpret(graph, {"x": codes})["y"]
    assert found.tolist() == [[127, 126, -1], [-2, -127, -128]]


@pytest.mark.parametrize(
    ("message", "x", "table", "y"),
    [
        (
            "t has shape [255]; expected [256]",
            int8("x", 3),
            int8("t", 255, data=0),
            int8("y", 3),
        ),
        ("t is computed at run time", int8("x", 3), int8("t", 256), int8("y", 3)),
        ("x is int16", plain("x", 3, dtype=DType.INT16), int8("t", 256, data=0), int8("y", 3)),
        ("x is int8 without", plain("x", 3), int8("t", 256, data=0), int8("y", 3)),
        ("y is int8 without", int8("x", 3), int8("t", 256, data=0), plain("y", 3)),
    ],
    ids=["shape", "computed", "type", "input", "output"],
)
def test_tables_that_are_refused(message: str, x: Tensor, table: Tensor, y: Tensor) -> None:
    with refuses(message):
        verify(one_op(Lookup(), [x, table], y))
