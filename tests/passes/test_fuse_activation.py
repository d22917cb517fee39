"""Rectifiers become the clamp of the float operator in front of them."""

from __future__ import annotations

import numpy as np
import pytest

from midge.graph import Activation, Attributes, DType, Quantization, Tensor, interpret, verify
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.conversions import Quantize
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.div import Div
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.logistic_tanh import Tanh
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.mul import Mul
from midge.graph.ops.rectifiers import LeakyRelu, Relu, Relu6, ReluN1To1
from midge.graph.ops.transpose_conv import TransposeConv
from midge.passes.fuse_activation import fuse_activation
from support.channels_first import ChannelsFirst, assert_same, kinds

OPERATORS: list[tuple[Attributes, tuple[tuple[int, ...], ...]]] = [
    (Conv2D(), ((4, 2, 2, 3), (4,))),
    (DepthwiseConv2D(), ((1, 2, 2, 3),)),
    (TransposeConv(extent=(5, 5)), ((4, 2, 2, 3), (4,))),
    (FullyConnected(keep_dims=True), ((4, 3), (4,))),
    (MaxPool2D(kernel=(2, 2)), ()),
    (AveragePool2D(kernel=(2, 2)), ()),
    (Add(), ((3,),)),
    (Sub(), ((3,),)),
    (Mul(), ((3,),)),
    (Div(), ((3,),)),
]
RECTIFIERS = {
    Relu(): Activation.RELU,
    Relu6(): Activation.RELU6,
    ReluN1To1(): Activation.RELU_N1_TO_1,
}


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("attributes", "constants"), OPERATORS, ids=lambda a: getattr(a, "kind", "")
)
@pytest.mark.parametrize("rectifier", RECTIFIERS, ids=lambda a: a.kind)
def test_each_rectifier_behind_each_operator(
    attributes: Attributes, constants: tuple[tuple[int, ...], ...], rectifier: Attributes
) -> None:
    net = ChannelsFirst()
    x = net.input(1, 4, 4, 3)
    y = net.builder.one(
        "layer", attributes, (x, *(net.constant(*s, low=-9, high=9) for s in constants))
    )
    before = net.graph(net.builder.one("rectifier", rectifier, (y,), output="clamped"))
    after = verify(fuse_activation(before))
    (op,) = after.ops
    assert (op.name, op.outputs) == ("layer", ("clamped",))
    assert op.attributes.activation is RECTIFIERS[rectifier]  # type: ignore[attr-defined]
    assert_same(before, after)
    assert fuse_activation(after) is after


@pytest.mark.tiny
def test_numbers_that_are_none_and_infinities_are_clamped_alike() -> None:
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 6.5, -1.5, 3e38], np.float32)
    for rectifier in RECTIFIERS:
        net = ChannelsFirst()
        x = net.input(8)
        y = net.builder.one("add", Add(), (x, net.builder.constant("zero", np.float32(-0.0))))
        before = net.graph(net.builder.one("rectifier", rectifier, (y,), output="y"))
        after = fuse_activation(before)
        assert kinds(after) == ["add"]
        found = [interpret(g, {"x0": special})["y"].tobytes() for g in (before, after)]
        assert found[0] == found[1]


def _declined(*tensors: Tensor, net: ChannelsFirst) -> None:
    graph = net.graph(*tensors)
    assert fuse_activation(graph) is graph


@pytest.mark.tiny
def test_what_does_not_clamp_or_has_other_readers_stays() -> None:
    net = ChannelsFirst()
    x = net.linear(net.input(1, 3), 4)
    _declined(x, net.relu(x), net=net)
    net = ChannelsFirst()
    x = net.linear(net.input(1, 3), 4)
    _declined(net.add(net.relu(x), x), net=net)
    net = ChannelsFirst()
    _declined(net.relu(net.builder.one("tanh", Tanh(), (net.input(1, 3),))), net=net)
    net = ChannelsFirst()
    _declined(net.relu(net.input(1, 3)), net=net)
    net = ChannelsFirst()
    _declined(
        net.builder.one("leaky", LeakyRelu(alpha=0.1), (net.linear(net.input(1, 3), 4),)), net=net
    )


@pytest.mark.tiny
def test_the_second_of_two_stays() -> None:
    net = ChannelsFirst()
    before = net.graph(net.relu6(net.relu(net.linear(net.input(1, 3), 4))))
    after = verify(fuse_activation(before))
    assert kinds(after) == ["fully_connected", "relu6"]
    assert_same(before, after)


@pytest.mark.tiny
def test_integers_stay_since_their_rectifiers_rescale() -> None:
    net = ChannelsFirst()
    fine, coarse = Quantization.per_tensor(0.01, 0), Quantization.per_tensor(0.05, 3)
    q = net.builder.one("q", Quantize(to=DType.INT8), (net.input(1, 3),), quantization=fine)
    total = net.builder.one("add", Add(), (q, q), quantization=fine)
    _declined(net.builder.one("relu", Relu(), (total,), quantization=coarse), net=net)


@pytest.mark.tiny
def test_in_front_of_a_quantize() -> None:
    net = ChannelsFirst()
    before = net.graph(net.quantized(net.relu(net.linear(net.quantized(net.input(1, 3)), 4))))
    after = verify(fuse_activation(before))
    assert kinds(after) == ["quantize", "dequantize", "fully_connected", "quantize", "dequantize"]
    assert_same(before, after)
