"""Operators that name dimensions or sizes in a constant, and softmax's types: what becomes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tflite
from tflite_files import activation, imported, integers, one_operator, quantization, refuses

from midge.errors import UnsupportedError
from midge.graph import Activation, DType
from midge.graph.ops.argument import ArgMax, ArgMin
from midge.graph.ops.cumsum import Cumsum
from midge.graph.ops.l2_normalization import L2Normalization
from midge.graph.ops.l2_pool_2d import L2Pool2D
from midge.graph.ops.log_softmax import LogSoftmax
from midge.graph.ops.reductions import Mean, ReduceAll, ReduceMax, ReduceMin, Sum
from midge.graph.ops.resize_bilinear import ResizeBilinear
from midge.graph.ops.softmax import Softmax
from midge.importers import import_tflite
from midge.synthetic.model_description import Fields, SoftmaxOptions, Tensor
from midge.synthetic.tflite_writer import write_tflite

X = activation("x", 2, 3, 4)
IMAGE = activation("x", 1, 2, 3, 4)
KEEP = Fields.of("ReducerOptions", KeepDims=True)
MIX = Fields.of("ResizeBilinearOptions")


def plain(name: str, *shape: int, dtype: str) -> Tensor:
    return Tensor(name, shape, dtype)


@pytest.mark.parametrize(
    ("op", "kind", "dtype"),
    [
        ("MEAN", Mean, "int8"),
        ("SUM", Sum, "int8"),
        ("REDUCE_MAX", ReduceMax, "int8"),
        ("REDUCE_MIN", ReduceMin, "int8"),
        ("REDUCE_ALL", ReduceAll, "bool"),
    ],
)
@pytest.mark.parametrize(
    ("axes", "keep", "expected", "shape"),
    [
        ([0, 2], False, (0, 2), (3,)),
        ([-1, 0], True, (0, 2), (1, 3, 1)),
        (-2, False, (1,), (2, 4)),
    ],
)
def test_axes_become_an_attribute(
    op: str,
    kind: type[Any],
    dtype: str,
    axes: Any,
    keep: bool,
    expected: tuple[int, ...],
    shape: tuple[int, ...],
) -> None:
    x, y = X, activation("y", *shape)
    if dtype == "bool":
        x, y = plain("x", 2, 3, 4, dtype=dtype), plain("y", *shape, dtype=dtype)
    options = Fields.of("ReducerOptions", KeepDims=keep)
    graph = imported(op, options, (x, integers("axes", axes)), y)
    assert graph.ops[0].attributes == kind(axes=expected, keep_dims=keep)
    assert graph.ops[0].inputs == ("x",)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ([3], "axes names dimensions [3] of x, which has 3"),
        ([-4], "axes names dimensions [-4] of x, which has 3"),
        ([0, 1, 2, 0], "axes names dimensions [0, 1, 2, 0] of x, which has 3"),
        (list(range(100)), "axes names dimensions [0, 1, 2, 3] of x, which has 3"),
        ([1, -2], "axes names a dimension twice: [1, -2]"),
    ],
)
def test_axes_that_make_no_sense(axes: list[int], message: str) -> None:
    with refuses(message):
        imported("MEAN", KEEP, (X, integers("axes", axes)), activation("y", 1, 3, 4))


def test_axes_that_are_computed_are_not_supported() -> None:
    with pytest.raises(UnsupportedError, match="input axes is computed at run time"):
        imported("SUM", KEEP, (X, plain("axes", 1, dtype="int32")), activation("y", 1, 3, 4))


@pytest.mark.parametrize(
    ("op", "options", "count"),
    [("MEAN", KEEP, 2), ("RESIZE_BILINEAR", MIX, 2), ("CUMSUM", Fields.of("CumsumOptions"), 2)],
)
def test_nothing_is_passed_over(op: str, options: Fields, count: int) -> None:
    one = integers("one", [1])
    for inputs in ((X,), (X, one, one)):
        with refuses(f"has {len(inputs)} inputs; expected {count}"):
            imported(op, options, inputs, activation("y", 2, 3, 4))


@pytest.mark.parametrize("op", ["MEAN", "ARG_MAX", "CUMSUM", "L2_NORMALIZATION", "L2_POOL_2D"])
def test_options_must_be_there(op: str) -> None:
    inputs = (IMAGE,) if op.startswith("L2") else (IMAGE, integers("axis", [1]))
    with refuses("has no "):
        imported(op, Fields(), inputs, activation("y", 1, 2, 3, 4))


@pytest.mark.parametrize(("op", "kind"), [("ARG_MAX", ArgMax), ("ARG_MIN", ArgMin)])
@pytest.mark.parametrize("index", ["int32", "int64"])
def test_arguments(op: str, kind: type[Any], index: str) -> None:
    table = "ArgMaxOptions" if op == "ARG_MAX" else "ArgMinOptions"
    options = Fields.of(table, OutputType=getattr(tflite.TensorType, index.upper()))
    graph = imported(op, options, (X, integers("axis", -2)), plain("y", 2, 4, dtype=index))
    assert graph.ops[0].attributes == kind(axis=1, index_type=DType(index))


def test_arguments_that_make_no_sense() -> None:
    def refused(axis: Any, code: int) -> None:
        options = Fields.of("ArgMaxOptions", OutputType=code)
        y = plain("y", 2, 4, dtype="int32")
        imported("ARG_MAX", options, (X, integers("axis", axis)), y)

    with refuses("axis names 2 dimensions; expected 1"):
        refused([0, 1], tflite.TensorType.INT32)
    with refuses("output type 9 of indices is neither INT32 nor INT64"):
        refused([1], tflite.TensorType.INT8)
    with refuses("y is int32[2, 4]; the operator gives int64[2, 4]"):
        refused([1], tflite.TensorType.INT64)


def test_running_sums() -> None:
    options = Fields.of("CumsumOptions", Exclusive=True, Reverse=False)
    graph = imported("CUMSUM", options, (X, integers("axis", [-1])), activation("y", 2, 3, 4))
    assert graph.ops[0].attributes == Cumsum(axis=2, exclusive=True)
    options = Fields.of("CumsumOptions", Exclusive=False, Reverse=True)
    graph = imported("CUMSUM", options, (X, integers("axis", 0)), activation("y", 2, 3, 4))
    assert graph.ops[0].attributes == Cumsum(axis=0, reverse=True)


def test_resized_images() -> None:
    size, y = integers("size", [4, 5]), activation("y", 1, 4, 5, 4)
    options = Fields.of("ResizeBilinearOptions", AlignCorners=True)
    graph = imported("RESIZE_BILINEAR", options, (IMAGE, size), y)
    assert graph.ops[0].attributes == ResizeBilinear(size=(4, 5), align_corners=True)
    options = Fields.of("ResizeBilinearOptions", HalfPixelCenters=True)
    graph = imported("RESIZE_BILINEAR", options, (IMAGE, size), y)
    assert graph.ops[0].attributes == ResizeBilinear(size=(4, 5), half_pixel_centers=True)
    with refuses("size has shape [3]; expected [2], height and width"):
        imported("RESIZE_BILINEAR", MIX, (IMAGE, integers("size", [1, 2, 3])), y)
    for height in (-1, 0, 2**31 - 1):
        with refuses(f"resizes (2, 3) pixels to ({height}, 5); supported: 1 to 32768"):
            imported("RESIZE_BILINEAR", MIX, (IMAGE, integers("size", [height, 5])), y)


def test_l2_normalization_has_no_activation() -> None:
    y = Tensor("y", (2, 3, 4), "int8", quantization(1 / 128, 0))
    graph = imported("L2_NORMALIZATION", Fields.of("L2NormOptions"), (X,), y)
    assert graph.ops[0].attributes == L2Normalization()
    relu = Fields.of("L2NormOptions", FusedActivationFunction=1)
    with refuses("fused activation relu is not supported; expected none"):
        imported("L2_NORMALIZATION", relu, (X,), y)


def test_l2_pool() -> None:
    options = Fields.of(
        "Pool2DOptions",
        Padding=tflite.Padding.SAME,
        StrideH=2,
        StrideW=1,
        FilterHeight=2,
        FilterWidth=3,
        FusedActivationFunction=3,
    )
    x, y = plain("x", 1, 4, 3, 2, dtype="float32"), plain("y", 1, 2, 3, 2, dtype="float32")
    graph = imported("L2_POOL_2D", options, (x,), y)
    assert graph.ops[0].attributes == L2Pool2D(
        kernel=(2, 3),
        stride=(2, 1),
        pad_before=(0, 1),
        pad_after=(0, 1),
        activation=Activation.RELU6,
    )


def test_softmax_widens_where_its_tensors_say_so() -> None:
    wide = Tensor("y", (2, 3, 4), "int16", quantization(2.0**-16, -32768))
    graph = imported("SOFTMAX", SoftmaxOptions(), (X,), wide)
    assert graph.ops[0].attributes == Softmax(widen=True)
    x = Tensor("x", (2, 3), "int16", quantization(0.01, 0))
    y = Tensor("y", (2, 3), "int16", quantization(2.0**-15, 0))
    assert imported("SOFTMAX", SoftmaxOptions(0.5), (x,), y).ops[0].attributes == Softmax(beta=0.5)
    y = Tensor("y", (2, 3, 4), "int8", quantization(1 / 16, 127))
    assert imported("LOG_SOFTMAX", Fields(), (X,), y).ops[0].attributes == LogSoftmax()


def test_an_empty_constant_of_axes_names_none() -> None:
    axes = Tensor("axes", (0,), "int32", None, np.zeros(0, np.int32))
    model = one_operator("MEAN", KEEP, (X, axes), activation("y", 2, 3, 4))
    with refuses("axes"):
        import_tflite(write_tflite(model), "m.tflite")
