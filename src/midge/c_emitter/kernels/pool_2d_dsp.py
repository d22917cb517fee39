"""Kernels of int8 pooling on cores with the DSP extension: `pool_2d_s8_dsp.h`."""

from __future__ import annotations

from midge.c_emitter.kernel import Call, Kernel, Layer, Places
from midge.c_emitter.windowed import clamp_fields, window_distance, window_fields
from midge.graph.ops.pool_2d import Pool2D

_TAPS = 255
"""So many values of int8 sum up within 16 bits."""


class Pool2DDsp(Kernel):
    """One pixel after another, four channels in a word."""

    variant = "dsp"
    source = "pool_2d_s8_dsp.h"
    requires = frozenset({"dsp"})
    rank = 10

    def __init__(self, kind: str) -> None:
        self.kinds = (kind,)
        self.function = f"midge_{kind}_s8_dsp"

    @staticmethod
    def _attributes(layer: Layer) -> Pool2D:
        attributes = layer.op.attributes
        if not isinstance(attributes, Pool2D):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        return attributes

    def applies(self, layer: Layer) -> bool:
        """Windows whose sums stay within 16 bits."""
        height, width = self._attributes(layer).window().kernel
        return height * width <= _TAPS

    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - one input
        """A pixel is written while its window is read."""
        return window_distance(layer, self._attributes(layer).window(), reads_first=False)

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        attributes, x = self._attributes(layer), layer.input(0)
        fields: dict[str, object] = {"window": window_fields(x, layer.output, attributes.window())}
        fields |= clamp_fields(layer.output, attributes.activation)
        return Call((places.inputs[0], places.outputs[0]), "midge_pool_2d_dsp", fields)


KERNELS = (Pool2DDsp("average_pool_2d"), Pool2DDsp("max_pool_2d"))
