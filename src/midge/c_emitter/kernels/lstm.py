"""Kernels of lstm: `lstm_s8.h`, `lstm_s8_dsp.h`, `lstm_s16.h`, `lstm_f32.h`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.c_emitter import overlap, weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places
from midge.graph import DType, Tensor
from midge.graph.accumulate import worst_sum
from midge.graph.ops.lstm import CELL, GATES, HIDDEN, Lstm
from midge.graph.requantize import INT32_MAX, Requantization

X, INPUTS, RECURRENT, BIASES = 0, 1, 1 + GATES, 1 + 2 * GATES


def _attributes(layer: Layer) -> Lstm:
    attributes = layer.op.attributes
    if not isinstance(attributes, Lstm):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def _gates(layer: Layer, first: int) -> list[Tensor]:
    return [layer.input(first + gate) for gate in range(GATES)]


def _by_unit(arrays: Sequence[npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    """One array a gate, each with a row or number for every unit, as [units, gates, ...]."""
    return np.stack(arrays, axis=1)


def _weights(layer: Layer, first: int) -> npt.NDArray[np.generic]:
    return _by_unit([np.asarray(t.data) for t in _gates(layer, first)])


def _shape(layer: Layer) -> dict[str, object]:
    x, time_major = layer.input(X), _attributes(layer).time_major
    batches = _attributes(layer).batches(x)
    anew = {} if _attributes(layer).stateful else {"anew": True}
    return {
        "sequences": batches,
        "steps": x.shape[0] * x.shape[1] // batches,
        "features": x.shape[2],
        "units": layer.output.shape[2],
        "time_major": time_major,
        **anew,
    }


@dataclass(frozen=True)
class _Sums:
    """One of the two sums of every gate.

    Attributes:
        name: Of what is summed.
        source: Input or hidden state.
        gates: Its operands for each gate: source, weights, bias.
        factors: One a gate.
    """

    name: str
    source: Tensor
    gates: tuple[tuple[Tensor, Tensor, Tensor | None], ...]
    factors: Requantization

    def starts(self) -> npt.NDArray[np.int64]:
        """Biases with the source's zero point folded in, for each unit and in it for each gate."""
        starts = []
        for source, w, b in self.gates:
            products = source.zero_point * np.asarray(w.data).sum(axis=1, dtype=np.int64)
            starts.append((0 if b is None else np.asarray(b.data).astype(np.int64)) - products)
        return np.stack(starts, axis=1).reshape(-1)


def _sums(layer: Layer) -> tuple[_Sums, _Sums]:
    factors = _attributes(layer).factors(layer.inputs)
    x, hidden = layer.input(X), layer.input(HIDDEN)
    weights, biases = _gates(layer, INPUTS), _gates(layer, BIASES)
    own = tuple((x, w, b) for w, b in zip(weights, biases, strict=True))
    recurrent = tuple((hidden, w, None) for w in _gates(layer, RECURRENT))
    return (
        _Sums("inputs", x, own, _joined(factors.inputs)),
        _Sums("recurrent", hidden, recurrent, _joined(factors.recurrent)),
    )


def _joined(factors: Sequence[Requantization]) -> Requantization:
    """One factor for each gate, as channels."""
    return Requantization(
        np.concatenate([f.multiplier for f in factors]),
        np.concatenate([f.shift for f in factors]),
        factors[0].rounding,
    )


class _Lstm(Kernel):
    """An input that is constant stands in flash, as the weights do."""

    kinds = (Lstm.kind,)
    reads_first = False

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A row is read again for every gate."""
        if index != X:
            return None
        (first, second, features), units = layer.input(X).shape, layer.output.shape[2]
        size = layer.output.dtype.size_bits // 8
        return overlap.rows(
            first * second, size * features, size * units, reads_first=self.reads_first
        )

    def _call(
        self,
        places: Places,
        layer: Layer,
        struct: str,
        fields: dict[str, object],
        weights: Sequence[Constant],
        further: Sequence[Constant] = (),
        scratch: tuple[str, ...] = (),
    ) -> Call:
        """Of the arguments that all of them have; `further` constants stand in tables."""
        x = layer.input(X)
        constants = [*weights, *further]
        if x.is_constant:
            constants.append(Constant("x", np.asarray(x.data).reshape(-1)))
        arguments = (
            places.constant("x") if x.is_constant else places.inputs[X],
            places.outputs[0],
            places.inputs[HIDDEN],
            places.inputs[CELL],
            *(places.constant(c.suffix) for c in weights),
            *scratch,
        )
        return Call(arguments, struct, fields, tuple(constants))


class LstmPortable(_Lstm):
    """One gate at a time."""

    function = "midge_lstm_s8"
    source = "lstm_s8.h"

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights unit by unit."""
        weights = (
            Constant("inputs", _weights(layer, INPUTS).reshape(-1)),
            Constant("recurrent", _weights(layer, RECURRENT).reshape(-1)),
            *self._biases(layer),
        )
        fields, further = self._fields(layer, places)
        return self._call(places, layer, "midge_lstm_s8", fields, weights, further)

    @staticmethod
    def _biases(layer: Layer) -> tuple[Constant, Constant]:
        """What the two sums of each gate start from."""
        bias, offset = (s.starts().astype(np.int32) for s in _sums(layer))
        return Constant("bias", bias), Constant("offset", offset)

    @staticmethod
    def _fields(layer: Layer, places: Places) -> tuple[dict[str, object], tuple[Constant, ...]]:
        fields: dict[str, object] = {"shape": _shape(layer), "cell": _cell_fields(layer, places)}
        constants: tuple[Constant, ...] = ()
        for sums in _sums(layer):
            narrow = all(weighted.is_narrow(*operands, channel_axis=0) for operands in sums.gates)
            name = f"{sums.name}_factors"
            fields[sums.name], further = weighted.factor_fields(sums.factors, narrow, places, name)
            constants += further
        return fields, constants


def _cell_fields(layer: Layer, places: Places) -> dict[str, object]:
    """``struct midge_lstm_cell`` of a quantised layer."""
    attributes, cell = _attributes(layer), layer.input(CELL)
    factors, tanh = attributes.factors(layer.inputs), attributes.tanh(cell)
    low, high = layer.output.dtype.limits
    products = {"forget": factors.forget, "update": factors.update, "output": factors.output}
    # Products of values in Q0.15 and of int16 stay under 2**30.
    return {
        **{n: weighted.factor_fields(f, True, places, n)[0] for n, f in products.items()},
        "clips": attributes.cell_clip > 0,
        "clip": attributes.clip(cell),
        "tanh_multiplier": tanh.multiplier,
        "tanh_shift": tanh.shift,
        "y_zero": layer.input(HIDDEN).zero_point,
        "low": low,
        "high": high,
    }


class LstmDsp(LstmPortable):
    """Two gates at a time from widened rows."""

    variant = "dsp"
    function = "midge_lstm_s8_dsp"
    source = "lstm_s8_dsp.h"
    requires = frozenset({"dsp"})
    rank = 10
    reads_first = True

    def _padded(self, layer: Layer) -> tuple[int, int]:
        features, units = layer.input(X).shape[2], layer.output.shape[2]
        return -(-features // 4) * 4, -(-units // 4) * 4

    def scratch_bytes(self, layer: Layer) -> int:
        """Widened, a row of the input and a hidden state."""
        return 2 * sum(self._padded(layer))

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights interleaved for pairs of gates."""
        inputs, recurrent = (
            _weights(layer, first).astype(np.int8) for first in (INPUTS, RECURRENT)
        )
        weights = (
            Constant("inputs", weighted.interleaved_pairs(inputs.reshape(-1, inputs.shape[2]))),
            Constant(
                "recurrent", weighted.interleaved_pairs(recurrent.reshape(-1, recurrent.shape[2]))
            ),
            *self._biases(layer),
        )
        fields, further = self._fields(layer, places)
        padded_features, padded_units = self._padded(layer)
        fields = {
            "padded_features": padded_features,
            "padded_units": padded_units,
            "lstm": fields,
        }
        scratch = (f"(uint32_t *)(void *){places.scratch}",)
        return self._call(places, layer, "midge_lstm_dsp", fields, weights, further, scratch)


class LstmInt16(_Lstm):
    """One gate at a time, from activations of int16."""

    types = (DType.INT16,)
    function = "midge_lstm_s16"
    source = "lstm_s16.h"

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights unit by unit; sums have 32 bits where these are proven to do."""
        weights = (
            Constant("inputs", _weights(layer, INPUTS).reshape(-1)),
            Constant("recurrent", _weights(layer, RECURRENT).reshape(-1)),
        )
        low, high = DType.INT16.limits
        fields: dict[str, object] = {"shape": _shape(layer), "cell": _cell_fields(layer, places)}
        constants: list[Constant] = []
        for sums in _sums(layer):
            narrow = all(
                worst_sum(*operands, channel_axis=0) <= INT32_MAX for operands in sums.gates
            )
            factors, further = weighted.long_factor_fields(
                sums.factors, narrow, places, f"{sums.name}_factors"
            )
            start = f"{sums.name}_start"
            starts = sums.starts()
            constants += further
            constants.append(Constant(start, starts.astype(np.int32) if narrow else starts, 8))
            fields[sums.name] = {
                "bias" if narrow else "long_bias": places.constant(start),
                "narrow": narrow,
                "is_long": True,
                "long_factors": factors,
                "low": low,
                "high": high,
            }
        return self._call(places, layer, "midge_lstm_s16", fields, weights, constants)


class LstmFloat(_Lstm):
    """One gate at a time, in float32."""

    types = (DType.FLOAT32,)
    function = "midge_lstm_f32"
    source = "lstm_f32.h"

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights unit by unit."""
        bias = _by_unit([np.asarray(t.data) for t in _gates(layer, BIASES)])
        weights = (
            Constant("inputs", _weights(layer, INPUTS).reshape(-1)),
            Constant("recurrent", _weights(layer, RECURRENT).reshape(-1)),
            Constant("bias", bias.reshape(-1)),
        )
        clip = np.float32(_attributes(layer).cell_clip)
        return self._call(places, layer, "midge_lstm_f32", {**_shape(layer), "clip": clip}, weights)


KERNELS = (LstmPortable(), LstmDsp(), LstmInt16(), LstmFloat())
