"""What becomes of every attribute of a .tflite operator."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace

import numpy as np
import pytest
import tflite
from tflite_files import activation, constant, imported, integers, one_operator, put, subgraph

from midge.graph import Activation, Attributes, DType, Graph, Quantization, Rounding
from midge.graph.ops.add import Add
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.pad import Pad
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.softmax import Softmax
from midge.importers import c_identifier, import_tflite
from midge.importers.tflite_convert import VARIABLE_OPERATORS
from midge.importers.tflite_file import read_tflite
from midge.importers.tflite_ops import CONVERTERS
from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    ModelDescription,
    PadOptions,
    Pool2DOptions,
    ReshapeOptions,
    SoftmaxOptions,
)
from midge.synthetic.model_description import Quantization as FileQuantization
from midge.synthetic.model_description import Tensor as FileTensor
from midge.synthetic.tflite_writer import write_tflite
from support.networks import every_single_op
from support.networks import imported as imported_network

ACTIVATIONS = {
    "NONE": Activation.NONE,
    "RELU": Activation.RELU,
    "RELU6": Activation.RELU6,
    "RELU_N1_TO_1": Activation.RELU_N1_TO_1,
}
X, W = activation("x", 1, 8, 7, 4), constant("w", 6, 3, 2, 4)


def attributes(graph: Graph) -> Attributes:
    (op,) = graph.ops
    return op.attributes


@pytest.mark.tiny
def test_conv_2d_same() -> None:
    options = Conv2DOptions("SAME", stride=(2, 3), dilation=(2, 1), activation="RELU6")
    graph = imported("CONV_2D", options, (X, W), activation("y", 1, 4, 3, 6))
    # Rows: 3 taps 2 apart span 5, (4-1)*2+5 = 11 = 8 + 3; columns: (3-1)*3+2 = 8 = 7 + 1.
    assert attributes(graph) == Conv2D(
        stride=(2, 3),
        dilation=(2, 1),
        pad_before=(1, 0),
        pad_after=(2, 1),
        activation=Activation.RELU6,
        rounding=Rounding.TFLITE_DOUBLE,
    )


def test_conv_2d_valid() -> None:
    options = Conv2DOptions("VALID", stride=(1, 2))
    graph = imported("CONV_2D", options, (X, W), activation("y", 1, 6, 3, 6))
    assert attributes(graph) == Conv2D(stride=(1, 2))
    assert graph.ops[0].name == "00_conv_2d"
    assert graph.ops[0].inputs == ("x", "w")


def test_groups_follow_from_the_shapes() -> None:
    grouped = constant("w", 6, 3, 2, 2)
    graph = imported("CONV_2D", Conv2DOptions("VALID"), (X, grouped), activation("y", 1, 6, 6, 6))
    assert attributes(graph) == Conv2D()


@pytest.mark.parametrize("bias", [None, integers("b", [1, 2, 3, 4, 5, 6])])
def test_a_bias_may_be_there_or_left_out(bias: FileTensor | None) -> None:
    y = activation("y", 1, 6, 6, 6)
    graph = imported("CONV_2D", Conv2DOptions("VALID"), (X, W, bias), y)
    assert graph.ops[0].inputs == ("x", "w", "b" if bias else "")
    assert (graph.tensors["b"].dtype is DType.INT32) if bias else ("b" not in graph.tensors)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_fused_activations(name: str) -> None:
    expected = ACTIVATIONS[name]
    y4, y2 = activation("y", 1, 6, 6, 6), activation("y", 1, 3)
    pooled = activation("y", 1, 7, 6, 4)
    row, dense = activation("x", 1, 8), constant("w", 3, 8)
    a, b, total = activation("a", 2), activation("b", 2), activation("y", 2)
    for graph in (
        imported("CONV_2D", Conv2DOptions("VALID", activation=name), (X, W), y4),
        imported(
            "DEPTHWISE_CONV_2D",
            DepthwiseConv2DOptions("VALID", activation=name),
            (X, constant("w", 1, 2, 2, 4)),
            pooled,
        ),
        imported("FULLY_CONNECTED", FullyConnectedOptions(name), (row, dense), y2),
        imported("AVERAGE_POOL_2D", Pool2DOptions((2, 2), activation=name), (X,), pooled),
        imported("MAX_POOL_2D", Pool2DOptions((2, 2), activation=name), (X,), pooled),
        imported("ADD", AddOptions(name), (a, b), total),
    ):
        assert attributes(graph).activation is expected  # type: ignore[attr-defined]


@pytest.mark.parametrize("multiplier", [2, 0])
def test_a_depth_multiplier_is_that_of_the_shapes(multiplier: int) -> None:
    options = DepthwiseConv2DOptions("SAME", (1, 2), (3, 1), depth_multiplier=multiplier)
    weights, y = constant("w", 1, 3, 3, 8), activation("y", 1, 8, 4, 8)
    graph = imported("DEPTHWISE_CONV_2D", options, (X, weights), y)
    assert attributes(graph) == DepthwiseConv2D(
        stride=(1, 2), dilation=(3, 1), pad_before=(3, 1), pad_after=(3, 1)
    )


@pytest.mark.parametrize(
    ("x", "y", "keep_num_dims", "keep_dims"),
    [
        ((2, 8), (2, 3), False, False),
        ((2, 8), (2, 3), True, True),
        ((2, 2, 4), (2, 3), False, False),
        ((2, 5, 8), (10, 3), False, False),
        ((2, 5, 8), (2, 5, 3), True, True),
        ((8,), (3,), True, True),
    ],
)
def test_a_dense_layer_keeps_the_dimensions_that_its_output_has(
    x: tuple[int, ...], y: tuple[int, ...], keep_num_dims: bool, keep_dims: bool
) -> None:
    graph = imported(
        "FULLY_CONNECTED",
        FullyConnectedOptions(keep_num_dims=keep_num_dims),
        (activation("x", *x), constant("w", 3, 8)),
        activation("y", *y),
    )
    assert attributes(graph) == FullyConnected(keep_dims=keep_dims)


def test_pools() -> None:
    options = Pool2DOptions((3, 2), "SAME", (2, 2), "RELU")
    expected = {
        "kernel": (3, 2),
        "stride": (2, 2),
        "pad_before": (0, 0),
        "pad_after": (1, 1),
        "activation": Activation.RELU,
    }
    y = activation("y", 1, 4, 4, 4)
    assert attributes(imported("MAX_POOL_2D", options, (X,), y)) == MaxPool2D(**expected)
    assert attributes(imported("AVERAGE_POOL_2D", options, (X,), y)) == AveragePool2D(**expected)


def test_add_softmax_pad_reshape() -> None:
    a, b = activation("a", 2, 3), activation("b", 3)
    assert attributes(imported("ADD", AddOptions(), (a, b), activation("y", 2, 3))) == Add()
    y = activation("y", 2, 3, scale=1 / 256, zero_point=-128)
    beta = float(np.float32(0.3))
    assert attributes(imported("SOFTMAX", SoftmaxOptions(0.3), (a,), y)) == Softmax(beta=beta)
    padded = imported(
        "PAD", PadOptions(), (a, integers("p", [[1, 0], [2, 3]])), activation("y", 3, 8)
    )
    assert attributes(padded) == Pad(before=(1, 2), after=(0, 3))
    # The output's own shape counts; the shape input and the option are not looked at.
    for shape_input, option in (((integers("s", [9, 9]),), None), ((), (9, 9))):
        reshaped = imported(
            "RESHAPE", ReshapeOptions(option), (a, *shape_input), activation("y", 3, 2)
        )
        assert attributes(reshaped) == Reshape(shape=(3, 2))
    for graph in (padded, reshaped):
        assert graph.ops[0].inputs == ("a",)
        assert set(graph.tensors) == {"a", "y"}


def test_every_converter_gives_what_it_says_and_is_met_by_a_network() -> None:
    met: dict[str, set[type[Attributes]]] = {}
    for made in every_single_op():
        graph = imported_network(made)
        builtins = [op.op for op in made.model.operators if op.op not in VARIABLE_OPERATORS]
        for builtin, op in zip(builtins, graph.ops, strict=True):
            met.setdefault(builtin, set()).add(type(op.attributes))
    # Variables are met by networks of several operators: tests/driver.
    for builtin in CONVERTERS.keys() - {"READ_VARIABLE", "ASSIGN_VARIABLE"}:
        assert met.get(builtin, set()) == set(CONVERTERS[builtin].gives), builtin


def test_quantisation_is_read_as_it_stands() -> None:
    per_channel = FileQuantization((0.1, 0.2, 0.3, 0.4, 0.5, 0.6), (0,) * 6, dimension=0)
    weights = replace(W, quantization=per_channel)
    x = activation("x", 1, 8, 7, 4, scale=0.1, zero_point=-7)
    graph = imported("CONV_2D", Conv2DOptions("VALID"), (x, weights), activation("y", 1, 6, 6, 6))
    assert graph.tensors["x"].quantization == Quantization.per_tensor(0.1, -7)
    scales = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], np.float32)
    assert graph.tensors["w"].quantization == Quantization(scales, np.zeros(6, np.int64), 0)
    assert np.array_equal(graph.tensors["w"].data, W.values)


def one_zero_point_for_many_scales() -> bytes:
    per_channel = FileQuantization((0.1,) * 6, (0,) * 6, dimension=0)
    data = bytearray(
        write_tflite(
            one_operator(
                "CONV_2D",
                Conv2DOptions("VALID"),
                (X, replace(W, quantization=per_channel)),
                activation("y", 1, 6, 6, 6),
            )
        )
    )
    quantization = subgraph(data).Tensors(1).Quantization()
    length = quantization.ZeroPointAsNumpy()
    start = length.__array_interface__["data"][0]
    origin = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    data[start - origin - 4 : start - origin] = (1).to_bytes(4, "little")
    return bytes(data)


def test_one_zero_point_stands_for_all_scales() -> None:
    graph = import_tflite(one_zero_point_for_many_scales(), "m.tflite")
    quantization = graph.tensors["w"].quantization
    assert quantization is not None
    assert quantization.zero_point.tolist() == [0] * 6


def chain(*names: str) -> ModelDescription:
    """Reshapes from one tensor to the next."""
    steps = [
        one_operator("RESHAPE", ReshapeOptions(), (activation(a, 2),), activation(b, 2))
        for a, b in itertools.pairwise(names)
    ]
    return ModelDescription(
        tuple(activation(n, 2) for n in names),
        tuple(op for step in steps for op in step.operators),
        names[:1],
        names[-1:],
    )


def renamed(data: bytes, names: dict[bytes, bytes]) -> bytes:
    """The file with tensors' names replaced by shorter or equally long ones."""
    spoiled = bytearray(data)
    for old, new in names.items():
        at = spoiled.index(len(old).to_bytes(4, "little") + old + b"\0")
        spoiled[at : at + 4] = len(new).to_bytes(4, "little")
        spoiled[at + 4 : at + 4 + len(old)] = new.ljust(len(old), b"\0")
    return bytes(spoiled)


def test_names_become_unique() -> None:
    data = write_tflite(chain("in", "t1#2", "t1", "tX"))
    spoiled = renamed(data, {b"tX": b"t1", b"t1#2": b"t1#3", b"in": b""})
    model = read_tflite(spoiled, "m.tflite")[0]
    # The last one would be "t1#3", which the second one has already.
    assert [t.name for t in model.tensors if not isinstance(t, str)] == [
        *("tensor_0", "t1#3", "t1", "t1#3#3"),
    ]
    assert len(import_tflite(spoiled, "m.tflite").tensors) == 4


def test_a_name_that_is_not_utf8_is_read_nevertheless() -> None:
    data = renamed(write_tflite(chain("in", "h", "out")), {b"h": b"\xff"})
    assert "\ufffd" in import_tflite(data, "m.tflite").tensors


def test_the_graph_is_named_and_knows_its_file() -> None:
    data = write_tflite(chain("a", "b"))
    graph = import_tflite(data, "models/My Net-2.tflite")
    assert (graph.name, graph.digest) == ("my_net_2", hashlib.sha256(data).hexdigest())
    assert import_tflite(data, "m.tflite", name="other").name == "other"
    assert import_tflite(data, "m.tflite") == import_tflite(data, "m.tflite")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("kws01_dscnn_int8.tflite", "kws01_dscnn_int8"),
        ("models/kws-1.tflite", "kws_1"),
        (r"C:\models\Kws 1.v2.tflite", "kws_1_v2"),
        ("3d.tflite", "model_3d"),
        ("int.tflite", "model_int"),
        ("midge.tflite", "model_midge"),
        ("模型.tflite", "model"),
        (".tflite", "model"),
        ("", "model"),
        ("_a_.tflite", "a"),
        ("net", "net"),
    ],
)
def test_c_identifier(source: str, name: str) -> None:
    assert c_identifier(source) == name


def test_newer_operator_codes_are_read_from_the_newer_field() -> None:
    data = bytearray(write_tflite(chain("a", "b")))
    code = tflite.Model.GetRootAs(data, 0).OperatorCodes(0)
    put(data, code, 0, "<b", 127)
    assert read_tflite(bytes(data), "m")[0].ops[0].builtin == "PLACEHOLDER_FOR_GREATER_OP_CODES"
    put(data, code, 3, "<i", 150)
    assert read_tflite(bytes(data), "m")[0].ops[0].builtin == "GELU"


def test_an_older_writer_fills_the_older_code_alone() -> None:
    data = bytearray(write_tflite(chain("a", "b")))
    put(data, tflite.Model.GetRootAs(data, 0).OperatorCodes(0), 3, "<i", 0)
    assert import_tflite(bytes(data), "m.tflite").ops[0].kind == "reshape"
