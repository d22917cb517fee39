"""What Midge does not take: each message says where, what was found, and what to do."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_files import imported, model, node, ours, reals

from midge.errors import UnsupportedError, UserError
from midge.importers.onnx import import_onnx

X = reals(2, 3, 4)


def refuses(proto: Any, message: str, kind: type[UserError] = UserError) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        imported(proto)


def relu() -> Any:
    return model([node("Relu", ["x"], ["y"])], {"x": X})


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("version", "next_step"),
    [
        (12, "Export the model with a newer opset, or convert it with onnx.version_converter"),
        (1, "opset 1 of ONNX's operators; supported: 13 to 28"),
        (29, "Export the model with an older opset"),
        (2**40, "supported: 13 to 28"),
    ],
)
def test_an_opset_out_of_range(version: int, next_step: str) -> None:
    proto = relu()
    proto.opset_import[0].version = version
    refuses(proto, next_step, UnsupportedError)
    refuses(proto, f"model.onnx: opset {version}")


@pytest.mark.parametrize("version", [13, 28])
def test_the_ends_of_the_range(version: int) -> None:
    proto = relu()
    proto.opset_import[0].version = version
    assert [op.kind for op in imported(proto).ops] == ["relu"]


def test_no_opset_and_two_of_them() -> None:
    proto = relu()
    proto.opset_import[0].domain = "ai.other"
    refuses(proto, "names the versions none of ONNX's operators; supported: 13 to 28")
    proto = relu()
    proto.opset_import.append(helper.make_opsetid("ai.onnx", 18))
    refuses(proto, "names the versions 17, 18 of ONNX's operators")


def test_everything_that_is_missing_is_listed_once() -> None:
    nodes = [
        node("TopK", ["x", "k"], ["a", "i"], name="best"),
        node("Relu", ["a"], ["b"]),
        node("Det", ["x"], ["c"]),
        node("FusedThing", ["x"], ["d"], domain="com.vendor", name="/model/fused"),
        node("Elu", ["x"], ["e"], alpha=1.0, beta=2.0),
        node("Sum", ["b", "c", "d", "e"], ["y"]),
    ]
    proto = model(nodes, {"x": X}, {"k": np.array([1])}, domains=["com.vendor"])
    with pytest.raises(UnsupportedError) as raised:
        imported(proto)
    assert str(raised.value).split("\nsupported operators: ")[0] == (
        "model.onnx: 4 places need what Midge does not have:\n"
        "  node 'best' (TopK): the operator is not supported\n"
        "  node 'Det_2' (Det): the operator is not supported\n"
        "  node '/model/fused' (com.vendor.FusedThing): the operator is not supported\n"
        "  node 'Elu_4' (Elu): attribute beta is not known of Elu"
    )
    assert "Conv, ConvTranspose," in str(raised.value)


def test_a_hundred_problems_are_enough() -> None:
    nodes = [node("Det", ["x"], [f"v{i}"]) for i in range(150)] + [node("Relu", ["x"], ["y"])]
    with pytest.raises(UnsupportedError) as raised:
        imported(model(nodes, {"x": X}))
    assert str(raised.value).count("(Det)") == 100
    assert "150 places need" in str(raised.value)
    assert "and 50 more" in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.functions.add(name="f"), "has functions of its own"),
        (lambda p: p.training_info.add(), "has training information"),
        (lambda p: p.graph.sparse_initializer.add(), "has sparse initializers"),
        (lambda p: p.ClearField("graph"), "holds no graph"),
        (lambda p: p.graph.ClearField("input"), "reads 'x', which no input"),
        (lambda p: p.graph.ClearField("output"), "model: has no outputs"),
        (lambda p: p.graph.input[0].ClearField("type"), "'x' is a value without a type"),
    ],
)
def test_parts_of_the_format_that_are_not_read(change: Any, message: str) -> None:
    proto = relu()
    change(proto)
    refuses(proto, message)


def test_inputs_that_are_no_tensors_of_a_type() -> None:
    proto = relu()
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT16, [2]))
    refuses(proto, "input 'x': element type float16; supported: float, int8, uint8, int16, int32")
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [2]))
    proto.graph.input[0].CopyFrom(helper.make_value_info("x", kind))
    refuses(proto, "'x' is a sequence_type, not a tensor")
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, None))
    refuses(proto, "input 'x': has no shape")


def with_dims(*dims: Any, op_type: str = "Relu") -> Any:
    proto = model([node(op_type, ["x"], ["y"])], {"x": X})
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, dims))
    return proto


@pytest.mark.parametrize("batch", ["N", None, 0, -1])
def test_a_batch_that_is_left_open_is_one(batch: Any) -> None:
    graph = imported(with_dims(batch, 3))
    assert graph.tensors["x"].shape == (1, 3)


def test_another_dimension_that_is_left_open() -> None:
    refuses(
        with_dims("N", "length"), "input 'x': dimension 1 (length) is not fixed; only the first"
    )
    refuses(with_dims("N", None), "input 'x': dimension 1 is not fixed")
    refuses(with_dims(1, 0), "input 'x': dimension 1 is not fixed")


def test_the_batch_may_stand_elsewhere_in_another_input() -> None:
    proto = model([node("Relu", ["x"], ["y"])], {"x": X, "h": X})
    for value, dims in zip(proto.graph.input, (["N", 3], [2, "N", 3]), strict=True):
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, dims))
    assert imported(proto).tensors["h"].shape == (2, 1, 3)


def test_integers_of_64_bits_are_taken_as_32() -> None:
    inputs = {"x": np.array([1, 2], np.int64)}
    nodes = [node("Add", ["x", "k"], ["y"])]
    graph = imported(model(nodes, inputs, {"k": np.array([5, 7], np.int64)}))
    assert {t.dtype.value for t in graph.tensors.values()} == {"int32"}
    assert ours(graph, inputs)[0].tolist() == [6, 9]
    refuses(model(nodes, inputs, {"k": np.array([2**31, 0])}), "k holds an int64 beyond 32 bits")


CONV = {"w": reals(4, 3, 3, 3, seed=1)}
IMAGE = reals(1, 3, 5, 5)


@pytest.mark.parametrize(
    ("made", "inputs", "constants", "message"),
    [
        (
            node("Conv", ["x", "w"], ["y"], group=2),
            IMAGE,
            CONV,
            "in 2 groups do not suit 3 channels",
        ),
        (node("Conv", ["x", "w"], ["y"], group=0), IMAGE, CONV, "in 0 groups do not suit"),
        (
            node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 2]),
            IMAGE,
            CONV,
            "the weights are [3, 3]",
        ),
        (
            node("Conv", ["x", "w"], ["y"], auto_pad="SAME"),
            IMAGE,
            CONV,
            "auto_pad is 'SAME'; expected",
        ),
        (
            node("Conv", ["x", "w"], ["y"], pads=[1, 1]),
            IMAGE,
            CONV,
            "pads is [1, 1]; expected 4 numbers",
        ),
        (
            node("Conv", ["x", "w"], ["y"], strides=[0, 1]),
            IMAGE,
            CONV,
            "strides is [0, 1]; expected 2",
        ),
        (node("Conv", ["x", "w"], ["y"], strides=2), IMAGE, CONV, "has type INT; expected INTS"),
        (node("Conv", ["x", "w"], ["y"]), reals(1, 3, 2, 2), CONV, "does not fit an image"),
        (node("Conv", ["x"], ["y"]), IMAGE, {}, "has 1 inputs; expected 2 to 3"),
        (
            node("Conv", ["x", "w"], ["y"]),
            reals(1, 3, 4, 4, 4),
            {"w": reals(4, 3, 2, 2, 2)},
            "supported: [n, c, length] and [n, c, height, width]",
        ),
        (node("MaxPool", ["x"], ["y"]), IMAGE, {}, "has no attribute kernel_shape"),
        (node("MaxPool", ["x"], ["y"], kernel_shape=[6, 6]), IMAGE, {}, "does not fit (5, 5)"),
        (node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2]), IMAGE, {}, "gives indices"),
        (node("Softmax", ["x"], ["y"], axis=3), X, {}, "axis 3 of a tensor of 3 dimensions"),
        (node("Transpose", ["x"], ["y"], perm=[0, 0, 1]), X, {}, "perm [0, 0, 1] is no order of 3"),
        (node("Reshape", ["x", "s"], ["y"]), X, {"s": np.array([5, -1])}, "do not suit shape"),
        (node("Reshape", ["x", "s"], ["y"]), X, {"s": np.array([-1, -1])}, "at most one -1"),
        (
            node("Reshape", ["x", "s"], ["y"]),
            X,
            {"s": np.array([7])},
            "has not the elements of [7]",
        ),
        (node("Concat", ["x", "k"], ["y"], axis=0), X, {"k": reals(2, 3)}, "differ in more than"),
        (
            node("Concat", ["x", "k"], ["y"], axis=0),
            X,
            {"k": np.zeros(3, np.int32)},
            "different types",
        ),
        (node("Squeeze", ["x", "a"], ["y"]), X, {"a": np.array([0])}, "are not all of extent 1"),
        (
            node("Unsqueeze", ["x", "a"], ["y"]),
            X,
            {"a": np.array([0, 0])},
            "name a dimension twice",
        ),
        (
            node("Gather", ["x", "i"], ["y"]),
            X,
            {"i": np.array([2])},
            "indices from 2 to 2 of 2 slices",
        ),
        (node("Expand", ["x", "s"], ["y"]), X, {"s": np.array([5])}, "does not broadcast with [5]"),
        (
            node("Split", ["x", "s"], ["y"]),
            X,
            {"s": np.array([1, 1])},
            "sizes [1, 1] for 1 outputs",
        ),
        (
            node("Slice", ["x", "s", "s"], ["y"]),
            X,
            {"s": np.array([1])},
            "leaves nothing of dimension 0",
        ),
        (
            node("Tile", ["x", "r"], ["y"]),
            X,
            {"r": np.array([1, 2])},
            "repeats [1, 2] of x[2, 3, 4]",
        ),
        (node("Pad", ["x", "p"], ["y"]), X, {"p": np.array([1])}, "has 1 pads for 3 axes"),
        (
            node("MatMul", ["x", "k"], ["y"]),
            X,
            {"k": reals(5, 2)},
            "[2, 3, 4] and [5, 2] do not multiply",
        ),
        (node("PRelu", ["x", "k"], ["y"]), X, {"k": reals(5)}, "do not broadcast"),
        (node("PRelu", ["x", "k"], ["y"]), X, {"k": reals(5, 1, 1, 1)}, "does not broadcast to"),
        (node("Add", ["x", "k"], ["y"]), X, {"k": reals(5)}, "do not broadcast"),
        (
            node("Add", ["x", "k"], ["y"]),
            X,
            {"k": np.zeros(4, np.float64)},
            "constant k holds float64",
        ),
        (node("Add", ["x", "k"], ["y"]), X, {"k": reals(0)}, "k has no elements"),
        (
            node("Einsum", ["x"], ["y"], equation="ijk->ikj"),
            X,
            {},
            "supported: such as 'bij,bjk->bik'",
        ),
        (node("Cast", ["x"], ["y"], to=11), X, {}, "element type double; supported: float, int8"),
        (node("Cast", ["x"], ["y"]), X, {}, "has no attribute to"),
        (node("ReduceProd", ["x"], ["y"], axes=[0, 0]), X, {}, "name a dimension twice"),
        (node("Gelu", ["x"], ["y"]), X, {}, "opset 17 has no such operator"),
    ],
)
def test_attributes_and_operands_that_do_not_fit(
    made: Any, inputs: Any, constants: dict[str, Any], message: str
) -> None:
    proto = model([made], {"x": inputs}, constants)
    refuses(proto, message)
    refuses(proto, "model.onnx: ")


@pytest.mark.parametrize(
    ("op_type", "constants", "attributes"),
    [
        ("Reshape", 1, {}),
        ("Slice", 2, {}),
        ("Tile", 1, {}),
        ("Expand", 1, {}),
        ("Unsqueeze", 1, {}),
        ("Pad", 1, {}),
        ("BatchNormalization", 4, {}),
        ("GRU", 2, {"hidden_size": 4}),
    ],
)
def test_what_has_to_be_known(op_type: str, constants: int, attributes: dict[str, Any]) -> None:
    kind: Any = np.float32 if op_type in ("BatchNormalization", "GRU") else np.int64
    inputs = {"x": X} | {f"c{i}": np.ones(3, kind) for i in range(constants)}
    refuses(
        model([node(op_type, list(inputs), ["y"], **attributes)], inputs),
        "is computed at run time; supported here: a constant",
    )


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        ("GRU", {"activations": ["Relu", "Tanh"]}, "activations ['Relu', 'Tanh']; supported"),
        ("GRU", {"clip": 3.0}, "clip 3; supported: none"),
        ("GRU", {"direction": "sideways"}, "direction is 'sideways'; expected forward"),
        ("GRU", {"hidden_size": 5}, "for hidden_size 5"),
        ("LSTM", {"input_forget": 1}, "input_forget is 1; supported: 0"),
    ],
)
def test_recurrence_of_other_kinds(kind: str, attributes: dict[str, Any], message: str) -> None:
    gates = 3 if kind == "GRU" else 4
    constants = {"w": reals(1, 4 * gates, 4), "r": reals(1, 4 * gates, 4)}
    made = node(kind, ["x", "w", "r"], ["y"], **({"hidden_size": 4} | attributes))
    refuses(model([made], {"x": X}, constants), message)


def test_the_graph_is_named_by_its_file_or_by_the_caller() -> None:
    data = relu().SerializeToString()
    assert import_onnx(data, "models/KWS-1.onnx").name == "kws_1"
    assert import_onnx(data, "models/KWS-1.onnx", "mine").name == "mine"
    assert len(import_onnx(data, "m.onnx").digest) == 64


def test_operators_are_named_by_the_files_nodes() -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], name="/features/features.0/Conv"),
        node("Relu", ["c"], ["y"]),
    ]
    graph = imported(model(nodes, {"x": IMAGE}, CONV))
    names = [op.name for op in graph.ops]
    assert "/features/features.0/Conv" in names
    assert "Relu_1" in names
    assert {"x", "c", "y"} <= graph.tensors.keys()
