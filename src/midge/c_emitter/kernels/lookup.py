"""The kernel of lookup: `lookup_s8.h`."""

from __future__ import annotations

import numpy as np

from midge.c_emitter.broadcast import elementwise_distance
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places, operands
from midge.graph.ops.lookup import Lookup


class LookupTable(Kernel):
    """One byte after the other through the operator's table."""

    kinds = (Lookup.kind,)
    function = "midge_lookup_s8"
    source = "lookup_s8.h"

    def overlap(self, layer: Layer, index: int) -> int | None:
        """An element is read before it is overwritten, and once."""
        return elementwise_distance(layer, index) if index == 0 else None

    def call(self, layer: Layer, places: Places) -> Call:
        """The table in the order of bytes without sign."""
        (x,), constants = operands(layer, places, ("input",))
        table = np.roll(np.asarray(layer.input(1).data, np.int8), 128).view(np.uint8)
        return Call(
            (x, places.constant("table"), places.outputs[0]),
            "midge_lookup",
            {"size": layer.output.size},
            (*constants, Constant("table", table, 1)),
        )


KERNELS = (LookupTable(),)
