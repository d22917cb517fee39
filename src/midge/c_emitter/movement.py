"""Moves as a kernel walks them: in bytes, with dimensions that lie together merged.

`overlap_distance` is the proof that a layer may write over its input: it plays the walks through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from midge.graph import Tensor
from midge.graph.movement import Move, View

LARGEST_UNIT = 4
"""Bytes: what every core moves at once, and what every tensor is aligned to."""
MOST_STEPS = 1 << 20
"""Longer walks are not played through."""


@dataclass(frozen=True)
class Walk:
    """A move in bytes.

    Attributes:
        unit: Bytes that go at once: 1, 2 or 4; every offset and stride is a multiple of it.
        target: Where they go: extents count units, strides and offset bytes.
        source: Where they come from, over the same extents; None for zeros.
        read: Index of the input, or `midge.graph.movement.OUTPUT`.
        written: Index of the output.
    """

    unit: int
    target: View
    source: View | None
    read: int
    written: int

    @property
    def has_runs(self) -> bool:
        """The innermost dimension is words that lie together in both."""
        views = [self.target] if self.source is None else [self.target, self.source]
        return self.unit == LARGEST_UNIT and all(v.strides[-1] == self.unit for v in views)


def walk_of(move: Move, element_bytes: int) -> Walk:
    """The move over elements of this size, its neighbouring dimensions merged.

    Bytes are the innermost dimension at first; what is left of it gives the unit.
    """
    source = move.target if move.source is None else move.source
    views = (move.target, source)
    strides = [[s * element_bytes for s in v.strides] for v in views]
    offsets = [v.offset * element_bytes for v in views]
    extents, (target_strides, source_strides) = _merged(
        (*move.target.extents, element_bytes), [[*s, 1] for s in strides]
    )
    unit = 1 if move.source is None else LARGEST_UNIT
    outer = (*target_strides[:-1], *source_strides[:-1])
    while any(n % unit for n in (extents[-1], *offsets, *outer)):
        unit //= 2
    extents[-1] //= unit
    target_strides[-1] = source_strides[-1] = unit
    if extents[-1] == 1 and len(extents) > 1 and move.source is not None:
        del extents[-1], target_strides[-1], source_strides[-1]
    target = View(tuple(extents), tuple(target_strides), offsets[0])
    if move.source is None:
        return Walk(unit, target, None, move.read, move.written)
    return Walk(
        unit,
        target,
        View(tuple(extents), tuple(source_strides), offsets[1]),
        move.read,
        move.written,
    )


def _merged(
    extents: Sequence[int], strides: Sequence[Sequence[int]]
) -> tuple[list[int], list[list[int]]]:
    """Without extents of 1 but the last, and with dimensions merged over which all go on evenly."""
    kept: list[int] = []
    merged: list[list[int]] = [[] for _ in strides]
    for d, extent in enumerate(extents):
        if extent == 1 and d < len(extents) - 1:
            continue
        if kept and all(m[-1] == s[d] * extent for m, s in zip(merged, strides, strict=True)):
            kept[-1] *= extent
            for m, s in zip(merged, strides, strict=True):
                m[-1] = s[d]
            continue
        kept.append(extent)
        for m, s in zip(merged, strides, strict=True):
            m.append(s[d])
    return kept, merged


def overlap_distance(
    walks: Sequence[Walk], read: int, source: Tensor, target: Tensor
) -> int | None:
    """How far input `read` must stand behind the only output; None where it must stand apart.

    A step reads a unit and writes it; a byte of the input that a step reads must not lie under a
    byte that an earlier step has written. Every distance from the greatest conflict on is safe.

    Args:
        walks: The layer, in order.
        read: Index of the input.
        source: The input.
        target: The output.
    """
    if sum(prod(w.target.extents) for w in walks) > MOST_STEPS:
        return None
    distance = -source.size_bytes
    written = np.int64(-(2**62))
    for walk in walks:
        ends = np.maximum.accumulate(walk.target.positions() + walk.unit)
        if walk.source is not None and walk.read == read:
            before = np.concatenate([[written], np.maximum(ends[:-1], written)])
            distance = max(distance, int((before - walk.source.positions()).max()))
        written = np.maximum(written, ends[-1])
    return distance if distance < target.size_bytes else None


def is_apart(walk: Walk, distance: int | None) -> bool:
    """Whether every run of a dense walk is free of what it reads, so far behind or further.

    None is the distance of an input that shares nothing with the output.
    """
    if walk.source is None or distance is None:
        return True
    rows = (View(v.extents[:-1], v.strides[:-1], v.offset) for v in (walk.target, walk.source))
    target, source = (row.positions() for row in rows)
    run = walk.target.extents[-1] * walk.unit
    nearest: npt.NDArray[np.int64] = source + distance - target
    return bool((nearest >= run).all())
