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

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import Assembly, load_words
from midge.c_emitter.tiles.dot_shapes import MIXED_LIFT, Weights
from midge.c_emitter.tiles.dot_steps import Steps
from midge.c_emitter.tiles.dot_tile import LDR_REACH, DotTile

# Words of the frame.
_X, _Y, _END, _START, _TILES, _LOOP, _TABLE, _TABLE_END = (4 * i for i in range(8))


def dot_function(tile: DotTile) -> TileFunction:
    """The tile's C function.

    Its parameters: ``x``, the first pixel's data, or a table of where each segment of it begins;
    ``stream``; ``y``, int8, the first pixel's outputs, those of the next behind them; ``end`` of
    the stream; ``tiles``, how many follow one another; ``outputs`` of the layer, which only a
    function for any number of them reads. The table moves on with the tiles.
    """
    shape, asm = tile.shape, Assembly()
    frame = asm.enter(32 if tile.segments > 1 else 24)
    temporary = shape.free[0]
    if shape.y:
        asm(f"mov {shape.y}, r2")
    asm(f"str r0, [sp, #{_X}]", f"strd r2, r3, [sp, #{_Y}]", f"str r1, [sp, #{_START}]")
    asm(f"ldr {temporary}, {asm.passed(4, frame)}", f"str {temporary}, [sp, #{_TILES}]")
    if tile.segments > 1:
        asm(f"add r0, r0, #{4 * tile.segments}", f"str r0, [sp, #{_TABLE_END}]")
    asm("4:", f"ldr r1, [sp, #{_START}]", ".balign 4", "1:")
    if tile.segments > 1:
        _segments(asm, tile)
    else:
        if not tile.walks:
            asm(f"ldr r0, [sp, #{_X}]", *(["ldr r0, [r0]"] if tile.table else []))
        _words(asm, tile, starts=True)
    _finish(asm, tile, asm.passed(5, frame))
    asm(f"b{tile.follows} 1b")
    _move_on(asm, tile, asm.passed(5, frame))
    asm(f"ldr r2, [sp, #{_TILES}]", "subs r2, r2, #1", f"str r2, [sp, #{_TILES}]", "bne 4b")
    asm.leave(frame)
    outputs = "any number of" if tile.serves_any else str(tile.outputs)
    comment = (
        f"{shape.pixels} pixels by {shape.outputs} of {outputs} outputs, "
        f"{tile.segments} x {2 * tile.words} taps."
    )
    kind = "const uint32_t **x" if tile.table else "const uint32_t *x"
    rest = ("const uint32_t *stream", "int8_t *y", "const uint32_t *end", "int32_t tiles")
    last = () if tile.table else ("int32_t outputs",)
    return asm.function(tile.name, comment, (kind, *rest, *last))


def _move_on(asm: Assembly, tile: DotTile, outputs: str) -> None:
    """To the next tile's pixels, and their outputs; `outputs` is where their number stands."""
    skipped = (tile.shape.pixels - 1) * tile.outputs
    y = tile.shape.y
    if skipped and tile.any_outputs:
        asm(f"ldr r2, [sp, #{_Y}]", f"ldr r3, {outputs}")
        asm.extend(["add r2, r2, r3"] * (tile.shape.pixels - 1))
        asm(f"str r2, [sp, #{_Y}]")
    elif skipped and y:
        asm(f"addw {y}, {y}, #{skipped}")
    elif skipped:
        asm(f"ldr r2, [sp, #{_Y}]", f"addw r2, r2, #{skipped}", f"str r2, [sp, #{_Y}]")
    if tile.rewinds:
        return
    if not tile.table:
        asm(f"addw r0, r0, #{tile.walked_bytes}" if tile.walks else f"str r0, [sp, #{_X}]")
        return
    asm(f"ldr r2, [sp, #{_X}]")
    for segment in range(tile.segments):
        at = f"[r2, #{4 * segment}]"
        asm(f"ldr r3, {at}", *_add("r3", "r3", tile.tile_bytes, "r4"), f"str r3, {at}")


def _segments(asm: Assembly, tile: DotTile) -> None:
    """A window's segments: written out where they are short, else in a loop."""
    first, second = tile.shape.free[:2]
    if not tile.loops_over_segments:
        for segment in range(tile.segments):
            asm(f"ldr {first}, [sp, #{_X}]", f"ldr r0, [{first}, #{4 * segment}]")
            _words(asm, tile, starts=segment == 0)
        return
    sums = tile.shape.sums
    asm(load_words(sums[0], "r1"))
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
    steps, writer = list(tile.steps()), Steps(asm, tile)
    if starts:
        writer.start()
        writer.step(steps.pop(0))
    whole = sum(1 for n in steps if n == tile.shape.words)
    rounds, size = _rounds(whole, tile.most_steps)
    if rounds > 1:
        temporary = tile.shape.free[0]
        asm.extend(_add(temporary, "r0", rounds * size * tile.shape.step_bytes))
        asm(f"str {temporary}, [sp, #{_LOOP}]", ".balign 4", "3:")
        for _ in range(size):
            writer.step(tile.shape.words)
        asm(f"ldr {temporary}, [sp, #{_LOOP}]", f"cmp r0, {temporary}", "bne 3b")
        steps = steps[rounds * size :]
    for words in steps:
        writer.step(words)


def _rounds(steps: int, unroll: int) -> tuple[int, int]:
    """How often a loop of how many steps runs; the rest is written out behind it."""
    if steps <= unroll:
        return 1, steps
    size = max(range(max(unroll // 3, 1), unroll // 2 + 1), key=lambda s: (-(steps % s), s))
    return steps // size, size


def _add(target: str, base: str, value: int, temporary: str | None = None) -> list[str]:
    """A sum with a constant; a large one takes the target, or another register if that is base."""
    if value <= LDR_REACH:
        return [f"addw {target}, {base}, #{value}"]
    holder = temporary or target
    lines = [f"movw {holder}, #{value & 0xFFFF}"]
    if value >> 16:
        lines.append(f"movt {holder}, #{value >> 16}")
    return [*lines, f"add {target}, {base}, {holder}"]


def _finish(asm: Assembly, tile: DotTile, outputs: str) -> None:
    """Rescale all sums, see whether another group follows, and store them."""
    shape = tile.shape
    if shape.weights is Weights.MIXED:
        for row in shape.sums:
            for low, both in zip(row[::2], row[1::2], strict=True):
                asm(f"sub {both}, {both}, {low}", f"lsl {low}, {low}, #{MIXED_LIFT}")
    _rescale(asm, tile)
    if tile.walks and not tile.rewinds:
        asm(f"subw r0, r0, #{tile.walked_bytes}")
    y, end = shape.y or shape.free[0], shape.free[1]
    if tile.rewinds:
        asm(f"adds r0, r0, {shape.free[tile.rescale.words_a_channel * shape.outputs]}")
    elif shape.y:
        asm(f"ldr {end}, [sp, #{_END}]", f"cmp r1, {end}")
    else:
        asm(f"ldrd {y}, {end}, [sp, #{_Y}]", f"cmp r1, {end}")
    _store(asm, tile, y, outputs)


def _store(asm: Assembly, tile: DotTile, y: str, outputs: str) -> None:
    """All outputs of a group. Flags say whether another group follows, and stay."""
    shape, distance = tile.shape, tile.shape.free[2]
    if tile.any_outputs:
        asm(f"ldr {distance}, {outputs}")
    order = list(enumerate(shape.sums))[::-1]
    for q in range(shape.outputs):
        # The last group has no output from `valid` on.
        condition = "" if q < tile.valid else tile.follows
        if condition:
            asm(f"i{'t' * len(order)} {condition}")
        for pixel, row in order:
            at = f"[{y}, #{pixel * tile.outputs}]"
            if tile.any_outputs:
                at = f"[{y}, {distance}{', lsl #1' if pixel == 2 else ''}]"
            asm(f"strb{condition} {row[q]}, {at if pixel else f'[{y}], #1'}")
    if not shape.y:
        asm(f"str {y}, [sp, #{_Y}]")


def _rescale(asm: Assembly, tile: DotTile) -> None:
    """All sums to int8, with the factors of as many outputs at a time as registers are free."""
    shape, rescale = tile.shape, tile.rescale
    words, free = rescale.words_a_channel, shape.free
    for first in range(0, shape.outputs, tile.together):
        outputs = range(first, min(first + tile.together, shape.outputs))
        asm(load_words(free[: words * len(outputs) + tile.rewinds], "r1"))
        for q in outputs:
            factors = free[words * (q - first) :][:words]
            for row in shape.sums:
                asm.extend(rescale.lines(row[q], factors, free[-1]))
