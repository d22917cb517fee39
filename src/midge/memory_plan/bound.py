"""How small an arena can be: the lower bound of one slot, with overlaps.

**Claim.** Let the blocks alive in a slot have sizes ``s`` (multiples of the granule), all pairwise
disjoint but for pairs (i, o) of a dying input and an output with distance ``d``, which are
disjoint or have ``off(i) - off(o) >= d``. Then the arena is at least
``sum(s) - saving_bound(pairs)``.

**Proof.** The arena covers the union of the blocks. No byte lies in three of them: two would then
be both inputs, or both outputs, or one of them in no pair, hence disjoint. So the union has exactly
``sum(s) - sum over pairs of common(i, o)`` bytes, and an upper bound of that last sum remains to be
found.

1. *One pair.* If i and o have a byte in common then ``off(i) >= off(o) + d``. With d > 0 the common
   bytes lie in the ``s(o) - d`` last bytes of o; in any case in i and in o. So
   ``common(i, o) <= cap(i, o) = max(0, min(s(i), s(o) - max(0, d)))``. This is exact for a lone
   pair: put i at ``off(o) + max(0, d)``.
2. *All inputs of one output.* They are disjoint, and those that share bytes with o all start at or
   above ``off(o) + min(max(0, d))``; so together they share at most
   ``min(s(o) - min(max(0, d)), sum(cap))``.
3. *All outputs of one input.* They are disjoint: together at most ``min(s(i), sum(cap))``.

Summing 2 over the outputs and 3 over the inputs bounds the same sum twice; the smaller one holds.
QED

The granule is the smallest alignment of all blocks. Every block starts at a multiple of it, so
what is left of the granule at a block's end can hold no other block: rounding every size, and the
arena, up to the granule loses nothing that could have been used, and `d` is rounded up because a
difference of two offsets is a multiple as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Pair(NamedTuple):
    """Two blocks that may share bytes in one step; `distance` is a multiple of the granule."""

    input: int
    output: int
    distance: int


def round_up(value: int, multiple: int) -> int:
    """Return the smallest multiple of `multiple` that is not below `value` (of either sign)."""
    return -(-value // multiple) * multiple


def shareable_bytes(input_bytes: int, output_bytes: int, distance: int) -> int:
    """Return the most bytes that an output can share with one dying input (1 above)."""
    return max(0, min(input_bytes, output_bytes - max(0, distance)))


def saving_bound(pairs: Iterable[Pair], sizes: list[int]) -> int:
    """Return an upper bound of the bytes that the pairs of one step can save together.

    Args:
        pairs: The usable pairs of one step, each (input, output) at most once.
        sizes: Padded size of every block, by block index.
    """
    room: dict[int, int] = {}
    into_output: dict[int, int] = {}
    into_input: dict[int, int] = {}
    for i, o, distance in pairs:
        cap = shareable_bytes(sizes[i], sizes[o], distance)
        if cap == 0:
            continue
        room[o] = max(room.get(o, 0), sizes[o] - max(0, distance))
        into_output[o] = into_output.get(o, 0) + cap
        into_input[i] = into_input.get(i, 0) + cap
    by_output = sum(min(room[o], total) for o, total in into_output.items())
    by_input = sum(min(sizes[i], total) for i, total in into_input.items())
    return min(by_output, by_input)
