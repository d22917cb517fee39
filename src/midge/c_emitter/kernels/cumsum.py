"""Kernels of cumsum: `cumsum_s8.h`, `cumsum_f32.h`."""

from __future__ import annotations

import math

from midge.c_emitter.kernel import Call, Kernel, Layer, Places
from midge.graph import DType
from midge.graph.ops.cumsum import Cumsum


def _attributes(layer: Layer) -> Cumsum:
    attributes = layer.op.attributes
    if not isinstance(attributes, Cumsum):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


class CumsumPortable(Kernel):
    """One row along the axis after another."""

    kinds = ("cumsum",)
    function = "midge_cumsum_s8"
    source = "cumsum_s8.h"

    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - one input
        """Only along the innermost dimension, and forwards, does the kernel go up in memory."""
        attributes, shape = _attributes(layer), layer.input(0).shape
        goes_up = not attributes.reverse and math.prod(shape[attributes.axis + 1 :]) == 1
        return 0 if goes_up else None

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        attributes, shape = _attributes(layer), layer.input(0).shape
        axis = attributes.axis
        fields: dict[str, object] = {
            "outer": math.prod(shape[:axis]),
            "length": shape[axis],
            "inner": math.prod(shape[axis + 1 :]),
            "is_exclusive": attributes.exclusive,
            "is_reverse": attributes.reverse,
        }
        fields |= self.numbers(layer)
        return Call((places.inputs[0], places.outputs[0]), "midge_cumsum", fields)

    def numbers(self, layer: Layer) -> dict[str, object]:
        """Zero points and factor."""
        x, y = layer.input(0), layer.output
        factor = _attributes(layer).factor(x, y)
        return {
            "x_zero": x.zero_point,
            "y_zero": y.zero_point,
            "multiplier": int(factor.multiplier[0]),
            "shift": -int(factor.shift[0]),
        }


class CumsumFloat(CumsumPortable):
    """Sums as they are."""

    types = (DType.FLOAT32,)
    function = "midge_cumsum_f32"
    source = "cumsum_f32.h"

    def numbers(self, layer: Layer) -> dict[str, object]:  # noqa: ARG002 - it needs none
        """None."""
        return {}


KERNELS = (CumsumPortable(), CumsumFloat())
