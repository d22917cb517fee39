"""Tiles with Helium: a few windows by four outputs, all outputs of the windows, in one function.

VMLADAVA adds 16 products to a sum in an even core register. Two windows by four outputs take all
eight of them, and 14 instructions for 128 products::

    vldrb.8 q0, [x0, #16]       @ 16 taps of the first window
    vldrb.8 q1, [x1, #16]       @ and of the second
    vldrb.8 q2, [stream], #16   @ 16 weights of an output
    vmladava.s8 r0, q0, q2
    vmladava.s8 r8, q1, q2
    ...                         @ and so on for three more outputs

The stream holds what four outputs need, in the order in which it is read: their weights, then the
record of `device/kernels/rescale_mve.h`. Sums then move to vectors, four outputs to one, and are
rescaled there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import Assembly

LANES = 16
"""Bytes of a vector."""
_SUMS = (("r0", "r2", "r4", "r6"), ("r8", "r10", "r12", "lr"))
"""Of each window's four outputs."""
_WINDOWS = ("r5", "r1")
_Y, _STREAM, _COUNT = "r7", "r3", "r9"
_NEAR = 8
"""Vectors that an address reaches by an offset."""
_UNROLLED = 9
"""Vectors of taps that are written out; more of them make a loop.

C99 promises string literals of 4095 characters; nine vectors fit with what follows them.
"""
_LOOP = 4
"""Vectors in a turn of that loop."""


@dataclass(frozen=True)
class WindowsTile:
    """What a tile computes.

    Attributes:
        windows: 1 or 2.
        taps: Of each window; up to a multiple of 16 bytes are read.
        outputs: Of each window; the second's follow the first's.
        rescale: Fields of ``struct midge_rescale_mve``; single rounding of narrow sums alone.
    """

    windows: int
    taps: int
    outputs: int
    rescale: Mapping[str, object]

    @property
    def name(self) -> str:
        """Says everything the tile depends on."""
        shape = f"{self.windows}x{self.taps}x{self.outputs}"
        return f"midge_windows_{shape}_{rescale_name(self.rescale)}_mve"

    def function(self) -> TileFunction:
        """The tile as a C function ``(x0, x1, y, stream)``."""
        asm = Assembly()
        frame = asm.enter(8)
        asm(f"mov {_WINDOWS[0]}, r0", f"mov {_Y}, r2")
        asm(*add_constant("r0", "r2", self.outputs, spare="r0"), "str r0, [sp]", "1:")
        self._sum(asm)
        self._to_vectors(asm)
        self._rescale(asm)
        self._store(asm)
        asm.leave(frame)
        comment = (
            f"{self.windows} windows of {self.taps} taps, {self.outputs} outputs of each: "
            "see tiles/helium.py."
        )
        parameters = ("const int8_t *x0", "const int8_t *x1", "int8_t *y", "const int8_t *stream")
        return asm.function(self.name, comment, parameters)

    # ---- sums ----

    def _sum(self, asm: Assembly) -> None:
        vectors, rest = self.taps // LANES, self.taps % LANES
        walks = vectors + (rest > 0) > _NEAR
        turns = (vectors - 1) // _LOOP if vectors + (rest > 0) > _UNROLLED else 0
        straight = vectors - turns * _LOOP
        for vector in range(straight):
            self._vector(asm, vector, walks, first=vector == 0)
        if turns:
            asm(*load_constant(_COUNT, turns), "2:")
            for _ in range(_LOOP):
                self._vector(asm, 0, walks, first=False)
            asm(f"subs {_COUNT}, {_COUNT}, #1", "bne 2b")
        if rest:
            self._vector(asm, vectors, walks, first=vectors == 0, apart=rest)
        if walks:
            back = (vectors + (rest > 0)) * LANES
            for x in _WINDOWS[: self.windows]:
                asm(*subtract_constant(x, back, spare=_COUNT))

    def _vector(
        self, asm: Assembly, index: int, walks: bool, *, first: bool, apart: int = LANES
    ) -> None:
        """16 taps of every sum; weights of two outputs are in flight.

        The last weights of outputs, fewer than 16, stand `apart`, and the stream before them.
        """
        form = "vmladav.s8" if first else "vmladava.s8"
        at = f"], #{LANES}" if walks else f", #{index * LANES}]"
        for window in range(self.windows):
            asm(f"vldrb.8 q{window}, [{_WINDOWS[window]}{at}")
        for output in range(4):
            weights = f"q{2 + output % 2}"
            place = f"], #{LANES}" if apart == LANES else f", #{output * apart}]"
            asm(f"vldrb.8 {weights}, [{_STREAM}{place}")
            for window in range(self.windows):
                asm(f"{form} {_SUMS[window][output]}, q{window}, {weights}")

    def _to_vectors(self, asm: Assembly) -> None:
        for window in range(self.windows):
            s0, s1, s2, s3 = _SUMS[window]
            asm(f"vmov q{window}[2], q{window}[0], {s0}, {s2}")
            asm(f"vmov q{window}[3], q{window}[1], {s1}, {s3}")

    # ---- from sums to bytes ----

    def _rescale(self, asm: Assembly) -> None:
        """As `device/kernels/rescale_mve.h`; core registers of sums are free."""
        r = self.rescale
        asm(f"vldrw.32 q2, {self._record(0)}")
        self._each(asm, "vadd.i32 {q}, {q}, q2")
        if r["shifts_left"]:
            self._load_shifts(asm)
            asm("vmov.i32 q2, #0", "vmax.s32 q2, q2, q3")
            self._each(asm, "vshl.s32 {q}, {q}, q2")
        if r["has_multipliers"]:
            asm(f"vldrw.32 q2, {self._record(16)}")
        else:
            asm(*load_constant("r0", integer(r["one_multiplier"])))
        self._multiply(asm)
        if r["has_shifts"] or not r["narrow"]:
            self._load_shifts(asm)
        if r["shifts_left"]:
            asm("vmov.i32 q2, #0", "vmin.s32 q3, q3, q2")
        self._shift(asm)
        if r["y_zero"] != 0:
            asm(*load_constant("r4", integer(r["y_zero"])))
            self._each(asm, ("vqadd.s32" if r["wide"] else "vadd.i32") + " {q}, {q}, r4")
        self._clamp(asm)
        asm(f"add {_STREAM}, {_STREAM}, #{4 * (self.taps % LANES + integer(r['words']))}")

    def _record(self, at: int) -> str:
        """Address in the record; the stream stands before the last weights, if they are few."""
        return f"[{_STREAM}, #{4 * (self.taps % LANES) + at}]"

    def _load_shifts(self, asm: Assembly) -> None:
        if self.rescale["has_shifts"]:
            asm(f"vldrb.s32 q3, {self._record(shift_at(self.rescale))}")
        else:
            asm(*load_constant("r2", integer(self.rescale["one_shift"])), "vdup.32 q3, r2")

    def _multiply(self, asm: Assembly) -> None:
        r = self.rescale
        form = "vqrdmulh.s32" if r["is_double"] else "vqdmulh.s32"
        by = "q2" if r["has_multipliers"] else "r0"
        # Half away from zero is half up of what lies 1 below where the sum is negative.
        correct = r["is_double"] and r["is_tie_seen"] and r["narrow"]
        for window in range(self.windows):
            q = f"q{window}"
            asm(*([f"vshr.s32 q3, {q}, #31"] if correct else []))
            asm(f"{form} {q}, {q}, {by}")
            asm(*([f"vadd.i32 {q}, {q}, q3"] if correct else []))

    def _shift(self, asm: Assembly) -> None:
        r = self.rescale
        if r["narrow"] and not r["has_shifts"]:
            asm(*load_constant("r2", integer(r["one_shift"])))
            self._each(asm, "vrshl.s32 {q}, r2")
            return
        if r["is_tie_seen"] and not r["narrow"]:
            # A shift of 0 has no sign bit, and so no correction.
            for window in range(self.windows):
                asm(f"vand q2, q{window}, q3", "vshr.s32 q2, q2, #31")
                asm(f"vqadd.s32 q{window}, q{window}, q2")
        self._each(asm, "vrshl.s32 {q}, {q}, q3")

    def _clamp(self, asm: Assembly) -> None:
        low, high = integer(self.rescale["low"]), integer(self.rescale["high"])
        if (low, high) == (-128, 127):
            # Narrowing saturates; only the lowest byte is stored.
            self._each(asm, "vqmovnb.s32 {q}, {q}")
            self._each(asm, "vqmovnb.s16 {q}, {q}")
            return
        for value, form in ((low, "vmax"), (high, "vmin")):
            asm(*load_constant("r6", value), "vdup.32 q2, r6")
            self._each(asm, f"{form}.s32 {{q}}, {{q}}, q2")

    def _each(self, asm: Assembly, line: str) -> None:
        asm.extend(line.format(q=f"q{window}") for window in range(self.windows))

    def _store(self, asm: Assembly) -> None:
        """Store, and go on until the first window's outputs end."""
        whole = self.outputs % 4 == 0
        stores = []
        if self.windows == 2 and self.outputs < 128:
            stores.append(f"q1, [{_Y}, #{self.outputs}]")
        elif self.windows == 2:
            asm(*add_constant("r2", _Y, self.outputs, spare="r2"))
            stores.append("q1, [r2]")
        stores.append(f"q0, [{_Y}], #4")
        asm("ldr r0, [sp]")
        if whole:
            asm.extend(f"vstrb.32 {store}" for store in stores)
            asm(f"cmp {_Y}, r0", "bne 1b")
            return
        asm(f"subs r0, r0, {_Y}", "vctp.32 r0", "vpst" + "t" * (len(stores) - 1))
        asm.extend(f"vstrbt.32 {store}" for store in stores)
        asm("cmp r0, #4", "bhi 1b")


def shift_at(rescale: Mapping[str, object]) -> int:
    """Where shifts stand in a record."""
    return 32 if rescale["has_multipliers"] else 16


def rescale_name(rescale: Mapping[str, object]) -> str:
    """Everything of a rescaling that a tile depends on, as part of its name."""
    one = [
        "" if rescale[f"has_{what}s"] else f"{letter}{_plain(rescale[f'one_{what}'])}"
        for what, letter in (("multiplier", "m"), ("shift", "s"))
    ]
    flags = {
        "is_double": "d",
        "is_tie_seen": "t",
        "narrow": "n",
        "wide": "w",
        "shifts_left": "l",
    }
    kind = "".join(letter for flag, letter in flags.items() if rescale[flag])
    clamp = "_".join(_plain(rescale[field]) for field in ("y_zero", "low", "high"))
    return f"{kind}{''.join(one)}_{clamp}"


def integer(value: object) -> int:
    """A field that is a number.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no integer")
    return value


def _plain(value: object) -> str:
    """A number as part of a name."""
    return str(integer(value)).replace("-", "n")


def load_constant(register: str, value: int) -> list[str]:
    """A constant."""
    if 0 <= value < 256:
        return [f"mov {register}, #{value}"]
    if -256 < value < 0:
        return [f"mvn {register}, #{~value}"]
    unsigned = value & 0xFFFFFFFF
    lines = [f"movw {register}, #{unsigned & 0xFFFF}"]
    return lines + ([f"movt {register}, #{unsigned >> 16}"] if unsigned >> 16 else [])


def add_constant(target: str, register: str, value: int, spare: str) -> list[str]:
    """``target = register + value``; `spare` may be the target."""
    if value < 4096:
        return [f"addw {target}, {register}, #{value}"]
    return [*load_constant(spare, value), f"add {target}, {register}, {spare}"]


def subtract_constant(register: str, value: int, spare: str) -> list[str]:
    """``register -= value``."""
    if value < 4096:
        return [f"subw {register}, {register}, #{value}"]
    return [*load_constant(spare, value), f"sub {register}, {register}, {spare}"]
