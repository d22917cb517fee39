"""The logarithm of `log_softmax_s8.h` against the interpreter's, number by number."""

from __future__ import annotations

import ctypes

import numpy as np

from midge.c_emitter.amalgamate import kernel_text
from midge.graph.fixed_point_log import log_q5
from midge.toolchain import build_host_library

SOURCE = """
void logarithms(const int32_t *sums, int32_t *y, int count);
void logarithms(const int32_t *sums, int32_t *y, int count) {
    for (int k = 0; k < count; k++) {
        y[k] = midge_log_q5(sums[k]);
    }
}
"""
INTEGER_BITS = 12
"""Of the sums, which are Q12.19."""


def test_logarithms_of_sums() -> None:
    source = kernel_text(["log_softmax_s8.h"]) + SOURCE
    flags = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    path = build_host_library({"numbers.c": source}, flags=flags, sanitizers=("undefined",))
    rng = np.random.default_rng(0)
    powers = (np.int64(1) << np.arange(19, 31))[:, None] + np.arange(-2, 3)
    scales = np.exp2(rng.uniform(19, 31, 300_000)).astype(np.int64)
    sums = np.concatenate([powers.ravel(), scales, np.arange(2**19, 2**19 + 5000), [2**31 - 1]])
    # A row's greatest element alone adds one.
    sums = sums[(sums >= 2**19) & (sums < 2**31)].astype(np.int32)
    found = np.zeros_like(sums)
    pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in (sums, found))
    ctypes.CDLL(str(path)).logarithms(*pointers, sums.size)
    np.testing.assert_array_equal(found, log_q5(sums.astype(np.int64), INTEGER_BITS))
