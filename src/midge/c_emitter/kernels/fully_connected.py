"""Kernels of fully_connected: `fully_connected_s8.h`, `fully_connected_s8_dsp.h`."""

from __future__ import annotations

import numpy as np

from midge.c_emitter import overlap, weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places
from midge.c_emitter.windowed import activation_fields
from midge.graph.ops.fully_connected import FullyConnected


def _attributes(layer: Layer) -> FullyConnected:
    attributes = layer.op.attributes
    if not isinstance(attributes, FullyConnected):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


class _FullyConnected(Kernel):
    kinds = ("fully_connected",)

    def applies(self, layer: Layer) -> bool:
        return _attributes(layer).rounding in weighted.ROUNDINGS

    def _rows(self, layer: Layer) -> int:
        return layer.output.size // layer.input(1).shape[0]

    def _distance(self, layer: Layer, reads_first: bool) -> int:
        outputs, features = layer.input(1).shape
        return overlap.rows(self._rows(layer), features, outputs, reads_first=reads_first)

    def _fields(
        self, layer: Layer, places: Places
    ) -> tuple[dict[str, object], tuple[Constant, ...]]:
        attributes, x, w = _attributes(layer), layer.input(0), layer.input(1)
        narrow = weighted.is_narrow(x, w, layer.optional(2), channel_axis=0)
        factors, constants = weighted.factor_fields(
            attributes.factors(x, w, layer.output), narrow, places
        )
        fields: dict[str, object] = {
            "rows": self._rows(layer),
            "features": w.shape[1],
            "outputs": w.shape[0],
        }
        fields |= activation_fields(layer.output, attributes.activation)
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
        return self._distance(layer, reads_first=False) if index == 0 else None

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
    requires = frozenset({"dsp"})

    def _padded(self, layer: Layer) -> int:
        return -(-layer.input(1).shape[1] // 4) * 4

    def scratch_bytes(self, layer: Layer) -> int:
        """One widened row."""
        return 2 * self._padded(layer)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A row is widened before its outputs are written."""
        return self._distance(layer, reads_first=True) if index == 0 else None

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights interleaved for pairs of outputs."""
        fields, constants = self._fields(layer, places)
        weights = weighted.interleaved_pairs(np.asarray(layer.input(1).data, np.int8))
        return Call(
            (
                places.inputs[0],
                places.outputs[0],
                places.constant("weights"),
                places.constant("bias"),
                f"(uint32_t *)(void *){places.scratch}",
            ),
            "midge_fully_connected_dsp",
            {**fields, "padded": self._padded(layer)},
            (
                Constant("weights", weights),
                Constant("bias", weighted.padded_bias(self._bias(layer))),
                *constants,
            ),
        )


KERNELS = (FullyConnectedPortable(), FullyConnectedDsp())
