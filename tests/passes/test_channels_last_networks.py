"""Whole networks through `to_channels_last`: the same results, and no transpose is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from midge.graph import Graph, Tensor, format_graph
from midge.graph.ops.logistic_tanh import Tanh
from midge.passes.to_channels_last import to_channels_last
from support.channels_first import ChannelsFirst, assert_same, kinds, transposes

ROUNDING = 2e-5
"""Of sums in another order and of merged factors, relative to the largest output."""


def ds_cnn() -> Graph:
    net = ChannelsFirst(1)
    x = net.relu(net.norm(net.conv(net.input(1, 1, 12, 10), 6, stride=2)))
    for _ in range(3):
        x = net.relu(net.norm(net.conv(x, 6, depthwise=True)))
        x = net.relu(net.norm(net.conv(x, 6, 1)))
    return net.graph(net.linear(net.flat(net.mean(x)), 5))


def mobilenet() -> Graph:
    net = ChannelsFirst(2)
    x = net.relu6(net.norm(net.conv(net.input(1, 3, 12, 12), 4, stride=2)))
    for stride, channels in ((1, 4), (2, 6), (1, 6)):
        y = net.relu6(net.norm(net.conv(x, 12, 1)))
        y = net.relu6(net.norm(net.conv(y, 12, stride=stride, depthwise=True)))
        y = net.norm(net.conv(y, channels, 1))
        x = net.add(x, y) if y.shape == x.shape else y
    x = net.relu6(net.norm(net.conv(x, 8, 1)))
    return net.graph(net.linear(net.mean(x, keep_dims=False), 4))


def res_net() -> Graph:
    net = ChannelsFirst(3)
    x = net.relu(net.norm(net.conv(net.input(1, 3, 8, 8), 4)))
    for stride, channels in ((1, 4), (2, 6), (2, 8)):
        y = net.relu(net.norm(net.conv(x, channels, stride=stride)))
        y = net.norm(net.conv(y, channels))
        side = x if stride == 1 else net.norm(net.conv(x, channels, 1, stride=stride))
        x = net.relu(net.add(y, side))
    return net.graph(net.linear(net.flat(net.pool(x, 2, largest=False)), 5))


def one_dimensional() -> Graph:
    net = ChannelsFirst(4)
    x = net.relu(net.norm(net.conv_1d(net.input(1, 2, 32), 4, 5, stride=2)))
    side = net.norm(net.conv_1d(x, 6, 1, stride=2))
    x = net.add(net.relu(net.norm(net.conv_1d(x, 6, stride=2))), side)
    return net.graph(net.linear(net.relu(net.linear(net.flat(x), 8)), 3))


@pytest.mark.tiny
@pytest.mark.parametrize("make", [ds_cnn, mobilenet, res_net, one_dimensional])
def test_ordinary_networks_have_no_transposes_and_no_batch_norm(make: Callable[[], Graph]) -> None:
    before = make()
    after = to_channels_last(before)
    assert transposes(before)
    assert not transposes(after)
    assert not {"mul", "relu", "relu6"} & set(kinds(after))
    assert kinds(after).count("add") == kinds(before).count("add") - kinds(before).count("mul")
    assert kinds(after).count("reshape") <= 2, "of rows made images, and of what is flattened"
    assert_same(before, after, tolerance=ROUNDING)
    assert to_channels_last(after) is after
    (name,) = after.inputs
    rank = len(before.tensors[name].shape)
    assert after.layouts == {name: (0, *range(2, rank), 1)}


def _step(net: ChannelsFirst, x: Tensor, data: st.DataObject, *, exact: bool) -> Tensor:
    draw = data.draw
    images = ["conv", "depthwise", "max", "average", "excite", "concat", "residual"]
    rows = ["conv_1d", "residual_1d", "concat_1d"]
    any_rank = ["relu", "relu6", "tanh", "quantize", "constant", *([] if exact else ["norm"])]
    name = draw(st.sampled_from([*(images if len(x.shape) == 4 else rows), *any_rank]), "step")
    small = min(x.shape[2:]) < 2
    if name == "conv":
        return net.conv(x, draw(st.integers(1, 4)), draw(st.sampled_from([1, 3])), bias=True)
    if name == "depthwise":
        return net.conv(x, 0, depthwise=True)
    if name in ("max", "average"):
        return x if small else net.pool(x, largest=name == "max")
    if name == "excite":
        return net.excited(x)
    if name == "concat":
        return net.concatenated(x, net.conv(x, draw(st.integers(1, 3)), 1), 1)
    if name == "residual":
        return net.add(net.relu(net.conv(x, x.shape[1])), x)
    if name == "conv_1d":
        return net.conv_1d(x, draw(st.integers(1, 4)))
    if name == "residual_1d":
        return net.add(x, net.conv_1d(x, x.shape[1]))
    if name == "concat_1d":
        return net.concatenated(net.relu(x), x, draw(st.sampled_from([1, 2])))
    if name == "tanh":
        return net.builder.one("tanh", Tanh(), (x,))
    if name == "quantize":
        return net.quantized(x)
    if name == "constant" and exact and max(x.shape[2:]) == 1:
        return x  # one number a channel is a batch norm
    if name == "constant":
        return net.add(x, net.constant(*x.shape[draw(st.integers(0, 2)) :]))
    return {"relu": net.relu, "relu6": net.relu6, "norm": net.norm}[name](x)


def _network(data: st.DataObject, *, exact: bool) -> Graph:
    net = ChannelsFirst(data.draw(st.integers(0, 99), "seed"))
    extents = st.integers(1, 5)
    one_dimensional = data.draw(st.booleans(), "1-d")
    shape = [
        1,
        *data.draw(
            st.lists(
                extents, min_size=2 + (not one_dimensional), max_size=2 + (not one_dimensional)
            )
        ),
    ]
    x = net.input(*shape)
    x = net.conv_1d(x, 3) if one_dimensional else net.conv(x, 3)
    outputs = []
    for _ in range(data.draw(st.integers(1, 7), "steps")):
        x = _step(net, x, data, exact=exact)
        if data.draw(st.integers(0, 5)) == 0:
            outputs.append(x)
    if data.draw(st.booleans(), "pooled"):
        x = net.mean(x, keep_dims=data.draw(st.booleans()))
    if not exact:
        x = net.flat(x)
        x = net.linear(net.relu(x) if data.draw(st.booleans()) else x, 3)
    names = dict.fromkeys([*(t.name for t in outputs), x.name])
    return net.graph(*(net.builder.tensors[n] for n in names))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_networks_keep_every_bit_without_batch_norm(data: st.DataObject) -> None:
    before = _network(data, exact=True)
    note(format_graph(before, full=False))
    after = to_channels_last(before)
    note(format_graph(after, full=False))
    assert not transposes(after)
    assert_same(before, after)
    assert to_channels_last(after) is after


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_networks_agree_up_to_rounding_with_batch_norm(data: st.DataObject) -> None:
    before = _network(data, exact=False)
    note(format_graph(before, full=False))
    after = to_channels_last(before)
    note(format_graph(after, full=False))
    assert_same(before, after, tolerance=2e-3 if "quantize" in kinds(before) else 1e-4)
