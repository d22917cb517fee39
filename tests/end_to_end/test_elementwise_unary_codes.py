"""Every code of int8 and int16 through every operator on one tensor, against TFLite Micro.

One network has one input, which holds all codes, and many operators that read it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from midge.graph import interpret, outputs_of
from midge.importers import import_tflite
from midge.synthetic.model_description import Quantization
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.steps.elementwise_unary import add_quantize, add_unary
from midge.synthetic.tflite_writer import write_tflite
from support.host_network import run_on_host
from support.oracle import tflm_outputs

Add = Callable[[NetworkBuilder, str], str]


def q(scale: float, zero_point: int = 0) -> Quantization:
    return Quantization((scale,), (zero_point,))


def codes(dtype: str) -> NDArray[np.generic]:
    info = np.iinfo(dtype)
    return np.arange(info.min, info.max + 1).astype(dtype)


def unary(op: str, output: Quantization, slope: float = 0.1) -> Add:
    return lambda builder, x: add_unary(builder, op, x, output, slope=slope)


def quantize(dtype: str, output: Quantization) -> Add:
    return lambda builder, x: add_quantize(builder, x, dtype, output)


def random_scales(rng: np.random.Generator, low: float, high: float, count: int) -> list[float]:
    return list(np.exp(rng.uniform(np.log(low), np.log(high), count)))


def check(dtype: str, x: Quantization, adds: list[Add]) -> None:
    """Interpreter and TFLite Micro agree on every code; the C on this machine on those of int16.

    What a byte becomes on a device is the interpreter's own table.
    """
    builder = NetworkBuilder(seed=0)
    values = codes(dtype)
    source = builder.input(values.shape, x, dtype)
    outputs = [add(builder, source) for add in adds]
    model = write_tflite(builder.build(outputs))
    graph = import_tflite(model, "codes.tflite")
    ours = outputs_of(graph, interpret(graph, {graph.inputs[0]: values}))
    theirs = tflm_outputs(model, [values])
    answers = {"interpreter": ours}
    if dtype == "int16":
        answers["C"] = run_on_host(graph, {graph.inputs[0]: values})
    for name, expected in zip(graph.outputs, theirs, strict=True):
        for who, answer in answers.items():
            found = answer[name]
            unequal = np.flatnonzero(found != expected)
            assert not unequal.size, (
                f"{who}, {name}, x {x}: code {values[unequal[0]]} gives {found[unequal[0]]}, "
                f"TFLite Micro {expected[unequal[0]]}; {unequal.size} differ"
            )


@pytest.mark.parametrize("zero_point", [-128, -20, 127])
def test_int8(zero_point: int) -> None:
    rng = np.random.default_rng(zero_point + 200)
    for scale in random_scales(rng, 0.003, 0.4, 3):
        x = q(scale, zero_point)
        adds = [unary("LOGISTIC", x), unary("TANH", x), unary("RELU6", x)]
        for y in random_scales(rng, 0.004, 0.4, 6):
            output = q(y, int(rng.integers(-128, 128)))
            # TFLite Micro's factors of hard_swish are under 1.
            output_of_hard_swish = q(max(y, scale / 100), output.zero_point)
            adds += [
                *(unary(op, output) for op in ("RELU", "ELU", "ABS")),
                *(unary("LEAKY_RELU", output, slope) for slope in (0.2, -0.7, 3.0)),
                unary("HARD_SWISH", output_of_hard_swish),
                quantize("int8", output),
                quantize("int16", q(y / 100, -5)),
                quantize("int32", q(y / 1e5, 77)),
                quantize("uint8", q(y, output.zero_point + 128)),
            ]
            if zero_point == -128:
                adds.append(unary("RSQRT", output))
        check("int8", x, adds)


@pytest.mark.parametrize("scale", [1e-10, 3e-7, 0.0051, 1.0, 3.99, 4.0, 15.9, 16.0, 5e3])
def test_int8_logistic_and_tanh_of_extreme_scales(scale: float) -> None:
    for zero_point in (-128, 3, 127):
        x = q(max(scale, 2.0**-28), zero_point)
        check("int8", x, [unary("LOGISTIC", x), unary("TANH", x)])


INT16_SCALES = (
    *(2.0**-12, 2.0**-11, 2.0**-13, 2.0**-4, 1.0006 * 2.0**-12, 0.9994 * 2.0**-11),
    *(1.0008 * 2.0**-12, 0.000321, 0.0017, 1e-9, 2.6),
)


@pytest.mark.parametrize("scale", INT16_SCALES)
def test_int16_logistic_and_tanh(scale: float) -> None:
    x = q(float(np.float32(scale)))
    check("int16", x, [unary("LOGISTIC", x), unary("TANH", x)])


@pytest.mark.parametrize("seed", range(3))
def test_int16(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = q(random_scales(rng, 1e-5, 1e-2, 1)[0])
    adds = [unary("RELU6", x)]
    for y in random_scales(rng, x.scale / 20, x.scale * 20, 3):
        adds += [
            *(unary(op, q(y)) for op in ("RELU", "ABS")),
            *(unary("LEAKY_RELU", q(y), slope) for slope in (0.2, -0.7)),
            quantize("int8", q(y * 256, int(rng.integers(-128, 128)))),
            quantize("int16", q(y, int(rng.integers(-1000, 1000)))),
            quantize("int32", q(y / 300, int(rng.integers(-1000, 1000)))),
        ]
    check("int16", x, adds)


@pytest.mark.parametrize("zero_point", [0, 100, 255])
def test_uint8(zero_point: int) -> None:
    adds = [quantize("int8", q(y, z)) for y in (0.1, 0.033, 0.7) for z in (-128, zero_point - 128)]
    check("uint8", q(0.1, zero_point), adds)


@pytest.mark.parametrize("op", ["GELU", "ELU", "HARD_SWISH", "EXP", "LOG", "RSQRT"])
def test_int16_functions_that_tflite_micro_lacks_are_near_the_reals(op: str) -> None:
    values = codes("int16")
    builder = NetworkBuilder(seed=0)
    x = q(0.0002)
    source = builder.input(values.shape, x, "int16")
    scale = {"EXP": 0.025, "RSQRT": 0.002}.get(op, 0.0003)
    add = partial(add_unary, builder, op, source, q(scale))
    graph = import_tflite(write_tflite(builder.build([add()])), "codes.tflite")
    (ours,) = outputs_of(graph, interpret(graph, {graph.inputs[0]: values})).values()
    (device,) = run_on_host(graph, {graph.inputs[0]: values}).values()
    assert np.array_equal(ours, device)
    real = values * x.scale
    exact = {
        "GELU": lambda v: v / 2 * (1 + np.tanh(0.7978845608 * (v + 0.044715 * v**3))),
        "ELU": lambda v: np.where(v < 0, np.expm1(np.minimum(v, 0)), v),
        "HARD_SWISH": lambda v: v * np.clip(v + 3, 0, 6) / 6,
        "EXP": np.exp,
        "LOG": lambda v: np.log(np.maximum(v, 1e-9)),
        "RSQRT": lambda v: 1 / np.sqrt(np.maximum(v, 1e-9)),
    }[op](real)
    wanted = np.clip(exact / scale, -32768, 32767)
    # A straight line strays at a bend, as TFLite's does: those of hard_swish, and near zero.
    bent = {
        "HARD_SWISH": np.abs(np.abs(real) - 3) < 0.05,
        "LOG": values < 1000,
        "RSQRT": values < 1,
    }.get(op, np.zeros(values.shape, bool))
    wrong = np.abs(ours - wanted)[~bent]
    assert wrong.max() < {"EXP": 8, "GELU": 4, "LOG": 20}.get(op, 2)
