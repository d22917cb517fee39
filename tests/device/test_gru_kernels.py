"""Quantised gru layers whose output shows the last bits of their hidden state."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import midge
from midge.graph import DType, Graph, Quantization, Rounding, Tensor, verify
from midge.graph.ops.gru import HIDDEN_SCALE, Gru
from midge.importers.graph_builder import GraphBuilder
from support.state_on_host import Stream, on_host

FILES = ("gru.h", "gru_s8.h", "gru_s16.h", "gru_s8_dsp.h")
"""The kernels, whose mutants these tests judge."""
Array = NDArray[np.generic]
STEPS, FEATURES, UNITS = 40, 3, 9


def gru(
    dtype: DType, *, linear_before_reset: bool, has_bias: bool, coarse_recurrence: bool = False
) -> Graph:
    """One layer whose new gate stays small, and so does its state; y has the state's scale.

    With coarse_recurrence a unit of the gates' recurrent sums is more than a step of their table.
    """
    rng = np.random.default_rng(int(linear_before_reset))
    builder = GraphBuilder()
    codes = Quantization.per_tensor(0.02 if dtype is DType.INT8 else 2.0**-14, 0)
    x = builder.add(Tensor("x", (1, STEPS, FEATURES), dtype, codes))
    per_tensor = Quantization.per_tensor(0.004, 0)
    constants = []
    for name, count in (("w", FEATURES), ("r", UNITS)):
        stored = rng.integers(-127, 128, (3 * UNITS, count)).astype(np.int8)
        stored[2 * UNITS :] //= 100
        scale = per_tensor
        if coarse_recurrence and name == "r":
            stored = np.sign(stored)
            stored[2 * UNITS :] = 0
            scale = Quantization.per_tensor(4.0, 0)
        constants.append(builder.constant(name, stored, scale))
    bias = rng.integers(-9, 10, 3 * UNITS).astype(np.int32)
    recurrent_bias = builder.constant("c", bias) if has_bias else None
    operands = [x, *constants, builder.constant("b", bias), recurrent_bias, None]
    operator = Gru(
        linear_before_reset=linear_before_reset, stateful=False, rounding=Rounding.TFLITE_DOUBLE
    )
    y = builder.one("y", operator, operands, quantization=Quantization.per_tensor(HIDDEN_SCALE, 0))
    return verify(builder.graph("net", [x], [y]))


def samples(dtype: DType) -> Array:
    """Twenty inputs."""
    shape = (20, 1, STEPS, FEATURES)
    low, high = dtype.limits
    return np.random.default_rng(1).integers(low, high + 1, shape).astype(dtype.numpy)


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("linear_before_reset", [True, False])
@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16])
def test_last_bits_of_the_state(dtype: DType, linear_before_reset: bool, has_bias: bool) -> None:
    graph = gru(dtype, linear_before_reset=linear_before_reset, has_bias=has_bias)
    machine = on_host(graph)
    arena, state, stream = machine.new_arena(), machine.new_state(), Stream(graph)
    machine.init(arena.address, state.address)
    for x in samples(dtype):
        (found,), (expected,) = machine.infer(arena, state, {"x": x}), stream.next({"x": x})
        assert np.array_equal(found, expected), (found, expected)
    assert np.unique(found).size > 20


@pytest.mark.parametrize("coarse_recurrence", [False, True])
@pytest.mark.parametrize("linear_before_reset", [True, False])
def test_last_bits_of_the_state_with_dsp(
    linear_before_reset: bool, coarse_recurrence: bool
) -> None:
    graph = gru(
        DType.INT8,
        linear_before_reset=linear_before_reset,
        has_bias=False,
        coarse_recurrence=coarse_recurrence,
    )
    artifact = midge.compile(graph, target="cortex-m4")
    assert [kernel.source for kernel in artifact.choice if kernel] == ["gru_s8_dsp.h"]
    found = artifact.run({"x": samples(DType.INT8)}).outputs["y"]
    stream = Stream(graph)
    for x, y in zip(samples(DType.INT8), found, strict=True):
        (expected,) = stream.next({"x": x})
        assert np.array_equal(y.reshape(expected.shape), expected), (y, expected)
