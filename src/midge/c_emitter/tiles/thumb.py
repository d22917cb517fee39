"""Text of a function in assembly for ARMv6-M: it uses every register, and the stack as a stack."""

from __future__ import annotations

from collections.abc import Sequence

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import Assembly

GUARD = "defined(__ARM_ARCH_6M__)"
"""Where a tile stands for the C; elsewhere its name is NULL."""
SHORT_LOOP = 120
"""Instructions that a conditional branch reaches back."""
_LARGEST = 470
"""Instructions of a function: its literals stand behind it, and loads reach 1 KB."""
_UNROLLED = 64
"""Instructions of a loop's body; a branch reaches 120."""
_SAVED_BYTES = 36


class ThumbFunction(Assembly):
    """Lines of one function, from top to bottom; parameters arrive in r0 to r3."""

    def __init__(self, frame_bytes: int) -> None:
        """Save registers and make room on the stack, which stays on 8 bytes."""
        super().__init__()
        self.frame_bytes = frame_bytes
        if frame_bytes % 4 or (frame_bytes + _SAVED_BYTES) % 8:
            raise ValueError(f"a frame of {frame_bytes} bytes; 4 more than a multiple of 8")
        self(
            "push {r4, r5, r6, r7, lr}",
            *(f"mov r{low}, r{low + 4}" for low in (4, 5, 6, 7)),
            "push {r4, r5, r6, r7}",
            f"sub sp, sp, #{frame_bytes}",
        )

    def load(self, register: str, value: int) -> None:
        """A constant into one of r0 to r7."""
        word = value & 0xFFFFFFFF
        self(f"movs {register}, #{word}" if word < 256 else f"ldr {register}, ={word:#x}")

    def high(self, register: str, value: int) -> None:
        """A constant into one of the registers from r8 on; r4 is lost."""
        self.load("r4", value)
        self(f"mov {register}, r4")

    def repeat(
        self,
        count: int,
        step_bytes: int,
        block: tuple[str, ...],
        pointer: str = "r0",
        spare: str = "r2",
    ) -> None:
        """Instructions `count` times, as a loop where that is long.

        Args:
            count: How often.
            step_bytes: By which `block` moves `pointer` up.
            block: At most 110 instructions.
            pointer: A register that tells when it is enough.
            spare: A register that is free in front of the loop; lr is lost.
        """
        together = max(_UNROLLED // len(block), 1)
        loops, rest = divmod(count, together)
        if loops > 1:
            self.load(spare, loops * together * step_bytes)
            self(f"adds {spare}, {spare}, {pointer}", f"mov lr, {spare}", "2:")
            self(*block * together, f"cmp {pointer}, lr", "bne 2b")
        else:
            rest = count
        self(*block * rest)

    def function(self, name: str, comment: str, parameters: Sequence[str]) -> TileFunction:
        """The lines as a C function, which returns at their end.

        Raises:
            ValueError: it is too long for its literals.
        """
        self(
            f"add sp, sp, #{self.frame_bytes}",
            "pop {r4, r5, r6, r7}",
            *(f"mov r{low + 4}, r{low}" for low in (4, 5, 6, 7)),
            "pop {r4, r5, r6, r7, pc}",
            ".ltorg",
        )
        if len(self.lines) > _LARGEST:
            raise ValueError(f"{name}: {len(self.lines)} instructions; at most {_LARGEST}")
        declared = ", ".join(f"{p} __attribute__((unused))" for p in parameters)
        body = "\n".join(f'        "{line}\\n"' for line in (".syntax unified", *self.lines))
        text = (
            f"/* {comment} */\n"
            f"static __attribute__((naked, noinline, unused)) void {name}(\n    {declared}) {{\n"
            f"    __asm__ volatile(\n{body});\n}}\n"
        )
        return TileFunction(name, f"#if {GUARD}\n{text}#else\n#define {name} NULL\n#endif\n")


def lower_bits(register: str, bits: int) -> tuple[str, ...]:
    """Keep the lower bits of a register."""
    if bits == 16:
        return (f"uxth {register}, {register}",)
    return (
        f"lsls {register}, {register}, #{32 - bits}",
        f"lsrs {register}, {register}, #{32 - bits}",
    )
