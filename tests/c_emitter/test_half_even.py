"""Rounding half to even: the C in integers against the interpreter in float32."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_kernel_variants import bench_for, fitting, name_of

from midge.c_emitter import KERNELS, Kernel
from midge.driver import compile_graph
from midge.graph import DType, Quantization, Rounding, interpret, verify
from midge.graph.ops.conversions import Quantize
from midge.graph.requantize import Requantization, quantize_multiplier, requantize
from midge.importers.graph_builder import GraphBuilder
from midge.toolchain import build_host_library
from support.layer_bench import build_layers, unequal_networks, with_rounding
from support.networks import join

SOURCE = """
#include "requantize.h"
void rescale(const int32_t *values, int32_t *scaled, int count, int32_t multiplier, int32_t shift,
             int narrow);
void rescale(const int32_t *values, int32_t *scaled, int count, int32_t multiplier, int32_t shift,
             int narrow) {
    const struct midge_factors factors = {.one_multiplier = multiplier, .base_shift = shift,
                                          .rounding = MIDGE_HALF_EVEN, .narrow = narrow};
    for (int k = 0; k < count; k++) {
        scaled[k] = midge_rescale(values[k], midge_factor_of(&factors, k), &factors);
    }
}
"""
FAR = 2**17
KINDS = {
    *("conv_2d", "depthwise_conv_2d", "fully_connected", "transpose_conv"),
    *("batch_matmul", "mul", "mean"),
}
ROUNDED = [
    kernel
    for kernel in dict.fromkeys(k for kind in sorted(KINDS) for k in KERNELS[kind])
    if kernel.types == (DType.INT8,)
]


@cache
def library() -> Any:
    kernels = resources.files("midge.device") / "kernels"
    sources = {n: (kernels / n).read_text("ascii") for n in ("base.h", "requantize.h")}
    flags = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    path = build_host_library(
        {**sources, "rescale.c": SOURCE}, flags=flags, sanitizers=("undefined",)
    )
    return ctypes.CDLL(str(path))


def on_device(values: Any, scale: np.float32) -> Any:
    """Held at FAR; what may be narrow is computed in both ways."""
    multiplier, shift = quantize_multiplier(float(scale))

    def rescaled(some: Any, *, narrow: bool) -> Any:
        numbers = np.ascontiguousarray(some, np.int32)
        scaled = np.zeros_like(numbers)
        library().rescale(
            *(a.ctypes.data_as(ctypes.c_void_p) for a in (numbers, scaled)),
            *(numbers.size, multiplier, -shift, int(narrow)),
        )
        return np.clip(scaled.astype(np.int64), -FAR, FAR)

    found = rescaled(values, narrow=False)
    if -31 <= shift <= -1:
        fits = np.abs(values) < 2**30
        assert np.array_equal(rescaled(values[fits], narrow=True), found[fits])
    return found


def in_float32(values: Any, scale: np.float32) -> Any:
    return np.clip(np.rint(np.asarray(values).astype(np.float32) * scale), -FAR, FAR)


def near_ties(scale: np.float32, generator: np.random.Generator) -> Any:
    """Sums whose products lie next to a half."""
    halves = generator.integers(-200, 200, 4000) + 0.5
    middle = np.rint(halves / np.float64(scale))
    every = (middle[:, None] + np.arange(-1, 2)).ravel()
    return every[np.abs(every) < 2**31].astype(np.int64)


@settings(deadline=None, max_examples=300)
@given(
    mantissa=st.integers(2**23, 2**24 - 1),
    exponent=st.integers(-54, 5),
    seed=st.integers(0, 2**16),
)
@example(2**23, -24, 0)
@example(2**23, -23, 1)
@example(2**23 + 1, -31, 2)
@example(2**24 - 1, -33, 3)
def test_rescaled_sums_equal_float32_products(mantissa: int, exponent: int, seed: int) -> None:
    scale = np.float32(np.ldexp(float(mantissa), exponent))
    generator = np.random.default_rng(seed)
    everywhere = np.exp2(generator.uniform(0, 31, 500)) * generator.choice([-1, 1], 500)
    values = np.concatenate(
        [
            everywhere.astype(np.int64),
            near_ties(scale, generator),
            [0, 1, -1, 2**31 - 1, -(2**31), 2**24, 2**24 + 1, 2**25 + 2, -(2**24) - 1],
        ]
    )
    expected = in_float32(values, scale)
    assert np.array_equal(on_device(values, scale), expected)
    multiplier, shift = quantize_multiplier(float(scale))
    factor = Requantization(np.int32([multiplier]), np.int32([shift]), Rounding.HALF_EVEN)
    assert np.array_equal(np.clip(requantize(values, factor), -FAR, FAR), expected)


def test_products_that_only_float32_makes_ties_are_met() -> None:
    # 24 bits cannot tell these from a half; a kernel that rounds the exact product fails here.
    generator = np.random.default_rng(0)
    met = 0
    for _ in range(2000):
        scale = np.float32(np.ldexp(float(generator.integers(2**23, 2**24)), -40))
        values = near_ties(scale, generator)
        exact = np.rint(values * np.float64(scale))
        settled = in_float32(values, scale)
        met += int((exact != settled).sum())
        assert np.array_equal(on_device(values, scale), settled)
    assert met > 10


@pytest.mark.parametrize("kernel", ROUNDED, ids=name_of)
def test_kernel_equals_the_interpreter(kernel: Kernel) -> None:
    joined = join([made for made, _ in fitting(kernel, Rounding.HALF_EVEN)])
    graph = with_rounding(joined.graph, Rounding.HALF_EVEN)
    bench = bench_for(ROUNDED.index(kernel), kernel)
    artifact = build_layers(graph, (kernel,) * len(graph.ops), bench)
    assert not unequal_networks(joined, artifact, seeds=range(5))
    assert len(joined.networks) >= 5, "too few cases to say something of this kernel"


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16])
def test_reals_are_rounded_to_even_steps(dtype: DType) -> None:
    b = GraphBuilder()
    halves = (np.arange(-600, 600) / np.float32(8)).astype(np.float32)
    odd = np.float32([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3e38, -3e38, 2**24])
    values = np.concatenate([halves, odd])
    x = b.input("x", values.shape, DType.FLOAT32)
    to = Quantization.per_tensor(0.25, 3)
    y = b.one("y", Quantize(to=dtype, rounding=Rounding.HALF_EVEN), (x,), quantization=to)
    graph = verify(b.graph("net", [x], [y]))
    expected = interpret(graph, {"x": values})["y"]
    low, high = dtype.limits
    steps = np.clip(np.rint(halves * 4) + 3, low, high)
    assert np.array_equal(expected[: halves.size], steps)
    assert expected[halves.size :].tolist() == [3, high, low, 3, 3, high, low, high]
    for core in ("cortex-m0plus", "cortex-m4"):
        found = compile_graph(graph, target=core).run(values)
        assert np.array_equal(np.asarray(found.outputs), expected)
