"""Fully connected layers of int4 with a scale for each output, which no ``.tflite`` file has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.c_emitter import KERNELS
from midge.graph import DType, Quantization, Tensor, interpret, outputs_of, verify
from midge.graph.ops.fully_connected import FullyConnected
from midge.importers.graph_builder import GraphBuilder
from support.layer_bench import Bench, build_layers

FILE = "fully_connected_s8_s4_dsp.h"
"""The kernel, whose mutants this test judges."""
Array = NDArray[np.generic]


def test_every_output_has_its_own_scale() -> None:
    rng = np.random.default_rng(0)
    builder = GraphBuilder()
    ends: list[tuple[Tensor, Tensor]] = []
    for outputs, features in ((4, 24), (5, 16), (1, 8), (6, 680)):
        name = f"{outputs}_{features}"
        # Outputs stand far apart, so that one in another's place is another number.
        scales = (0.01 * 3.0 ** np.arange(outputs)).astype(np.float32)
        per_output = Quantization(scales, np.zeros(outputs, np.int64), 0)
        stored = rng.choice(np.int8([-8, -1, 3, 7]), (outputs, features))
        x = Tensor(f"x_{name}", (2, features), DType.INT8, Quantization.per_tensor(0.1, -4))
        x = builder.add(x)
        w = builder.add(Tensor(f"w_{name}", stored.shape, DType.INT4, per_output, stored))
        b = builder.constant(f"b_{name}", rng.integers(-300, 300, outputs).astype(np.int32))
        to = Quantization.per_tensor(float(scales[-1] * features**0.5), 9)
        ends.append((x, builder.one(f"y_{name}", FullyConnected(), (x, w, b), quantization=to)))
    graph = verify(builder.graph("layers", [x for x, _ in ends], [y for _, y in ends]))
    (kernel,) = (k for k in KERNELS["fully_connected"] if k.source == FILE)
    artifact = build_layers(graph, (kernel,) * len(ends), Bench("cortex-m4"))
    sample: dict[str, Array] = {
        n: rng.integers(-128, 128, graph.tensors[n].shape).astype(np.int8) for n in graph.inputs
    }
    (run,) = artifact.open_machine().run([artifact.to_bytes(sample)])
    found = artifact.from_bytes(run.outputs)
    for name, expected in outputs_of(graph, interpret(graph, sample)).items():
        np.testing.assert_array_equal(found[name], expected, err_msg=name)
