"""Kernels of one tensor's elements where networks seldom lead: odd floats, every cast, both roundings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from midge.c_emitter import choose_kernels
from midge.driver.compare_layers import unequal_elements
from midge.errors import UnsupportedError
from midge.graph import (
    Attributes,
    DType,
    Graph,
    Op,
    Quantization,
    Rounding,
    Tensor,
    interpret,
    outputs_of,
)
from midge.graph.ops.conversions import QUANTIZED_TO, Cast, Dequantize, Quantize
from midge.graph.ops.elementary_functions import Cos, Exp, Log, Rsqrt, Sin, Sqrt, Square
from midge.graph.ops.logistic_tanh import Logistic, Tanh
from midge.graph.ops.rectifiers import LeakyRelu, Relu, Relu6, ReluN1To1
from midge.graph.ops.sign_and_rounding import Abs, Ceil, Floor, Neg, Round
from midge.graph.ops.smooth_units import Elu, Gelu, HardSwish
from support.host_network import run_on_host

Array = NDArray[np.generic]
FILES = ("cast.h", "piecewise_linear.h", "quantize_f32.h", "unary_f32.h")
"""The kernels, whose mutants these tests judge."""
TYPES = tuple(t for t in DType if t is not DType.INT4)


def odd_floats() -> NDArray[np.float32]:
    """Zeros, halves, ends of integer types, denormals, infinities, NaN, and their neighbours."""
    powers = 2.0 ** np.arange(-149, 128)
    halves = np.arange(-9, 10) / 2
    ends = [127, 128, 255, 256, 32767, 32768, 2.0**31, 2.0**32, 2.0**63, 2.0**64, 9.0, 16.619]
    plain = np.concatenate([powers, halves, ends, [0.0, np.inf, np.nan, 3e38]]).astype(np.float32)
    with np.errstate(over="ignore"):
        near = [np.nextafter(plain, np.float32(t)) for t in (np.inf, -np.inf)]
    every = np.concatenate([plain, *near])
    return np.concatenate([every, -every]).astype(np.float32)


def values_of(dtype: DType) -> Array:
    """Elements of a type, its ends among them."""
    if dtype is DType.FLOAT32:
        return odd_floats()
    if dtype is DType.BOOL:
        return np.array([False, True])
    low, high = dtype.limits
    rng = np.random.default_rng(dtype.size_bits)
    drawn = rng.integers(low, high, 500, endpoint=True, dtype=dtype.numpy)
    near = [low, low + 1, -1, 0, 1, 2**24 + 1, 2**24 + 3, high - 1, high]
    return np.concatenate([drawn, [v for v in near if low <= v <= high]]).astype(dtype.numpy)


def network(x: Tensor, parts: list[tuple[Attributes, Quantization | None]]) -> Graph:
    """Operators side by side that all read x."""
    tensors = {x.name: x}
    ops = []
    for number, (attributes, quantization) in enumerate(parts):
        (result,) = attributes.infer([x])
        name = f"y{number}"
        tensors[name] = Tensor(name, result.shape, result.dtype, quantization)
        ops.append(Op(f"{number:02d}_{attributes.kind}", attributes, (x.name,), (name,)))
    return Graph("net", tensors, tuple(ops), (x.name,), tuple(tensors)[1:])


def check(graph: Graph, values: Array) -> None:
    sample = {graph.inputs[0]: values}
    expected = outputs_of(graph, interpret(graph, sample))
    found = run_on_host(graph, sample)
    for op in graph.ops:
        (name,) = op.outputs
        unequal = np.flatnonzero(unequal_elements(found[name], expected[name]))
        assert not unequal.size, (
            f"{op.attributes}: {values[unequal[0]]!r} gives {found[name][unequal[0]]!r}, "
            f"expected {expected[name][unequal[0]]!r}"
        )


FUNCTIONS: tuple[Attributes, ...] = (
    *(Relu(), Relu6(), ReluN1To1(), LeakyRelu(alpha=0.3), LeakyRelu(alpha=-2.0)),
    *(Elu(), Gelu(), Gelu(approximate=True), HardSwish(), Logistic(), Tanh()),
    *(Exp(), Log(), Sqrt(), Rsqrt(), Square(), Sin(), Cos()),
    *(Abs(), Neg(), Floor(), Ceil(), Round()),
)


def test_functions_of_odd_floats() -> None:
    values = odd_floats()
    x = Tensor("x", values.shape, DType.FLOAT32)
    check(network(x, [(f, None) for f in FUNCTIONS]), values)


def test_quantize_of_odd_floats() -> None:
    values = odd_floats()
    x = Tensor("x", values.shape, DType.FLOAT32)
    parts = [
        (Quantize(to=to), Quantization.per_tensor(scale, zero_point))
        for to in QUANTIZED_TO[DType.FLOAT32]
        for scale in (1.0, 0.1, 1e-38, 1e30)
        for zero_point in (*to.limits, 3)
    ]
    check(network(x, list(parts)), values)


@pytest.mark.parametrize("source", TYPES, ids=lambda t: t.value)
def test_casts_from_a_type_to_every_other(source: DType) -> None:
    values = values_of(source)
    x = Tensor("x", values.shape, source)
    check(network(x, [(Cast(to=to), None) for to in TYPES]), values)


@pytest.mark.parametrize("rounding", [Rounding.TFLITE_DOUBLE, Rounding.SINGLE])
@pytest.mark.parametrize("source", [t for t in QUANTIZED_TO if t is not DType.FLOAT32])
def test_rescaling_with_either_rounding(source: DType, rounding: Rounding) -> None:
    values = values_of(source)
    x = Tensor("x", values.shape, source, Quantization.per_tensor(0.1, 5))
    # An int32 that grows has no kernel of the single rounding.
    parts = [
        (Quantize(to=to, rounding=rounding), Quantization.per_tensor(scale, zero_point))
        for to in QUANTIZED_TO[source]
        for scale in (1e-8, 0.0071, 0.1, 0.93, 2.0, 3e4)
        for zero_point in to.limits
        if to is not DType.INT32 or rounding is Rounding.TFLITE_DOUBLE or scale > 0.1
    ]
    check(network(x, list(parts)), values)


@pytest.mark.parametrize("rounding", [Rounding.TFLITE_DOUBLE, Rounding.SINGLE])
@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16])
def test_bends_with_either_rounding(dtype: DType, rounding: Rounding) -> None:
    values = values_of(dtype)
    x = Tensor("x", values.shape, dtype, Quantization.per_tensor(0.01, 0))
    bends: tuple[Attributes, ...] = (
        *(Relu(), Relu6(), ReluN1To1(), LeakyRelu(alpha=0.3), LeakyRelu(alpha=-2.0)),
        *(Abs(), Neg()),
    )
    parts = [
        (replace(bend, rounding=rounding), Quantization.per_tensor(scale, 0))  # type: ignore[call-arg]
        for bend in bends
        for scale in (1e-6, 0.0047, 0.01, 0.3)
    ]
    check(network(x, list(parts)), values)


def test_int32_that_grows_has_no_kernel_of_the_single_rounding() -> None:
    x = Tensor("x", (3,), DType.INT8, Quantization.per_tensor(0.1, 0))
    quantize = Quantize(to=DType.INT32, rounding=Rounding.SINGLE)
    graph = network(x, [(quantize, Quantization.per_tensor(0.01, 0))])
    with pytest.raises(UnsupportedError, match=r"net: no kernel computes 1 of its layers:\n  00_"):
        choose_kernels(graph, frozenset())


def test_constant_input_stands_in_flash() -> None:
    held = np.array([-7, 0, 9], np.int8)
    scale = Quantization.per_tensor(0.5, 1)
    tensors = {
        "c": Tensor("c", (3,), DType.INT8, scale, held),
        "x": Tensor("x", (3,), DType.INT8, scale),
        "y": Tensor("y", (3,), DType.FLOAT32),
        "z": Tensor("z", (3,), DType.INT8, scale),
    }
    ops = (Op("a", Dequantize(), ("c",), ("y",)), Op("b", Relu(), ("x",), ("z",)))
    graph = Graph("net", tensors, ops, ("x",), ("y", "z"))
    found = run_on_host(graph, {"x": held})
    assert found["y"].tolist() == [-4.0, -0.5, 4.0]
    assert found["z"].tolist() == [1, 1, 9]
