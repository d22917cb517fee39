"""RV32IMAC machine code to :class:`Instruction`.

Capstone names RISC-V instructions but does not say which operands are read and which are written,
so the fields are taken from the encoding itself: the RISC-V unprivileged specification 20191213,
chapter 24 (RV32G instruction listings) and chapter 16 (the C extension, tables 16.5 to 16.7).
"""

from __future__ import annotations

from midge.virtual_mcu.cycles.instruction import NO_REGISTERS, Branch, Instruction

_LOADS = {0: "lb", 1: "lh", 2: "lw", 4: "lbu", 5: "lhu"}
_STORES = {0: "sb", 1: "sh", 2: "sw"}
_BRANCHES = {0: "beq", 1: "bne", 4: "blt", 5: "bge", 6: "bltu", 7: "bgeu"}
_MULTIPLIES = ("mul", "mulh", "mulhsu", "mulhu", "div", "divu", "rem", "remu")
_IMMEDIATES = ("addi", "slli", "slti", "sltiu", "xori", "srli", "ori", "andi")
_REGISTERS = ("add", "sll", "slt", "sltu", "xor", "srl", "or", "and")


def decode_riscv(code: bytes, address: int) -> tuple[Instruction, ...]:
    """Decode one basic block of RV32IMAC code.

    Args:
        code: the block's bytes.
        address: its first address, in bytes.

    Returns:
        its instructions in order; an encoding outside RV32IMAC and Zicsr appears with operation
        ``unknown``.
    """
    instructions = []
    offset = 0
    while offset + 2 <= len(code):
        half = int.from_bytes(code[offset : offset + 2], "little")
        if half & 3 == 3:
            word = int.from_bytes(code[offset : offset + 4], "little")
            instructions.append(_decode_word(word, address + offset))
            offset += 4
        else:
            instructions.append(_decode_compressed(half, address + offset))
            offset += 2
    return tuple(instructions)


def _names(*registers: int) -> frozenset[str]:
    """Register names without x0, which holds nothing that could be waited for."""
    return frozenset(f"x{register}" for register in registers if register)


def _sign_extend(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _load(address: int, size: int, operation: str, rd: int, base: int) -> Instruction:
    return Instruction(
        address,
        size,
        operation,
        reads=_names(base),
        writes=_names(rd),
        address_registers=_names(base),
        words=1,
        is_load=True,
    )


def _store(address: int, size: int, operation: str, data: int, base: int) -> Instruction:
    return Instruction(
        address,
        size,
        operation,
        reads=_names(base, data),
        address_registers=_names(base),
        words=1,
        is_store=True,
    )


def _plain(
    address: int, size: int, operation: str, rd: int, reads: frozenset[str] = NO_REGISTERS
) -> Instruction:
    return Instruction(address, size, operation, reads=reads, writes=_names(rd))


def _conditional(
    address: int, size: int, operation: str, reads: frozenset[str], offset: int
) -> Instruction:
    return Instruction(
        address,
        size,
        operation,
        reads=reads,
        branch=Branch.CONDITIONAL,
        target=address + offset,
    )


def _jump(address: int, size: int, rd: int, offset: int) -> Instruction:
    return Instruction(
        address,
        size,
        "jal",
        writes=_names(rd),
        branch=Branch.CALL if rd else Branch.JUMP,
        target=address + offset,
    )


def _jump_register(address: int, size: int, rd: int, base: int) -> Instruction:
    return Instruction(
        address, size, "jalr", reads=_names(base), writes=_names(rd), branch=Branch.INDIRECT
    )


def _decode_word(word: int, address: int) -> Instruction:  # noqa: PLR0911, PLR0912 - a case a format
    opcode = word & 0x7F
    rd, rs1, rs2 = (word >> 7) & 31, (word >> 15) & 31, (word >> 20) & 31
    funct3, funct7 = (word >> 12) & 7, word >> 25
    if opcode == 0x03 and funct3 in _LOADS:
        return _load(address, 4, _LOADS[funct3], rd, rs1)
    if opcode == 0x23 and funct3 in _STORES:
        return _store(address, 4, _STORES[funct3], rs2, rs1)
    if opcode == 0x33:
        if funct7 == 1:
            return _plain(address, 4, _MULTIPLIES[funct3], rd, _names(rs1, rs2))
        operation = _REGISTERS[funct3]
        if funct7 == 0x20:
            operation = {"add": "sub", "srl": "sra"}.get(operation, "unknown")
        elif funct7:
            operation = "unknown"
        return _plain(address, 4, operation, rd, _names(rs1, rs2))
    if opcode == 0x13:
        operation = _IMMEDIATES[funct3]
        if operation == "srli" and funct7 == 0x20:
            operation = "srai"
        return _plain(address, 4, operation, rd, _names(rs1))
    if opcode in (0x37, 0x17):
        return _plain(address, 4, "lui" if opcode == 0x37 else "auipc", rd)
    if opcode == 0x63 and funct3 in _BRANCHES:
        offset = (
            (word >> 31) << 12
            | ((word >> 7) & 1) << 11
            | ((word >> 25) & 0x3F) << 5
            | ((word >> 8) & 0xF) << 1
        )
        names = _names(rs1, rs2)
        return _conditional(address, 4, _BRANCHES[funct3], names, _sign_extend(offset, 13))
    if opcode == 0x6F:
        offset = (
            (word >> 31) << 20
            | ((word >> 12) & 0xFF) << 12
            | ((word >> 20) & 1) << 11
            | ((word >> 21) & 0x3FF) << 1
        )
        return _jump(address, 4, rd, _sign_extend(offset, 21))
    if opcode == 0x67:
        return _jump_register(address, 4, rd, rs1)
    if opcode == 0x2F:
        return Instruction(
            address,
            4,
            "lr" if funct7 >> 2 == 2 else "amo",
            reads=_names(rs1, rs2),
            writes=_names(rd),
            address_registers=_names(rs1),
            words=1,
            is_load=True,
            is_store=funct7 >> 2 != 2,
        )
    if opcode == 0x0F:
        return Instruction(address, 4, "fence")
    if opcode == 0x73:
        return _plain(address, 4, "csr" if funct3 else "system", rd, _names(rs1))
    return Instruction(address, 4, "unknown")


def _decode_compressed(half: int, address: int) -> Instruction:
    quadrant, funct3 = half & 3, half >> 13
    decode = (_quadrant_0, _quadrant_1, _quadrant_2)[quadrant]
    return decode(half, funct3, address)


def _quadrant_0(half: int, funct3: int, address: int) -> Instruction:
    data, base = 8 + ((half >> 2) & 7), 8 + ((half >> 7) & 7)
    if funct3 == 0:
        return _plain(address, 2, "addi", data, _names(2))
    if funct3 == 2:
        return _load(address, 2, "lw", data, base)
    if funct3 == 6:
        return _store(address, 2, "sw", data, base)
    return Instruction(address, 2, "unknown")


def _quadrant_1(half: int, funct3: int, address: int) -> Instruction:  # noqa: PLR0911 - as above
    rd = (half >> 7) & 31
    short = 8 + ((half >> 7) & 7)
    if funct3 == 0:
        return _plain(address, 2, "addi", rd, _names(rd))
    if funct3 in (1, 5):
        offset = (
            ((half >> 12) & 1) << 11
            | ((half >> 11) & 1) << 4
            | ((half >> 9) & 3) << 8
            | ((half >> 8) & 1) << 10
            | ((half >> 7) & 1) << 6
            | ((half >> 6) & 1) << 7
            | ((half >> 3) & 7) << 1
            | ((half >> 2) & 1) << 5
        )
        return _jump(address, 2, 1 if funct3 == 1 else 0, _sign_extend(offset, 12))
    if funct3 == 2:
        return _plain(address, 2, "addi", rd)
    if funct3 == 3:
        return (
            _plain(address, 2, "addi", 2, _names(2)) if rd == 2 else _plain(address, 2, "lui", rd)
        )
    if funct3 == 4:
        group = (half >> 10) & 3
        if group < 3:
            return _plain(address, 2, ("srli", "srai", "andi")[group], short, _names(short))
        operation = ("sub", "xor", "or", "and")[(half >> 5) & 3]
        return _plain(address, 2, operation, short, _names(short, 8 + ((half >> 2) & 7)))
    offset = (
        ((half >> 12) & 1) << 8
        | ((half >> 10) & 3) << 3
        | ((half >> 5) & 3) << 6
        | ((half >> 3) & 3) << 1
        | ((half >> 2) & 1) << 5
    )
    operation = "beq" if funct3 == 6 else "bne"
    return _conditional(address, 2, operation, _names(short), _sign_extend(offset, 9))


def _quadrant_2(half: int, funct3: int, address: int) -> Instruction:  # noqa: PLR0911 - as above
    rd, rs2 = (half >> 7) & 31, (half >> 2) & 31
    if funct3 == 0:
        return _plain(address, 2, "slli", rd, _names(rd))
    if funct3 == 2:
        return _load(address, 2, "lw", rd, 2)
    if funct3 == 6:
        return _store(address, 2, "sw", rs2, 2)
    if funct3 == 4:
        upper = (half >> 12) & 1
        if rs2:
            reads = _names(rd, rs2) if upper else _names(rs2)
            return _plain(address, 2, "add", rd, reads)
        if rd:
            return _jump_register(address, 2, 1 if upper else 0, rd)
        return Instruction(address, 2, "system")
    return Instruction(address, 2, "unknown")
