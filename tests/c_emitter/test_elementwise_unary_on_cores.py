"""Odd floats and every cast on emulated cores: what a core, or its soft-float library, makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from midge.c_emitter import choose_kernels
from midge.driver.compare_layers import unequal_elements
from midge.graph import Attributes, DType, Graph, Op, Quantization, Tensor, interpret, verify
from midge.graph.ops.conversions import Cast, Quantize
from midge.graph.ops.elementary_functions import Cos, Exp, Log, Rsqrt, Sin, Sqrt, Square
from midge.graph.ops.logistic_tanh import Logistic, Tanh
from midge.graph.ops.rectifiers import LeakyRelu, Relu6
from midge.graph.ops.sign_and_rounding import Abs, Ceil, Floor, Neg, Round
from midge.graph.ops.smooth_units import Elu, Gelu, HardSwish
from support.layer_bench import Bench, build_layers
from support.tools import GCC

TYPES = tuple(t for t in DType if t is not DType.INT4)
FUNCTIONS: tuple[Attributes, ...] = (
    *(Relu6(), LeakyRelu(alpha=-2.0), Elu(), Gelu(), Gelu(approximate=True), HardSwish()),
    *(Logistic(), Tanh(), Exp(), Log(), Sqrt(), Rsqrt(), Square(), Sin(), Cos()),
    *(Abs(), Neg(), Floor(), Ceil(), Round(), *(Cast(to=to) for to in TYPES)),
)
FLOATS = (
    *(0.0, 1e-45, 1e-38, 3e-20, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 3.0, 6.0, 9.5, 100.25, 8388606.5),
    *(127.5, 128.0, 32768.0, 2.0**31, 2.0**63, 1e19, 3e38, np.inf, np.nan),
)
INTEGERS = (0, 1, 127, 2**15, 2**24 + 1, 2**24 + 3, 2**31 - 1, 2**40 + 12345, 2**63 - 1)


def add(parts: list[tuple[Tensor, Attributes, Quantization | None]]) -> Graph:
    tensors: dict[str, Tensor] = {}
    ops = []
    for number, (x, attributes, quantization) in enumerate(parts):
        (result,) = attributes.infer([x])
        name = f"y{number}"
        tensors |= {x.name: x, name: Tensor(name, result.shape, result.dtype, quantization)}
        ops.append(Op(f"{number:02d}_{attributes.kind}", attributes, (x.name,), (name,)))
    inputs = tuple(dict.fromkeys(x.name for x, _, _ in parts))
    outputs = tuple(name for name in tensors if name.startswith("y"))
    return verify(Graph("net", tensors, tuple(ops), inputs, outputs))


@pytest.mark.parametrize(
    "bench",
    [Bench("cortex-m0plus"), Bench("cortex-m4"), Bench("rv32imc", GCC), Bench("cortex-m7", GCC)],
    ids=str,
)
def test_odd_floats_and_long_integers(bench: Bench) -> None:
    floats = np.array([*FLOATS, *(-v for v in FLOATS)], np.float32)
    longs = np.array([*INTEGERS, *(-v for v in INTEGERS)], np.int64)
    x = Tensor("x", floats.shape, DType.FLOAT32)
    n = Tensor("n", longs.shape, DType.INT64)
    scale = Quantization.per_tensor(0.1, -3)
    parts = [(x, function, None) for function in FUNCTIONS]
    parts += [(n, Cast(to=to), None) for to in TYPES]
    parts += [(x, Quantize(to=to), scale) for to in (DType.INT8, DType.INT16)]
    graph = add(parts)
    artifact = build_layers(graph, choose_kernels(graph, frozenset()), bench)
    sample = {"x": floats, "n": longs}
    (run,) = artifact.open_machine().run([artifact.to_bytes(sample)])
    found, expected = artifact.from_bytes(run.outputs), interpret(graph, sample)
    for op in graph.ops:
        (name,) = op.outputs
        unequal = np.flatnonzero(unequal_elements(found[name], expected[name]))
        values = sample[op.inputs[0]]
        assert not unequal.size, (
            f"{op.attributes}: {values[unequal[0]]!r} gives {found[name][unequal[0]]!r}, "
            f"expected {expected[name][unequal[0]]!r}"
        )
