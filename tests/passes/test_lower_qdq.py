from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qdq_graphs import FLOAT, QdqBuilder, furthest, q, reals, stored_inputs

from midge.driver import compile_graph
from midge.errors import UnsupportedError
from midge.graph import (
    Activation,
    Attributes,
    DType,
    Graph,
    Rounding,
    Tensor,
    interpret,
)
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.argument import ArgMax
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.batch_matmul import BatchMatmul
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.conversions import Dequantize, Quantize
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.extremum import Maximum
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.gather import Gather
from midge.graph.ops.layer_norm import LayerNorm
from midge.graph.ops.logistic_tanh import Logistic, Tanh
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.mul import Mul
from midge.graph.ops.pad import Pad
from midge.graph.ops.rectifiers import LeakyRelu, Relu, Relu6
from midge.graph.ops.reductions import Mean
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.resize_nearest import ResizeNearest
from midge.graph.ops.slice import Slice
from midge.graph.ops.smooth_units import Gelu
from midge.graph.ops.softmax import Softmax
from midge.graph.ops.transpose import Transpose
from midge.graph.ops.transpose_conv import TransposeConv
from midge.graph.ops.variable import AssignVariable, ReadVariable
from midge.passes.lower_qdq import lower_qdq

ROUNDINGS = (Rounding.TFLITE_DOUBLE, Rounding.SINGLE, Rounding.HALF_EVEN)
SAME = {"pad_before": (1, 1), "pad_after": (1, 1)}


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def attributes_of(graph: Graph, name: str) -> Attributes:
    return next(op.attributes for op in graph.ops if op.name == name)


def small_network() -> Graph:
    """A bit of everything, as ONNX Runtime's quantizer and torch's leave it."""
    b = QdqBuilder()
    x = b.fed("x", 1, 8, 8, 3)
    y = b.layer("stem", Conv2D(**SAME), x, b.weights("w", 4, 3, 3, 3), b.numbers("bias", 4))
    y = b.quantized(b.layer("relu", Relu(), y), 0.03, -128)
    gate = b.layer("gate", Logistic(), y)
    z = b.quantized(b.layer("silu", Mul(), y, gate), 0.03, -120)
    z = b.quantized(
        b.layer("depthwise", DepthwiseConv2D(**SAME), z, b.weights("d", 1, 3, 3, 4, axis=3)), 0.03
    )
    y = b.quantized(b.layer("sum", Add(), y, z), 0.04, -10)
    y = b.layer("pool", MaxPool2D(kernel=(2, 2), stride=(2, 2)), y)
    y = b.layer("flat", Reshape(shape=(1, 64)), y)
    y = b.layer("head", FullyConnected(keep_dims=True), y, b.weights("v", 10, 64))
    y = b.quantized(y, 0.3, 5)
    return b.finish(b.quantized(b.layer("softmax", Softmax(), y), 1 / 255, -128))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_nothing_of_a_network_stays_float(rounding: Rounding) -> None:
    graph = small_network()
    lowered = lower_qdq(graph, rounding)
    assert kinds(lowered) == [
        *("conv_2d", "lookup", "depthwise_conv_2d", "add", "max_pool_2d", "reshape"),
        *("fully_connected", "softmax", "lookup"),
    ]
    assert all(t.dtype is not FLOAT for t in lowered.tensors.values())
    assert lowered.inputs == graph.inputs
    assert lowered.outputs == graph.outputs
    assert lowered.tensors["x"].quantization == q(0.02, 3)
    assert lowered.tensors[lowered.outputs[0]].quantization == q(1 / 255, -128)
    roundings = {getattr(op.attributes, "rounding", rounding) for op in lowered.ops}
    assert rounding in roundings
    # Differences of a step in a layer grow through the layers behind it; a probability has 255.
    assert furthest(graph, lowered) <= 12


def test_layers_keep_their_names() -> None:
    lowered = lower_qdq(small_network(), Rounding.SINGLE)
    names = [op.name for op in lowered.ops]
    assert names[:7] == ["stem", "silu", "depthwise", "sum", "pool", "flat", "head"]


def test_the_emitted_program_gives_the_interpreters_integers() -> None:
    lowered = lower_qdq(small_network(), Rounding.HALF_EVEN)
    inputs = stored_inputs(lowered)
    result = compile_graph(lowered, target="cortex-m4").run(inputs["x"])
    expected = interpret(lowered, inputs)[lowered.outputs[0]]
    assert np.array_equal(np.asarray(result.outputs).reshape(expected.shape), expected)


def one_layer(case: str, b: QdqBuilder) -> Tensor:
    x = b.fed("x", 1, 6, 6, 4)
    match case:
        case "conv":
            y = b.layer("y", Conv2D(), x, b.weights("w", 5, 3, 3, 4), b.numbers("b", 5))
        case "conv_per_tensor":
            y = b.layer("y", Conv2D(), x, b.weights("w", 5, 1, 1, 4, axis=None))
        case "depthwise":
            y = b.layer("y", DepthwiseConv2D(), x, b.weights("w", 1, 3, 3, 8, axis=3))
        case "transpose_conv":
            w = b.weights("w", 5, 2, 2, 4)
            y = b.layer("y", TransposeConv(extent=(12, 12), stride=(2, 2)), x, w)
        case "dense":
            w = b.weights("w", 7, 4)
            y = b.layer("y", FullyConnected(keep_dims=True), x, w, b.numbers("b", 7))
        case "dense_with_zero_point":
            w = b.weights("w", 7, 4, axis=None, zero=9)
            y = b.layer("y", FullyConnected(keep_dims=True), x, w)
        case "matmul":
            y = b.layer("y", BatchMatmul(adj_y=True), x, b.fed("other", 1, 6, 6, 4, scale=0.01))
        case "mean":
            y = b.layer("y", Mean(axes=(1, 2)), x)
        case "add":
            y = b.layer("y", Add(), x, b.fed("other", 1, 6, 6, 4, scale=0.013, zero=-7))
        case "sub":
            y = b.layer("y", Sub(), x, b.fed("other", 1, 1, 1, 4, scale=0.013, zero=-7))
        case "mul":
            y = b.layer("y", Mul(), x, b.fed("other", 1, 6, 6, 4, scale=0.013, zero=-7))
        case "add_constants":
            y = b.layer("y", Add(), x, b.numbers("c", 4))
        case "softmax":
            y = b.layer("y", Softmax(), x)
        case "layer_norm":
            y = b.layer("y", LayerNorm(), x, b.numbers("gamma", 4), b.numbers("beta", 4))
        case "pool":
            y = b.layer("y", AveragePool2D(kernel=(2, 2), stride=(2, 2)), x)
        case _:
            raise ValueError(case)
    return b.quantized(y, 0.05 if case != "softmax" else 1 / 250, -4 if case != "softmax" else -125)


LAYERS = (
    *("conv", "conv_per_tensor", "depthwise", "transpose_conv", "dense", "dense_with_zero_point"),
    *("matmul", "mean", "add", "sub", "mul", "add_constants", "softmax", "pool", "layer_norm"),
)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_is_off_by_at_most_a_step(case: str, rounding: Rounding) -> None:
    b = QdqBuilder(seed=LAYERS.index(case))
    graph = b.finish(one_layer(case, b))
    lowered = lower_qdq(graph, rounding)
    assert not {"quantize", "dequantize"}.intersection(kinds(lowered))
    # A table behind a softmax or a pool rounds once more; constants are rounded to 255 steps.
    twice = case in ("softmax", "pool", "add_constants")
    assert furthest(graph, lowered) <= (1.55 if twice else 1.001)


@pytest.mark.parametrize(
    ("clamp", "fused"), [(Relu(), Activation.RELU), (Relu6(), Activation.RELU6)], ids=("relu", "6")
)
def test_a_clamp_is_fused(clamp: Attributes, fused: Activation) -> None:
    b = QdqBuilder()
    y = b.layer("y", Conv2D(), b.fed("x", 1, 5, 5, 2), b.weights("w", 3, 1, 1, 2))
    graph = b.finish(b.quantized(b.layer("clamp", clamp, y), 0.01, -20))
    lowered = lower_qdq(graph, Rounding.SINGLE)
    (op,) = lowered.ops
    assert isinstance(op.attributes, Conv2D)
    assert op.attributes.activation is fused
    assert furthest(graph, lowered) <= 1.001


def test_a_clamp_that_others_read_around_is_not_fused() -> None:
    b = QdqBuilder()
    y = b.layer("y", Conv2D(), b.fed("x", 1, 5, 5, 2), b.weights("w", 3, 1, 1, 2))
    outputs = (b.quantized(y, 0.03, 5), b.quantized(b.layer("clamp", Relu(), y), 0.02, -128))
    graph = b.finish(*outputs)
    lowered = lower_qdq(graph, Rounding.HALF_EVEN)
    assert kinds(lowered) == ["conv_2d", "lookup", "lookup"]
    assert furthest(graph, lowered) <= 1.6


def test_chains_on_one_element_are_tables_with_one_rounding() -> None:
    b = QdqBuilder()
    x = b.fed("x", 3, 5, scale=0.05, zero=-7)
    half = b.constant("half", np.float32([[0.5]]))
    y = b.layer("gate", Logistic(), b.layer("scaled", Mul(), x, half))
    y = b.layer("product", Mul(), y, b.layer("leaky", LeakyRelu(alpha=0.1), x))
    graph = b.finish(b.quantized(y, 0.011, 12))
    lowered = lower_qdq(graph, Rounding.SINGLE)
    assert kinds(lowered) == ["lookup"]
    assert lowered.ops[0].name == "product"
    assert furthest(graph, lowered) < 1e-3


def test_tables_round_as_asked() -> None:
    b = QdqBuilder()
    y = b.layer("half", Mul(), b.fed("x", 256, scale=1.0, zero=0), b.constant("c", np.float32(0.5)))
    graph = b.finish(b.quantized(y, 1.0, 0))
    codes = np.arange(-128, 128).astype(np.int8)
    even, away = (
        interpret(low, {"x": codes})[low.outputs[0]]
        for low in (lower_qdq(graph, r) for r in (Rounding.HALF_EVEN, Rounding.SINGLE))
    )
    assert np.array_equal(even, np.rint(codes / 2))
    assert np.array_equal(away, np.trunc(codes / 2 + np.copysign(0.5, codes)))


def test_values_between_layers_that_nobody_quantised_get_the_range_they_have() -> None:
    b = QdqBuilder()
    y = b.layer("tanh", Tanh(), b.fed("x", 4, 6, scale=0.03))
    y = b.layer("dense", FullyConnected(keep_dims=True), y, b.weights("w", 5, 6))
    graph = b.finish(b.quantized(y, 0.02))
    lowered = lower_qdq(graph, Rounding.SINGLE)
    assert kinds(lowered) == ["lookup", "fully_connected"]
    assert furthest(graph, lowered) <= 2


def test_movement_keeps_the_quantisation_it_finds() -> None:
    b = QdqBuilder()
    y = b.fed("x", 1, 4, 6, 3)
    y = b.layer("turned", Transpose(permutation=(0, 2, 1, 3)), y)
    y = b.layer("padded", Pad(before=(0, 1, 1, 0), after=(0, 1, 1, 0)), y)
    y = b.layer("larger", ResizeNearest(size=(16, 12)), y)
    part = Slice(begin=(0, 1, 1, 0), size=(1, 7, 5, 3), step=(1, 2, 1, 1), shape=(1, 7, 5, 3))
    y = b.layer("part", part, y)
    y = b.layer("max", MaxPool2D(kernel=(2, 2)), y)
    graph = b.finish(b.layer("flat", Reshape(shape=(1, 72)), y))
    lowered = lower_qdq(graph, Rounding.SINGLE)
    assert "lookup" not in kinds(lowered)
    assert lowered.tensors[lowered.outputs[0]].quantization == q(0.02, 3)
    assert furthest(graph, lowered) < 1e-5


def test_a_border_of_another_number() -> None:
    b = QdqBuilder()
    value = b.constant("value", np.float32(-0.4))
    y = b.layer("padded", Pad(before=(1, 0), after=(0, 2)), b.fed("x", 3, 4), value)
    graph = b.finish(b.quantized(y, 0.02, 3))
    lowered = lower_qdq(graph, Rounding.SINGLE)
    assert kinds(lowered) == ["pad"]
    assert furthest(graph, lowered) < 1e-5


def test_joined_tensors_are_brought_to_one_scale() -> None:
    b = QdqBuilder()
    parts = [b.fed("a", 2, 3), b.fed("c", 2, 4, scale=0.05, zero=-9), b.numbers("n", 2, 2)]
    graph = b.finish(b.quantized(b.layer("joined", Concatenation(axis=1), *parts), 0.06, 2))
    lowered = lower_qdq(graph, Rounding.HALF_EVEN)
    assert kinds(lowered) == ["lookup", "lookup", "concatenation"]
    assert furthest(graph, lowered) <= 1.001


def test_a_constant_beside_a_tensor_takes_its_scale() -> None:
    b = QdqBuilder()
    y = b.layer("y", Maximum(), b.fed("x", 3, 4), b.numbers("floor", 4))
    graph = b.finish(b.quantized(y, 0.02, 3))
    lowered = lower_qdq(graph, Rounding.SINGLE)
    assert kinds(lowered) == ["maximum"]
    assert furthest(graph, lowered) <= 0.51


def test_one_tensor_quantised_twice_is_computed_once() -> None:
    b = QdqBuilder()
    y = b.layer("y", Conv2D(), b.fed("x", 1, 5, 5, 2), b.weights("w", 3, 1, 1, 2))
    first, second = (
        b.one(f"q{n}", Quantize(to=DType.INT8), (y,), quantization=q(0.03, 4)) for n in range(2)
    )
    third = b.one("coarse", Quantize(to=DType.INT8), (y,), quantization=q(0.04, -3))
    ends = [b.one(f"dq{n}", Dequantize(), (t,)) for n, t in enumerate((first, second, third))]
    graph = b.finish(*ends)
    lowered = lower_qdq(graph, Rounding.SINGLE)
    assert kinds(lowered).count("conv_2d") == 1
    assert lowered.outputs == graph.outputs
    assert furthest(graph, lowered) <= 1.7


def test_weights_may_be_moved_behind_their_dequantize() -> None:
    b = QdqBuilder()
    w = b.layer("turned", Transpose(permutation=(1, 2, 3, 0)), b.weights("w", 2, 5, 3, 3, axis=1))
    y = b.layer("y", Conv2D(), b.fed("x", 1, 5, 5, 2), w)
    graph = b.finish(b.quantized(y, 0.05))
    lowered = lower_qdq(graph, Rounding.SINGLE)
    (op,) = lowered.ops
    weights = lowered.tensors[op.inputs[1]].quantization
    assert weights is not None
    assert weights.axis == 0
    assert furthest(graph, lowered) <= 1.001


def test_a_zero_point_of_weights_is_taken_off_where_it_fits() -> None:
    b = QdqBuilder()
    held = b.constant("w", np.int8([[[[120, 30]]], [[[9, -57]]]]), q(0.01, 20))
    w = b.one("w.dq", Dequantize(), (held,))
    y = b.layer("y", Conv2D(), b.fed("x", 1, 5, 5, 2), w)
    graph = b.finish(b.quantized(y, 0.05))
    lowered = lower_qdq(graph, Rounding.SINGLE)
    weights = lowered.tensors[lowered.ops[0].inputs[1]]
    assert weights.zero_point == 0
    assert np.asarray(weights.data).ravel().tolist() == [100, 10, -11, -77]
    assert furthest(graph, lowered) <= 1.001


def with_bias(scale: float, codes: list[int], zero: int = 0) -> Graph:
    b = QdqBuilder()
    stored = b.constant("bias", np.int32(codes), q(scale, zero))
    bias = b.one("bias.dq", Dequantize(), (stored,))
    w = b.constant("w", np.int8([[[[3, -5]]], [[[100, 7]]]]), q(0.01))
    w = b.one("w.dq", Dequantize(), (w,))
    y = b.layer("y", Conv2D(), b.fed("x", 1, 5, 5, 2, scale=0.5), w, bias)
    return b.finish(b.quantized(y, 0.7))


def test_a_bias_keeps_its_integers() -> None:
    remarks: list[str] = []
    lowered = lower_qdq(with_bias(0.005, [1234, -77]), Rounding.HALF_EVEN, remarks=remarks)
    assert np.asarray(lowered.tensors[lowered.ops[0].inputs[2]].data).tolist() == [1234, -77]
    assert not remarks


def test_a_bias_of_another_scale_is_rescaled_and_remarked() -> None:
    remarks: list[str] = []
    graph = with_bias(0.01, [1234, -77])
    lowered = lower_qdq(graph, Rounding.HALF_EVEN, remarks=remarks)
    assert np.asarray(lowered.tensors[lowered.ops[0].inputs[2]].data).tolist() == [2468, -154]
    assert [r.startswith("y: its bias bias.dq has up to 2 times the scale") for r in remarks] == [
        True
    ]
    assert furthest(graph, lowered) <= 1.001


def test_int16_activations_have_long_sums() -> None:
    b = QdqBuilder()
    x = b.fed("x", 1, 5, 5, 2, scale=0.001, zero=0, dtype=DType.INT16)
    y = b.layer("y", Conv2D(), x, b.weights("w", 3, 3, 3, 2), b.numbers("b", 3))
    y = b.quantized(b.layer("r", Relu(), y), 0.001, 0, DType.INT16)
    y = b.quantized(b.layer("gelu", Gelu(), y), 0.0005, 0, DType.INT16)
    y = b.quantized(b.layer("gate", Logistic(), y), 0.0001, 0, DType.INT16)
    graph = b.finish(y)
    for rounding in ROUNDINGS:
        lowered = lower_qdq(graph, rounding)
        assert kinds(lowered) == ["conv_2d", "gelu", "logistic", "quantize"]
        conv = attributes_of(lowered, "y")
        assert isinstance(conv, Conv2D)
        assert conv.rounding is Rounding.TFLITE_16X8
        bias = lowered.tensors[lowered.ops[0].inputs[2]]
        assert bias.dtype is DType.INT64
        # Interpolated tables are off by a few of 65536 steps.
        assert furthest(graph, lowered) <= 16


def test_indices_and_tables_of_an_embedding() -> None:
    b = QdqBuilder()
    tokens = b.input("tokens", (4,), DType.INT32)
    y = b.layer("embedding", Gather(axis=0), b.weights("table", 9, 5, axis=None), tokens)
    y = b.layer("best", ArgMax(axis=1), b.quantized(y, 0.01))
    graph = b.finish(y)
    lowered = lower_qdq(graph, Rounding.SINGLE)
    assert kinds(lowered) == ["gather", "lookup", "arg_max"]
    assert lowered.tensors[lowered.outputs[0]].dtype is DType.INT32


def test_a_variable_is_quantised_as_it_is_read() -> None:
    b = QdqBuilder()
    x = b.fed("x", 1, 4)
    held = b.variable("held", np.zeros((1, 4), np.float32))
    past = b.quantized(b.one("past", ReadVariable(), (held,)), 0.05, 1)
    y = b.quantized(b.layer("sum", Add(), x, past), 0.05, 1)
    b.op("keep", AssignVariable(), (held, y))
    graph = b.finish(y)
    lowered = lower_qdq(graph, Rounding.SINGLE)
    assert kinds(lowered) == ["read_variable", "add", "assign_variable"]
    (variable,) = lowered.variables
    assert variable.quantization == q(0.05, 1)
    assert np.asarray(variable.data).tolist() == [[1, 1, 1, 1]]
    assert furthest(graph, lowered) <= 1.001


def test_one_tensor_may_be_two_outputs_and_layouts_stay() -> None:
    b = QdqBuilder()
    x = b.fed("x", 1, 4, 5, 3)
    y = b.quantized(b.layer("y", MaxPool2D(kernel=(2, 2)), x), 0.02, 3)
    again = b.layer("again", Dequantize(), b.tensors["y.q"])
    order = (0, 2, 3, 1)
    layouts = {"x": order, y.name: order, again.name: order}
    graph = replace(b.finish(y, again), layouts=layouts)
    lowered = lower_qdq(graph, Rounding.SINGLE)
    assert lowered.outputs == graph.outputs
    assert dict(lowered.layouts) == layouts
    assert furthest(graph, lowered) < 1e-5


def leftovers() -> Graph:
    b = QdqBuilder()
    x = b.fed("x", 1, 4, 4, 2)
    y = b.layer("block.0", Conv2D(), x, b.numbers("float_w", 3, 1, 1, 2))
    y = b.quantized(y, 0.05)
    y = b.layer("block.1", Conv2D(), y, b.weights("w", 3, 1, 1, 3))
    y = b.layer("block.2", Softmax(), y)
    y = b.quantized(b.layer("block.3", Mul(), y, y), 0.05)
    w = b.weights("v", 4, 3, 3, 3, axis=None, zero=5)
    return b.finish(b.quantized(b.layer("block.4", Conv2D(), y, w), 0.05))


def test_everything_that_would_stay_float_is_named() -> None:
    with pytest.raises(UnsupportedError) as error:
        lower_qdq(leftovers(), Rounding.SINGLE)
    assert str(error.value).splitlines() == [
        "net: 3 of its operators would run in float:",
        "  block.0 (conv_2d): its weights float_w are not quantised",
        "  block.1 (conv_2d): its output block.1 is not quantised",
        "  block.4 (conv_2d): v has a zero point other than 0; supported here: symmetric weights",
        "Quantise what is named here (midge.quantize does, or the quantizer of your framework), or "
        "allow float operators, which cost time and flash",
    ]


def test_what_is_allowed_to_stay_float_does() -> None:
    graph = leftovers()
    lowered = lower_qdq(graph, Rounding.SINGLE, allow_float=True)
    assert {"dequantize", "quantize", "softmax"} <= set(kinds(lowered))
    assert furthest(graph, lowered) <= 1.001
    inputs = stored_inputs(lowered)
    result = compile_graph(lowered, target="cortex-m4").run(inputs["x"])
    expected = interpret(lowered, inputs)[lowered.outputs[0]]
    found = np.asarray(result.outputs).reshape(expected.shape)
    assert np.array_equal(
        reals(lowered.tensors[lowered.outputs[0]], found),
        reals(lowered.tensors[lowered.outputs[0]], expected),
    )


def test_an_operator_is_kept_in_float() -> None:
    b = QdqBuilder()
    y = b.layer("conv", Conv2D(), b.fed("x", 1, 4, 4, 2), b.weights("w", 3, 1, 1, 2))
    y = b.quantized(b.layer("clamp", Relu(), y), 0.03, -128)
    y = b.quantized(b.layer("sum", Add(), y, b.fed("z", 1, 4, 4, 3)), 0.05, -128)
    graph = b.finish(y)
    lowered = lower_qdq(graph, Rounding.SINGLE, keep_float=("sum",))
    assert kinds(lowered) == ["conv_2d", "dequantize", "dequantize", "add", "quantize"]
    assert lowered.tensors["x"].dtype is DType.INT8
    assert furthest(graph, lowered) <= 1.8
    lowered = lower_qdq(graph, Rounding.SINGLE, keep_float=("conv", "clamp"))
    assert kinds(lowered) == ["dequantize", "conv_2d", "relu", "quantize", "add"]
    assert furthest(graph, lowered) <= 1.8


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("float input", "y (fully_connected): its input x is not quantised"),
        ("types", "y (add): it mixes int8 and int16, other"),
        ("output type", "y (add): its input is int8 and its output int16; supported: one type"),
        ("bias", "y (fully_connected): its bias b has up to "),
        ("weights", "y (fully_connected): its weights other.dq are computed at run time"),
        ("output", "y (tanh): its output y is not quantised"),
    ],
    ids=lambda value: value.split(" ")[0],
)
def test_refusals(case: str, message: str) -> None:
    b = QdqBuilder()
    dense = FullyConnected(keep_dims=True)
    match case:
        case "float input":
            y = b.layer("y", dense, b.real("x", 2, 4), b.weights("w", 3, 4))
        case "types":
            other = b.fed("other", 2, 4, zero=0, dtype=DType.INT16)
            y = b.layer("y", Add(), b.fed("x", 2, 4), other)
        case "output type":
            x = b.fed("x", 2, 4)
            y = b.quantized(b.layer("y", Add(), x, b.numbers("n", 4)), 1e-4, 0, DType.INT16)
        case "bias":
            bias = b.constant("b", np.float32([1e9, 0, 1]))
            y = b.layer("y", dense, b.fed("x", 2, 4), b.weights("w", 3, 4), bias)
        case "weights":
            y = b.layer("y", dense, b.fed("x", 2, 4), b.fed("other", 3, 4))
        case _:
            y = b.layer("y", Tanh(), b.fed("x", 2, 4))
    if case not in ("output", "output type"):
        y = b.quantized(y, 0.05)
    with pytest.raises(UnsupportedError) as error:
        lower_qdq(b.finish(y), Rounding.SINGLE)
    assert message in str(error.value)
