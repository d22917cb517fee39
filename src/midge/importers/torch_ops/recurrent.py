"""GRU and LSTM: one operator a layer and direction, rolled; their state from call to call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, Tensor
from midge.graph.ops.concatenation import Concatenation, Pack
from midge.graph.ops.gru import Gru
from midge.graph.ops.lstm import GATES, Lstm
from midge.graph.ops.slice import Slice
from midge.graph.ops.variable import AssignVariable, ReadVariable
from midge.importers.torch_ops.call import Call
from midge.importers.torch_ops.registry import Converted, converts


@dataclass(frozen=True)
class _Layer:
    """One layer in one direction.

    Attributes:
        name: Of its operator.
        weights: Of the input, [gates * n, k].
        recurrent: Of the hidden state, [gates * n, n].
        biases: Of both, [gates * n], or none.
        backwards: It walks from the last step to the first.
        number: Its place in the states.
    """

    name: str
    weights: Tensor
    recurrent: Tensor
    biases: tuple[Tensor, ...]
    backwards: bool
    number: int

    @property
    def units(self) -> int:
        """Elements of its hidden state."""
        return self.recurrent.shape[-1]


_Run = Callable[[_Layer, Tensor], tuple[Tensor, Tensor | None]]
"""Every step's hidden state of a layer over x, and its last cell where it has one."""


@converts("aten.gru.input")
def gru(call: Call) -> Converted:
    """A stack of GRU; without `streaming` each call begins where `hx` says, mostly with zeros."""
    hx = call.tensor("hx")

    def run(layer: _Layer, x: Tensor) -> tuple[Tensor, Tensor | None]:
        return _gru(call, layer, x, _of_layer(call, hx, layer.number)), None

    output, hidden, _ = _stack(call, run)
    return output, hidden


@converts("aten.lstm.input")
def lstm(call: Call) -> Converted:
    """A stack of LSTM; without `streaming` each call begins where `hx` says, mostly with zeros."""
    hx = call.tensors("hx")
    if len(hx) != 2:
        raise UserError(f"hx has {len(hx)} tensors; expected hidden state and cell")

    def run(layer: _Layer, x: Tensor) -> tuple[Tensor, Tensor | None]:
        hidden, cell = (_of_layer(call, state, layer.number) for state in hx)
        return _lstm(call, layer, x, hidden, cell, keep=call.streaming)

    return _stack(call, run)


@converts("aten.gru_cell.default")
def gru_cell(call: Call) -> Tensor:
    """One step, whose state the module takes and gives."""
    x, layer = _cell(call)
    y = _gru(call, layer, x, call.tensor("hx"), explicit=True)
    return call.reshaped(y, (y.shape[0], y.shape[2]))


@converts("aten.lstm_cell.default")
def lstm_cell(call: Call) -> Converted:
    """One step, whose state the module takes and gives."""
    x, layer = _cell(call)
    hx = call.tensors("hx")
    if len(hx) != 2:
        raise UserError(f"hx has {len(hx)} tensors; expected hidden state and cell")
    y, cell = _lstm(call, layer, x, hx[0], hx[1], keep=False)
    return call.reshaped(y, (y.shape[0], y.shape[2])), cell


def _cell(call: Call) -> tuple[Tensor, _Layer]:
    x = call.tensor("input")
    if len(x.shape) != 2:
        raise UserError(f"{x.name} has shape {list(x.shape)}; expected [batch, features]")
    biases = tuple(call.tensor(name) for name in ("b_ih", "b_hh") if call.has(name))
    layer = _Layer(call.name, call.tensor("w_ih"), call.tensor("w_hh"), biases, False, 0)
    return call.reshaped(x, (x.shape[0], 1, x.shape[1])), layer


def _stack(call: Call, run: _Run) -> tuple[Tensor, Tensor, Tensor | None]:
    """Every layer over what the one before it gives.

    Returns:
        The last layer's hidden state of each step; the last step's of all layers; likewise cells.
    """
    x = call.tensor("input")
    if len(x.shape) != 3:
        raise UserError(f"{x.name} has shape {list(x.shape)}; expected 3 dimensions")
    if call.flag("train") and call.real("dropout") > 0:
        raise UnsupportedError(
            "drops elements at random; export the module in evaluation mode, module.eval()"
        )
    call.real("dropout")
    both = call.flag("bidirectional")
    if both and call.streaming:
        raise UnsupportedError(
            "is bidirectional: a step needs those that come after it; supported with streaming: "
            "one direction"
        )
    time = 1 if call.flag("batch_first") else 0
    last: list[Tensor] = []
    cells: list[Tensor] = []
    for layers in _layers(call, both):
        parts = []
        for layer in layers:
            steps = _reversed(call, x, time) if layer.backwards else x
            y, cell = run(layer, steps)
            last.append(_step(call, y, time))
            cells += [] if cell is None else [cell]
            parts.append(_reversed(call, y, time) if layer.backwards else y)
        x = parts[0] if len(parts) == 1 else call.emit(Concatenation(axis=2), *parts)
    hidden = call.emit(Pack(axis=0), *last, suffix="last")
    return x, hidden, call.emit(Pack(axis=0), *cells, suffix="cells") if cells else None


def _layers(call: Call, both: bool) -> list[list[_Layer]]:
    params, count = call.tensors("params"), call.integer("num_layers")
    each = 4 if call.flag("has_biases") else 2
    directions = 2 if both else 1
    if count < 1 or len(params) != count * directions * each:
        raise UnsupportedError(
            f"has {len(params)} parameters for {count} layers; expected {each} a layer and "
            "direction: projections are not supported"
        )
    layers = []
    for number in range(count * directions):
        name = call.name if count * directions == 1 else f"{call.name}.l{number // directions}"
        backwards = number % directions == 1
        w, r, *biases = params[number * each : (number + 1) * each]
        if len(w.shape) != 2 or len(r.shape) != 2:
            raise UserError(f"weights {list(w.shape)} and {list(r.shape)} are no matrices")
        reverse = ".reverse" if backwards else ""
        layers.append(_Layer(name + reverse, w, r, tuple(biases), backwards, number))
    return [layers[i : i + directions] for i in range(0, len(layers), directions)]


def _gru(call: Call, layer: _Layer, x: Tensor, first: Tensor, *, explicit: bool = False) -> Tensor:
    """What a run starts from is a variable, or a tensor where it is not known to be zeros."""
    known = None if explicit else _known(call, first)
    keep = call.streaming and known is not None
    hidden: Tensor | None = first
    if known is not None:
        if keep:
            hidden = call.builder.variable(f"{layer.name}.hidden", known)
        elif not known.any():
            hidden = None
    attributes = Gru(stateful=keep, time_major=_time_major(call))
    biases = layer.biases or (None, None)
    return call.builder.one(
        layer.name, attributes, (x, layer.weights, layer.recurrent, *biases, hidden)
    )


def _lstm(
    call: Call, layer: _Layer, x: Tensor, hidden: Tensor, cell: Tensor, *, keep: bool
) -> tuple[Tensor, Tensor]:
    """State stands in variables in any case; where it is computed it is put there first."""
    states = []
    stateful = keep
    zeros = np.zeros(hidden.shape, np.float32)
    for what, first in (("hidden", hidden), ("cell", cell)):
        known = _known(call, first)
        computed = known is None or (not keep and known.any())
        start = zeros if known is None else known
        state = call.builder.variable(f"{layer.name}.{what}", start)
        if computed:
            call.builder.op(f"{layer.name}.{what}.start", AssignVariable(), (state, first))
            stateful = True
        states.append((state, computed))
    if stateful and not keep and not all(computed for _, computed in states):
        # One of the two is computed: the other starts from zeros in each call as well.
        for (state, computed), what in zip(states, ("hidden", "cell"), strict=True):
            if not computed:
                zero = call.builder.constant(f"{layer.name}.{what}.zeros", zeros)
                call.builder.op(f"{layer.name}.{what}.start", AssignVariable(), (state, zero))
    y = call.builder.one(
        layer.name,
        Lstm(stateful=stateful, time_major=_time_major(call)),
        (x, *_gates(call, layer), *(state for state, _ in states)),
    )
    after = call.builder.one(f"{layer.name}.cell.read", ReadVariable(), (states[1][0],))
    return y, after


def _gates(call: Call, layer: _Layer) -> list[Tensor]:
    """Input weights, recurrent weights and biases of each gate; a gate has one bias, their sum."""
    weights, recurrent = (_quarters(call, t, layer.units) for t in (layer.weights, layer.recurrent))
    if layer.biases:
        both = [_quarters(call, bias, layer.units) for bias in layer.biases]
        biases = [np.asarray(a + b, np.float32) for a, b in zip(*both, strict=True)]
    else:
        biases = [np.zeros(layer.units, np.float32)] * GATES
    made = []
    for what, arrays in (("weights", weights), ("recurrent", recurrent), ("bias", biases)):
        for gate, array in zip("ifgo", arrays, strict=True):
            made.append(call.builder.constant(f"{layer.name}.{what}_{gate}", array))
    return made


def _quarters(call: Call, weights: Tensor, units: int) -> list[Array]:
    values = call.known_values(weights)
    if values.shape[0] != GATES * units:
        raise UnsupportedError(
            f"{weights.name} has shape {list(values.shape)}; expected {GATES} gates of {units} "
            "rows: projections are not supported"
        )
    return np.split(values, GATES)


def _time_major(call: Call) -> bool:
    return call.node.op.endswith(".input") and not call.flag("batch_first")


def _known(call: Call, state: Tensor) -> Array | None:
    """A state that follows from constants alone."""
    try:
        return np.asarray(call.known_values(state), np.float32)
    except UnsupportedError:
        return None


def _of_layer(call: Call, states: Tensor, number: int) -> Tensor:
    """[layers, batch, n] at one layer."""
    if len(states.shape) != 3 or number >= states.shape[0]:
        raise UserError(
            f"{states.name} has shape {list(states.shape)}; expected [layers, batch, n]"
        )
    size = (1, *states.shape[1:])
    part = Slice(begin=(number, 0, 0), size=size, step=(1, 1, 1), shape=states.shape[1:])
    return call.emit(part, states, suffix="start")


def _reversed(call: Call, x: Tensor, time: int) -> Tensor:
    begin = tuple(n - 1 if d == time else 0 for d, n in enumerate(x.shape))
    step = tuple(-1 if d == time else 1 for d in range(len(x.shape)))
    return call.emit(
        Slice(begin=begin, size=x.shape, step=step, shape=x.shape), x, suffix="reverse"
    )


def _step(call: Call, y: Tensor, time: int) -> Tensor:
    """The last one."""
    begin = tuple(n - 1 if d == time else 0 for d, n in enumerate(y.shape))
    size = tuple(1 if d == time else n for d, n in enumerate(y.shape))
    shape = tuple(n for d, n in enumerate(y.shape) if d != time)
    part = Slice(begin=begin, size=size, step=(1, 1, 1), shape=shape)
    return call.emit(part, y, suffix="last_step")
