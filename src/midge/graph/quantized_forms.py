"""Quantised forms of layer_norm, gru and lstm: from a float operator and the ranges around it.

Each function takes the graph that has the float operator, and the quantisation that calibration, or
the file, gave the operator's activations, by the name of the tensor. It returns the operators that
stand in its place, and every new or changed tensor that they name but the activations that they
read: those are the caller's. The output keeps its name, with the integers' type and quantisation.

What calibration has to give is x and y, nothing else: gates, hidden states and normalised elements
have scales that follow from the arithmetic. Only the cell of an lstm has one that should fit.

Constants may be float32, or stand behind a `dequantize`: int8 weights that are symmetric, per
tensor or row by row, then stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph import requantize as rq
from midge.graph.ops.conversions import Dequantize
from midge.graph.ops.gru import (
    BIAS,
    HIDDEN,
    HIDDEN_SCALE,
    RECURRENT,
    RECURRENT_BIAS,
    WEIGHTS,
    Gru,
)
from midge.graph.ops.layer_norm import LayerNorm, sum_scale
from midge.graph.ops.lstm import CELL, GATES, Lstm
from midge.graph.ops.lstm import HIDDEN as LSTM_HIDDEN
from midge.graph.types import Array, DType, Graph, Op, Quantization, Rounding, Tensor

Ranges = Mapping[str, Quantization]
Float64Array = npt.NDArray[np.float64]
Kind = TypeVar("Kind")
_ACTIVATIONS = (DType.INT8, DType.INT16)


@dataclass(frozen=True)
class Codes:
    """Symmetric int8 weights.

    Attributes:
        stored: The integers.
        quantization: Per tensor, or along dimension 0.
    """

    stored: npt.NDArray[np.int8]
    quantization: Quantization

    @property
    def scales(self) -> Float64Array:
        """One a row."""
        scales = self.quantization.scale.astype(np.float64)
        return np.broadcast_to(scales, self.stored.shape[:1])


def quantize_layer_norm(
    graph: Graph,
    op: Op,
    ranges: Ranges,
    *,
    activations: DType = DType.INT8,
    rounding: Rounding = Rounding.TFLITE_DOUBLE,
) -> tuple[list[Op], dict[str, Tensor]]:
    """A float layer_norm with integer activations.

    Args:
        graph: Has the operator and its constants.
        op: A `layer_norm`.
        ranges: Of its x and of its output.
        activations: int8 or int16.
        rounding: Of the last rescaling.

    Returns:
        The operator, and its new tensors: gamma as int16 of one scale, beta as int32, the output.

    Raises:
        UserError: a range is missing, a constant is computed, or beta is beyond int32.
    """
    attributes = _attributes(op, LayerNorm)
    x, y = _ends(graph, op, ranges, activations)
    made: dict[str, Tensor] = {y.name: y}
    names = [x.name]
    gamma_name, beta_name = (*op.inputs, "", "")[1:3]
    gamma = None
    if gamma_name:
        values = real_constant(graph, gamma_name)
        step = _step(np.abs(values).max(), 32767)
        stored = np.clip(np.rint(values / step), -32767, 32767).astype(np.int16)
        gamma = _constant(graph, op, "gamma", stored, Quantization.per_tensor(step, 0))
    if beta_name:
        unit = sum_scale(x, gamma)
        beta = _constant(graph, op, "beta", _bias(graph, beta_name, np.float64(unit)))
        names += [gamma.name if gamma else "", beta.name]
        made[beta.name] = beta
    elif gamma:
        names.append(gamma.name)
    if gamma:
        made[gamma.name] = gamma
    done = replace(attributes, rounding=rounding)
    return [replace(op, attributes=done, inputs=tuple(names))], made


def quantize_gru(
    graph: Graph,
    op: Op,
    ranges: Ranges,
    *,
    activations: DType = DType.INT8,
    rounding: Rounding = Rounding.TFLITE_DOUBLE,
) -> tuple[list[Op], dict[str, Tensor]]:
    """A float gru with integer activations, int8 weights row by row, and an int16 hidden state.

    A variable, or constant, hidden state becomes int16 with the same values, held within [-1, 1).
    One that is computed must be int16 with scale 1/32768 already.

    Args:
        graph: Has the operator and its constants.
        op: A `gru`.
        ranges: Of its x and of its output.
        activations: int8 or int16.
        rounding: Of rescaled sums.

    Returns:
        The operator, and its new tensors.

    Raises:
        UserError: a range is missing, a constant is computed, or a bias is beyond int32.
    """
    attributes = _attributes(op, Gru)
    x, y = _ends(graph, op, ranges, activations)
    made: dict[str, Tensor] = {y.name: y}
    given = [*op.inputs, *[""] * (HIDDEN + 1 - len(op.inputs))]
    names = list(given)

    def add(index: int, tensor: Tensor) -> None:
        names[index] = tensor.name
        made[tensor.name] = tensor

    sums = (
        (WEIGHTS, BIAS, "weights", "bias", x.scale),
        (RECURRENT, RECURRENT_BIAS, "recurrent", "recurrent_bias", HIDDEN_SCALE),
    )
    for weights, bias, weights_name, bias_name, scale in sums:
        codes = row_codes(graph, given[weights])
        add(weights, _constant(graph, op, weights_name, codes.stored, codes.quantization))
        if given[bias]:
            add(
                bias,
                _constant(graph, op, bias_name, _bias(graph, given[bias], scale * codes.scales)),
            )
    if given[HIDDEN]:
        hidden = graph.tensors[given[HIDDEN]]
        if hidden.data is not None:
            add(HIDDEN, _state(hidden, DType.INT16, Quantization.per_tensor(HIDDEN_SCALE, 0)))
    while not names[-1]:
        names.pop()
    done = replace(attributes, rounding=rounding)
    return [replace(op, attributes=done, inputs=tuple(names))], made


def quantize_lstm(
    graph: Graph,
    op: Op,
    ranges: Ranges,
    *,
    activations: DType = DType.INT8,
    largest_cell: float = 16.0,
) -> tuple[list[Op], dict[str, Tensor]]:
    """A float lstm with integer activations, int8 weights gate by gate, and an int16 cell.

    The arithmetic is TFLite Micro's: the hidden state has the output's type and quantisation, the
    cell a power of two for a scale.

    Args:
        graph: Has the operator and its constants.
        op: An `lstm`.
        ranges: Of its x and of its output.
        activations: int8 or int16.
        largest_cell: Magnitude that the cell has to hold, such as `largest_cell_of` finds.

    Returns:
        The operator, and its new tensors.

    Raises:
        UserError: a range is missing, a constant is computed, or a bias is beyond its type.
    """
    attributes = _attributes(op, Lstm)
    x, y = _ends(graph, op, ranges, activations)
    made: dict[str, Tensor] = {y.name: y}
    names = list(op.inputs)

    def add(index: int, tensor: Tensor) -> None:
        names[index] = tensor.name
        made[tensor.name] = tensor

    wide = activations is DType.INT16
    for gate, letter in enumerate("ifgo"):
        for first, what in ((1, "weights"), (1 + GATES, "recurrent")):
            codes = tensor_codes(graph, op.inputs[first + gate])
            add(
                first + gate,
                _constant(graph, op, f"{what}_{letter}", codes.stored, codes.quantization),
            )
            if what == "weights":
                unit = np.float64(x.scale) * codes.scales
                values = _bias(graph, op.inputs[1 + 2 * GATES + gate], unit, wide=wide)
                add(1 + 2 * GATES + gate, _constant(graph, op, f"bias_{letter}", values))
    hidden, cell = (graph.tensors[op.inputs[i]] for i in (LSTM_HIDDEN, CELL))
    add(LSTM_HIDDEN, _state(hidden, activations, y.quantization))
    power = Quantization.per_tensor(2.0 ** cell_power(largest_cell), 0)
    add(CELL, _state(cell, DType.INT16, power))
    done = replace(attributes, rounding=Rounding.TFLITE_DOUBLE)
    return [replace(op, attributes=done, inputs=tuple(names))], made


def largest_cell_of(graph: Graph, op: Op, samples: Iterable[Array]) -> float:
    """The largest magnitude in the cell of a float lstm, over sequences each from zeros.

    Args:
        graph: Has the operator and its constants.
        op: An `lstm`.
        samples: Its x, float32 of the declared shape.
    """
    attributes = replace(_attributes(op, Lstm), stateful=True)
    inputs, outputs = graph.op_inputs(op), graph.op_outputs(op)
    constants = [None if t is None or t.variable else t.data for t in inputs]
    axis = 0 if attributes.time_major else 1
    largest = 0.0
    for x in samples:
        state: list[Array] = []
        for index in (LSTM_HIDDEN, CELL):
            state.append(np.zeros(graph.tensors[op.inputs[index]].shape, np.float32))
        for step in range(x.shape[axis]):
            part = np.take(x, [step], axis)
            values = [part, *constants[1:LSTM_HIDDEN], *state]
            y = replace(outputs[0], shape=(*part.shape[:2], outputs[0].shape[2]))
            _, hidden, cell = attributes.evaluate(values, inputs, (y,))
            state = [hidden, cell]
            largest = max(largest, float(np.abs(np.asarray(cell, np.float64)).max()))
    return largest


def cell_power(largest: float) -> int:
    """The exponent of the least scale, within what lstm takes, by which int16 holds this."""
    return max(-30, min(2, math.ceil(math.log2(max(largest, 1e-9) / 32767))))


def real_constant(graph: Graph, name: str) -> Float64Array:
    """The reals of a float constant, or of an integer one behind a `dequantize`.

    Raises:
        UserError: it is neither.
    """
    tensor = graph.tensors[name]
    if tensor.data is not None and tensor.dtype is DType.FLOAT32:
        return np.asarray(tensor.data, np.float64)
    stored = _stored(graph, name)
    if stored is None:
        raise UserError(f"{name} is computed at run time; supported here: a constant")
    scale, zero = _spread(stored)
    return scale * (np.asarray(stored.data, np.float64) - zero)


def row_codes(graph: Graph, name: str) -> Codes:
    """Weights with a scale for each row; those of the file where they suit.

    Raises:
        UserError: they are computed.
    """
    found = _codes_of_file(graph, name)
    if found is not None:
        return found
    values = real_constant(graph, name)
    scales = np.array([_step(np.abs(row).max(), 127) for row in values], np.float32)
    stored = np.rint(values / scales.astype(np.float64)[:, None])
    return Codes(
        np.clip(stored, -127, 127).astype(np.int8),
        Quantization(scales, np.zeros(scales.size, np.int64), 0),
    )


def tensor_codes(graph: Graph, name: str) -> Codes:
    """Weights with one scale; those of the file where they suit.

    Raises:
        UserError: they are computed.
    """
    found = _codes_of_file(graph, name)
    if found is not None and found.quantization.scale.size == 1:
        return found
    values = real_constant(graph, name)
    step = _step(np.abs(values).max(), 127)
    stored = np.clip(np.rint(values / step), -127, 127).astype(np.int8)
    return Codes(stored, Quantization.per_tensor(step, 0))


def _codes_of_file(graph: Graph, name: str) -> Codes | None:
    """Symmetric int8 behind a `dequantize`, per tensor or row by row."""
    stored = _stored(graph, name)
    if stored is None or stored.dtype is not DType.INT8 or stored.quantization is None:
        return None
    quantization = stored.quantization
    rows = quantization.scale.size == 1 or quantization.axis == 0
    if np.any(quantization.zero_point != 0) or not rows:
        return None
    if quantization.scale.size == 1:
        quantization = Quantization.per_tensor(float(quantization.scale[0]), 0)
    return Codes(np.asarray(stored.data, np.int8), quantization)


def _stored(graph: Graph, name: str) -> Tensor | None:
    """The constant that a `dequantize` makes this tensor of."""
    for op in graph.ops:
        if name in op.outputs and isinstance(op.attributes, Dequantize):
            source = graph.tensors[op.inputs[0]]
            return source if source.is_constant else None
    return None


def _spread(stored: Tensor) -> tuple[Float64Array, Float64Array]:
    """Scale and zero point, shaped to broadcast over the tensor."""
    quantization = stored.quantization
    if quantization is None:
        raise UserError(f"{stored.name} is {stored.dtype.value} without quantisation parameters")
    shape = [1] * len(stored.shape)
    if quantization.axis is not None:
        shape[quantization.axis] = -1
    scale, zero = quantization.scale, quantization.zero_point
    return scale.astype(np.float64).reshape(shape), zero.astype(np.float64).reshape(shape)


def _attributes(op: Op, kind: type[Kind]) -> Kind:
    if not isinstance(op.attributes, kind):
        raise TypeError(f"{op.name} is a {op.kind}")
    return op.attributes


def _ends(graph: Graph, op: Op, ranges: Ranges, activations: DType) -> tuple[Tensor, Tensor]:
    """Input and output with the integers' type and quantisation.

    Raises:
        UserError: a range is missing, or an int16 is not symmetric.
    """
    if activations not in _ACTIVATIONS:
        raise UserError(f"activations of {activations.value}; supported here: int8, int16")
    found = []
    for name in (op.inputs[0], op.outputs[0]):
        if name not in ranges:
            raise UserError(f"op {op.name!r} ({op.kind}): the range of {name!r} is not known")
        found.append(replace(graph.tensors[name], dtype=activations, quantization=ranges[name]))
    return found[0], found[1]


def _step(largest: float, codes: int) -> float:
    """A float32 scale for symmetric codes; of zeros alone it is one."""
    step = float(np.float32(largest / codes))
    return step if step > 0 and math.isfinite(1 / np.float32(step)) else 1.0


def _bias(graph: Graph, name: str, unit: Float64Array | np.float64, *, wide: bool = False) -> Array:
    """In units of the sum that it is added to."""
    scaled = np.rint(real_constant(graph, name) / unit)
    limit = 2.0**62 if wide else float(rq.INT32_MAX)
    if np.abs(scaled).max() > limit:
        raise UserError(
            f"{name} is up to {np.abs(scaled).max():g} steps of the sum that it is added to, over "
            f"{'int64' if wide else 'int32'}; the scales of x and of the weights are too fine"
        )
    return scaled.astype(np.int64 if wide else np.int32)


def _state(tensor: Tensor, dtype: DType, quantization: Quantization | None) -> Tensor:
    """A variable or constant as integers, its first value as near as they go."""
    if quantization is None:
        raise ValueError(f"{tensor.name}: a state has a scale")
    scale, zero = float(quantization.scale[0]), int(quantization.zero_point[0])
    codes = np.rint(np.asarray(tensor.data, np.float64) / scale) + zero
    data = np.clip(codes, *dtype.limits).astype(dtype.numpy)
    return replace(tensor, dtype=dtype, quantization=quantization, data=data)


def _constant(
    graph: Graph, op: Op, what: str, data: Array, quantization: Quantization | None = None
) -> Tensor:
    """A constant named after its operator."""
    name = f"{op.name}.{what}"
    while name in graph.tensors:
        name += "_q"
    dtype = DType(data.dtype.name)
    array = np.ascontiguousarray(data, dtype.numpy)
    return Tensor(name, array.shape, dtype, quantization, array)
