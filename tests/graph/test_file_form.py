"""Graph -> .midge -> graph, exactly."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from graph_builders import int8, one_op, refuses
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from midge_files import WEIGHTS, parts, sealed, small_graph

from midge.errors import UserError
from midge.graph import (
    DType,
    Graph,
    Tensor,
    format_graph,
    interpret,
    parse_graph,
    read_graph,
    write_graph,
)
from midge.graph.ops.rectifiers import Relu
from midge.graph.text_parser import LARGEST_TEXT
from midge.importers import import_tflite
from midge.synthetic import (
    OPERATORS,
    SyntheticNetwork,
    lstm_model,
    random_network,
    streaming_keyword_model,
)
from support.networks import every_single_op

RELU = one_op(Relu(), (int8("x", 1),), int8("y", 1))


def comes_back(graph: Graph) -> bytes:
    """The graph's file, from which the same graph and the same file come."""
    data = write_graph(graph)
    again = read_graph(data, "m.midge")
    assert again == graph
    assert list(again.tensors) == list(graph.tensors)
    assert dict(again.layouts) == dict(graph.layouts)
    assert write_graph(again) == data
    return data


def with_constants(*constants: Tensor) -> Graph:
    """A graph that has them, read by no operator."""
    return replace(RELU, tensors={**RELU.tensors, **{t.name: t for t in constants}})


def of(network: SyntheticNetwork) -> Graph:
    return import_tflite(network.model_bytes, f"{network.name}.tflite")


@pytest.mark.tiny
def test_the_file_is_the_text_and_then_the_elements() -> None:
    graph = small_graph()
    data = write_graph(graph)
    text, constants = parts(data)
    assert data == sealed(text + constants)
    assert text.decode() == format_graph(graph)
    # int4 -8 -7, -6 -5, ... 6 7, -8 and a half that nothing uses; then 1 and 0 as bools.
    fours = "98badcfe1032547608"
    assert constants == WEIGHTS.tobytes() + np.float32(0.5).tobytes() + bytes.fromhex(
        fours + "0100"
    )
    held = {n: t.data for n, t in graph.tensors.items() if t.data is not None}
    assert parse_graph(text.decode(), held) == graph
    assert comes_back(graph) == data


@pytest.mark.tiny
def test_the_smallest_file_is_this() -> None:
    assert write_graph(RELU) == (
        b"midge-file 1 bytes=168 "
        b"sha256:edbf73ea78f676c39a9d677e08ffb43d0d75e3afbd61a87ab7cb3b76c804bc4d\n"
        b"midge-graph 1\n"
        b'graph "g"\n'
        b'tensor %0 "x" int8[1] scale=0.5 zero_point=0\n'
        b'tensor %1 "y" int8[1] scale=0.5 zero_point=0\n'
        b"inputs %0\n"
        b"outputs %1\n"
        b'op "the_relu" relu(%0) -> %1\n'
        b"end\n"
    )


def test_networks_of_every_operator_come_back() -> None:
    kinds = set()
    for network in every_single_op()[::10]:
        graph = of(network)
        comes_back(graph)
        kinds |= {op.kind for op in graph.ops}
    assert len(kinds) > 60


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from(["int8", "int16", "float32"]))
def test_random_networks_come_back(seed: int, dtype: str) -> None:
    network = random_network(seed, ops=OPERATORS, dtype=dtype, max_ops=8, max_elements=512)
    try:
        graph = of(network)
    except UserError as error:
        # Scales that follow one another by chance may be further apart than is computed.
        assert "the scales give a factor" in str(error)
        reject()
    orders = {
        name: tuple(random.Random(seed).sample(range(rank), rank))
        for name in {*graph.inputs, *graph.outputs}
        for rank in [len(graph.tensors[name].shape)]
    }
    comes_back(replace(graph, layouts=orders))


@pytest.mark.parametrize("network", [streaming_keyword_model(), lstm_model()], ids=lambda n: n.name)
def test_what_outlives_a_run_comes_back(network: SyntheticNetwork) -> None:
    graph = of(network)
    assert graph.variables
    again = read_graph(comes_back(graph), "m.midge")
    assert again.variables == graph.variables
    assert again.digest == graph.digest
    assert len(graph.digest) == 64


def test_a_file_that_was_read_computes_the_same() -> None:
    graph = small_graph()
    x = np.arange(16, dtype=np.int8).reshape(1, 4, 4, 1)
    first = interpret(graph, {"x": x})["y"]
    second = interpret(read_graph(write_graph(graph), "m.midge"), {"x": x})["y"]
    assert first.any()
    assert np.array_equal(first, second)


@st.composite
def constants(draw: st.DrawFn) -> Tensor:
    """Any bits of any type, under any name."""
    dtype = draw(st.sampled_from(DType))
    shape = tuple(draw(st.lists(st.integers(1, 5), max_size=4)))
    size = math.prod(shape) * dtype.numpy.itemsize
    content = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    if dtype is DType.BOOL:
        content = content & 1
    data = np.frombuffer(content.tobytes(), dtype.numpy).reshape(shape)
    if dtype is DType.INT4:
        data = (data & 15) - 8
    variable = dtype is not DType.INT4 and draw(st.booleans())
    name = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8))
    return Tensor(name, shape, dtype, None, data, variable)


@settings(deadline=None)
@given(st.lists(constants(), max_size=4, unique_by=lambda t: t.name))
def test_any_constant_comes_back_bit_for_bit(given_ones: list[Tensor]) -> None:
    comes_back(with_constants(*(t for t in given_ones if t.name not in RELU.tensors)))


@pytest.mark.tiny
def test_numbers_that_are_easily_changed_come_back() -> None:
    payloads = np.array([0x7FC00001, 0xFFC00000, 0x7F800001, 0x80000000, 1], np.uint32)
    bits = payloads.view(np.float32)
    ends = np.array([-(2**63), 2**63 - 1] * 9, np.int64)
    data = comes_back(
        with_constants(
            Tensor("nan", (5,), DType.FLOAT32, None, bits),
            Tensor("ends", (18,), DType.INT64, None, ends),
            Tensor("汉字\n\u202eend\n%0", (1,), DType.INT64, None, ends[:1]),
        )
    )
    assert payloads.tobytes() in data
    assert ends.tobytes() in data


def test_how_an_array_lies_in_memory_does_not_matter() -> None:
    plain = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    turned = np.asfortranarray(plain)
    strided = np.repeat(plain, 2, axis=2)[..., ::2]
    first, *others = [
        comes_back(with_constants(Tensor("c", plain.shape, DType.INT16, None, array)))
        for array in (plain, turned, strided)
    ]
    assert others == [first, first]
    fours = np.arange(64, dtype=np.int8).reshape(8, 8) % 16 - 8
    a, b = (
        write_graph(with_constants(Tensor("c", (8, 8), DType.INT4, None, array)))
        for array in (fours, np.asfortranarray(fours))
    )
    assert a == b


def test_arrays_that_were_read_are_aligned() -> None:
    graph = with_constants(
        Tensor("t", (3,), DType.BOOL, None, np.array([True, False, True])),
        Tensor("f", (5,), DType.FLOAT32, None, np.arange(5, dtype=np.float32)),
        Tensor("l", (17,), DType.INT64, None, np.arange(17)),
    )
    for tensor in read_graph(write_graph(graph), "m.midge").tensors.values():
        assert tensor.data is None or tensor.data.flags.aligned


def test_what_cannot_be_read_back_is_not_written() -> None:
    with refuses("g: output 'z' is not a tensor of the graph"):
        write_graph(replace(RELU, outputs=("z",)))
    odd = np.frombuffer(bytes([0, 2]), np.bool_)
    with refuses("g: tensor 't': holds bools other than 0 and 1"):
        write_graph(with_constants(Tensor("t", (2,), DType.BOOL, None, odd)))
    with refuses(f"characters; a .midge file holds up to {LARGEST_TEXT}"):
        write_graph(with_constants(int8("n" * LARGEST_TEXT, 1, data=1)))
