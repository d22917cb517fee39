"""Tiles of depthwise convolutions: windows of up to 3x3, one output a channel, two rows at a time.

The image stands column by column, a column channel by channel. A word holds two rows of a channel,
16 bits each::

    column j:   (x[2p, j], x[2p+1, j])   (x[2p+2, j], x[2p+3, j])   ...

so that LDRD loads four rows, A and B, and two multiplications sum a column of three taps, of the
upper output row ``SMLAD(A, w0 w1) + SMLABB(B, w2)``, of the lower ``SMLAD(B, w1 w2) +
SMLATB(A, w0)``. A column is loaded once for each output row and serves the three outputs that it
lies under; their sums rotate through two registers. Columns outside the image are left out, for
the values are stored less their zero point; rows outside are zeros.

The words of a channel (`depthwise_row.py`) are those of the upper output row; of the lower row they
are the same weights, moved over. Every register but SP is in use; what is needed once a row or less
stands in the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import Assembly
from midge.c_emitter.tiles.depthwise_row import (
    BIAS,
    PAIRS,
    PARAMETERS,
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
)
from midge.c_emitter.tiles.rescale import Form, Rescale

STRAIGHT_OUTPUTS = 12
"""Rows of so many outputs are written out; longer ones become a loop."""
LOOP_COLUMNS = 6
"""Columns of a round of that loop at stride 1, at most."""
DOUBLED_OUTPUTS, DOUBLED_STEPS = 6, 4
"""Rows of up to so many outputs are made two a round, in bands of so many steps or more."""
LARGEST_STEP = 1020
"""Of LDRD's offset."""

# The frame, in bytes from SP: x and y of the channel (loaded together), the stream and its end, how
# many rows above one there are of either kind (times 2**16), rows left, end of a loop over columns.
_OF_X, _OF_Y, _STREAM, _END, _UPPER, _LOWER, _LEFT, _COLUMN_END = range(0, 32, 4)
_FRAME = 32


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
        f"ldr {A}, [sp, #{_STREAM}]",
        f"ldm {A}!, {PARAMETERS}",
        f"str {A}, [sp, #{_STREAM}]",
        f"ldrd {X}, {Y}, [sp, #{_OF_X}]",
        f"ldr {B}, [sp, #{_UPPER}]",
    )
    _rows(asm, tile, is_upper=True)
    if tile.is_dense:
        asm(f"ldr {B}, [sp, #{_LOWER}]", f"cmp {B}, #0", "blt.w 5f")
        asm.extend(_lower_weights(tile.rescale.uniform))
        asm(f"ldrd {X}, {Y}, [sp, #{_OF_X}]")
        asm.extend(moved(Y, tile.columns.outputs * tile.channels, A))
        _rows(asm, tile, is_upper=False)
        asm("5:")
    asm(f"ldrd {X}, {Y}, [sp, #{_OF_X}]", f"ldrd {A}, {B}, [sp, #{_STREAM}]")
    asm.extend(moved(X, tile.channel_bytes, "r4"))
    asm(
        f"add {Y}, {Y}, #1",
        f"strd {X}, {Y}, [sp, #{_OF_X}]",
        f"cmp {A}, {B}",
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
    p0, p1, p2 = PAIRS
    two, one = SINGLES
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


_FREE = SUMS[0]
"""A sum's register, where no sum is at work."""


def _rows(asm: Assembly, tile: DepthwiseTile, *, is_upper: bool) -> None:
    """All output rows of one kind; their number less one, times 2**16, stands in `B`."""
    loop, middle = ("2", "6") if is_upper else ("3", "7")
    count = B
    if tile.is_doubled:
        # An odd number begins in the middle of a round.
        count = A
        asm(f"lsrs {A}, {B}, #17", f"lsl {A}, {A}, #16")
    if tile.rescale.uniform:
        # The last weight's word has a free upper half, which counts.
        asm(f"add {SINGLES[1]}, {SINGLES[1]}, {count}")
    else:
        asm(f"str {count}, [sp, #{_LEFT}]")
    asm(*([f"bcc.w {middle}f"] if tile.is_doubled else []), f"{loop}:")
    _row(asm, tile, is_upper=is_upper)
    if tile.is_doubled:
        asm(f"{middle}:")
        _row(asm, tile, is_upper=is_upper)
    if tile.rescale.uniform:
        asm(f"subs {SINGLES[1]}, {SINGLES[1]}, #0x10000", f"bpl.w {loop}b")
    else:
        asm(
            f"ldr {A}, [sp, #{_LEFT}]",
            f"subs {A}, {A}, #0x10000",
            f"str {A}, [sp, #{_LEFT}]",
            f"bpl.w {loop}b",
        )


def _row(asm: Assembly, tile: DepthwiseTile, *, is_upper: bool) -> None:
    """One output row; x and y then stand at those of the next step."""
    roll = Roll(STRAIGHT_OUTPUTS, LOOP_COLUMNS, 2 * tile.columns.stride, _COLUMN_END)
    blocks = _blocks(tile, is_upper=is_upper)
    rolled(asm, blocks, tile.columns, tile.column_bytes, roll)
    pitch = (2 if tile.is_dense else 1) * tile.columns.outputs * tile.channels
    asm.extend(moved(Y, pitch - tile.columns.outputs * tile.channels, A))


def _blocks(tile: DepthwiseTile, *, is_upper: bool) -> list[tuple[str, ...]]:
    """The instructions of each column; alike where columns are alike."""
    of_image = tile.columns.of_image()
    used = list(of_image)
    last_tap = {output: tap for pairs in of_image.values() for output, tap in pairs}
    pair, other = (A, (B, "b")) if is_upper else (B, (A, "t"))
    started: set[int] = set()
    blocks = []
    for column, following in zip(used, [*used[1:], None], strict=True):
        # Behind the last column follows the next pair of rows, in the first.
        step = -column * tile.column_bytes + 4
        if following is not None:
            step = (following - column) * tile.column_bytes
        reaches = abs(step) <= LARGEST_STEP
        lines = [f"ldrd {A}, {B}, [{X}]" + (f", #{step}" if reaches else "")]
        for place, (output, tap) in enumerate(of_image[column]):
            total = SUMS[output % 2]
            source = total if output in started else BIAS
            started.add(output)
            lines += products(total, source, tap, tile.rescale, pair, other)
            if last_tap[output] != tap:
                continue
            lines += finish(tile.rescale, tile.channels, total, A)
            if place + 1 < len(of_image[column]) and tile.rescale.form is not Form.PLAIN:
                # Rescaling took the column's registers.
                lines.append(f"ldrd {A}, {B}, [{X}, #{-step if reaches else 0}]")
        blocks.append((*lines, *([] if reaches else moved(X, step, A))))
    return blocks
