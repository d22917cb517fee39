"""Cycles to time and energy, both as a pair: zero wait states, and with the board's memory.

The energy of a cycle is the supply power that the chip's vendor publishes for a core computing from
flash, over the clock: the whole chip with its peripherals off, no board, no radio. A core that
waits for flash is counted like one that computes.
"""

from __future__ import annotations

from midge.virtual_mcu.boards import Target
from midge.virtual_mcu.memory_model import Cycles

Pair = tuple[float, float | None]
"""The zero-wait value and the modelled one; the second is None when wait states are unknown."""


def latency_ms(target: Target, cycles: Cycles | None) -> Pair | None:
    """Time of some cycles, in milliseconds.

    Returns:
        the pair, or None for a bare core (no clock) or a core without a cycle model.
    """
    if cycles is None or target.clock_hz is None:
        return None
    return _scaled(cycles, 1e3 / target.clock_hz)


def energy_uj(target: Target, cycles: Cycles | None) -> Pair | None:
    """Energy of some cycles, in microjoules.

    Returns:
        the pair, or None when the board's vendor publishes no current, for a bare core, and for a
        core without a cycle model.
    """
    if cycles is None or target.energy is None:
        return None
    return _scaled(cycles, target.energy.pj_per_cycle * 1e-6)


def _scaled(cycles: Cycles, factor: float) -> Pair:
    modelled = None if cycles.modelled is None else cycles.modelled * factor
    return cycles.zero_wait * factor, modelled
