"""Cortex-M3: the Armv7-M pipeline with a multiplier that takes several cycles.

Source: Cortex-M3 Technical Reference Manual (DDI0337I), table 3-1: MUL 1, MLA and MLS 2, SMULL and
UMULL 3 to 5, SMLAL and UMLAL 4 to 7 (early termination by operand size), SDIV and UDIV 2 to 12.
The ranges are counted at their upper end: requantisation multiplies by 31-bit numbers, for which
nothing terminates early.
"""

from __future__ import annotations

from midge.virtual_mcu.cycles.armv7m import ArmV7M
from midge.virtual_mcu.cycles.instruction import Instruction

_CYCLES = {
    "mla": 2,
    "mls": 2,
    "smull": 5,
    "umull": 5,
    "smlal": 7,
    "umlal": 7,
    "sdiv": 12,
    "udiv": 12,
    "mrs": 2,
    "msr": 2,
    "isb": 2,
}


class CortexM3(ArmV7M):
    """Timings of table 3-1 in DDI0337I."""

    name = "cortex-m3"
    source = "Arm DDI0337I, Cortex-M3 Technical Reference Manual, table 3-1"

    def operation_cycles(self, instruction: Instruction) -> int:
        """See :meth:`ArmV7M.operation_cycles`."""
        return _CYCLES.get(instruction.operation, 1)
