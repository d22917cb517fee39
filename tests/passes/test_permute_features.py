"""Weights behind a flattened image stand in the image's order."""

from __future__ import annotations

import numpy as np
import pytest

from midge.graph import DType, Quantization, Tensor, verify
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.conversions import Dequantize, Quantize
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.mul import Mul
from midge.graph.ops.softmax import Softmax
from midge.passes.permute_features import Readers, absorbs_order, permute_features
from midge.passes.to_channels_last import to_channels_last
from support.channels_first import ChannelsFirst, assert_same, kinds, transposes

ROUNDING = 1e-5


class Net(ChannelsFirst):
    def flattened(self, *shape: int, permutation: tuple[int, ...] = (0, 3, 1, 2)) -> Tensor:
        """An image [n, h, w, c] whose elements are read channels first."""
        image = self.relu(self.input(*shape))
        return self.flat(self.builder.transposed(image, permutation))


@pytest.mark.tiny
@pytest.mark.parametrize("permutation", [(0, 3, 1, 2), (0, 2, 3, 1), (0, 1, 3, 2)])
def test_columns_of_weights(permutation: tuple[int, ...]) -> None:
    net = Net()
    before = net.graph(net.linear(net.flattened(2, 3, 4, 5, permutation=permutation), 7))
    after = verify(permute_features(before))
    assert kinds(after) == ["relu", "reshape", "fully_connected"]
    assert_same(before, after, tolerance=ROUNDING)
    assert permute_features(after) is after


@pytest.mark.tiny
def test_integers_and_a_sum_of_one_are_the_same() -> None:
    # One element of weights a row: there is nothing that rounding could change.
    net = Net()
    x = net.flattened(1, 3, 4, 5)
    w = net.builder.constant("w", np.eye(60, dtype=np.float32))
    before = net.graph(net.builder.one("linear", FullyConnected(keep_dims=True), (x, w)))
    after = verify(permute_features(before))
    assert not transposes(after)
    assert_same(before, after)


@pytest.mark.tiny
def test_through_elements_constants_and_concatenations() -> None:
    net = Net()
    a, b = net.flattened(1, 2, 3, 2), net.flattened(1, 2, 2, 3)
    scaled = net.builder.one("scaled", Mul(), (net.quantized(a), net.constant(1, 12)))
    joined = net.builder.one("joined", Concatenation(axis=1), (scaled, net.input(1, 5), b))
    x = net.add(net.relu(joined), net.constant())
    before = net.graph(net.linear(x, 4), net.linear(x, 3))
    after = verify(permute_features(before))
    assert not transposes(after)
    assert_same(before, after, tolerance=ROUNDING)


@pytest.mark.tiny
def test_codes_behind_a_dequantize() -> None:
    net = Net()
    x = net.flattened(1, 2, 3, 2)
    random = np.random.default_rng(0)
    scales = Quantization(
        random.uniform(0.01, 0.02, 4).astype(np.float32), np.zeros(4, np.int64), axis=0
    )
    codes = random.integers(-127, 128, (4, 12)).astype(np.int8)
    w = net.builder.one("w", Dequantize(), (net.builder.constant("codes", codes, scales),))
    y = net.builder.one("linear", FullyConnected(keep_dims=True), (x, w))
    q = net.builder.one(
        "q", Quantize(to=DType.INT8), (y,), quantization=Quantization.per_tensor(0.1, 0)
    )
    before = net.graph(q, net.relu(w))
    after = verify(permute_features(before))
    assert not transposes(after)
    assert kinds(after).count("dequantize") == 2, "another reader sees the weights as they were"
    assert_same(before, after, count=1)


@pytest.mark.tiny
def test_scales_along_the_columns_move_with_them() -> None:
    net = Net()
    x = net.flattened(1, 2, 1, 3)
    scales = Quantization(
        np.arange(1, 7, dtype=np.float32) / 8, np.arange(6, dtype=np.int64), axis=1
    )
    codes = net.builder.constant("codes", np.arange(12, dtype=np.int8).reshape(2, 6), scales)
    w = net.builder.one("w", Dequantize(), (codes,))
    before = net.graph(net.builder.one("linear", FullyConnected(keep_dims=True), (x, w)))
    after = verify(permute_features(before))
    assert not transposes(after)
    assert_same(before, after, tolerance=ROUNDING)


@pytest.mark.tiny
def test_where_the_order_matters_to_others_the_transpose_stays() -> None:
    def declined(net: Net, *outputs: Tensor) -> None:
        graph = net.graph(*outputs)
        assert permute_features(graph) is graph

    net = Net()
    x = net.flattened(1, 2, 3, 2)
    declined(net, net.linear(x, 4), x)
    net = Net()
    x = net.flattened(1, 2, 3, 2)
    declined(net, net.linear(x, 4), net.builder.one("rows", Softmax(), (x,)))
    net = Net()
    x = net.flattened(1, 2, 3, 2)
    declined(net, net.linear(net.add(x, net.input(1, 12)), 4))
    net = Net()
    x = net.flattened(1, 2, 3, 2)
    declined(net, net.builder.one("computed", FullyConnected(), (x, net.input(4, 12))))
    net = Net()
    declined(net, net.linear(net.flattened(2, 3, 4, 5, permutation=(1, 0, 2, 3)), 4))
    net = Net()
    x = net.builder.transposed(net.input(2, 3, 4), (1, 0, 2))
    declined(net, net.linear(net.builder.reshaped(x, (3, 8)), 4))


@pytest.mark.tiny
def test_who_absorbs_an_order() -> None:
    net = Net()
    x, y = net.relu(net.input(1, 4)), net.relu(net.input(1, 4))
    graph = net.graph(net.linear(x, 2), net.relu(y))
    assert absorbs_order(Readers(graph), x.name)
    assert not absorbs_order(Readers(graph), y.name)
    assert not absorbs_order(Readers(graph), graph.outputs[0])


@pytest.mark.tiny
def test_a_flattened_image_in_a_network() -> None:
    net = ChannelsFirst()
    x = net.relu(net.conv(net.input(1, 2, 6, 6), 3))
    left, right = net.flat(net.pool(x)), net.flat(net.relu6(x))
    before = net.graph(net.linear(net.concatenated(left, right), 4))
    after = verify(to_channels_last(before))
    assert not transposes(after)
    assert_same(before, after, tolerance=ROUNDING)
