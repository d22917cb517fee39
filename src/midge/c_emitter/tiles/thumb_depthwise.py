"""The depthwise tile of the Cortex-M0+: one channel of a band of rows that are widened to words.

Inputs come with LDM and are multiplied in place; weights, which are read for every output, come two
at a time. What the line of the channel needs stands on the stack::

    r0 inputs   r1 weights   r2 sum   r3-r5 inputs   r6, r7 weights
    r8 to the next row of taps   r9 to the next output
    r10 output   r11 bias   r12 bytes of a pixel   lr end of row

An output of 3 x 3 taps takes 48 instructions: 29 for the sum, 16 for the requantisation. Where
outputs come in pairs, `thumb_depthwise_pair.py` takes 40.
"""

from __future__ import annotations

from dataclasses import dataclass

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.staircase import Staircase
from midge.c_emitter.tiles.thumb import SHORT_LOOP, ThumbFunction, lower_bits

LARGEST_TAPS = 49
"""So that literals stay within reach."""
PARAMETERS = (
    "const int32_t *plane",
    "int32_t *taps",
    "const uint32_t *channel",
    "int8_t *y",
)
"""Of a tile."""
_WORDS = ("r4", "r5", "r6", "r7")
_X, _W = ("r3", "r4", "r5"), ("r6", "r7")
_SPAN, _WHOLE, _PART, _OFFSET, _ROWS, _BEND, _BELOW = (f"[sp, #{4 * i}]" for i in range(7))


@dataclass(frozen=True)
class PlaneShape:
    """What a tile walks over; words are of 4 bytes.

    Attributes:
        kernel: Height and width.
        stride: Down and across, in rows and words.
        row_words: From a row to the next of the plane.
        tap_rows: From a row of taps to the next.
        out_w: Outputs of a row.
        out_c: Bytes from a pixel of outputs to the next.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    row_words: int
    tap_rows: int
    out_w: int
    out_c: int


def depthwise_tile(name: str, shape: PlaneShape, stairs: Staircase) -> TileFunction:
    """``void tile(plane, taps, channel, y)``, with the number of rows in front of the taps."""
    asm = ThumbFunction(frame_bytes=28)
    height, width = shape.kernel
    to_row = 4 * (shape.tap_rows * shape.row_words - width)
    back = 4 * (shape.stride[1] - (height - 1) * shape.tap_rows * shape.row_words - width)
    asm("ldm r1!, {r4}", f"str r4, {_ROWS}", "mov r10, r3")
    _unpack(asm, stairs)
    asm.high("r8", to_row)
    asm.high("r9", back)
    asm.high("r12", shape.out_c)
    asm.load("r4", 4 * shape.out_w * shape.stride[1])
    asm("adds r4, r4, r0", "mov lr, r4", "1:", "mov r2, r11")
    start = len(asm.lines)
    _sum(asm, height, width, to_row)
    asm(f"subs r1, r1, #{4 * height * width}", "add r0, r9")
    _requantize(asm, stairs)
    asm("mov r3, r10", "strb r4, [r3]", "add r3, r12", "mov r10, r3")
    near = len(asm.lines) - start < SHORT_LOOP
    asm("cmp r0, lr", *(("bne 1b", "b 3f") if near else ("beq 3f", "b 1b")))
    asm("2:", "cmp r2, #0", "blt 7f", "mov r2, r3", "b 4b", "7:")
    if stairs.is_bent:
        asm("movs r2, #0", "b 4b")
    else:
        asm(f"ldr r4, {_OFFSET}", "lsrs r4, r4, #24", "b 8b")
    asm("3:", f"ldr r3, {_ROWS}", "subs r3, r3, #1", "beq 6f", f"str r3, {_ROWS}")
    asm.load("r3", 4 * (shape.stride[0] * shape.row_words - shape.out_w * shape.stride[1]))
    asm("adds r0, r0, r3", "mov r4, lr")
    asm.load("r3", 4 * shape.stride[0] * shape.row_words)
    asm("adds r4, r4, r3", "mov lr, r4", "b 1b", "6:")
    return asm.function(name, "one channel of a band of rows", PARAMETERS)


@dataclass(frozen=True)
class WidenShape:
    """What `widen_tile` copies.

    Attributes:
        columns: Of a row.
        channels: Bytes from a column of the image to the next.
        in_w: Columns from a row of the image to the next.
        row_words: Words from a row of the plane to the next.
    """

    columns: int
    channels: int
    in_w: int
    row_words: int


def widen_tile(name: str, shape: WidenShape) -> TileFunction:
    """``void widen(x, target, rows)``: rows of one channel as words, four at a time."""
    asm = ThumbFunction(frame_bytes=4)
    asm.high("r8", shape.channels)
    asm.high("r9", (shape.in_w - shape.columns) * shape.channels)
    asm.high("r10", 4 * (shape.row_words - shape.columns))
    asm("mov r11, r2", "movs r3, #0", "1:")
    asm.repeat(shape.columns // 4, 16, _widen(_WORDS), pointer="r1", spare="r2")
    if shape.columns % 4:
        asm(*_widen(_WORDS[: shape.columns % 4]))
    asm("add r0, r9", "add r1, r10", "mov r2, r11", "subs r2, r2, #1", "mov r11, r2", "bne 1b")
    parameters = ("const int8_t *x", "int32_t *target", "int32_t rows")
    return asm.function(name, f"{shape.columns} columns of one channel", parameters)


def _widen(words: tuple[str, ...]) -> tuple[str, ...]:
    each = [line for word in words for line in (f"ldrsb {word}, [r0, r3]", "add r0, r8")]
    return (*each, f"stm r1!, {{{', '.join(words)}}}")


def _unpack(asm: ThumbFunction, stairs: Staircase) -> None:
    """The channel's words, or those that serve all, to the stack; the bias to r11."""
    line = stairs.words[0].tolist()
    if len(stairs.words) > 1:
        asm("ldm r2!, {r4, r5, r6, r7}")
    else:
        asm("ldm r2!, {r4}")
        for register, word in zip(("r5", "r6", "r7"), line[:3], strict=True):
            asm.load(register, word)
    asm("mov r11, r4", f"str r6, {_WHOLE}", f"str r7, {_OFFSET}")
    asm(f"lsrs r6, r5, #{stairs.part_bits}", f"str r6, {_SPAN}")
    asm(*lower_bits("r5", stairs.part_bits), f"str r5, {_PART}")
    if not stairs.is_bent:
        return
    if len(stairs.words) > 1:
        asm("ldm r2!, {r4, r5}")
    else:
        asm.load("r4", line[3])
        asm.load("r5", line[4])
    asm(f"str r4, {_BEND}", f"str r5, {_BELOW}")


def _sum(asm: ThumbFunction, height: int, width: int, to_row: int) -> None:
    """Add the products of all taps to r2; r0 and r1 end behind the last tap."""
    taps, waiting = height * width, list[str]()
    loaded = 0
    for i in range(height):
        if i and to_row:
            asm(f"adds r0, r0, #{to_row}" if to_row < 256 else "add r0, r8")
        for j in range(0, width, len(_X)):
            inputs = _X[: width - j]
            asm(f"ldm r0!, {{{', '.join(inputs)}}}")
            for x in inputs:
                if not waiting:
                    waiting = list(_W[: taps - loaded])
                    loaded += len(waiting)
                    asm(f"ldm r1!, {{{', '.join(waiting)}}}")
                asm(f"muls {x}, {waiting.pop(0)}, {x}", f"adds r2, r2, {x}")


def _requantize(asm: ThumbFunction, stairs: Staircase) -> None:
    """r4 = the output of the sum in r2."""
    asm(f"ldr r3, {_SPAN}", "cmp r2, r3", "bhi 2f", "4:")
    if stairs.is_bent:
        asm("mov r7, r2")
    asm(f"ldr r4, {_WHOLE}", "muls r4, r2, r4", f"ldr r5, {_PART}", "muls r2, r5, r2")
    asm(f"lsrs r2, r2, #{stairs.part_bits}", "adds r4, r4, r2", f"ldr r5, {_OFFSET}")
    asm("adds r4, r4, r5")
    if stairs.is_bent:
        asm(f"ldr r5, {_BEND}", "cmp r7, r5", "bhs 5f", f"ldr r5, {_BELOW}", "adds r4, r4, r5")
        asm("5:")
    asm("lsrs r4, r4, #24", "8:")
