"""`requantize_16x8.h` against the interpreter's arithmetic, number by number."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.graph import Rounding
from midge.graph.requantize import Requantization, reduced_multiplier, requantize
from midge.toolchain import build_host_library

SOURCE = """
#include "requantize_16x8.h"
void rescale(const int64_t *sums, int32_t *scaled, int count, uint32_t word, int narrow);
void rescale(const int64_t *sums, int32_t *scaled, int count, uint32_t word, int narrow) {
    const struct midge_factors_16x8 factors = {.one_word = word, .narrow = narrow};
    for (int k = 0; k < count; k++) {
        scaled[k] = midge_rescale_16x8(sums[k], midge_factor_word(&factors, k), &factors);
    }
}
"""


@cache
def library() -> Any:
    kernels = resources.files("midge.device") / "kernels"
    sources = {n: (kernels / n).read_text("ascii") for n in ("base.h", "requantize_16x8.h")}
    flags = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    # A trap would end this process: what is undefined is found, not only what comes out wrong.
    path = build_host_library(
        {**sources, "rescale.c": SOURCE}, flags=flags, sanitizers=("undefined",)
    )
    return ctypes.CDLL(str(path))


def on_device(sums: Any, multiplier: int, shift: int, *, narrow: bool) -> Any:
    reduced = int(reduced_multiplier(np.int64(multiplier)))
    numbers = np.ascontiguousarray(sums, np.int64)
    scaled = np.zeros(numbers.shape, np.int32)
    library().rescale(
        *(a.ctypes.data_as(ctypes.c_void_p) for a in (numbers, scaled)),
        *(numbers.size, ctypes.c_uint32(reduced | (15 - shift) << 16), int(narrow)),
    )
    return scaled.astype(np.int64)


def exact(sums: Any, multiplier: int, shift: int) -> Any:
    factors = Requantization(
        np.array([multiplier], np.int32), np.array([shift], np.int32), Rounding.TFLITE_16X8
    )
    return requantize(np.asarray(sums, np.int64), factors)


def sums(limit: int, seed: int) -> Any:
    """Sums on all scales under a limit, and those around powers of two and the ends."""
    generator = np.random.default_rng(seed)
    drawn = np.exp2(generator.uniform(0, np.log2(limit), 400)) * generator.choice([-1, 1], 400)
    powers = (np.int64(1) << np.arange(48))[:, None] + np.arange(-2, 3)
    every = np.concatenate([drawn.astype(np.int64), powers.ravel(), -powers.ravel(), [0]])
    every = np.concatenate([every, [limit - 1, -limit + 1, -limit]])
    return every[(every < limit) & (every >= -limit)]


multipliers = st.integers(2**30, 2**31 - 1) | st.sampled_from(
    [0, 2**30, 2**30 + 1, 2**31 - 1, 0x7FFEFFFF, 0x7FFF0000, 0x7FFF8000, 3 * 2**29]
)
seeds = st.integers(0, 2**16)


@settings(deadline=None)
@given(multiplier=multipliers, shift=st.integers(-31, -2), seed=seeds)
def test_narrow_sums(multiplier: int, shift: int, seed: int) -> None:
    values = sums(2**31, seed)
    found = on_device(values, multiplier, shift, narrow=True)
    assert np.array_equal(found, exact(values, multiplier, shift))


@settings(deadline=None)
@given(multiplier=multipliers, shift=st.integers(-31, 7), seed=seeds)
def test_long_sums(multiplier: int, shift: int, seed: int) -> None:
    values = sums(2**47, seed)
    expected = exact(values, multiplier, shift)
    # `check_weighted` refuses what leaves int32.
    fitting = np.abs(expected) < 2**31
    found = on_device(values[fitting], multiplier, shift, narrow=False)
    assert np.array_equal(found, expected[fitting])
