"""Tiles of depthwise convolutions that read the image where it stands: windows of up to 3x3.

A column of three rows is three bytes of a channel: LDRSB three times, and PKHBT makes a pair of two
of them. Two rows of outputs share little at row stride 2, so this takes 17 instructions an output
where columns in scratch (`depthwise.py`) take 11 and six or more for turning rows; at stride 1 it
is 13 against 10 and two. It needs no scratch, and half the code.

Values come with their zero point, so the bias makes up for it, and what lies outside the image
would have to be zero points:

- An output whose window reaches over the left or right edge begins with a sum that holds what the
  outer taps would add. It is made for each channel, and stands in the frame.
- A row of outputs whose windows reach over the upper or lower edge by a row is made from three rows
  inside: the weights move down or up by one, and the bias takes what those outside would add.
"""

from __future__ import annotations

from dataclasses import dataclass

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import Assembly
from midge.c_emitter.tiles.depthwise_row import (
    BIAS,
    IMMEDIATE,
    PAIRS,
    PARAMETERS,
    POST_INDEX,
    SINGLES,
    SUMS,
    A,
    B,
    Columns,
    Roll,
    X,
    Y,
    finish,
    moved,
    products,
    rolled,
    single_of,
)
from midge.c_emitter.tiles.rescale import Form, Rescale

LARGEST_ROW = IMMEDIATE // 2
"""Bytes of an image's row: a load reaches the third row from the first."""
STRAIGHT_OUTPUTS = 6
"""Rows of so many outputs are written out; longer ones become a loop."""
LOOP_OUTPUTS = {True: 4, False: 3}
"""Outputs of a round of that loop, at most; more of windows that move by one, which are shorter."""

# The frame, in bytes from SP: x and y of the channel (loaded together), the stream and its end, how
# many rows above one there are (times 2**16), over which edge they reach, rows left, end of a loop
# over columns; then first sums.
_OF_X, _OF_Y, _STREAM, _END, _ROWS, _EDGE, _LEFT, _COLUMN_END, _FIRST_SUMS = range(0, 36, 4)


@dataclass(frozen=True)
class DirectTile:
    """A layer's rows.

    Attributes:
        columns: Of the windows.
        channels: Bytes from one pixel to the next.
        row_stride: Rows from window to window.
        above: Some windows reach a row over the upper edge.
        below: The same of the lower one.
        x_zero: The image's zero point.
        rescale: What becomes of the sums.
    """

    columns: Columns
    channels: int
    row_stride: int
    above: bool
    below: bool
    x_zero: int
    rescale: Rescale

    @property
    def row_bytes(self) -> int:
        """Of the image."""
        return self.columns.width * self.channels

    @property
    def name(self) -> str:
        """Of the function: two tiles of one name are one function."""
        c = self.columns
        window = f"{c.width}x{c.outputs}_k{c.taps}s{self.row_stride}x{c.stride}p{c.pad}"
        edges = "a" * self.above + "b" * self.below
        zero = str(self.x_zero).replace("-", "m")
        places = f"c{self.channels}_z{zero}{edges}"
        return f"midge_depthwise_direct_{window}_{places}_{self.rescale.key}"

    @property
    def has_third(self) -> bool:
        """One output is at work at a time: the second sum's register takes a value."""
        return self.columns.taps - 1 <= self.columns.stride

    @property
    def outside(self) -> dict[tuple[int, ...], int]:
        """Taps that some output has outside the image, and where its first sum stands."""
        sets = dict.fromkeys(taps for taps in self.columns.missing if taps) if self.x_zero else {}
        return {taps: _FIRST_SUMS + 4 * number for number, taps in enumerate(sets)}


def direct_function(tile: DirectTile) -> TileFunction:
    """The tile's C function.

    Its parameters: ``x``, the first row's first window, moved into the image; ``stream``, the
    channels' words; ``y``, the first output; ``band``, the end of the stream, how many output rows
    there are, and over which edge they reach.
    """
    asm = Assembly()
    frame = asm.enter(_FIRST_SUMS + 4 * len(tile.outside))
    asm(
        f"strd r0, r2, [sp, #{_OF_X}]",
        f"str r1, [sp, #{_STREAM}]",
        "ldm r3, {r4, r5, r6}",
        f"strd r4, r5, [sp, #{_END}]",
        f"str r6, [sp, #{_EDGE}]",
        "1:",
        f"ldr {A}, [sp, #{_STREAM}]",
        f"ldm {A}!, {PARAMETERS}",
        f"str {A}, [sp, #{_STREAM}]",
    )
    _move_weights(asm, tile)
    _first_sums(asm, tile)
    asm(f"ldrd {X}, {Y}, [sp, #{_OF_X}]", f"ldr {B}, [sp, #{_ROWS}]")
    _rows(asm, tile)
    asm(
        f"ldrd {X}, {Y}, [sp, #{_OF_X}]",
        f"ldrd {A}, {B}, [sp, #{_STREAM}]",
        f"adds {X}, {X}, #1",
        f"adds {Y}, {Y}, #1",
        f"strd {X}, {Y}, [sp, #{_OF_X}]",
        f"cmp {A}, {B}",
        "bne.w 1b",
    )
    asm.leave(frame)
    c = tile.columns
    comment = f"Rows of {c.outputs} outputs from {c.width} columns, read in place."
    parameters = (
        "const int8_t *x",
        "const uint32_t *stream",
        "int8_t *y",
        "const struct midge_depthwise_part *part",
    )
    return asm.function(tile.name, comment, parameters)


def _move_weights(asm: Assembly, tile: DirectTile) -> None:
    """Where rows reach over an edge, weights move on by one; the bias takes what is outside."""
    if not tile.above and not tile.below:
        return
    asm(f"ldr {B}, [sp, #{_EDGE}]", f"cmp {B}, #0", "beq.w 5f")
    if tile.above and tile.below:
        asm("blt.n 6f")
    if tile.below:
        asm.extend(_weights_below(tile))
    if tile.above and tile.below:
        asm("b.n 5f", "6:")
    if tile.above:
        asm.extend(_weights_above(tile))
    asm("5:")


def _weights_below(tile: DirectTile) -> list[str]:
    """(w0 w1) of each tap, and w2, become (0 w0), and w1."""
    p0, p1, p2 = PAIRS
    two, one = SINGLES
    uniform = tile.rescale.uniform
    lines = _zero_points(A, tile.x_zero)
    if tile.x_zero:
        singles = (single_of(tap, uniform) for tap in range(3))
        lines += [f"smla{half}b {BIAS}, {word}, {A}, {BIAS}" for word, half in singles]
    return [
        *lines,
        f"pkhtb {two}, {p1}, {p0}, asr #16",
        # A free half of the last word holds the shift.
        f"lsr {one}, {p2}, #16" if uniform else f"pkhbt {one}, {one}, {p2}",
        *(f"lsl {pair}, {pair}, #16" for pair in PAIRS),
    ]


def _weights_above(tile: DirectTile) -> list[str]:
    """(w0 w1) of each tap, and w2, become (w1 w2), and 0."""
    p0, p1, p2 = PAIRS
    two, one = SINGLES
    lines = _zero_points(A, tile.x_zero)
    if tile.x_zero:
        lines += [f"smlabb {BIAS}, {pair}, {A}, {BIAS}" for pair in PAIRS]
    last = (
        [f"lsr {p2}, {p2}, #16", f"pkhbt {p2}, {p2}, {one}, lsl #16", f"mov {one}, #0"]
        if tile.rescale.uniform
        else [f"pkhtb {p2}, {one}, {p2}, asr #16", f"uxth {one}, {one}"]
    )
    return [
        *lines,
        f"lsr {p0}, {p0}, #16",
        f"pkhbt {p0}, {p0}, {two}, lsl #16",
        f"pkhtb {p1}, {two}, {p1}, asr #16",
        *last,
        f"mov {two}, #0",
    ]


def _zero_points(register: str, x_zero: int) -> list[str]:
    """The zero point in both halves of a register; nothing where it is 0."""
    if x_zero == 0:
        return []
    if x_zero > 0:
        return [f"mov {register}, #{x_zero * 0x10001}"]
    return [f"mvn {register}, #{(-x_zero - 1) * 0x10001}"]


def _first_sums(asm: Assembly, tile: DirectTile) -> None:
    """The bias and what taps outside add, for each set of such taps."""
    total = SUMS[0]
    if tile.outside:
        asm.extend(_zero_points(A, tile.x_zero))
    for taps, place in tile.outside.items():
        for number, tap in enumerate(taps):
            source = total if number else BIAS
            asm.extend(products(total, source, tap, tile.rescale, A, (A, "b")))
        asm(f"str {total}, [sp, #{place}]")


def _rows(asm: Assembly, tile: DirectTile) -> None:
    """All output rows; their number less one, times 2**16, stands in `B`."""
    if tile.rescale.uniform:
        # The last weight's word has a free upper half, which counts.
        asm(f"add {SINGLES[1]}, {SINGLES[1]}, {B}")
    else:
        asm(f"str {B}, [sp, #{_LEFT}]")
    asm(".balign 4", "2:")
    columns = tile.columns
    period = columns.stride * (1 if tile.has_third else 2)
    roll = Roll(STRAIGHT_OUTPUTS, LOOP_OUTPUTS[columns.stride == 1], period, _COLUMN_END)
    rolled(asm, _blocks(tile), columns, tile.channels, roll)
    if tile.rescale.uniform:
        asm(f"subs {SINGLES[1]}, {SINGLES[1]}, #0x10000")
    else:
        asm(f"ldr {A}, [sp, #{_LEFT}]", f"subs {A}, {A}, #0x10000", f"str {A}, [sp, #{_LEFT}]")
    asm("bpl.w 2b")


def _blocks(tile: DirectTile) -> list[tuple[str, ...]]:
    """The instructions of each column; alike where columns are alike."""
    columns = tile.columns
    of_image, missing = columns.of_image(), columns.missing
    used = list(of_image)
    last_tap = {output: tap for pairs in of_image.values() for output, tap in pairs}
    started: set[int] = set()
    blocks = []
    for column, following in zip(used, [*used[1:], None], strict=True):
        # Behind the last column follows the next window row, in the first.
        step = tile.row_stride * tile.row_bytes - (column - used[0]) * tile.channels
        if following is not None:
            step = (following - column) * tile.channels
        posted = step if 0 < step <= POST_INDEX else 0
        lines, third, reload = _values(tile, posted)
        for place, (output, tap) in enumerate(of_image[column]):
            total = SUMS[0 if tile.has_third else output % 2]
            source = total if output in started else BIAS
            if output not in started and missing[output] in tile.outside:
                lines.append(f"ldr {total}, [sp, #{tile.outside[missing[output]]}]")
                source = total
            started.add(output)
            lines += products(total, source, tap, tile.rescale, A, (third, "b"))
            if last_tap[output] != tap:
                continue
            lines += finish(tile.rescale, tile.channels, total, B)
            if place + 1 < len(of_image[column]) and tile.rescale.form is not Form.PLAIN:
                # Rescaling took a register.
                lines += reload
        blocks.append((*lines, *moved(X, step - posted, A)))
    return blocks


def _values(tile: DirectTile, posted: int) -> tuple[list[str], str, list[str]]:
    """Load a column's values.

    Args:
        tile: The tile.
        posted: By how many bytes the first load moves x on; 0 where it does not.

    Returns:
        Instructions that leave the pair in `A`; the register of the third value; instructions that
        bring it back where `B` was overwritten.
    """
    second, last = tile.row_bytes - posted, 2 * tile.row_bytes - posted
    third = SUMS[1] if tile.has_third else B
    pair = [
        f"ldrsb {A}, [{X}]" + (f", #{posted}" if posted else ""),
        f"ldrsb {B}, [{X}, #{second}]",
    ]
    single, pack = f"ldrsb {third}, [{X}, #{last}]", f"pkhbt {A}, {A}, {B}, lsl #16"
    if tile.has_third:
        return [*pair, single, pack], third, []
    return [*pair, pack, single], third, [single]
