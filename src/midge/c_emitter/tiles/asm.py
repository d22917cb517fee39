"""Text of a function in assembly for the Cortex-M cores with the DSP extension."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from midge.c_emitter.kernel import TileFunction

_LONGEST_STRING = 3900
"""C99 promises 4095 characters (5.2.4.1); the first line and what IT holds together come on top."""
_IT = re.compile("it[te]{0,3}")
SAVED = ("r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "lr")
"""What a tile that uses every register saves (AAPCS32, section 6.1.1); 36 bytes."""


class Assembly:
    """Lines of one function, from top to bottom.

    Local labels are numbers, as the assemblers of GNU and LLVM have them: ``1:``, ``1b``, ``1f``.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, *lines: str) -> None:
        """Append instructions."""
        self.lines += lines

    def extend(self, lines: Iterable[str]) -> None:
        """Append instructions."""
        self.lines += lines

    def enter(self, frame_bytes: int) -> int:
        """Save every register, and make room on the stack.

        Args:
            frame_bytes: Wanted.

        Returns:
            The bytes of the frame, rounded up so that the stack stands on 8 bytes.
        """
        saved = 4 * len(SAVED)
        frame = frame_bytes + -(frame_bytes + saved) % 8
        self(f"push {{{', '.join(SAVED)}}}")
        if frame:
            self(f"sub sp, sp, #{frame}")
        return frame

    def passed(self, number: int, frame_bytes: int) -> str:
        """Where parameter `number`, from 4 on, stands behind `enter`."""
        return f"[sp, #{frame_bytes + 4 * len(SAVED) + 4 * (number - 4)}]"

    def leave(self, frame_bytes: int) -> None:
        """Undo `enter`, and return."""
        if frame_bytes:
            self(f"add sp, sp, #{frame_bytes}")
        self(f"pop {{{', '.join((*SAVED[:-1], 'pc'))}}}")

    def function(self, name: str, comment: str, parameters: Sequence[str]) -> TileFunction:
        """The lines as a C function.

        Args:
            name: Its name.
            comment: What it computes, for the reader of the emitted file.
            parameters: C declarations; four arrive in r0 to r3, others on the stack (`passed`).
        """
        declared = ", ".join(f"{p} MIDGE_UNUSED" for p in parameters)
        return TileFunction(
            name,
            f"/* {comment} */\nMIDGE_TILE void {name}(\n    {declared}) {{\n"
            f"{''.join(_statement(part) for part in _parts(self.lines))}}}\n",
        )


def _parts(lines: Sequence[str]) -> list[list[str]]:
    """Lines in parts whose text stays under what C99 promises of a string.

    What an IT instruction makes conditional stays with it: assemblers want both in one statement.
    """
    parts: list[list[str]] = [[]]
    length = conditional = 0
    for line in lines:
        length += len(line) + 1
        if length > _LONGEST_STRING and not conditional:
            parts.append([])
            length = len(line) + 1
        parts[-1].append(line)
        mnemonic = line.split()[0]
        conditional = len(mnemonic) - 1 if _IT.fullmatch(mnemonic) else max(conditional - 1, 0)
    return parts


def _statement(lines: Sequence[str]) -> str:
    """An assembler statement; in a naked function one follows the other without a gap."""
    body = "\n".join(f'        "{line}\\n"' for line in (".syntax unified", *lines))
    return f"    __asm__ volatile(\n{body});\n"


def registers(names: Sequence[str]) -> str:
    """A list for LDM or STM.

    Raises:
        ValueError: the registers are not in ascending order, which the instruction needs.
    """
    order = [_NUMBERS[name] for name in names]
    if order != sorted(set(order)):
        raise ValueError(f"not in ascending order: {', '.join(names)}")
    return "{" + ", ".join(names) + "}"


def load_words(names: Sequence[str], base: str) -> str:
    """Load words from `base` on, which moves behind them: LDM, or LDR for a single one."""
    if len(names) == 1:
        return f"ldr {names[0]}, [{base}], #4"
    return f"ldm {base}!, {registers(names)}"


_NUMBERS = {f"r{i}": i for i in range(13)} | {"lr": 14}
