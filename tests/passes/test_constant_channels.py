from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from constant_channel_graphs import LOPSIDED, NO_PAD, SAME3, Drawing, Pads, random_channels
from hypothesis import given, settings
from hypothesis import strategies as st

import midge
from midge.graph import (
    Activation,
    Array,
    Attributes,
    DType,
    Graph,
    Op,
    Rounding,
    interpret,
    outputs_of,
    verify,
)
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.mul import Mul
from midge.graph.ops.pad import Mirror, MirrorPad, Pad
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.reductions import Mean, ReduceMax, Sum
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.resize_bilinear import ResizeBilinear
from midge.graph.ops.resize_nearest import ResizeNearest
from midge.graph.ops.slice import Slice
from midge.graph.ops.smooth_units import HardSwish
from midge.graph.ops.softmax import Softmax
from midge.graph.ops.space import SpaceToDepth
from midge.graph.ops.transpose import Transpose
from midge.graph.requantize import INT32_MAX, Requantization, requantize
from midge.importers import import_tflite
from midge.passes import run_passes
from midge.passes.channel_ranges import Range, channel_ranges, keeps_order, results
from midge.passes.remove_constant_channels import remove_constant_channels
from midge.passes.removed_work import removed_work
from support.effort import sample_of
from support.shared_data import (
    MLPERF_TINY_MODELS,
    mlperf_tiny_golden,
    mlperf_tiny_model,
    needs_mlperf_tiny,
)


def samples(graph: Graph, seed: int = 0) -> list[dict[str, Array]]:
    """Random values, and the type's ends alone: all the same, in turn, and at random."""
    rng = np.random.default_rng(seed)
    found = []
    for kind in range(8):
        sample: dict[str, Array] = {}
        for name in graph.inputs:
            tensor = graph.tensors[name]
            low, high = tensor.dtype.limits
            values = rng.integers(low, high + 1, tensor.shape)
            if kind in (3, 4):
                values = np.full(tensor.shape, (low, high)[kind % 2])
            elif kind == 5:
                values = np.where(np.arange(tensor.size).reshape(tensor.shape) % 2, low, high)
            elif kind > 5:
                values = rng.choice([low, high], tensor.shape)
            sample[name] = values.astype(tensor.dtype.numpy)
        found.append(sample)
    return found


def shrunken(before: Graph) -> Graph:
    """What the pass makes of a graph, once it is known that it gives the same."""
    after = remove_constant_channels(before)
    assert verify(after) is after
    assert remove_constant_channels(after) is after, "there is nothing left to do"
    assert (after.inputs, after.outputs) == (before.inputs, before.outputs)
    ranges = channel_ranges(before)
    for sample in samples(before):
        values, found = interpret(before, sample), interpret(after, sample)
        for name, each in ranges.items():
            if name in values:
                pixels = np.asarray(values[name]).reshape(-1, each.low.size).astype(np.int64)
                assert (pixels >= each.low).all(), name
                assert (pixels <= each.high).all(), name
        # What has the old name has the old content: layers may be compared by the tensors' names.
        for name in set(values) & set(found):
            assert np.array_equal(values[name], found[name]), name
        expected = outputs_of(before, values)
        assert all(np.array_equal(v, expected[n]) for n, v in outputs_of(after, found).items())
    return after


def channels(graph: Graph) -> dict[str, int]:
    """Output channels of each operator."""
    return {op.name: graph.tensors[op.outputs[0]].shape[-1] for op in graph.ops}


def bias_of(graph: Graph, op: int) -> Array:
    return np.asarray(graph.tensors[graph.ops[op].inputs[2]].data)


def saturate(drawing: Drawing, bias: str, fixed: Sequence[int], sign: int) -> None:
    """Turn the biases of channels that no input can change to one side."""
    tensor = drawing.tensors[bias]
    data = np.asarray(tensor.data).astype(np.int64)
    data[list(fixed)] = sign * np.abs(data[list(fixed)])
    drawing.tensors[bias] = replace(tensor, data=data.astype(tensor.dtype.numpy))


def drawn(build: Callable[[Drawing, str], str | Sequence[str]], **options: object) -> Graph:
    """A network over an image of 5 x 6 pixels of 3 channels, without dead weights."""
    drawing = Drawing(1, dead=0.0, fixed=0.0, **options)  # type: ignore[arg-type]
    x = drawing.tensor("x", (1, 5, 6, 3), -3)
    built = build(drawing, x)
    return drawing.graph(["x"], [built] if isinstance(built, str) else built)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_random_networks_keep_every_bit(seed: int) -> None:
    shrunken(random_channels(seed))


def test_random_networks_lose_channels_behind_most_operators() -> None:
    thinner: set[str] = set()
    macs = [0, 0]
    for seed in range(40):
        before = random_channels(seed)
        after = remove_constant_channels(before)
        macs = [macs[0] + before.macs(), macs[1] + after.macs()]
        work = removed_work(before, after)
        assert work.macs == before.macs() - after.macs() >= 0
        assert work.channels >= len(work.layers)
        kinds = {op.name: op.kind for op in before.ops}
        thinner |= {kinds[layer.name] for layer in work.layers}
    assert macs[1] < 0.6 * macs[0]
    assert thinner > {
        "conv_2d",
        "depthwise_conv_2d",
        "add",
        "concatenation",
        "reshape",
        "average_pool_2d",
        "mean",
    }


@pytest.mark.tiny
def test_constant_channel_of_one_pixel_goes_into_the_next_bias() -> None:
    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 6, fixed=[1, 4])
        return drawing.conv(y, 4, fixed=[])

    before = drawn(build)
    after = shrunken(before)
    assert channels(after) == {"conv_2d_0": 4, "conv_2d_1": 4}
    assert not np.array_equal(bias_of(after, 1), bias_of(before, 1))
    work = removed_work(before, after)
    assert (work.channels, work.macs) == (2, 30 * 2 * (3 + 4))
    assert work.constant_bytes == 2 * (3 + 4 + 4), "weights of both layers, and the first's biases"
    assert work.to_json()["layers"] == (
        {"name": "conv_2d_0", "channels_before": 6, "channels_after": 4},
    )


@pytest.mark.tiny
def test_a_layer_without_a_bias_gets_one() -> None:
    def build(drawing: Drawing, x: str) -> str:
        return drawing.conv(drawing.conv(x, 6, fixed=[2]), 4, bias=False)

    after = shrunken(drawn(build))
    assert channels(after)["conv_2d_0"] == 5
    assert len(after.ops[1].inputs) == 3


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("activation", "zero_point", "pad", "left"),
    [
        (Activation.RELU, -128, SAME3, {-1: 5, 1: 6}),
        (Activation.RELU, -128, NO_PAD, {-1: 5, 1: 5}),
        (Activation.NONE, 9, SAME3, {-1: 6, 1: 6}),
        (Activation.NONE, 9, NO_PAD, {-1: 5, 1: 5}),
    ],
)
def test_at_a_border_only_what_equals_the_zero_point_goes(
    activation: Activation, zero_point: int, pad: Pads, left: dict[int, int]
) -> None:
    """A channel at the lower clamp, and one at the upper, in front of a window of 3 x 3."""
    for sign, expected in left.items():

        def build(drawing: Drawing, x: str, sign: int = sign) -> str:
            y = drawing.conv(x, 6, activation=activation, zero_point=zero_point, fixed=[3])
            saturate(drawing, "b_0", [3], sign)
            return drawing.conv(y, 4, 3, pad, fixed=[])

        assert channels(shrunken(drawn(build)))["conv_2d_0"] == expected


@pytest.mark.tiny
def test_taps_that_never_lie_in_the_image_count_nothing() -> None:
    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 6, zero_point=9, fixed=[])
        pooled = drawing.add(AveragePool2D(kernel=(5, 6)), [y], 9)
        z = drawing.conv(pooled, 4, 3, SAME3, fixed=[])
        w = drawing.tensors["w_2"]
        data = np.asarray(w.data).copy()
        data[:, 1, 1, 2] = 0
        drawing.tensors["w_2"] = replace(w, data=data)
        return z

    # Of 3 x 3 taps over one pixel eight lie outside; the ninth does not read channel 2.
    assert channels(shrunken(drawn(build)))["conv_2d_0"] == 5


@pytest.mark.tiny
def test_depthwise_layers_lose_channels_in_front_and_behind() -> None:
    """What a depthwise layer makes constant is not read: nor is what it reads for that."""

    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 6, fixed=[])
        z = drawing.depthwise(y, 1, SAME3, fixed=[0, 5])
        return drawing.conv(z, 4, fixed=[])

    after = shrunken(drawn(build))
    assert channels(after) == {"conv_2d_0": 4, "depthwise_conv_2d_1": 4, "conv_2d_2": 4}


@pytest.mark.tiny
def test_a_depth_multiplier_keeps_or_loses_all_that_follows_from_a_channel() -> None:
    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 4, fixed=[])
        z = drawing.depthwise(y, 2, SAME3, fixed=[0, 2, 3])
        return drawing.conv(z, 4, fixed=[])

    after = shrunken(drawn(build))
    # Of output channels 0 and 1 one is alive, of 2 and 3 none.
    assert channels(after) == {"conv_2d_0": 3, "depthwise_conv_2d_1": 6, "conv_2d_2": 4}


@pytest.mark.tiny
def test_groups_go_whole() -> None:
    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 6, fixed=[])
        z = drawing.conv(y, 6, groups=3, fixed=[0, 2, 3])
        return drawing.conv(z, 4, fixed=[])

    after = shrunken(drawn(build))
    assert channels(after) == {"conv_2d_0": 4, "conv_2d_1": 4, "conv_2d_2": 4}


def residual(first: Sequence[int], second: Sequence[int]) -> Graph:
    """The sum of two layers of 6 channels, read by a third."""

    def build(drawing: Drawing, x: str) -> str:
        a = drawing.conv(x, 6, fixed=first)
        b = drawing.conv(drawing.conv(x, 5, fixed=[]), 6, fixed=second)
        return drawing.conv(drawing.add(Add(), [a, b], 7), 4, fixed=[])

    return drawn(build)


@pytest.mark.tiny
def test_both_addends_must_agree() -> None:
    after = shrunken(residual([0, 1, 2], [2, 1, 4]))
    assert channels(after) == {
        "conv_2d_0": 4,
        "conv_2d_1": 5,
        "conv_2d_2": 4,
        "add_3": 4,
        "conv_2d_4": 4,
    }


@pytest.mark.tiny
def test_what_is_constant_and_stays_needs_no_inputs() -> None:
    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(drawing.conv(x, 6, fixed=[]), 4, fixed=[2])
        w = drawing.tensors["w_1"]
        data = np.asarray(w.data).copy()
        data[[0, 1, 3], ..., 5] = 0
        drawing.tensors["w_1"] = replace(w, data=data)
        return y

    after = shrunken(drawn(build))
    assert channels(after) == {"conv_2d_0": 5, "conv_2d_1": 4}
    weights = np.asarray(after.tensors["w_1_live"].data)
    assert [bool(row.any()) for row in weights] == [True, True, False, True]


@pytest.mark.tiny
def test_what_only_some_windows_see_is_read() -> None:
    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(drawing.conv(x, 6, fixed=[]), 4, 3, SAME3, fixed=[])
        w = drawing.tensors["w_1"]
        data = np.asarray(w.data).copy()
        data[:, 1, 1, 2] = 0
        data[:, :, :, 4] = 0
        drawing.tensors["w_1"] = replace(w, data=data)
        return y

    assert channels(shrunken(drawn(build)))["conv_2d_0"] == 5


@pytest.mark.tiny
def test_taps_of_a_lopsided_window_are_told_apart() -> None:
    """A constant channel that is not the zero point goes where only taps inside read it."""

    def network(row: int, column: int) -> Graph:
        def build(drawing: Drawing, x: str) -> str:
            y = drawing.conv(x, 6, zero_point=9, fixed=[3])
            z = drawing.conv(y, 4, 3, LOPSIDED, fixed=[])
            w = drawing.tensors["w_1"]
            data = np.asarray(w.data).copy()
            data[..., 3] = 0
            data[:, row, column, 3] = [5, -7, 9, 11]
            drawing.tensors["w_1"] = replace(w, data=data)
            return z

        return drawn(build)

    left = {
        (row, column): channels(shrunken(network(row, column)))["conv_2d_0"]
        for row in range(3)
        for column in range(3)
    }
    # The last row of taps is always in the image, and the first column.
    assert [place for place, count in left.items() if count == 5] == [(2, 0)]


@pytest.mark.tiny
def test_a_function_that_falls_and_rises_is_followed_between_the_ends() -> None:
    drawing = Drawing(2)
    names = [drawing.tensor("x", (1, 3), 11)]
    graph = drawing.graph(names, [drawing.add(HardSwish(), names, 11)])
    known = {"x": Range(np.array([-128, -40, 60]), np.array([11, -30, 90]))}
    (found,) = results(graph, graph.ops[0], known)
    assert found is not None
    x, y = (replace(graph.tensors[n], shape=(256,)) for n in ("x", graph.outputs[0]))
    (table,) = HardSwish().evaluate([np.arange(-128, 128, dtype=np.int8)], [x], (y,))
    assert found.low[0] == table[: 11 + 129].min() < min(table[0], table[11 + 128])
    for channel, (low, high) in enumerate(zip(known["x"].low, known["x"].high, strict=True)):
        part = table[low + 128 : high + 129]
        assert (found.low[channel], found.high[channel]) == (part.min(), part.max())


@pytest.mark.tiny
@pytest.mark.parametrize("kind", [Add, Sub, Mul, Maximum, Minimum])
def test_ranges_of_two_operands_hold_and_are_reached(kind: type[Add]) -> None:
    """Every pair of values of two ranges, of one channel each, gives every bound."""
    bounds = ((-100, 40), (-7, -3), (5, 90), (20, 20))
    drawing = Drawing(3)
    pairs = [(a, b) for a in bounds for b in bounds]
    ranges = [Range(*np.array([p[side] for p in pairs]).T) for side in (0, 1)]
    names = [drawing.tensor(n, (1, len(pairs)), 11) for n in ("a", "b")]
    graph = drawing.graph(names, [drawing.add(kind(), names, 11)])
    known = dict(zip(names, ranges, strict=True))
    (found,) = results(graph, graph.ops[0], known)
    assert found is not None
    for at, (a, b) in enumerate(pairs):
        every = np.meshgrid(np.arange(a[0], a[1] + 1), np.arange(b[0], b[1] + 1))
        y = replace(graph.tensors[graph.outputs[0]], shape=every[0].shape)
        xs = [replace(graph.tensors[n], shape=y.shape) for n in names]
        (values,) = kind().evaluate([v.astype(np.int8) for v in every], xs, (y,))
        assert (values.min(), values.max()) == (found.low[at], found.high[at])


@given(
    st.sampled_from(Rounding),
    st.integers(0, 2**31 - 2**30),
    st.integers(-31, 4),
    st.lists(st.integers(-(2**26), 2**26), min_size=2, max_size=20),
)
def test_rescaling_keeps_the_order(
    rounding: Rounding, above: int, shift: int, sums: list[int]
) -> None:
    multiplier = np.array([min((1 << 30) + above, INT32_MAX)], np.int32)
    factors = Requantization(multiplier, np.array([shift], np.int32), rounding)
    ends = np.array([[min(sums)], [max(sums)]])
    assert keeps_order(ends, factors).all()
    assert (np.diff(requantize(np.sort(np.array(sums)), factors)) >= 0).all()


@pytest.mark.tiny
def test_a_dead_branch_becomes_a_constant() -> None:
    after = shrunken(residual([], range(6)))
    assert [op.name for op in after.ops] == ["conv_2d_0", "add_3", "conv_2d_4"]
    (operand,) = (after.tensors[n] for n in after.ops[1].inputs if after.tensors[n].is_constant)
    assert operand.shape == (1, 1, 1, channels(after)["conv_2d_0"])


@pytest.mark.tiny
def test_concatenations_lose_channels_and_whole_inputs() -> None:
    def build(drawing: Drawing, x: str) -> str:
        ys = [drawing.conv(x, 3, zero_point=-128, fixed=f) for f in ([], [0, 1, 2], [1])]
        return drawing.conv(drawing.concat(*ys), 4, fixed=[])

    after = shrunken(drawn(build))
    assert channels(after) == {
        "conv_2d_0": 3,
        "conv_2d_2": 2,
        "concatenation_3": 5,
        "conv_2d_4": 4,
    }


@pytest.mark.tiny
def test_a_flattened_image_loses_a_feature_of_each_pixel() -> None:
    def build(drawing: Drawing, x: str) -> str:
        return drawing.dense(drawing.flat(drawing.conv(x, 4, fixed=[1])), 5, 120, fixed=[])

    after = shrunken(drawn(build))
    assert channels(after) == {"conv_2d_0": 3, "reshape_1": 90, "fully_connected_2": 5}
    assert after.tensors["w_2_live"].shape == (5, 90)


@pytest.mark.tiny
def test_rows_that_are_not_whole_pixels_read_every_channel() -> None:
    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 4, fixed=[1])
        z = drawing.dense(y, 5, 6, fixed=[2])
        w = drawing.tensors["w_1"]
        # Feature 1 is of channel 1 in one row, which is constant, and of channel 3 in the next.
        drawing.tensors["w_1"] = replace(
            w, data=np.asarray(w.data) * (np.arange(6) == 1).astype(np.int8)
        )
        return drawing.dense(z, 3, 5, fixed=[])

    after = shrunken(drawn(build))
    assert channels(after) == {"conv_2d_0": 4, "fully_connected_1": 5, "fully_connected_2": 3}


@pytest.mark.tiny
def test_operands_of_a_channel_each_are_cut() -> None:
    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 4, zero_point=5, fixed=[1])
        slope = np.arange(4, dtype=np.int8).reshape(1, 1, 4)
        same = drawing.tensors[y].quantization
        y = drawing.add(Prelu(), [y, drawing.constant("slope", slope, same)], 5)
        y = drawing.add(Add(), [y, drawing.constant("shift", slope, same)], 5)
        return drawing.conv(drawing.add(Pad(before=(0, 1, 0, 0), after=(0,) * 4), [y], 5), 4)

    # A border of another value than the channel's: it stays for the last layer, as does all
    # that leads to it.
    assert channels(shrunken(drawn(build)))["conv_2d_0"] == 4

    def unread(drawing: Drawing, x: str) -> str:
        y = build(drawing, x)
        w = drawing.tensors["w_4"]
        data = np.asarray(w.data).copy()
        data[..., 1] = 0
        drawing.tensors["w_4"] = replace(w, data=data)
        return y

    after = shrunken(drawn(unread))
    assert set(channels(after).values()) == {3, 4}
    assert after.tensors["slope_live"].shape == after.tensors["shift_live"].shape == (1, 1, 3)


@pytest.mark.tiny
def test_what_is_read_whole_keeps_its_channels() -> None:
    def softmax(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 6, fixed=[1, 4])
        z = drawing.add(Softmax(), [y], -128)
        probability = drawing.tensors[z].quantization
        assert probability is not None
        scale = replace(probability, scale=np.array([1 / 256], np.float32))
        drawing.tensors[z] = replace(drawing.tensors[z], quantization=scale)
        return z

    def output(drawing: Drawing, x: str) -> list[str]:
        y = drawing.conv(x, 6, fixed=[1, 4])
        return [drawing.conv(y, 4, fixed=[]), y]

    for build in (softmax, output):
        before = drawn(build)
        assert remove_constant_channels(before) is before


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("attributes", "left"),
    [
        (Pad(before=(0, 1, 0, 0), after=(0, 0, 2, 0)), 4),
        (Pad(before=(0, 0, 0, 0), after=(0, 0, 0, 2)), 6),
        (MirrorPad(before=(0, 1, 0, 0), after=(0, 0, 1, 0), mirror=Mirror.REFLECT), 4),
        (Transpose(permutation=(0, 2, 1, 3)), 4),
        (Transpose(permutation=(0, 1, 3, 2)), 6),
        (Slice(begin=(0, 1, 0, 0), size=(1, 2, 3, 6), step=(1, 1, 2, 1), shape=(1, 2, 3, 6)), 4),
        (Slice(begin=(0, 1, 0, 0), size=(1, 2, 3, 6), step=(1, 1, 2, 1), shape=(1, 1, 6, 6)), 4),
        (Slice(begin=(0, 0, 0, 2), size=(1, 5, 6, 4), step=(1, 1, 1, 1), shape=(1, 5, 6, 4)), 6),
        (Slice(begin=(0, 0, 0, 5), size=(1, 5, 6, 6), step=(1, 1, 1, -1), shape=(1, 5, 6, 6)), 6),
        (ReduceMax(axes=(1,), keep_dims=True), 4),
        (ReduceMax(axes=(3,), keep_dims=True), 6),
        (Mean(axes=(2, 3), keep_dims=True), 6),
        (Sum(axes=(1, 2), keep_dims=True), 4),
        (ResizeNearest(size=(7, 3)), 4),
        (ResizeBilinear(size=(7, 3)), 4),
        (ResizeBilinear(size=(3, 17), half_pixel_centers=True), 4),
        (ResizeBilinear(size=(11, 2), align_corners=True), 4),
        (Reshape(shape=(1, 6, 5, 6)), 4),
        (Reshape(shape=(1, 15, 1, 12)), 4),
        (Reshape(shape=(1, 60, 1, 3)), 4),
        (Reshape(shape=(1, 5, 9, 4)), 6),
        (SpaceToDepth(block=1), 6),
        (HardSwish(), 4),
    ],
)
def test_channels_behind_other_operators(attributes: Attributes, left: int) -> None:
    """Channels 1 and 4 have the least value, which is the zero point, whatever the input is."""

    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 6, zero_point=-128, fixed=[1, 4], activation=Activation.RELU)
        saturate(drawing, "b_0", [1, 4], -1)
        return drawing.conv(drawing.add(attributes, [y], -128), 4, fixed=[])

    assert channels(shrunken(drawn(build)))["conv_2d_0"] == left


@pytest.mark.tiny
def test_no_tensor_loses_its_last_channel() -> None:
    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 6, fixed=range(6))
        return drawing.conv(drawing.depthwise(y, 1, NO_PAD, fixed=range(6)), 4, fixed=[])

    assert channels(shrunken(drawn(build))) == {
        "conv_2d_0": 1,
        "depthwise_conv_2d_1": 1,
        "conv_2d_2": 4,
    }


@pytest.mark.tiny
@pytest.mark.parametrize("rounding", Rounding)
def test_every_rounding_and_both_types(rounding: Rounding) -> None:
    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 6, 3, SAME3, activation=Activation.RELU, fixed=[1, 4])
        return drawing.dense(drawing.depthwise(y, fixed=[2]), 3, 6, fixed=[1])

    dtype = DType.INT16 if rounding is Rounding.TFLITE_16X8 else DType.INT8
    after = shrunken(drawn(build, rounding=rounding, dtype=dtype))
    assert channels(after)["depthwise_conv_2d_1"] == 3


@pytest.mark.tiny
def test_sums_at_their_bound_take_no_more_room() -> None:
    """A bias as large as `verify` allows still holds what is folded into it."""

    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 6, zero_point=-128, fixed=[1, 4])
        z = drawing.conv(y, 4, zero_point=0, fixed=[])
        w, bias = drawing.tensors["w_1"], drawing.tensors["b_1"]
        taken = np.abs(np.asarray(w.data).astype(np.int64)).reshape(4, -1).sum(axis=1) * 256
        most = INT32_MAX - taken
        data = (most * [1, -1, 1, -1]).astype(np.int32)
        drawing.tensors["b_1"] = replace(bias, data=data)
        # Half a step from the next value: small weights beside such a bias still change it.
        assert w.quantization is not None
        halfway = replace(w.quantization, scale=(40.5 / most).astype(np.float32))
        drawing.tensors["w_1"] = replace(w, quantization=halfway)
        return z

    assert channels(shrunken(drawn(build)))["conv_2d_0"] == 4


@pytest.mark.tiny
def test_sums_that_wrap_around_when_shifted_are_not_taken_for_constant() -> None:
    """Under `tflite_double` a factor over 1 shifts first; int32 then wraps around."""

    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 4, fixed=[])
        w, b = drawing.tensors["w_0"], drawing.tensors["b_0"]
        assert w.quantization is not None
        coarse = replace(w.quantization, scale=np.full(4, 2.0**20, np.float32))
        drawing.tensors["w_0"] = replace(w, quantization=coarse)
        drawing.tensors["b_0"] = replace(b, data=np.full(4, 1 << 20, np.int32))
        return drawing.conv(y, 4, fixed=[])

    before = drawn(build)
    assert not channel_ranges(before)["conv_2d_0_y"].is_constant.any()
    shrunken(before)


@pytest.mark.tiny
def test_unread_channels_go_too() -> None:
    def build(drawing: Drawing, x: str) -> str:
        y = drawing.conv(x, 6, fixed=[])
        z = drawing.conv(y, 4, fixed=[])
        w = drawing.tensors["w_1"]
        data = np.asarray(w.data).copy()
        data[..., [0, 3]] = 0
        drawing.tensors["w_1"] = replace(w, data=data)
        return z

    before = drawn(build)
    after = shrunken(before)
    assert channels(after)["conv_2d_0"] == 4
    assert np.array_equal(bias_of(after, 1), bias_of(before, 1))


@pytest.mark.tiny
def test_float_networks_are_left_alone() -> None:
    def build(drawing: Drawing, x: str) -> str:
        return drawing.conv(drawing.conv(x, 6, fixed=[1]), 4)

    integers = drawn(build)
    tensors = {
        n: replace(
            t,
            dtype=DType.FLOAT32,
            quantization=None,
            data=None if t.data is None else t.data.astype(np.float32),
        )
        for n, t in integers.tensors.items()
    }
    floats = verify(replace(integers, tensors=tensors))
    assert remove_constant_channels(floats) is floats


@pytest.mark.parametrize("core", ["cortex-m4", "rv32imc"])
def test_devices_compute_what_the_whole_network_does(core: str) -> None:
    for seed in sample_of(range(24), 3):
        before = random_channels(seed)
        artifact = midge.compile(before, target=core)
        for sample in samples(before, seed)[2:6]:
            outputs = artifact.run(sample).outputs
            for name, expected in outputs_of(before, interpret(before, sample)).items():
                found = outputs[name] if isinstance(outputs, dict) else outputs
                assert np.array_equal(np.asarray(found), expected)


SAMPLES = 6


@needs_mlperf_tiny
@pytest.mark.parametrize("name", MLPERF_TINY_MODELS)
def test_golden_outputs_stay(name: str) -> None:
    graph = import_tflite(mlperf_tiny_model(name), f"{name}.tflite")
    after = run_passes(graph)
    golden = mlperf_tiny_golden(name)
    if not name.startswith("vww01"):
        assert after.macs() == graph.macs(), "every channel of these can change"
        return
    for kind in ("", "random_"):
        pairs = zip(golden[f"{kind}inputs"], golden[f"{kind}outputs"], strict=True)
        for x, expected in list(pairs)[:SAMPLES]:
            shape = graph.tensors[graph.inputs[0]].shape
            values = interpret(after, {graph.inputs[0]: x.reshape(shape)})
            (found,) = outputs_of(after, values).values()
            assert np.array_equal(found.reshape(-1), expected.reshape(-1))


@needs_mlperf_tiny
def test_half_of_visual_wake_words_is_not_computed() -> None:
    name = next(n for n in MLPERF_TINY_MODELS if n.startswith("vww01"))
    graph = import_tflite(mlperf_tiny_model(name), f"{name}.tflite")
    after = run_passes(graph)
    assert (graph.macs(), after.macs()) == (7_489_664, 3_727_313)
    assert (graph.constant_bytes(), after.constant_bytes()) == (219_064, 33_122)
    work = removed_work(graph, after)
    assert (work.macs, work.constant_bytes) == (3_762_351, 185_942)


@pytest.mark.tiny
def test_operators_and_their_order_stay() -> None:
    before = random_channels(3)
    after = remove_constant_channels(before)
    names = [op.name for op in before.ops]
    left = [op.name for op in after.ops]
    assert left == [n for n in names if n in left]

    def kinds(ops: tuple[Op, ...]) -> dict[str, str]:
        return {op.name: op.kind for op in ops}

    assert kinds(after.ops).items() <= kinds(before.ops).items()
