"""Rounding half to even in `requantize.h`: integers against the interpreter's float32, number by number."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midge.graph import Rounding
from midge.graph.requantize import Requantization, quantize_multiplier, requantize
from midge.toolchain import build_host_library

SOURCE = """
#include "requantize.h"
void rescale(const int32_t *values, int32_t *scaled, int count, int32_t multiplier, int32_t shift,
             int narrow);
void rescale(const int32_t *values, int32_t *scaled, int count, int32_t multiplier, int32_t shift,
             int narrow) {
    const struct midge_factors factors = {.one_multiplier = multiplier, .base_shift = shift,
                                          .rounding = MIDGE_HALF_EVEN, .narrow = narrow};
    for (int k = 0; k < count; k++) {
        scaled[k] = midge_rescale(values[k], midge_factor_of(&factors, k), &factors);
    }
}
void cut(const int32_t *values, int64_t *cut, int count);
void cut(const int32_t *values, int64_t *cut, int count) {
    for (int k = 0; k < count; k++) {
        cut[k] = midge_cut_to_24_bits(values[k]);
    }
}
"""
FAR = 2**17


@cache
def library() -> Any:
    kernels = resources.files("midge.device") / "kernels"
    sources = {n: (kernels / n).read_text("ascii") for n in ("base.h", "requantize.h")}
    flags = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    # A trap would end this process: what is undefined is found, not only what comes out wrong.
    path = build_host_library(
        {**sources, "rescale.c": SOURCE}, flags=flags, sanitizers=("undefined",)
    )
    return ctypes.CDLL(str(path))


def on_device(values: Any, scale: np.float32) -> Any:
    """Held at FAR; what may be narrow is computed in both ways."""
    multiplier, shift = quantize_multiplier(float(scale))

    def rescaled(some: Any, *, narrow: bool) -> Any:
        numbers = np.ascontiguousarray(some, np.int32)
        scaled = np.zeros_like(numbers)
        library().rescale(
            *(a.ctypes.data_as(ctypes.c_void_p) for a in (numbers, scaled)),
            *(numbers.size, multiplier, -shift, int(narrow)),
        )
        return np.clip(scaled.astype(np.int64), -FAR, FAR)

    found = rescaled(values, narrow=False)
    if -31 <= shift <= -1:
        fits = np.abs(values) < 2**30
        assert np.array_equal(rescaled(values[fits], narrow=True), found[fits])
    return found


def in_float32(values: Any, scale: np.float32) -> Any:
    return np.clip(np.rint(np.asarray(values).astype(np.float32) * scale), -FAR, FAR)


def near_ties(scale: np.float32, generator: np.random.Generator) -> Any:
    """Sums whose products lie next to a half."""
    halves = generator.integers(-200, 200, 4000) + 0.5
    middle = np.rint(halves / np.float64(scale))
    every = (middle[:, None] + np.arange(-1, 2)).ravel()
    return every[np.abs(every) < 2**31].astype(np.int64)


@settings(deadline=None, max_examples=300)
@given(
    mantissa=st.integers(2**23, 2**24 - 1),
    exponent=st.integers(-54, 5),
    seed=st.integers(0, 2**16),
)
@example(2**23, -24, 0)
@example(2**23, -23, 1)
@example(2**23 + 1, -31, 2)
@example(2**24 - 1, -33, 3)
def test_rescaled_sums_equal_float32_products(mantissa: int, exponent: int, seed: int) -> None:
    scale = np.float32(np.ldexp(float(mantissa), exponent))
    generator = np.random.default_rng(seed)
    everywhere = np.exp2(generator.uniform(0, 31, 500)) * generator.choice([-1, 1], 500)
    values = np.concatenate(
        [
            everywhere.astype(np.int64),
            near_ties(scale, generator),
            [0, 1, -1, 2**31 - 1, -(2**31), 2**24, 2**24 + 1, 2**25 + 2, -(2**24) - 1],
        ]
    )
    expected = in_float32(values, scale)
    assert np.array_equal(on_device(values, scale), expected)
    multiplier, shift = quantize_multiplier(float(scale))
    factor = Requantization(np.int32([multiplier]), np.int32([shift]), Rounding.HALF_EVEN)
    assert np.array_equal(np.clip(requantize(values, factor), -FAR, FAR), expected)


def test_products_that_only_float32_makes_ties_are_met() -> None:
    # 24 bits cannot tell these from a half; a kernel that rounds the exact product fails here.
    generator = np.random.default_rng(0)
    met = 0
    for _ in range(2000):
        scale = np.float32(np.ldexp(float(generator.integers(2**23, 2**24)), -40))
        values = near_ties(scale, generator)
        exact = np.rint(values * np.float64(scale))
        settled = in_float32(values, scale)
        met += int((exact != settled).sum())
        assert np.array_equal(on_device(values, scale), settled)
    assert met > 10


def test_sums_are_cut_to_floats() -> None:
    # Around the powers of two, where the last place of a float changes.
    near = (1 << np.arange(24, 31))[:, None] + np.arange(-300, 300)
    ends = [2**31 - 1, 2**31 - 64, -(2**31)]
    values = np.concatenate([near[near >= 2**24], -near[near >= 2**24], ends]).astype(np.int32)
    found = np.zeros(values.size, np.int64)
    pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in (values, found))
    library().cut(*pointers, values.size)
    assert np.array_equal(found, values.astype(np.float32).astype(np.int64))


def test_products_halfway_between_a_tie_and_the_next_float() -> None:
    # A product of 25 or 26 bits, whose float32 is the tie or its neighbour by the even mantissa.
    met = 0
    for odd in range(1, 256, 2):
        for bits in (25, 26, 27):
            places = bits - odd.bit_length()
            for product in ((odd << places) - 1, (odd << places) + 1):
                for factor in (3, 5, 7, 9, 11, 13, 17, 19, 23, 29, 31, 37):
                    if product % factor or product // factor >= 2**24:
                        continue
                    scale = np.float32(np.ldexp(product // factor, -places - 1))
                    values = np.array([factor, -factor], np.int64)
                    assert np.array_equal(on_device(values, scale), in_float32(values, scale))
                    met += 1
    assert met > 500


def test_products_near_one_half() -> None:
    # Below it floats lie closer than above.
    generator = np.random.default_rng(0)
    for mantissa in generator.integers(2**23, 2**24, 3000):
        scale = np.float32(np.ldexp(float(mantissa), int(generator.integers(-48, -44))))
        middle = np.rint(0.5 / np.float64(scale)) + np.arange(-2, 3)
        values = np.concatenate([middle, -middle]).astype(np.int64)
        assert np.array_equal(on_device(values, scale), in_float32(values, scale))
