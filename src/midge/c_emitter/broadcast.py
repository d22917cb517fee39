"""Operators on each element of tensors that broadcast: their loops, and what may overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from midge.c_emitter import weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places, operands
from midge.graph.requantize import Requantization

RANK = 6
"""Dimensions that the kernels walk over, after neighbours that behave alike are merged."""
Shape = tuple[int, ...]
Fields = tuple[dict[str, object], tuple[Constant, ...]]
"""Fields of a struct, and the arrays that they name."""
Kind = TypeVar("Kind")


def attributes_of(layer: Layer, kind: type[Kind]) -> Kind:
    """The layer's attributes, which are of this class."""
    attributes = layer.op.attributes
    if not isinstance(attributes, kind):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def broadcast_strides(shape: Shape, operands: Sequence[Shape]) -> tuple[list[int], list[list[int]]]:
    """Merge dimensions over which every operand either advances densely or stands still.

    Args:
        shape: The output's.
        operands: Shapes that broadcast to it.

    Returns:
        Extents, outermost first, and for each operand its element strides, 0 where it is broadcast.
    """
    strides = []
    for operand in operands:
        padded = (1,) * (len(shape) - len(operand)) + operand
        dense = np.cumprod((1, *padded[:0:-1]))[::-1][: len(shape)]
        strides.append([0 if n == 1 else int(s) for n, s in zip(padded, dense, strict=True)])
    merged: list[int] = []
    kept: list[list[int]] = [[] for _ in operands]
    for d, extent in enumerate(shape):
        if extent == 1:
            continue
        if merged and all(k[-1] == s[d] * extent for k, s in zip(kept, strides, strict=True)):
            merged[-1] *= extent
            for k, s in zip(kept, strides, strict=True):
                k[-1] = s[d]
            continue
        merged.append(extent)
        for k, s in zip(kept, strides, strict=True):
            k.append(s[d])
    return merged, kept


def elementwise_distance(layer: Layer, index: int) -> int | None:
    """How far an operand must stand behind the output: it is read once, element by element, or not.

    An element is read before it is overwritten; one that is broadcast is read again.
    """
    x, y = layer.input(index), layer.output
    if x.shape != y.shape:
        return None
    wider = (y.dtype.size_bits - x.dtype.size_bits) // 8
    # The k-th write must end before the (k+1)-th element that is still to be read.
    return max(wider, wider * (y.size - 1))


def factor_fields(
    factors: Mapping[str, Requantization],
    reaches: Mapping[str, tuple[int, int]],
    places: Places,
) -> dict[str, object]:
    """A ``struct midge_factors`` for each factor.

    Args:
        factors: One number each.
        reaches: The least and the greatest of what it multiplies.
        places: The layer's places.
    """
    fields: dict[str, object] = {}
    for name, factor in factors.items():
        low, high = reaches[name]
        # The kernel doubles what it rescales, so that the lower end may be reached.
        narrow = low >= -weighted.NARROW_SUM and high < weighted.NARROW_SUM
        fields[name], _ = weighted.factor_fields(factor, narrow, places, name)
    return fields


class BroadcastKernel(Kernel):
    """A kernel that `broadcast.h` defines.

    Attributes:
        names: Of the operands, should they be constants.
        struct: Of its parameters; the first field is its ``struct midge_broadcast``.
    """

    names: tuple[str, ...] = ("a", "b")
    struct: str

    def applies(self, layer: Layer) -> bool:
        """Up to six dimensions after merging."""
        extent, _ = self._loops(layer)
        return len(extent) <= RANK

    def overlap(self, layer: Layer, index: int) -> int | None:
        """As elements follow one another."""
        return elementwise_distance(layer, index)

    def fields(self, layer: Layer, places: Places) -> Fields:
        """What stands behind the shape in the struct, and the arrays that it names."""
        raise NotImplementedError

    def call(self, layer: Layer, places: Places) -> Call:
        """A constant operand stands in flash."""
        extent, strides = self._loops(layer)
        fill = RANK - len(extent)
        shape = {
            "extent": [1] * fill + extent,
            "stride": [[0] * fill + stride for stride in strides],
        }
        inputs, held = operands(layer, places, self.names)
        fields, constants = self.fields(layer, places)
        return Call(
            (*inputs, places.outputs[0]),
            self.struct,
            {"shape": shape, **fields},
            (*held, *constants),
        )

    def _loops(self, layer: Layer) -> tuple[list[int], list[list[int]]]:
        shapes = [layer.input(i).shape for i in range(len(self.names))]
        return broadcast_strides(layer.output.shape, shapes)
