"""Cortex-M4: the Armv7-M pipeline with a single-cycle multiplier, DSP instructions and an FPU.

Source: Cortex-M4 Technical Reference Manual (100166_0001_00, issue of DDI0439), table 3-1 for
integers: every multiply and multiply-accumulate, SMLAD and SMLALD included, 1 cycle; SDIV and UDIV
2 to 12 cycles, counted as 12. Table 7-1 (FPU instruction set) for floats: VDIV and VSQRT 14,
VMLA and its relatives 3, VMOV of a pair 2, the rest 1.
"""

from __future__ import annotations

from midge.virtual_mcu.cycles.armv7m import ArmV7M
from midge.virtual_mcu.cycles.instruction import Instruction

_CYCLES = {
    "sdiv": 12,
    "udiv": 12,
    "mrs": 2,
    "msr": 2,
    "isb": 2,
    "vdiv": 14,
    "vsqrt": 14,
    "vmla": 3,
    "vmls": 3,
    "vnmla": 3,
    "vnmls": 3,
    "vfma": 3,
    "vfms": 3,
    "vfnma": 3,
    "vfnms": 3,
}


class CortexM4(ArmV7M):
    """Timings of table 3-1 and table 7-1 in 100166_0001_00."""

    name = "cortex-m4"
    source = "Arm 100166_0001_00, Cortex-M4 Technical Reference Manual, tables 3-1 and 7-1"

    def operation_cycles(self, instruction: Instruction) -> int:
        """See :meth:`ArmV7M.operation_cycles`."""
        return _CYCLES.get(instruction.operation, 1)
