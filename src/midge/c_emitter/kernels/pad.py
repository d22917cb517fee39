"""Kernel of pad: `pad_s8.h`."""

from __future__ import annotations

import numpy as np

from midge.c_emitter.kernel import Call, Kernel, Layer, Places
from midge.graph.ops.pad import Pad

RANK = 6


class PadPortable(Kernel):
    """Fill, then copy the innermost runs."""

    kinds = ("pad",)
    variant = "portable"
    function = "midge_pad_s8"
    source = "pad_s8.h"

    def applies(self, layer: Layer) -> bool:
        """Up to six dimensions."""
        return len(layer.output.shape) <= RANK

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        attributes = layer.op.attributes
        if not isinstance(attributes, Pad):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        x, y = layer.input(0), layer.output
        fill = RANK - len(x.shape)
        strides = np.cumprod((1, *y.shape[:0:-1]))[::-1].tolist()
        fields: dict[str, object] = {
            "extent": [1] * fill + list(x.shape),
            "before": [0] * fill + list(attributes.before),
            "y_stride": [0] * fill + strides,
            "y_size": y.size,
            "zero": y.zero_point,
        }
        return Call((places.inputs[0], places.outputs[0]), "midge_pad", fields)


KERNELS = (PadPortable(),)
