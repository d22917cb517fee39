"""Scales and shifts of channels go into weights and biases, in float64, rounded once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from midge.graph import Activation, Attributes, Graph, Quantization, Tensor, verify
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.conversions import Dequantize
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.div import Div
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.mul import Mul
from midge.graph.ops.transpose_conv import TransposeConv
from midge.passes.fold_batch_norm import fold_batch_norm
from support.channels_first import ChannelsFirst, assert_same, kinds

ROUNDING = 1e-5


class Net(ChannelsFirst):
    """Channels last: what the pass sees."""

    def layer(self, kind: str, x: Tensor, *, bias: bool, pad: int = 0, groups: int = 1) -> Tensor:
        channels = x.shape[-1]
        around = {"pad_before": (pad, pad), "pad_after": (pad, pad)}
        outputs = 4
        attributes: Attributes
        if kind == "conv":
            w, attributes = (4, 3, 3, channels // groups), Conv2D(**around)
        elif kind == "depthwise":
            w, outputs = (1, 3, 3, 2 * channels), 2 * channels
            attributes = DepthwiseConv2D(**around)
        elif kind == "transposed":
            w, attributes = (4, 3, 3, channels), TransposeConv(extent=(9, 9), stride=(2, 2))
        else:
            w, attributes = (4, channels), FullyConnected(keep_dims=True)
        operands = [x, self.constant(*w), *([self.constant(outputs)] if bias else [])]
        return self.builder.one(kind, attributes, operands)

    def affine(
        self, x: Tensor, *attributes: Attributes, shape: tuple[int, ...] | None = None
    ) -> Tensor:
        for each in attributes:
            own = (x.shape[-1],) if shape is None else shape
            x = self.builder.one(each.kind, each, (x, self.constant(*own, low=0.5, high=1.5)))
        return x


KINDS = ("conv", "depthwise", "transposed", "linear")


@pytest.mark.tiny
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "chain",
    [(Mul(), Add()), (Sub(), Div(), Mul(), Add()), (Mul(),), (Add(activation=Activation.RELU6),)],
    ids=lambda c: "-".join(a.kind for a in c),
)
def test_behind_a_layer(kind: str, bias: bool, chain: tuple[Attributes, ...]) -> None:
    net = Net()
    before = net.graph(net.affine(net.layer(kind, net.input(1, 4, 4, 3), bias=bias), *chain))
    after = verify(fold_batch_norm(before))
    assert len(after.ops) == 1
    assert after.ops[0].name == before.ops[0].name
    assert getattr(after.ops[0].attributes, "activation") is getattr(chain[-1], "activation")  # noqa: B009
    assert (len(after.ops[0].inputs) == 2) == (chain == (Mul(),) and not bias)
    assert_same(before, after, tolerance=ROUNDING)
    assert fold_batch_norm(after) is after


@pytest.mark.tiny
@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1, 3)])
@pytest.mark.parametrize("kind", ["conv", "depthwise", "linear"])
def test_in_front_of_a_layer_without_a_border(kind: str, shape: tuple[int, ...]) -> None:
    net = Net()
    x = net.affine(net.input(1, 4, 4, 3), Sub(), Mul(), Add(), shape=shape)
    before = net.graph(net.layer(kind, x, bias=True))
    after = verify(fold_batch_norm(before))
    assert len(after.ops) == 1
    assert_same(before, after, tolerance=ROUNDING)


@pytest.mark.tiny
def test_in_front_of_groups() -> None:
    net = Net()
    x = net.affine(net.input(1, 4, 4, 4), Mul(), Add())
    before = net.graph(net.layer("conv", x, bias=False, groups=2))
    after = verify(fold_batch_norm(before))
    assert kinds(after) == ["conv_2d"]
    assert_same(before, after, tolerance=ROUNDING)


@pytest.mark.tiny
def test_a_border_is_zero_before_and_after_a_scale_alone() -> None:
    net = Net()
    x = net.input(1, 4, 4, 3)
    scaled = net.graph(net.layer("conv", net.affine(x, Mul()), bias=True, pad=1))
    after = verify(fold_batch_norm(scaled))
    assert kinds(after) == ["conv_2d"]
    assert_same(scaled, after, tolerance=ROUNDING)
    for kind in ("conv", "depthwise", "transposed"):
        net = Net()
        shifted = net.graph(
            net.layer(kind, net.affine(net.input(1, 4, 4, 3), Add()), bias=True, pad=1)
        )
        assert fold_batch_norm(shifted) is shifted


@pytest.mark.tiny
def test_constants_are_rounded_once() -> None:
    net = Net()
    x = net.layer("conv", net.input(1, 3, 3, 1), bias=True)
    before = net.graph(net.affine(x, Sub(), Div(), Mul(), Add()))
    after = fold_batch_norm(before)
    values = {
        op.kind: np.asarray(before.tensors[op.inputs[-1]].data, np.float64) for op in before.ops
    }
    scale = values["mul"] / values["div"]
    convolution = before.ops[0]
    w, b = (np.asarray(before.tensors[n].data, np.float64) for n in convolution.inputs[1:])
    expected_w = (w * (1 / values["div"] * values["mul"])[:, None, None, None]).astype(np.float32)
    found_w, found_b = (np.asarray(after.tensors[n].data) for n in after.ops[0].inputs[1:])
    assert np.array_equal(found_w, expected_w)
    assert np.allclose(found_b, (b - values["sub"]) * scale + values["add"], rtol=1e-7, atol=0)
    assert found_b.dtype == found_w.dtype == np.float32


def _declined(make: Callable[[Net], Tensor | tuple[Tensor, ...]]) -> None:
    net = Net()
    made = make(net)
    graph = net.graph(*(made if isinstance(made, tuple) else (made,)))
    assert fold_batch_norm(graph) is graph


@pytest.mark.tiny
def test_what_others_read_stays() -> None:
    def output(net: Net) -> tuple[Tensor, ...]:
        x = net.layer("conv", net.input(1, 4, 4, 3), bias=True)
        return x, net.affine(x, Mul())

    def twice(net: Net) -> Tensor:
        x = net.layer("conv", net.input(1, 4, 4, 3), bias=True)
        return net.add(net.affine(x, Mul()), x)

    for make in (output, twice):
        _declined(make)


@pytest.mark.tiny
def test_what_is_not_of_channels_stays() -> None:
    def of_rows(net: Net) -> Tensor:
        return net.affine(
            net.layer("conv", net.input(1, 4, 4, 3), bias=True), Mul(), shape=(2, 1, 1)
        )

    def wider(net: Net) -> Tensor:
        return net.affine(net.layer("linear", net.input(1, 3), bias=True), Add(), shape=(2, 4))

    def reciprocal(net: Net) -> Tensor:
        x = net.layer("conv", net.input(1, 4, 4, 3), bias=True)
        return net.builder.one("div", Div(), (net.constant(4, low=0.5, high=1.5), x))

    def flattened(net: Net) -> Tensor:
        x = net.affine(net.input(1, 2, 2, 3), Mul())
        w = net.constant(5, 12)
        return net.builder.one("rows", FullyConnected(), (x, w))

    for make in (of_rows, wider, reciprocal, flattened):
        _declined(make)


@pytest.mark.tiny
def test_behind_a_clamp_it_stays() -> None:
    net = Net()
    x = net.layer("conv", net.input(1, 4, 4, 3), bias=True)
    graph = net.graph(net.affine(x, Mul()))
    first, *rest = graph.ops
    clamped = replace(first, attributes=Conv2D(activation=Activation.RELU))
    graph = verify(replace(graph, ops=(clamped, *rest)))
    assert fold_batch_norm(graph) is graph


@pytest.mark.tiny
def test_weights_that_would_not_be_finite_stay() -> None:
    for attributes, value in ((Mul(), 3e38), (Div(), 0.0)):
        net = Net()
        x = net.layer("conv", net.input(1, 4, 4, 3), bias=True)
        constant = net.builder.constant("constant", np.full(4, value, np.float32))
        for _ in range(2):
            x = net.builder.one("extreme", attributes, (x, constant))
        graph = net.graph(x)
        assert fold_batch_norm(graph) is graph


@pytest.mark.tiny
def test_weights_behind_a_dequantize_stay() -> None:
    net = Net()
    codes = net.builder.constant("w", np.ones((4, 3), np.int8), Quantization.per_tensor(0.1, 0))
    w = net.builder.one("reals", Dequantize(), (codes,))
    x = net.builder.one("linear", FullyConnected(keep_dims=True), (net.input(1, 3), w))
    graph: Graph = net.graph(net.affine(x, Mul(), Add()))
    assert fold_batch_norm(graph) is graph
