"""Tiles that turn NHWC rows of int8 into the columns that `depthwise.py` reads.

From two rows of an image, four channels a word each, PKHBT and PKHTB bring two channels of both
rows together, and SXTAB16 takes one channel of it, widened, less the zero point::

    pkhbt  t, upper, lower, lsl #16    @ channels 0 1 of the upper row, 0 1 of the lower
    sxtab16  c0, -zero, t              @ channel 0: upper, lower
    sxtab16  c1, -zero, t, ror #8      @ channel 1

So four channels of two rows take two loads, six instructions and four stores: twelve for eight
values. A row outside the image is a register full of zero points.
"""

from __future__ import annotations

from dataclasses import dataclass

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import Assembly
from midge.c_emitter.tiles.depthwise import moved

_TARGET, _UPPER, _LOWER = "r0", "r1", "r2"
_MINUS_ZERO = "r3"
_UPPER_WORDS, _LOWER_WORDS = ("r4", "r5"), ("r6", "r7")
_WIDE, _TURNED = "r8", "r9"
_PIXELS, _PAIRS, _CHUNKS, _OUTSIDE = "r10", "r11", "r12", "lr"
_CHUNK = 16
"""Channels that are written out before a loop is made of them."""
_REACH = 4095
"""Of a store's offset."""
_FORWARD = 4092
"""How far the target moves where a store does not reach."""
_LDR_STEP, _LDRD_STEP = 255, 1020
"""By how much a load may move its register on."""


@dataclass(frozen=True)
class ColumnsTile:
    """How rows become columns.

    Attributes:
        width: Pixels of a row.
        channels: Bytes of a pixel.
        group: Channels that are taken of each.
        pairs: Words that stand side by side in a column.
        zero_point: Of the values.
    """

    width: int
    channels: int
    group: int
    pairs: int
    zero_point: int

    @property
    def column_bytes(self) -> int:
        """From one column of a channel to the next."""
        return 4 * self.pairs

    @property
    def channel_bytes(self) -> int:
        """From one channel to the next."""
        return self.column_bytes * self.width

    @property
    def name(self) -> str:
        """Of the function: two tiles of one name are one function."""
        zero = str(self.zero_point).replace("-", "m")
        shape = f"w{self.width}_c{self.channels}_g{self.group}"
        return f"midge_depthwise_columns_{shape}_t{self.pairs}_z{zero}"


def columns_function(tile: ColumnsTile) -> TileFunction:
    """The tile's C function.

    Its parameters: ``columns``, where the first pair of rows goes; ``x``, the first channel of its
    upper row, or of its only one; ``pairs``: how many follow one another, or 0 where only the upper
    row lies in the image, -1 where only the lower.
    """
    asm = Assembly()
    frame = asm.enter(0)
    asm.extend(_zero_points(tile.zero_point))
    row_bytes = tile.width * tile.channels
    asm(f"subs {_PAIRS}, r2, #0", "beq.w 4f", "bmi.w 5f")
    asm.extend(moved(_LOWER, row_bytes, _WIDE, source=_UPPER))
    asm("1:")
    _pixels(asm, tile, has_upper=True, has_lower=True)
    # Behind the lower row follows the upper one of the next pair.
    asm(f"mov {_UPPER}, {_LOWER}")
    asm.extend(moved(_LOWER, row_bytes, _WIDE))
    asm.extend(moved(_TARGET, 4 - tile.channel_bytes, _WIDE))
    asm(f"subs {_PAIRS}, {_PAIRS}, #1", "bne.w 1b", "b.w 9f", "4:")
    _pixels(asm, tile, has_upper=True, has_lower=False)
    asm("b.w 9f", "5:", f"mov {_LOWER}, {_UPPER}")
    _pixels(asm, tile, has_upper=False, has_lower=True)
    asm("9:")
    asm.leave(frame)
    comment = f"Columns of {tile.group} of {tile.channels} channels, rows of {tile.width} pixels."
    parameters = ("uint32_t *columns", "const int8_t *x", "int32_t pairs")
    return asm.function(tile.name, comment, parameters)


def _zero_points(zero: int) -> list[str]:
    """Two halves of its negative, and four bytes of it."""
    minus = f"mov {_MINUS_ZERO}, #{-zero * 0x10001}"
    if zero > 0:
        minus = f"mvn {_MINUS_ZERO}, #{(zero - 1) * 0x10001}"
    return [minus, f"mov {_OUTSIDE}, #{(zero & 0xFF) * 0x01010101}"]


def _pixels(asm: Assembly, tile: ColumnsTile, *, has_upper: bool, has_lower: bool) -> None:
    """The columns of one pair of rows; afterwards each row's register stands behind its row."""
    rows = [r for r, is_there in ((_UPPER, has_upper), (_LOWER, has_lower)) if is_there]
    rounds = tile.group // _CHUNK if tile.group > _CHUNK else 0
    together = pixels_together(tile.group, tile.width)
    asm(f"movw {_PIXELS}, #{tile.width // together}", "2:")
    moved_by = 0
    if rounds:
        asm(f"movw {_CHUNKS}, #{rounds}", "3:")
        moved_by = _channels(asm, tile, _CHUNK, rows, 0, 0)
        asm.extend(moved(_TARGET, _CHUNK * tile.channel_bytes - moved_by, _WIDE))
        asm(f"subs {_CHUNKS}, {_CHUNKS}, #1", "bne.w 3b")
        moved_by = rounds * _CHUNK * tile.channel_bytes
    skipped = tile.channels - tile.group
    rest = tile.group - rounds * _CHUNK
    for pixel in range(together):
        offset = pixel * tile.column_bytes + rounds * _CHUNK * tile.channel_bytes - moved_by
        moved_by += _channels(asm, tile, rest, rows, skipped, offset)
        if skipped and not _skips(tile, rest, skipped):
            for row in rows:
                asm.extend(moved(row, skipped, _WIDE))
    asm.extend(moved(_TARGET, together * tile.column_bytes - moved_by, _WIDE))
    asm(f"subs {_PIXELS}, {_PIXELS}, #1", "bne.w 2b")


def pixels_together(group: int, width: int) -> int:
    """How many pixels share a round: of few channels several."""
    return next(n for n in (4, 2, 1) if width % n == 0 and (n * group <= _CHUNK or n == 1))


def _skips(tile: ColumnsTile, channels: int, skipped: int) -> bool:
    """Whether the last load of a pixel moves on to the group's next one."""
    if not channels or tile.channels % 4:
        return False
    return skipped + 8 <= _LDRD_STEP if channels % 8 == 0 else skipped + 4 <= _LDR_STEP


def _channels(
    asm: Assembly, tile: ColumnsTile, channels: int, rows: list[str], skipped: int, start: int
) -> int:
    """Columns of one pixel's channels.

    Args:
        asm: Where to.
        tile: Which.
        channels: How many.
        rows: Registers of the rows that lie in the image.
        skipped: Bytes that the last load moves on, if it can.
        start: Where the first one goes, in bytes from the target's register.

    Returns:
        By how many bytes the target's register was moved.
    """
    moved_by = 0
    done = 0
    while done < channels:
        words = min((channels - done) // 4, 2)
        is_last = done + 4 * words == channels and _skips(tile, channels, skipped)
        if words:
            further = skipped if is_last else 0
            asm.extend(_load(tile, words, rows, further))
            blocks = [_four(word, rows) for word in range(words)]
        else:
            blocks = [_single(rows)]
        for block in blocks:
            for lines, register in block:
                offset = start + done * tile.channel_bytes - moved_by
                if offset > _REACH:
                    asm.extend(moved(_TARGET, _FORWARD, register))
                    moved_by, offset = moved_by + _FORWARD, offset - _FORWARD
                asm(*lines, f"str {register}, [{_TARGET}, #{offset}]")
                done += 1
    return moved_by


def _load(tile: ColumnsTile, words: int, rows: list[str], skipped: int) -> list[str]:
    """Four or eight channels of each row."""
    lines = []
    for row in rows:
        first, second = _UPPER_WORDS if row == _UPPER else _LOWER_WORDS
        if words == 1:
            lines.append(f"ldr {first}, [{row}], #{4 + skipped}")
        elif tile.channels % 4 == 0:
            lines.append(f"ldrd {first}, {second}, [{row}], #{8 + skipped}")
        else:
            # Pixels stand at any address, where LDRD may not load.
            lines += [f"ldr {first}, [{row}], #4", f"ldr {second}, [{row}], #4"]
    return lines


def _four(word: int, rows: list[str]) -> list[tuple[list[str], str]]:
    """Instructions and register of each of a word's four channels, two at a time."""
    upper = _UPPER_WORDS[word] if _UPPER in rows else _OUTSIDE
    lower = _LOWER_WORDS[word] if _LOWER in rows else _OUTSIDE
    return [
        column
        for together in (
            f"pkhbt {_TURNED}, {upper}, {lower}, lsl #16",
            f"pkhtb {_TURNED}, {lower}, {upper}, asr #16",
        )
        for column in (
            ([together, f"sxtab16 {_WIDE}, {_MINUS_ZERO}, {_TURNED}"], _WIDE),
            ([f"sxtab16 {_TURNED}, {_MINUS_ZERO}, {_TURNED}, ror #8"], _TURNED),
        )
    ]


def _single(rows: list[str]) -> list[tuple[list[str], str]]:
    """Instructions and register of one channel."""
    words = {_UPPER: _UPPER_WORDS[0], _LOWER: _LOWER_WORDS[0]}
    lines = [f"ldrsb {words[row]}, [{row}], #1" for row in rows]
    register = words[rows[0]]
    if len(rows) == 2:
        lines += [
            f"pkhbt {register}, {register}, {words[rows[1]]}, lsl #16",
            f"sadd16 {register}, {register}, {_MINUS_ZERO}",
        ]
    else:
        lines += [
            f"sadd16 {register}, {register}, {_MINUS_ZERO}",
            f"uxth {register}, {register}"
            if rows[0] == _UPPER
            else f"lsl {register}, {register}, #16",
        ]
    return [(lines, register)]
