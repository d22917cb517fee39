"""Kernels of gru: `gru_s8.h`, `gru_s8_dsp.h`, `gru_s16.h`, `gru_f32.h`.

The sequence is a loop in the kernel: the code is the same for one step and for a thousand, and a
run of one step costs one step. A hidden state that is not kept stands in scratch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from midge.c_emitter import overlap, weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places
from midge.graph import DType, Tensor
from midge.graph.ops.gru import (
    BIAS,
    HIDDEN,
    HIDDEN_STATE,
    RECURRENT,
    RECURRENT_BIAS,
    WEIGHTS,
    Gru,
    X,
)


def _attributes(layer: Layer) -> Gru:
    attributes = layer.op.attributes
    if not isinstance(attributes, Gru):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


class _Gru(Kernel):
    """What stands around the arithmetic.

    Attributes:
        state_bytes: Of an element of the hidden state.
        state_type: In C.
        reads_first: A row of x is read wholly before its row of y is written.
        arrays: Constants among the arguments, NULL where a layer has none.
    """

    kinds = (Gru.kind,)
    state_bytes: int
    state_type: str
    start: str
    reads_first: bool
    arrays: tuple[str, ...] = ("weights", "recurrent", "bias", "recurrent_bias")

    def _kept_elements(self, layer: Layer) -> int:
        """Of the hidden state in scratch, in multiples of 4."""
        attributes = _attributes(layer)
        if attributes.stateful:
            return 0
        size = attributes.batches(layer.input(X)) * layer.output.shape[2]
        return -(-size // 4) * 4

    def _work_elements(self, layer: Layer) -> int:
        """Of what a step leaves behind on its way."""
        raise NotImplementedError

    def scratch_bytes(self, layer: Layer) -> int:
        """A hidden state that is not kept, and what a step leaves behind on its way."""
        return self.state_bytes * (self._kept_elements(layer) + self._work_elements(layer))

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A row is read again for every gate."""
        if index != X:
            return None
        (first, second, features), units = layer.input(X).shape, layer.output.shape[2]
        size = layer.output.dtype.size_bits // 8
        return overlap.rows(
            first * second, size * features, size * units, reads_first=self.reads_first
        )

    def _shape(self, layer: Layer) -> dict[str, object]:
        attributes, x, hidden = _attributes(layer), layer.input(X), layer.optional(HIDDEN)
        sequences = attributes.batches(x)
        start = "KEPT" if attributes.stateful else "ZEROS" if hidden is None else "GIVEN"
        return {
            "sequences": sequences,
            "steps": x.shape[0] * x.shape[1] // sequences,
            "features": x.shape[2],
            "units": layer.output.shape[2],
            "time_major": attributes.time_major,
            "linear_before_reset": attributes.linear_before_reset,
            "start": f"{self.start}_{start}",
        }

    def _call(
        self,
        layer: Layer,
        places: Places,
        struct: str,
        fields: dict[str, object],
        constants: dict[str, npt.NDArray[np.generic]],
        further: tuple[Constant, ...] = (),
    ) -> Call:
        """Of the arguments that all of them have; an input that is constant stands in flash."""
        held = [Constant(name, values.reshape(-1)) for name, values in constants.items()]

        def place(index: int, name: str) -> str:
            value = layer.optional(index)
            if value is None or not value.is_constant:
                return "NULL" if value is None else places.inputs[index]
            held.append(Constant(name, np.asarray(value.data).reshape(-1)))
            return places.constant(name)

        def in_scratch(element: int) -> str:
            offset = f" + {element * self.state_bytes}" if element else ""
            return f"({self.state_type} *)(void *)({places.scratch}{offset})"

        stateful = _attributes(layer).stateful
        kept, work = self._kept_elements(layer), self._work_elements(layer)
        arguments = (
            place(X, "x"),
            places.outputs[0],
            places.inputs[HIDDEN] if stateful else in_scratch(0),
            "NULL" if stateful else place(HIDDEN, "initial"),
            in_scratch(kept) if work else "NULL",
            *(places.constant(name) if name in constants else "NULL" for name in self.arrays),
        )
        return Call(arguments, struct, fields, (*held, *further))


class GruInteger(_Gru):
    """One gate of one unit at a time."""

    state_bytes = 2
    state_type = "int16_t"
    start = "MIDGE_GRU"
    reads_first = True

    def __init__(self, dtype: DType, suffix: str) -> None:
        self.types = (dtype,)
        self.function = f"midge_gru_{suffix}"
        self.source = f"gru_{suffix}.h"

    def _work_elements(self, layer: Layer) -> int:
        """The next hidden state; or what the reset gate leaves of the old one, and update gates."""
        units = layer.output.shape[2]
        return units if _attributes(layer).linear_before_reset else 2 * units

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        fields, constants, further = self._integer_fields(layer, places)
        for name, index in (("weights", WEIGHTS), ("recurrent", RECURRENT)):
            constants[name] = np.asarray(layer.input(index).data, np.int8)
        return self._call(layer, places, "midge_gru", fields, constants, further)

    def _integer_fields(
        self, layer: Layer, places: Places
    ) -> tuple[dict[str, object], dict[str, npt.NDArray[np.generic]], tuple[Constant, ...]]:
        """``struct midge_gru``, the biases, and the arrays that the struct names."""
        x, w, v = layer.input(X), layer.input(WEIGHTS), layer.input(RECURRENT)
        b, c = layer.optional(BIAS), layer.optional(RECURRENT_BIAS)
        factors = _attributes(layer).factors(layer.inputs, layer.output)
        biases: dict[str, npt.NDArray[np.generic]] = {
            "bias": weighted.folded_bias(x, w, b, channel_axis=0)
        }
        if c is not None:
            biases["recurrent_bias"] = np.asarray(c.data, np.int32)
        fields = self._shape(layer)
        further: tuple[Constant, ...] = ()
        sums: tuple[tuple[str, Tensor, Tensor, Tensor | None], ...] = (
            ("inputs", x, w, b),
            ("recurrent", HIDDEN_STATE, v, c),
        )
        for name, source, rows, bias in sums:
            narrow = weighted.is_narrow(source, rows, bias, channel_axis=0)
            found = factors.inputs if name == "inputs" else factors.recurrent
            fields[name], arrays = weighted.factor_fields(found, narrow, places, f"{name}_factors")
            further += arrays
        # A hidden state has 16 bits.
        fields["output"], _ = weighted.factor_fields(factors.output, True, places)
        fields["y_zero"] = layer.output.zero_point
        return fields, biases, further


class GruDsp(GruInteger):
    """Two rows of the weights at a time, from widened rows."""

    variant = "dsp"
    requires = frozenset({"dsp"})
    rank = 10
    arrays = (
        *("gate_weights", "new_weights", "gate_recurrent", "new_recurrent"),
        *("bias", "recurrent_bias"),
    )

    def __init__(self) -> None:
        super().__init__(DType.INT8, "s8_dsp")

    def _padded(self, layer: Layer) -> tuple[int, int]:
        features, units = layer.input(X).shape[2], layer.output.shape[2]
        return -(-features // 4) * 4, -(-units // 4) * 4

    def _work_elements(self, layer: Layer) -> int:
        """Widened, a row of the input and a hidden state; then both gates of each unit."""
        return sum(self._padded(layer)) + 2 * layer.output.shape[2]

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights interleaved for pairs of rows: a unit's two gates, then two units' new states."""
        fields, constants, further = self._integer_fields(layer, places)
        units = layer.output.shape[2]
        for name, index in (("weights", WEIGHTS), ("recurrent", RECURRENT)):
            rows = np.asarray(layer.input(index).data, np.int8)
            gates = np.stack([rows[:units], rows[units : 2 * units]], axis=1)
            gates = gates.reshape(2 * units, rows.shape[1])
            constants[f"gate_{name}"] = weighted.interleaved_pairs(gates)
            constants[f"new_{name}"] = weighted.interleaved_pairs(rows[2 * units :])
        features, padded_units = self._padded(layer)
        fields = {"padded_features": features, "padded_units": padded_units, "gru": fields}
        return self._call(layer, places, "midge_gru_dsp", fields, constants, further)


class GruFloat(_Gru):
    """One gate of one unit at a time, in float32."""

    types = (DType.FLOAT32,)
    function = "midge_gru_f32"
    source = "gru_f32.h"
    state_bytes = 4
    state_type = "float"
    start = "MIDGE_GRU_F32"
    reads_first = False

    def _work_elements(self, layer: Layer) -> int:
        """What the reset gate leaves of the hidden state, and update gates."""
        return 0 if _attributes(layer).linear_before_reset else 2 * layer.output.shape[2]

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        names = {"weights": WEIGHTS, "recurrent": RECURRENT}
        names |= {"bias": BIAS, "recurrent_bias": RECURRENT_BIAS}
        constants: dict[str, npt.NDArray[np.generic]] = {
            name: np.asarray(value.data, np.float32)
            for name, index in names.items()
            if (value := layer.optional(index)) is not None
        }
        return self._call(layer, places, "midge_gru_f32", self._shape(layer), constants)


KERNELS = (GruInteger(DType.INT8, "s8"), GruDsp(), GruInteger(DType.INT16, "s16"), GruFloat())
