"""From basic blocks and how often they ran to cycles at zero wait states.

A model gives the cycles of one block, knowing how the block was left and which instruction came
next. :func:`count_cycles` multiplies by the counts of a trace. Nothing is sampled: the same trace
gives the same integers. What memory adds is the business of
:mod:`midge.virtual_mcu.memory_model`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from midge.virtual_mcu.cycles.instruction import Branch, Instruction


class BlockEdge(Protocol):
    """How often a basic block ran in a layer and was followed by a certain block."""

    @property
    def layer(self) -> int:
        """Index of the layer that was running."""

    @property
    def block(self) -> int:
        """Address of the block's first instruction, in bytes."""

    @property
    def size_bytes(self) -> int:
        """Length of the block's code."""

    @property
    def next_block(self) -> int | None:
        """Address of the block that ran next; None at the end of the trace."""

    @property
    def count(self) -> int:
        """How often."""


class CycleModel(ABC):
    """The instruction timings of one core.

    Attributes:
        name: the name by which a core or board refers to the model.
        source: where the timings are published.
    """

    name: str
    source: str

    @abstractmethod
    def decode(self, code: bytes, address: int) -> tuple[Instruction, ...]:
        """Decode one basic block's machine code that starts at ``address`` (bytes)."""

    @abstractmethod
    def block_cycles(
        self, block: Sequence[Instruction], taken: bool, following: Instruction | None = None
    ) -> int:
        """Cycles that one execution of a block takes at zero wait states.

        Args:
            block: the block's instructions, in order.
            taken: whether its last instruction branched away.
            following: the instruction that ran next: the branch target when ``taken``, else the
                one that follows in memory; None when it is not known.

        Returns:
            whole cycles. On cores that predict branches, as if every prediction were right.
        """

    def misprediction_cycles(
        self, branch: Instruction, taken: int, not_taken: int, innermost: bool
    ) -> int:
        """Cycles lost over a layer because a conditional branch was predicted wrongly.

        Args:
            branch: the branch.
            taken: how often it was taken in the layer.
            not_taken: how often it was not.
            innermost: it closes a loop that holds no other loop.

        Returns:
            cycles to add to the sum of the blocks; 0 for cores without a predictor.
        """
        del branch, taken, not_taken, innermost
        return 0


class InOrderModel(CycleModel):
    """A core that issues one instruction at a time and stalls until it may go on."""

    @abstractmethod
    def issue_cycles(self, previous: Instruction | None, current: Instruction) -> int:
        """Cycles of one instruction, stalls caused by the previous one included, not branching.

        Args:
            previous: the instruction before; None when the pipeline was refilled or it is unknown.
            current: the instruction.
        """

    @abstractmethod
    def refill_cycles(self, branch: Instruction, target: Instruction | None) -> int:
        """Cycles that branching adds to the branch's own ``issue_cycles``."""

    def block_cycles(
        self, block: Sequence[Instruction], taken: bool, following: Instruction | None = None
    ) -> int:
        """See :meth:`CycleModel.block_cycles`."""
        cycles = 0
        previous: Instruction | None = None
        for current in block:
            cycles += self.issue_cycles(previous, current)
            previous = current
        if previous is None:
            return 0
        if taken:
            return cycles + self.refill_cycles(previous, following)
        if following is not None:
            # A stall or a saving between the last instruction and the next block belongs here:
            # the next block is counted as if nothing ran before it.
            cycles += self.issue_cycles(previous, following) - self.issue_cycles(None, following)
        return cycles


def count_cycles(
    edges: Iterable[BlockEdge], read_memory: Callable[[int, int], bytes], model: CycleModel
) -> dict[int, int]:
    """Cycles per layer at zero wait states, exact for the model and repeatable.

    Args:
        edges: the trace.
        read_memory: gives ``size`` bytes of the program at an address: ``read_memory(a, size)``.
        model: the core's timings.

    Returns:
        cycles by layer index, for every layer that the trace names.
    """
    edges = tuple(edges)
    sizes = {edge.block: edge.size_bytes for edge in edges}
    blocks: dict[tuple[int, int], tuple[Instruction, ...]] = {}
    totals: dict[int, int] = {}
    outcomes: dict[int, dict[Instruction, list[int]]] = defaultdict(dict)

    def block_at(address: int, size: int) -> tuple[Instruction, ...]:
        key = (address, size)
        if key not in blocks:
            blocks[key] = model.decode(read_memory(address, size), address)
        return blocks[key]

    for edge in edges:
        block = block_at(edge.block, edge.size_bytes)
        taken = _taken(block, edge.next_block)
        following = None
        if edge.next_block in sizes and (taken or edge.next_block == block[-1].end):
            following = block_at(edge.next_block, sizes[edge.next_block])[0]
        cycles = model.block_cycles(block, taken, following)
        totals[edge.layer] = totals.get(edge.layer, 0) + cycles * edge.count
        if block and block[-1].branch is Branch.CONDITIONAL:
            counts = outcomes[edge.layer].setdefault(block[-1], [0, 0])
            counts[0 if taken else 1] += edge.count

    for layer, branches in outcomes.items():
        loop_ends = sorted(b.address for b, counts in branches.items() if b.backward and counts[0])
        for branch, (taken_count, not_taken) in branches.items():
            target = branch.target
            innermost = target is not None and not any(
                target <= end < branch.address for end in loop_ends
            )
            totals[layer] += model.misprediction_cycles(branch, taken_count, not_taken, innermost)
    return totals


def _taken(block: Sequence[Instruction], next_block: int | None) -> bool:
    """Whether the block's last instruction branched away."""
    if not block or block[-1].branch is None:
        return False
    if next_block is None:
        return block[-1].branch is not Branch.CONDITIONAL
    return next_block != block[-1].end
