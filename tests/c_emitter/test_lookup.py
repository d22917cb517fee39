"""The kernel of lookup on emulated cores, its input as near as it promises."""

from __future__ import annotations

import numpy as np
import pytest

from midge.c_emitter import KERNELS, Kernel, Layer, layers_of
from midge.graph import DType, Graph, Quantization, interpret, outputs_of, verify
from midge.graph.ops.lookup import Lookup
from midge.importers.graph_builder import GraphBuilder
from support.layer_bench import Bench, Distance, build_layers, promised
from support.tools import GCC

(KERNEL,) = KERNELS["lookup"]
SHAPES = ((1,), (3,), (4,), (2, 256), (256,), (5, 7, 3))
BENCHES = (Bench("cortex-m0plus"), Bench("cortex-m4"), Bench("rv32imc", GCC))


def tables() -> Graph:
    """A layer of each shape."""
    b, random = GraphBuilder(), np.random.default_rng(0)
    ends = [Quantization.per_tensor(0.5, 3), Quantization.per_tensor(0.1, -9)]
    inputs, outputs = [], []
    for number, shape in enumerate(SHAPES):
        x = b.input(f"x{number}", shape, DType.INT8)
        b.tensors[x.name] = x = type(x)(x.name, x.shape, x.dtype, ends[0])
        table = b.constant(f"table{number}", random.permutation(np.arange(-128, 128)).astype("i1"))
        inputs.append(x)
        outputs.append(b.one(f"y{number}", Lookup(), (x, table), quantization=ends[1]))
    return verify(b.graph("tables", inputs, outputs))


def unequal(bench: Bench, distance: Distance = promised) -> list[str]:
    graph, random = tables(), np.random.default_rng(1)
    artifact = build_layers(graph, (KERNEL,) * len(graph.ops), bench, distance)
    samples = [
        {n: random.integers(-128, 128, graph.tensors[n].shape).astype("i1") for n in graph.inputs}
        for _ in range(3)
    ]
    runs = artifact.open_machine().run([artifact.to_bytes(s) for s in samples])
    wrong = []
    for sample, run in zip(samples, runs, strict=True):
        found = artifact.from_bytes(run.outputs)
        for name, expected in outputs_of(graph, interpret(graph, sample)).items():
            wrong += [name] if not np.array_equal(found[name], expected) else []
    return wrong


@pytest.mark.parametrize("bench", BENCHES, ids=lambda b: b.core)
def test_it_equals_the_interpreter(bench: Bench) -> None:
    assert not unequal(bench)


def broken_promise(kernel: Kernel, layer: Layer, index: int) -> int | None:
    distance = kernel.overlap(layer, index)
    return None if distance is None else distance - 8


def test_an_input_that_stands_too_near_is_caught() -> None:
    assert unequal(Bench("cortex-m4"), broken_promise)


def test_only_the_codes_may_lie_under_the_output() -> None:
    layers = layers_of(tables())
    assert [KERNEL.overlap(layer, 0) for layer in layers] == [0] * len(SHAPES)
    assert all(KERNEL.overlap(layer, 1) is None for layer in layers)
