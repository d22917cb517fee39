"""Files that are made to exhaust memory or time, or to reach where they should not."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tflite
from tflite_files import (
    OPERATOR,
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

from midge.graph import interpret, outputs_of
from midge.importers import import_tflite
from midge.importers.tflite_file import read_tflite
from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    PadOptions,
    Pool2DOptions,
    ReshapeOptions,
)
from midge.synthetic.tflite_writer import write_tflite
from support.bounds import bounded

X, W, Y = activation("x", 1, 8, 8, 4), constant("w", 6, 3, 3, 4), activation("y", 1, 6, 6, 6)
HUGE = 2**31 - 1


def conv_file() -> bytearray:
    return bytearray(write_tflite(one_operator("CONV_2D", Conv2DOptions("VALID"), (X, W), Y)))


def root(data: bytearray) -> Any:
    return tflite.Model.GetRootAs(data, 0)


VECTORS: dict[str, Callable[[bytearray], tuple[Any, int]]] = {
    "operator codes": lambda d: (root(d), 1),
    "subgraphs": lambda d: (root(d), 2),
    "buffers": lambda d: (root(d), 4),
    "tensors": lambda d: (subgraph(d), 0),
    "inputs": lambda d: (subgraph(d), 1),
    "outputs": lambda d: (subgraph(d), 2),
    "operators": lambda d: (subgraph(d), 3),
    "shape": lambda d: (subgraph(d).Tensors(0), TENSOR["shape"]),
    "name": lambda d: (subgraph(d).Tensors(0), TENSOR["name"]),
    "scales": lambda d: (subgraph(d).Tensors(0).Quantization(), 2),
    "zero points": lambda d: (subgraph(d).Tensors(0).Quantization(), 3),
    "an operator's inputs": lambda d: (subgraph(d).Operators(0), OPERATOR["inputs"]),
    "an operator's outputs": lambda d: (subgraph(d).Operators(0), OPERATOR["outputs"]),
    "a constant": lambda d: (root(d).Buffers(1), 0),
}


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize("length", [2**32 - 1, 2**31, 2**31 - 1, 2**30, 2**28, 2**20])
def test_a_vector_longer_than_the_file_allocates_nothing(vector: str, length: int) -> None:
    data = conv_file()
    table, field = VECTORS[vector](data)
    struct.pack_into("<I", data, vector_length_position(data, table, field), length)
    # Lists of codes and buffers are not walked, and a name ends where the file ends.
    read_nevertheless = vector in ("operator codes", "buffers", "name")
    with bounded(10), contextlib.nullcontext() if read_nevertheless else refuses("m.tflite: is "):
        import_tflite(bytes(data), "m.tflite")


def test_the_sound_form_of_the_shared_tables_is_read() -> None:
    model = read_tflite(raw_file("t", tensors=3), "m.tflite")[0]
    assert [t.name for t in model.tensors if not isinstance(t, str)] == ["t", "t#1", "t#2"]


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "more"),
    [
        # 50,000 times a name of 20,000 characters would be a gigabyte of names.
        ("n" * 20_000, {"tensors": 50_000}),
        # 50,000 times 2 x 5,000 indices.
        ("n", {"operators": 50_000, "indices": 5_000}),
    ],
    ids=["tensors", "operators"],
)
def test_one_table_named_many_times_is_not_read_as_many(name: str, more: dict[str, int]) -> None:
    file = raw_file(name, **more)
    assert len(file) < 400_000
    with bounded(50), refuses("m.tflite: is damaged: its flatbuffer does not parse (too many of"):
        import_tflite(file, "m.tflite")


def test_a_few_tensors_may_share_a_large_constant() -> None:
    content = bytes(600_000)
    model = read_tflite(raw_file("t", tensors=3, content=content), "m.tflite")[0]
    assert [
        t.data.size for t in model.tensors if not isinstance(t, str) and t.data is not None
    ] == [600_000] * 3
    with refuses("m.tflite: is damaged: its flatbuffer does not parse (too many of its parts"):
        read_tflite(raw_file("t", tensors=8, content=content), "m.tflite")


@pytest.mark.parametrize("rank", [9, 1000])
def test_a_high_rank_is_refused(rank: int) -> None:
    (highest,) = read_tflite(raw_file("t", rank=8), "m.tflite")[0].tensors
    assert not isinstance(highest, str)
    assert highest.shape == (1,) * 8
    with refuses(f"t has {rank} dimensions"):
        read_tflite(raw_file("t", rank=rank), "m.tflite")


@pytest.mark.parametrize(
    "shape",
    [(-1, 8, 8, 4), (0, 8, 8, 4), (HUGE, HUGE, HUGE, HUGE), (1, 2**20, 2**20, 4), (-8, -8, 8, 4)],
)
def test_absurd_shapes_are_refused_before_anything_is_allocated(shape: tuple[int, ...]) -> None:
    x = activation("x", *shape)
    for op, options, inputs in (
        ("CONV_2D", Conv2DOptions("SAME"), (x, W)),
        ("DEPTHWISE_CONV_2D", DepthwiseConv2DOptions("SAME"), (x, constant("w", 1, 3, 3, 4))),
        ("AVERAGE_POOL_2D", Pool2DOptions((2, 2), "SAME"), (x,)),
        ("FULLY_CONNECTED", FullyConnectedOptions(), (x, constant("w", 2, 4))),
        ("ADD", AddOptions(), (x, x)),
        ("PAD", PadOptions(), (x, integers("p", np.ones((4, 2))))),
        ("RESHAPE", ReshapeOptions(), (x,)),
    ):
        with bounded(10), refuses("m.tflite: "):
            imported(op, options, inputs, activation("y", *shape))


@pytest.mark.parametrize("extent", [HUGE, 2**30, 100_000, 32_769])
def test_giant_windows_are_refused_before_anything_is_allocated(extent: int) -> None:
    y = activation("y", 1, 8, 8, 4)
    for pool in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        with bounded(10), refuses("may be at most 32768"):
            imported(pool, Pool2DOptions((extent, 1), "SAME"), (X,), y)
        with bounded(10), refuses("may be at most 32768"):
            imported(pool, Pool2DOptions((1, 1), "SAME", (1, extent)), (X,), y)
    for stride, dilation in (((extent, 1), (1, 1)), ((1, 1), (1, extent))):
        with bounded(10), refuses("may be at most 32768"):
            imported("CONV_2D", Conv2DOptions("SAME", stride, dilation), (X, W), Y)


def test_windows_over_much_padding_are_refused_before_they_are_gathered() -> None:
    x, y = activation("x", 1, 512, 512, 1), activation("y", 1, 512, 512, 1)
    with bounded(10), refuses("elements; supported: up to 67108864"):
        imported("MAX_POOL_2D", Pool2DOptions((32_000, 32_000), "SAME"), (x,), y)


@pytest.mark.parametrize("amount", [HUGE, 2**30, -1, -HUGE])
def test_giant_or_negative_padding_is_refused(amount: int) -> None:
    paddings = integers("p", [[0, 0], [amount, 0]])
    with bounded(10), refuses("m.tflite: m: op '00_pad' (pad): "):
        imported("PAD", PadOptions(), (activation("x", 2, 2), paddings), activation("y", 2, 3))


def test_a_broadcast_to_gigabytes_is_refused() -> None:
    a, b = activation("a", 2**15, 1), activation("b", 1, 2**15)
    with bounded(10), refuses("m: tensor 'y': 1073741824 bytes; at most 268435456"):
        imported("ADD", AddOptions(), (a, b), activation("y", 2**15, 2**15))


@pytest.mark.parametrize("index", [-1, -2, 3, HUGE, -HUGE])
def test_an_index_outside_the_tensors_is_refused(index: int) -> None:
    for field in (1, 2):
        data = conv_file()
        at = vector_length_position(data, subgraph(data), field)
        struct.pack_into("<i", data, at + 4, index)
        with refuses("a tensor index is outside 0 to 2"):
            import_tflite(bytes(data), "m.tflite")
    for name in ("inputs", "outputs"):
        data = conv_file()
        at = vector_length_position(data, subgraph(data).Operators(0), OPERATOR[name])
        struct.pack_into("<i", data, at + 4, index)
        left_out = name == "inputs" and index == -1
        with refuses("is left out" if left_out else "a tensor index is outside 0 to 2"):
            import_tflite(bytes(data), "m.tflite")


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7F800000, 0xFF800000, 0x80000000, 0, 0xBF800000])
@pytest.mark.parametrize("tensor", [0, 1, 2])
def test_a_scale_that_is_none_is_refused(bits: int, tensor: int) -> None:
    data = conv_file()
    table = subgraph(data).Tensors(tensor).Quantization()
    struct.pack_into("<I", data, vector_length_position(data, table, 2) + 4, bits)
    with refuses("has a scale that is not a positive finite number"):
        import_tflite(bytes(data), "m.tflite")


@pytest.mark.parametrize("op", ["CONV_2D", "FULLY_CONNECTED", "ADD"])
@pytest.mark.parametrize("scales", [(3e38, 3e38, 1e-45), (1e-45, 1e-45, 3e38), (3e38, 1e-45, 1.0)])
def test_extreme_scales_overflow_nothing(op: str, scales: tuple[float, float, float]) -> None:
    shape = (1, 1, 1, 4)
    a, b, y = (activation(n, *shape, scale=s) for n, s in zip("aby", scales, strict=True))
    weights = {"CONV_2D": shape, "FULLY_CONNECTED": (1, 4), "ADD": None}[op]
    if weights:
        b = replace(b, shape=weights, values=np.full(weights, 127, np.int8))
        y = replace(y, shape=(1, 1, 1, 1) if op == "CONV_2D" else (1, 1))
    options = {"CONV_2D": Conv2DOptions(), "FULLY_CONNECTED": FullyConnectedOptions()}
    model = one_operator(op, options.get(op, AddOptions()), (a, b), y)
    too_far_apart = scales[0] / scales[2] > 2**19
    why = "not under 2**19 times" if op == "ADD" else "expected one from 0 to under 2**30"
    # In float32 the product of the third triple is about the output's scale.
    refused = too_far_apart and (op == "ADD" or scales[1] > 1)
    with refuses(why) if refused else contextlib.nullcontext():
        graph = import_tflite(write_tflite(model), "m.tflite")
        inputs = {n: np.full(graph.tensors[n].shape, 127, np.int8) for n in graph.inputs}
        (values,) = outputs_of(graph, interpret(graph, inputs)).values()
        assert np.all((values == 127) | (values == 0))


@pytest.mark.parametrize("kind", ["RELU6", "RELU_N1_TO_1"])
def test_a_clamp_that_leaves_int32_is_refused(kind: str) -> None:
    a, y = activation("a", 3, scale=1e-20), activation("y", 3, scale=1e-20)
    with refuses(f"y has scale 1e-20, too fine for {kind.lower()}"):
        imported("ADD", AddOptions(kind), (a, a), y)


def test_an_operator_code_or_buffer_that_is_not_there_is_refused() -> None:
    model = one_operator("CONV_2D", Conv2DOptions("VALID"), (X, W), Y)
    data = bytearray(write_tflite(model))
    put(data, subgraph(data).Tensors(1), TENSOR["buffer"], "<I", HUGE)
    with refuses(f"w names buffer {HUGE}, which is not there"):
        import_tflite(bytes(data), "m.tflite")
