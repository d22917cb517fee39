"""What the flash adds to the cycles of a core at zero wait states.

A core model counts as if every fetch and every read took no time. On a board, code and weights
come from flash through a cache or a line buffer, and the core waits for what is not there. The
emulator runs the caches of :class:`midge.virtual_mcu.boards.FlashMemory` along with the program and
counts their misses (:class:`midge.virtual_mcu.block_trace.FlashStatistics`); here a miss becomes
cycles:

- A miss of code costs ``fetch_miss_cycles``. With a prefetch, a miss of the line after the one
  being executed costs only what executing that line did not hide: on average the zero-wait cycles
  of the layer divided by the lines it fetched.
- A miss of data costs ``data_miss_cycles``, and on a flash whose data reads are not cached every
  read ``data_read_cycles``. The core waits: neither an in-order core nor its compiler hides it.

Not modelled: arbitration between fetches and reads of the same flash, critical-word-first refills,
the buses' own bridges, and RAM, which is taken to answer at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from midge.virtual_mcu.block_trace import FlashStatistics, Trace
from midge.virtual_mcu.boards import FlashMemory, Target
from midge.virtual_mcu.cycles import count_cycles, model_for


@dataclass(frozen=True)
class Cycles:
    """Cycles of a layer or of a whole inference.

    Attributes:
        zero_wait: with memory that answers at once.
        modelled: with the board's flash; equal to ``zero_wait`` on a bare core; None when the
            flash's wait states are not published.
    """

    zero_wait: int
    modelled: int | None

    @property
    def waited(self) -> int | None:
        """What the core waited for the flash; None where that is not known."""
        return None if self.modelled is None else self.modelled - self.zero_wait


def stall_cycles(
    flash: FlashMemory, statistics: FlashStatistics, zero_wait_cycles: int
) -> int | None:
    """Cycles that a layer waited for the flash.

    Args:
        flash: the board's flash.
        statistics: what the layer asked of it.
        zero_wait_cycles: the layer's cycles with memory that answers at once.

    Returns:
        whole cycles; None when a miss happened whose cost is not published.
    """
    fetch_cost, data_cost = flash.fetch_miss_cycles, flash.data_miss_cycles
    if (fetch_cost is None and statistics.fetch_misses) or (
        data_cost is None and statistics.data_misses
    ):
        return None
    jumps = statistics.fetch_misses - statistics.fetch_misses_sequential
    next_line_cost = fetch_cost or 0
    if flash.prefetch and statistics.fetch_lines:
        hidden = zero_wait_cycles // statistics.fetch_lines
        next_line_cost = max(0, next_line_cost - hidden)
    return (
        jumps * (fetch_cost or 0)
        + statistics.fetch_misses_sequential * next_line_cost
        + statistics.data_misses * (data_cost or 0)
        + statistics.data_reads * flash.data_read_cycles
    )


def layer_cycles(
    target: Target, trace: Trace, read_memory: Callable[[int, int], bytes]
) -> dict[int, Cycles] | None:
    """Cycles of every layer of an inference.

    Args:
        target: what it was built for.
        trace: what ran.
        read_memory: gives ``size`` bytes of the program at an address: ``read_memory(a, size)``.

    Returns:
        cycles by layer index as in ``trace.edges``; None when the core has no cycle model.
    """
    model = model_for(target)
    if model is None:
        return None
    return {
        layer: Cycles(cycles, _modelled(target, trace, layer, cycles))
        for layer, cycles in count_cycles(trace.edges, read_memory, model).items()
    }


def total_cycles(layers: dict[int, Cycles] | None) -> Cycles | None:
    """The sum over all layers; ``modelled`` is None as soon as one layer's is."""
    if layers is None:
        return None
    modelled = [entry.modelled for entry in layers.values()]
    known = [cycles for cycles in modelled if cycles is not None]
    return Cycles(
        sum(entry.zero_wait for entry in layers.values()),
        sum(known) if len(known) == len(modelled) else None,
    )


def _modelled(target: Target, trace: Trace, layer: int, zero_wait: int) -> int | None:
    if target.board is None:
        return zero_wait
    if target.flash is None or trace.flash is None:
        return None
    statistics = trace.flash.get(layer)
    if statistics is None:
        return zero_wait
    stall = stall_cycles(target.flash, statistics, zero_wait)
    return None if stall is None else zero_wait + stall
