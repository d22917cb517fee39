"""Espressif's RISC-V cores of the ESP32-C3 and ESP32-C6: four stages, in order, one at a time.

The technical reference manuals (ESP32-C3, chapter 1; ESP32-C6, chapter 1: "4-stage, in-order,
scalar pipeline", 32-bit multiplier and divider) give no instruction timings. Sources per number:

========================  ====  ====  ==========================================================
what                       C3    C6   source
========================  ====  ====  ==========================================================
jump to a fixed address     2     1   measured: ctrlsrc.io, "The GPIO speed of ESP32-C3 and
                                      ESP32-C6 microcontrollers" (2023), from RAM at 160 MHz
... to a misaligned one    +1    +1   the same: a target that is not 4-byte aligned
CSR access, ALU             1     1   the same
conditional branch taken    3     2   assumed: resolved one stage after a jump
... not taken               1     1   assumed
JALR                        3     2   assumed as a taken branch: the address is in a register
load used next             +1    +1   assumed: data arrive in the memory stage
multiplication used next   +1    +1   assumed: two-stage 32-bit multiplier
division                   34    34   assumed: one bit a cycle, and sign correction
store                       1     1   assumed: buffered
========================  ====  ====  ==========================================================

The assumed rows follow from the stated pipeline, not from a measurement of the instruction; how
far the sum is off is checked against the published CoreMark scores in ``docs/cycle-models.md``.
"""

from __future__ import annotations

from midge.virtual_mcu.cycles.instruction import Branch, Instruction
from midge.virtual_mcu.cycles.model import InOrderModel
from midge.virtual_mcu.cycles.riscv_decoder import decode_riscv

_DIVISIONS = frozenset({"div", "divu", "rem", "remu"})
_MULTIPLIES = frozenset({"mul", "mulh", "mulhsu", "mulhu"})
_DIVIDE_CYCLES = 34


class _EspressifRiscv(InOrderModel):
    """What the two cores share; they differ in what branching costs."""

    jump_cycles: int
    branch_cycles: int

    def decode(self, code: bytes, address: int) -> tuple[Instruction, ...]:
        """See :meth:`CycleModel.decode`."""
        return decode_riscv(code, address)

    def issue_cycles(self, previous: Instruction | None, current: Instruction) -> int:
        """See :meth:`InOrderModel.issue_cycles`."""
        cycles = _DIVIDE_CYCLES if current.operation in _DIVISIONS else 1
        if current.operation == "amo":
            cycles += 1  # the write follows the read
        late = previous is not None and (previous.is_load or previous.operation in _MULTIPLIES)
        if previous is not None and late and previous.writes & current.reads:
            cycles += 1
        return cycles

    def refill_cycles(self, branch: Instruction, target: Instruction | None) -> int:
        """See :meth:`InOrderModel.refill_cycles`."""
        fixed = branch.branch in (Branch.JUMP, Branch.CALL)
        cycles = (self.jump_cycles if fixed else self.branch_cycles) - 1
        if target is not None and target.address % 4:
            cycles += 1
        return cycles


class Esp32C3(_EspressifRiscv):
    """The ESP32-C3's core."""

    name = "esp32c3"
    source = "no published table; jumps measured by ctrlsrc.io (2023), the rest from the pipeline"
    jump_cycles = 2
    branch_cycles = 3


class Esp32C6(_EspressifRiscv):
    """The ESP32-C6's high-performance core."""

    name = "esp32c6"
    source = "no published table; jumps measured by ctrlsrc.io (2023), the rest from the pipeline"
    jump_cycles = 1
    branch_cycles = 2
