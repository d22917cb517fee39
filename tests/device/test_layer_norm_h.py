"""`layer_norm.h` where what is held of a variance is a power of two, or next to one."""

from __future__ import annotations

import ctypes

import numpy as np

from midge.c_emitter.amalgamate import kernel_text
from midge.toolchain import build_host_library

FILE = "layer_norm.h"
"""The kernel, whose mutants this test judges."""
SOURCE = """
void factors(const int64_t *squares, int32_t *multipliers, int32_t *shifts, int count);
void factors(const int64_t *squares, int32_t *multipliers, int32_t *shifts, int count) {
    const struct midge_layer_norm p = {.length = 1, .variance_bits = 8, .normal_bits = 14};
    for (int k = 0; k < count; k++) {
        const struct midge_factor found = midge_layer_norm_factor(0, squares[k], &p);
        multipliers[k] = found.multiplier;
        shifts[k] = found.shift;
    }
}
"""


def test_factors_around_powers_of_two() -> None:
    flags = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    source = kernel_text([FILE]) + SOURCE
    path = build_host_library({"numbers.c": source}, flags=flags, sanitizers=("undefined",))
    powers = (np.int64(1) << np.arange(2, 30))[:, None] + np.arange(-1, 2)
    squares = np.ascontiguousarray(powers.ravel())
    multipliers, shifts = np.zeros((2, squares.size), np.int32)
    pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in (squares, multipliers, shifts))
    ctypes.CDLL(str(path)).factors(*pointers, squares.size)
    found = multipliers / np.exp2(shifts)
    np.testing.assert_allclose(found, 2.0**14 / np.sqrt(squares), rtol=1e-5)
