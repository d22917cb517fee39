"""What the planner answers.

Time is counted in *slots*: slot 0 is before the first step, when the caller writes the inputs; slot
``k`` runs step ``order[k - 1]``; slot ``n + 1`` is after the last of ``n`` steps, when the caller
reads the outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Lifetime:
    """The slots, both included, in which a buffer's bytes may be touched by nobody else."""

    first: int
    last: int


@dataclass(frozen=True)
class SharedBytes:
    """An output laid over an input that dies in the step which writes it.

    Attributes:
        step: Name of the step.
        input: The dying buffer.
        output: The buffer written over it.
        shared_bytes: How many bytes the two have in common, at least 1.
    """

    step: str
    input: str
    output: str
    shared_bytes: int


@dataclass(frozen=True)
class LiveSlot:
    """Who holds memory in one slot.

    Attributes:
        step: Name of the step that runs, or None before the first and after the last.
        buffers: Owners of bytes (an alias does not count beside its owner), in the problem's order.
        live_bytes: Sum of their sizes, each counted in full, without scratch.
        scratch_bytes: The step's scratch.
        bound_bytes: No arena can be smaller because of this slot: the live bytes and scratch,
            padded to alignment, less what overlaps may save.
    """

    step: str | None
    buffers: tuple[str, ...]
    live_bytes: int
    scratch_bytes: int
    bound_bytes: int


@dataclass(frozen=True)
class Plan:
    """A place in one arena for every buffer and every scratch.

    Attributes:
        order: Indices into ``problem.steps`` in the order to run them.
        offsets: Byte offset in the arena of every buffer, by name.
        scratch_offsets: Byte offset of every step's scratch, by step name; only steps that have
            one.
        lifetimes: When each buffer's bytes are taken. Aliases share the lifetime of their union.
        aliases: Owner of the bytes, for each buffer that is another one's bytes under a new name.
            The step that writes it has nothing to copy.
        shared: Outputs written over dying inputs.
        live: The live table, one entry a slot (steps + 2).
        arena_bytes: Size of the arena, a multiple of the smallest alignment in use.
        alignment: The arena itself must start at a multiple of this.
        lower_bound_bytes: No plan of these steps in this order is smaller: the fullest slot, raised
            where propagation or an exhausted search proves more.
        live_set_bytes: Largest sum of live buffers, in file order, without overlap and scratch: the
            figure by which planners are compared.
    """

    order: tuple[int, ...]
    offsets: Mapping[str, int]
    scratch_offsets: Mapping[str, int]
    lifetimes: Mapping[str, Lifetime]
    aliases: Mapping[str, str]
    shared: tuple[SharedBytes, ...]
    live: tuple[LiveSlot, ...]
    arena_bytes: int
    alignment: int
    lower_bound_bytes: int
    live_set_bytes: int

    @property
    def gap_bytes(self) -> int:
        """What the arena takes beyond the lower bound; 0 proves that it cannot be smaller."""
        return self.arena_bytes - self.lower_bound_bytes

    @property
    def reordered(self) -> bool:
        """True if the steps run in another order than the file's."""
        return self.order != tuple(sorted(self.order))
