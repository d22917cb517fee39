"""From blocks that ran to cycles: of each function of an application, and of stretches of a stream.

Everything is counted at once, because decoding the machine code takes longer than the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from midge.toolchain import Program
from midge.virtual_mcu import Edge, FlashStatistics, Target, Trace, layer_cycles
from midge.virtual_mcu.memory_model import Cycles
from midge.virtual_mcu.stream_machine import Fed


@dataclass(frozen=True)
class StreamCycles:
    """Cycles of a record.

    Attributes:
        functions: Of each function with memory that answers at once, dearest first.
        stretches: Of each stretch, with the board's flash as well.
    """

    functions: tuple[tuple[str, int], ...]
    stretches: tuple[Cycles, ...]

    @property
    def total(self) -> int:
        """Of all functions."""
        return sum(cycles for _, cycles in self.functions)


def stream_cycles(
    program: Program,
    target: Target,
    edges: Sequence[Edge],
    stretches: Sequence[Fed],
    left_out: str,
) -> StreamCycles | None:
    """Count the cycles of a record and of some of its stretches.

    Args:
        program: What ran.
        target: Where.
        edges: Of the whole record.
        stretches: Parts of it that were run with the flash simulated.
        left_out: Name of a function that belongs to none of it: the one that makes the calls.

    Returns:
        None when the core has no cycle model.
    """
    names: dict[str, int] = {}
    owners: dict[int, int] = {}
    rows = []
    for edge in edges:
        if edge.block not in owners:
            holder = program.function_at(edge.block)
            name = holder.name if holder else f"{edge.block:#010x}"
            owners[edge.block] = names.setdefault(name, len(names))
        rows.append(replace(edge, layer=owners[edge.block]))
    flash: dict[int, FlashStatistics] = {}
    for index, stretch in enumerate(stretches, start=len(names)):
        rows += [replace(edge, layer=index) for edge in stretch.edges]
        if stretch.flash is not None:
            flash[index] = stretch.flash
    costs = layer_cycles(target, Trace((), tuple(rows), 0, (), 0, flash), program.read)
    if costs is None:
        return None
    spent = Counter({name: costs[i].zero_wait for name, i in names.items() if name != left_out})
    return StreamCycles(
        functions=tuple(spent.most_common()),
        stretches=tuple(costs[i] for i in range(len(names), len(names) + len(stretches))),
    )
