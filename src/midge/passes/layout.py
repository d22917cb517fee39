"""Layouts: in which order the dimensions of a tensor stand in memory.

A pass that moves transposes knows each tensor twice: as the graph says it, and as it is stored. A
`Layout` has one entry for each stored dimension: the number of the graph's dimension that stands
there, or None for an extent of 1. Which dimension of extent 1 that is does not matter: it takes no
room, so ``[1, c, 1, l]`` stored as ``[1, 1, l, c]`` is ``(None, None, 3, 1)``. Two layouts that
name the same dimensions in the same order hold the same bytes; a `reshape` leads from one to the
other. Anything else takes a `transpose`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from midge.graph import Tensor

Layout = tuple[int | None, ...]
Dimensions = Mapping[int, int]
"""Dimensions of one tensor, extents of 1 left out, by those of another that has the same."""


def natural(shape: Sequence[int]) -> Layout:
    """The layout of what is stored as the graph says it."""
    return tuple(d if extent > 1 else None for d, extent in enumerate(shape))


def order(layout: Layout) -> tuple[int, ...]:
    """The dimensions that take room, the outermost first."""
    return tuple(d for d in layout if d is not None)


def is_ascending(layout: Layout) -> bool:
    """Its bytes are those of the natural layout."""
    named = order(layout)
    return list(named) == sorted(named)


def extents(layout: Layout, shape: Sequence[int]) -> tuple[int, ...]:
    """The stored shape of a tensor of this shape."""
    return tuple(1 if d is None else shape[d] for d in layout)


def renamed(layout: Layout, dimensions: Dimensions) -> Layout | None:
    """The same stored dimensions under another tensor's numbers; None where it lacks one."""
    if any(d not in dimensions for d in order(layout)):
        return None
    return tuple(None if d is None else dimensions[d] for d in layout)


def inverse(dimensions: Dimensions) -> dict[int, int]:
    """The other tensor's dimensions by this one's."""
    return {there: here for here, there in dimensions.items()}


def fitted(layout: Layout, shape: Sequence[int]) -> Layout:
    """The same bytes with as many dimensions as the tensor has; the natural ones where they do."""
    if is_ascending(layout):
        return natural(shape)
    units = len(shape) - len(order(layout))
    surplus = len(layout) - len(shape)
    kept: list[int | None] = [None] * max(-surplus, 0)
    for d in layout:
        if d is None and surplus > 0:
            surplus -= 1  # the outermost go first
        else:
            kept.append(d)
    if len(kept) != len(shape):
        raise ValueError(f"{layout} has not the {units} extents of 1 of {tuple(shape)}")
    return tuple(kept)


def permutation(layout: Layout, shape: Sequence[int]) -> tuple[int, ...]:
    """The layout of a tensor of as many dimensions, with those of extent 1 named in their order."""
    units = iter([d for d, extent in enumerate(shape) if extent == 1])
    return tuple(next(units) if d is None else d for d in layout)


def stored(tensor: Tensor, layout: Layout, name: str) -> Tensor:
    """A constant in another layout; scales that run along a dimension go with it."""
    if layout == natural(tensor.shape):
        return tensor
    shape = extents(layout, tensor.shape)
    data = np.asarray(tensor.data)
    squeezed = data.reshape([extent for extent in tensor.shape if extent > 1])
    ranks = {d: i for i, d in enumerate(sorted(order(layout)))}
    turned = np.transpose(squeezed, [ranks[d] for d in order(layout)])
    quantization = tensor.quantization
    if quantization is not None and quantization.axis is not None:
        # Along an extent of 1 there is one scale, which is the whole tensor's.
        axis = layout.index(quantization.axis) if quantization.axis in layout else None
        quantization = replace(quantization, axis=axis)
    return replace(
        tensor,
        name=name,
        shape=shape,
        data=np.ascontiguousarray(turned).reshape(shape),
        quantization=quantization,
    )


def same_but_units(before: Sequence[int], after: Sequence[int]) -> dict[int, int] | None:
    """Dimensions of `after` by those of `before`, where a reshape moves extents of 1 alone."""
    here = [d for d, extent in enumerate(before) if extent > 1]
    there = [d for d, extent in enumerate(after) if extent > 1]
    if [before[d] for d in here] != [after[d] for d in there]:
        return None
    return dict(zip(here, there, strict=True))


Group = tuple[tuple[int, ...], tuple[int, ...]]


def groups(before: Sequence[int], after: Sequence[int]) -> list[Group]:
    """Runs of dimensions of two shapes of one size that hold the same elements, the finest such.

    ``[2, 3, 4]`` and ``[6, 2, 2]`` are ``(0, 1), (0,)`` and ``(2,), (1, 2)``. Extents of 1 are in
    none.
    """
    here = [d for d, extent in enumerate(before) if extent > 1]
    there = [d for d, extent in enumerate(after) if extent > 1]
    found: list[Group] = []
    while here:
        ours, theirs = [here.pop(0)], [there.pop(0)]
        size, other = before[ours[0]], after[theirs[0]]
        while size != other:
            if size < other:
                ours.append(here.pop(0))
                size *= before[ours[-1]]
            else:
                theirs.append(there.pop(0))
                other *= after[theirs[-1]]
        found.append((tuple(ours), tuple(theirs)))
    return found


def through_groups(layout: Layout, pairs: Sequence[Group]) -> tuple[int, ...] | None:
    """The order of the dimensions behind a reshape; None where it would move elements.

    Args:
        layout: In front of the reshape.
        pairs: Of `groups`, or with both sides exchanged for the way back.
    """
    left = list(order(layout))
    result: list[int] = []
    starts = {ours[0]: (ours, theirs) for ours, theirs in pairs}
    while left:
        if left[0] not in starts:
            return None
        ours, theirs = starts[left[0]]
        if tuple(left[: len(ours)]) != ours:
            return None
        del left[: len(ours)]
        result.extend(theirs)
    return tuple(result)


def with_units(dimensions: Sequence[int], shape: Sequence[int]) -> Layout:
    """A layout of that order and of the tensor's number of dimensions, extents of 1 in front."""
    if list(dimensions) == sorted(dimensions):
        return natural(shape)
    return (*[None] * (len(shape) - len(dimensions)), *dimensions)
