"""Generated tiles of depthwise convolutions: any shape, number and clamp, in every bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from midge.c_emitter import KERNELS, Kernel, Layer, layers_of
from midge.c_emitter.kernels import depthwise_tiles
from midge.c_emitter.tiles.depthwise_columns import PAIRS
from midge.c_emitter.tiles.rescale import Form
from midge.driver import Artifact, compile_graph
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
from midge.graph.accumulate import accumulator_bounds
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.importers.graph_builder import GraphBuilder
from support.effort import sample_of
from support.layer_bench import Bench, build_layers
from support.tools import EACH_COMPILER

TILES = tuple(k for k in KERNELS["depthwise_conv_2d"] if k.variant.startswith("tiles"))
(DIRECT,) = (k for k in TILES if k.variant == "tiles_direct")
BENCHES = (
    *(Bench("cortex-m4"), Bench("cortex-m33", "gcc"), Bench("cortex-m7")),
    *(Bench("cortex-m4", "gcc"), Bench("cortex-m33"), Bench("cortex-m7", "gcc")),
)
ZEROS = (0, -128, 127, 5, -3, -128)
ACTIVATIONS = (Activation.RELU, Activation.NONE, Activation.RELU6, Activation.RELU_N1_TO_1)
CASES = 160
A_GRAPH = 32
"""Layers that are built into one program."""


def add_layer(b: GraphBuilder, number: int) -> tuple[Tensor, Tensor]:
    """A layer of random shape and numbers, with an input of its own."""
    rng = np.random.default_rng(number)
    channels = int(rng.choice([*range(1, 9), 12, 15, 16, 17, 19, 22, 26, 33, 53, 58, 64, 70]))
    kernel = (3, 3) if number % 3 else tuple(int(k) for k in rng.integers(1, 4, 2))
    stride = (1, 1) if number % 2 else (int(rng.integers(1, 3)), int(rng.integers(1, 4)))
    before = tuple(int(rng.integers(0, k)) for k in kernel)
    after = tuple(int(rng.integers(0, k)) for k in kernel)
    least = [max(k - p - q, 1) for k, p, q in zip(kernel, before, after, strict=True)]
    largest = 3000 // channels
    width = int(rng.integers(least[1], max(min(60 if number % 5 == 0 else 14, largest), 4)))
    height = int(rng.integers(least[0], max(min(14, largest // width), 5)))
    attributes = DepthwiseConv2D(
        stride=stride,
        pad_before=before,
        pad_after=after,
        activation=ACTIVATIONS[number // 2 % 4] if number % 4 else Activation.RELU,
        rounding=Rounding.SINGLE if number % 5 == 1 else Rounding.TFLITE_DOUBLE,
    )
    x_zero, y_zero = ZEROS[number % 6], ZEROS[number // 3 % 6]
    shape = (1 + int(number % 7 == 0), height, width, channels)
    x = b.add(Tensor(f"x{number}", shape, DType.INT8, Quantization.per_tensor(1.0, x_zero)))
    weights = weights_of(rng, (1, *kernel, channels), number)
    spread = (0.2, 1.2, 3.0)[number % 3]
    scales = np.exp2(rng.uniform(-spread, spread, channels)).astype(np.float32)
    quantization = Quantization(scales, np.zeros(channels, np.int64), 3)
    w = b.add(Tensor(f"w{number}", weights.shape, DType.INT8, quantization, weights))
    bias = rng.integers(-5000, 5001, channels).astype(np.int32)
    least_sum, greatest_sum = accumulator_bounds(x, w, None, 3)
    reach = float((np.maximum(-least_sum, greatest_sum) * scales).max())
    gain = float(rng.choice([0.6, 2.0, 20.0]))
    to = Quantization.per_tensor(max(reach, 1.0) / (128 * gain), y_zero)
    inputs = (x, w, b.constant(f"b{number}", bias)) if number % 8 else (x, w)
    return x, b.one(f"y{number}", attributes, inputs, quantization=to)


def weights_of(rng: np.random.Generator, shape: tuple[int, ...], number: int) -> Array:
    match number % 4:
        case 0:
            return rng.choice(np.int8([-128, -127, 127]), shape)
        case 1:
            return np.clip(np.rint(rng.normal(0, 12, shape)), -60, 60).astype(np.int8)
        case _:
            return rng.integers(-127, 128, shape).astype(np.int8)


@cache
def graphs() -> tuple[Graph, ...]:
    """All layers, a graph for each program."""
    found = []
    for first in range(0, CASES, A_GRAPH):
        b = GraphBuilder()
        ends = [add_layer(b, number) for number in range(first, first + A_GRAPH)]
        graph = b.graph(f"rows{first}", *(list(t) for t in zip(*ends, strict=True)))
        found.append(verify(graph))
    return tuple(found)


def part(graph: Graph, kernel: Kernel) -> Graph:
    """The layers that the kernel computes."""
    layers = [layer for layer in layers_of(graph) if kernel.applies(layer)]
    kept = {t.name for layer in layers for t in (*layer.inputs, *layer.outputs) if t is not None}
    return verify(
        replace(
            graph,
            tensors={n: t for n, t in graph.tensors.items() if n in kept},
            ops=tuple(layer.op for layer in layers),
            inputs=tuple(n for n in graph.inputs if n in kept),
            outputs=tuple(n for n in graph.outputs if n in kept),
        )
    )


def samples_of(graph: Graph) -> list[dict[str, Array]]:
    rng = np.random.default_rng(1)
    shapes = {name: graph.tensors[name].shape for name in graph.inputs}
    filled = [{n: np.full(s, value, np.int8) for n, s in shapes.items()} for value in (-128, 127)]
    return [
        *filled,
        {n: rng.choice(np.int8([-128, 127]), s) for n, s in shapes.items()},
        *(
            {n: rng.integers(-128, 128, s).astype(np.int8) for n, s in shapes.items()}
            for _ in range(2)
        ),
    ]


def unequal(graph: Graph, kernel: Kernel, bench: Bench) -> list[str]:
    """Which outputs differ from the interpreter's, and what they are of."""
    artifact = build_layers(graph, (kernel,) * len(graph.ops), bench)
    assert artifact.built.static_bytes == 0, "a kernel has no variables"
    return unequal_outputs(artifact)


def unequal_outputs(artifact: Artifact) -> list[str]:
    graph = artifact.graph
    samples = samples_of(graph)
    runs = artifact.open_machine().run([artifact.to_bytes(s) for s in samples])
    wrong: dict[str, str] = {}
    for sample, run in zip(samples, runs, strict=True):
        device = artifact.from_bytes(run.outputs)
        for name, expected in outputs_of(graph, interpret(graph, sample)).items():
            if not np.array_equal(device[name], expected):
                layer = next(la for la in layers_of(graph) if name in la.op.outputs)
                wrong[name] = f"{layer.input(0).shape}, {layer.input(1).shape}: {layer.op!r}"
    return [f"{name}: {text}" for name, text in wrong.items()]


def layers() -> Iterator[Layer]:
    for graph in graphs():
        yield from layers_of(graph)


@pytest.mark.parametrize("kernel", TILES, ids=lambda k: k.variant)
@pytest.mark.parametrize("number", sample_of(range(CASES // A_GRAPH), 2))
def test_rows_equal_the_interpreter(number: int, kernel: Kernel) -> None:
    graph = part(graphs()[number], kernel)
    assert len(graph.ops) >= A_GRAPH // 4
    assert not unequal(graph, kernel, BENCHES[number % len(BENCHES)])


@pytest.mark.parametrize("cc", EACH_COMPILER)
@pytest.mark.parametrize("level", ["-O0", "-Os"])
def test_rows_are_the_same_at_every_level(level: str, cc: str) -> None:
    b = GraphBuilder()
    ends = [add_layer(b, number) for number in (1, 2, 10)]
    graph = verify(b.graph("levels", [x for x, _ in ends], [y for _, y in ends]))
    artifact = compile_graph(graph, target="cortex-m4", cc=cc, optimisation=level)
    assert {k.variant for k in artifact.choice if k is not None} <= {
        "tiles",
        "tiles_direct",
        "tiles_lean",
    }
    assert not unequal_outputs(artifact)


def test_columns_of_every_number_of_pairs() -> None:
    """Narrow images, so high that a band holds as many pairs as stand side by side."""
    b = GraphBuilder()
    ends = []
    for number, pairs in enumerate(PAIRS):
        channels, steps = (3, 4)[number % 2], pairs - 1
        shape = (1, steps + steps, 1 + number % 3, channels)
        x = b.add(Tensor(f"x{number}", shape, DType.INT8, Quantization.per_tensor(1.0, -7)))
        weights = weights_of(np.random.default_rng(number), (1, 3, 1, channels), 2)
        scales = Quantization(np.ones(channels, np.float32), np.zeros(channels, np.int64), 3)
        w = b.add(Tensor(f"w{number}", weights.shape, DType.INT8, scales, weights))
        attributes = DepthwiseConv2D(
            stride=(1, 1), pad_before=(1, 0), pad_after=(1, 0), rounding=Rounding.SINGLE
        )
        to = Quantization.per_tensor(200.0, 3)
        ends.append((x, b.one(f"y{number}", attributes, (x, w), quantization=to)))
    graph = verify(b.graph("pairs", [x for x, _ in ends], [y for _, y in ends]))
    (kernel,) = (k for k in TILES if k.variant == "tiles")
    names = {kernel.tiles(layer)[0].name for layer in layers_of(graph)}
    assert len(names) > len(PAIRS) // 2
    assert not unequal(graph, kernel, Bench("cortex-m4"))


def test_layers_share_columns() -> None:
    """The function depends on neither shape, channels, group nor zero point."""
    found: dict[str, set[str]] = {}
    for layer in layers():
        if TILES[-1].applies(layer):
            columns, _ = TILES[-1].tiles(layer)
            found.setdefault(columns.name, set()).add(columns.text)
    assert all(len(texts) == 1 for texts in found.values())
    assert len(found) <= 2 * len(PAIRS)


def test_layers_meet_every_form_and_way() -> None:
    """Both row strides, loops over columns, both ways to count rows, every form of rescaling."""
    met = set()
    for layer in layers():
        if not TILES[-1].applies(layer):
            continue
        (*_, rows) = TILES[-1].tiles(layer)
        rescale = depthwise_tiles._numbers_of(layer).rescale
        met |= {rescale.form, f"uniform {rescale.uniform}"}
        met.add("two" if "_two_" in rows.name else "one")
        met.add(f"loop {'4:' in rows.text}")
        met.add(f"doubled {'6:' in rows.text}")
        met.add(f"clamp {rescale.low is not None} {rescale.high is not None}")
    wanted = {Form.PLAIN, Form.CORRECTED_ONE, "one", "two"}
    wanted |= {
        f"{what} {is_so}" for what in ("uniform", "loop", "doubled") for is_so in (True, False)
    }
    assert wanted <= met


def test_layers_meet_every_way_in_place() -> None:
    """Both edges, first sums, loops, two sums at work, every form of rescaling."""
    met = set()
    for layer in layers():
        if not DIRECT.applies(layer):
            continue
        tile = depthwise_tiles._direct_tile(layer)
        (rows,) = DIRECT.tiles(layer)
        met |= {tile.rescale.form, f"uniform {tile.rescale.uniform}", f"third {tile.has_third}"}
        met |= {f"above {tile.above}", f"below {tile.below}", f"outside {len(tile.outside)}"}
        met |= {f"zero {tile.x_zero > 0} {tile.x_zero < 0}", f"loop {'4:' in rows.text}"}
        met.add(f"reaches {max(tile.columns.missing, key=len)}")
    wanted = {Form.PLAIN, Form.CORRECTED_ONE, "outside 2", "zero False False", "zero True False"}
    wanted |= {
        f"{what} {is_so}"
        for what in ("uniform", "third", "above", "below", "loop")
        for is_so in (True, False)
    }
    assert wanted <= met


def test_columns_are_for_what_is_not_read_in_place() -> None:
    """At row stride 2 there is one way."""
    strided = [la for la in layers() if depthwise_tiles._shape(la).window.stride[0] == 2]
    both = [[k.variant for k in TILES if k.applies(layer)] for layer in strided]
    assert ["tiles_lean", "tiles_direct"] in both
    assert ["tiles"] in both
    assert not [variants for variants in both if {"tiles", "tiles_direct"} <= set(variants)]


def test_lean_bands_take_less_memory() -> None:
    fast, lean = (next(k for k in TILES if k.variant == v) for v in ("tiles", "tiles_lean"))

    def memory(kernel: Kernel, layer: Layer) -> int:
        return kernel.scratch_bytes(layer) + max(kernel.overlap(layer, 0) or 0, 0)

    both = [layer for layer in layers() if fast.applies(layer) and lean.applies(layer)]
    lean_bytes, fast_bytes = (sum(memory(k, layer) for layer in both) for k in (lean, fast))
    assert 2 * lean_bytes < fast_bytes
