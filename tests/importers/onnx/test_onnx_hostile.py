"""Truncated, bit-flipped and crafted files: a message or a graph that runs, never anything else."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from onnx_files import imported, model, node, reals

from midge.errors import UserError
from midge.graph import Graph, interpret, verify
from midge.importers.onnx import import_onnx
from support.bounds import bounded, coming_back, peak_memory_megabytes

MUTATIONS = 300
LARGEST_GROWTH_MEGABYTES = 500.0
HUGE = 2**62


def convolutional() -> bytes:
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"]),
        node("Relu", ["n"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], ceil_mode=1),
        node("Shape", ["p"], ["shape"]),
        node("Slice", ["shape", "zero", "one"], ["batch"]),
        node("Concat", ["batch", "minus"], ["target"], axis=0),
        node("Reshape", ["p", "target"], ["f"]),
        node("MatMul", ["f", "d"], ["g"]),
        node("Softmax", ["g"], ["y"], axis=-1),
    ]
    constants = {
        "w": reals(4, 3, 3, 3, seed=1),
        **{n: reals(4, seed=i, low=0.5, high=1) for i, n in enumerate("bsmv")},
        "zero": np.array([0]),
        "one": np.array([1]),
        "minus": np.array([-1]),
        "d": reals(36, 3, seed=2),
    }
    return bytes(model(nodes, {"x": reals(1, 3, 8, 8)}, constants).SerializeToString())


def quantised() -> bytes:
    constants = {
        "s": np.array(0.05, np.float32),
        "z": np.array(100, np.uint8),
        "w": np.arange(24, dtype=np.int8).reshape(6, 4),
        "ws": np.array([0.1, 0.2, 0.3, 0.4], np.float32),
        "wz": np.zeros(4, np.int8),
        "pads": np.array([0, 1, 0, 1]),
    }
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("Pad", ["q", "pads", "z"], ["p"]),
        node("DequantizeLinear", ["p", "s", "z"], ["d"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=1),
        node("Gemm", ["d", "wd"], ["g"]),
        node("Split", ["g"], ["a", "b"], axis=1),
        node("Concat", ["a", "b", "a"], ["c"], axis=1),
        node("ReduceMean", ["c"], ["y"], axes=[1]),
    ]
    return bytes(model(nodes, {"x": reals(3, 4)}, constants, opset=13).SerializeToString())


def recurrent() -> bytes:
    constants = {"w": reals(1, 12, 3, seed=1), "r": reals(1, 12, 4, seed=2)}
    nodes = [
        node("GRU", ["x", "w", "r"], ["o", "h"], hidden_size=4),
        node("Resize", ["h", "", "scales"], ["z"], mode="linear"),
        node("Tile", ["z", "repeats"], ["y"]),
    ]
    constants |= {"scales": np.array([1, 1, 2.5], np.float32), "repeats": np.array([1, 2, 1])}
    return bytes(model(nodes, {"x": reals(5, 1, 3)}, constants).SerializeToString())


def truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def bits_flipped(data: bytes, rng: random.Random) -> bytes:
    spoiled = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        spoiled[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def byte_replaced(data: bytes, rng: random.Random) -> bytes:
    spoiled = bytearray(data)
    spoiled[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(spoiled)


def part_copied(data: bytes, rng: random.Random) -> bytes:
    spoiled, size = bytearray(data), rng.choice((1, 4, 16, 64))
    to, start = rng.randrange(len(data)), rng.randrange(len(data))
    spoiled[to : to + size] = data[start : start + size]
    return bytes(spoiled)


def number_replaced(data: bytes, rng: random.Random) -> bytes:
    """An attribute or an element of a short list becomes a number that breaks careless code."""
    proto = onnx.ModelProto.FromString(data)
    wild = [0, -1, 1, 2, 7, 2**31, -(2**31), HUGE, -HUGE, 2**63 - 1]
    attributes = [a for n in proto.graph.node for a in n.attribute]
    short = [t for t in proto.graph.initializer if t.data_type == TensorProto.INT64]
    dims = [d for v in proto.graph.input for d in v.type.tensor_type.shape.dim]
    chosen = rng.choice([*attributes, *short, *dims])
    if isinstance(chosen, AttributeProto):
        if chosen.ints:
            chosen.ints[rng.randrange(len(chosen.ints))] = rng.choice(wild)
        else:
            chosen.i = rng.choice(wild)
    elif isinstance(chosen, TensorProto):
        values = numpy_helper.to_array(chosen).copy()
        values.reshape(-1)[rng.randrange(values.size)] = rng.choice(wild)
        chosen.CopyFrom(numpy_helper.from_array(values, chosen.name))
    else:
        chosen.dim_value = rng.choice(wild)
    return bytes(proto.SerializeToString())


def names_exchanged(data: bytes, rng: random.Random) -> bytes:
    """A node reads or writes another value."""
    proto = onnx.ModelProto.FromString(data)
    names = [n for at in proto.graph.node for n in (*at.input, *at.output)]
    chosen = rng.choice(proto.graph.node)
    field = rng.choice([chosen.input, chosen.output])
    if field:
        field[rng.randrange(len(field))] = rng.choice([*names, "", "new"])
    if rng.random() < 0.3:
        chosen.op_type = rng.choice(proto.graph.node).op_type
    return bytes(proto.SerializeToString())


KINDS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(truncated, bits_flipped, byte_replaced, part_copied, number_replaced, names_exchanged),
)


def outcome(data: bytes) -> Graph | None:
    try:
        return import_onnx(data, "spoiled.onnx")
    except UserError as error:
        assert str(error).startswith("spoiled.onnx: ")
        return None


@pytest.mark.parametrize("made", [convolutional, quantised, recurrent])
def test_spoiled_files(made: Callable[[], bytes]) -> None:
    data = made()
    assert outcome(data) is not None
    accepted = refused = 0
    before = peak_memory_megabytes()
    for seed in range(MUTATIONS):
        kind = KINDS[seed % len(KINDS)]
        try:
            with coming_back():
                graph = outcome(kind(data, random.Random(seed)))
                if graph is None:
                    refused += 1
                    continue
                accepted += 1
                assert verify(graph) is graph
                zeros = {
                    n: np.zeros(graph.tensors[n].shape, graph.tensors[n].dtype.numpy)
                    for n in graph.inputs
                }
                interpret(graph, zeros)
        except BaseException as error:
            error.add_note(f"mutation: {kind.__name__} seed {seed}")
            raise
    assert peak_memory_megabytes() - before < LARGEST_GROWTH_MEGABYTES
    assert accepted > MUTATIONS // 20
    assert refused > MUTATIONS // 4


@pytest.mark.tiny
def test_every_truncation_of_a_small_file_is_a_message() -> None:
    data = quantised()
    for size in range(0, len(data), 7):
        outcome(data[:size])
    for data in (b"", b"\x00", b"TFL3" * 9, b"\xff" * 64):
        assert outcome(data) is None


def refuses(proto: Any, message: str) -> None:
    data = proto if isinstance(proto, bytes) else proto.SerializeToString()
    with bounded(100), pytest.raises(UserError, match=re.escape(message)) as raised:
        import_onnx(data, "m.onnx")
    assert str(raised.value).startswith("m.onnx: ")


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def test_floods_of_empty_parts_are_counted_before_they_are_parsed() -> None:
    # Numbers of one byte would become eight each.
    tensor = field(7, bytes(1 << 24) + b"\x00") + varint(2 << 3) + b"\x07"
    floods = {
        "holds over 131072 fields": field(7, field(1, b"") * (1 << 24)),
        "bytes of single numbers": field(7, field(5, tensor)),
    }
    before = peak_memory_megabytes()
    for message, data in floods.items():
        with coming_back(), pytest.raises(UserError, match=message):
            import_onnx(data, "m.onnx")
    assert peak_memory_megabytes() - before < LARGEST_GROWTH_MEGABYTES


def test_deep_nesting_is_refused() -> None:
    graph = b""
    for _ in range(40):
        graph = field(1, field(5, field(6, graph)))
    refuses(field(7, graph), "nested over 64 deep")


@pytest.mark.parametrize("data", [b"\x3b\x3c", b"\x0f", b"\x3a\x05\x00", b"\x08" + b"\xff" * 11])
def test_what_is_no_protobuf(data: bytes) -> None:
    refuses(data, "is not an .onnx file, or damaged")


def test_too_many_nodes_are_refused_and_many_are_read_quickly() -> None:
    x = {"x": reals(2)}

    def chain(count: int) -> Any:
        names = ["x", *(f"v{i}" for i in range(count - 1)), "y"]
        pairs = itertools.pairwise(names)
        return model([node("Relu", [a], [b], name="same") for a, b in pairs], x)

    refuses(chain((1 << 13) + 1), "has 8193 nodes; up to 8192 are read")
    with coming_back():
        assert len(imported(chain(2000)).ops) == 2000


@pytest.mark.parametrize("extent", [HUGE, 2**31, 2**28])
def test_bombs_are_refused_before_anything_is_allocated(extent: int) -> None:
    x = {"x": reals(1, 4)}
    for op_type, constant, attributes in (
        ("Expand", [extent, 4], {}),
        ("Tile", [extent, 1], {}),
        ("Pad", [0, 0, extent, 0], {}),
        ("Pad", [0, 0, extent, 0], {"mode": "edge"}),
        ("Reshape", [extent, 4], {}),
    ):
        made = node(op_type, ["x", "c"], ["y"], **attributes)
        refuses(model([made], x, {"c": np.array(constant)}), "m.onnx: 1 place needs")
        # The same of what is known while the file is read.
        nodes = [node(op_type, ["k", "c"], ["v"], **attributes), node("Add", ["x", "v"], ["y"])]
        constants = {"k": reals(1, 4), "c": np.array(constant)}
        refuses(model(nodes, x, constants), "m.onnx: 1 place needs")
    for op_type, constants in (
        ("ConstantOfShape", {"a": np.array([extent])}),
        ("Range", {"a": np.array(0), "b": np.array(extent), "c": np.array(1)}),
    ):
        nodes = [node(op_type, list(constants), ["v"]), node("Add", ["x", "v"], ["y"])]
        refuses(model(nodes, x, constants), "m.onnx: 1 place needs")


@pytest.mark.parametrize("extent", [HUGE, 2**34])
def test_giant_inputs_are_refused_before_anything_is_allocated(extent: int) -> None:
    w, r = reals(1, 16, 4), reals(1, 16, 4)
    cases: list[tuple[Any, dict[str, Any], list[int]]] = [
        (node("Pow", ["x", "k"], ["y"]), {"k": np.float32(0)}, [extent, 4]),
        (node("LSTM", ["x", "w", "r"], ["y"], hidden_size=4), {"w": w, "r": r}, [1, extent, 4]),
        (node("Dropout", ["x"], ["m", "y"]), {}, [extent, 4]),
        (
            node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 2]),
            {},
            [1, extent, 5, 5],
        ),
        (
            node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 2]),
            {},
            [1, 1, extent, 5],
        ),
        (
            node("Resize", ["x", "", "s"], ["y"]),
            {"s": np.array([1, 1, 1, 2], np.float32)},
            [1, 1, extent, 5],
        ),
        (node("ReduceProd", ["x"], ["y"], axes=[0]), {}, [extent, 4]),
    ]
    for made, constants, dims in cases:
        opset = 22 if made.op_type == "AveragePool" else 17
        proto = model([made], {"x": reals(1)}, constants, opset=opset)
        proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, dims))
        refuses(proto, "m.onnx: ")


def test_one_choice_of_many_known_integers_is_refused() -> None:
    constants = {"a": np.zeros((2**15, 1), np.int64), "b": np.zeros((1, 2**15), np.int64)}
    constants["c"] = np.zeros(1, bool)
    nodes = [node("Where", ["c", "a", "b"], ["k"]), node("Reshape", ["x", "k"], ["y"])]
    refuses(model(nodes, {"x": reals(4)}, constants), "chooses over 65536 known integers")


def test_a_node_of_very_many_operands_is_refused() -> None:
    made = node("Sum", ["x"] * 5000, ["y"])
    refuses(model([made], {"x": reals(4)}), "node 0 has over 2048 inputs or outputs")


def test_constants_that_grow_from_each_other_are_refused() -> None:
    nodes = [node("Tile", ["k", "c"], ["v0"])]
    nodes += [node("Concat", [f"v{i}"] * 2, [f"v{i + 1}"], axis=0) for i in range(30)]
    nodes.append(node("Add", ["x", "v30"], ["y"]))
    constants = {"k": reals(1 << 10), "c": np.array([1 << 8])}
    data = model(nodes, {"x": reals(1)}, constants).SerializeToString()
    before = peak_memory_megabytes()
    with coming_back(), pytest.raises(UserError, match="take over 268435456 bytes"):
        import_onnx(data, "m.onnx")
    assert peak_memory_megabytes() - before < 2 * LARGEST_GROWTH_MEGABYTES


@pytest.mark.parametrize("name", ["kernel_shape", "strides", "dilations", "pads"])
@pytest.mark.parametrize("extent", [HUGE, -1, 2**31, 100_000])
def test_giant_windows_are_refused(name: str, extent: int) -> None:
    for op_type in ("MaxPool", "AveragePool"):
        attributes = {"kernel_shape": [2, 2], name: [extent, 1] * (2 if name == "pads" else 1)}
        made = node(op_type, ["x"], ["y"], **attributes)
        refuses(model([made], {"x": reals(1, 2, 8, 8)}, opset=22), f"attribute {name} is [")


def test_windows_over_much_padding_are_refused_before_they_are_gathered() -> None:
    attributes = {"kernel_shape": [9000, 9000], "pads": [8999] * 4, "dilations": [2, 2]}
    for op_type in ("MaxPool", "AveragePool"):
        made = node(op_type, ["x"], ["y"], **attributes)
        refuses(model([made], {"x": reals(1, 1, 9, 9)}, opset=22), "m.onnx: 1 place needs")


def test_a_constant_of_other_bytes_than_its_shape_takes() -> None:
    for dims, message in (
        ([HUGE, HUGE], "'k' has 16 bytes; its shape takes"),
        ([3], "'k' has 16 bytes; its shape takes 12"),
        ([-4], "'k' has shape [-4]"),
        ([1] * 9, "'k' has shape"),
    ):
        proto = model([node("Add", ["x", "k"], ["y"])], {"x": reals(4)}, {"k": reals(4)})
        del proto.graph.initializer[0].dims[:]
        proto.graph.initializer[0].dims.extend(dims)
        refuses(proto, message)
    tensor = helper.make_tensor("k", TensorProto.FLOAT, [4], [1, 2, 3, 4])
    tensor.dims[0] = 5
    proto = model([node("Add", ["x", "k"], ["y"])], {"x": reals(5)})
    proto.graph.initializer.append(tensor)
    refuses(proto, "'k' has 4 elements; its shape takes 5")


def test_a_file_names_no_other_file() -> None:
    proto = model([node("Add", ["x", "k"], ["y"])], {"x": reals(4)}, {"k": reals(4)})
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    refuses(proto, "initializer 'k' stands in another file; Midge reads no files that a model")
    held = node("Constant", [], ["k"], value=tensor)
    proto = model([held, node("Add", ["x", "k"], ["y"])], {"x": reals(4)})
    refuses(proto, "attribute value: 'k' stands in another file")


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([("Relu", "b", "y"), ("Relu", "x", "b")], "reads 'b', which no input, constant or node"),
        ([("Relu", "y", "y")], "reads 'y', which no input, constant or node before it gives"),
        ([("Relu", "x", "y"), ("Relu", "x", "y")], "writes 'y', which is there already"),
        ([("Relu", "x", "x"), ("Relu", "x", "y")], "writes 'x', which is there already"),
        ([("Relu", "x", "z")], "output 'y' is given by no node"),
        ([("Relu", "", "y")], "input 0 is left out"),
    ],
)
def test_what_is_no_sorted_graph(nodes: list[tuple[str, str, str]], message: str) -> None:
    made = [node(op_type, [a], [b]) for op_type, a, b in nodes]
    refuses(model(made, {"x": reals(4)}), message)


def test_names_that_are_empty_or_not_the_only_ones() -> None:
    proto = model([node("Relu", ["x"], ["y"])], {"x": reals(4)}, {"k": reals(4)})
    proto.graph.initializer.append(proto.graph.initializer[0])
    refuses(proto, "an initializer's name 'k' is empty or not the only one")
    proto = model([node("Relu", ["x"], ["y"])], {"x": reals(4)})
    proto.graph.input.append(proto.graph.input[0])
    refuses(proto, "an input's name 'x' is empty or not the only one")
    made = node("Elu", ["x"], ["y"], alpha=1.0)
    made.attribute.append(made.attribute[0])
    refuses(model([made], {"x": reals(4)}), "node 0 has two attributes of one name")


def test_names_that_midge_makes_itself_may_be_those_of_the_file() -> None:
    nodes = [
        node("Softmax", ["x"], ["x.transpose"], axis=1, name="n"),
        node("Softmax", ["x.transpose"], ["n_2"], axis=1, name="n"),
        node("Relu", ["n_2"], ["y"], name="n"),
    ]
    graph = imported(model(nodes, {"x": reals(2, 3, 4)}))
    assert graph.outputs == ("y",)
    assert len({op.name for op in graph.ops}) == len(graph.ops)
