"""Tiles of dot products: some pixels by some output channels, two taps an instruction (SMLAD).

A tile is data: how many pixels and outputs it holds, how the weights stand in flash, and what sits
in which register. `dot_function` writes its loops, `dot_stream` the weights in the exact order in
which they are read. Sums of one pixel and all outputs are made group by group; a group's bias,
weights and factors follow one another in one stream.

Weights stand in one of two forms:

- ``s16``: 16 bits each, multiplied by 2**lift, so that a sum arrives as `rescale.py` wants it.
- ``mixed``: a halfword is ``w0 + 256 * w1`` of two outputs. SMLAD with the raw word sums A + 256 B;
  SXTB16 extracts w0, and a second SMLAD sums A. So int8 weights take one sign extension for two
  outputs, and the difference, 256 B, is B lifted by 8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import Assembly, load_words
from midge.c_emitter.tiles.rescale import Int64Array, Rescale

MIXED_LIFT = 8
"""Of both sums of a pair: that of the second comes so, the first is shifted to match."""
_LDRD_REACH = 1020
_LDR_REACH = 4095


Smlad = Callable[[str, str, str], str]
"""The instruction for a sum, two halves of a pixel, and two of weights."""


class Weights(Enum):
    """How weights stand in flash."""

    S16 = "s16"
    MIXED = "mixed"


class Order(Enum):
    """Where the words of a tile's pixels stand.

    TOGETHER: word by word, those of all pixels side by side: one LDM brings them.
    APART: pixel by pixel, each at its own distance.
    SHARED: of windows three columns wide, that move by one column: two channels at a time, the
        columns of all pixels side by side, so that what two windows share is loaded once.
    """

    TOGETHER = "together"
    APART = "apart"
    SHARED = "shared"


@dataclass(frozen=True)
class DotShape:
    """A tile's registers. r0 walks over the pixels, r1 over the stream.

    Attributes:
        weights: Their form.
        order: Where the pixels' words stand.
        words: Words of a pixel that a step takes.
        x: Registers of pixels: of one word of all of them, of all words of all, or of one pixel.
        w: Registers of weights as they come.
        spread: Registers of extracted weights.
        sums: One row a pixel, one column an output.
    """

    weights: Weights
    order: Order
    words: int
    x: tuple[str, ...]
    w: tuple[str, ...]
    spread: tuple[str, ...]
    sums: tuple[tuple[str, ...], ...]

    @property
    def pixels(self) -> int:
        """Pixels of the tile."""
        return len(self.sums)

    @property
    def outputs(self) -> int:
        """Outputs of the tile."""
        return len(self.sums[0])

    @property
    def step_bytes(self) -> int:
        """By which r0 moves on in a step."""
        match self.order:
            case Order.TOGETHER:
                return 4 * self.words * self.pixels
            case Order.APART:
                return 4 * self.words
            case Order.SHARED:
                return 4 * (self.words + self.pixels - 1)

    @property
    def free(self) -> tuple[str, ...]:
        """Registers that hold nothing between steps, in ascending order."""
        return (*self.x, *self.w, *self.spread)

    @property
    def name(self) -> str:
        """As part of a function's name."""
        return f"{self.pixels}x{self.outputs}_{self.weights.value}"


S16_2X2_TOGETHER = DotShape(
    Weights.S16,
    order=Order.TOGETHER,
    words=2,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7", "r8", "r9"),
    spread=(),
    sums=(("r10", "r11"), ("r12", "lr")),
)
"""16 products in 10 instructions."""
S16_2X2_APART = DotShape(
    Weights.S16,
    order=Order.APART,
    words=2,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7", "r8", "r9"),
    spread=(),
    sums=(("r10", "r11"), ("r12", "lr")),
)
"""16 products in 11 instructions."""
S16_3X2_APART = DotShape(
    Weights.S16,
    order=Order.APART,
    words=2,
    x=("r2", "r3"),
    w=("r4", "r5", "r6", "r7"),
    spread=(),
    sums=(("r8", "r9"), ("r10", "r11"), ("r12", "lr")),
)
"""24 products in 16 instructions."""
S16_1X4 = DotShape(
    Weights.S16,
    order=Order.TOGETHER,
    words=4,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7", "r8", "r9"),
    spread=(),
    sums=(("r10", "r11", "r12", "lr"),),
)
"""32 products in 21 instructions."""
MIXED_3X2_TOGETHER = DotShape(
    Weights.MIXED,
    order=Order.TOGETHER,
    words=2,
    x=("r2", "r3", "r4"),
    w=("r5", "r6"),
    spread=("lr",),
    sums=(("r7", "r8"), ("r9", "r10"), ("r11", "r12")),
)
"""24 products in 17 instructions."""
MIXED_3X2_APART = DotShape(
    Weights.MIXED,
    order=Order.APART,
    words=2,
    x=("r2", "r3"),
    w=("r4", "r5"),
    spread=("r6", "lr"),
    sums=(("r7", "r8"), ("r9", "r10"), ("r11", "r12")),
)
"""24 products in 18 instructions."""
MIXED_2X2_APART = DotShape(
    Weights.MIXED,
    order=Order.APART,
    words=2,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7"),
    spread=("r8", "lr"),
    sums=(("r9", "r10"), ("r11", "r12")),
)
"""16 products in 13 instructions."""
MIXED_1X4 = DotShape(
    Weights.MIXED,
    order=Order.TOGETHER,
    words=4,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7", "r8", "r9"),
    spread=(),
    sums=(("r10", "r11", "r12", "lr"),),
)
"""32 products in 27 instructions: weights are extracted where they stand."""


S16_2X2_SHARED = DotShape(
    Weights.S16,
    order=Order.SHARED,
    words=3,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7", "r8", "r9"),
    spread=(),
    sums=(("r10", "r11"), ("r12", "lr")),
)
"""24 products in 15 instructions."""
MIXED_2X2_SHARED = DotShape(
    Weights.MIXED,
    order=Order.SHARED,
    words=3,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7", "r8"),
    spread=("lr",),
    sums=(("r9", "r10"), ("r11", "r12")),
)
"""24 products in 17 instructions."""


@dataclass(frozen=True)
class DotTile:
    """A shape, bound to a layer.

    Attributes:
        shape: The registers.
        segments: Runs of contiguous words that a window consists of, such as its rows.
        words: Words of a segment, two taps each.
        pixel_bytes: From the first pixel's data to that of each further one; () together.
        outputs: Of the layer.
        rescale: What becomes of the sums.
        table: x is a table of where each segment begins.
        tile_bytes: With a table, from a tile's segments to the next tile's.
        unroll: Steps that are written out before a loop is made of them.
    """

    shape: DotShape
    segments: int
    words: int
    pixel_bytes: tuple[int, ...]
    outputs: int
    rescale: Rescale
    table: bool = False
    tile_bytes: int = 0
    unroll: int = 16

    @property
    def groups(self) -> int:
        """Groups of outputs, the last filled up."""
        return -(-self.outputs // self.shape.outputs)

    @property
    def reaches(self) -> bool:
        """Whether every load and store reaches its pixel by an immediate offset."""
        furthest_x = max(self.pixel_bytes, default=0) + 4 * self.shape.words
        furthest_y = (self.shape.pixels - 1) * self.outputs + self.shape.outputs
        return furthest_x <= _LDR_REACH and furthest_y <= _LDR_REACH

    @property
    def name(self) -> str:
        """Of the function: two tiles of one name are one function."""
        apart = "".join(f"_{b}" for b in self.pixel_bytes)
        window = f"{self.segments}x{self.words}"
        apart += "_shared" if self.shape.order is Order.SHARED else ""
        table = f"t{self.tile_bytes}" if self.table else ""
        return (
            f"midge_dot_{self.shape.name}_w{window}{table}_n{self.outputs}_{self.rescale.key}"
            f"{apart}_u{self.unroll}"
        )

    def steps(self) -> Iterator[int]:
        """Words that each step of a segment takes."""
        left = self.words
        while left:
            taken = min(self.shape.words, left)
            # There is LDRD and LDM of four, but nothing is gained by three.
            taken = 2 if taken == 3 and self.shape.words > 3 else taken
            yield taken
            left -= taken


# Words of the frame.
_X, _Y, _END, _START, _TILES, _LOOP, _TABLE, _TABLE_END = (4 * i for i in range(8))


def dot_function(tile: DotTile) -> TileFunction:
    """The tile's C function.

    Its parameters: ``x``, the first pixel's data, or a table of where each segment of it begins;
    ``stream``; ``y``, int8, the first pixel's outputs, those of the next behind them; ``end`` of
    the stream; ``tiles``, how many follow one another. The table moves on with the tiles.
    """
    shape, asm = tile.shape, Assembly()
    frame = asm.enter(32 if tile.segments > 1 else 24)
    temporary = shape.free[0]
    asm(f"str r0, [sp, #{_X}]", f"strd r2, r3, [sp, #{_Y}]", f"str r1, [sp, #{_START}]")
    asm(f"ldr {temporary}, {asm.passed(4, frame)}", f"str {temporary}, [sp, #{_TILES}]")
    if tile.segments > 1:
        asm(f"add r0, r0, #{4 * tile.segments}", f"str r0, [sp, #{_TABLE_END}]")
    asm("4:", f"ldr r1, [sp, #{_START}]", ".balign 4", "1:", load_words(shape.sums[0], "r1"))
    if tile.segments > 1:
        _segments(asm, tile)
    else:
        asm(f"ldr r0, [sp, #{_X}]", *(["ldr r0, [r0]"] if tile.table else []))
        _words(asm, tile, starts=True)
    _finish(asm, tile)
    asm("bne 1b")
    _move_on(asm, tile)
    asm(f"ldr r2, [sp, #{_TILES}]", "subs r2, r2, #1", f"str r2, [sp, #{_TILES}]", "bne 4b")
    asm.leave(frame)
    comment = (
        f"{shape.pixels} pixels by {shape.outputs} of {tile.outputs} outputs, "
        f"{tile.segments} x {2 * tile.words} taps."
    )
    kind = "const uint32_t **x" if tile.table else "const uint32_t *x"
    rest = ("const uint32_t *stream", "int8_t *y", "const uint32_t *end", "int32_t tiles")
    return asm.function(tile.name, comment, (kind, *rest))


def _move_on(asm: Assembly, tile: DotTile) -> None:
    """To the next tile's pixels, and their outputs."""
    skipped = (tile.shape.pixels - 1) * tile.outputs
    if skipped:
        asm(f"ldr r2, [sp, #{_Y}]", f"addw r2, r2, #{skipped}", f"str r2, [sp, #{_Y}]")
    if not tile.table:
        asm(f"str r0, [sp, #{_X}]")
        return
    asm(f"ldr r2, [sp, #{_X}]")
    for segment in range(tile.segments):
        at = f"[r2, #{4 * segment}]"
        asm(f"ldr r3, {at}", *_add("r3", "r3", tile.tile_bytes, "r4"), f"str r3, {at}")


def _segments(asm: Assembly, tile: DotTile) -> None:
    """A window's segments: written out where they are short, else in a loop."""
    first, second = tile.shape.free[:2]
    if tile.segments * sum(1 for _ in tile.steps()) <= 2 * tile.unroll:
        for segment in range(tile.segments):
            asm(f"ldr {first}, [sp, #{_X}]", f"ldr r0, [{first}, #{4 * segment}]")
            _words(asm, tile, starts=segment == 0)
        return
    sums = tile.shape.sums
    for row in sums[1:]:
        asm.extend(f"mov {total}, {bias}" for total, bias in zip(row, sums[0], strict=True))
    asm(f"ldr {first}, [sp, #{_X}]", "2:", f"ldr r0, [{first}], #4")
    asm(f"str {first}, [sp, #{_TABLE}]")
    _words(asm, tile, starts=False)
    asm(
        f"ldr {first}, [sp, #{_TABLE}]",
        f"ldr {second}, [sp, #{_TABLE_END}]",
        f"cmp {first}, {second}",
        "bne 2b",
    )


def _words(asm: Assembly, tile: DotTile, *, starts: bool) -> None:
    """All words of a segment, in a loop where there are many.

    Args:
        asm: Where to write.
        tile: The tile.
        starts: The sums of all pixels start from the bias that stands in the first one's.
    """
    steps = list(tile.steps())
    if starts:
        _step(asm, tile, steps.pop(0), starts=True)
    whole = sum(1 for n in steps if n == tile.shape.words)
    rounds, size = _rounds(whole, tile.unroll)
    if rounds > 1:
        temporary = tile.shape.free[0]
        asm.extend(_add(temporary, "r0", rounds * size * tile.shape.step_bytes))
        asm(f"str {temporary}, [sp, #{_LOOP}]", ".balign 4", "3:")
        for _ in range(size):
            _step(asm, tile, tile.shape.words)
        asm(f"ldr {temporary}, [sp, #{_LOOP}]", f"cmp r0, {temporary}", "bne 3b")
        steps = steps[rounds * size :]
    for words in steps:
        _step(asm, tile, words)


def _rounds(steps: int, unroll: int) -> tuple[int, int]:
    """How often a loop of how many steps runs; the rest is written out behind it."""
    if steps <= unroll:
        return 1, steps
    size = max(range(max(unroll // 3, 1), unroll // 2 + 1), key=lambda s: (-(steps % s), s))
    return steps // size, size


def _add(target: str, base: str, value: int, temporary: str | None = None) -> list[str]:
    """A sum with a constant; a large one takes the target, or another register if that is base."""
    if value <= _LDR_REACH:
        return [f"addw {target}, {base}, #{value}"]
    holder = temporary or target
    lines = [f"movw {holder}, #{value & 0xFFFF}"]
    if value >> 16:
        lines.append(f"movt {holder}, #{value >> 16}")
    return [*lines, f"add {target}, {base}, {holder}"]


def _step(asm: Assembly, tile: DotTile, words: int, *, starts: bool = False) -> None:
    """`words` words of each pixel times those of each output.

    The first products of a sum start from the bias, which only the first pixel's sums hold: so the
    first pixel is the last that a word is multiplied with.
    """
    shape = tile.shape
    base = {s: b for row in shape.sums for s, b in zip(row, shape.sums[0], strict=True)}
    fresh = {s for row in shape.sums[1:] for s in row} if starts else set()

    def smlad(total: str, x: str, w: str) -> str:
        start = base[total] if total in fresh else total
        fresh.discard(total)
        return f"smlad {total}, {x}, {w}, {start}"

    if shape.pixels == 1:
        _step_of_one(asm, shape, words, smlad)
    elif shape.order is Order.SHARED:
        _step_shared(asm, shape, smlad)
    elif shape.weights is Weights.S16:
        _step_s16(asm, tile, words, smlad)
    else:
        _step_mixed(asm, tile, words, smlad)


def _step_of_one(asm: Assembly, shape: DotShape, words: int, smlad: Smlad) -> None:
    x = shape.x[:words]
    asm(load_words(x, "r0"))
    sums, w = shape.sums[0], shape.w[:words]
    if shape.weights is Weights.S16:
        for total in sums:
            asm(load_words(w, "r1"))
            asm.extend(smlad(total, a, b) for a, b in zip(x, w, strict=True))
        return
    for low, both in zip(sums[::2], sums[1::2], strict=True):
        asm(load_words(w, "r1"))
        for a, b in zip(x, w, strict=True):
            asm(smlad(both, a, b), f"sxtb16 {b}, {b}", smlad(low, a, b))


def _step_s16(asm: Assembly, tile: DotTile, words: int, smlad: Smlad) -> None:
    shape = tile.shape
    outputs = shape.outputs
    w = shape.w[: words * outputs]
    asm(load_words(w, "r1"))
    for pixels, x in _pixel_loads(asm, tile, words):
        for word in range(words):
            for pixel, places in zip(pixels, x, strict=True):
                for q, total in enumerate(shape.sums[pixel]):
                    asm(smlad(total, places[word], w[word * outputs + q]))


def _step_mixed(asm: Assembly, tile: DotTile, words: int, smlad: Smlad) -> None:
    shape = tile.shape
    w = shape.w[:words]
    asm(load_words(w, "r1"))
    if shape.order is Order.TOGETHER:
        rows = list(zip(shape.sums, shape.x, strict=True))[::-1]
        for raw in w:
            (spread,) = shape.spread
            asm(load_words(shape.x, "r0"), f"sxtb16 {spread}, {raw}")
            asm.extend(smlad(sums[1], a, raw) for sums, a in rows)
            asm.extend(smlad(sums[0], a, spread) for sums, a in rows)
        return
    spreads = shape.spread[:words]
    asm.extend(f"sxtb16 {s}, {raw}" for s, raw in zip(spreads, w, strict=True))
    for pixels, x in _pixel_loads(asm, tile, words):
        for word in range(words):
            for pixel, places in zip(pixels, x, strict=True):
                low, both = shape.sums[pixel]
                asm(smlad(both, places[word], w[word]))
                asm(smlad(low, places[word], spreads[word]))


def _step_shared(asm: Assembly, shape: DotShape, smlad: Smlad) -> None:
    """Two channels of a row of all windows: each column is loaded once."""
    asm(load_words(shape.x, "r0"))
    pixels = list(range(shape.pixels))[::-1]
    if shape.weights is Weights.MIXED:
        asm(load_words(shape.w, "r1"))
        (spread,) = shape.spread
        for tap, raw in enumerate(shape.w):
            asm(f"sxtb16 {spread}, {raw}")
            asm.extend(smlad(shape.sums[p][1], shape.x[p + tap], raw) for p in pixels)
            asm.extend(smlad(shape.sums[p][0], shape.x[p + tap], spread) for p in pixels)
        return
    together = len(shape.w) // shape.outputs
    for tap in range(shape.words):
        place = tap % together
        if place == 0:
            taps = min(together, shape.words - tap)
            asm(load_words(shape.w[: taps * shape.outputs], "r1"))
        for p in pixels:
            for q, total in enumerate(shape.sums[p]):
                asm(smlad(total, shape.x[p + tap], shape.w[place * shape.outputs + q]))


def _pixel_loads(
    asm: Assembly, tile: DotTile, words: int
) -> Iterator[tuple[list[int], list[tuple[str, ...]]]]:
    """Load pixels as the registers allow; yields which are there, and their words' registers.

    The first pixel comes last: apart, its load moves r0 on.
    """
    shape = tile.shape
    count = shape.pixels
    order = list(range(count))[::-1]
    if shape.order is Order.TOGETHER:
        asm(load_words(shape.x[: words * count], "r0"))
        by_word = [shape.x[w * count : (w + 1) * count] for w in range(words)]
        yield order, [tuple(row[p] for row in by_word) for p in order]
        return
    if len(shape.x) >= shape.words * count:
        places = {p: shape.x[p * shape.words : p * shape.words + words] for p in order}
        for pixel in order:
            _load_pixel(asm, tile, places[pixel], pixel)
        yield order, [places[p] for p in order]
        return
    for pixel in order:
        _load_pixel(asm, tile, shape.x[:words], pixel)
        yield [pixel], [shape.x[:words]]


def _load_pixel(asm: Assembly, tile: DotTile, names: tuple[str, ...], pixel: int) -> None:
    """One or two words of a pixel; the first pixel's are the last that are read."""
    if pixel == 0:
        if len(names) == 1:
            asm(f"ldr {names[0]}, [r0], #4")
        else:
            asm(f"ldrd {names[0]}, {names[1]}, [r0], #8")
        return
    at = tile.pixel_bytes[pixel - 1]
    if len(names) == 1:
        asm(f"ldr {names[0]}, [r0, #{at}]")
    elif at <= _LDRD_REACH:
        asm(f"ldrd {names[0]}, {names[1]}, [r0, #{at}]")
    else:
        asm(f"ldr {names[0]}, [r0, #{at}]", f"ldr {names[1]}, [r0, #{at + 4}]")


def _finish(asm: Assembly, tile: DotTile) -> None:
    """Rescale all sums, store them, and compare the stream with its end."""
    shape, rescale = tile.shape, tile.rescale
    if shape.weights is Weights.MIXED:
        for row in shape.sums:
            for low, both in zip(row[::2], row[1::2], strict=True):
                asm(f"sub {both}, {both}, {low}", f"lsl {low}, {low}, #{MIXED_LIFT}")
    factors, temporary = shape.free[: rescale.words_a_channel], shape.free[3]
    for q in range(shape.outputs):
        asm(load_words(factors, "r1"))
        for row in shape.sums:
            asm.extend(rescale.lines(row[q], factors, temporary))
    y, end = shape.free[:2]
    asm(f"ldrd {y}, {end}, [sp, #{_Y}]", f"cmp r1, {end}")
    valid = tile.outputs % shape.outputs or shape.outputs
    order = list(enumerate(shape.sums))[::-1]
    for q in range(shape.outputs):
        # The last group has no output from `valid` on.
        condition = "" if q < valid else "ne"
        if condition:
            asm(f"i{'t' * len(order)} ne")
        for pixel, row in order:
            at = f"[{y}, #{pixel * tile.outputs}]" if pixel else f"[{y}], #1"
            asm(f"strb{condition} {row[q]}, {at}")
    asm(f"str {y}, [sp, #{_Y}]")


def dot_stream(tile: DotTile, weights: Int64Array, bias: Int64Array) -> npt.NDArray[np.uint32]:
    """Bias, weights and factors of every group, in the order in which the function reads them.

    Args:
        tile: The tile.
        weights: Of the layer, in the order of the pixels' taps, int64 [outputs, segments,
            2 * words].
        bias: With the zero point of the input folded in, int64 [outputs].

    Returns:
        uint32, as long as the function's ``end`` says.
    """
    shape, rescale = tile.shape, tile.rescale
    missing = tile.groups * shape.outputs - tile.outputs
    weights = np.pad(weights, ((0, missing), (0, 0), (0, 0)))
    bias = np.pad(bias, (0, missing))
    lift = np.pad(rescale.lift, (0, missing))
    if shape.weights is Weights.S16:
        bias = bias << lift
        words = _halves(weights << lift[:, None, None])
        words = words.reshape(tile.groups, shape.outputs, tile.segments, tile.words)
    else:
        bias = bias.reshape(-1, 2)
        bias = np.stack([bias[:, 0], bias[:, 0] + 256 * bias[:, 1]], axis=1)
        weights = weights.reshape(-1, 2, *weights.shape[1:])
        words = _halves(weights[:, 0] + 256 * weights[:, 1])
        words = words.reshape(tile.groups, shape.outputs // 2, tile.segments, tile.words)
    parts = [bias.reshape(tile.groups, shape.outputs) & 0xFFFFFFFF]
    for segment in range(tile.segments):
        at = 0
        for taken in tile.steps():
            block = words[:, :, segment, at : at + taken]
            # Several pixels take a word of each output at a time, one pixel an output's words.
            block = block if shape.pixels == 1 else block.transpose(0, 2, 1)
            parts.append(block.reshape(tile.groups, -1))
            at += taken
    factors = [rescale.words(c) for c in range(tile.outputs)]
    factors += [[0] * rescale.words_a_channel] * missing
    parts.append(np.array(factors, np.int64).reshape(tile.groups, -1) & 0xFFFFFFFF)
    return np.concatenate(parts, axis=1).reshape(-1).astype(np.uint32)


def stream_words(tile: DotTile) -> int:
    """Length of the stream."""
    rows = tile.shape.outputs // (1 if tile.shape.weights is Weights.S16 else 2)
    factors = tile.shape.outputs * (1 + tile.rescale.words_a_channel)
    return tile.groups * (rows * tile.segments * tile.words + factors)


def _halves(values: Int64Array) -> Int64Array:
    """Pairs of 16-bit numbers along the last axis as words, the first in the lower half."""
    if np.abs(values + 0.5).max(initial=0) > 1 << 15:
        raise ValueError("a weight leaves 16 bits; `greatest_lift` bounds the lift")
    return (values[..., ::2] & 0xFFFF) | ((values[..., 1::2] & 0xFFFF) << 16)


def greatest_lift(weights: Int64Array) -> Int64Array:
    """Bits by which each output's weights may be shifted left within int16, int64 [outputs].

    Args:
        weights: int64 [outputs, ...].
    """
    worst = np.maximum(np.abs(weights.reshape(weights.shape[0], -1)).max(axis=1), 1)
    lifts = np.arange(15)
    fits: Int64Array = ((worst[:, None] << lifts) < 1 << 15).sum(axis=1).astype(np.int64)
    return fits - 1


def may_be_mixed(weights: Int64Array) -> bool:
    """Whether every pair of outputs fits into halfwords: int8 without -128 always does."""
    padded = np.pad(weights, ((0, weights.shape[0] % 2), *((0, 0),) * (weights.ndim - 1)))
    pairs = padded[::2] + 256 * padded[1::2]
    return bool(pairs.min(initial=0) >= -(1 << 15) and pairs.max(initial=0) < 1 << 15)
