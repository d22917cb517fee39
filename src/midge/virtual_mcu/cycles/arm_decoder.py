"""Thumb machine code to :class:`Instruction`, by way of capstone.

Capstone gives operands and the registers read and written; this adds what it leaves out (the
sources of saturations, the registers of floating-point multiples) and sorts the branches.
Encodings: ARMv7-M Architecture Reference Manual (DDI0403) and ARMv8-M (DDI0553), chapter A5/C2.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache

import capstone
from capstone import arm as c_arm

from midge.virtual_mcu.cycles.instruction import Branch, Instruction

_ADDRESS_BITS = ~1
_ANYWHERE = 0x1000_0000
"""Where code is decoded before it is moved to its place; branches lead both ways from it."""
_PIECES = 65536
"""Decoded pieces of code that are kept."""
_MULTIPLE_LOADS = frozenset({"ldm", "ldmdb", "pop", "vldmia", "vldmdb", "vpop"})
_MULTIPLE_STORES = frozenset({"stm", "stmdb", "push", "vstmia", "vstmdb", "vpush"})
_DOUBLE = frozenset({"ldrd", "strd"})
_TABLE_BRANCHES = frozenset({"tbb", "tbh"})
_FLAG_WRITERS = frozenset({"cmp", "cmn", "tst", "teq"})


@cache
def _disassembler() -> capstone.Cs:
    engine = capstone.Cs(
        capstone.CS_ARCH_ARM,
        capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8,
    )
    engine.detail = True
    engine.skipdata = True
    return engine


def decode_arm(code: bytes, address: int) -> tuple[Instruction, ...]:
    """Decode one basic block of Thumb code.

    Args:
        code: the block's bytes.
        address: its first address, in bytes; bit 0 (the Thumb bit) is ignored.

    Returns:
        its instructions in order; what capstone cannot decode appears with operation ``unknown``.
    """
    start = address & _ADDRESS_BITS
    instructions: list[Instruction] = []
    at = 0
    while at < len(code):
        size = _piece_bytes(code, at)
        piece = _decoded(code[at : at + size])
        if piece[-1].operation == "unknown" or piece[-1].end != _ANYWHERE + size:
            # Nobody but capstone knows where it goes on.
            return tuple(_moved(one, start - _ANYWHERE) for one in _decoded(code))
        instructions += (_moved(one, start + at - _ANYWHERE) for one in piece)
        at += size
    return tuple(instructions)


def _piece_bytes(code: bytes, start: int) -> int:
    """The bytes of one instruction or, since the next ones depend on it, of an IT and its block."""
    at, left = start, 1
    while left and at < len(code):
        half = int.from_bytes(code[at : at + 2], "little")
        if at == start and half & 0xFF00 == 0xBF00 and half & 0xF:
            # The lowest bit set of the mask ends the block.
            left += 5 - (half & 0xF & -(half & 0xF)).bit_length()
        at += 4 if half >= 0xE800 else 2
        left -= 1
    return at - start


@lru_cache(_PIECES)
def _decoded(code: bytes) -> tuple[Instruction, ...]:
    """Code at `_ANYWHERE`: programs consist of the same few thousand instructions."""
    return tuple(_instruction(entry) for entry in _disassembler().disasm(code, _ANYWHERE))


def _moved(instruction: Instruction, away: int) -> Instruction:
    """The instruction so many bytes further on."""
    target = None if instruction.target is None else instruction.target + away
    return replace(instruction, address=instruction.address + away, target=target)


def _instruction(entry: capstone.CsInsn) -> Instruction:
    if entry.id == 0:
        return Instruction(entry.address, entry.size, "unknown")
    operation = entry.insn_name().split(".")[0]
    operands = entry.operands
    read_ids, written_ids = entry.regs_access()
    reads = {entry.reg_name(register) for register in read_ids}
    writes = {entry.reg_name(register) for register in written_ids} - {"itstate"}
    registers = [entry.reg_name(o.reg) for o in operands if o.type == c_arm.ARM_OP_REG]
    if operation in {"usat", "ssat", "usat16", "ssat16"}:
        reads |= set(registers[1:])
    if entry.update_flags or operation in _FLAG_WRITERS:
        writes.add("flags")
    conditional = entry.cc not in (c_arm.ARM_CC_AL, c_arm.ARM_CC_INVALID) and operation != "it"
    if conditional:
        reads.add("flags")

    address_registers: set[str] = set()
    register_offset = False
    for operand in operands:
        if operand.type == c_arm.ARM_OP_MEM:
            address_registers.add(entry.reg_name(operand.mem.base))
            if operand.mem.index:
                address_registers.add(entry.reg_name(operand.mem.index))
                register_offset = True
    words, is_load, is_store = _memory(operation, registers, bool(address_registers))
    if words and not address_registers:
        multiple_of_stack = operation in {"push", "pop", "vpush", "vpop"}
        address_registers = {"sp"} if multiple_of_stack else set(registers[:1])
    reads |= address_registers
    branch, target = _branch(entry, operation, conditional, writes, is_load)
    shifted = any(o.type == c_arm.ARM_OP_REG and o.shift.type for o in operands)
    return Instruction(
        address=entry.address,
        size_bytes=entry.size,
        operation=operation,
        reads=frozenset(reads - {"pc"}),
        writes=frozenset(writes - {"pc"}),
        address_registers=frozenset(address_registers),
        words=words,
        is_load=is_load,
        is_store=is_store,
        register_offset=register_offset,
        shifted=shifted,
        conditional=conditional,
        branch=branch,
        target=target,
    )


def _memory(operation: str, registers: list[str], has_address: bool) -> tuple[int, bool, bool]:
    """The words moved, and whether by a load or by a store."""
    if operation in _MULTIPLE_LOADS | _MULTIPLE_STORES:
        listed = registers
        if operation not in {"push", "pop", "vpush", "vpop"}:
            listed = registers[1:]
        words = sum(2 if name.startswith("d") else 1 for name in listed)
        return words, operation in _MULTIPLE_LOADS, operation in _MULTIPLE_STORES
    if not has_address or operation.startswith(("pld", "pli", "adr")):
        return 0, False, False
    if operation in _DOUBLE:
        return 2, operation == "ldrd", operation == "strd"
    if operation in {"vldr", "vstr"}:
        return (2 if registers[0].startswith("d") else 1), operation == "vldr", operation == "vstr"
    if operation in _TABLE_BRANCHES or operation.startswith(("ldr", "lda")):
        return 1, True, False
    return 1, False, True


def _branch(
    entry: capstone.CsInsn, operation: str, conditional: bool, writes: set[str], is_load: bool
) -> tuple[Branch | None, int | None]:
    """How the instruction can branch, and where to when the encoding says so."""
    immediate = next((o.imm for o in entry.operands if o.type == c_arm.ARM_OP_IMM), None)
    if operation in {"cbz", "cbnz"}:
        return Branch.CONDITIONAL, immediate
    if operation == "b":
        return (Branch.CONDITIONAL if conditional else Branch.JUMP), immediate
    if operation == "bl":
        return Branch.CALL, immediate
    if operation in _TABLE_BRANCHES or (is_load and "pc" in writes):
        return Branch.LOADED, None
    if operation in {"bx", "blx"} or "pc" in writes:
        return Branch.INDIRECT, None
    return None, None
