"""What one inference of a network costs on a core, and what it may cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import midge
from bench.kernel_aims import BALANCED_ARENA, BALANCED_WEIGHTS, CODE_LIMITS
from bench.mlperf_tiny import Network
from bench.quoted import LIVE_SETS, M4_INSTRUCTIONS
from midge import UserError

SAMPLES = 5
"""Real samples that each row counts."""


@dataclass(frozen=True)
class Row:
    """One network on one core by one compiler; one inference, the median of five real samples.

    Attributes:
        network: Short name.
        core: Core or board.
        cc: ``zig`` or ``gcc``.
        compiler: Its version.
        emulator: What ran it.
        equal: Samples whose output equals the golden file's in every byte, of five.
        instructions: Issued.
        macs: Multiply-accumulates, padding counted.
        cycles: With memory that answers at once; None without a cycle model.
        cycles_modelled: With the board's flash; None on a core.
        latency_ms: (zero wait, modelled); None on a core.
        energy_uj: (zero wait, modelled); None on a core.
        arena: RAM bytes of tensors and scratch, input and output included.
        stack_peak: RAM bytes of stack, by painting.
        stack_bound: RAM bytes of stack at most, from the machine code.
        static: RAM bytes of variables.
        code: Flash bytes of instructions, library routines included.
        weights: Flash bytes of everything constant.
        constants: Bytes of the network's constants as it was given.
    """

    network: str
    core: str
    cc: str
    compiler: str
    emulator: str
    equal: int
    instructions: int
    macs: int
    cycles: int | None
    cycles_modelled: int | None
    latency_ms: tuple[float, float | None] | None
    energy_uj: tuple[float, float | None] | None
    arena: int
    stack_peak: int
    stack_bound: int | None
    static: int
    code: int
    weights: int
    constants: int

    @property
    def per_mac(self) -> float:
        """Instructions per multiply-accumulate."""
        return self.instructions / self.macs

    @property
    def inflation(self) -> float:
        """Flash of constants over the constants as they were given."""
        return self.weights / self.constants

    @property
    def ram(self) -> int:
        """RAM bytes altogether."""
        return self.arena + self.static + self.stack_peak

    @property
    def flash(self) -> int:
        """Flash bytes altogether."""
        return self.code + self.weights


@dataclass(frozen=True)
class Bound:
    """What the Cortex-M4 must stay within.

    Attributes:
        network: Short name.
        cc: ``zig`` or ``gcc``.
        what: The figure.
        found: Its value.
        most: What it may be.
    """

    network: str
    cc: str
    what: str
    found: int
    most: int

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.found <= self.most


def measure(network: Network, core: str, cc: str) -> Row:
    """Compile as `midge compile` does, kernels measured; run golden samples, and count.

    Raises:
        ToolError: a compiler or emulator is missing.
    """
    graph = network.load()
    golden = network.golden()
    artifact = midge.compile(graph, target=core, cc=cc, measured=True)
    result = artifact.run(golden.inputs[:SAMPLES])
    outputs = np.asarray(result.outputs).reshape(SAMPLES, -1)
    expected = golden.outputs[:SAMPLES].reshape(SAMPLES, -1)
    if result.instructions is None:
        raise UserError(f"{core}: its emulator does not count instructions")
    ram, flash = result.ram_bytes, result.flash_bytes
    return Row(
        network=network.name,
        core=core,
        cc=cc,
        compiler=result.compiler,
        emulator=result.emulator,
        equal=int((outputs == expected).all(axis=1).sum()),
        instructions=result.instructions,
        macs=result.macs,
        cycles=result.cycles,
        cycles_modelled=result.cycles_modelled,
        latency_ms=result.latency_ms,
        energy_uj=result.energy_uj,
        arena=ram.arena + ram.state,
        stack_peak=ram.stack_peak,
        stack_bound=ram.stack_bound,
        static=ram.static,
        code=flash.code,
        weights=flash.weights,
        constants=graph.constant_bytes(),
    )


def bounds_of(rows: Sequence[Row]) -> list[Bound]:
    """Others' instructions, and the budgets of `--optimize balanced`, on the Cortex-M4."""
    bounds = []
    for row in rows:
        if row.core == "cortex-m4":
            limits = (
                ("instructions", row.instructions, M4_INSTRUCTIONS[row.network]),
                ("arena", row.arena, LIVE_SETS[row.network] + BALANCED_ARENA),
                ("code", row.code, CODE_LIMITS["balanced"]),
                (
                    "constants in flash",
                    row.weights,
                    int(BALANCED_WEIGHTS[row.network] * row.constants),
                ),
            )
            bounds += [Bound(row.network, row.cc, *limit) for limit in limits]
    return bounds
