"""SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM with drawn weights, in every type that they come in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from midge.synthetic.calibration import COVERING, Calibration, resolve
from midge.synthetic.model_description import Fields, Quantization
from midge.synthetic.network_builder import NetworkBuilder, Reals

GATES = 4
_BIAS_TYPES = {"int8": "int32", "int16": "int64", "float32": "float32"}
_TIME_CODES = {"int8": 127, "int16": 511}
"""Converters give time weights ten bits, so that six are left for sums over time."""


@dataclass(frozen=True)
class SvdfLayer:
    """What an SVDF is like.

    Attributes:
        units: Outputs.
        rank: Filters of each.
        steps: Values that each filter remembers.
        memory: Type of memory and time weights, with int8; float32 follows the input.
        activation: The schema's name.
        weights: How they are drawn: ``bell``, ``ends`` or ``tiny``.
        bias: Whether there is one.
        memory_zero_point: Converters write 0.
        memory_stretch: The memory's scale over the one that covers what comes in.
        time_codes: Largest time weight as stored; None takes the converters'.
        output: The output's quantisation.
    """

    units: int
    rank: int = 1
    steps: int = 4
    memory: str = "int16"
    activation: str = "NONE"
    weights: str = "bell"
    bias: bool = True
    memory_zero_point: int = 0
    memory_stretch: float = 1.0
    time_codes: int | None = None
    output: Calibration | Quantization = COVERING


def add_svdf(builder: NetworkBuilder, x: str, layer: SvdfLayer) -> str:
    """Add an SVDF that reads `x`, [batch, features] of int8 or float32."""
    is_float = builder.dtype(x) == "float32"
    batch, features = builder.shape(x)
    filters = layer.units * layer.rank
    feature, feature_scale = _weights(builder, (filters, features), layer.weights, is_float)
    feature_scale /= _rms(builder.values(x)) * np.sqrt(features)
    time_codes = layer.time_codes or _TIME_CODES[layer.memory] * (not is_float)
    time, time_scale = _weights(
        builder, (filters, layer.steps), layer.weights, is_float, time_codes
    )
    time_scale /= np.sqrt(layer.steps * layer.rank)
    entering = builder.values(x) @ (feature * feature_scale).T
    sums = _over_time(entering, time * time_scale)
    bias = builder.rng.uniform(-0.5, 0.5, layer.units) * layer.bias
    real = sums.reshape(*sums.shape[:2], layer.units, layer.rank).sum(axis=-1) + bias
    shape = (batch, filters * layer.steps)
    table = Fields.of(
        "SVDFOptions",
        Rank=layer.rank,
        FusedActivationFunction=getattr(tflite.ActivationFunctionType, layer.activation),
    )
    inputs: list[str | None]
    if is_float:
        constants = (feature * feature_scale, time * time_scale, bias)
        names = [builder.constant(np.asarray(c, np.float32)) for c in constants]
        memory = builder.variable(shape, None, "float32")
        inputs = [x, names[0], names[1], names[2] if layer.bias else None, memory]
        return builder.operator("SVDF", tuple(inputs), table, real, None, dtype="float32")
    kept = _memory_quantization(entering, layer)
    sum_scale = kept.scale * float(np.float32(time_scale))
    stored = np.rint(np.clip(bias / sum_scale, -(2**28), 2**28)).astype(np.int32)
    inputs = [
        x,
        builder.constant(feature.astype(np.int8), Quantization((feature_scale,), (0,))),
        builder.constant(time.astype(layer.memory), Quantization((time_scale,), (0,))),
        builder.constant(stored, Quantization((sum_scale,), (0,))) if layer.bias else None,
        builder.variable(shape, kept, layer.memory),
    ]
    return builder.operator(
        "SVDF", tuple(inputs), table, real, layer.output, dtype="int8", version=3
    )


def _memory_quantization(entering: Reals, layer: SvdfLayer) -> Quantization:
    largest = float(np.abs(entering).max()) or 1.0
    scale = largest / (np.iinfo(layer.memory).max - abs(layer.memory_zero_point))
    return Quantization(
        (float(np.float32(scale * layer.memory_stretch)),), (layer.memory_zero_point,)
    )


def _over_time(entering: Reals, weights: Reals) -> Reals:
    """Filters summed over time, as if the samples went round and round."""
    total = np.zeros_like(entering)
    for back, column in enumerate(weights.T[::-1]):
        total = total + np.roll(entering, back, axis=0) * column
    return total


@dataclass(frozen=True)
class LstmLayer:
    """What an LSTM is like.

    Attributes:
        units: Of its state.
        time_major: Time is the input's first dimension.
        cell_clip: 0 for none.
        cell_power: The cell's scale is 2 to this.
        weights: How they are drawn: ``bell``, ``ends`` or ``tiny``.
        gain: Of the gates' arguments: large ones saturate.
        output: Quantisation of output and hidden state.
    """

    units: int
    time_major: bool = False
    cell_clip: float = 0.0
    cell_power: int = -11
    weights: str = "bell"
    gain: float = 1.5
    output: Calibration | Quantization = COVERING
    spread: tuple[float, ...] = field(default=(1.0, 0.7, 1.3, 0.9))


def add_lstm(builder: NetworkBuilder, x: str, layer: LstmLayer) -> str:
    """Add a UNIDIRECTIONAL_SEQUENCE_LSTM that reads `x`, of rank 3."""
    kind = builder.dtype(x)
    is_float = kind == "float32"
    first, second, features = builder.shape(x)
    batch = second if layer.time_major else first
    drawn: list[tuple[NDArray[Any], float]] = []
    for width, reach in ((features, _rms(builder.values(x))), (layer.units, 0.4)):
        for gate in range(GATES):
            values, scale = _weights(builder, (layer.units, width), layer.weights, is_float)
            factor = layer.gain * layer.spread[gate] / (reach * np.sqrt(2 * width))
            drawn.append((values, float(np.float32(scale * factor))))
    biases = [builder.rng.uniform(-0.5, 0.5, layer.units) for _ in range(GATES)]
    real = _run_lstm(builder.values(x), [v * s for v, s in drawn], biases, layer)
    quantization = None if is_float else resolve(layer.output, real, kind)
    names = [
        builder.constant((v * s).astype(np.float32))
        if is_float
        else builder.constant(v.astype(np.int8), Quantization((s,), (0,)))
        for v, s in drawn
    ]
    for gate, bias in enumerate(biases):
        if is_float:
            names.append(builder.constant(bias.astype(np.float32)))
            continue
        scale = builder.quantization(x).scale * drawn[gate][1]
        stored = np.rint(np.clip(bias / scale, -(2**28), 2**28)).astype(_BIAS_TYPES[kind])
        names.append(builder.constant(stored, Quantization((scale,), (0,))))
    cell = None if is_float else Quantization((2.0**layer.cell_power,), (0,))
    state = (
        builder.variable((batch, layer.units), quantization, kind),
        builder.variable((batch, layer.units), cell, "float32" if is_float else "int16"),
    )
    left_out = (None,)
    inputs = (x, *names[:8], *left_out * 3, *names[8:], *left_out * 2, *state, *left_out * 4)
    table = Fields.of(
        "UnidirectionalSequenceLSTMOptions",
        FusedActivationFunction=tflite.ActivationFunctionType.TANH,
        CellClip=layer.cell_clip,
        TimeMajor=layer.time_major,
    )
    op = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    return builder.operator(op, inputs, table, real, quantization, dtype=kind, version=3)


def _run_lstm(x: Reals, weights: list[Reals], biases: list[Reals], layer: LstmLayer) -> Reals:
    """All samples from a state of zeros: (samples, .., .., units)."""
    steps = np.moveaxis(x, 1 if layer.time_major else 2, 0)
    hidden = np.zeros((*steps.shape[1:3], layer.units))
    cell = np.zeros_like(hidden)
    results = []
    for row in steps:
        i, f, g, o = (
            row @ weights[k].T + hidden @ weights[GATES + k].T + biases[k] for k in range(GATES)
        )
        cell = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(g)
        if layer.cell_clip > 0:
            cell = np.clip(cell, -layer.cell_clip, layer.cell_clip)
        hidden = _sigmoid(o) * np.tanh(cell)
        results.append(hidden)
    return np.stack(results, axis=1 if layer.time_major else 2)


def _sigmoid(values: Reals) -> Reals:
    result: Reals = 0.5 + 0.5 * np.tanh(values / 2)
    return result


def _weights(
    builder: NetworkBuilder, shape: tuple[int, ...], style: str, is_float: bool, largest: int = 127
) -> tuple[Reals, float]:
    """Values and the scale that gives them a root mean square of 1."""
    if is_float:
        return builder.rng.standard_normal(shape), 1.0
    if style == "ends":
        low = -128 if largest == 127 else -largest
        values = builder.rng.choice(np.array([low, largest]), shape).astype(float)
    elif style == "tiny":
        values = builder.rng.integers(-1, 2, shape).astype(float)
    else:
        values = np.clip(np.rint(builder.rng.normal(0, largest / 3, shape)), -largest, largest)
    return values, 1 / max(_rms(values), 1e-3)


def _rms(values: Reals) -> float:
    return max(float(np.sqrt(np.mean(values**2))), 1e-6)
