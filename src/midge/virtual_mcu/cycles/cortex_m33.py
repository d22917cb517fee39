"""Cortex-M33: counted with the Cortex-M4's table, because Arm publishes none for it.

The Technical Reference Manual (100230) gives no instruction timings. What is published:

- It issues in order and dual-issues some pairs of 16-bit instructions; which ones is not said, so
  no pair is counted as dual-issued. On scalar code the model is therefore an upper bound: by the
  CoreMark scores of Arm's product tables (4.02 against 3.42 per MHz) the M33 needs 15 % fewer
  cycles than the M4 that the table describes. SMLAD, loads and wide instructions are 32-bit.
- LLVM and GCC schedule the M33 with their Cortex-M4 models.
- A taken conditional branch costs 2 cycles: the busy-wait loops of the Raspberry Pi Pico SDK
  (``busy_wait_at_least_cycles``: SUBS, BCS in 3 cycles) and of nrfx (``nrfx_coredep.h``) count so.
- SDIV and UDIV: 2 to 11 cycles in Arm's Cortex-M33 product documentation, counted as 11.
"""

from __future__ import annotations

from midge.virtual_mcu.cycles.cortex_m4 import CortexM4
from midge.virtual_mcu.cycles.instruction import Instruction


class CortexM33(CortexM4):
    """The Cortex-M4's timings without dual issue: an upper bound."""

    name = "cortex-m33"
    source = "no published table; Cortex-M4 timings (100166_0001_00), dual issue left out"

    def operation_cycles(self, instruction: Instruction) -> int:
        """See :meth:`ArmV7M.operation_cycles`."""
        if instruction.operation in {"sdiv", "udiv"}:
            return 11
        return super().operation_cycles(instruction)
