"""Networks of one operator that .tflite files do not have: made as graphs, with samples of extremes.

Each case has one operator `y = op(x, ...)` and constants of its own. `join_layers` sets cases side by
side, as `support.networks.join` does with files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from midge.graph import Attributes, DType, Graph, Op, Quantization, Rounding, Tensor, verify
from midge.graph.ops.gru import HIDDEN_SCALE, Gru
from midge.graph.ops.layer_norm import LayerNorm, sum_scale
from midge.graph.ops.lstm import Lstm
from midge.graph.ops.sigmoid_units import Erf, HardSigmoid, Mish, Silu, Softplus
from midge.importers.graph_builder import GraphBuilder

Array = NDArray[np.generic]
FLOAT, INT8, INT16 = DType.FLOAT32, DType.INT8, DType.INT16
UNITS: tuple[Attributes, ...] = (
    *(Silu(), Mish(), Softplus(), Erf(), HardSigmoid(), HardSigmoid(alpha=0.2)),
    HardSigmoid(alpha=-1.5, beta=2.0),
)
HIDDEN = Quantization.per_tensor(HIDDEN_SCALE, 0)
ODD_FLOATS = (
    *(0.0, -0.0, 1e-45, 1e-38, 1e-20, 0.3, -0.3, 0.5, 1.0, -1.0, 2.5, -3.0, 6.0, 19.9, 20.0, -90.0),
    *(88.0, 100.25, -104.0, 3e38, -3e38, np.inf, -np.inf, np.nan),
)


@dataclass(frozen=True, eq=False)
class Case:
    """One operator with its tensors.

    Attributes:
        name: Unique; says what is tried.
        graph: Verified.
    """

    name: str
    graph: Graph

    @property
    def dtype(self) -> DType:
        """Of the operator's first input."""
        return self.graph.tensors[self.graph.ops[0].inputs[0]].dtype

    def sample(self, seed: int) -> dict[str, Array]:
        """Inputs: seed 0 all zeros, 1 and 2 the ends of the type, then random ones."""
        rng = np.random.default_rng([seed, len(self.name)])
        return {n: _values(self.graph.tensors[n], seed, rng) for n in self.graph.inputs}


def _values(x: Tensor, seed: int, rng: np.random.Generator) -> Array:
    if x.dtype is FLOAT:
        values = rng.normal(0, (1, 1, 0.01, 30)[seed % 4], x.shape) * min(seed, 1)
        return values.astype(np.float32)
    low, high = x.dtype.limits
    if seed == 0:
        return np.full(x.shape, x.zero_point, x.dtype.numpy)
    if seed == 1:
        return np.full(x.shape, low, x.dtype.numpy)
    if seed == 2:
        return rng.choice([low, high], x.shape).astype(x.dtype.numpy)
    if seed == 3:
        return (x.zero_point + rng.integers(0, 2, x.shape)).clip(low, high).astype(x.dtype.numpy)
    return rng.integers(low, high, x.shape, endpoint=True).astype(x.dtype.numpy)


def graph_of(add: Callable[[GraphBuilder], tuple[Sequence[Tensor], Tensor]], name: str) -> Graph:
    """What `add` builds; it returns inputs and output."""
    builder = GraphBuilder()
    inputs, y = add(builder)
    return verify(builder.graph(name, inputs, [y]))


def join_layers(cases: Sequence[Case], name: str = "joined") -> Graph:
    """Cases side by side in one graph; names stand behind the case's and a slash."""
    tensors: dict[str, Tensor] = {}
    ops: list[Op] = []
    inputs: list[str] = []
    outputs: list[str] = []
    for case in cases:
        part = case.graph

        def named(tensor: str, prefix: str = case.name) -> str:
            return f"{prefix}/{tensor}" if tensor else ""

        ops += [
            replace(
                op,
                name=named(op.name),
                inputs=tuple(map(named, op.inputs)),
                outputs=tuple(map(named, op.outputs)),
            )
            for op in part.ops
        ]
        tensors |= {named(n): replace(t, name=named(n)) for n, t in part.tensors.items()}
        inputs += map(named, part.inputs)
        outputs += map(named, part.outputs)
    return verify(Graph(name, tensors, tuple(ops), tuple(inputs), tuple(outputs)))


def joined_sample(cases: Sequence[Case], seed: int) -> dict[str, Array]:
    """Each case's own inputs for this seed."""
    return {f"{c.name}/{n}": value for c in cases for n, value in c.sample(seed).items()}


# ---- functions of one element --------------------------------------------------------------------


@cache
def unit_cases() -> tuple[Case, ...]:
    """Every function of one element, of each type."""
    scales: dict[DType, tuple[tuple[float, int, float, int], ...]] = {
        FLOAT: ((1.0, 0, 1.0, 0),),
        INT8: ((0.05, -3, 0.04, 11), (0.3, 100, 0.02, -128), (2.0, 0, 3.0, 127)),
        INT16: ((2.0**-12, 0, 2.0**-13, 0), (0.01, 0, 0.0001, 0)),
    }
    cases = []
    for number, unit in enumerate(UNITS):
        for dtype, quantizations in scales.items():
            for which, (*x, y, zero) in enumerate(quantizations):
                name = f"{unit.kind}_{number}_{dtype.value}_{which}"
                cases.append(Case(name, _unit(unit, dtype, (x[0], int(x[1])), (y, zero), name)))
    return tuple(cases)


def _unit(
    unit: Attributes, dtype: DType, x: tuple[float, int], y: tuple[float, int], name: str
) -> Graph:
    def quantized(pair: tuple[float, int]) -> Quantization | None:
        return None if dtype is FLOAT else Quantization.per_tensor(*pair)

    def add(builder: GraphBuilder) -> tuple[Sequence[Tensor], Tensor]:
        source = builder.add(Tensor("x", (2, 131), dtype, quantized(x)))
        return [source], builder.one("y", unit, [source], quantization=quantized(y))

    return graph_of(add, name)


# ---- layer_norm ----------------------------------------------------------------------------------


@cache
def layer_norm_cases() -> tuple[Case, ...]:
    """Lengths from one on, with and without constants, scales that saturate, both roundings."""
    cases = []
    rows = (
        # length, epsilon, scale of x, scale of y, gamma, beta, rounding
        (1, 1e-5, 0.1, 0.02, True, True, Rounding.TFLITE_DOUBLE),
        (2, 1e-5, 0.1, 0.02, True, True, Rounding.SINGLE),
        (3, 0.0, 0.1, 0.02, True, False, Rounding.TFLITE_DOUBLE),
        (16, 1e-5, 0.03, 0.03, True, True, Rounding.TFLITE_DOUBLE),
        (16, 1e-5, 0.03, 0.03, False, True, Rounding.SINGLE),
        (31, 1e-5, 0.05, 0.03, False, False, Rounding.TFLITE_DOUBLE),
        (64, 1e-3, 1e-4, 1e-4, True, True, Rounding.TFLITE_DOUBLE),
        (65, 1e-12, 4.0, 3.0, True, True, Rounding.TFLITE_DOUBLE),
        (300, 1e-5, 0.02, 0.05, True, True, Rounding.SINGLE),
        (4095, 1e-5, 0.1, 0.3, True, True, Rounding.TFLITE_DOUBLE),
    )
    for dtype in (FLOAT, INT8, INT16):
        for number, (length, epsilon, x, y, gamma, beta, rounding) in enumerate(rows):
            fine = 1 / 256 if dtype is INT16 else 1.0
            name = f"layer_norm_{dtype.value}_{number}"
            op = LayerNorm(epsilon=epsilon, rounding=rounding)
            graph = _layer_norm(op, dtype, length, (x * fine, y * fine), (gamma, beta), name)
            cases.append(Case(name, graph))
    return tuple(cases)


def _layer_norm(
    op: LayerNorm,
    dtype: DType,
    length: int,
    scales: tuple[float, float],
    there: tuple[bool, bool],
    name: str,
) -> Graph:
    rng = np.random.default_rng(length)
    zeros = (-5, 9) if dtype is INT8 else (0, 0)
    rows = 3 if length < 1000 else 1

    def add(builder: GraphBuilder) -> tuple[Sequence[Tensor], Tensor]:
        x_codes, y_codes = (Quantization.per_tensor(*p) for p in zip(scales, zeros, strict=True))
        real = dtype is FLOAT
        x = builder.add(Tensor("x", (rows, length), dtype, None if real else x_codes))
        gamma = beta = None
        if there[0]:
            values = rng.normal(1, 0.4, length)
            values[0] = -1.9
            if real:
                gamma = builder.constant("gamma", values.astype(np.float32))
            else:
                step = float(np.float32(np.abs(values).max() / 32767))
                stored = np.rint(values / step).astype(np.int16)
                gamma = builder.constant("gamma", stored, Quantization.per_tensor(step, 0))
        if there[1]:
            values = rng.normal(0, 0.5, length)
            if real:
                beta = builder.constant("beta", values.astype(np.float32))
            else:
                beta = builder.constant(
                    "beta", np.rint(values / sum_scale(x, gamma)).astype(np.int32)
                )
        return [x], builder.one("y", op, [x, gamma, beta], quantization=None if real else y_codes)

    return graph_of(add, name)


# ---- gru -----------------------------------------------------------------------------------------


@cache
def gru_cases() -> tuple[Case, ...]:
    """Both orders of reset, kept, given and fresh states, both layouts, both roundings."""
    cases = []
    shapes = ((1, 3, 5, 4), (2, 2, 3, 7), (1, 1, 9, 1), (3, 4, 1, 6))
    for dtype in (FLOAT, INT8, INT16):
        for number in range(12):
            batch, steps, features, units = shapes[number % 4]
            op = Gru(
                linear_before_reset=number % 2 == 0,
                stateful=number % 3 == 1,
                time_major=number in (1, 6, 11),
                rounding=(Rounding.TFLITE_DOUBLE, Rounding.SINGLE)[number // 4 % 2],
            )
            name = f"gru_{dtype.value}_{number}"
            start = ("zeros", "kept", "given")[number % 3]
            graph = _gru(op, dtype, (batch, steps, features, units), (start, number), name)
            cases.append(Case(name, graph))
    return tuple(cases)


def _gru(
    op: Gru,
    dtype: DType,
    shape: tuple[int, int, int, int],
    which: tuple[str, int],
    name: str,
) -> Graph:
    batch, steps, features, units = shape
    start, number = which
    rng = np.random.default_rng(number)
    real = dtype is FLOAT
    per_row = number % 4 != 3
    x_scale = {FLOAT: 1.0, INT8: 0.03, INT16: 0.001}[dtype]

    def add(builder: GraphBuilder) -> tuple[Sequence[Tensor], Tensor]:
        codes = Quantization.per_tensor(x_scale, 7 if dtype is INT8 else 0)
        order = (steps, batch) if op.time_major else (batch, steps)
        x = builder.add(Tensor("x", (*order, features), dtype, None if real else codes))

        def rows(what: str, count: int) -> Tensor:
            if real:
                values = rng.normal(0, 1, (3 * units, count)).astype(np.float32)
                return builder.constant(what, values)
            stored = rng.integers(-127, 128, (3 * units, count)).astype(np.int8)
            scales = (0.01 * np.exp(rng.normal(0, 0.5, 3 * units))).astype(np.float32)
            quantization = Quantization(scales, np.zeros(3 * units, np.int64), 0)
            if not per_row:
                quantization = Quantization.per_tensor(0.02, 0)
            return builder.constant(what, stored, quantization)

        def bias(what: str, unit: float) -> Tensor:
            values = rng.normal(0, 0.5, 3 * units)
            if real:
                return builder.constant(what, values.astype(np.float32))
            return builder.constant(what, np.rint(values / unit).astype(np.int32))

        weights, recurrent = rows("weights", features), rows("recurrent", units)
        b = bias("bias", x_scale * 0.01) if number % 5 else None
        c = bias("recurrent_bias", HIDDEN_SCALE * 0.01) if number % 4 != 2 else None
        inputs = [x]
        hidden = None
        kept = FLOAT if real else INT16
        if start == "kept":
            first = rng.integers(-32768, 32768, (batch, units)).astype(np.int16)
            first = first * np.float32(HIDDEN_SCALE) if real else first
            hidden = builder.variable("hidden", first, None if real else HIDDEN)
        elif start == "given" and number % 2:
            first = rng.integers(-32768, 32768, (batch, units)).astype(np.int16)
            first = first * np.float32(HIDDEN_SCALE) if real else first
            hidden = builder.constant("hidden", first, None if real else HIDDEN)
        elif start == "given":
            hidden = builder.add(Tensor("hidden", (batch, units), kept, None if real else HIDDEN))
            inputs.append(hidden)
        zero = 3 if dtype is INT8 else 0
        y_codes = Quantization.per_tensor({INT8: 0.009, INT16: 2.0**-15}.get(dtype, 1.0), zero)
        operands = [x, weights, recurrent, b, c, hidden]
        y = builder.one("y", op, operands, quantization=None if real else y_codes)
        return inputs, y

    return graph_of(add, name)


# ---- lstm ----------------------------------------------------------------------------------------


@cache
def lstm_cases() -> tuple[Case, ...]:
    """Those of which every run starts from zeros, whatever the variables hold at first."""
    cases = []
    for dtype in (FLOAT, INT8, INT16):
        for number, (batch, steps, features, units) in enumerate(
            ((1, 3, 5, 4), (2, 2, 3, 7), (3, 4, 1, 6))
        ):
            op = Lstm(stateful=False, time_major=number == 1)
            name = f"lstm_{dtype.value}_{number}"
            shape = (batch, steps, features, units)
            cases.append(Case(name, _lstm(op, dtype, shape, name)))
    return tuple(cases)


def _lstm(op: Lstm, dtype: DType, shape: tuple[int, int, int, int], name: str) -> Graph:
    batch, steps, features, units = shape
    rng = np.random.default_rng(units)
    real = dtype is FLOAT

    def quantized(scale: float, zero: int = 0) -> Quantization | None:
        return None if real else Quantization.per_tensor(scale, zero)

    def add(builder: GraphBuilder) -> tuple[Sequence[Tensor], Tensor]:
        order = (steps, batch) if op.time_major else (batch, steps)
        zero = 5 if dtype is INT8 else 0
        x = builder.add(Tensor("x", (*order, features), dtype, quantized(0.03, zero)))
        weights = []
        for what, count in (("w", features), ("r", units)):
            for gate in "ifgo":
                values = rng.normal(0, 1, (units, count))
                stored = values.astype(np.float32) if real else (values * 40).astype(np.int8)
                weights.append(builder.constant(f"{what}{gate}", stored, quantized(0.02)))
        for gate in "ifgo":
            kind = {FLOAT: np.float32, INT8: np.int32, INT16: np.int64}[dtype]
            values = rng.normal(0, 1 if real else 900, units)
            weights.append(builder.constant(f"b{gate}", values.astype(kind)))
        first = np.full((batch, units), 7)
        hidden, cell = (INT8, INT16)[dtype is INT16], INT16
        states = [
            builder.variable(
                "h", first.astype((FLOAT if real else hidden).numpy), quantized(0.01, 3)
            ),
            builder.variable(
                "c", first.astype((FLOAT if real else cell).numpy), quantized(2.0**-11)
            ),
        ]
        y = builder.one("y", op, [x, *weights, *states], quantization=quantized(0.01, 3))
        return [x], y

    return graph_of(add, name)


@cache
def every_case() -> tuple[Case, ...]:
    """All of them."""
    return (*unit_cases(), *layer_norm_cases(), *gru_cases(), *lstm_cases())
