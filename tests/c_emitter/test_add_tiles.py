"""add and sub by a proved line: found for any scales, and equal in every bit."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from midge.c_emitter import KERNELS, layers_of
from midge.c_emitter.kernels import add_tiles
from midge.c_emitter.tiles.add import Line, Pairs, find_line
from midge.graph import (
    Activation,
    Array,
    DType,
    Graph,
    Quantization,
    Rounding,
    Tensor,
    interpret,
    outputs_of,
    verify,
)
from midge.graph.ops.add import Add, Sub
from midge.importers.graph_builder import GraphBuilder
from support.effort import sample_of
from support.layer_bench import Bench, build_layers

(TILES,) = (k for k in KERNELS["add"] if k.variant == "tiles")
BENCHES = (Bench("cortex-m4"), Bench("cortex-m33", "gcc"), Bench("cortex-m7"))
ACTIVATIONS = (Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)
SIZES = (1, 2, 7, 8, 9, 15, 16, 17, 31, 64, 100)
EXACT_SCALES = ((1, 1, 1), (1, 1, 2), (1, 0.5, 1), (1, 4, 4), (0.25, 1, 1), (3, 1, 4), (1, 1, 0.5))
"""Of which every other sum lies between two outputs."""
Numbers = tuple[float, int]


def attributes_of(number: int) -> Add | Sub:
    kind = Sub if number % 3 == 2 else Add
    rounding = Rounding.SINGLE if number % 5 == 4 else Rounding.TFLITE_DOUBLE
    return kind(activation=ACTIVATIONS[number // 2 % 4], rounding=rounding)


def add_layer(
    b: GraphBuilder, number: int, shape: tuple[int, ...], scales: tuple[Numbers, ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """A layer with inputs of its own."""
    of_a, of_b, of_y = (Quantization.per_tensor(*s) for s in scales)
    x = b.add(Tensor(f"a{number}", shape, DType.INT8, of_a))
    other = b.add(Tensor(f"b{number}", shape, DType.INT8, of_b))
    y = b.one(f"y{number}", attributes_of(number), (x, other), quantization=of_y)
    return x, other, y


def scales_of(rng: np.random.Generator, number: int) -> tuple[Numbers, ...]:
    zeros = [int(z) for z in rng.integers(-128, 128, 3)]
    if number % 4 == 3:
        scales = EXACT_SCALES[number // 4 % len(EXACT_SCALES)]
    else:
        a, b = np.exp(rng.uniform(-2, 2, 2)) * 0.05
        scales = (a, b, (a + b) * np.exp(rng.uniform(-1, 0.7)))
    return tuple((float(s), z) for s, z in zip(scales, zeros, strict=True))


@cache
def graph_of(first: int, count: int = 40) -> Graph:
    """Layers for which a line was found."""
    b = GraphBuilder()
    ends = []
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        shape = (1, SIZES[number % len(SIZES)], 1 + number % 3)
        ends.append(add_layer(b, number, shape, scales_of(rng, number)))
    inputs = [t for operands in ends for t in operands[:2]]
    return verify(b.graph(f"adds{first}", inputs, [y for *_, y in ends]))


def parted(graph: Graph) -> tuple[Graph, int]:
    """The layers that the kernel takes, and how many others there are."""
    b = GraphBuilder()
    inputs, outputs, others = [], [], 0
    for layer in layers_of(graph):
        if not TILES.applies(layer):
            others += 1
            continue
        operands = [b.add(layer.input(i)) for i in (0, 1)]
        y = layer.output
        inputs += operands
        outputs.append(
            b.one(y.name, layer.op.attributes, tuple(operands), quantization=y.quantization)
        )
    return verify(b.graph(graph.name, inputs, outputs)), others


def samples_of(graph: Graph, count: int = 3) -> list[dict[str, Array]]:
    rng = np.random.default_rng(2)
    shapes = {name: graph.tensors[name].shape for name in graph.inputs}
    ends = {n: rng.choice(np.int8([-128, 127]), s) for n, s in shapes.items()}
    drawn = [
        {n: rng.integers(-128, 128, s).astype(np.int8) for n, s in shapes.items()}
        for _ in range(count)
    ]
    return [ends, *drawn]


def unequal(graph: Graph, bench: Bench, operand: int = 0) -> list[str]:
    artifact = build_layers(graph, (TILES,) * len(graph.ops), bench, operand=operand)
    assert artifact.built.static_bytes == 0
    samples = samples_of(graph)
    runs = artifact.open_machine().run([artifact.to_bytes(s) for s in samples])
    wrong = set()
    for sample, run in zip(samples, runs, strict=True):
        device = artifact.from_bytes(run.outputs)
        for name, expected in outputs_of(graph, interpret(graph, sample)).items():
            if not np.array_equal(device[name], expected):
                wrong.add(name)
    return sorted(wrong)


@pytest.mark.parametrize("number", sample_of(range(6), 2))
def test_lines_equal_the_interpreter_over_either_operand(number: int) -> None:
    graph, others = parted(graph_of(100 * number))
    assert others <= 6
    assert not unequal(graph, BENCHES[number % 3], operand=number % 2)


def test_every_pair_of_a_line_of_each_kind() -> None:
    """All 65,536 pairs on the core, for lines coarse and fine, signed and not."""
    b = GraphBuilder()
    codes = np.arange(-128, 128)
    kinds: dict[tuple[bool, bool], tuple[Tensor, Tensor, Tensor]] = {}
    for number in range(0, 400, 2):
        scales = scales_of(np.random.default_rng(number), number + number // 2 % 2)
        trial = GraphBuilder()
        (layer,) = layers_of(trial_graph(trial, number, scales))
        line = add_tiles._line(layer)
        if line is not None and (line.is_fine, line.is_signed) not in kinds:
            made = add_layer(b, number, (256, 256), scales)
            kinds[line.is_fine, line.is_signed] = made
        if len(kinds) == 4:
            break
    assert {(False, False), (True, False)} <= set(kinds)
    assert any(is_signed for _, is_signed in kinds)
    ends = list(kinds.values())
    graph = verify(b.graph("every", [t for e in ends for t in e[:2]], [e[2] for e in ends]))
    artifact = build_layers(graph, (TILES,) * len(graph.ops), Bench("cortex-m4"))
    grids = np.meshgrid(codes, codes, indexing="ij")
    sample = {n: grids[i % 2].astype(np.int8) for i, n in enumerate(graph.inputs)}
    (run,) = artifact.open_machine().run([artifact.to_bytes(sample)])
    device = artifact.from_bytes(run.outputs)
    for name, expected in outputs_of(graph, interpret(graph, sample)).items():
        assert np.array_equal(device[name], expected), name


def trial_graph(b: GraphBuilder, number: int, scales: tuple[Numbers, ...]) -> Graph:
    *operands, y = add_layer(b, number, (1, 2), scales)
    return verify(b.graph("trial", operands, [y]))


def test_lines_are_found_for_any_scales() -> None:
    found = []
    for number in range(24):
        rng = np.random.default_rng(1000 + number)
        b = GraphBuilder()
        (layer,) = layers_of(trial_graph(b, 4 * number, scales_of(rng, 0)))
        found.append(TILES.applies(layer))
    assert all(found)


def line_values(line: Line, a: Array, b: Array) -> Array:
    """What the core computes, in NumPy."""
    cut = 8 if line.is_fine else 16
    sums = line.start + (a * line.factors[0] >> cut) + (b * line.factors[1] >> cut)
    assert np.abs(sums).max() < 2**31
    if line.is_signed:
        sums = sums + (sums >> 63) + line.addend
    low = -128 if line.low is None else line.low
    high = 127 if line.high is None else line.high
    return np.clip(sums >> line.shift, low, high)


def test_no_line_is_found_where_none_equals_every_output() -> None:
    codes = np.arange(-128, 128, dtype=np.int64)
    exact = (codes[:, None] + codes) >> 1
    pairs = Pairs((0.5, 0.5), (0, 0), np.clip(exact, -128, 127), -128, 127)
    line = find_line(pairs)
    assert line is not None
    assert np.array_equal(line_values(line, codes[:, None], codes), pairs.outputs)
    wrong = pairs.outputs.copy()
    wrong[100, 37] += 1
    assert find_line(Pairs((0.5, 0.5), (0, 0), wrong, -128, 127)) is None


@pytest.mark.parametrize("low", [-128, 0, 127])
def test_clamps_that_leave_one_value_or_half(low: int) -> None:
    codes = np.arange(-128, 128, dtype=np.int64)
    outputs = np.clip(codes[:, None] + codes, low, 127)
    line = find_line(Pairs((1.0, 1.0), (0, 0), outputs, low, 127))
    assert line is not None
    assert np.array_equal(line_values(line, codes[:, None], codes), outputs)
