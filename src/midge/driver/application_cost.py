"""What an application costs on a device: memory, cycles of a sample and of a beat, duty, energy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ApplicationRam:
    """RAM, in bytes.

    Attributes:
        chain: Filters, history, detector, rhythm.
        arena: Of the network.
        event: What the caller hands over to be filled.
        stack_peak: Deepest use of the stack that was seen.
        stack_bound: Deepest possible use, from the machine code; None where it cannot be bounded.
    """

    chain: int
    arena: int
    event: int
    stack_peak: int
    stack_bound: int | None

    @property
    def total(self) -> int:
        """All of it, with the stack's bound where there is one."""
        return self.chain + self.arena + self.event + (self.stack_bound or self.stack_peak)


@dataclass(frozen=True)
class ApplicationFlash:
    """Flash, in bytes.

    Attributes:
        code: Of chain, network and library routines.
        constants: Weights and tables.
    """

    code: int
    constants: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.code + self.constants


@dataclass(frozen=True)
class PushCost:
    """Instructions of a kind of call, counted over a whole record.

    Attributes:
        calls: How many there were.
        mean: Instructions.
        largest: Instructions of the dearest one.
        largest_at: The raw sample with which that was.
        cycles: Of the dearest one, with memory that answers at once; None without a cycle model.
        cycles_modelled: Of the dearest one, with the board's flash and cold caches.
    """

    calls: int
    mean: float
    largest: int
    largest_at: int
    cycles: int | None
    cycles_modelled: int | None


@dataclass(frozen=True)
class ApplicationCost:
    """Everything that a record cost.

    Attributes:
        samples: Of the record, its tail included.
        instructions: Of all calls.
        cycles: Of all calls, with memory that answers at once; None without a cycle model.
        cycles_modelled: The same with the board's flash: `cycles` times the ratio that a stretch of
            the record shows; None when wait states are not published.
        sample: Calls that decided no beat.
        beat: Calls that decided one.
        functions: Cycles by function, dearest first; none without a cycle model.
        clock_hz: Of the board; None for a bare core.
        rate_hz: Of the samples.
        energy_uj_per_second: While the signal lasts, computing alone; None where no figure is
            published.
        ram: RAM.
        flash: Flash.
    """

    samples: int
    instructions: int
    cycles: int | None
    cycles_modelled: int | None
    sample: PushCost
    beat: PushCost
    functions: tuple[tuple[str, int], ...]
    clock_hz: int | None
    rate_hz: int
    energy_uj_per_second: float | None
    ram: ApplicationRam
    flash: ApplicationFlash

    @property
    def duty(self) -> float | None:
        """Share of the time that the core computes; None on a bare core."""
        cycles = self.cycles if self.cycles_modelled is None else self.cycles_modelled
        if cycles is None or self.clock_hz is None:
            return None
        return cycles * self.rate_hz / (self.samples * self.clock_hz)

    @property
    def longest_ms(self) -> float | None:
        """Milliseconds of the dearest beat; None on a bare core."""
        cycles = (
            self.beat.cycles if self.beat.cycles_modelled is None else self.beat.cycles_modelled
        )
        if cycles is None or self.clock_hz is None:
            return None
        return 1e3 * cycles / self.clock_hz

    def to_json(self) -> dict[str, Any]:
        """For a report."""
        result = asdict(self)
        result["functions"] = [list(row) for row in self.functions]
        result["ram"]["total"] = self.ram.total
        result["flash"]["total"] = self.flash.total
        result["duty"] = self.duty
        result["longest_ms"] = self.longest_ms
        return result
