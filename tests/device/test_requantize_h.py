"""`requantize.h` against the interpreter's arithmetic, number by number."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.graph import Rounding
from midge.graph.requantize import Requantization, requantize
from midge.toolchain import build_host_library

SOURCE = """
#include "requantize.h"
void rescale(const int32_t *values, int32_t *scaled, int count, int32_t multiplier, int32_t shift,
             int single, int narrow, int wide);
void rescale(const int32_t *values, int32_t *scaled, int count, int32_t multiplier, int32_t shift,
             int single, int narrow, int wide) {
    const struct midge_factors factors = {
        .one_multiplier = multiplier, .base_shift = shift,
        .rounding = single ? MIDGE_SINGLE : MIDGE_TFLITE_DOUBLE, .narrow = narrow, .wide = wide};
    for (int k = 0; k < count; k++) {
        scaled[k] = midge_rescale(values[k], midge_factor_of(&factors, k), &factors);
    }
}
"""
FAR = 2**30
ROUNDINGS = {Rounding.TFLITE_DOUBLE: 0, Rounding.SINGLE: 1}


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


def on_device(
    values: Any, multiplier: int, right: int, rounding: Rounding, *, narrow: bool, wide: bool
) -> Any:
    numbers = np.ascontiguousarray(values, np.int32)
    scaled = np.zeros_like(numbers)
    library().rescale(
        *(a.ctypes.data_as(ctypes.c_void_p) for a in (numbers, scaled)),
        *(numbers.size, multiplier, right, ROUNDINGS[rounding], int(narrow), int(wide)),
    )
    return scaled.astype(np.int64)


def exact(values: Any, multiplier: int, right: int, rounding: Rounding) -> Any:
    factors = Requantization(
        np.array([multiplier], np.int32), np.array([-right], np.int32), rounding
    )
    return requantize(np.asarray(values, np.int64), factors)


def sums(limit: int, seed: int) -> Any:
    """Sums on all scales under a limit, and those around powers of two and the ends."""
    generator = np.random.default_rng(seed)
    drawn = np.exp2(generator.uniform(0, np.log2(limit), 400)) * generator.choice([-1, 1], 400)
    powers = (np.int64(1) << np.arange(31))[:, None] + np.arange(-2, 3)
    every = np.concatenate([drawn.astype(np.int64), powers.ravel(), -powers.ravel(), [0]])
    every = np.concatenate([every, [limit - 1, -limit + 1, limit - 2, -limit + 2]])
    return every[(every < limit) & (every > -limit)]


multipliers = st.integers(2**30, 2**31 - 1) | st.sampled_from(
    [0, 2**30, 2**30 + 1, 2**31 - 1, 2**31 - 2, 3 * 2**29]
)


@settings(deadline=None)
@given(multiplier=multipliers, right=st.integers(1, 31), seed=st.integers(0, 2**16))
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_narrow_sums(rounding: Rounding, multiplier: int, right: int, seed: int) -> None:
    values = sums(2**30, seed)
    found = on_device(values, multiplier, right, rounding, narrow=True, wide=False)
    assert np.array_equal(found, exact(values, multiplier, right, rounding))


@settings(deadline=None)
@given(multiplier=multipliers, seed=st.integers(0, 2**16))
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_narrow_sums_without_a_shift(rounding: Rounding, multiplier: int, seed: int) -> None:
    values = sums(2**30, seed)
    found = on_device(values, multiplier, 0, rounding, narrow=False, wide=False)
    assert np.array_equal(found, exact(values, multiplier, 0, rounding))


@settings(deadline=None)
@given(
    multiplier=multipliers,
    right=st.integers(-30, 31),
    zero_point=st.integers(-128, 127),
    seed=st.integers(0, 2**16),
)
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_wide_sums_are_exact_or_held_where_the_clamp_cannot_tell(
    rounding: Rounding, multiplier: int, right: int, zero_point: int, seed: int
) -> None:
    values = sums(2**31, seed)
    found = on_device(values, multiplier, right, rounding, narrow=False, wide=True)
    expected = exact(values, multiplier, right, rounding)
    near = np.abs(expected) <= FAR
    assert np.array_equal(found[near], expected[near])
    assert np.array_equal(found[~near], FAR * np.sign(expected[~near]))
    assert np.all(np.abs(found + zero_point) < 2**31)
    clamped = [np.clip(v + zero_point, -128, 127) for v in (found, expected)]
    assert np.array_equal(*clamped)
