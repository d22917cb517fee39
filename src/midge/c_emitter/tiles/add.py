"""Tiles that add int8 tensors by a line that is proved to equal the rounded sum.

Each operand is rescaled and rounded, the sum of both rescaled and rounded again. But there are only
65,536 pairs of operands. So numbers A, B and C are looked for with which ::

    y = saturate((floor(A * a / 2**16) + floor(B * b / 2**16) + C) >> shift)

holds for every pair; each pair bounds C from below or above, and the bounds leave an interval or
none. What is found is exact because all pairs were tried. SMLAWB and SMLAWT compute such a product
of 32 by 16 bits and add it, so an element takes two of them, SSAT and STRB.

SXTB16 extracts two operands with one instruction; 16 bits of precision then stand between the line
and a wrong neighbour. Where these are too few, operands stand in the upper bytes of their halves:
``AND 0xFF00FF00`` extracts two, two others need a shift before. A and B are then 256 times finer.

Sums that lie exactly between two outputs are rounded away from zero by `tflite_double`, which no
line does: where it is needed, the sum loses one unit if it is negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.c_emitter.kernel import TileFunction
from midge.c_emitter.tiles.asm import Assembly
from midge.graph.requantize import INT32_MAX, Int64Array

ELEMENTS = 8
"""Of a round."""
_LARGEST_SHIFT = 23
_SHIFTS = 2
"""How many are tried."""
_NEIGHBOURS = (0, -1, 1)
"""Coefficients that are tried beside the nearest."""

_A, _B, _Y = "r0", "r1", "r2"
_FACTOR_A, _FACTOR_B, _START = "r3", "r4", "r5"
_WORDS_A, _WORDS_B = ("r6", "r7"), ("r8", "r9")
_ODD_A, _ODD_B = "r10", "r11"
_LAST, _SUM = "r12", "lr"
_END_AT = 0


@dataclass(frozen=True)
class Pairs:
    """What an operator makes of every pair of operands.

    Attributes:
        factors: Real factors of a and b: outputs a unit.
        zeros: Zero points of a and b.
        outputs: The output of the pair (a, b) at [a + 128, b + 128], clamped; int64 [256, 256].
        low: The clamp's least output.
        high: Its greatest.
    """

    factors: tuple[float, float]
    zeros: tuple[int, int]
    outputs: Int64Array
    low: int
    high: int


@dataclass(frozen=True)
class Line:
    """A proved line.

    Attributes:
        is_fine: Operands stand in the upper bytes of their halves.
        is_signed: A negative sum loses one unit.
        factors: A and B.
        start: What is added to the products; C, unless the line is signed.
        addend: What is added to a signed sum behind its sign; otherwise 0.
        shift: To the right.
        low: The clamp's least output where it is not -128.
        high: Its greatest where it is not 127.
    """

    is_fine: bool
    is_signed: bool
    factors: tuple[int, int]
    start: int
    addend: int
    shift: int
    low: int | None
    high: int | None

    @property
    def name(self) -> str:
        """Of the function that computes it: two of one name are one function."""
        ends = (("lo", self.low), ("hi", self.high))
        clamp = "".join(f"_{n}{v}" for n, v in ends if v is not None).replace("-", "m")
        kind = ("fine" if self.is_fine else "coarse") + ("_signed" if self.is_signed else "")
        return f"midge_add_{kind}_s{self.shift}{clamp}"


def find_line(pairs: Pairs) -> Line | None:
    """The cheapest line that equals every output; None where none was found."""
    for is_fine, is_signed in ((False, False), (True, False), (False, True), (True, True)):
        # The larger the shift, the nearer the line; the next one leaves the sums more room.
        shifts = [s for s in range(_LARGEST_SHIFT, -1, -1) if _fits(pairs, is_fine, s)]
        for shift in shifts[:_SHIFTS]:
            for of_a in _NEIGHBOURS:
                for of_b in _NEIGHBOURS:
                    factor_a, factor_b = _factors(pairs, is_fine, shift)
                    factors = factor_a + of_a, factor_b + of_b
                    line = _line(pairs, is_fine, is_signed, shift, factors)
                    if line is not None:
                        return line
    return None


def _factors(pairs: Pairs, is_fine: bool, shift: int) -> tuple[int, int]:
    one = 1 << (shift + (8 if is_fine else 16))
    a, b = (round(factor * one) for factor in pairs.factors)
    return a, b


def _fits(pairs: Pairs, is_fine: bool, shift: int) -> bool:
    """Factors are words, and sums are, with room for zero points."""
    factors = _factors(pairs, is_fine, shift)
    reach = sum(abs(factor) * 256 for factor in pairs.factors) + 512
    return max(map(abs, factors)) < INT32_MAX and reach * (1 << shift) < INT32_MAX


def _line(
    pairs: Pairs, is_fine: bool, is_signed: bool, shift: int, factors: tuple[int, int]
) -> Line | None:
    cut, width, start = 8 if is_fine else 16, 1 << shift, 0
    codes = np.arange(-128, 128, dtype=np.int64)
    of_a, of_b = ((codes * factor) >> cut for factor in factors)
    sums = of_a[:, None] + of_b
    if is_signed:
        # So that a sum has the sign of what it stands for.
        start = -int(of_a[pairs.zeros[0] + 128] + of_b[pairs.zeros[1] + 128])
        sums = sums + start
        sums = sums + (sums >> 63)
    # Pairs whose output is at an end of the clamp bound the addend from one side alone.
    far = np.int64(1) << 62
    outputs = pairs.outputs
    least = int(np.where(outputs > pairs.low, outputs * width - sums, -far).max())
    greatest = int(np.where(outputs < pairs.high, (outputs + 1) * width - 1 - sums, far).min())
    if least > greatest:
        return None
    least, greatest = max(least, greatest - width), min(greatest, least + width)
    addend = (least + greatest) // 2
    if abs(addend) >= INT32_MAX or start + int(np.abs(of_a).max()) >= INT32_MAX:
        return None
    if not is_signed:
        start, addend = addend, 0
    return Line(
        is_fine,
        is_signed,
        factors,
        start,
        addend,
        shift,
        pairs.low if pairs.low != -128 else None,
        pairs.high if pairs.high != 127 else None,
    )


def add_function(line: Line) -> TileFunction:
    """The line's C function.

    Its parameters: the operands ``a`` and ``b`` and ``y``, on words; ``line``, the numbers of the
    line and the end of a: whole rounds of eight elements, at least one.
    """
    asm = Assembly()
    frame = asm.enter(4)
    asm(f"ldm r3, {{{_FACTOR_A}, {_FACTOR_B}, {_START}, r6, r7}}")
    # One register is left for the addend, or for the end.
    asm(f"mov {_LAST}, {'r6' if line.is_signed else 'r7'}", f"str r7, [sp, #{_END_AT}]")
    asm(
        "1:",
        f"ldrd {', '.join(_WORDS_A)}, [{_A}], #{ELEMENTS}",
        f"ldrd {', '.join(_WORDS_B)}, [{_B}], #{ELEMENTS}",
    )
    for a, b in zip(_WORDS_A, _WORDS_B, strict=True):
        asm.extend((*_extracted(line, a, _ODD_A), *_extracted(line, b, _ODD_B)))
        for half in "bt":
            asm.extend(_element(line, half, a, b))
            asm.extend(_element(line, half, _ODD_A, _ODD_B))
    if line.is_signed:
        asm(f"ldr {_SUM}, [sp, #{_END_AT}]", f"cmp {_A}, {_SUM}", "bne.w 1b")
    else:
        asm(f"cmp {_A}, {_LAST}", "bne.w 1b")
    asm.leave(frame)
    parameters = (
        "const int8_t *a",
        "const int8_t *b",
        "int8_t *y",
        "const struct midge_add_line_numbers *line",
    )
    comment = f"Sums of two operands by a line, shift {line.shift}."
    return asm.function(line.name, comment, parameters)


def _extracted(line: Line, word: str, odd: str) -> list[str]:
    """Bytes 0 and 2 in the halves of `word`, bytes 1 and 3 in those of `odd`."""
    if not line.is_fine:
        return [f"sxtb16 {odd}, {word}, ror #8", f"sxtb16 {word}, {word}"]
    return [
        f"and {odd}, {word}, #0xff00ff00",
        f"lsl {word}, {word}, #8",
        f"and {word}, {word}, #0xff00ff00",
    ]


def _element(line: Line, half: str, a: str, b: str) -> list[str]:
    lines = [
        f"smlaw{half} {_SUM}, {_FACTOR_A}, {a}, {_START}",
        f"smlaw{half} {_SUM}, {_FACTOR_B}, {b}, {_SUM}",
    ]
    if line.is_signed:
        lines += [f"add {_SUM}, {_SUM}, {_SUM}, asr #31", f"add {_SUM}, {_SUM}, {_LAST}"]
    lines.append(f"ssat {_SUM}, #8, {_SUM}, asr #{line.shift}")
    if line.low is not None:
        lines += [f"cmp {_SUM}, #{line.low}", "it lt", f"movlt {_SUM}, #{line.low}"]
    if line.high is not None:
        lines += [f"cmp {_SUM}, #{line.high}", "it gt", f"movgt {_SUM}, #{line.high}"]
    return [*lines, f"strb {_SUM}, [{_Y}], #1"]
