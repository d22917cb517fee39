"""Kernels of average_pool_2d and max_pool_2d: `pool_2d_s8.h`."""

from __future__ import annotations

from midge.c_emitter import overlap
from midge.c_emitter.kernel import Call, Kernel, Layer, Places
from midge.c_emitter.windowed import clamp_fields, window_fields
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.max_pool_2d import MaxPool2D


def _attributes(layer: Layer) -> AveragePool2D | MaxPool2D:
    attributes = layer.op.attributes
    if not isinstance(attributes, AveragePool2D | MaxPool2D):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


class _Pool2D(Kernel):
    variant = "portable"
    source = "pool_2d_s8.h"

    def applies(self, layer: Layer) -> bool:  # noqa: ARG002 - nothing is left to refuse
        """Any window."""
        return True

    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - one input
        """A pixel is written while its window is read."""
        batches, height, width, channels = layer.input(0).shape
        window = _attributes(layer).window()
        image = (height, width)
        return overlap.sliding(
            window, batches, image, channels, channels, step=1, reads_first=False
        )

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        attributes, x = _attributes(layer), layer.input(0)
        fields: dict[str, object] = {"window": window_fields(x, layer.output, attributes.window())}
        fields |= clamp_fields(layer.output, attributes.activation)
        return Call((places.inputs[0], places.outputs[0]), "midge_pool_2d", fields)


class AveragePool(_Pool2D):
    """The rounded mean."""

    kinds = ("average_pool_2d",)
    function = "midge_average_pool_2d_s8"


class MaxPool(_Pool2D):
    """The maximum."""

    kinds = ("max_pool_2d",)
    function = "midge_max_pool_2d_s8"


KERNELS = (AveragePool(), MaxPool())
