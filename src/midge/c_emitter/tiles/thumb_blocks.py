"""Tiles of the Cortex-M0+: sums in blocks (`blocks.py`), lines under staircases (`staircase.py`).

ARMv6-M has eight registers for arithmetic, a multiplication that overwrites an operand, and LDM. So
a block's correction and inputs come with one LDM, weights with another; a weight's word is shifted
down in place, and inputs are multiplied in place. Sums, pointers and ends stand in the registers
from r8 on, which ADD, CMP and MOV reach::

    r0 column   r1 weights   r2 block   r3-r6 inputs   r7 weights' word
    r8 sum of blocks   r9 sum of their upper halves
    r10 column   r11 outputs   r12 channels   lr end of a loop

Four taps of two pixels take 16 instructions, eight 29; two taps of two outputs of one pixel take 8,
and a block's end 3.

A tile is one function for all outputs, `void tile(column, weights, channels, y)`.
"""

from __future__ import annotations

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles import thumb
from midge.c_emitter.tiles.blocks import SIZES, Blocks
from midge.c_emitter.tiles.staircase import Staircase
from midge.c_emitter.tiles.thumb import ThumbFunction

_PARAMETERS = (
    "const uint32_t *column",
    "const uint32_t *weights",
    "const uint32_t *channels",
    "int8_t *y",
)
_LARGEST_IMMEDIATE = 31
"""Of an offset in bytes of STRB."""
_END_OF_BLOCK = ("add r8, r2", "asrs r2, r2, #16", "add r9, r2")
_END_OF_FIRST = ("mov r8, r2", "asrs r2, r2, #16", "mov r9, r2")
"""Where sums were not cleared."""


def single_tile(name: str, blocks: Blocks, stairs: Staircase, outputs: int) -> TileFunction:
    """All outputs of two pixels; those of the second stand `outputs` bytes behind."""
    tile = _Tile(blocks, stairs)
    eights, fours, twos = blocks.counts
    tile.begin(outputs)
    if eights or fours:
        tile.asm(*_single_block(8 if eights else 4)[: -len(_END_OF_BLOCK)], *_END_OF_FIRST)
        eights, fours = (eights - 1, fours) if eights else (0, fours - 1)
    else:
        tile.clear_sums()
    tile.asm.repeat(eights, 36, _single_block(8))
    tile.asm.repeat(fours, 20, _single_block(4))
    tile.asm.repeat(twos // 2, 24, (*_single_two(0), *_single_two(2), "adds r1, r1, #4"))
    if twos % 2:
        tile.asm(*_single_two(0), "adds r1, r1, #4")
    tile.end_sums()
    tile.load_channel()
    tile.asm("adds r4, r4, r3", "adds r2, r2, r3")
    tile.take_line()
    tile.climb("r4", "r0")
    tile.asm("mov r4, r11", "strb r0, [r4]")
    tile.climb("r2", "r6")
    if outputs <= _LARGEST_IMMEDIATE:
        tile.asm(f"strb r6, [r4, #{outputs}]")
    else:
        tile.asm.load("r0", outputs)
        tile.asm("strb r6, [r4, r0]")
    tile.asm("adds r4, r4, #1", "mov r11, r4")
    return tile.end(name, f"{outputs} outputs of two pixels")


def paired_tile(name: str, blocks: Blocks, stairs: Staircase, outputs: int) -> TileFunction:
    """All outputs of one pixel, two at a time; `outputs` is even."""
    tile = _Tile(blocks, stairs)
    tile.begin(outputs)
    tile.clear_sums()
    tile.asm(f"ldr r7, ={0xFF00FF:#x}")
    for count, taps in zip(blocks.counts, SIZES, strict=True):
        tile.asm.repeat(count, 4 + 4 * taps, _paired_block(taps))
    tile.end_sums()
    tile.asm("str r2, [sp, #4]")
    tile.load_channel()
    tile.asm("adds r4, r4, r3")
    tile.take_line()
    tile.climb("r4", "r6")
    tile.asm("mov r4, r11", "strb r6, [r4]")
    tile.load_channel()
    tile.asm("ldr r2, [sp, #4]", "adds r2, r2, r3")
    tile.take_line()
    tile.climb("r2", "r6")
    tile.asm("strb r6, [r4, #1]", "adds r4, r4, #2", "mov r11, r4")
    return tile.end(name, f"{outputs} outputs of one pixel")


def _single_block(taps: int) -> tuple[str, ...]:
    """A block of 4 or 8 taps of two pixels."""
    lines = ["ldm r0!, {r2, r3, r4, r5, r6}"]
    for first in range(0, taps, 4):
        if first:
            lines.append("ldm r0!, {r3, r4, r5, r6}")
        lines.append("ldm r1!, {r7}")
        for x in ("r3", "r4", "r5", "r6"):
            if x != "r3":
                lines.append("lsrs r7, r7, #8")
            lines += [f"muls {x}, r7, {x}", f"adds r2, r2, {x}"]
    return (*lines, *_END_OF_BLOCK)


def _single_two(offset: int) -> tuple[str, ...]:
    """A block of 2 taps of two pixels; its weights stand `offset` bytes from r1 on."""
    return (
        "ldm r0!, {r2, r3, r4}",
        f"ldrh r7, [r1, #{offset}]",
        "muls r3, r7, r3",
        "adds r2, r2, r3",
        "lsrs r7, r7, #8",
        "muls r4, r7, r4",
        "adds r2, r2, r4",
        *_END_OF_BLOCK,
    )


def _paired_block(taps: int) -> tuple[str, ...]:
    """A block of one pixel and two outputs; r7 is the mask of a word's even bytes."""
    lines: list[str] = []
    for first in range(0, taps, 2):
        lines += [
            "ldm r0!, {r3, r4}" if first else "ldm r0!, {r2, r3, r4}",
            "ldm r1!, {r5}",
            "lsrs r6, r5, #8",
            "ands r6, r6, r7",
            "muls r5, r3, r5",
            "adds r2, r2, r5",
            "muls r6, r4, r6",
            "adds r2, r2, r6",
        ]
    return (*lines, *_END_OF_BLOCK)


class _Tile:
    """A tile from its top to its bottom; its methods are called in the order in which they stand.

    The stack holds the end of the channels' words, and a word to spare.
    """

    def __init__(self, blocks: Blocks, stairs: Staircase) -> None:
        self.asm = ThumbFunction(frame_bytes=12)
        self.blocks = blocks
        self.line = stairs.words[0].tolist()
        self.each = len(stairs.words) > 1
        self.bent = stairs.is_bent
        self.part_bits = stairs.part_bits
        self.climbs: list[str] = []

    def begin(self, outputs: int) -> None:
        """For every output or two, from the column's first word."""
        words = 1 + (len(self.line) if self.each else 0)
        self.asm(
            "mov r10, r0",
            "mov r11, r3",
            "mov r12, r2",
            f"ldr r4, ={4 * words * outputs}",
            "adds r4, r4, r2",
            "str r4, [sp]",
            "1:",
            "mov r0, r10",
        )

    def clear_sums(self) -> None:
        """Where the first block does not set them."""
        self.asm("movs r3, #0", "mov r8, r3", "mov r9, r3")

    def end_sums(self) -> None:
        """The sum of the lower halves in r4, that of the upper ones in r2."""
        self.asm("mov r2, r9", "lsls r3, r2, #16", "mov r4, r8", "subs r4, r4, r3")
        # Every block's sum is 0x8000 too large, so that its lower half rounds to nothing.
        self.asm.load("r3", 0x8000 * self.blocks.number)
        self.asm("subs r4, r4, r3")

    def load_channel(self) -> None:
        """r3: the bias; r5: span and part; r6: whole; r7: offset; r8 and r9: bend and drop."""
        self.asm("mov r0, r12")
        if self.each:
            self.asm("ldm r0!, {r3, r5, r6, r7}")
        else:
            names = ("r5", "r6", "r7")
            self.asm(*(f"ldr {n}, ={word}" for n, word in zip(names, self.line[:3], strict=True)))
            self.asm("ldm r0!, {r3}")

    def take_line(self) -> None:
        """Behind the bias' addition: r3: the span, r5: the part; r8 and r9: bend and drop."""
        if self.bent and self.each:
            self.asm("ldm r0!, {r3}", "mov r8, r3", "ldm r0!, {r3}", "mov r9, r3")
        elif self.bent:
            for name, word in zip(("r8", "r9"), self.line[3:], strict=True):
                self.asm(f"ldr r3, ={word}", f"mov {name}, r3")
        self.asm(
            "mov r12, r0",
            f"lsrs r3, r5, #{self.part_bits}",
            *thumb.lower_bits("r5", self.part_bits),
        )

    def climb(self, a: str, y: str) -> None:
        """`y` = the output of the sum in `a`, which is lost; whole is kept where y is not r6."""
        fix, back, done = (len(self.climbs) + i for i in (10, 11, 12))
        below = (f"lsrs {y}, r7, #24", f"b {done}b")
        self.climbs += [
            f"{fix}:",
            f"cmp {a}, #0",
            f"blt {fix}1f",
            f"mov {a}, r3",
            f"b {back}b",
            f"{fix}1:",
            *((f"movs {a}, #0", f"b {back}b") if self.bent else below),
        ]
        self.asm(f"cmp {a}, r3", f"bhi {fix}f", f"{back}:")
        if self.bent:
            self.asm(f"mov lr, {a}")
        if y != "r6":
            self.asm(f"mov {y}, r6")
        self.asm(
            f"muls {y}, {a}, {y}",
            f"muls {a}, r5, {a}",
            f"lsrs {a}, {a}, #{self.part_bits}",
            f"adds {y}, {y}, {a}",
            f"adds {y}, {y}, r7",
        )
        if self.bent:
            self.asm("cmp lr, r8", "bhs 5f", f"add {y}, r9", "5:")
        self.asm(f"lsrs {y}, {y}, #24", f"{done}:")

    @property
    def is_short(self) -> bool:
        """A conditional branch reaches from here to the top of the loop."""
        return len(self.asm.lines) - self.asm.lines.index("1:") < thumb.SHORT_LOOP

    def end(self, name: str, comment: str) -> TileFunction:
        """Go on with the next outputs, or restore registers and return."""
        self.asm(
            "ldr r0, [sp]",
            "cmp r12, r0",
            *(("bne 1b", "b 6f") if self.is_short else ("beq 6f", "b 1b")),
            *self.climbs,
            "6:",
        )
        return self.asm.function(name, comment, _PARAMETERS)
