"""What a cycle model knows of one instruction: operation, registers, memory and branch kind."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

NO_REGISTERS: frozenset[str] = frozenset()


class Branch(Enum):
    """How an instruction can leave the straight line."""

    CONDITIONAL = "conditional"  # to a fixed address, when a condition holds
    JUMP = "jump"  # to a fixed address, always
    CALL = "call"  # to a fixed address, and the return address is kept
    INDIRECT = "indirect"  # to an address held in a register
    LOADED = "loaded"  # to an address read from memory (POP {..., PC}, TBB)


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction.

    Attributes:
        address: where it stands, in bytes, without the Thumb bit.
        size_bytes: 2 or 4.
        operation: the base mnemonic without condition, width and type suffix: ``add``, ``ldrb``,
            ``smlad``; compressed RISC-V instructions carry the name of what they expand to.
        reads: registers it reads, address registers included; ``flags`` for the status flags.
        writes: registers it writes; ``flags`` for the status flags.
        address_registers: those of ``reads`` that form a memory address.
        words: 32-bit transfers to or from memory; a byte or half-word access is one; 0 for
            instructions that do not access memory.
        is_load: it reads memory.
        is_store: it writes memory.
        register_offset: its memory address is the sum of two registers.
        shifted: one of its operands goes through the shifter first.
        conditional: it stands in an IT block, so that it may be skipped.
        branch: how it can leave the straight line; None when it cannot.
        target: the address it branches to, in bytes, when the encoding holds it; else None.
    """

    address: int
    size_bytes: int
    operation: str
    reads: frozenset[str] = NO_REGISTERS
    writes: frozenset[str] = NO_REGISTERS
    address_registers: frozenset[str] = NO_REGISTERS
    words: int = 0
    is_load: bool = False
    is_store: bool = False
    register_offset: bool = False
    shifted: bool = False
    conditional: bool = False
    branch: Branch | None = None
    target: int | None = None

    @property
    def end(self) -> int:
        """The address of the next instruction in memory, in bytes."""
        return self.address + self.size_bytes

    @property
    def loaded(self) -> frozenset[str]:
        """The registers a load fills from memory, without a base register it steps on."""
        if not self.is_load:
            return NO_REGISTERS
        return self.writes if len(self.writes) <= 1 else self.writes - self.address_registers

    @property
    def backward(self) -> bool:
        """Whether it branches to itself or to a lower address, as the end of a loop does."""
        return self.target is not None and self.target <= self.address

    @property
    def straddles(self) -> bool:
        """Whether it is a 32-bit instruction that crosses a 32-bit fetch boundary."""
        return self.size_bytes == 4 and self.address % 4 != 0
