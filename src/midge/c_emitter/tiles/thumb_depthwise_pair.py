"""The depthwise tile of the Cortex-M0+ for windows three columns wide that move by one column.

Two outputs of a row share four inputs and three weights of a row of taps. MULS overwrites an
operand, and of the seven each is overwritten by the last product that needs it, so nothing is
copied::

    x0 *= w0   w0 *= x1   x1 *= w1   w1 *= x2   then w2:   x3 *= w2   x2 *= w2

    r0 inputs   r1 weights   r2-r5 inputs   r6, r7 weights   r8, r9 sums
    r10 output   r11 bias   r12 bytes of a pixel   lr end of row

What the line of the channel needs stands behind the weights, where one LDM brings it. Two outputs
of 3 x 3 taps take 80 instructions; one at a time (`thumb_depthwise.py`) they take 96.
"""

from __future__ import annotations

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.staircase import Staircase
from midge.c_emitter.tiles.thumb import SHORT_LOOP, ThumbFunction, lower_bits
from midge.c_emitter.tiles.thumb_depthwise import PARAMETERS, PlaneShape

LINE_WORDS = 4
"""Behind the weights: whole, part, offset, span."""
_WIDTH, _READ = 3, 4
_ROWS, _BACK, _TO_ROW = "[sp]", "[sp, #4]", "[sp, #8]"
_LARGEST_STEP = 255


def pairs_apply(shape: PlaneShape, stairs: Staircase) -> bool:
    """Whether outputs come in pairs and a line has no bend, for which registers are missing."""
    in_pairs = shape.kernel[1] == _WIDTH and shape.stride[1] == 1 and shape.out_w % 2 == 0
    return in_pairs and not stairs.is_bent


def depthwise_pair_tile(name: str, shape: PlaneShape, stairs: Staircase) -> TileFunction:
    """``void tile(plane, taps, channel, y)``, with the number of rows in front of the taps."""
    asm = ThumbFunction(frame_bytes=12)
    height, row = shape.kernel[0], shape.tap_rows * shape.row_words
    asm("ldm r1!, {r4}", f"str r4, {_ROWS}", "mov r10, r3")
    _keep_line(asm, stairs, taps=height * _WIDTH)
    to_row = 4 * (row - _READ)
    asm.load("r4", 4 * (2 - (height - 1) * row - _READ))
    asm(f"str r4, {_BACK}")
    asm.load("r4", to_row)
    asm(f"str r4, {_TO_ROW}")
    asm.high("r12", shape.out_c)
    asm.load("r4", 4 * shape.out_w)
    asm("adds r4, r4, r0", "mov lr, r4", "1:", "mov r8, r11", "mov r9, r11")
    start = len(asm.lines)
    for i in range(height):
        if i and to_row > _LARGEST_STEP:
            asm(f"ldr r7, {_TO_ROW}", "adds r0, r0, r7")
        elif i and to_row:
            asm(f"adds r0, r0, #{to_row}")
        _row_of_taps(asm)
    asm("ldm r1!, {r4, r5, r6, r7}", f"subs r1, r1, #{4 * (height * _WIDTH + LINE_WORDS)}")
    asm(f"ldr r2, {_BACK}", "adds r0, r0, r2")
    _store_both(asm, stairs.part_bits)
    near = len(asm.lines) - start < SHORT_LOOP
    asm("cmp r0, lr", *(("bne 1b", "b 8f") if near else ("beq 8f", "b 1b")))
    for label, a, y, back, done in ((2, "r2", "r3", 3, 4), (5, "r3", "r4", 6, 7)):
        asm(f"{label}:", f"cmp {a}, #0", f"blt {label}1f", f"mov {a}, r7", f"b {back}b")
        asm(f"{label}1:", f"lsrs {y}, r6, #24", f"b {done}b")
    asm("8:", f"ldr r3, {_ROWS}", "subs r3, r3, #1", "beq 9f", f"str r3, {_ROWS}")
    asm.load("r3", 4 * (shape.stride[0] * shape.row_words - shape.out_w))
    asm("adds r0, r0, r3", "mov r4, lr")
    asm.load("r3", 4 * shape.stride[0] * shape.row_words)
    asm("adds r4, r4, r3", "mov lr, r4", "b 1b", "9:")
    return asm.function(name, "one channel of a band of rows, two outputs at a time", PARAMETERS)


def _keep_line(asm: ThumbFunction, stairs: Staircase, taps: int) -> None:
    """The bias to r11; the channel's line, or the one that serves all, behind the weights."""
    if len(stairs.words) > 1:
        asm("ldm r2!, {r4, r5, r6, r7}")
    else:
        asm("ldm r2!, {r4}")
        for register, word in zip(("r5", "r6", "r7"), stairs.words[0].tolist(), strict=True):
            asm.load(register, word)
    asm("mov r11, r4", f"lsrs r4, r5, #{stairs.part_bits}", *lower_bits("r5", stairs.part_bits))
    asm.load("r2", 4 * taps)
    asm("adds r2, r2, r1", "str r6, [r2]", "str r5, [r2, #4]", "str r7, [r2, #8]")
    asm("str r4, [r2, #12]")


def _row_of_taps(asm: ThumbFunction) -> None:
    """Add the products of a row of taps to both sums."""
    asm("ldm r0!, {r2, r3, r4, r5}", "ldm r1!, {r6, r7}")
    for product, other, total in (
        ("r2", "r6", "r8"),
        ("r6", "r3", "r9"),
        ("r3", "r7", "r8"),
        ("r7", "r4", "r9"),
    ):
        asm(f"muls {product}, {other}, {product}", f"add {total}, {product}")
    asm("ldm r1!, {r6}")
    for product, total in (("r5", "r9"), ("r4", "r8")):
        asm(f"muls {product}, r6, {product}", f"add {total}, {product}")


def _store_both(asm: ThumbFunction, part_bits: int) -> None:
    """Requantise r8 and r9; r4: whole, r5: part, r6: offset, r7: span."""
    asm("mov r2, r8", "cmp r2, r7", "bhi 2f", "3:", "mov r3, r4", *_climb("r2", "r3", part_bits))
    asm("4:", "mov r2, r10", "strb r3, [r2]", "add r2, r12")
    asm("mov r3, r9", "cmp r3, r7", "bhi 5f", "6:", *_climb("r3", "r4", part_bits))
    asm("7:", "strb r4, [r2]", "add r2, r12", "mov r10, r2")


def _climb(a: str, y: str, part_bits: int) -> tuple[str, ...]:
    """`y`, which holds whole, becomes the output of the sum in `a`, which is lost."""
    return (
        f"muls {y}, {a}, {y}",
        f"muls {a}, r5, {a}",
        f"lsrs {a}, {a}, #{part_bits}",
        f"adds {y}, {y}, {a}",
        f"adds {y}, {y}, r6",
        f"lsrs {y}, {y}, #24",
    )
