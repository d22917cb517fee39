"""The effect of Thumb instructions on stack and control (DDI0403E, chapter A7; DDI0553)."""

from __future__ import annotations

import re
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

_CONDITIONS = "eq|ne|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le"
_CONDITION = re.compile(f"({_CONDITIONS})$")
_BRANCH = re.compile(rf"b({_CONDITIONS})\b")
_IT = re.compile("it[te]*")
_COUNTER = re.compile(r"\bpc\b")
_WRITTEN_SP = re.compile(r"sp(, (?!\{)|!)")
_PUSHES = frozenset({"push", "vpush"})
_POPS = frozenset({"pop", "vpop"})
_DESCENDING_STORES = frozenset({"stmdb", "vstmdb"})
_ASCENDING_LOADS = frozenset({"ldm", "ldmia", "vldmia"})
_READERS = frozenset({"cmp", "cmn", "tst", "teq", "str"})
_MOVES = frozenset({"mov", "movs", "movw"})


@cache
def _disassembler() -> capstone.Cs:
    mode = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
    return capstone.Cs(capstone.CS_ARCH_ARM, mode)


def arm_entries(code: bytes, address: int) -> Iterator[Entry]:
    """M-profile Thumb code up to the first instruction that capstone does not know.

    Conditions are followed here: capstone tells them with all details of an instruction, which
    takes twenty times as long as its text.
    """
    behind_it = 0
    for at, size, mnemonic, operands in _disassembler().disasm_lite(code, address):
        conditional = behind_it > 0 or _BRANCH.match(mnemonic) is not None
        behind_it -= behind_it > 0
        if _IT.fullmatch(mnemonic) and operands != "al":
            behind_it = len(mnemonic) - 1
        yield Entry(at, size, mnemonic, operands, conditional)


def arm_effect(entry: Entry, constants: Constants, read: ReadMemory) -> Effect:
    """Reduce an instruction to its effect, and follow the constants that it makes."""
    conditional = entry.conditional
    name = entry.mnemonic.split(".")[0]
    if conditional:
        name = _CONDITION.sub("", name)
    operands = entry.op_str
    flow, targets = _flow(entry.address, name, operands, read)
    deeper = _depth(name, operands, constants)
    if flow is Flow.NEXT:
        value = None if conditional else _value(entry.address, name, operands, constants, read)
        keep_constant(constants, operands, value)
    else:
        constants.clear()
    return Effect(
        entry.address,
        entry.size,
        deeper,
        flow,
        targets,
        conditional or name in {"cbz", "cbnz"},
        f"{entry.mnemonic} {operands}",
    )


def _flow(address: int, name: str, operands: str, read: ReadMemory) -> tuple[Flow, tuple[int, ...]]:
    flow, targets = Flow.NEXT, ()
    if name in {"b", "cbz", "cbnz", "bl"}:
        flow = Flow.CALL if name == "bl" else Flow.BRANCH
        return flow, (number(operands.rpartition("#")[2]),)
    if name in {"tbb", "tbh"}:
        return Flow.BRANCH, _branch_table(address, 1 if name == "tbb" else 2, read)
    if name == "blx":
        flow = Flow.INDIRECT_CALL
    elif name == "bx":
        flow = Flow.RETURN if operands == "lr" else Flow.INDIRECT_JUMP
    elif name in _POPS or name in _ASCENDING_LOADS:
        if _COUNTER.search(operands):
            from_stack = name == "pop" or operands.startswith("sp!")
            flow = Flow.RETURN if from_stack else Flow.INDIRECT_JUMP
    elif operands.startswith("pc,") and name in {"ldr", "mov", "add"}:
        from_link = (name, operands) == ("mov", "pc, lr")
        from_stack = name == "ldr" and operands.startswith("pc, [sp]")
        flow = Flow.RETURN if from_link or from_stack else Flow.INDIRECT_JUMP
    return flow, targets


def _branch_table(address: int, entry_bytes: int, read: ReadMemory) -> tuple[int, ...]:
    """Return the targets of a TBB or TBH, whose table stands behind it and before its targets."""
    base = address + 4
    targets: list[int] = []
    at = base
    while at < min(targets, default=base + 2 * 256 * entry_bytes):
        targets.append(base + 2 * int.from_bytes(read(at, entry_bytes), "little"))
        at += entry_bytes
    # The last byte may be padding before the first target.
    return tuple(target for target in targets if target >= at)


def _depth(name: str, operands: str, constants: Constants) -> int | None:
    to_stack, on_stack = operands.startswith("sp!, "), operands.removeprefix("sp!, ")
    if name in _PUSHES or (name in _DESCENDING_STORES and to_stack):
        return _register_bytes(on_stack)
    if name in _POPS or (name in _ASCENDING_LOADS and to_stack):
        return -_register_bytes(on_stack)
    if name in {"sub", "subw", "add", "addw"} and operands.startswith("sp, "):
        sign = 1 if name.startswith("sub") else -1
        if found := match_operands(r"sp, (?:sp, )?NUMBER", operands):
            return sign * number(found[1])
        value = constants.get(operands.rpartition(", ")[2])
        return None if value is None else sign * signed(value)
    # Stores before and loads after with write-back, as in STR LR, [SP, #-4]! and LDR PC, [SP], #4.
    pattern = r"[^\[]*\[sp(?:\], NUMBER|, NUMBER\]!)"
    if "[sp" in operands and (found := match_operands(pattern, operands)):
        return -number(found[1] or found[2])
    # LDM and STM without write-back, as in LDM SP, {R0, R2}, only read the stack pointer.
    writes = name not in _READERS and _WRITTEN_SP.match(operands)
    return None if writes else 0


def _register_bytes(registers: str) -> int:
    total = 0
    for part in registers.strip("{} ").split(","):
        name = part.strip()
        first, _, last = name.partition("-")
        count = 1 if not last else int(last[1:]) - int(first[1:]) + 1
        total += count * (8 if name[0] == "d" else 4)
    return total


def _value(
    address: int, name: str, operands: str, constants: Constants, read: ReadMemory
) -> int | None:
    """Follow the ways in which compilers load the size of a frame too large for an immediate."""
    destination, _, source = operands.partition(", ")
    value = None
    if found := match_operands(r"\[pc, NUMBER\]", source):
        if name == "ldr":
            literal = ((address + 4) & ~3) + number(found[1])
            value = int.from_bytes(read(literal, 4), "little")
    elif found := match_operands("NUMBER", source):
        if name in _MOVES:
            value = number(found[1])
        elif name == "mvn":
            value = ~number(found[1])
        elif name == "movt" and destination in constants:
            value = (constants[destination] & 0xFFFF) | number(found[1]) << 16
    elif found := match_operands(r"(\w+)(?:, NUMBER)?", source):
        known, amount = constants.get(found[1]), number(found[2] or "0")
        if known is not None and name == "lsls":
            value = known << amount
        elif known is not None and name in {"rsbs", "negs"} and amount == 0:
            value = -known
        elif known is not None and name == "mvns":
            value = ~known
    return value
