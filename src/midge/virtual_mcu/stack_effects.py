"""What one machine instruction does to the stack pointer and to the flow of control.

Only what compilers emit is understood; anything else that touches the stack pointer is reported as
unknown, so that a bound is never too small.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

import capstone
from capstone import arm as arm_constants

Constants = dict[str, int]
"""Registers whose value is known, in a straight piece of code."""

ReadMemory = Callable[[int, int], bytes]


class Flow(Enum):
    """Where control goes after an instruction."""

    NEXT = "next"
    BRANCH = "branch"  # to the targets; also on to the next one when conditional
    CALL = "call"  # to the target, then on to the next one
    RETURN = "return"
    INDIRECT_JUMP = "indirect jump"
    INDIRECT_CALL = "indirect call"


@dataclass(frozen=True)
class Effect:
    """One instruction, reduced to stack and control.

    Attributes:
        address: Where it stands.
        size_bytes: 2 or 4.
        deeper_bytes: By how much the stack grows, negative when it shrinks; None when the
            instruction changes the stack pointer in a way that is not understood.
        flow: Where control goes.
        targets: Addresses of a branch or call.
        conditional: It may be skipped.
        text: The instruction, for messages.
    """

    address: int
    size_bytes: int
    deeper_bytes: int | None
    flow: Flow
    targets: tuple[int, ...] = ()
    conditional: bool = False
    text: str = ""


def effects_from(
    family: str, read: ReadMemory, address: int, end: int, length: Callable[[int], int]
) -> Iterator[Effect]:
    """Decode a straight piece of code.

    Args:
        family: ``arm`` or ``riscv``.
        read: Gives the program's bytes: ``read(address, size)``.
        address: First instruction.
        end: Address behind the last byte that may be code.
        length: Gives the length of the instruction at an address, for those that capstone does
            not know; they are taken to leave the stack pointer and the flow alone, which holds for
            Helium's arithmetic and for the loop instructions of ARMv8.1-M.

    Yields:
        One effect per instruction, until the caller has seen enough.
    """
    engine = _engine(family)
    constants: Constants = {}
    understand = _arm_effect if family == "arm" else _riscv_effect
    while address < end:
        for instruction in engine.disasm(read(address, end - address), address):
            yield understand(instruction, constants, read)
            address = instruction.address + instruction.size
        if address < end:
            size = length(address)
            yield Effect(address, size, 0, Flow.NEXT, text="(unknown)")
            address += size


def _engine(family: str) -> capstone.Cs:
    if family == "arm":
        mode = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
        engine = capstone.Cs(capstone.CS_ARCH_ARM, mode)
    else:
        mode = capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC
        engine = capstone.Cs(capstone.CS_ARCH_RISCV, mode)
    engine.detail = True
    return engine


_NUMBER = r"#?(-?(?:0x[0-9a-f]+|\d+))"


def _match(pattern: str, text: str) -> re.Match[str] | None:
    return re.fullmatch(pattern.replace("NUMBER", _NUMBER), text)


def _number(text: str) -> int:
    return int(text, 0)


# -- Thumb ----------------------------------------------------------------------------------------

_CONDITIONS = "eq|ne|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le"


def _arm_effect(entry: capstone.CsInsn, constants: Constants, read: ReadMemory) -> Effect:
    conditional = entry.cc not in (arm_constants.ARM_CC_AL, arm_constants.ARM_CC_INVALID)
    name = entry.mnemonic.split(".")[0]
    if conditional:
        name = re.sub(f"({_CONDITIONS})$", "", name)
    operands = entry.op_str
    text = f"{entry.mnemonic} {operands}"
    flow, targets = _arm_flow(entry, name, operands, read)
    deeper = _arm_depth(name, operands, constants)
    conditional = conditional or name in {"cbz", "cbnz"}
    _arm_constants(entry, name, operands, constants, read)
    if flow is not Flow.NEXT:
        constants.clear()
    return Effect(entry.address, entry.size, deeper, flow, targets, conditional, text)


def _arm_flow(
    entry: capstone.CsInsn, name: str, operands: str, read: ReadMemory
) -> tuple[Flow, tuple[int, ...]]:
    if name in {"b", "cbz", "cbnz"}:
        return Flow.BRANCH, (_number(operands.split("#")[-1]),)
    if name == "bl":
        return Flow.CALL, (_number(operands.lstrip("#")),)
    if name == "blx":
        return Flow.INDIRECT_CALL, ()
    if name == "bx":
        return (Flow.RETURN if operands == "lr" else Flow.INDIRECT_JUMP), ()
    if name in {"tbb", "tbh"}:
        return Flow.BRANCH, _branch_table(entry.address, 1 if name == "tbb" else 2, read)
    if name in {"pop", "ldm", "ldmia", "ldmdb"} and re.search(r"\bpc\b", operands):
        return (
            Flow.RETURN if name == "pop" or operands.startswith("sp!") else Flow.INDIRECT_JUMP
        ), ()
    if name == "ldr" and operands.startswith("pc,"):
        return (Flow.RETURN if "[sp]" in operands else Flow.INDIRECT_JUMP), ()
    if name == "mov" and operands.startswith("pc,"):
        return (Flow.RETURN if operands == "pc, lr" else Flow.INDIRECT_JUMP), ()
    return Flow.NEXT, ()


def _branch_table(address: int, entry_bytes: int, read: ReadMemory) -> tuple[int, ...]:
    """Return the targets of a TBB or TBH, whose table stands behind it and before its targets."""
    base = address + 4
    targets: list[int] = []
    at = base
    while at < min(targets, default=base + 512):
        targets.append(base + 2 * int.from_bytes(read(at, entry_bytes), "little"))
        at += entry_bytes
    # The last byte may be padding before the first target.
    return tuple(target for target in targets if target >= at)


def _arm_depth(name: str, operands: str, constants: Constants) -> int | None:
    registers = operands.removeprefix("sp!, ")
    if name in {"push", "vpush"} or (name in {"stmdb", "vstmdb"} and operands.startswith("sp!,")):
        return _register_bytes(registers)
    if name in {"pop", "vpop"} or (
        name in {"ldm", "ldmia", "vldmia"} and operands.startswith("sp!,")
    ):
        return -_register_bytes(registers)
    if name in {"sub", "subw", "add", "addw"}:
        sign = 1 if name.startswith("sub") else -1
        if found := _match(r"sp, (?:sp, )?NUMBER", operands):
            return sign * _number(found[1])
        if found := _match(r"sp, (?:sp, )?(\w+)", operands):
            value = constants.get(found[1])
            return None if value is None else sign * _signed(value)
    if found := _match(r"[^\[]*\[sp, NUMBER\]!", operands):
        return -_number(found[1])
    if found := _match(r"[^\[]*\[sp\], NUMBER", operands):
        return -_number(found[1])
    writes_stack_pointer = name not in {"cmp", "cmn", "tst", "teq", "str"} and re.match(
        r"sp(,|!)", operands
    )
    return None if writes_stack_pointer else 0


def _register_bytes(registers: str) -> int:
    total = 0
    for part in registers.strip("{} ").split(","):
        name = part.strip()
        first, _, last = name.partition("-")
        count = 1 if not last else int(last[1:]) - int(first[1:]) + 1
        total += count * (16 if name[0] == "q" else 8 if name[0] == "d" else 4)
    return total


def _arm_constants(
    entry: capstone.CsInsn, name: str, operands: str, constants: Constants, read: ReadMemory
) -> None:
    """Follow the few ways in which compilers load the size of a large frame."""
    value = None
    if found := _match(r"(\w+), \[pc, NUMBER\]", operands):
        if name == "ldr":
            literal = ((entry.address + 4) & ~3) + _number(found[2])
            value = int.from_bytes(read(literal, 4), "little")
    elif found := _match(r"(\w+), NUMBER", operands):
        number = _number(found[2])
        if name in {"mov", "movs", "movw"}:
            value = number
        elif name == "mvn":
            value = ~number
        elif name == "movt" and found[1] in constants:
            value = (constants[found[1]] & 0xFFFF) | number << 16
    elif found := _match(r"(\w+), (\w+), NUMBER", operands):
        number = _number(found[3])
        if name == "lsls" and found[2] in constants:
            value = constants[found[2]] << number
        elif name == "rsbs" and number == 0 and found[2] in constants:
            value = -constants[found[2]]
    elif (found := _match(r"(\w+), (\w+)", operands)) and found[2] in constants:
        if name == "mvns":
            value = ~constants[found[2]]
        elif name == "negs":
            value = -constants[found[2]]
    written = re.match(r"\w+", operands)
    if written:
        constants.pop(written[0], None)
        if value is not None:
            constants[written[0]] = value & 0xFFFF_FFFF


# -- RISC-V ---------------------------------------------------------------------------------------


def _riscv_effect(entry: capstone.CsInsn, constants: Constants, _read: ReadMemory) -> Effect:
    name = entry.mnemonic.removeprefix("c.")
    operands = entry.op_str
    flow, targets, conditional = _riscv_flow(entry.address, name, operands, constants)
    deeper = _riscv_depth(name, operands, constants)
    _riscv_constants(entry.address, name, operands, constants)
    if flow is not Flow.NEXT:
        constants.clear()
    text = f"{entry.mnemonic} {operands}"
    return Effect(entry.address, entry.size, deeper, flow, targets, conditional, text)


def _riscv_flow(
    address: int, name: str, operands: str, constants: Constants
) -> tuple[Flow, tuple[int, ...], bool]:
    if name in {"beq", "bne", "blt", "bge", "bltu", "bgeu", "beqz", "bnez"}:
        return Flow.BRANCH, (address + _number(operands.split(", ")[-1]),), True
    if name in {"blez", "bgez", "bltz", "bgtz"}:
        return Flow.BRANCH, (address + _number(operands.split(", ")[-1]),), True
    if name in {"j", "jal"}:
        return _riscv_jump(address, name, operands)
    if name == "ret":
        return Flow.RETURN, (), False
    if name in {"jr", "jalr"}:
        return _riscv_register_jump(name, operands, constants)
    return Flow.NEXT, (), False


def _riscv_jump(address: int, name: str, operands: str) -> tuple[Flow, tuple[int, ...], bool]:
    link, _, offset = operands.rpartition(", ")
    target = address + _number(offset)
    if name == "j" or link == "zero":
        return Flow.BRANCH, (target,), False
    # Millicode routines (`jal t0`) move the stack pointer for their caller.
    return (Flow.CALL if link in {"", "ra"} else Flow.INDIRECT_CALL), (target,), False


def _riscv_register_jump(
    name: str, operands: str, constants: Constants
) -> tuple[Flow, tuple[int, ...], bool]:
    link = "zero" if name == "jr" else "ra"
    register, offset = operands, 0
    if found := _match(r"(\w+), (\w+), NUMBER", operands):
        link, register, offset = found[1], found[2], _number(found[3])
    elif found := _match(r"(\w+), NUMBER\((\w+)\)", operands):
        link, register, offset = found[1], found[3], _number(found[2])
    elif found := _match(r"NUMBER\((\w+)\)", operands):
        register, offset = found[2], _number(found[1])
    if link == "zero" and register == "ra":
        return Flow.RETURN, (), False
    base = constants.get(register)
    if base is None:
        return (Flow.INDIRECT_JUMP if link == "zero" else Flow.INDIRECT_CALL), (), False
    target = (base + offset) & 0xFFFF_FFFF
    if link == "zero":
        return Flow.BRANCH, (target,), False
    return (Flow.CALL if link == "ra" else Flow.INDIRECT_CALL), (target,), False


def _riscv_depth(name: str, operands: str, constants: Constants) -> int | None:
    if name in {"addi", "addi16sp"} and (found := _match(r"sp, (?:sp, )?NUMBER", operands)):
        return -_number(found[1])
    if name in {"add", "sub"} and (found := _match(r"sp, (?:sp, )?(\w+)", operands)):
        value = constants.get(found[1])
        sign = 1 if name == "sub" else -1
        return None if value is None else sign * _signed(value)
    # Stores and branches read their first operand; everything else writes it.
    reads_first = name in {"sw", "sh", "sb", "beq", "bne", "blt", "bge", "bltu", "bgeu"}
    return None if operands.startswith("sp,") and not reads_first else 0


def _riscv_constants(address: int, name: str, operands: str, constants: Constants) -> None:
    value = None
    if found := _match(r"(\w+), NUMBER", operands):
        number = _number(found[2])
        if name == "lui":
            value = number << 12
        elif name == "auipc":
            value = address + (number << 12)
        elif name == "li":
            value = number
        elif name == "addi" and found[1] in constants:
            value = constants[found[1]] + number
    elif found := _match(r"(\w+), (\w+), NUMBER", operands):
        number = _number(found[3])
        if name == "addi" and found[2] == "zero":
            value = number
        elif name == "addi" and found[2] in constants:
            value = constants[found[2]] + number
    written = re.match(r"\w+", operands)
    if written and name not in {"sw", "sh", "sb"}:
        constants.pop(written[0], None)
        if value is not None:
            constants[written[0]] = value & 0xFFFF_FFFF


def _signed(value: int) -> int:
    return value - (1 << 32) if value & 0x8000_0000 else value
