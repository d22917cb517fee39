"""Functions of int16 at every code there is, in scales that reach every entry of their tables."""

from __future__ import annotations

import numpy as np
import pytest

from midge.graph import Attributes, DType, Graph, Op, Quantization, Tensor, interpret, outputs_of
from midge.graph.ops.elementary_functions import Rsqrt
from midge.graph.ops.logistic_tanh import Logistic, Tanh
from midge.graph.ops.smooth_units import Gelu
from support.host_network import run_on_host

FILES = ("int16_tables.h", "interpolate_s16.h", "logistic_s16.h", "rsqrt_s16.h")
"""The kernels, whose mutants these tests judge."""
CODES = np.arange(-(2**15), 2**15, dtype=np.int16)

ARGUMENT_SCALES = (2.0**-11, 2.0**-12, 0.0007, 2.0**-15, 2.0**-3, 1e-9, 0.7, 0.83, 0.95)
"""Of powers of two and others, to those that shift by one bit or hardly reach the first entry."""


@pytest.mark.parametrize(
    ("function", "scales", "output_scales"),
    [
        (Logistic(), ARGUMENT_SCALES, (2.0**-15,)),
        (Tanh(), ARGUMENT_SCALES, (2.0**-15,)),
        (Rsqrt(), (2.0**-12, 0.3), (2.0**-15, 0.0011, 0.02)),
        # Between 20000 and 20001 steps lies what the root's inverse of 2 is by less than a bit.
        (Rsqrt(), (1.0,), (2.0**-20 * 741455 / (20000.5 + 0.3 / 32),)),
        (Gelu(), (0.0003,), (0.0003, 0.002)),
    ],
    ids=lambda value: value.kind if isinstance(value, Attributes) else "",
)
def test_every_code(
    function: Attributes, scales: tuple[float, ...], output_scales: tuple[float, ...]
) -> None:
    tensors: dict[str, Tensor] = {}
    ops = []
    for scale in scales:
        x = f"x{len(tensors)}"
        tensors[x] = Tensor(x, CODES.shape, DType.INT16, Quantization.per_tensor(scale, 0))
        for output_scale in output_scales:
            y = f"y{len(tensors)}"
            quantization = Quantization.per_tensor(output_scale, 0)
            tensors[y] = Tensor(y, CODES.shape, DType.INT16, quantization)
            ops.append(Op(f"{len(ops):02d}_function", function, (x,), (y,)))
    inputs, outputs = (tuple(n for n in tensors if n[0] == kind) for kind in "xy")
    graph = Graph("net", tensors, tuple(ops), inputs, outputs)
    sample = dict.fromkeys(inputs, CODES)
    expected = outputs_of(graph, interpret(graph, sample))
    found = run_on_host(graph, sample)
    for op in ops:
        (name,) = op.outputs
        unequal = np.flatnonzero(found[name] != expected[name])
        assert not unequal.size, (function, name, CODES[unequal[:3]], found[name][unequal[:3]])
