"""Kernels of layer_norm: `layer_norm_s8.h`, `layer_norm_s16.h`, `layer_norm_f32.h`.

Of integers the row's factor is an integer too: on a core without an FPU an element takes two long
products and no float, a third of what float32 takes there.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from midge.c_emitter.kernel import Call, Kernel, Layer, Places, operands
from midge.c_emitter.weighted import NARROW_SUM, factor_fields
from midge.graph import DType
from midge.graph.ops.layer_norm import LayerNorm, bits_of


def _attributes(layer: Layer) -> LayerNorm:
    attributes = layer.op.attributes
    if not isinstance(attributes, LayerNorm):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


class _LayerNorm(Kernel):
    """Row by row."""

    kinds = (LayerNorm.kind,)
    struct: str

    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - none depends on it
        """Each element is read for the last time before it is written."""
        return 0 if index == 0 else None

    def fields(self, layer: Layer, places: Places) -> Mapping[str, object]:
        """What stands behind the shape in the struct."""
        raise NotImplementedError

    def call(self, layer: Layer, places: Places) -> Call:
        """What is left out is NULL."""
        (x, *rest), constants = operands(layer, places, ("x", "gamma", "beta"))
        gamma, beta = (*rest, "NULL", "NULL")[:2]
        length = layer.output.shape[-1]
        shape: dict[str, object] = {"rows": layer.output.size // length, "length": length}
        arguments = (x, places.outputs[0], gamma, beta)
        return Call(arguments, self.struct, {**shape, **self.fields(layer, places)}, constants)


class LayerNormInteger(_LayerNorm):
    """Exact sums, an inverse square root a row, two products an element."""

    struct = "midge_layer_norm"

    def __init__(self, dtype: DType, suffix: str) -> None:
        self.types = (dtype,)
        self.function = f"midge_layer_norm_{suffix}"
        self.source = f"layer_norm_{suffix}.h"

    def fields(self, layer: Layer, places: Places) -> Mapping[str, object]:
        """Fraction bits, epsilon, and the last factor."""
        attributes, x = _attributes(layer), layer.input(0)
        gamma, beta = layer.optional(1), layer.optional(2)
        bits = bits_of(x.dtype, x.shape[-1])
        narrow = attributes.largest_sum(x, gamma, beta) < NARROW_SUM
        factor = attributes.factor(x, gamma, layer.output)
        return {
            "variance_bits": bits.variance,
            "normal_bits": bits.normal,
            "epsilon": attributes.variance_offset(x),
            "factors": factor_fields(factor, narrow, places)[0],
            "y_zero": layer.output.zero_point,
        }


class LayerNormFloat(_LayerNorm):
    """Sums in order."""

    types = (DType.FLOAT32,)
    function = "midge_layer_norm_f32"
    source = "layer_norm_f32.h"
    struct = "midge_layer_norm_f32"

    def fields(self, layer: Layer, places: Places) -> Mapping[str, object]:  # noqa: ARG002
        """Epsilon."""
        return {"epsilon": np.float32(_attributes(layer).epsilon)}


KERNELS = (
    LayerNormInteger(DType.INT8, "s8"),
    LayerNormInteger(DType.INT16, "s16"),
    LayerNormFloat(),
)
