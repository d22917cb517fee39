"""Arguments for the functions of `float_math.h`, and what its NumPy twin makes of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from midge.c_emitter.amalgamate import kernel_text
from midge.graph import float_math

UNARY = (
    *("exp", "expm1", "logistic", "tanh", "erf", "log", "sin", "cos", "sqrt"),
    *("round_half_away", "round_half_even"),
)
BINARY = ("power", "divide")
NAMES = UNARY + BINARY
TELLING = (
    *((0x3E4ED386, 0), (0x3E0D16A5, 0)),  # tanh
    *((0x3F2E0370, 0), (0x3F148277, 0), (0x3F016713, 0)),  # erf
    *((0x3F27E66E, 0x4226A04F), (0x3F24926B, 0x42132716), (0x3F2273BA, 0x429364D9)),  # power
    *((0x3F1EA497, 0x427A2752), (0x3F1825F7, 0x42D62C4C), (0x3F11EF99, 0x429364D9)),
    *((0x3F0E3540, 0x42D62C4C), (0x3F0A5F3A, 0xC252CB2F)),
    *((0x3E9EB9C9, 0), (0x3F4940CC, 0)),  # sin
    *((0x3FBFFFFF, 0), (0x3F000001, 0)),  # just under and over a half
    *((0x3EB504F3, 0x3DB01B35), (0x3EB504F3, 0x3E2EDE1C)),  # power, of a root of 1/2
)
"""Bits of pairs whose results another last digit of a coefficient or a bound changes."""
SOURCE = kernel_text(["float_math.h"])
GUARDED = kernel_text(["float32.h", "float_math.h", "requantize.h"])
"""Code behind the guard of `float32.h`."""


def loop(name: str, prefix: str) -> str:
    """A C function that applies one of ours to arrays."""
    arguments = "a[i], b[i]" if name in BINARY else "a[i]"
    return f"""
{prefix}void apply_{name}(const float *a, const float *b, float *y, int count) {{
    (void)b;
    for (int i = 0; i < count; i++) {{ y[i] = midge_{name}_f32({arguments}); }}
}}
"""


@cache
def arguments(count: int, seed: int) -> tuple[Any, Any]:
    """Pairs of floats: all exponents and what networks see, seed 0 every pair of special ones first."""
    generator = np.random.default_rng(seed)
    special = [0, 1, 0x7FFFFF, 0x800000, 0x3EFFFFFF, 0x3F000000, 0x3F7FFFFF, 0x3F800000]
    special += [0x3F800001, 0x40000000, 0x42B17218, 0x4B000000, 0x7F7FFFFF, 0x7F800000]
    special += [0x7F800001, 0x7FC00000]
    bits = np.array([*special, *(b | 0x80000000 for b in special)])
    pairs = np.stack(np.meshgrid(bits, bits), axis=-1).reshape(-1, 2)
    pairs = np.concatenate([pairs, TELLING])
    drawn = generator.integers(0, 2**32, (count, 2))
    # Quotients and powers around the border of the subnormal numbers.
    low = drawn[: count // 8] & [0x87FFFFFF, 0xFFFFFFFF] | [0, 0x3C000000]
    spread = generator.uniform(-1, 1, (count, 2)) * 2.0 ** generator.integers(-14, 8, (count, 2))
    mixture = np.concatenate([drawn, low, spread.astype(np.float32).view(np.uint32)])
    every = np.concatenate([pairs[: 0 if seed else None], generator.permutation(mixture)])
    every = every.astype(np.uint32).view(np.float32)
    return np.ascontiguousarray(every[:count, 0]), np.ascontiguousarray(every[:count, 1])


@cache
def expected_of(name: str, count: int, seed: int) -> Any:
    a, b = arguments(count, seed)
    if name == "round_half_even":
        # NumPy's own but for the sign of a zero that is no argument.
        with np.errstate(invalid="ignore"):
            return np.where(a == 0, a, np.rint(a) + np.float32(0))
    function = getattr(float_math, name)
    return function(a, b) if name in BINARY else function(a)


def assert_same_bits(found: Any, name: str, count: int, seed: int) -> None:
    """Every bit, but that of NaN there is one."""
    (a, b), expected = arguments(count, seed), expected_of(name, count, seed)
    same = found.view(np.uint32) == expected.view(np.uint32)
    wrong = np.flatnonzero(~(same | (np.isnan(found) & np.isnan(expected))))
    what = f"{name}, {wrong.size} of {a.size}"
    first = wrong[:1]
    assert not wrong.size, (what, a[first], b[first], found[first], expected[first])
