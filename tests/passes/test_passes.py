from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from midge.errors import InternalError, UserError
from midge.graph import Graph, Op, interpret, outputs_of, verify
from midge.graph.ops.pad import Pad
from midge.passes import PIPELINE, run_passes
from midge.passes.fold_constants import fold_constants
from midge.passes.fuse_pad import fuse_pad
from midge.passes.pipeline import Pass
from midge.passes.remove_dead_ops import remove_dead_ops
from midge.synthetic import random_network
from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    Pool2DOptions,
    Quantization,
)
from midge.synthetic.network_builder import NetworkBuilder
from support.networks import INPUT, Array, bell_weights, conv, imported, network, padded
from support.tools import GCC

ALL = (*PIPELINE, run_passes)


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def samples(graph: Graph, count: int = 3) -> list[dict[str, Array]]:
    generator = np.random.default_rng(0)
    shapes = [(n, graph.tensors[n].shape) for n in graph.inputs]
    return [
        {n: generator.integers(-128, 128, shape).astype(np.int8) for n, shape in shapes}
        for _ in range(count)
    ]


def assert_same_outputs(before: Graph, after: Graph) -> None:
    assert after.outputs == before.outputs
    assert after.inputs == before.inputs
    for sample in samples(before):
        expected = outputs_of(before, interpret(before, sample))
        found = outputs_of(after, interpret(after, sample))
        assert all(np.array_equal(found[n], expected[n]) for n in expected)


@cache
def small_network(seed: int) -> Graph:
    return verify(imported(random_network(seed, max_ops=8, max_elements=400)))


@pytest.mark.parametrize("rewrite", ALL, ids=lambda p: p.__name__)
def test_outputs_keep_every_bit_on_random_networks(rewrite: Pass) -> None:
    changed: Counter[bool] = Counter()
    for seed in range(60):
        before = small_network(seed)
        after = rewrite(before)
        changed[after is not before] += 1
        if after is not before:
            assert verify(after) is after
            assert_same_outputs(before, after)
            assert rewrite(after) is after, "there is nothing left to do"
    if rewrite in (fuse_pad, run_passes):
        assert changed[True] >= 3, "networks that are left alone show nothing"


@pytest.mark.tiny
def test_pad_becomes_padding_of_the_one_convolution_that_reads_it() -> None:
    before = imported(padded())
    after = verify(fuse_pad(before))
    assert kinds(before) == ["pad", "conv_2d", "pad", "max_pool_2d"]
    assert kinds(after) == ["conv_2d", "pad", "max_pool_2d"]
    assert after.ops[0].attributes.pad_before == (2, 0)  # type: ignore[attr-defined]
    assert after.ops[0].attributes.pad_after == (1, 3)  # type: ignore[attr-defined]
    assert before.ops[0].outputs[0] not in after.tensors
    assert_same_outputs(before, after)


@pytest.mark.tiny
def test_pads_in_a_row_and_in_front_of_padding_add_up() -> None:
    def add(builder: NetworkBuilder) -> str:
        x = builder.input((1, 4, 5, 3), INPUT)
        x = builder.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0)))
        x = builder.pad(x, ((0, 0), (0, 3), (1, 1), (0, 0)))
        options = DepthwiseConv2DOptions("SAME", (1, 1))
        return builder.depthwise_conv_2d(x, bell_weights(builder, (1, 3, 3, 3), 3), options)

    before = imported(network("pads", add))
    after = verify(fuse_pad(before))
    assert kinds(after) == ["depthwise_conv_2d"]
    assert after.ops[0].attributes.pad_before == (2, 2)  # type: ignore[attr-defined]
    assert after.ops[0].attributes.pad_after == (4, 4)  # type: ignore[attr-defined]
    assert_same_outputs(before, after)


def _declined(add) -> Graph:  # type: ignore[no-untyped-def]
    before = imported(network("declined", add))
    assert fuse_pad(before) is before
    assert "pad" in kinds(before)
    return before


BORDER = ((0, 0), (1, 1), (1, 1), (0, 0))


@pytest.mark.tiny
@pytest.mark.parametrize("op", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pad_in_front_of_a_pool_stays(op: str) -> None:
    # What a pad writes counts in a pool; what lies outside its image does not.
    def add(builder: NetworkBuilder) -> str:
        x = builder.pad(builder.input((1, 4, 4, 2), INPUT), BORDER)
        return builder.pool_2d(op, x, Pool2DOptions((2, 2)))

    _declined(add)


@pytest.mark.tiny
@pytest.mark.parametrize(
    "paddings", [((0, 0), (1, 1), (1, 1), (0, 1)), ((1, 0), (1, 1), (1, 1), (0, 0))]
)
def test_pad_of_channels_or_batches_stays(paddings: tuple[tuple[int, int], ...]) -> None:
    def add(builder: NetworkBuilder) -> str:
        return conv(builder, builder.pad(builder.input((1, 4, 4, 2), INPUT), paddings), 3)

    _declined(add)


@pytest.mark.tiny
def test_pad_that_others_read_stays() -> None:
    def read_twice(builder: NetworkBuilder) -> list[str]:
        x = builder.pad(builder.input((1, 4, 4, 2), INPUT), BORDER)
        return [conv(builder, x, 3), conv(builder, x, 2)]

    def read_by_add(builder: NetworkBuilder) -> list[str]:
        x = builder.pad(builder.input((1, 4, 4, 2), INPUT), BORDER)
        return [conv(builder, x, 3), builder.add(x, x, AddOptions())]

    def is_output(builder: NetworkBuilder) -> list[str]:
        x = builder.pad(builder.input((1, 4, 4, 2), INPUT), BORDER)
        return [conv(builder, x, 3), x]

    for add in (read_twice, read_by_add, is_output):
        _declined(add)


@pytest.mark.tiny
def test_pad_whose_scale_differs_by_a_hair_stays() -> None:
    # TFLite Micro lets scales differ by 1e-6, which is half of one here.
    def add(builder: NetworkBuilder) -> str:
        x = builder.pad(builder.input((1, 4, 4, 2), Quantization((2e-6,), (-3,))), BORDER)
        return conv(builder, x, 3)

    made = network("hair", add)
    coarse = Quantization((2.9e-6,), (-3,))
    model = replace(
        made.model,
        tensors=tuple(
            replace(t, quantization=coarse) if t.name.startswith("pad_") else t
            for t in made.model.tensors
        ),
    )
    before = imported(replace(made, model=model))
    after = fuse_pad(before)
    assert_same_outputs(before, after)
    assert kinds(after) == ["pad", "conv_2d"]
    # And the scale matters: with the input's own, the outputs are others.
    (x,) = before.inputs
    pad, convolution = before.ops
    own = replace(before.tensors[pad.outputs[0]], quantization=before.tensors[x].quantization)
    other = replace(before, tensors={**before.tensors, own.name: own})
    (sample, *_) = samples(before)
    outputs = [interpret(g, sample)[convolution.outputs[0]] for g in (before, other)]
    assert not np.array_equal(*outputs)


@pytest.mark.tiny
def test_pad_wider_than_a_window_may_reach_stays() -> None:
    def add(builder: NetworkBuilder) -> str:
        x = builder.pad(
            builder.input((1, 2, 2, 1), INPUT), ((0, 0), (2**15 + 1, 0), (0, 0), (0, 0))
        )
        options = Conv2DOptions("VALID", (2**15, 1))
        return builder.conv_2d(x, bell_weights(builder, (1, 2, 2, 1)), options)

    before = _declined(add)
    assert kinds(run_passes(before)) == ["pad", "conv_2d"]


def with_constants() -> Graph:
    """``x + (a + b)``, and an output that is a constant reshaped and padded."""

    def add(builder: NetworkBuilder) -> list[str]:
        x = builder.input((1, 2, 2, 3), INPUT)
        a = builder.constant(np.arange(-6, 6, dtype=np.int8).reshape(1, 2, 2, 3), INPUT)
        b = builder.constant(np.array([[7, -90, 100]], np.int8), Quantization((0.02,), (4,)))
        total = builder.add(a, b, AddOptions())
        fixed = builder.pad(builder.reshape(a, (3, 4), (3, 4)), ((1, 0), (0, 2)))
        return [builder.add(x, total, AddOptions("RELU")), fixed]

    return imported(network("constants", add))


@pytest.mark.tiny
def test_operators_on_constants_are_computed_at_once() -> None:
    before = with_constants()
    after = verify(fold_constants(before))
    assert kinds(before) == ["add", "reshape", "pad", "add"]
    assert kinds(after) == ["add"]
    assert after.tensors[after.ops[0].inputs[1]].is_constant
    assert after.tensors[after.outputs[1]].is_constant
    assert_same_outputs(before, after)


def test_folded_outputs_are_there_on_the_device() -> None:
    import midge

    graph = with_constants()
    (sample, *_) = samples(graph)
    for cc, core in (("zig", "cortex-m0plus"), (GCC, "cortex-m33")):
        artifact = midge.compile(graph, target=core, cc=cc)
        assert [op.kind for op in artifact.graph.ops] == ["add"]
        outputs = artifact.run(sample).outputs
        assert isinstance(outputs, dict)
        for name, value in outputs_of(graph, interpret(graph, sample)).items():
            assert np.array_equal(outputs[name], value)


@pytest.mark.tiny
def test_what_no_output_needs_is_left_out() -> None:
    def add(builder: NetworkBuilder) -> list[str]:
        x = builder.input((1, 4, 4, 2), INPUT)
        builder.input((1, 3), INPUT)  # nobody reads it
        used = conv(builder, x, 3)
        conv(builder, conv(builder, used, 2), 2)  # nobody reads these
        return [conv(builder, used, 4)]

    before = imported(network("dead", add))
    after = verify(remove_dead_ops(before))
    assert (len(before.ops), len(after.ops)) == (4, 2)
    assert after.inputs == before.inputs, "the caller's arrays stay as they were"
    assert len(after.tensors) < len(before.tensors)
    assert_same_outputs(before, after)


@pytest.mark.tiny
def test_sound_graph_without_work_comes_back_itself() -> None:
    def add(builder: NetworkBuilder) -> str:
        return conv(builder, builder.input((1, 4, 4, 2), INPUT), 3)

    graph = imported(network("plain", add))
    assert run_passes(graph) is graph


@pytest.mark.tiny
def test_pass_that_breaks_a_graph_is_named_with_those_before_it() -> None:
    graph = imported(padded())

    def drop_the_last_op(broken: Graph) -> Graph:
        return broken.with_ops(broken.ops[:-1])

    message = (
        r"pass drop_the_last_op \(after: remove_dead_ops, fuse_pad\) broke the graph: .*"
        r"is never computed.*report this model"
    )
    with pytest.raises(InternalError, match=message):
        run_passes(graph, (remove_dead_ops, fuse_pad, drop_the_last_op))
    with pytest.raises(InternalError, match=r"drop_the_last_op \(after: none\)"):
        run_passes(graph, (drop_the_last_op,))


@pytest.mark.tiny
def test_graph_that_is_broken_already_is_the_users() -> None:
    graph = imported(padded())
    first, *rest = graph.ops
    assert isinstance(first.attributes, Pad)
    broken = replace(
        graph, ops=(Op(first.name, first.attributes, ("nothing",), first.outputs), *rest)
    )
    with pytest.raises(UserError, match=re.escape("input 'nothing' is not a tensor")):
        run_passes(broken)
