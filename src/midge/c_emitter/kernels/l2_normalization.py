"""Kernels of l2_normalization: `l2_normalization_s8.h`, `l2_normalization_f32.h`."""

from __future__ import annotations

from midge.c_emitter.kernel import Call, Kernel, Layer, Places
from midge.graph import DType
from midge.graph.ops.l2_normalization import LEAST_NORM


def _rows(layer: Layer) -> dict[str, object]:
    x = layer.input(0)
    return {"rows": x.size // x.shape[-1], "length": x.shape[-1]}


class L2NormalizationPortable(Kernel):
    """Row by row."""

    kinds = ("l2_normalization",)
    function = "midge_l2_normalization_s8"
    source = "l2_normalization_s8.h"

    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - one input
        """Each element is read for the last time before it is written."""
        return 0

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        fields = _rows(layer) | {"x_zero": layer.input(0).zero_point}
        return Call((places.inputs[0], places.outputs[0]), "midge_l2_normalization", fields)


class L2NormalizationFloat(L2NormalizationPortable):
    """With a division an element."""

    types = (DType.FLOAT32,)
    function = "midge_l2_normalization_f32"
    source = "l2_normalization_f32.h"

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        fields = _rows(layer) | {"least": LEAST_NORM}
        return Call((places.inputs[0], places.outputs[0]), "midge_l2_normalization_f32", fields)


KERNELS = (L2NormalizationPortable(), L2NormalizationFloat())
