"""Kernels that round half to even: the C in integers against the interpreter in float32."""

from __future__ import annotations

import numpy as np
import pytest
from test_kernel_variants import bench_for, name_of, networks_for

from midge.c_emitter import KERNELS, Kernel
from midge.driver import compile_graph
from midge.graph import DType, Quantization, Rounding, interpret, verify
from midge.graph.ops.conversions import Quantize
from midge.importers.graph_builder import GraphBuilder
from support.layer_bench import build_layers, unequal_networks, with_rounding
from support.networks import join

KINDS = {
    *("conv_2d", "depthwise_conv_2d", "fully_connected", "transpose_conv"),
    *("batch_matmul", "mul", "mean"),
}
ROUNDED = [
    kernel
    for kernel in dict.fromkeys(k for kind in sorted(KINDS) for k in KERNELS[kind])
    if kernel.types == (DType.INT8,) and kernel.rank < 19 and not kernel.variant.startswith("tiles")
]
"""Generated tiles and Helium have no such rounding: `Kernel.applies` says so."""


@pytest.mark.parametrize("kernel", ROUNDED, ids=name_of)
def test_kernel_equals_the_interpreter(kernel: Kernel) -> None:
    joined = join(networks_for(kernel, Rounding.HALF_EVEN))
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
