"""Tiles of depthwise convolutions: windows of up to 3x3, one output a channel, two rows at a time.

The image stands column by column, a column channel by channel. A word holds two rows of a channel,
16 bits each::

    column j:   (x[2p, j], x[2p+1, j])   (x[2p+2, j], x[2p+3, j])   ...

so that LDRD loads four rows, A and B, and two multiplications sum a column of three taps, of the
upper output row ``SMLAD(A, w0 w1) + SMLABB(B, w2)``, of the lower ``SMLAD(B, w1 w2) +
SMLATB(A, w0)``. A column is loaded once for each output row and serves the three outputs that it
lies under; their sums rotate through two registers. Columns outside the image are left out, for
the values are stored less their zero point; rows outside are zeros.

A channel takes eight words: weights of the upper output row (five), bias, multiplier, addend. They
stay in registers for all of its rows; those of the lower row are the same weights, moved over.
Every register but SP is in use; what is needed once a row or less stands in the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import Assembly
from midge.c_emitter.tiles.rescale import Form, Int64Array, Rescale

WORDS_A_CHANNEL = 8
STRAIGHT_OUTPUTS = 12
"""Rows of so many outputs are written out; longer ones become a loop."""
LOOP_COLUMNS = 6
"""Columns of a round of that loop at stride 1, at most."""
DOUBLED_OUTPUTS, DOUBLED_STEPS = 6, 4
"""Rows of up to so many outputs are made two a round, in bands of so many steps or more."""
LARGEST_STEP = 1020
"""Of LDRD's offset."""
_POST_INDEX = 255
"""Largest step of a store that moves its register on."""
_IMMEDIATE = 4095
"""Largest number that ADDW adds."""

# Registers.
_X, _Y = "r0", "r1"
_A, _B = "r2", "r3"
_PAIRS = ("r4", "r5", "r6")
_SINGLES = ("r7", "r8")
_BIAS, _MULTIPLIER, _ADDEND = "r9", "r10", "r11"
_SUMS = ("r12", "lr")
_PARAMETERS = "{r4-r11}"

# The frame, in bytes from SP: x and y of the channel (loaded together), the stream and its end, how
# many rows above one there are of either kind (times 2**16), rows left, end of a loop over columns.
_OF_X, _OF_Y, _STREAM, _END, _UPPER, _LOWER, _LEFT, _COLUMN_END = range(0, 32, 4)
_FRAME = 32


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
    def all_meet_the_image(self) -> bool:
        """No window lies wholly outside."""
        return {o for pairs in self.of_image().values() for o, _ in pairs} == set(
            range(self.outputs)
        )


@dataclass(frozen=True)
class DepthwiseTile:
    """A layer's rows.

    Attributes:
        columns: Of the windows.
        channels: Bytes from one output pixel to the next.
        group: Channels whose columns stand together.
        pairs: Words that stand side by side, for as many pairs of rows at most.
        is_dense: Output rows come in twos, at row stride 1; otherwise one by one, at stride 2.
        is_doubled: A round makes two short rows.
        rescale: What becomes of the sums.
    """

    columns: Columns
    channels: int
    group: int
    pairs: int
    is_dense: bool
    is_doubled: bool
    rescale: Rescale

    @property
    def column_bytes(self) -> int:
        """From one column of a channel to the next."""
        return self.channel_bytes * self.group

    @property
    def channel_bytes(self) -> int:
        """From one channel to the next."""
        return 4 * self.pairs

    @property
    def name(self) -> str:
        """Of the function: two tiles of one name are one function."""
        c = self.columns
        window = f"{c.width}x{c.outputs}_k{c.taps}s{c.stride}p{c.pad}"
        rows = ("two" if self.is_dense else "one") + "_doubled" * self.is_doubled
        places = f"c{self.channels}_g{self.group}_t{self.pairs}"
        return f"midge_depthwise_{window}_{rows}_{places}_{self.rescale.key}"


def is_worth_doubling(outputs: int, steps: int) -> bool:
    """Whether rows of so few outputs, of bands of so many steps, are made two a round."""
    return outputs <= DOUBLED_OUTPUTS and steps >= DOUBLED_STEPS


def depthwise_stream(
    weights: npt.NDArray[np.int8], bias: Int64Array, rescale: Rescale
) -> npt.NDArray[np.uint32]:
    """The eight words of each channel.

    Args:
        weights: int8 [kernel_h, kernel_w, channels], up to 3x3.
        bias: Of the sums of values less their zero point, int64 [channels].
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


def depthwise_function(tile: DepthwiseTile) -> TileFunction:
    """The tile's C function.

    Its parameters: ``x``, the channels' columns; ``stream``, their words; ``y``, the first output;
    ``band``, the end of the stream and how many output rows there are.
    """
    asm = Assembly()
    frame = asm.enter(_FRAME)
    asm(
        f"strd r0, r2, [sp, #{_OF_X}]",
        f"str r1, [sp, #{_STREAM}]",
        "ldm r3, {r4, r5, r6}",
        f"strd r4, r5, [sp, #{_END}]",
        f"str r6, [sp, #{_LOWER}]",
    )
    asm(
        "1:",
        f"ldr {_A}, [sp, #{_STREAM}]",
        f"ldm {_A}!, {_PARAMETERS}",
        f"str {_A}, [sp, #{_STREAM}]",
        f"ldrd {_X}, {_Y}, [sp, #{_OF_X}]",
        f"ldr {_B}, [sp, #{_UPPER}]",
    )
    _rows(asm, tile, is_upper=True)
    if tile.is_dense:
        asm(f"ldr {_B}, [sp, #{_LOWER}]", f"cmp {_B}, #0", "blt.w 5f")
        asm.extend(_lower_weights(tile.rescale.uniform))
        asm(f"ldrd {_X}, {_Y}, [sp, #{_OF_X}]")
        asm.extend(moved(_Y, tile.columns.outputs * tile.channels, _A))
        _rows(asm, tile, is_upper=False)
        asm("5:")
    asm(f"ldrd {_X}, {_Y}, [sp, #{_OF_X}]", f"ldrd {_A}, {_B}, [sp, #{_STREAM}]")
    asm.extend(moved(_X, tile.channel_bytes, "r4"))
    asm(
        f"add {_Y}, {_Y}, #1",
        f"strd {_X}, {_Y}, [sp, #{_OF_X}]",
        f"cmp {_A}, {_B}",
        "bne.w 1b",
    )
    asm.leave(frame)
    c = tile.columns
    comment = f"Rows of {c.outputs} outputs from {c.width} columns, {tile.pairs} pairs of rows."
    parameters = (
        "const uint32_t *x",
        "const uint32_t *stream",
        "int8_t *y",
        "const struct midge_depthwise_band *band",
    )
    return asm.function(tile.name, comment, parameters)


def _lower_weights(uniform: bool) -> list[str]:
    """(w0 w1) of each tap, and w2, become (w1 w2), and w0."""
    p0, p1, p2 = _PAIRS
    two, one = _SINGLES
    # A free half of the last word is the lower where it holds the shift, otherwise the upper.
    last = (
        [f"uxth {_FREE}, {p2}", f"lsr {p2}, {p2}, #16", f"pkhbt {p2}, {p2}, {one}, lsl #16"]
        if uniform
        else [f"pkhbt {_FREE}, {one}, {p2}, lsl #16", f"pkhtb {p2}, {one}, {p2}, asr #16"]
    )
    return [
        *last,
        f"mov {one}, {_FREE}",
        f"pkhbt {_FREE}, {p0}, {p1}, lsl #16",
        f"lsr {p0}, {p0}, #16",
        f"pkhbt {p0}, {p0}, {two}, lsl #16",
        f"pkhtb {p1}, {two}, {p1}, asr #16",
        f"mov {two}, {_FREE}",
    ]


_FREE = _SUMS[0]
"""A sum's register, where no sum is at work."""


def _rows(asm: Assembly, tile: DepthwiseTile, *, is_upper: bool) -> None:
    """All output rows of one kind; their number less one, times 2**16, stands in `_B`."""
    loop, middle = ("2", "6") if is_upper else ("3", "7")
    count = _B
    if tile.is_doubled:
        # An odd number begins in the middle of a round.
        count = _A
        asm(f"lsrs {_A}, {_B}, #17", f"lsl {_A}, {_A}, #16")
    if tile.rescale.uniform:
        # The last weight's word has a free upper half, which counts.
        asm(f"add {_SINGLES[1]}, {_SINGLES[1]}, {count}")
    else:
        asm(f"str {count}, [sp, #{_LEFT}]")
    asm(*([f"bcc.w {middle}f"] if tile.is_doubled else []), f"{loop}:")
    _row(asm, tile, is_upper=is_upper)
    if tile.is_doubled:
        asm(f"{middle}:")
        _row(asm, tile, is_upper=is_upper)
    if tile.rescale.uniform:
        asm(f"subs {_SINGLES[1]}, {_SINGLES[1]}, #0x10000", f"bpl.w {loop}b")
    else:
        asm(
            f"ldr {_A}, [sp, #{_LEFT}]",
            f"subs {_A}, {_A}, #0x10000",
            f"str {_A}, [sp, #{_LEFT}]",
            f"bpl.w {loop}b",
        )


def _row(asm: Assembly, tile: DepthwiseTile, *, is_upper: bool) -> None:
    """One output row; x and y then stand at those of the next step."""
    _roll(asm, tile, _blocks(tile, is_upper=is_upper))
    pitch = (2 if tile.is_dense else 1) * tile.columns.outputs * tile.channels
    asm.extend(moved(_Y, pitch - tile.columns.outputs * tile.channels, _A))


def _blocks(tile: DepthwiseTile, *, is_upper: bool) -> list[tuple[str, ...]]:
    """The instructions of each column; alike where columns are alike."""
    of_image = tile.columns.of_image()
    used = list(of_image)
    last_tap = {output: tap for pairs in of_image.values() for output, tap in pairs}
    started: set[int] = set()
    blocks = []
    for column, following in zip(used, [*used[1:], None], strict=True):
        # Behind the last column follows the next pair of rows, in the first.
        step = -column * tile.column_bytes + 4
        if following is not None:
            step = (following - column) * tile.column_bytes
        reaches = abs(step) <= LARGEST_STEP
        lines = [f"ldrd {_A}, {_B}, [{_X}]" + (f", #{step}" if reaches else "")]
        for place, (output, tap) in enumerate(of_image[column]):
            total = _SUMS[output % 2]
            source = total if output in started else _BIAS
            started.add(output)
            lines += _products(total, source, tap, tile, is_upper=is_upper)
            if last_tap[output] != tap:
                continue
            lines += _finish(tile, total)
            if place + 1 < len(of_image[column]) and tile.rescale.form is not Form.PLAIN:
                # Rescaling took the column's registers.
                lines.append(f"ldrd {_A}, {_B}, [{_X}, #{-step if reaches else 0}]")
        blocks.append((*lines, *([] if reaches else moved(_X, step, _A))))
    return blocks


def _products(
    total: str, source: str, tap: int, tile: DepthwiseTile, *, is_upper: bool
) -> list[str]:
    """Three rows of a column times the tap's three weights, added to the source."""
    single, half = _SINGLES[tap // 2], "bt"[tap % 2]
    if tap == 2 and not tile.rescale.uniform:
        half = "t"
    pair, other, row = (_A, _B, "b") if is_upper else (_B, _A, "t")
    return [
        f"smlad {total}, {pair}, {_PAIRS[tap]}, {source}",
        f"smla{row}{half} {total}, {other}, {single}, {total}",
    ]


def _finish(tile: DepthwiseTile, total: str) -> list[str]:
    """Rescale a sum, store it, and move on to the next pixel."""
    words = (_MULTIPLIER, _ADDEND, _SINGLES[1])
    lines = tile.rescale.lines(total, words[: tile.rescale.words_a_channel], _A)
    if tile.channels <= _POST_INDEX:
        return [*lines, f"strb {total}, [{_Y}], #{tile.channels}"]
    return [*lines, f"strb {total}, [{_Y}]", *moved(_Y, tile.channels, total)]


def _roll(asm: Assembly, tile: DepthwiseTile, blocks: list[tuple[str, ...]]) -> None:
    """The blocks in order, what repeats itself as a loop where there are many."""
    start, size, rounds = 0, 0, 0
    if tile.columns.outputs > STRAIGHT_OUTPUTS:
        start, size, rounds = _repetition(blocks, tile.columns.stride)
    for block in blocks[:start]:
        asm.extend(block)
    if rounds:
        used = list(tile.columns.of_image())
        covered = used[start + rounds * size] - used[start]
        asm.extend(moved(_A, covered * tile.column_bytes, _B, source=_X))
        asm(f"str {_A}, [sp, #{_COLUMN_END}]", "4:")
        for block in blocks[start : start + size]:
            asm.extend(block)
        asm(f"ldr {_A}, [sp, #{_COLUMN_END}]", f"cmp {_X}, {_A}", "bne.w 4b")
    for block in blocks[start + rounds * size :]:
        asm.extend(block)


def _repetition(blocks: list[tuple[str, ...]], stride: int) -> tuple[int, int, int]:
    """Where the part begins that becomes a loop, the blocks of a round, and the rounds.

    The fewest rounds of those that leave little to write out.
    """
    offers = []
    for size in range(2 * stride, LOOP_COLUMNS * stride + 1, 2 * stride):
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
    if size <= _IMMEDIATE:
        return [f"{operation}w {register}, {source}, #{size}"]
    upper = [f"movt {temporary}, #{size >> 16}"] if size >> 16 else []
    return [
        f"movw {temporary}, #{size & 0xFFFF}",
        *upper,
        f"{operation} {register}, {source}, {temporary}",
    ]
