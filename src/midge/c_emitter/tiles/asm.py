"""Text of a function in assembly for the Cortex-M cores with the DSP extension."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from midge.c_emitter.kernel import TileFunction

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
        body = "\n".join(f'        "{line}\\n"' for line in (".syntax unified", *self.lines))
        return TileFunction(
            name,
            f"/* {comment} */\nMIDGE_TILE void {name}(\n    {declared}) {{\n"
            f"    __asm__ volatile(\n{body});\n}}\n",
        )


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
