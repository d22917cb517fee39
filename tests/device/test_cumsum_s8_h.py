"""The rescaling of `cumsum_s8.h` against the interpreter's, around the ties that rounding decides."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
import pytest

from midge.c_emitter.amalgamate import kernel_text
from midge.graph import Rounding
from midge.graph.ops.cumsum import _rescaled
from midge.graph.requantize import Requantization
from midge.toolchain import build_host_library

SOURCE = """
void rescale(const int32_t *sums, const int32_t *multipliers, int8_t *y, int count, int32_t shift);
void rescale(const int32_t *sums, const int32_t *multipliers, int8_t *y, int count, int32_t shift) {
    for (int k = 0; k < count; k++) {
        const struct midge_cumsum p = {.multiplier = multipliers[k], .shift = shift, .y_zero = 3};
        y[k] = midge_cumsum_rescale(sums[k], &p);
    }
}
"""


@cache
def library() -> Any:
    source = kernel_text(["cumsum_s8.h"]) + SOURCE
    flags = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    path = build_host_library({"numbers.c": source}, flags=flags, sanitizers=("undefined",))
    return ctypes.CDLL(str(path))


def near_ties(shift: int, seed: int) -> tuple[Any, Any]:
    """Sums and multipliers whose products lie within one sum of the middle between two results."""
    rng = np.random.default_rng(seed)
    half = rng.integers(-130, 130, 40_000) * 2 + 1
    exact = half.astype(np.float64) * 2.0 ** (shift - 1 + 12)
    multiplier = rng.integers(2**30, 2**31, half.size)
    sums = np.rint(exact / multiplier).astype(np.int64)
    sums[sums == 0] = 1
    multipliers = np.floor(exact / sums).astype(np.int64) + rng.integers(-1, 3, half.size)
    fits = (multipliers >= 2**30) & (multipliers < 2**31) & (np.abs(sums) < 2**28)
    return sums[fits], multipliers[fits]


@pytest.mark.parametrize("shift", [1, 2, 3, 7, 18, 19, 20, 24, 27])
def test_results_around_ties(shift: int) -> None:
    sums, multipliers = near_ties(shift, shift)
    drawn = np.random.default_rng(0)
    sums = np.concatenate([sums, drawn.integers(-(2**20), 2**20, 2000), [0]])
    multipliers = np.concatenate([multipliers, drawn.integers(2**30, 2**31, 2001)])
    found = np.zeros(sums.size, np.int8)
    arrays = (sums.astype(np.int32), multipliers.astype(np.int32), found)
    pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in arrays)
    library().rescale(*pointers, sums.size, ctypes.c_int32(shift))
    factors = [
        Requantization(np.array([m]), np.array([-shift]), Rounding.TFLITE_DOUBLE)
        for m in multipliers
    ]
    expected = [_rescaled(s, f) for s, f in zip(sums, factors, strict=True)]
    np.testing.assert_array_equal(found, np.clip(np.array(expected) + 3, -128, 127))
