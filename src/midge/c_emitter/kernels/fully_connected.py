"""Kernels of fully_connected: `fully_connected_s8.h`, `fully_connected_s8_dsp.h`.

For weights of other types, or with a zero point, `fully_connected_*.h`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from midge.c_emitter import overlap, weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places, operands
from midge.c_emitter.windowed import activation_fields, clamp_fields
from midge.graph import DType
from midge.graph.accumulate import weights_zero
from midge.graph.ops.fully_connected import FullyConnected


def _attributes(layer: Layer) -> FullyConnected:
    attributes = layer.op.attributes
    if not isinstance(attributes, FullyConnected):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def _shape_fields(layer: Layer) -> dict[str, object]:
    outputs, features = layer.input(1).shape
    rows = layer.output.size // outputs
    return {"rows": rows, "features": features, "outputs": outputs}


def _distance(layer: Layer, reads_first: bool) -> int:
    outputs, features = layer.input(1).shape
    rows = layer.output.size // outputs
    element_bytes = layer.output.dtype.size_bits // 8
    return overlap.rows(
        rows, features * element_bytes, outputs * element_bytes, reads_first=reads_first
    )


class _FullyConnected(Kernel):
    """Of int8 activations.

    Attributes:
        weights: Their type.
    """

    kinds = ("fully_connected",)
    weights = DType.INT8

    def applies(self, layer: Layer) -> bool:
        x, w = layer.input(0), layer.input(1)
        rounding = _attributes(layer).rounding
        symmetric = w.dtype is self.weights and weights_zero(w) == 0
        return x.dtype is DType.INT8 and symmetric and rounding in weighted.SUM_ROUNDINGS

    def _fields(
        self, layer: Layer, places: Places
    ) -> tuple[dict[str, object], tuple[Constant, ...]]:
        attributes, x, w = _attributes(layer), layer.input(0), layer.input(1)
        narrow = weighted.is_narrow(x, w, layer.optional(2), channel_axis=0)
        factors, constants = weighted.factor_fields(
            attributes.factors(x, w, layer.output), narrow, places
        )
        fields = _shape_fields(layer) | activation_fields(layer.output, attributes.activation)
        return {**fields, "factors": factors}, constants

    def _bias(self, layer: Layer) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        return weighted.folded_bias(
            layer.input(0), layer.input(1), layer.optional(2), channel_axis=0
        )


class FullyConnectedPortable(_FullyConnected):
    """One output at a time."""

    variant = "portable"
    function = "midge_fully_connected_s8"
    source = "fully_connected_s8.h"

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A row is read again for every output."""
        return _distance(layer, reads_first=False) if index == 0 else None

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        fields, constants = self._fields(layer, places)
        weights = np.asarray(layer.input(1).data, np.int8).reshape(-1)
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                places.constant("bias"),
            ),
            "midge_fully_connected",
            fields,
            (Constant("weights", weights), Constant("bias", self._bias(layer)), *constants),
        )


class FullyConnectedDsp(_FullyConnected):
    """Two outputs at a time from a widened row."""

    variant = "dsp"
    function = "midge_fully_connected_s8_dsp"
    source = "fully_connected_s8_dsp.h"
    struct = "midge_fully_connected_dsp"
    requires = frozenset({"dsp"})
    rank = 10
    features_a_word = 4

    def _padded(self, layer: Layer) -> int:
        return -(-layer.input(1).shape[1] // self.features_a_word) * self.features_a_word

    def _packed(
        self, rows: npt.NDArray[np.int8]
    ) -> tuple[npt.NDArray[np.generic], dict[str, object]]:
        """The weights as they stand in flash, and fields that go with them."""
        return weighted.interleaved_pairs(rows), {}

    def scratch_bytes(self, layer: Layer) -> int:
        """One widened row."""
        return 2 * self._padded(layer)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A row is widened before its outputs are written."""
        return _distance(layer, reads_first=True) if index == 0 else None

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights interleaved for pairs of outputs."""
        fields, constants = self._fields(layer, places)
        weights, more = self._packed(np.asarray(layer.input(1).data, np.int8))
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                places.constant("bias"),
                f"(uint32_t *)(void *){places.scratch}",
            ),
            self.struct,
            {**fields, "padded": self._padded(layer), **more},
            (
                Constant("weights", weights),
                Constant("bias", weighted.padded_bias(self._bias(layer))),
                *constants,
            ),
        )


class FullyConnectedInt4Dsp(FullyConnectedDsp):
    """The same with weights of four bits, which stand eight to a word."""

    variant = "int4_dsp"
    function = "midge_fully_connected_s8_s4_dsp"
    source = "fully_connected_s8_s4_dsp.h"
    struct = "midge_fully_connected_s8_s4_dsp"
    weights = DType.INT4
    features_a_word = 8

    def _packed(
        self, rows: npt.NDArray[np.int8]
    ) -> tuple[npt.NDArray[np.generic], dict[str, object]]:
        fields: dict[str, object] = {"block": weighted.int4_block(rows)}
        return weighted.interleaved_int4_pairs(rows), fields


class FullyConnectedZero(_FullyConnected):
    """Weights of four bits, taken apart as they are read, or with a zero point other than 0."""

    variant = "zero"
    function = "midge_fully_connected_s8_zero"
    source = "fully_connected_s8_zero.h"

    def applies(self, layer: Layer) -> bool:
        """What the others do not take."""
        x, w = layer.input(0), layer.input(1)
        rounding = _attributes(layer).rounding
        special = w.dtype is DType.INT4 or (w.dtype is DType.INT8 and weights_zero(w) != 0)
        return x.dtype is DType.INT8 and special and rounding in weighted.SUM_ROUNDINGS

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A row is read again for every output."""
        return _distance(layer, reads_first=False) if index == 0 else None

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph, or two to a byte."""
        fields, constants = self._fields(layer, places)
        w = layer.input(1)
        is_int4 = w.dtype is DType.INT4
        stored = np.asarray(w.data, np.int8)
        weights = weighted.packed_int4(stored) if is_int4 else stored.reshape(-1)
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                places.constant("bias"),
            ),
            "midge_fully_connected_s8_zero",
            {**fields, "is_int4": is_int4, "w_zero": weights_zero(w)},
            (Constant("weights", weights), Constant("bias", self._bias(layer)), *constants),
        )


class FullyConnectedInt16(Kernel):
    """int16 activations, int8 weights, one output at a time."""

    kinds = ("fully_connected",)
    types = (DType.INT16,)
    function = "midge_fully_connected_s16"
    source = "fully_connected_s16.h"

    def applies(self, layer: Layer) -> bool:
        """Sums of 64 bits, or of 32 as TFLite Micro rounds them."""
        attributes = _attributes(layer)
        return layer.input(0).dtype is DType.INT16 and weighted.has_rounding_s16(attributes)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A row is read again for every output."""
        return _distance(layer, reads_first=False) if index == 0 else None

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        attributes, x, w = _attributes(layer), layer.input(0), layer.input(1)
        factors = attributes.factors(x, w, layer.output)
        sums, constants = weighted.sums_s16_fields(layer, factors, attributes.activation, places)
        weights = Constant("weights", np.asarray(w.data, np.int8).reshape(-1))
        return Call(
            (places.inputs[0], places.outputs[0], places.constant("weights")),
            "midge_fully_connected_s16",
            {**_shape_fields(layer), "w_zero": weights_zero(w), "sums": sums},
            (weights, *constants),
        )


class FullyConnectedFloat(Kernel):
    """float32, one output at a time, summed in the order of the features."""

    kinds = ("fully_connected",)
    types = (DType.FLOAT32,)
    function = "midge_fully_connected_f32"
    source = "fully_connected_f32.h"

    def applies(self, layer: Layer) -> bool:
        """Constant or computed weights and bias."""
        return layer.input(0).dtype is DType.FLOAT32

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A row is read again for every output; weights and bias are read until the last one."""
        return _distance(layer, reads_first=False) if index == 0 else None

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        (x, *rest), constants = operands(layer, places, ("x", "weights", "bias"))
        weights, bias = (*rest, "NULL")[:2]
        clamp = clamp_fields(layer.output, _attributes(layer).activation)
        return Call(
            (x, places.outputs[0], weights, bias),
            "midge_fully_connected_f32",
            {**_shape_fields(layer), **clamp},
            constants,
        )


KERNELS = (
    FullyConnectedPortable(),
    FullyConnectedDsp(),
    FullyConnectedZero(),
    FullyConnectedInt4Dsp(),
    FullyConnectedInt16(),
    FullyConnectedFloat(),
)
