"""Kernels of pooling: `pool_2d_integer.h`, `pool_2d_f32.h`."""

from __future__ import annotations

from midge.c_emitter import overlap
from midge.c_emitter.kernel import Call, Kernel, Layer, Places
from midge.c_emitter.windowed import clamp_fields, window_fields
from midge.graph import DType
from midge.graph.ops.pool_2d import Pool2D


class _Pool2D(Kernel):
    """One pixel after another, each channel on its own."""

    struct = "midge_pool_2d"
    source = "pool_2d_integer.h"

    def __init__(self, kind: str, dtype: DType, suffix: str) -> None:
        self.kinds = (kind,)
        self.types = (dtype,)
        self.function = f"midge_{kind}_{suffix}"

    @staticmethod
    def _attributes(layer: Layer) -> Pool2D:
        attributes = layer.op.attributes
        if not isinstance(attributes, Pool2D):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        return attributes

    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - one input
        """A pixel is written while its window is read."""
        x = layer.input(0)
        batches, height, width, channels = x.shape
        pixel = channels * x.dtype.size_bits // 8
        window = self._attributes(layer).window()
        return overlap.sliding(
            window, batches, (height, width), pixel, pixel, step=1, reads_first=False
        )

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        attributes, x = self._attributes(layer), layer.input(0)
        fields: dict[str, object] = {"window": window_fields(x, layer.output, attributes.window())}
        fields |= clamp_fields(layer.output, attributes.activation)
        return Call((places.inputs[0], places.outputs[0]), self.struct, fields)


class _Pool2DFloat(_Pool2D):
    """Sums row by row."""

    struct = "midge_pool_2d_f32"
    source = "pool_2d_f32.h"


KERNELS = (
    *(
        _Pool2D(kind, dtype, suffix)
        for kind in ("average_pool_2d", "max_pool_2d")
        for dtype, suffix in ((DType.INT8, "s8"), (DType.INT16, "s16"))
    ),
    *(
        _Pool2DFloat(kind, DType.FLOAT32, "f32")
        for kind in ("average_pool_2d", "max_pool_2d", "l2_pool_2d")
    ),
)
