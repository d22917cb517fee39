"""Division where no network that TFLite Micro takes leads: by zero, by minus one, by every code."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest
from numpy.typing import NDArray

from midge.graph import Activation, DType, Graph, Op, Quantization, Tensor, interpret, outputs_of
from midge.graph.ops.div import Div
from support.host_network import run_on_host

Array = NDArray[np.generic]
FILES = ("arithmetic_s32.h", "div_s8.h")
"""The kernels, whose mutants these tests judge."""


def quotients(a: Tensor, b: Tensor, outputs: list[tuple[Div, Quantization | None]]) -> Graph:
    """Divisions of the same two tensors side by side."""
    tensors, ops = {a.name: a, b.name: b}, []
    for number, (division, quantization) in enumerate(outputs):
        (result,) = division.infer([a, b])
        name = f"y{number}"
        tensors[name] = Tensor(name, result.shape, result.dtype, quantization)
        ops.append(Op(f"{number:02d}_div", division, (a.name, b.name), (name,)))
    return Graph("net", tensors, tuple(ops), (a.name, b.name), tuple(tensors)[2:])


def check(graph: Graph, a: Array, b: Array) -> None:
    sample = dict(zip(graph.inputs, (a, b), strict=True))
    expected = outputs_of(graph, interpret(graph, sample))
    found = run_on_host(graph, sample)
    for name in graph.outputs:
        np.testing.assert_array_equal(found[name], expected[name], name)


def test_plain_int32() -> None:
    ends = (-(2**31), -(2**31) + 1, 2**31 - 1)
    numbers = np.array([*ends, *range(-9, 10), 1000003, -77777], np.int32)
    a, b = (g.reshape(-1).copy() for g in np.meshgrid(numbers, numbers))
    tensors = (Tensor(name, a.shape, DType.INT32) for name in "ab")
    clamps = [(Div(activation=activation), None) for activation in Activation]
    check(quotients(*tensors, clamps), a, b)


@pytest.mark.parametrize("zeros", [(-3, 11), (-128, 127)])
def test_every_pair_of_int8_codes(zeros: tuple[int, int]) -> None:
    codes = np.arange(-128, 128, dtype=np.int8)
    a, b = (g.reshape(-1).copy() for g in np.meshgrid(codes, codes))
    tensors = (
        Tensor(name, a.shape, DType.INT8, Quantization.per_tensor(1.0, zero))
        for name, zero in zip("ab", zeros, strict=True)
    )
    # From quotients that all clamp to those of which nothing is left. In one of them -1 / 31 is so
    # near to a tie that a bit of the dividend's headroom decides it.
    telling = 0.0009086778736673295
    scales = (2.5e-7, 3e-5, 0.007, 0.03, telling, 0.9, 1.0, 300.0, 2.0**22, 2.0**31, 2.0**36)
    zero_points, activations = cycle((5, -128)), cycle(Activation)
    outputs = [
        (Div(activation=activation), Quantization.per_tensor(scale, zero_point))
        for scale, zero_point, activation in zip(scales, zero_points, activations, strict=False)
    ]
    check(quotients(*tensors, outputs), a, b)
