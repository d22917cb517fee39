"""Kernels of average_pool_2d and max_pool_2d with Helium: `pool_2d_s8_mve.h`."""

from __future__ import annotations

import math

from midge.c_emitter import overlap
from midge.c_emitter.kernel import Call, Kernel, Layer, Places
from midge.c_emitter.windowed import clamp_fields, window_fields
from midge.graph.ops.pool_2d import Pool2D
from midge.graph.window import Window

_LARGEST_COUNT = 4096
"""Taps whose sum is divided by a multiplication; see `midge_mean_mve`."""


class HeliumPool2D(Kernel):
    """One pixel after another, some channels at a time."""

    variant = "helium"
    source = "pool_2d_s8_mve.h"
    requires = frozenset({"mve"})
    rank = 30

    def __init__(self, kind: str) -> None:
        self.kinds = (kind,)
        self.function = f"midge_{kind}_s8_mve"

    @staticmethod
    def _attributes(layer: Layer) -> Pool2D:
        attributes = layer.op.attributes
        if not isinstance(attributes, Pool2D):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        return attributes

    def _window(self, layer: Layer) -> Window:
        return self._attributes(layer).window()

    def applies(self, layer: Layer) -> bool:
        """Windows of a size that means are proved for."""
        return math.prod(self._window(layer).kernel) <= _LARGEST_COUNT

    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - one input
        """A pixel is written while its window is read."""
        batches, height, width, channels = layer.input(0).shape
        return overlap.sliding(
            self._window(layer),
            batches,
            (height, width),
            channels,
            channels,
            step=1,
            reads_first=False,
        )

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        window = window_fields(layer.input(0), layer.output, self._window(layer))
        clamp = clamp_fields(layer.output, self._attributes(layer).activation)
        return Call(
            (places.inputs[0], places.outputs[0]), "midge_pool_2d_mve", {"window": window, **clamp}
        )


KERNELS = (HeliumPool2D("average_pool_2d"), HeliumPool2D("max_pool_2d"))
