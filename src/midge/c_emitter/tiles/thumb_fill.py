"""How the Cortex-M0+ fills a column (`blocks.py`) with two windows that are inside the image.

Offsets of the taps stand in the order of the column, so each input is read once, and what finishes
a block is done on the way::

    r0, r1 the pixels' windows   r2 offsets   r3 column   r4 to r6 inputs   r7 sum   r8 0x8000

A tap takes about 10 instructions.
"""

from __future__ import annotations

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.blocks import SIZES, Blocks
from midge.c_emitter.tiles.thumb import ThumbFunction

_TAPS_A_WORD = 4


def fill_tile(name: str, blocks: Blocks) -> TileFunction:
    """``void fill(first, second, offsets, column)``."""
    asm = ThumbFunction(frame_bytes=4)
    asm.high("r8", 0x8000)
    for count, taps in zip(blocks.counts, SIZES, strict=True):
        asm.repeat(count, 4 + 4 * taps, _block(taps), pointer="r3", spare="r4")
    parameters = (
        "const int8_t *first",
        "const int8_t *second",
        "const uint16_t *offsets",
        "uint32_t *column",
    )
    return asm.function(name, f"a column of {blocks.column_words} words", parameters)


def _block(taps: int) -> tuple[str, ...]:
    lines: list[str] = []
    last, now = "r6", "r5"
    for i in range(taps):
        lines += [
            f"ldrh r4, [r2, #{2 * i}]",
            f"ldrsb {now}, [r0, r4]",
            "ldrsb r4, [r1, r4]",
            "lsls r4, r4, #16",
            f"adds {now}, {now}, r4",
        ]
        if i % _TAPS_A_WORD:
            # What the tap before leaves above its byte of the weights' word.
            lines += [
                f"lsls {last}, {last}, #8",
                f"subs {last}, {now}, {last}",
                f"str {last}, [r3, #{4 + 4 * i}]",
            ]
        else:
            lines.append(f"str {now}, [r3, #{4 + 4 * i}]")
        lines.append(f"adds r7, r7, {now}" if i else f"mov r7, {now}")
        last, now = now, last
    return (
        *lines,
        "lsls r7, r7, #7",
        "mov r4, r8",
        "subs r4, r4, r7",
        "str r4, [r3]",
        f"adds r2, r2, #{2 * taps}",
        f"adds r3, r3, #{4 + 4 * taps}",
    )
