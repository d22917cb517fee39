"""`inverse_square_root.h` against the interpreter's, number by number."""

from __future__ import annotations

import ctypes

import numpy as np

from midge.c_emitter.amalgamate import kernel_text
from midge.graph.fixed_point import inverse_square_root
from midge.toolchain import build_host_library

FILE = "inverse_square_root.h"
"""The kernel, whose mutants this test judges."""
SOURCE = """
void roots(const int32_t *values, int32_t *multipliers, int32_t *shifts, int count);
void roots(const int32_t *values, int32_t *multipliers, int32_t *shifts, int count) {
    for (int k = 0; k < count; k++) {
        const struct midge_factor root = midge_inverse_square_root(values[k]);
        multipliers[k] = root.multiplier;
        shifts[k] = root.shift;
    }
}
"""


def test_roots_of_every_magnitude() -> None:
    flags = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    source = kernel_text([FILE]) + SOURCE
    path = build_host_library({"numbers.c": source}, flags=flags, sanitizers=("undefined",))
    rng = np.random.default_rng(0)
    powers = (np.int64(1) << np.arange(31))[:, None] + np.arange(-2, 3)
    drawn = np.exp2(rng.uniform(0, 31, 300_000)).astype(np.int64)
    values = np.concatenate([np.arange(70_000), powers.ravel(), drawn, [2**31 - 1]])
    values = values[(values >= 0) & (values < 2**31)].astype(np.int32)
    found = np.zeros((2, values.size), np.int32)
    pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in (values, *found))
    ctypes.CDLL(str(path)).roots(*pointers, values.size)
    expected = np.stack(inverse_square_root(values.astype(np.int64)))
    unequal = np.flatnonzero((found != expected).any(axis=0))[:1]
    assert not unequal.size, (values[unequal], found[:, unequal], expected[:, unequal])
