"""Pixels of a tile of dot products, widened side by side (`dot_shapes.Order.TOGETHER`)."""

from __future__ import annotations

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import Assembly, load_words, registers

FILLED_PIXELS = 3
_BYTES = ("r4", "r5", "r6")
_ODD = ("r7", "r8", "r9")
"""Four channels of each pixel: as they come and then 0 and 2, and 1 and 3."""


def fill_function(channels: int) -> TileFunction:
    """Three pixels of fours of channels: 11 to 12 instructions for 12 values.

    Its parameters: ``x``, int8, pixel by pixel; ``columns``, six words for every four channels of
    three pixels; ``channels``, a multiple of 4, or of 8 where that of the argument is one, so that
    few functions do for many layers; ``tiles``, how many follow one another.
    """
    together = 2 if channels % 8 == 0 else 1
    asm = Assembly()
    frame = asm.enter(0)
    asm("4:", "add r12, r0, r2", ".balign 4", "5:")
    for _ in range(together):
        asm(f"ldr {_BYTES[2]}, [r0, r2, lsl #1]", f"ldr {_BYTES[1]}, [r0, r2]")
        asm(load_words(_BYTES[:1], "r0"))
        asm.extend(f"sxtb16 {odd}, {four}, ror #8" for odd, four in zip(_ODD, _BYTES, strict=True))
        asm.extend(f"sxtb16 {four}, {four}" for four in _BYTES)
        asm(f"stm r1!, {registers((*_BYTES, *_ODD))}")
    asm("cmp r0, r12", "bne 5b")
    asm("add r0, r0, r2, lsl #1", "subs r3, r3, #1", "bne 4b")
    asm.leave(frame)
    comment = f"Three pixels of {4 * together}s of channels, widened side by side."
    parameters = ("const int8_t *x", "uint32_t *columns", "int32_t channels", "int32_t tiles")
    return asm.function(f"midge_dot_fill_{4 * together}s", comment, parameters)
