"""What the three-stage Armv7-M cores have in common: load pipelining and the pipeline refill.

Sources: Cortex-M4 Technical Reference Manual (100166_0001_00, issue of DDI0439), section 3.3.1
"Table of processor instructions" and 3.3.2 "Load/store timings"; Cortex-M3 Technical Reference
Manual (DDI0337), table 3-1 and the same load/store section.

Where the manuals give a range or leave a point open, this is what is counted:

- The refill P "ranges from 1 to 3 depending on the alignment and width of the target instruction,
  and whether the processor manages to speculate the address early": 1 for branches to a fixed
  address, 2 for BX, BLX and writes to the PC, 3 for an address loaded from memory (3.3.2), one more
  when the target is a 32-bit instruction that crosses a word boundary, never more than 3.
- A division counts its upper bound: quotients and operands are not known per block.
- A conditional instruction in an IT block counts as executed; when skipped it takes 1 cycle.
- LDR from the PC "might add a cycle because of contention with the fetch unit": not counted.
"""

from __future__ import annotations

from abc import abstractmethod

from midge.virtual_mcu.cycles.arm_decoder import decode_arm
from midge.virtual_mcu.cycles.instruction import Branch, Instruction
from midge.virtual_mcu.cycles.model import InOrderModel

_LONGEST_REFILL = 3
_STRADDLE_CYCLES = 1
_REFILL = {
    Branch.CONDITIONAL: 1,
    Branch.JUMP: 1,
    Branch.CALL: 1,
    Branch.INDIRECT: 2,
    Branch.LOADED: 3,
}


def moves_one_word(instruction: Instruction) -> bool:
    """Whether it is a single load or store, the only kind that pipelines with its neighbours."""
    return instruction.words == 1 and instruction.operation not in {
        "ldm",
        "ldmdb",
        "pop",
        "stm",
        "stmdb",
        "push",
        "tbb",
        "tbh",
    }


class ArmV7M(InOrderModel):
    """In-order Thumb-2 core with the load/store pipelining of the Cortex-M3 and M4."""

    @abstractmethod
    def operation_cycles(self, instruction: Instruction) -> int:
        """Cycles of an instruction that neither accesses memory nor is an IT."""

    def decode(self, code: bytes, address: int) -> tuple[Instruction, ...]:
        """See :meth:`CycleModel.decode`."""
        return decode_arm(code, address)

    def issue_cycles(self, previous: Instruction | None, current: Instruction) -> int:
        """See :meth:`InOrderModel.issue_cycles`."""
        if current.operation == "it":
            # Folded onto a preceding 16-bit instruction (table 3-1, note e).
            return 0 if previous is not None and previous.size_bytes == 2 else 1
        if not current.words:
            return self.operation_cycles(current)
        cycles = self._memory_cycles(previous, current)
        if previous is not None and self._address_stalls(previous, current):
            cycles += 1
        return cycles

    def _memory_cycles(self, previous: Instruction | None, current: Instruction) -> int:
        if not moves_one_word(current):
            return 2 if current.operation in {"tbb", "tbh"} else 1 + current.words
        if current.is_store and not current.register_offset:
            return 1
        follows_load = (
            previous is not None
            and previous.is_load
            and moves_one_word(previous)
            and not previous.loaded & current.address_registers
        )
        return 1 if follows_load else 2

    def _address_stalls(self, previous: Instruction, current: Instruction) -> bool:
        """Whether the address waits for the result of a data-processing instruction (3.3.2)."""
        return not previous.words and bool(previous.writes & current.address_registers)

    def refill_cycles(self, branch: Instruction, target: Instruction | None) -> int:
        """The P of table 3-1."""
        if branch.branch is None:
            return 0
        cycles = _REFILL[branch.branch]
        if target is not None and target.straddles:
            cycles += _STRADDLE_CYCLES
        if branch.operation in {"tbb", "tbh"}:
            return min(cycles, _LONGEST_REFILL) + 1  # the table entry is added to the PC first
        return min(cycles, _LONGEST_REFILL)
