"""`fixed_point.h` against the interpreter's fixed-point functions, number by number."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from midge.c_emitter.amalgamate import kernel_text
from midge.graph import fixed_point
from midge.toolchain import build_host_library

SOURCE = """
#include "fixed_point.h"
void exponentials(const int32_t *a, int32_t *y, int count);
void exponentials(const int32_t *a, int32_t *y, int count) {
    for (int k = 0; k < count; k++) {
        y[k] = midge_exp_on_negative(a[k]);
    }
}
void reciprocals(const int32_t *values, int32_t *y, int32_t *leading_zeros, int count);
void reciprocals(const int32_t *values, int32_t *y, int32_t *leading_zeros, int count) {
    for (int k = 0; k < count; k++) {
        y[k] = midge_reciprocal(values[k], &leading_zeros[k]);
    }
}
void reciprocals_of(const int32_t *values, int32_t *y, int count);
void reciprocals_of(const int32_t *values, int32_t *y, int count) {
    for (int k = 0; k < count; k++) {
        y[k] = midge_reciprocal_of((uint32_t)values[k]);
    }
}
"""


@cache
def library() -> Any:
    source = SOURCE.replace('#include "fixed_point.h"', kernel_text(["fixed_point.h"]))
    flags = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    path = build_host_library({"numbers.c": source}, flags=flags, sanitizers=("undefined",))
    return ctypes.CDLL(str(path))


def call(function: str, values: Any, results: int) -> list[Any]:
    arrays = [np.ascontiguousarray(values, np.int32)]
    arrays += [np.zeros_like(arrays[0]) for _ in range(results)]
    pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in arrays)
    getattr(library(), function)(*pointers, arrays[0].size)
    return [a.astype(np.int64) for a in arrays[1:]]


def positive(seed: int) -> Any:
    """Numbers in [1, 2**31): all scales, around the powers of two, and evenly."""
    rng = np.random.default_rng(seed)
    powers = (np.int64(1) << np.arange(32))[:, None] + np.arange(-2, 3)
    scales = np.exp2(rng.uniform(0, 31, 50_000)).astype(np.int64)
    values = np.concatenate([powers.ravel(), scales, rng.integers(1, 2**31, 200_000)])
    return values[(values > 0) & (values < 2**31)]


def test_exponentials() -> None:
    rng = np.random.default_rng(0)
    quarters = (np.arange(128, dtype=np.int64)[:, None] << 24) + np.arange(-2, 3)
    minus_a = np.concatenate([positive(1), quarters.ravel(), rng.integers(0, 2**27, 200_000)])
    a = -minus_a[(minus_a >= 0) & (minus_a <= 2**31)]
    (found,) = call("exponentials", a, 1)
    np.testing.assert_array_equal(found, fixed_point.exp_on_negative(a))


def test_reciprocals() -> None:
    values = positive(2)
    found, leading_zeros = call("reciprocals", values, 2)
    expected, excess = fixed_point.reciprocal(values, 12)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(12 - leading_zeros, excess)


def test_reciprocals_of_fractions() -> None:
    """Odd ones too, which no sum of exponentials gives."""
    fractions = np.concatenate([[0], positive(3)])
    (found,) = call("reciprocals_of", fractions, 1)
    twice = fixed_point._two_over_one_plus(fractions)
    np.testing.assert_array_equal(found, fixed_point.shift_left_saturating(twice, 1))
