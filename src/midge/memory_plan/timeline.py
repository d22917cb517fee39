"""Blocks in time for one fixed order: what the offset search works on.

A *block* is a storage or the scratch of one step. Blocks that are never alive in the same slot do
not concern each other. For two that are, `separation[a][b]` is how far above a's start b must
start if a is the lower one: the size of a, or the distance of their overlap. A placement is right
if every pair is separated one way or the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from midge.memory_plan.bound import Pair, saving_bound
from midge.memory_plan.network import Network


@dataclass(frozen=True)
class Block:
    """One piece of memory to place; alive from slot `first` to slot `last`, both included.

    Attributes:
        storage: Index of the storage, or -1 for scratch.
        step: Index of the step whose scratch it is, or -1 for a storage.
        size_bytes: Padded to the granule.
        alignment: Of its offset, bytes.
        first: First slot in which it is alive.
        last: Last slot in which it is alive.
    """

    storage: int
    step: int
    size_bytes: int
    alignment: int
    first: int
    last: int


@dataclass(frozen=True)
class Timeline:
    """All blocks of one order, and which of them may share bytes.

    Attributes:
        granule: Every offset and padded size is a multiple of it, bytes.
        blocks: Storages first, by their index, then scratches.
        pairs: For every slot the block pairs that may overlap in it.
        slots: For every slot the blocks alive in it.
    """

    granule: int
    blocks: tuple[Block, ...]
    pairs: tuple[tuple[Pair, ...], ...]
    slots: tuple[tuple[int, ...], ...]

    @cached_property
    def sizes(self) -> list[int]:
        """Padded bytes of every block."""
        return [block.size_bytes for block in self.blocks]

    @cached_property
    def savings(self) -> list[int]:
        """What overlaps save at most in every slot, bytes."""
        return [saving_bound(pairs, self.sizes) for pairs in self.pairs]

    @cached_property
    def slot_bounds(self) -> list[int]:
        """Lower bound of the arena from every slot, bytes (proof in `bound`)."""
        return [
            sum(self.sizes[b] for b in alive) - saving
            for alive, saving in zip(self.slots, self.savings, strict=True)
        ]

    @cached_property
    def lower_bound(self) -> int:
        """Lower bound of the arena, bytes."""
        return max(self.slot_bounds)

    @cached_property
    def separation(self) -> list[dict[int, int]]:
        """For every block a, {b: how far above a's start b must start, if a is the lower one}."""
        table: list[dict[int, int]] = [{} for _ in self.blocks]
        for alive in self.slots:
            for a in alive:
                for b in alive:
                    if a != b:
                        table[a][b] = self.sizes[a]
        for pairs in self.pairs:
            for i, o, distance in pairs:
                table[o][i] = min(distance, self.sizes[o])
                if distance <= -self.sizes[i]:
                    del table[o][i], table[i][o]
        return table

    @cached_property
    def has_negative_distance(self) -> bool:
        """True if some input may start below the output that is written over it."""
        return any(gap < 0 for row in self.separation for gap in row.values())


def build_timeline(network: Network, order: tuple[int, ...]) -> Timeline:
    """Return the blocks of `network` when its steps run in `order`, with exact lifetimes."""
    slot_of = {step: slot for slot, step in enumerate(order, start=1)}
    end = len(order) + 1
    blocks = []
    for storage_index, storage in enumerate(network.storages):
        first = slot_of[storage.producer] if storage.producer >= 0 else 0
        readers = [slot for step, slot in slot_of.items() if storage.readers >> step & 1]
        last = end if storage.persistent else max([first, *readers])
        blocks.append(
            Block(storage_index, -1, storage.padded_bytes, storage.alignment, first, last)
        )
    for step, slot in slot_of.items():
        if network.steps[step].scratch_bytes:
            needs = network.steps[step]
            blocks.append(Block(-1, step, needs.scratch_bytes, needs.scratch_alignment, slot, slot))

    slots: list[list[int]] = [[] for _ in range(end + 1)]
    for index, block in enumerate(blocks):
        for slot in range(block.first, block.last + 1):
            slots[slot].append(index)
    pairs: list[tuple[Pair, ...]] = [()]
    done = 0
    for step in order:
        pairs.append(network.dying_pairs(step, done))
        done |= 1 << step
    pairs.append(())
    return Timeline(
        granule=network.granule,
        blocks=tuple(blocks),
        pairs=tuple(pairs),
        slots=tuple(tuple(alive) for alive in slots),
    )
