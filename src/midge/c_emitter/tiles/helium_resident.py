"""Tiles with Helium whose weights stay in registers: narrow windows, and depthwise convolutions.

Where the taps of an output fit one vector, the weights of four outputs take four of the eight
vector registers, and pixel after pixel passes by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import Assembly
from midge.c_emitter.tiles.helium import (
    add_constant,
    integer,
    load_constant,
    rescale_name,
    shift_at,
)


@dataclass(frozen=True)
class StripTile:
    """Windows of up to 16 taps, each in a vector of its own, by four outputs whose weights stay.

    Weights, biases and factors of four outputs take seven vectors, so that a window costs 15
    instructions for them. The stream's weights are filled up to whole vectors.

    Attributes:
        outputs: Of each window.
        rescale: As for `WindowsTile`; see `strip_rescales`.
    """

    outputs: int
    rescale: Mapping[str, object]

    @property
    def name(self) -> str:
        """Says everything the tile depends on."""
        return f"midge_strip_{self.outputs}_{rescale_name(self.rescale)}_mve"

    def function(self) -> TileFunction:
        """The tile as a C function ``(windows, y, stream, count)``."""
        asm = Assembly()
        r, whole = self.rescale, self.outputs % 4 == 0
        frame = asm.enter(0)
        asm("vpush {d8-d15}", "mov r9, r3", "mov r3, r2", "mov r11, r1", "mov r5, r0")
        asm(*add_constant("r12", "r1", self.outputs, spare="r12"))
        asm(*load_constant("r10", integer(r["y_zero"])))
        # A factor of all stands in a core register; a shift beside a multiplier finds none.
        asm(
            *load_constant(
                "r8", integer(r["one_shift" if r["has_multipliers"] else "one_multiplier"])
            )
        )
        asm("1:", *(f"vldrb.8 q{i}, [r3], #16" for i in range(4)), "vldrw.32 q4, [r3]")
        asm(*(["vldrw.32 q5, [r3, #16]"] if r["has_multipliers"] else []))
        asm(*([f"vldrb.s32 q6, [r3, #{shift_at(r)}]"] if r["has_shifts"] else []))
        asm(f"add r3, r3, #{4 * integer(r['words'])}", "mov r1, r5", "mov r7, r11")
        if not whole:
            asm("sub r0, r12, r11", "vctp.32 r0")
        asm("dls lr, r9", "2:", "vldrb.8 q7, [r1], #16")
        asm(*(f"vmladav.s8 r{2 * i}, q{i}, q7" for i in range(4)))
        asm("vmov q7[2], q7[0], r0, r4", "vmov q7[3], q7[1], r2, r6", "vadd.i32 q7, q7, q4")
        self._rescale(asm)
        store = "vstrb.32 q7, [r7]" if whole else "vstrbt.32 q7, [r7]"
        asm(*([] if whole else ["vpst"]))
        if self.outputs < 128:
            asm(f"{store}, #{self.outputs}")
        else:
            asm(store, *add_constant("r7", "r7", self.outputs, spare="r0"))
        asm("le lr, 2b", "add r11, r11, #4", "cmp r11, r12", "blo 1b", "vpop {d8-d15}")
        asm.leave(frame)
        comment = f"Windows of one vector, {self.outputs} outputs of each: see tiles/helium.py."
        parameters = ("const int8_t *x", "int8_t *y", "const int8_t *stream", "int32_t count")
        return asm.function(self.name, comment, parameters)

    def _rescale(self, asm: Assembly) -> None:
        r = self.rescale
        form = "vqrdmulh.s32" if r["is_double"] else "vqdmulh.s32"
        correct = r["is_double"] and r["is_tie_seen"]
        asm(*(["vshr.s32 q6, q7, #31"] if correct else []))
        asm(f"{form} q7, q7, {'q5' if r['has_multipliers'] else 'r8'}")
        asm(*(["vadd.i32 q7, q7, q6"] if correct else []))
        if r["has_shifts"]:
            # The correction took the register of the shifts; the record lies behind r3.
            at = shift_at(r) - 4 * integer(r["words"])
            asm(*([f"vldrb.s32 q6, [r3, #{at}]"] if correct else []))
            asm("vrshl.s32 q7, q7, q6")
        elif r["has_multipliers"]:
            asm("vrshl.s32 q7, r8")
        else:
            asm(*load_constant("r0", integer(r["one_shift"])), "vrshl.s32 q7, r0")
        asm(*(["vadd.i32 q7, q7, r10"] if r["y_zero"] != 0 else []))
        asm("vqmovnb.s32 q7, q7", "vqmovnb.s16 q7, q7")


@dataclass(frozen=True)
class RowTile:
    """A row of pixels of a depthwise convolution whose taps fit a vector, four channels at a time.

    Weights of four channels stay in registers. A pixel gathers their taps, a vector each, from
    interleaved rows (`device/kernels/depthwise_conv_2d_s8_mve.h`)::

        vldrw.u32 q7, [q4, #4]      @ four columns of four rows of a channel
        vmladav.s8 r2, q7, q1       @ up to 16 taps

    The function depends on no shape, so layers share it.

    Attributes:
        is_whole: Channels are a multiple of four.
        rescale: As for `WindowsTile`, of narrow sums.
    """

    is_whole: bool
    rescale: Mapping[str, object]

    @property
    def name(self) -> str:
        """Says everything the tile depends on."""
        whole = "" if self.is_whole else "_rest"
        return f"midge_depthwise_row{whole}_{rescale_name(self.rescale)}_mve"

    def function(self) -> TileFunction:
        """The tile as a C function ``(row)`` of a ``struct midge_depthwise_row_mve``."""
        asm, r = Assembly(), self.rescale
        frame = asm.enter(8)
        asm("mov r5, r0", "ldr r1, [r5]", "ldr r11, [r5, #4]", "ldr r3, [r5, #8]")
        asm("ldr r12, [r5, #12]", "ldr r9, [r5, #16]", "ldr r10, [r5, #20]")
        asm("add r0, r11, r12", "str r0, [sp]", "vpush {d8-d15}")
        asm(*load_constant("r8", integer(r["y_zero"])))
        if not r["has_multipliers"]:
            asm(*load_constant("r0", integer(r["one_multiplier"])), "vdup.32 q5, r0")
        asm("1:", *(f"vldrb.8 q{i}, [r3], #16" for i in range(4)))
        asm(*(["vldrw.32 q5, [r3, #16]"] if r["has_multipliers"] else []))
        asm("vldrw.32 q4, [r5, #24]", "vadd.i32 q4, q4, r1", "mov r7, r11", "ldr r0, [sp, #64]")
        if not self.is_whole:
            asm("sub r0, r0, r11", "vctp.32 r0")
        asm("dls lr, r9", "2:")
        for channel in range(4):
            asm(f"vldrw.u32 q7, [q4, #{4 * channel}]", f"vmladav.s8 r{2 * channel}, q7, q{channel}")
        asm("vadd.i32 q4, q4, r10")
        asm("vmov q7[2], q7[0], r0, r4", "vmov q7[3], q7[1], r2, r6")
        asm("vldrw.32 q6, [r3]", "vadd.i32 q7, q7, q6")
        self._rescale(asm)
        asm(*(["vstrb.32 q7, [r7]"] if self.is_whole else ["vpst", "vstrbt.32 q7, [r7]"]))
        asm("add r7, r7, r12", "le lr, 2b", f"add r3, r3, #{4 * integer(r['words'])}")
        asm("add r1, r1, #16", "add r11, r11, #4", "ldr r0, [sp, #64]", "cmp r11, r0", "blo 1b")
        asm("vpop {d8-d15}")
        asm.leave(frame)
        comment = "A row of pixels of a depthwise convolution: see tiles/helium.py."
        return asm.function(self.name, comment, ("const struct midge_depthwise_row_mve *row",))

    def _rescale(self, asm: Assembly) -> None:
        r = self.rescale
        correct = r["is_double"] and r["is_tie_seen"]
        asm(*(["vshr.s32 q6, q7, #31"] if correct else []))
        asm(f"{'vqrdmulh' if r['is_double'] else 'vqdmulh'}.s32 q7, q7, q5")
        asm(*(["vadd.i32 q7, q7, q6"] if correct else []))
        if r["has_shifts"]:
            asm(f"vldrb.s32 q6, [r3, #{shift_at(r)}]", "vrshl.s32 q7, q7, q6")
        else:
            asm(*load_constant("r0", integer(r["one_shift"])), "vrshl.s32 q7, r0")
        asm(*(["vadd.i32 q7, q7, r8"] if r["y_zero"] != 0 else []))
        low, high = integer(r["low"]), integer(r["high"])
        if (low, high) == (-128, 127):
            asm("vqmovnb.s32 q7, q7", "vqmovnb.s16 q7, q7")
            return
        asm(*load_constant("r0", low), "vdup.32 q6, r0", "vmax.s32 q7, q7, q6")
        asm(*load_constant("r0", high), "vdup.32 q6, r0", "vmin.s32 q7, q7, q6")


def strip_rescales(rescale: Mapping[str, object]) -> bool:
    """True where sums are narrow, and no registers are wanted for a clamp within int8."""
    return bool(rescale["narrow"]) and (rescale["low"], rescale["high"]) == (-128, 127)
