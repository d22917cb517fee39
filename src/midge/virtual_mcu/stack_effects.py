"""What one machine instruction does to the stack pointer and to the flow of control.

Only what compilers emit is understood; anything else that touches the stack pointer is reported as
unknown, so that a bound is never too small. The instruction sets are read in
:mod:`midge.virtual_mcu.stack_effects_arm` and :mod:`midge.virtual_mcu.stack_effects_riscv`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import NamedTuple

Constants = dict[str, int]
"""Registers whose value is known, in a straight piece of code."""

ReadMemory = Callable[[int, int], bytes]
"""Gives the program's bytes: ``read(address, size)``."""


_REGISTER = re.compile(r"\w+")


class Entry(NamedTuple):
    """One instruction as capstone writes it.

    Attributes:
        address: Where it stands.
        size: 2 or 4, in bytes.
        mnemonic: With its condition and suffixes.
        op_str: Its operands.
        conditional: It may be skipped, by a condition of its own or of the IT before it.
    """

    address: int
    size: int
    mnemonic: str
    op_str: str
    conditional: bool = False


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


def match_operands(pattern: str, operands: str) -> re.Match[str] | None:
    """Match capstone's operand text as a whole; ``NUMBER`` captures a literal number."""
    return _compiled(pattern).fullmatch(operands)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("NUMBER", r"#?(-?(?:0x[0-9a-f]+|\d+))"))


def number(text: str) -> int:
    """Read a decimal or hexadecimal literal."""
    return int(text, 0)


def signed(value: int) -> int:
    """Read a 32-bit register's value as a signed number."""
    return value - (1 << 32) if value & 0x8000_0000 else value


def keep_constant(constants: Constants, operands: str, value: int | None) -> None:
    """Note what an instruction left in its first operand; None when that is not known."""
    written = _REGISTER.match(operands)
    if written:
        constants.pop(written[0], None)
        if value is not None:
            constants[written[0]] = value & 0xFFFF_FFFF
