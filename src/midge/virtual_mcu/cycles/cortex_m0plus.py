"""Cortex-M0+: two-stage pipeline, every instruction's cycles fixed but for the multiplier's.

Source: Cortex-M0+ Technical Reference Manual (DDI0484C), table 3-1, zero wait states. The
multiplier is an implementation option of 1 or 32 cycles (same table); the board says which.
"""

from __future__ import annotations

from midge.virtual_mcu.cycles.arm_decoder import decode_arm
from midge.virtual_mcu.cycles.instruction import Branch, Instruction
from midge.virtual_mcu.cycles.model import InOrderModel

_THREE_CYCLES = frozenset({"mrs", "msr", "dmb", "dsb", "isb"})


class CortexM0Plus(InOrderModel):
    """Timings of table 3-1 in DDI0484C."""

    name = "cortex-m0plus"
    source = "Arm DDI0484C, Cortex-M0+ Technical Reference Manual, table 3-1"

    def __init__(self, multiplier_cycles: int = 1) -> None:
        """Take the cycles of MULS: 1 (fast multiplier) or 32 (small multiplier)."""
        self.multiplier_cycles = multiplier_cycles

    def decode(self, code: bytes, address: int) -> tuple[Instruction, ...]:
        """See :meth:`CycleModel.decode`."""
        return decode_arm(code, address)

    def issue_cycles(self, previous: Instruction | None, current: Instruction) -> int:
        """See :meth:`InOrderModel.issue_cycles`; nothing depends on the previous instruction."""
        del previous
        if current.operation == "mul":
            return self.multiplier_cycles
        if current.operation in _THREE_CYCLES:
            return 3
        if current.words:
            return 1 + current.words
        return 1

    def refill_cycles(self, branch: Instruction, target: Instruction | None) -> int:
        """Taken branches 2 cycles in all, BL 3, POP {..., PC} 3 + N; alignment does not matter."""
        del target
        return 2 if branch.branch in (Branch.CALL, Branch.LOADED) else 1
