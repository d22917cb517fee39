"""Tiles that turn NHWC rows of int8 into the columns that `depthwise.py` reads.

From two rows of an image, four channels a word each, PKHBT and PKHTB bring two channels of both
rows together, and SXTAB16 takes one channel of it, widened, less the zero point::

    pkhbt  t, upper, lower, lsl #16    @ channels 0 1 of the upper row, 0 1 of the lower
    sxtab16  c0, -zero, t              @ channel 0: upper, lower
    sxtab16  c1, -zero, t, ror #8      @ channel 1

Scratch holds, from outer to inner: columns, the channels of a group, pairs of rows. So the code
depends on the number of pairs alone, and layers share it; everything else is a parameter. Inside
the image four rows are turned together, 24.5 instructions for the 16 values of four channels. One
pair alone takes 15; a row of it may lie outside, and is then a word full of zero points. Channels
that are no multiple of four end with a four that overlaps the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import SAVED, Assembly

TOGETHER = 4
"""Channels of a word."""
PAIRS = (2, 5, 7, 10, 14, 20, 28, 40, 56, 85)
"""Words side by side. Few numbers, so that layers share functions; STRD reaches the last of four
channels, 12 bytes a word away, up to 1020."""

# Registers. The ends of up to four rows, and how far before them a pixel stands.
_TARGET = "r0"
_ENDS = ("r1", "r2", "r3", "r4")
_BEFORE, _MINUS_ZERO, _STEP, _COLUMN = "r12", "r10", "r11", "lr"
_SIDES = "r3"
"""Which rows of a pair lie outside: 1 the upper, 2 the lower, 3 both."""

# The frame, in bytes from SP: where the next columns go and from which row, the number of that row
# and of pairs left; the channel that is at work and the last one that begins a four; `_SIDES`, and
# pairs that are made together; minus the bytes of a row, and whether its pixels are an odd number;
# pairs or channels left to do; from the end of a row of columns to the next channels' and rows'.
_OF_TARGET, _OF_X, _ROW, _LEFT, _CHANNEL, _LAST, _OF_SIDES = range(0, 28, 4)
_TOGETHER, _ROW_BYTES, _ODD, _TO_DO, _TO_CHANNELS, _TO_ROWS = range(28, 52, 4)
_FRAME = 52

_PARAMETERS = (
    *("uint32_t *columns", "const int8_t *x", "int32_t row", "int32_t pairs"),
    *("int32_t group", "int32_t width", "int32_t channels", "int32_t height"),
    *("int32_t column_bytes", "uint32_t minus_zero", "uint32_t outside"),
)


def _passed(number: int) -> str:
    """Where a parameter stands that came on the stack."""
    return f"[sp, #{_FRAME + 4 * len(SAVED) + 4 * (number - 4)}]"


_GROUP, _WIDTH, _CHANNELS, _HEIGHT, _COLUMN_BYTES, _MINUS, _OUTSIDE = (
    _passed(number) for number in range(4, 11)
)


@dataclass(frozen=True)
class ColumnsTile:
    """How rows become columns.

    Attributes:
        pairs: Words that stand side by side in a column of a channel.
        single: Channels go one by one, for images of fewer than four.
    """

    pairs: int
    single: bool

    @property
    def channel_bytes(self) -> int:
        """From one channel to the next."""
        return 4 * self.pairs

    @property
    def together(self) -> int:
        """Channels that are turned at a time."""
        return 1 if self.single else TOGETHER

    @property
    def name(self) -> str:
        """Of the function: two tiles of one name are one function."""
        return f"midge_depthwise_columns_t{self.pairs}{'_single' if self.single else ''}"


def columns_function(tile: ColumnsTile) -> TileFunction:
    """The tile's C function.

    Its parameters: ``columns``, where the first pair of rows goes; ``x``, the group's first channel
    in the image; ``row``, the first pair's upper row, and how many ``pairs`` follow one another,
    any of them inside the image or not; ``group``, channels that are taken, at least four unless
    they go one by one; ``width``, ``channels`` and ``height`` of the image; ``column_bytes`` from
    column to column; the zero point's negative in both halves of a word, and itself in each byte.
    """
    asm = Assembly()
    frame = asm.enter(_FRAME)
    _prepare(asm, tile)
    asm(
        "1:",
        f"strd {_TARGET}, r1, [sp, #{_OF_TARGET}]",
        f"ldrd r2, r3, [sp, #{_ROW}]",
        f"ldr r4, {_HEIGHT}",
    )
    _choose_rows(asm, tile)
    asm(
        "movs r5, #0",
        "2:",
        f"str r5, [sp, #{_CHANNEL}]",
        f"ldrd {_TARGET}, r1, [sp, #{_OF_TARGET}]",
        f"movs r6, #{tile.channel_bytes}",
        f"mla {_TARGET}, r5, r6, {_TARGET}",
        "adds r1, r1, r5",
        f"ldr {_BEFORE}, [sp, #{_ROW_BYTES}]",
        f"sub r1, r1, {_BEFORE}",
        f"sub r2, r1, {_BEFORE}",
    )
    if not tile.single:
        _four_rows(asm, tile)
    _two_rows(asm, tile)
    asm(
        "8:",
        f"ldrd {_TARGET}, r1, [sp, #{_OF_TARGET}]",
        f"ldrd r2, r3, [sp, #{_ROW}]",
        f"ldr r4, [sp, #{_TOGETHER}]",
        f"ldr {_BEFORE}, [sp, #{_ROW_BYTES}]",
        f"add {_TARGET}, {_TARGET}, r4, lsl #2",
        "lsls r5, r4, #1",
        f"mls r1, r5, {_BEFORE}, r1",
        "adds r2, r2, r5",
        "subs r3, r3, r4",
        f"strd r2, r3, [sp, #{_ROW}]",
        "bne.w 1b",
    )
    asm.leave(frame)
    taken = "Channel by channel" if tile.single else "Four channels at a time"
    comment = f"{taken}, rows become columns of {tile.pairs} pairs."
    return asm.function(tile.name, comment, _PARAMETERS)


def _prepare(asm: Assembly, tile: ColumnsTile) -> None:
    """What stays the same for all rows; x moves on to the first."""
    asm(
        f"ldr {_STEP}, {_CHANNELS}",
        f"ldr {_BEFORE}, {_WIDTH}",
        f"ldr {_MINUS_ZERO}, {_MINUS}",
        f"ldr {_COLUMN}, {_COLUMN_BYTES}",
        f"ldr r6, {_GROUP}",
        f"mul r4, {_STEP}, {_BEFORE}",
        "mla r1, r2, r4, r1",
        "rsbs r4, r4, #0",
        f"and r5, {_BEFORE}, #1",
        f"strd r4, r5, [sp, #{_ROW_BYTES}]",
        f"mul r5, {_BEFORE}, {_COLUMN}",
        f"rsb r4, r5, #{tile.together * tile.channel_bytes}",
        "rsb r5, r5, #8",
        f"strd r4, r5, [sp, #{_TO_CHANNELS}]",
        f"subs r6, r6, #{tile.together}",
        f"str r6, [sp, #{_LAST}]",
        f"strd r2, r3, [sp, #{_ROW}]",
    )


def _choose_rows(asm: Assembly, tile: ColumnsTile) -> None:
    """How many pairs are made together: an even number inside the image, or one, perhaps outside.

    r2 is the row, r3 the pairs left, r4 the height.
    """
    if not tile.single:
        asm(
            "subs r5, r4, r2",
            "asrs r5, r5, #2",
            "cmp r5, r3, lsr #1",
            "it gt",
            "lsrgt r5, r3, #1",
            "lsls r5, r5, #1",
            f"str r5, [sp, #{_TOGETHER}]",
            "cmp r5, #0",
            "ble.n 3f",
            "cmp r2, #0",
            "bge.n 4f",
            "3:",
        )
    asm(
        "movs r5, #1",
        f"str r5, [sp, #{_TOGETHER}]",
        "movs r6, #0",
        "cmp r2, r4",
        "it hs",
        "movhs r6, #1",
        "adds r2, r2, #1",
        "cmp r2, r4",
        "it hs",
        "addhs r6, r6, #2",
        f"str r6, [sp, #{_OF_SIDES}]",
        "4:",
    )


def _four_rows(asm: Assembly, tile: ColumnsTile) -> None:
    """Two pairs of rows a round; a single pair goes on to `_two_rows`."""
    asm(
        f"ldr r5, [sp, #{_TOGETHER}]",
        "cmp r5, #1",
        "beq.w 5f",
        f"sub r3, r2, {_BEFORE}",
        f"sub r4, r3, {_BEFORE}",
        "4:",
        f"str r5, [sp, #{_TO_DO}]",
        # An odd number of pixels begins in the middle of a round.
        f"ldr r5, [sp, #{_ODD}]",
        "cbnz r5, 9f",
        ".balign 4",
        "3:",
        *_pixel_of_four_rows(tile),
        "9:",
        *_pixel_of_four_rows(tile),
        "bne.n 3b",
        f"ldr {_BEFORE}, [sp, #{_ROW_BYTES}]",
        f"ldr r6, [sp, #{_TO_ROWS}]",
        f"ldr r5, [sp, #{_TO_DO}]",
        *(f"sub {end}, {end}, {_BEFORE}, lsl #2" for end in _ENDS),
        f"adds {_TARGET}, {_TARGET}, r6",
        "subs r5, r5, #2",
        "bne.w 4b",
        f"ldrd r5, r6, [sp, #{_CHANNEL}]",
        "cmp r5, r6",
        "beq.w 8f",
        f"adds r5, r5, #{TOGETHER}",
        "cmp r5, r6",
        # The last four reach back.
        "it gt",
        "movgt r5, r6",
        "b.w 2b",
    )


def _pixel_of_four_rows(tile: ColumnsTile) -> list[str]:
    """Four channels of a pixel; the flags then tell whether it was the last."""
    a, b, c, d, t = "r5", "r6", "r7", "r8", "r9"
    words = zip((a, b, c, d), _ENDS, strict=True)
    lines = [
        *(f"ldr {word}, [{end}, {_BEFORE}]" for word, end in words),
        f"adds {_BEFORE}, {_BEFORE}, {_STEP}",
        # t and b become two channels each of the first pair, a and d of the second.
        f"pkhbt {t}, {a}, {b}, lsl #16",
        f"pkhtb {b}, {b}, {a}, asr #16",
        f"pkhbt {a}, {c}, {d}, lsl #16",
        f"pkhtb {d}, {d}, {c}, asr #16",
    ]
    for channel, first, second in ((0, t, a), (2, b, d)):
        at = channel * tile.channel_bytes
        lines += [
            f"sxtab16 {c}, {_MINUS_ZERO}, {first}",
            f"str {c}, [{_TARGET}, #{at}]",
            f"sxtab16 {c}, {_MINUS_ZERO}, {second}",
            f"str {c}, [{_TARGET}, #{at + 4}]",
            f"sxtab16 {first}, {_MINUS_ZERO}, {first}, ror #8",
            f"sxtab16 {second}, {_MINUS_ZERO}, {second}, ror #8",
            f"strd {first}, {second}, [{_TARGET}, #{at + tile.channel_bytes}]",
        ]
    return [*lines, f"add {_TARGET}, {_TARGET}, {_COLUMN}"]


def _two_rows(asm: Assembly, tile: ColumnsTile) -> None:
    """A pair of rows, of which either may lie outside the image."""
    load = "ldrsb" if tile.single else "ldr"
    asm(
        "5:",
        f"ldr {_SIDES}, [sp, #{_OF_SIDES}]",
        f"ldr r7, [sp, #{_LAST}]",
        f"{load} r4, {_OUTSIDE}",
        "mov r5, r4",
        "2:",
        f"str r7, [sp, #{_TO_DO}]",
        f"cmp {_SIDES}, #1",
        "blt.n 6f",
        "beq.n 3f",
        f"cmp {_SIDES}, #3",
        "beq.n 4f",
    )
    upper, lower = f"{load} r4, [r1, {_BEFORE}]", f"{load} r5, [r2, {_BEFORE}]"
    for label, words in ((9, (upper,)), (4, ()), (3, (lower,)), (6, (upper, lower))):
        asm(
            ".balign 4",
            f"{label}:",
            *words,
            f"adds {_BEFORE}, {_BEFORE}, {_STEP}",
            *(_one_channel() if tile.single else _four_channels(tile)),
            f"add {_TARGET}, {_TARGET}, {_COLUMN}",
            f"bne.n {label}b",
        )
        if label != 6:
            asm("b.n 7f")
    asm("7:")
    _next_channels_of_two_rows(asm, tile)


def _next_channels_of_two_rows(asm: Assembly, tile: ColumnsTile) -> None:
    """On to the next channels if there are any left."""
    asm(
        f"ldrd r7, r8, [sp, #{_TO_DO}]",
        "cmp r7, #0",
        "beq.n 8f",
        f"adds {_TARGET}, {_TARGET}, r8",
        f"ldr {_BEFORE}, [sp, #{_ROW_BYTES}]",
        f"adds r1, r1, #{tile.together}",
        f"adds r2, r2, #{tile.together}",
        f"subs r7, r7, #{tile.together}",
        "bpl.w 2b",
    )
    if not tile.single:
        # The last four reach back.
        asm(
            "adds r1, r1, r7",
            "adds r2, r2, r7",
            f"movs r8, #{tile.channel_bytes}",
            f"mla {_TARGET}, r7, r8, {_TARGET}",
            "movs r7, #0",
            "b.w 2b",
        )


def _four_channels(tile: ColumnsTile) -> list[str]:
    """Columns of four channels of two rows, r4 and r5; both stay."""
    lines = ["pkhbt r6, r4, r5, lsl #16", "pkhtb r7, r5, r4, asr #16"]
    for channel, both in ((0, "r6"), (2, "r7")):
        at = channel * tile.channel_bytes
        lines += [
            f"sxtab16 r8, {_MINUS_ZERO}, {both}",
            f"str r8, [{_TARGET}, #{at}]",
            f"sxtab16 {both}, {_MINUS_ZERO}, {both}, ror #8",
            f"str {both}, [{_TARGET}, #{at + tile.channel_bytes}]",
        ]
    return lines


def _one_channel() -> list[str]:
    """The same of one channel."""
    return [
        "pkhbt r6, r4, r5, lsl #16",
        f"sadd16 r6, r6, {_MINUS_ZERO}",
        f"str r6, [{_TARGET}]",
    ]
