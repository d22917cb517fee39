"""What the tiles of depthwise convolutions share: a channel's words, and a row's instructions.

A channel takes eight words: its nine weights in five (two rows of a tap in one word, the third rows
two in a word), bias, multiplier, addend. They stay in registers for all of the channel's rows. A
column of three taps is then two multiplications, ``SMLAD(rows 0 1, w0 w1) + SMLABB(row 2, w2)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.c_emitter.tiles.asm import Assembly
from midge.c_emitter.tiles.rescale import Int64Array, Rescale

POST_INDEX = 255
"""Largest step of a load or store that moves its register on."""
IMMEDIATE = 4095
"""Largest number that ADDW adds, and offset of a load."""

# Registers.
X, Y = "r0", "r1"
A, B = "r2", "r3"
PAIRS = ("r4", "r5", "r6")
SINGLES = ("r7", "r8")
BIAS, MULTIPLIER, ADDEND = "r9", "r10", "r11"
SUMS = ("r12", "lr")
PARAMETERS = "{r4-r11}"


@dataclass(frozen=True)
class Columns:
    """Which columns of the image each output takes.

    Attributes:
        width: Columns of the image.
        outputs: Columns of the output.
        taps: Of the window, along a row; up to 3.
        stride: From window to window.
        pad: Columns left of the image that the first window covers.
    """

    width: int
    outputs: int
    taps: int
    stride: int
    pad: int

    def of_image(self) -> dict[int, list[tuple[int, int]]]:
        """The (output, tap) pairs of each column that has any, left to right."""
        found: dict[int, list[tuple[int, int]]] = {}
        for output in range(self.outputs):
            for tap in range(self.taps):
                column = output * self.stride + tap - self.pad
                if 0 <= column < self.width:
                    found.setdefault(column, []).append((output, tap))
        return dict(sorted(found.items()))

    @property
    def missing(self) -> tuple[tuple[int, ...], ...]:
        """The taps of each output that lie outside the image."""
        starts = (output * self.stride - self.pad for output in range(self.outputs))
        return tuple(
            tuple(tap for tap in range(self.taps) if not 0 <= start + tap < self.width)
            for start in starts
        )

    @property
    def all_meet_the_image(self) -> bool:
        """No window lies wholly outside."""
        return all(len(taps) < self.taps for taps in self.missing)


def depthwise_stream(
    weights: npt.NDArray[np.int8], bias: Int64Array, rescale: Rescale
) -> npt.NDArray[np.uint32]:
    """The eight words of each channel.

    Args:
        weights: int8 [kernel_h, kernel_w, channels], up to 3x3.
        bias: Of the sums, int64 [channels].
        rescale: Gives lift, multiplier, addend and shift.

    Returns:
        uint32 [8 * channels].
    """
    kernel_h, kernel_w, channels = weights.shape
    taps = np.zeros((3, 3, channels), np.int64)
    taps[:kernel_h, :kernel_w] = weights
    taps <<= rescale.lift
    single = taps[2, 2] if rescale.uniform else _halves(rescale.shifts, taps[2, 2])
    words = [
        *(_halves(taps[0, t], taps[1, t]) for t in range(3)),
        _halves(taps[2, 0], taps[2, 1]),
        single & 0xFFFF if rescale.uniform else single,
        bias << rescale.lift,
        rescale.multiplier,
        rescale.addend,
    ]
    return (np.stack(words, axis=1).reshape(-1) & 0xFFFFFFFF).astype(np.uint32)


def _halves(low: Int64Array, high: Int64Array) -> Int64Array:
    return (low & 0xFFFF) | ((high & 0xFFFF) << 16)


def single_of(tap: int, uniform: bool) -> tuple[str, str]:
    """Register and half of a tap's single weight; a shift takes the lower half of the last word."""
    return SINGLES[tap // 2], "t" if tap == 1 or (tap == 2 and not uniform) else "b"


def products(
    total: str, source: str, tap: int, rescale: Rescale, pair: str, other: tuple[str, str]
) -> list[str]:
    """Three rows of a column times the tap's three weights, added to the source.

    Args:
        total: The sum's register.
        source: What is added to.
        tap: Which.
        rescale: Of the sums.
        pair: Register of two rows.
        other: Register and half (``b``, ``t``) of the third.
    """
    single, half = single_of(tap, rescale.uniform)
    row, row_half = other
    return [
        f"smlad {total}, {pair}, {PAIRS[tap]}, {source}",
        f"smla{row_half}{half} {total}, {row}, {single}, {total}",
    ]


def finish(rescale: Rescale, channels: int, total: str, temporary: str) -> list[str]:
    """Rescale a sum, store it, and move on to the next pixel."""
    words = (MULTIPLIER, ADDEND, SINGLES[1])
    lines = rescale.lines(total, words[: rescale.words_a_channel], temporary)
    if channels <= POST_INDEX:
        return [*lines, f"strb {total}, [{Y}], #{channels}"]
    return [*lines, f"strb {total}, [{Y}]", *moved(Y, channels, total)]


@dataclass(frozen=True)
class Roll:
    """How a row's columns become a loop.

    Attributes:
        straight: Rows of so many outputs are written out.
        outputs: Of a round of the loop, at most.
        period: Columns after which registers repeat themselves.
        end: Where the loop's end stands in the frame.
    """

    straight: int
    outputs: int
    period: int
    end: int


def rolled(
    asm: Assembly, blocks: list[tuple[str, ...]], columns: Columns, column_bytes: int, roll: Roll
) -> None:
    """The blocks of a row in order, what repeats itself as a loop where there are many.

    Args:
        asm: Takes them.
        blocks: Instructions of each column that has outputs.
        columns: Of the row.
        column_bytes: From one column to the next.
        roll: How.
    """
    start, size, rounds = 0, 0, 0
    if columns.outputs > roll.straight:
        start, size, rounds = _repetition(blocks, roll, columns.stride)
    for block in blocks[:start]:
        asm.extend(block)
    if rounds:
        used = list(columns.of_image())
        covered = rounds * (used[start + size] - used[start])
        asm.extend(moved(A, covered * column_bytes, B, source=X))
        asm(f"str {A}, [sp, #{roll.end}]", "4:")
        for block in blocks[start : start + size]:
            asm.extend(block)
        asm(f"ldr {A}, [sp, #{roll.end}]", f"cmp {X}, {A}", "bne.w 4b")
    for block in blocks[start + rounds * size :]:
        asm.extend(block)


def _repetition(blocks: list[tuple[str, ...]], roll: Roll, stride: int) -> tuple[int, int, int]:
    """Where the part begins that becomes a loop, the blocks of a round, and the rounds.

    The fewest rounds of those that leave little to write out.
    """
    offers = []
    for size in range(roll.period, roll.outputs * stride + 1, roll.period):
        for start in range(2 * stride):
            rounds = 1
            while (
                blocks[start : start + size]
                == blocks[start + rounds * size : start + (rounds + 1) * size]
            ):
                rounds += 1
            written_out = len(blocks) - (rounds - 1) * size
            if rounds > 1:
                offers.append((3 * rounds + written_out, start, size, rounds))
    return min(offers, default=(0, 0, 0, 0))[1:]


def moved(register: str, step: int, temporary: str, source: str | None = None) -> list[str]:
    """Add a number to a register.

    Args:
        register: Where the sum goes.
        step: The number.
        temporary: A register for a number beyond 4095.
        source: What it is added to; None for the register itself.
    """
    source = source or register
    if step == 0:
        return [] if source == register else [f"mov {register}, {source}"]
    operation, size = ("add", step) if step > 0 else ("sub", -step)
    if size <= IMMEDIATE:
        return [f"{operation}w {register}, {source}, #{size}"]
    upper = [f"movt {temporary}, #{size >> 16}"] if size >> 16 else []
    return [
        f"movw {temporary}, #{size & 0xFFFF}",
        *upper,
        f"{operation} {register}, {source}, {temporary}",
    ]
