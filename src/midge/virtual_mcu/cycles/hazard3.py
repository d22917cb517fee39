"""Hazard3 (the RISC-V cores of the RP2350): three stages, a one-entry loop predictor.

Source: the Hazard3 documentation, chapter "Instruction Cycle Counts" (``instruction_timings.adoc``
in the project's repository), for the configuration the RP2350 has: single-cycle multiplier,
two divider bits a cycle, branch predictor. Among its rules:

- A load's result is one cycle late for the next instruction, unless that one stores it.
- DIV and REM 18 or 19 cycles depending on the signs (19 counted), DIVU and REMU 18.
- A jump takes 2 cycles; a branch 1 when predicted, 2 when not; one more to reach a 32-bit
  instruction that is not 32-bit-aligned.
- The last taken backward branch is predicted taken, all others not taken.
"""

from __future__ import annotations

from midge.virtual_mcu.cycles.instruction import Branch, Instruction
from midge.virtual_mcu.cycles.model import InOrderModel
from midge.virtual_mcu.cycles.riscv_decoder import decode_riscv

_DIVIDE_CYCLES = {"div": 19, "rem": 19, "divu": 18, "remu": 18}


class Hazard3(InOrderModel):
    """Timings of the Hazard3 documentation."""

    name = "hazard3"
    source = "Hazard3 documentation, Instruction Cycle Counts (MULDIV_UNROLL=2, MUL_FAST=1)"

    def decode(self, code: bytes, address: int) -> tuple[Instruction, ...]:
        """See :meth:`CycleModel.decode`."""
        return decode_riscv(code, address)

    def issue_cycles(self, previous: Instruction | None, current: Instruction) -> int:
        """See :meth:`InOrderModel.issue_cycles`."""
        cycles = 4 if current.operation == "amo" else _DIVIDE_CYCLES.get(current.operation, 1)
        if previous is not None and previous.is_load:
            early = current.address_registers if current.is_store else current.reads
            if previous.writes & early:
                cycles += 1
        return cycles

    def refill_cycles(self, branch: Instruction, target: Instruction | None) -> int:
        """Cycles of branching when backward conditional branches are predicted rightly."""
        straddle = 1 if target is not None and target.straddles else 0
        if branch.branch is Branch.CONDITIONAL and branch.backward:
            return straddle
        return 1 + straddle

    def misprediction_cycles(
        self, branch: Instruction, taken: int, not_taken: int, innermost: bool
    ) -> int:
        """See :meth:`CycleModel.misprediction_cycles`.

        The predictor holds one branch. That of an innermost loop is mispredicted at its first
        pass and at its exit; that of a loop around others has been forgotten each time it is
        reached, so that it is mispredicted whenever taken. Forward branches are predicted not
        taken, which ``refill_cycles`` already counts.
        """
        if not branch.backward:
            return 0
        return 2 * min(taken, not_taken) if innermost else taken
