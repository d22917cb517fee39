"""The effect of RV32IMAC instructions on stack and control.

Source: the RISC-V unprivileged specification 20191213, chapters 2 and 16.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import capstone

from midge.virtual_mcu.stack_effects import (
    Constants,
    Effect,
    Entry,
    Flow,
    ReadMemory,
    keep_constant,
    match_operands,
    number,
    signed,
)

_BRANCHES = frozenset(
    {"beq", "bne", "blt", "bge", "bltu", "bgeu", "beqz", "bnez", "blez", "bgez", "bltz", "bgtz"}
)
_STORES = frozenset({"sw", "sh", "sb"})


@cache
def _disassembler() -> capstone.Cs:
    return capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)


def riscv_entries(code: bytes, address: int) -> Iterator[Entry]:
    """RV32 code with compressed instructions, up to the first that capstone does not know."""
    return (Entry(*line) for line in _disassembler().disasm_lite(code, address))


def riscv_effect(entry: Entry, constants: Constants, read: ReadMemory) -> Effect:
    """Reduce an instruction to its effect, and follow the constants that it makes."""
    del read  # constants stand in the instructions themselves
    name = entry.mnemonic.removeprefix("c.")
    operands = entry.op_str
    flow, targets = _flow(entry.address, name, operands, constants)
    deeper = _depth(name, operands, constants)
    if flow is not Flow.NEXT:
        constants.clear()
    elif name not in _STORES:
        keep_constant(constants, operands, _value(entry.address, name, operands, constants))
    return Effect(
        entry.address,
        entry.size,
        deeper,
        flow,
        targets,
        name in _BRANCHES,
        f"{entry.mnemonic} {operands}",
    )


def _flow(
    address: int, name: str, operands: str, constants: Constants
) -> tuple[Flow, tuple[int, ...]]:
    if name in _BRANCHES:
        return Flow.BRANCH, (address + number(operands.rpartition(", ")[2]),)
    if name in {"j", "jal"}:
        link, _, offset = operands.rpartition(", ")
        flow = _flow_by_link("zero" if name == "j" else link or "ra")
        return flow, (address + number(offset),)
    if name == "ret":
        return Flow.RETURN, ()
    if name in {"jr", "jalr"}:
        return _register_flow("zero" if name == "jr" else "ra", operands, constants)
    return Flow.NEXT, ()


def _register_flow(link: str, operands: str, constants: Constants) -> tuple[Flow, tuple[int, ...]]:
    register, offset = operands, 0
    if found := match_operands(r"(?:(\w+), )?NUMBER\((\w+)\)", operands):
        link, register, offset = found[1] or link, found[3], number(found[2])
    elif found := match_operands(r"(\w+), (\w+), NUMBER", operands):
        link, register, offset = found[1], found[2], number(found[3])
    if link == "zero" and register == "ra":
        return Flow.RETURN, ()
    # A call or jump too far for JAL is an AUIPC and a jump through the register it wrote.
    base = constants.get(register)
    if base is None:
        return (Flow.INDIRECT_JUMP if link == "zero" else Flow.INDIRECT_CALL), ()
    return _flow_by_link(link), ((base + offset) & 0xFFFF_FFFF,)


def _flow_by_link(link: str) -> Flow:
    if link == "zero":
        return Flow.BRANCH
    # The save and restore routines called by `jal t0` move the stack pointer for their caller.
    return Flow.CALL if link == "ra" else Flow.INDIRECT_CALL


def _depth(name: str, operands: str, constants: Constants) -> int | None:
    if name in {"addi", "addi16sp"} and (found := match_operands(r"sp, (?:sp, )?NUMBER", operands)):
        return -number(found[1])
    if name in {"add", "sub"} and operands.startswith("sp, "):
        value = constants.get(operands.rpartition(", ")[2])
        return None if value is None else (1 if name == "sub" else -1) * signed(value)
    # Stores and branches read their first operand; everything else writes it.
    writes = operands.startswith("sp,") and name not in _STORES and name not in _BRANCHES
    return None if writes else 0


def _value(address: int, name: str, operands: str, constants: Constants) -> int | None:
    destination, _, source = operands.partition(", ")
    if found := match_operands("NUMBER", source):
        if name == "li":
            return number(found[1])
        if name in {"lui", "auipc"}:
            return (number(found[1]) << 12) + (address if name == "auipc" else 0)
        if name == "addi" and destination in constants:
            return constants[destination] + number(found[1])
    if name == "addi" and (found := match_operands(r"(\w+), NUMBER", source)):
        base = 0 if found[1] == "zero" else constants.get(found[1])
        return None if base is None else base + number(found[2])
    return None
