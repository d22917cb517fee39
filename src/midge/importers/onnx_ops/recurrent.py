"""GRU and LSTM, in one direction or both; each direction is one operator over the whole sequence.

Every run starts from `initial_h` and `initial_c`, or from zeros, as in ONNX. Who wants to stream
makes them inputs of the graph and gives the last states back, one step a run.

Source: ONNX, GRU and LSTM; `onnx/reference/ops/op_gru.py`, `op_lstm.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, Tensor
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.gru import Gru
from midge.graph.ops.lstm import Lstm
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.variable import AssignVariable, ReadVariable
from midge.importers.onnx_ops.operands import OnnxOp
from midge.importers.onnx_ops.parts import sliced
from midge.importers.onnx_ops.registry import Converted, converts

LARGEST_STATE = 1 << 26
"""Elements of the input times units; a microcontroller has far less."""
DIRECTIONS = ("forward", "reverse", "bidirectional")


@dataclass(frozen=True)
class _Layer:
    """What both operators read alike.

    Attributes:
        x: [steps, batch, k], or [batch, steps, k] where `batch_major`.
        batch_major: The attribute `layout`.
        units: Of the hidden state.
        backwards: For each direction, whether it walks from the last step to the first.
        weights: [directions, gates * units, k].
        recurrent: [directions, gates * units, units].
        bias: [directions, 2 * gates * units].
    """

    x: Tensor
    batch_major: bool
    units: int
    backwards: tuple[bool, ...]
    weights: Array
    recurrent: Array
    bias: Array

    @property
    def batch(self) -> int:
        """Sequences side by side."""
        return self.x.shape[0 if self.batch_major else 1]

    @property
    def steps(self) -> int:
        """Of each sequence."""
        return self.x.shape[1 if self.batch_major else 0]


def _layer(op: OnnxOp, gates: int, usual: tuple[str, ...]) -> _Layer:
    x = op.float32(0)
    direction = op.text("direction", "forward")
    if direction not in DIRECTIONS:
        raise UserError(f"attribute direction is {direction!r}; expected {', '.join(DIRECTIONS)}")
    backwards = {"forward": (False,), "reverse": (True,)}.get(direction, (False, True))
    activations = op.texts("activations")
    if activations is not None and [a.lower() for a in activations] != list(usual) * len(backwards):
        raise UnsupportedError(f"activations {activations}; supported: {', '.join(usual)}")
    op.ignore("activation_alpha", "activation_beta")
    if op.has_attribute("clip"):
        raise UnsupportedError(f"clip {op.real('clip'):g}; supported: none")
    weights, recurrent = op.array(1), op.array(2)
    units = op.whole("hidden_size", recurrent.shape[-1] if recurrent.ndim else 0)
    batch_major = op.flag("layout")
    count = len(backwards)
    if len(x.shape) != 3:
        raise UserError(f"{x.name} has shape {list(x.shape)}; expected 3 dimensions")
    if recurrent.ndim != 3 or units != recurrent.shape[2] or units < 1:
        raise UserError(f"recurrent weights {list(recurrent.shape)} for hidden_size {units}")
    none: Array = np.zeros((count, 2 * gates * units), np.float32)
    bias = op.array(3) if op.has(3) else none
    for found, shape in (
        (weights, (count, gates * units, x.shape[2])),
        (recurrent, (count, gates * units, units)),
        (bias, (count, 2 * gates * units)),
    ):
        if found.dtype != np.float32 or found.shape != shape:
            raise UserError(f"a parameter is {found.dtype}{list(found.shape)}; expected {shape}")
    if x.size * units > LARGEST_STATE:
        raise UnsupportedError(f"{x.name}{list(x.shape)} for {units} units is too much")
    made = _Layer(x, batch_major, units, backwards, weights, recurrent, bias)
    if op.has(4) and (not op.is_known(4) or set(op.integers(4)) != {made.steps}):
        raise UnsupportedError(f"sequence_lens; supported: all of them {made.steps}, or left out")
    return made


def _walked(op: OnnxOp, layer: _Layer, x: Tensor, *, backwards: bool) -> Tensor:
    """Steps from the last to the first, where that is wanted."""
    axis = 1 if layer.batch_major else 0
    if not backwards or x.shape[axis] == 1:
        return x
    begin, step = [0, 0, 0], [1, 1, 1]
    begin[axis], step[axis] = x.shape[axis] - 1, -1
    return sliced(op, x, begin, list(x.shape), step)


def _state(op: OnnxOp, layer: _Layer, index: int, number: int) -> Tensor | None:
    """The first state [batch, units] of a direction; None where it is zeros, or left out."""
    if not op.has(index):
        return None
    given = op.float32(index)
    count, batch, units = len(layer.backwards), layer.batch, layer.units
    shape = (batch, count, units) if layer.batch_major else (count, batch, units)
    if given.shape != shape:
        raise UserError(f"{given.name} has shape {list(given.shape)}; expected {list(shape)}")
    if given.is_constant and not np.any(np.asarray(given.data)):
        return None
    axis = 1 if layer.batch_major else 0
    begin, size = [0, 0, 0], list(shape)
    begin[axis], size[axis] = number, 1
    part = sliced(op, given, begin, size, [1, 1, 1])
    return op.builder.reshaped(part, (batch, units))


def _sequence(op: OnnxOp, layer: _Layer, results: list[Tensor]) -> Tensor:
    """Y: every step's hidden state, [steps, directions, batch, units] or with the batch first."""
    axis = 2 if layer.batch_major else 1
    parts = []
    for backwards, y in zip(layer.backwards, results, strict=True):
        forwards = _walked(op, layer, y, backwards=backwards)
        shape = (*y.shape[:axis], 1, *y.shape[axis:])
        parts.append(op.emit(Reshape(shape=shape), forwards, part="directed"))
    return parts[0] if len(parts) == 1 else op.emit(Concatenation(axis=axis), *parts, part="Y")


def _joined(op: OnnxOp, layer: _Layer, states: list[Tensor], part: str) -> Tensor:
    """Y_h or Y_c: the last states [batch, units], [directions, batch, units] or batch first."""
    axis = 1 if layer.batch_major else 0
    shape = [layer.batch, layer.units]
    shape.insert(axis, 1)
    shaped = [op.emit(Reshape(shape=tuple(shape)), s, part=part) for s in states]
    return shaped[0] if len(shaped) == 1 else op.emit(Concatenation(axis=axis), *shaped, part=part)


def _last(op: OnnxOp, layer: _Layer, y: Tensor) -> Tensor:
    """What a direction gave in the last step that it walked, [batch, units]."""
    axis = 1 if layer.batch_major else 0
    begin, size = [0, 0, 0], list(y.shape)
    begin[axis], size[axis] = layer.steps - 1, 1
    return op.builder.reshaped(sliced(op, y, begin, size, [1, 1, 1]), (layer.batch, layer.units))


@converts("GRU")
def convert_gru(op: OnnxOp) -> Converted:
    """Gates update, reset, hidden become reset, update, new."""
    layer = _layer(op, 3, ("sigmoid", "tanh"))
    made = Gru(linear_before_reset=op.flag("linear_before_reset"), time_major=not layer.batch_major)
    results = []
    for number, backwards in enumerate(layer.backwards):
        n = layer.units
        order = np.concatenate([np.arange(n, 2 * n), np.arange(n), np.arange(2 * n, 3 * n)])
        constants = [
            op.constant(layer.weights[number][order], part="weights"),
            op.constant(layer.recurrent[number][order], part="recurrent"),
            op.constant(layer.bias[number][: 3 * n][order], part="bias"),
            op.constant(layer.bias[number][3 * n :][order], part="recurrent_bias"),
        ]
        x = _walked(op, layer, layer.x, backwards=backwards)
        hidden = _state(op, layer, 5, number)
        optional = () if hidden is None else (hidden,)
        results.append(op.emit(made, x, *constants, *optional))
    y = _sequence(op, layer, results) if op.has_output(0) else None
    if not op.has_output(1):
        return (y,)
    return y, _joined(op, layer, [_last(op, layer, r) for r in results], "Y_h")


@converts("LSTM")
def convert_lstm(op: OnnxOp) -> Converted:
    """Gates input, output, forget, cell become input, forget, cell, output."""
    if op.flag("input_forget"):
        raise UnsupportedError("input_forget is 1; supported: 0")
    if op.has(7):
        raise UnsupportedError("has peepholes; supported: without")
    layer = _layer(op, 4, ("sigmoid", "tanh", "tanh"))
    n = layer.units
    results, cells = [], []
    for number, backwards in enumerate(layer.backwards):
        constants = []
        for part, block in (
            ("weights", layer.weights[number]),
            ("recurrent", layer.recurrent[number]),
            ("bias", layer.bias[number][: 4 * n] + layer.bias[number][4 * n :]),
        ):
            gates = [block[i * n : (i + 1) * n] for i in (0, 2, 3, 1)]
            constants += [op.constant(gate, part=part) for gate in gates]
        zeros = np.zeros((layer.batch, n), np.float32)
        firsts = [_state(op, layer, index, number) for index in (5, 6)]
        given = any(first is not None for first in firsts)
        kept = []
        for part, first in zip(("hidden", "cell"), firsts, strict=True):
            kept.append(op.builder.variable(f"{op.name}.{part}", zeros))
            if given:
                start = op.constant(zeros, part="zeros") if first is None else first
                op.builder.op(f"{op.name}.first_{part}", AssignVariable(), (kept[-1], start))
        x = _walked(op, layer, layer.x, backwards=backwards)
        made = Lstm(time_major=not layer.batch_major, stateful=given)
        results.append(op.emit(made, x, *constants, *kept))
        if op.has_output(2):
            cells.append(op.emit(ReadVariable(), kept[1], part="last_cell"))
    y = _sequence(op, layer, results) if op.has_output(0) else None
    y_h = (
        _joined(op, layer, [_last(op, layer, r) for r in results], "Y_h")
        if op.has_output(1)
        else None
    )
    return y, y_h, _joined(op, layer, cells, "Y_c") if cells else None
