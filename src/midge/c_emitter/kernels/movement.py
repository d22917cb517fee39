"""Kernels that move elements: `copy_strided.h` for boxes, and those that follow tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import gcd

import numpy as np

from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places, operands
from midge.c_emitter.movement import (
    LARGEST_UNIT,
    Walk,
    is_apart,
    overlap_distance,
    walk_of,
)
from midge.graph.movement import MOVABLE, OUTPUT, Movement, zero_of
from midge.graph.ops import OPS
from midge.graph.ops.gather import Gather
from midge.graph.ops.resize_nearest import ResizeNearest

RANK = 8
"""Dimensions that the kernel walks over, after neighbours that go on evenly are merged."""


def _walks(layer: Layer) -> list[Walk]:
    attributes = layer.op.attributes
    if not isinstance(attributes, Movement):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    element_bytes = layer.output.dtype.size_bits // 8
    moves = attributes.moves(layer.inputs, layer.outputs)
    return [walk_of(move, element_bytes) for move in moves or ()]


def _distance(layer: Layer, walks: Sequence[Walk], index: int) -> int | None:
    if len(layer.outputs) > 1 or not layer.input(index).is_computed:
        return None
    return overlap_distance(walks, index, layer.input(index), layer.output)


class StridedCopy(Kernel):
    """One nest of loops a move; what the compiler knows of their extents is folded."""

    kinds = tuple(kind for kind, op in OPS.items() if issubclass(op, Movement))
    types = MOVABLE
    variant = "portable"
    function = "midge_copy_strided"
    source = "copy_strided.h"

    def applies(self, layer: Layer) -> bool:
        """Boxes, of up to eight dimensions."""
        walks = _walks(layer)
        return bool(walks) and all(len(w.target.extents) <= RANK for w in walks)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """As the walks read and write, one after the other."""
        return _distance(layer, _walks(layer), index)

    def call(self, layer: Layer, places: Places) -> Call:
        """A call for each move; constants among the inputs stand in flash."""
        walks = _walks(layer)
        names = [f"input_{i}" for i in range(len(layer.inputs))]
        sources, constants = operands(layer, places, names)
        read = {names[w.read] for w in walks if w.source is not None and w.read != OUTPUT}
        calls = []
        for walk in walks:
            target = places.outputs[walk.written]
            within = walk.source is None or walk.read == OUTPUT
            source = target if within else sources[walk.read]
            distance = None if within else _distance(layer, walks, walk.read)
            kind = "MIDGE_MOVE_UNITS"
            if walk.source is None:
                kind = "MIDGE_MOVE_FILL"
            elif walk.has_runs and is_apart(walk, distance):
                kind = "MIDGE_MOVE_RUNS"
            fields = _fields(walk, kind, zero_of(layer.outputs[walk.written]))
            calls.append(Call((source, target), "midge_move", fields))
        first, *further = calls
        # A border of no width has a value that nobody reads.
        kept = tuple(c for c in constants if c.suffix in read)
        return replace(first, constants=kept, further=tuple(further))


def _fields(walk: Walk, kind: str, zero: int) -> dict[str, object]:
    missing = RANK - len(walk.target.extents)
    target, source = walk.target, walk.target if walk.source is None else walk.source
    fields: dict[str, object] = {
        "kind": kind,
        "unit": walk.unit,
        "extent": [1] * missing + list(target.extents),
        "source": source.offset,
        "source_stride": [0] * missing + list(source.strides),
        "target": target.offset,
        "target_stride": [0] * missing + list(target.strides),
    }
    if walk.source is None:
        return fields | {"value": zero & 0xFF}
    return fields | {"parallel": walk.read != OUTPUT and source.strides == target.strides}


def _units(element_bytes: int, elements: int) -> tuple[int, int]:
    """So many elements as units: their number, and the bytes of each."""
    unit = gcd(element_bytes * elements, LARGEST_UNIT)
    return element_bytes * elements // unit, unit


class GatherPortable(Kernel):
    """Slice by slice."""

    kinds = (Gather.kind,)
    types = MOVABLE
    function = "midge_gather"
    source = "gather.h"

    def call(self, layer: Layer, places: Places) -> Call:
        """A table and indices that are constants stand in flash."""
        attributes = layer.op.attributes
        if not isinstance(attributes, Gather):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        x, indices = layer.input(0), layer.input(1)
        batches, outer, size, count, inner = attributes.extents(x, indices)
        units, unit = _units(x.dtype.size_bits // 8, inner)
        (table, chosen), constants = operands(layer, places, ("table", "indices"))
        fields: dict[str, object] = {
            "batches": batches,
            "outer": outer,
            "size": size,
            "count": count,
            "units": units,
            "unit": unit,
            "checked": indices.is_constant,
        }
        return Call((table, chosen, places.outputs[0]), "midge_gather", fields, constants)


class ResizeNearestPortable(Kernel):
    """Pixel by pixel, with tables of rows and columns."""

    kinds = (ResizeNearest.kind,)
    types = MOVABLE
    variant = "tables"
    function = "midge_resize_nearest"
    source = "resize_nearest.h"

    def applies(self, layer: Layer) -> bool:
        """Rows and columns that 16 bits can count."""
        return max(layer.input(0).shape[1:3]) <= 1 << 16

    def call(self, layer: Layer, places: Places) -> Call:
        """The tables stand in flash."""
        attributes = layer.op.attributes
        if not isinstance(attributes, ResizeNearest):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        x, y = layer.input(0), layer.output
        batches, height, width, channels = x.shape
        units, unit = _units(x.dtype.size_bits // 8, channels)
        (image,), constants = operands(layer, places, ("image",))
        tables = tuple(
            Constant(name, attributes.nearest(extent, resized).astype(np.uint16), 2)
            for name, extent, resized in (
                ("rows", height, y.shape[1]),
                ("columns", width, y.shape[2]),
            )
        )
        fields: dict[str, object] = {
            "batches": batches,
            "in_h": height,
            "in_w": width,
            "out_h": y.shape[1],
            "out_w": y.shape[2],
            "units": units,
            "unit": unit,
        }
        names = (places.constant(t.suffix) for t in tables)
        arguments = (image, *names, places.outputs[0])
        return Call(arguments, "midge_resize_nearest", fields, (*constants, *tables))


KERNELS = (ResizeNearestPortable(), StridedCopy(), GatherPortable())
