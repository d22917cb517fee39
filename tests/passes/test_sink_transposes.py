"""Transposes sink, cancel, are merged with inputs, outputs, reshapes and matrices; no bit changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from midge.graph import (
    Attributes,
    DType,
    Graph,
    Op,
    Quantization,
    Tensor,
    format_graph,
    parse_graph,
    verify,
)
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.add_n import AddN
from midge.graph.ops.argument import ArgMax
from midge.graph.ops.batch_matmul import BatchMatmul
from midge.graph.ops.broadcast_to import BroadcastTo, Tile
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.conversions import Dequantize
from midge.graph.ops.cumsum import Cumsum
from midge.graph.ops.layer_norm import LayerNorm
from midge.graph.ops.log_softmax import LogSoftmax
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.mul import Mul
from midge.graph.ops.pad import Mirror, MirrorPad, Pad
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.rectifiers import Relu
from midge.graph.ops.reductions import Mean, ReduceMax, Sum
from midge.graph.ops.slice import Slice
from midge.graph.ops.softmax import Softmax
from midge.graph.ops.split import Split
from midge.graph.ops.transpose import Transpose
from midge.graph.ops.variable import AssignVariable
from midge.passes.sink_transposes import cancel_transposes, sink_transposes
from midge.passes.to_channels_last import to_channels_last
from support.channels_first import ChannelsFirst, arrays, assert_same, kinds, transposes

TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def between_images(
    attributes: Attributes, *constants: tuple[int, ...], again: bool = False
) -> Graph:
    """An operator on what is channels first, between two pools, which are channels last."""
    net = ChannelsFirst()
    x = net.pool(net.input(1, 3, 8, 6))
    operands = [x, *([x] if again else []), *(net.constant(*shape) for shape in constants)]
    y, *_ = net.builder.op("middle", attributes, operands)
    return net.graph(net.pool(y, 1) if len(y.shape) == 4 else y)


ELEMENTS: dict[str, tuple[Attributes, list[tuple[int, ...]], str]] = {
    "relu": (Relu(), [], "relu"),
    "add a constant of channels": (Add(), [(1, 3, 1, 1)], "add"),
    "multiply by a constant of rows": (Mul(), [(6 // 2,)], "mul"),
    "add a number": (Sub(), [()], "sub"),
    "add an image": (Add(), [(3, 4, 3)], "add"),
    "prelu": (Prelu(), [(3, 1, 1)], "prelu"),
    "pad": (Pad(before=(0, 0, 1, 0), after=(0, 2, 0, 3)), [], "pad"),
    "mirror_pad": (
        MirrorPad(before=(0, 1, 2, 0), after=(0, 0, 1, 1), mirror=Mirror.SYMMETRIC),
        [],
        "mirror_pad",
    ),
    "tile": (Tile(multiples=(2, 1, 3, 1)), [], "tile"),
    "broadcast_to": (BroadcastTo(shape=(2, 3, 4, 3)), [], "broadcast_to"),
    "concatenation with a constant": (Concatenation(axis=1), [(1, 2, 4, 3)], "concatenation"),
    "slice": (
        Slice(begin=(0, 2, 0, 1), size=(1, 2, 4, 2), step=(1, -1, 1, 1), shape=(1, 2, 4, 2)),
        [],
        "slice",
    ),
    "cumsum": (Cumsum(axis=2), [], "cumsum"),
    "sum of rows": (Sum(axes=(2,), keep_dims=True), [], "sum"),
    "mean of an image": (Mean(axes=(2, 3), keep_dims=True), [], "mean"),
    "maximum of channels": (ReduceMax(axes=(1,), keep_dims=True), [], "reduce_max"),
    "split": (Split(axis=1, sizes=(1, 2)), [], "split"),
    "all images": (AddN(), [(1, 3, 4, 3)], "add_n"),
}


@pytest.mark.tiny
@pytest.mark.parametrize("case", ELEMENTS)
def test_operators_of_any_layout_run_channels_last(case: str) -> None:
    attributes, constants, kind = ELEMENTS[case]
    before = between_images(attributes, *constants)
    after = verify(sink_transposes(before))
    assert [k for k in kinds(after) if k != "reshape"] == ["max_pool_2d", kind, "max_pool_2d"]
    assert "reshape" not in kinds(after) or kind == "add_n"
    assert_same(before, after)
    assert sink_transposes(after) is after


@pytest.mark.tiny
@pytest.mark.parametrize(
    "attributes",
    [
        Mean(axes=(2, 3)),
        Sum(axes=(1,)),
        Slice(begin=(0, 1, 0, 0), size=(1, 1, 4, 3), step=(1,) * 4, shape=(1, 4, 3)),
        ArgMax(axis=1),
        ArgMax(axis=3),
    ],
    ids=lambda a: a.kind,
)
def test_operators_that_drop_dimensions(attributes: Attributes) -> None:
    before = between_images(attributes)
    after = verify(sink_transposes(before))
    assert kinds(after) == ["max_pool_2d", attributes.kind]
    assert_same(before, after)


@pytest.mark.tiny
@pytest.mark.parametrize("attributes", [Softmax(), LogSoftmax(), LayerNorm()], ids=lambda a: a.kind)
def test_rows_of_channels_are_the_last_dimension(attributes: Attributes) -> None:
    net = ChannelsFirst()
    x = net.pool(net.input(1, 3, 8, 6))
    y = net.builder.one("rows", attributes, (net.builder.channels_last(x),))
    before = net.graph(net.relu(net.builder.channels_first(y)))
    after = verify(sink_transposes(before))
    assert kinds(after) == ["max_pool_2d", attributes.kind, "relu"]
    assert_same(before, after)


@pytest.mark.tiny
def test_rows_of_width_need_transposes() -> None:
    net = ChannelsFirst()
    x = net.pool(net.input(1, 3, 8, 6))
    before = net.graph(net.pool(net.builder.one("rows", Softmax(), (x,)), 1))
    after = verify(sink_transposes(before))
    assert kinds(after) == ["max_pool_2d", "transpose", "softmax", "transpose", "max_pool_2d"]
    assert_same(before, after)


@pytest.mark.tiny
def test_a_float_mean_keeps_the_order_of_its_addends() -> None:
    before = between_images(Mean(axes=(1, 2, 3), keep_dims=True))
    after = verify(sink_transposes(before))
    assert kinds(after)[:3] == ["max_pool_2d", "transpose", "mean"]
    assert_same(before, after)


@pytest.mark.tiny
def test_the_least_is_transposed() -> None:
    # Behind the mean over height there is less to turn than in front of it.
    net = ChannelsFirst()
    x = net.pool(net.input(1, 3, 8, 6))
    y = net.builder.one("mean", Mean(axes=(2,), keep_dims=True), (net.relu(x),))
    before = net.graph(net.builder.one("rows", Softmax(), (y,)))
    after = verify(sink_transposes(before))
    assert kinds(after) == ["max_pool_2d", "relu", "mean", "transpose", "softmax"]
    assert_same(before, after)


@pytest.mark.tiny
def test_an_image_as_a_sequence_of_pixels() -> None:
    net = ChannelsFirst()
    x = net.pool(net.input(1, 3, 8, 6))
    rows = net.builder.transposed(net.builder.reshaped(x, (1, 3, 12)), (0, 2, 1))
    before = net.graph(net.linear(rows, 5))
    after = verify(sink_transposes(before))
    assert kinds(after) == ["max_pool_2d", "reshape", "fully_connected"]
    assert_same(before, after)


@pytest.mark.tiny
def test_a_shuffle_of_channels_is_one_transpose() -> None:
    net = ChannelsFirst()
    x = net.pool(net.input(1, 6, 8, 6))
    groups = net.builder.reshaped(x, (1, 2, 3, 4, 3))
    mixed = net.builder.transposed(groups, (0, 2, 1, 3, 4))
    before = net.graph(net.pool(net.builder.reshaped(mixed, (1, 6, 4, 3)), 1))
    after = verify(sink_transposes(before))
    assert len(transposes(after)) == 1
    assert_same(before, after)


@pytest.mark.tiny
def test_a_matrix_is_taken_as_it_stands() -> None:
    net = ChannelsFirst()
    x = net.input(2, 5, 4)
    a, b = net.relu(x), net.linear(x, 4)
    before = net.graph(
        net.builder.one("ab", BatchMatmul(), (a, net.builder.transposed(b, (0, 2, 1)))),
        net.builder.one("ba", BatchMatmul(), (net.builder.transposed(b, (0, 2, 1)), a)),
    )
    after = verify(sink_transposes(before))
    assert kinds(after) == ["relu", "fully_connected", "batch_matmul", "batch_matmul"]
    flags = [(op.attributes.adj_x, op.attributes.adj_y) for op in after.ops[2:]]  # type: ignore[attr-defined]
    assert flags == [(False, True), (True, False)]
    assert_same(before, after)


@pytest.mark.tiny
def test_heads_of_attention_keep_their_transposes() -> None:
    net = ChannelsFirst()
    x = net.input(1, 6, 8)
    heads = [
        net.builder.transposed(net.builder.reshaped(net.linear(x, 8), (1, 6, 2, 4)), (0, 2, 1, 3))
        for _ in range(3)
    ]
    scores = net.builder.one("scores", BatchMatmul(adj_y=True), heads[:2])
    mixed = net.builder.one(
        "mixed", BatchMatmul(), (net.builder.one("p", Softmax(), (scores,)), heads[2])
    )
    back = net.builder.reshaped(net.builder.transposed(mixed, (0, 2, 1, 3)), (1, 6, 8))
    before = net.graph(net.linear(back, 8))
    after = verify(sink_transposes(before))
    assert len(transposes(after)) == 4
    assert_same(before, after)


@pytest.mark.tiny
def test_inputs_and_outputs_say_how_they_stand() -> None:
    net = ChannelsFirst()
    x = net.input(1, 3, 8, 6)
    before = net.graph(net.relu(net.pool(net.quantized(x))))
    after = verify(sink_transposes(before))
    assert kinds(after) == ["quantize", "dequantize", "max_pool_2d", "relu"]
    assert after.layouts == {"x0": TO_LAST, after.outputs[0]: TO_LAST}
    assert after.tensors["x0"].shape == (1, 8, 6, 3)
    assert after.source_shape("x0") == (1, 3, 8, 6)
    assert_same(before, after)
    # What is already turned is turned once more.
    x = replace(before.tensors["x0"], shape=(8, 6, 1, 3))
    turn = Op("turn", Transpose(permutation=(2, 3, 0, 1)), ("x0",), ("turned",))
    turned = replace(before.tensors["x0"], name="turned")
    first, *rest = before.ops
    again = verify(
        replace(
            before,
            ops=(turn, replace(first, inputs=("turned",)), *rest),
            tensors={**before.tensors, "x0": x, "turned": turned},
            layouts={"x0": (2, 3, 0, 1)},
        )
    )
    found = verify(sink_transposes(again))
    assert found.layouts == after.layouts
    assert found.tensors["x0"].shape == (1, 8, 6, 3)
    assert_same(again, found)


@pytest.mark.tiny
def test_an_image_of_one_channel_is_only_said_otherwise() -> None:
    net = ChannelsFirst()
    before = net.graph(net.mean(net.conv(net.input(1, 1, 8, 6), 3), keep_dims=False))
    after = verify(sink_transposes(before))
    assert kinds(after) == ["conv_2d", "mean"]
    assert after.tensors["x0"].shape == (1, 8, 6, 1)


@pytest.mark.tiny
def test_outputs_keep_their_names_and_values() -> None:
    net = ChannelsFirst()
    x = net.input(1, 3, 4, 4)
    image = net.builder.one("pooled", MaxPool2D(kernel=(2, 2)), (net.builder.channels_last(x),))
    first = net.builder.channels_first(image)
    flat = net.builder.reshaped(x, (1, 3, 16))
    before = net.graph(image, first, net.builder.transposed(x, (0, 2, 1, 3)), flat, x)
    after = verify(sink_transposes(before))
    assert_same(before, after)
    assert not transposes(after)
    fixed = verify(cancel_transposes(before))
    assert not fixed.layouts
    assert_same(before, fixed)


@pytest.mark.tiny
def test_ends_that_are_fixed_keep_their_transposes() -> None:
    net = ChannelsFirst()
    before = net.graph(net.pool(net.relu(net.pool(net.input(1, 3, 8, 6)))))
    after = verify(cancel_transposes(before))
    assert kinds(after) == ["transpose", "max_pool_2d", "relu", "max_pool_2d", "transpose"]
    assert not after.layouts
    assert_same(before, after)
    assert cancel_transposes(after) is after
    plain = verify(sink_transposes(before))
    assert cancel_transposes(plain) is plain


@pytest.mark.tiny
def test_stored_integers_are_transposed_with_their_scales() -> None:
    net = ChannelsFirst()
    x = net.pool(net.input(1, 3, 8, 6))
    scales = Quantization(np.array([0.1, 0.2, 0.4], np.float32), np.array([0, 3, -2]), axis=1)
    codes = np.arange(-36, 36, 2, dtype=np.int8).reshape(1, 3, 4, 3)
    reals = net.builder.one("reals", Dequantize(), (net.builder.constant("codes", codes, scales),))
    before = net.graph(net.pool(net.add(x, reals), 1), net.relu(reals))
    after = verify(to_channels_last(before))
    assert not transposes(after)
    axes = {
        after.tensors[op.inputs[0]].quantization.axis  # type: ignore[union-attr]
        for op in after.ops
        if op.kind == "dequantize"
    }
    assert axes == {1, 3}, "one for each reader"
    assert_same(before, after)


@pytest.mark.tiny
def test_what_a_variable_holds_is_not_read_later() -> None:
    first = np.zeros((2, 3), np.float32)
    kept = Tensor("kept", (2, 3), DType.FLOAT32, None, first, variable=True)
    tensors = {"kept": kept}
    tensors |= {
        n: Tensor(n, s, DType.FLOAT32) for n, s in (("x", (2, 3)), ("t", (3, 2)), ("y", (3, 2)))
    }
    ops = (
        Op("turn", Transpose(permutation=(1, 0)), ("kept",), ("t",)),
        Op("assign", AssignVariable(), ("kept", "x"), ()),
        Op("relu", Relu(), ("t",), ("y",)),
    )
    before = verify(Graph("g", tensors, ops, ("x",), ("y",)))
    for rewrite in (sink_transposes, cancel_transposes):
        after = verify(rewrite(before))
        assert [op.kind for op in after.ops] == ["transpose", "assign_variable", "relu"]


@pytest.mark.tiny
def test_text_in_text_out() -> None:
    text = """midge-graph 1
graph "g"
tensor %0 "x" float32[1, 2, 4, 6]
tensor %1 "last" float32[1, 4, 6, 2]
tensor %2 "pooled" float32[1, 2, 3, 2]
tensor %3 "first" float32[1, 2, 2, 3]
tensor %4 "y" float32[1, 2, 2, 3]
inputs %0
outputs %4
op "a" transpose(%0) -> %1 permutation=[0, 2, 3, 1]
op "pool" max_pool_2d(%1) -> %2 kernel=[2, 2] stride=[2, 2]
op "b" transpose(%2) -> %3 permutation=[0, 3, 1, 2]
op "relu" relu(%3) -> %4
end
"""
    expected = """midge-graph 1
graph "g"
tensor %0 "x" float32[1, 4, 6, 2]
tensor %1 "pooled" float32[1, 2, 3, 2]
tensor %2 "y" float32[1, 2, 3, 2]
inputs %0
outputs %2
layout %0 [0, 2, 3, 1]
layout %2 [0, 2, 3, 1]
op "pool" max_pool_2d(%0) -> %1 kernel=[2, 2] stride=[2, 2]
op "relu" relu(%1) -> %2
end
"""
    assert format_graph(verify(sink_transposes(verify(parse_graph(text))))) == expected


def test_random_inputs_are_in_the_source_order() -> None:
    net = ChannelsFirst()
    graph = sink_transposes(net.graph(net.pool(net.input(1, 3, 4, 4))))
    assert graph.layouts
    assert arrays(graph, 0)["x0"].shape == (1, 3, 4, 4)
