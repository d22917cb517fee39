"""int8 pools with the DSP extension: any channels, windows and pads, in every bit."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from midge.c_emitter import KERNELS, layers_of
from midge.graph import (
    Activation,
    Array,
    DType,
    Graph,
    Quantization,
    Tensor,
    interpret,
    outputs_of,
    verify,
)
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.importers.graph_builder import GraphBuilder
from support.effort import sample_of
from support.layer_bench import Bench, build_layers

POOLS = {"average_pool_2d": AveragePool2D, "max_pool_2d": MaxPool2D}
KERNEL_OF = {kind: next(k for k in KERNELS[kind] if k.variant == "dsp") for kind in POOLS}
BENCHES = (Bench("cortex-m4"), Bench("cortex-m33", "gcc"), Bench("cortex-m7"))
ACTIVATIONS = (Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)
A_GRAPH = 32


def add_layer(b: GraphBuilder, kind: str, number: int) -> tuple[Tensor, Tensor]:
    """A pool of random shape, with an input of its own; some windows have 255 taps."""
    rng = np.random.default_rng(number)
    channels = int(rng.choice([1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 16, 20, 23]))
    pixels = [int(n) for n in rng.integers(1, 9, 2)]
    kernel = [int(rng.integers(1, n + 1)) for n in pixels]
    if number % 8 == 0:
        pixels, kernel, channels = [15, 17], [15, 17], 9
    pads = [[int(rng.integers(0, k)) for k in kernel] for _ in range(2)]
    attributes = POOLS[kind](
        kernel=(kernel[0], kernel[1]),
        stride=(int(rng.integers(1, 4)), int(rng.integers(1, 4))),
        pad_before=(pads[0][0], pads[0][1]),
        pad_after=(pads[1][0], pads[1][1]),
        activation=ACTIVATIONS[number % 4],
    )
    same = Quantization.per_tensor(0.05, int(rng.integers(-128, 128)))
    shape = (1 + number % 2, *pixels, channels)
    x = b.add(Tensor(f"x{number}", shape, DType.INT8, same))
    return x, b.one(f"y{number}", attributes, (x,), quantization=same)


@cache
def graph_of(kind: str, first: int) -> Graph:
    b = GraphBuilder()
    ends = [add_layer(b, kind, number) for number in range(first, first + A_GRAPH)]
    return verify(b.graph(f"{kind}_{first}", [x for x, _ in ends], [y for _, y in ends]))


def samples_of(graph: Graph) -> list[dict[str, Array]]:
    rng = np.random.default_rng(1)
    shapes = {name: graph.tensors[name].shape for name in graph.inputs}
    low: dict[str, Array] = {n: np.full(s, -128, np.int8) for n, s in shapes.items()}
    high: dict[str, Array] = {n: np.full(s, 127, np.int8) for n, s in shapes.items()}
    drawn: dict[str, Array] = {
        n: rng.integers(-128, 128, s).astype(np.int8) for n, s in shapes.items()
    }
    return [low, high, drawn]


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("number", sample_of(range(4), 1))
def test_pools_equal_the_interpreter(kind: str, number: int) -> None:
    graph = graph_of(kind, A_GRAPH * number)
    kernel = KERNEL_OF[kind]
    assert all(kernel.applies(layer) for layer in layers_of(graph))
    artifact = build_layers(graph, (kernel,) * len(graph.ops), BENCHES[number % 3])
    assert artifact.built.static_bytes == 0
    samples = samples_of(graph)
    runs = artifact.open_machine().run([artifact.to_bytes(s) for s in samples])
    for sample, run in zip(samples, runs, strict=True):
        device = artifact.from_bytes(run.outputs)
        for name, expected in outputs_of(graph, interpret(graph, sample)).items():
            assert np.array_equal(device[name], expected), name


def test_window_whose_sum_leaves_16_bits_is_left_to_the_portable_kernel() -> None:
    b = GraphBuilder()
    same = Quantization.per_tensor(0.05, 0)
    x = b.add(Tensor("x", (1, 16, 16, 4), DType.INT8, same))
    y = b.one("y", AveragePool2D(kernel=(16, 16)), (x,), quantization=same)
    (layer,) = layers_of(verify(b.graph("wide", [x], [y])))
    assert not KERNEL_OF["average_pool_2d"].applies(layer)
