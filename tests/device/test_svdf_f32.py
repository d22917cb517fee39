"""`svdf_f32.h` without a bias, with which TFLite Micro ends, and where its activations bend."""

from __future__ import annotations

import numpy as np
import pytest

import midge
from midge.driver.compare_layers import unequal_elements
from midge.graph import DType, Graph, Op, Tensor, initial_state, interpret, outputs_of, state_after
from midge.graph.ops.svdf import Svdf, SvdfActivation

FILE = "svdf_f32.h"
"""The kernel, whose mutants these tests judge."""
BATCH, FEATURES, UNITS, RANK, STEPS = 2, 2, 3, 2, 3


def svdf(activation: SvdfActivation, feature: np.ndarray, time: np.ndarray) -> Graph:
    def constant(name: str, data: np.ndarray) -> Tensor:
        return Tensor(name, data.shape, DType.FLOAT32, None, data.astype(np.float32))

    shape = (BATCH, UNITS * RANK * STEPS)
    memory = Tensor("m", shape, DType.FLOAT32, None, np.zeros(shape, np.float32), variable=True)
    attributes = Svdf(rank=RANK, activation=activation)
    tensors = [
        Tensor("x", (BATCH, FEATURES), DType.FLOAT32),
        *(constant("f", feature), constant("t", time), memory),
    ]
    (result,) = attributes.infer(tensors)
    tensors.append(Tensor("y", result.shape, result.dtype))
    op = Op("00_svdf", attributes, ("x", "f", "t", "m"), ("y",))
    return Graph("net", {t.name: t for t in tensors}, (op,), ("x",), ("y",))


def check(graph: Graph, samples: np.ndarray) -> None:
    artifact = midge.compile(graph, target="cortex-m4")
    assert [kernel.source for kernel in artifact.choice if kernel] == [FILE]
    found = artifact.run({"x": samples}).outputs["y"]
    state = initial_state(graph)
    for number, (x, y) in enumerate(zip(samples, found, strict=True)):
        values = interpret(graph, {"x": x}, state)
        state = state_after(graph, values)
        expected = outputs_of(graph, values)["y"]
        assert not unequal_elements(np.ascontiguousarray(y), expected).any(), (number, y, expected)


@pytest.mark.parametrize("activation", SvdfActivation)
def test_sums_without_a_bias(activation: SvdfActivation) -> None:
    rng = np.random.default_rng(1)
    feature = rng.standard_normal((UNITS * RANK, FEATURES))
    time = rng.standard_normal((UNITS * RANK, STEPS))
    check(svdf(activation, feature, time), rng.standard_normal((8, BATCH, FEATURES), np.float32))


@pytest.mark.parametrize("activation", SvdfActivation)
def test_ends_of_the_activations(activation: SvdfActivation) -> None:
    # A sum is the newest value of the unit's first filter, and so an element of the input.
    feature = np.zeros((UNITS * RANK, FEATURES))
    feature[::RANK, 0] = 1
    time = np.zeros((UNITS * RANK, STEPS))
    time[:, -1] = 1
    ends = np.array([0, 1, 6, 1e-45, 3e38, np.inf, np.nan, 0.5, 2, 5.9999995], np.float32)
    near = np.concatenate([ends, np.nextafter(ends, np.float32(9)), np.nextafter(ends, -ends)])
    values = np.concatenate([near, -near])
    samples = np.stack([values, np.zeros_like(values)], axis=-1).reshape(-1, BATCH, FEATURES)
    check(svdf(activation, feature, time), samples)
