"""Kernels of arg_max and arg_min: `argument.h`, `argument_f32.h`."""

from __future__ import annotations

import math

import numpy as np

from midge.c_emitter.kernel import Call, Kernel, Layer, Places
from midge.graph import DType
from midge.graph.ops.argument import Argument


class _Argument(Kernel):
    """One output after another."""

    kinds = ("arg_max", "arg_min")

    def __init__(self, dtype: DType, suffix: str) -> None:
        self.types = (dtype,)
        self.function = f"midge_argument_{suffix}"
        self.source = "argument_f32.h" if dtype is DType.FLOAT32 else "argument.h"

    @staticmethod
    def _extents(layer: Layer) -> tuple[int, int, int]:
        """Outputs outside the axis, elements along it, outputs inside of it."""
        attributes, shape = layer.op.attributes, layer.input(0).shape
        if not isinstance(attributes, Argument):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        axis = attributes.axis
        return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])

    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - one input
        """An index is written before the first element of the next output is read."""
        x = layer.input(0)
        size, written = (t.dtype.size_bits // 8 for t in (x, layer.output))
        outer, length, inner = self._extents(layer)
        number = np.arange(1, outer * inner, dtype=np.int64)
        needed = size * (number // inner * length * inner + number % inner)
        return max(int((written * number - needed).max(initial=-x.size_bytes)), -x.size_bytes)

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        outer, length, inner = self._extents(layer)
        fields: dict[str, object] = {
            "outer": outer,
            "length": length,
            "inner": inner,
            "is_least": layer.op.kind == "arg_min",
            "is_wide": layer.output.dtype is DType.INT64,
        }
        y = f"(uint8_t *){places.outputs[0]}"
        return Call((places.inputs[0], y), "midge_argument", fields)


KERNELS = (
    _Argument(DType.INT8, "s8"),
    _Argument(DType.INT16, "s16"),
    _Argument(DType.FLOAT32, "f32"),
)
