"""The pipeline from a framework's graph: quantised networks, its order, its failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from midge.errors import UserError
from midge.graph import DType, Graph, Quantization, Tensor, format_graph, verify
from midge.graph.ops.add import Add
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.conversions import Dequantize, Quantize
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.pad import Pad
from midge.passes.fold_constants import fold_constants
from midge.passes.remove_dead_ops import remove_dead_ops
from midge.passes.to_channels_last import CHANNELS_LAST, fold_float_constants, to_channels_last
from support.channels_first import ChannelsFirst, assert_same, kinds, transposes


class Coded(ChannelsFirst):
    """A network in integers as files say it: reals between a quantize and a dequantize."""

    def weights(self, *shape: int) -> Tensor:
        """int8, with a scale for each output channel."""
        scale = self.random.uniform(0.004, 0.01, shape[0]).astype(np.float32)
        code = Quantization(scale, np.zeros(shape[0], np.int64), axis=0)
        data = self.random.integers(-127, 128, shape).astype(np.int8)
        return self.builder.one(
            "reals", Dequantize(), (self.builder.constant("codes", data, code),)
        )

    def conv(self, x: Tensor, channels: int, kernel: int = 3, **others: object) -> Tensor:
        assert not others
        w = self.builder.transposed(
            self.weights(channels, x.shape[1], kernel, kernel), (0, 2, 3, 1)
        )
        border = {"pad_before": (kernel // 2,) * 2, "pad_after": (kernel // 2,) * 2}
        y = self.builder.one("conv", Conv2D(**border), (self.builder.channels_last(x), w))
        return self.builder.channels_first(y)

    def linear(self, x: Tensor, features: int) -> Tensor:
        w = self.weights(features, x.shape[-1])
        return self.builder.one("linear", FullyConnected(keep_dims=True), (x, w))

    def coded(self, x: Tensor) -> Tensor:
        return self.quantized(x, float(self.random.uniform(0.02, 0.05)), 5)


def coded_network() -> Graph:
    net = Coded()
    x = net.coded(net.input(1, 3, 8, 8))
    x = net.coded(net.relu(net.conv(x, 4)))
    y = net.coded(net.conv(x, 4))
    x = net.coded(net.relu(net.add(x, y)))
    x = net.coded(net.mean(net.coded(net.pool(x))))
    return net.graph(net.coded(net.linear(net.flat(x), 5)))


@pytest.mark.tiny
def test_a_quantised_network_keeps_its_codes_and_every_bit() -> None:
    before = coded_network()
    after = to_channels_last(before)
    assert not transposes(after)
    assert "relu" not in kinds(after)
    assert_same(before, after)
    # The builder leaves the weights in the source order, which nobody reads.
    counts = Counter(kinds(remove_dead_ops(before))), Counter(kinds(after))
    for kind in ("quantize", "dequantize", "conv_2d", "add", "mean", "fully_connected"):
        assert counts[0][kind] == counts[1][kind]
    scales = [
        sorted(
            t.quantization.scale.tobytes() for t in g.tensors.values() if t.quantization is not None
        )
        for g in (before, after)
    ]
    assert set(scales[0]) == set(scales[1])
    assert to_channels_last(after) is after


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_quantised_networks_keep_every_bit(data: st.DataObject) -> None:
    net = Coded(data.draw(st.integers(0, 99), "seed"))
    x = net.coded(net.input(1, *(data.draw(st.integers(1, 4)) for _ in range(3))))
    for _ in range(data.draw(st.integers(1, 5))):
        steps: list[Callable[[Tensor], Tensor]] = [
            lambda x: net.conv(x, data.draw(st.integers(1, 4)), data.draw(st.sampled_from([1, 3]))),
            lambda x: net.add(x, net.coded(net.conv(x, x.shape[1], 1))),
            lambda x: net.concatenated(x, net.coded(net.relu(x))),
            lambda x: net.add(
                x, net.builder.reshaped(net.weights(1, x.shape[1]), (x.shape[1], 1, 1))
            ),
            net.relu6,
            net.mean,
        ]
        x = net.coded(steps[data.draw(st.integers(0, len(steps) - 1), "step")](x))
    before = net.graph(x)
    note(format_graph(before, full=False))
    after = to_channels_last(before)
    note(format_graph(after, full=False))
    assert not transposes(after)
    assert_same(before, after)


@pytest.mark.tiny
def test_reals_of_constants_are_folded_and_codes_are_not() -> None:
    net = ChannelsFirst()
    code = Quantization.per_tensor(0.5, 1)
    data = net.constant(3)
    q = net.builder.one("q", Quantize(to=DType.INT8), (data,), quantization=code)
    real = net.builder.one("real", Dequantize(), (q,))
    folded = net.builder.one("sum", Add(), (data, data))
    before = net.graph(net.add(net.add(net.input(3), folded), real))
    after = verify(fold_float_constants(before))
    assert kinds(after) == ["quantize", "dequantize", "add", "add"]
    assert kinds(fold_constants(before)) == ["add", "add"]
    assert fold_float_constants(after) is after
    assert_same(before, after)


@pytest.mark.tiny
def test_a_pad_of_an_image_goes_into_the_window() -> None:
    net = ChannelsFirst()
    x = net.builder.one(
        "pad", Pad(before=(0, 0, 1, 1), after=(0, 0, 1, 1)), (net.input(1, 3, 6, 6),)
    )
    before = net.graph(net.relu(net.norm(net.conv(x, 4, pad=0))))
    after = to_channels_last(before)
    assert kinds(after) == ["conv_2d"]
    assert_same(before, after, tolerance=1e-5)


@pytest.mark.tiny
def test_every_pass_leaves_a_sound_graph_and_nothing_for_a_second_time() -> None:
    graph = coded_network()
    for rewrite in CHANNELS_LAST:
        graph = verify(rewrite(graph))
        assert rewrite(graph) is graph, rewrite.__name__


@pytest.mark.tiny
def test_a_graph_that_is_not_sound_is_the_users() -> None:
    net = ChannelsFirst()
    graph = net.graph(net.relu(net.input(1, 3)))
    with pytest.raises(UserError, match="is never computed"):
        to_channels_last(graph.with_ops(()))


@pytest.mark.tiny
def test_the_same_graph_gives_the_same_text() -> None:
    texts = {format_graph(to_channels_last(coded_network())) for _ in range(2)}
    assert len(texts) == 1
