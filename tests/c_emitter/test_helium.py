"""Kernels with Helium against the interpreter: every bit, on QEMU's Cortex-M55, by both compilers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from extreme_layers import OPERATORS as WEIGHTED
from extreme_layers import extreme_layers

from midge.c_emitter import KERNELS, Kernel, Layer, layers_of
from midge.c_emitter.kernels.helium_depthwise import vectors_of_taps
from midge.c_emitter.kernels.helium_sums import blocks_of_outputs
from midge.driver import Artifact, compile_graph
from midge.graph import (
    Array,
    Attributes,
    DType,
    Graph,
    Op,
    Quantization,
    Rounding,
    Tensor,
    interpret,
    outputs_of,
    verify,
)
from midge.graph.accumulate import worst_sum
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.types import Activation
from midge.importers.graph_builder import GraphBuilder
from midge.synthetic import SyntheticNetwork
from support.effort import sample_of, takes_all
from support.layer_bench import Bench, build_layers, unequal_networks, with_rounding
from support.networks import every_single_op, imported, join, mobile_chain
from support.tools import EACH_COMPILER

HELIUM = tuple(dict.fromkeys(k for found in KERNELS.values() for k in found if "mve" in k.requires))
ROUNDINGS = (Rounding.TFLITE_DOUBLE, Rounding.SINGLE)


def name_of(case: object) -> str:
    if isinstance(case, Kernel):
        return f"{'+'.join(case.kinds)}-{case.variant}"
    return str(getattr(case, "value", case))


@cache
def networks_of(kernel: Kernel, rounding: Rounding) -> tuple[SyntheticNetwork, ...]:
    """Every network of one layer that the kernel computes with this rounding."""
    made = [*every_single_op(), *(n for op in WEIGHTED for n in extreme_layers(op))]
    found = []
    for network in made:
        layers = layers_of(imported(network))
        if len(layers) != 1 or layers[0].op.kind not in kernel.kinds:
            continue
        layer = layers[0]
        if hasattr(layer.op.attributes, "rounding"):
            attributes = replace(layer.op.attributes, rounding=rounding)
            layer = replace(layer, op=replace(layer.op, attributes=attributes))
        elif rounding is not Rounding.TFLITE_DOUBLE:
            continue
        if layer.input(0).dtype in kernel.types and kernel.applies(layer):
            found.append(network)
    return tuple(found)


@pytest.mark.parametrize("cc", EACH_COMPILER)
@pytest.mark.parametrize("rounding", ROUNDINGS, ids=name_of)
@pytest.mark.parametrize("kernel", HELIUM, ids=name_of)
def test_kernel_equals_the_interpreter_with_its_input_as_near_as_it_promises(
    kernel: Kernel, rounding: Rounding, cc: str
) -> None:
    networks = list(networks_of(kernel, rounding))
    if not networks:
        pytest.skip(
            "no such network, or no rounding; `test_shapes_and_numbers_at_their_ends` has it"
        )
    # `test_kernel_variants.py` has all of them, by one compiler.
    networks = sample_of(networks, 10)
    joined = join(networks)
    graph = joined.graph
    if rounding is not Rounding.TFLITE_DOUBLE:
        graph = with_rounding(graph, rounding)
    artifact = build_layers(graph, (kernel,) * len(graph.ops), Bench("cortex-m55", cc))
    assert artifact.built.static_bytes == 0, "a kernel has no variables"
    assert not unequal_networks(joined, artifact, seeds=range(3))


# ---- shapes and numbers at their ends ----


class Builder(GraphBuilder):
    """Knows the input and the output of each of its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[tuple[Tensor, Tensor]] = []


def add_layer(b: Builder, attributes: Attributes, shape: tuple[int, ...], taps: Array) -> None:
    """A layer with an input of its own; zero points, gain and scales follow from its number."""
    number = len(b.ops)
    rng = np.random.default_rng(number)
    axis = 3 if isinstance(attributes, DepthwiseConv2D) else 0
    outputs = taps.shape[axis]
    x_zero, y_zero = ((0, 0), (-128, 127), (127, -128), (5, -3), (-128, -128))[number % 5]
    gain = (1.0, 8.0, 100.0)[number % 3]
    x = b.add(Tensor(f"x{number}", shape, DType.INT8, Quantization.per_tensor(1.0, x_zero)))
    scales = rng.uniform(0.5, 1.5, outputs).astype(np.float32)
    if number % 4 == 0:
        # Powers of two make many ties.
        scales = np.float32(2.0) ** rng.integers(-3, 1, outputs).astype(np.float32)
    quantization = Quantization(scales, np.zeros(outputs, np.int64), axis)
    w = b.add(Tensor("w", taps.shape, DType.INT8, quantization, taps))
    bias = rng.integers(-300, 301, outputs).astype(np.int32)
    scale = 2.0 ** np.ceil(np.log2(worst_sum(x, w, None, axis) / (128 * gain)))
    to = Quantization.per_tensor(max(scale, 0.5), y_zero)
    y = b.one(f"y{number}", attributes, (x, w, b.constant("b", bias)), quantization=to)
    b.ends.append((x, y))


Shaped = tuple[Attributes, tuple[int, ...], tuple[int, ...]]


def _sums() -> Iterator[Shaped]:
    """Attributes, the input's shape and the weights'."""
    for channels in (1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64):
        outputs = channels % 6 + 1
        yield Conv2D(), (1, 3, 3, channels), (outputs, 1, 1, channels)
        yield Conv2D(stride=(2, 1)), (2, 4, 3, channels), (4 + outputs, 1, 1, channels)
        yield FullyConnected(), (1 + channels % 3, channels), (outputs + 2, channels)
        yield FullyConnected(), (1, 9 * channels), (outputs, 9 * channels)
    same = Conv2D(pad_before=(1, 1), pad_after=(1, 1))
    for channels in (1, 3, 5, 8, 16, 20):
        yield same, (1, 5, 6, channels), (5, 3, 3, channels)
        yield replace(same, stride=(2, 2)), (2, 6, 5, channels), (8, 3, 3, channels)
        yield Conv2D(dilation=(2, 3)), (1, 8, 9, channels), (3, 3, 2, channels)
    for outputs in (3, 8, 130):
        # More windows than a strip has.
        yield Conv2D(), (1, 7, 9, 5 + outputs % 4), (outputs, 1, 1, 5 + outputs % 4)
        yield Conv2D(stride=(2, 2)), (2, 13, 15, 16), (outputs, 1, 1, 16)
        yield Conv2D(), (1, 6, 13, 2), (outputs, 2, 3, 2)
        yield FullyConnected(), (77, 12), (outputs, 12)
        yield DepthwiseConv2D(), (1, 9, 9, 1), (1, 3, 3, outputs)
        yield DepthwiseConv2D(), (2, 9, 7, 1), (1, 2, 4, outputs)
    yield replace(same, dilation=(2, 2), pad_before=(2, 2)), (1, 6, 6, 4), (4, 3, 3, 4)
    yield Conv2D(stride=(2, 2), pad_before=(4, 1), pad_after=(5, 1)), (1, 49, 10, 1), (8, 10, 4, 1)
    yield Conv2D(pad_before=(3, 4), pad_after=(2, 3)), (1, 2, 2, 3), (7, 3, 4, 3)
    yield Conv2D(pad_before=(2, 5), pad_after=(0, 4)), (1, 3, 1, 6), (4, 1, 2, 6)


def _depthwise() -> Iterator[Shaped]:
    same = DepthwiseConv2D(pad_before=(1, 1), pad_after=(1, 1))
    for channels in (1, 2, 3, 4, 5, 8, 12, 15, 16, 17, 32, 36):
        yield same, (1, 5, 4, channels), (1, 3, 3, channels)
        yield replace(same, stride=(2, 2)), (2, 6, 7, channels), (1, 3, 3, channels)
        yield DepthwiseConv2D(), (1, 4, 5, channels), (1, 2, 4, channels)
    for channels in (3, 8):
        yield DepthwiseConv2D(dilation=(2, 3)), (1, 7, 9, channels), (1, 3, 3, channels)
        yield DepthwiseConv2D(stride=(3, 2)), (1, 11, 6, channels), (1, 5, 2, channels)
        yield DepthwiseConv2D(), (1, 4, 9, channels), (1, 2, 7, channels)
        wide = DepthwiseConv2D(pad_before=(4, 2), pad_after=(5, 3), stride=(2, 1))
        yield wide, (1, 12, 6, channels), (1, 10, 6, channels)
        yield (
            replace(wide, dilation=(1, 2), pad_before=(3, 6)),
            (1, 9, 5, channels),
            (1, 9, 5, channels),
        )
        yield DepthwiseConv2D(stride=(1, 5)), (1, 3, 13, channels), (1, 1, 2, channels)
        yield (
            DepthwiseConv2D(pad_before=(3, 5), pad_after=(3, 5)),
            (1, 2, 2, channels),
            (1, 3, 3, channels),
        )
        yield DepthwiseConv2D(), (3, 1, 1, channels), (1, 1, 1, channels)
    for outputs in (2, 3, 8, 9):
        yield same, (2, 5, 5, 1), (1, 3, 3, outputs)
        yield replace(same, stride=(2, 2), pad_before=(4, 1)), (1, 20, 9, 1), (1, 10, 4, outputs)
        yield DepthwiseConv2D(dilation=(2, 1)), (1, 6, 6, 1), (1, 3, 3, outputs)


@cache
def extreme_graph(rounding: Rounding) -> Graph:
    """Every layer beside the others."""
    b = Builder()
    for index, (attributes, shape, weights_shape) in enumerate((*_sums(), *_depthwise())):
        rng = np.random.default_rng(index)
        low, high = ((-128, -128), (127, 127), (-127, 127), (-128, 127), (-3, 3))[index % 5]
        taps = rng.integers(low, high + 1, weights_shape).astype(np.int8)
        activation = (Activation.NONE, Activation.RELU, Activation.RELU6)[index % 3]
        given = replace(attributes, rounding=rounding, activation=activation)
        add_layer(b, given, shape, taps)
    return verify(b.graph("extremes", *(list(t) for t in zip(*b.ends, strict=True))))


def of_variant(graph: Graph, variant: str) -> tuple[Kernel, ...]:
    """The layers' kernels of a variant; where it does not apply, the plainest that does."""
    choice = []
    for layer in layers_of(graph):
        fitting = [k for k in KERNELS[layer.op.kind] if k.applies(layer)]
        choice.append(next((k for k in fitting if k.variant == variant), fitting[0]))
    assert sum(k.variant == variant for k in choice) >= 10
    return tuple(choice)


def samples_of(graph: Graph) -> list[dict[str, Array]]:
    rng = np.random.default_rng(1)
    shapes = {name: graph.tensors[name].shape for name in graph.inputs}
    filled = [{n: np.full(s, value, np.int8) for n, s in shapes.items()} for value in (-128, 127)]
    drawn = [
        {n: rng.choice(np.int8([-128, 127]), s) for n, s in shapes.items()},
        {n: rng.integers(-128, 128, s).astype(np.int8) for n, s in shapes.items()},
    ]
    return filled + drawn


def unequal_layers(artifact: Artifact) -> dict[str, tuple[Array, Array]]:
    """What device and interpreter give where they differ, by the name of the output."""
    graph = artifact.graph
    samples = samples_of(graph)
    runs = artifact.open_machine().run([artifact.to_bytes(s) for s in samples])
    wrong = {}
    for sample, run in zip(samples, runs, strict=True):
        device = artifact.from_bytes(run.outputs)
        for name, expected in outputs_of(graph, interpret(graph, sample)).items():
            if not np.array_equal(device[name], expected):
                wrong[name] = (device[name], expected)
    return wrong


def nearer(kernel: Kernel, layer: Layer, index: int) -> int | None:
    """A distance that breaks a promise of Helium's, by a row of pixels and a word."""
    distance, y = kernel.overlap(layer, index), layer.output
    if kernel not in HELIUM or distance is None:
        return None
    row = int(np.prod(y.shape[-2:])) if len(y.shape) == 4 else y.shape[-1]
    return distance - row - 4


@pytest.mark.parametrize("kernel", HELIUM, ids=name_of)
def test_input_that_stands_too_near_is_caught(kernel: Kernel) -> None:
    # The test of the kernels' promises can only be trusted if it sees a broken one.
    bench = Bench("cortex-m55")
    if not {"add", "average_pool_2d", "max_pool_2d"}.isdisjoint(kernel.kinds):
        joined = join(networks_of(kernel, Rounding.TFLITE_DOUBLE))
        choice = (kernel,) * len(joined.graph.ops)
        artifact = build_layers(joined.graph, choice, bench, nearer)
        assert unequal_networks(joined, artifact, seeds=range(1))
        return
    graph = extreme_graph(Rounding.TFLITE_DOUBLE)
    layers = layers_of(graph)
    ops = [x.op for x in layers if x.op.kind in kernel.kinds and kernel.applies(x)]
    part = only(graph, sample_of(ops, MOST))
    assert unequal_layers(build_layers(part, (kernel,) * len(part.ops), bench, nearer))


def only(graph: Graph, ops: list[Op]) -> Graph:
    """A graph of some of its layers."""
    names = {name for op in ops for name in (*op.inputs, *op.outputs)}
    return replace(
        graph,
        ops=tuple(ops),
        tensors={name: tensor for name, tensor in graph.tensors.items() if name in names},
        inputs=tuple(name for name in graph.inputs if name in names),
        outputs=tuple(name for name in graph.outputs if name in names),
    )


MOST = 30
"""Layers of a variant at their ends that every compiler meets with every rounding."""
VARIANTS = tuple(dict.fromkeys(k.variant for k in HELIUM))


@pytest.mark.parametrize("cc", EACH_COMPILER)
@pytest.mark.parametrize("rounding", ROUNDINGS, ids=name_of)
@pytest.mark.parametrize("variant", VARIANTS)
def test_shapes_and_numbers_at_their_ends(variant: str, rounding: Rounding, cc: str) -> None:
    graph = extreme_graph(rounding)
    choice = of_variant(graph, variant)
    taken = [at for at, kernel in enumerate(choice) if kernel.variant == variant]
    if len(taken) > MOST and not takes_all():
        # Each compiler meets one half with one rounding and the other half with the other.
        taken = taken[(ROUNDINGS.index(rounding) + (cc == "gcc")) % 2 :: 2]
    part = only(graph, [graph.ops[at] for at in taken])
    artifact = build_layers(part, tuple(choice[at] for at in taken), Bench("cortex-m55", cc))
    assert not unequal_layers(artifact)


@pytest.mark.parametrize("cc", EACH_COMPILER)
@pytest.mark.parametrize("level", ["-O0", "-O3", "-Oz"])
def test_kernels_compile_and_run_at_every_level(level: str, cc: str) -> None:
    graph = imported(mobile_chain())
    artifact = compile_graph(graph, target="cortex-m55", cc=cc, optimisation=level)
    helium = [k for k in artifact.choice if k is not None and "mve" in k.requires]
    assert {k.variant for k in helium} >= {"helium_tiles", "helium"}
    assert not unequal_layers(artifact)


# ---- what stands in flash ----


@pytest.mark.parametrize(("outputs", "taps"), [(1, 1), (4, 16), (5, 40), (8, 33), (3, 15)])
def test_blocks_hold_each_weight_where_the_kernel_loads_it(outputs: int, taps: int) -> None:
    rows = np.random.default_rng(taps).integers(-128, 128, (outputs, taps)).astype(np.int8)
    blocks = blocks_of_outputs(rows)
    assert blocks.shape == (-(-outputs // 4), 4 * taps)
    whole, rest = taps // 16, taps % 16
    for output in range(outputs):
        block, lane = blocks[output // 4], output % 4
        for vector in range(whole):
            at = 64 * vector + 16 * lane
            assert np.array_equal(block[at : at + 16], rows[output, 16 * vector :][:16])
        at = 64 * whole + rest * lane
        assert np.array_equal(block[at : at + rest], rows[output, 16 * whole :])


@pytest.mark.parametrize("shape", [(3, 3, 8), (1, 2, 3), (5, 4, 4), (4, 7, 5)])
def test_vectors_hold_each_tap_where_its_word_stands(shape: tuple[int, int, int]) -> None:
    weights = np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8)
    vectors = vectors_of_taps(weights)
    high, wide = -(-shape[0] // 4), -(-shape[1] // 4)
    assert vectors.shape == (-(-shape[2] // 4), high * wide * 64)
    for (row, column, channel), weight in np.ndenumerate(weights):
        vector = row // 4 * wide + column // 4
        at = 64 * vector + 16 * (channel % 4) + 4 * (column % 4) + row % 4
        assert vectors[channel // 4, at] == weight
    assert np.count_nonzero(vectors) == np.count_nonzero(weights)


def test_tiles_leave_the_stack_as_they_found_it() -> None:
    graph = extreme_graph(Rounding.TFLITE_DOUBLE)
    texts = {
        tile.name: tile.text
        for layer in layers_of(graph)
        for kernel in HELIUM
        if layer.op.kind in kernel.kinds and kernel.applies(layer)
        for tile in kernel.tiles(layer)
    }
    assert len(texts) > 50
    for name, text in texts.items():
        lines = re.findall(r'"(.*)\\n"', text)
        assert sum(len(line) + 1 for line in lines) <= 4095, f"{name}: C99 promises no more"
        (push,) = (n for n, line in enumerate(lines) if line.startswith("push"))
        (pop,) = (n for n, line in enumerate(lines) if line.startswith("pop"))
        assert pop == len(lines) - 1, name
        moved = [line for line in lines if re.match(r"(add|sub) sp|v(push|pop)", line)]
        opposite = {"add": "sub", "vpop": "vpush"}
        for line, back in zip(moved, reversed(moved), strict=True):
            first = line.split()[0]
            assert opposite.get(first, first) == opposite.get(back.split()[0], back.split()[0])
            assert line.split(maxsplit=1)[1] == back.split(maxsplit=1)[1]
        assert len(moved) % 2 == 0
        assert (
            lines[push].split("{")[1][:-1].split(", ")[:-1]
            == (lines[pop].split("{")[1][:-1].split(", ")[:-1])
        )
        # Vectors that a caller keeps are saved: AAPCS32, section 6.1.2.
        assert ("vpush {d8-d15}" in lines) == any(re.search(r"\bq[4-7]\b", x) for x in lines), name
