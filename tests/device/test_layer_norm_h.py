"""Layer norms: variances that are powers of two, and the last bit of what has no beta."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from single_layer import assert_equals_interpreter

from midge.c_emitter.amalgamate import kernel_text
from midge.graph import DType, Quantization, Tensor
from midge.graph.ops.layer_norm import LayerNorm
from midge.toolchain import build_host_library

FILES = ("layer_norm.h", "layer_norm_s8.h", "layer_norm_s16.h")
"""The kernels, whose mutants these tests judge."""
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
    source = kernel_text(["layer_norm.h"]) + SOURCE
    path = build_host_library({"numbers.c": source}, flags=flags, sanitizers=("undefined",))
    powers = (np.int64(1) << np.arange(2, 30))[:, None] + np.arange(-1, 2)
    squares = np.ascontiguousarray(powers.ravel())
    multipliers, shifts = np.zeros((2, squares.size), np.int32)
    pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in (squares, multipliers, shifts))
    ctypes.CDLL(str(path)).factors(*pointers, squares.size)
    found = multipliers / np.exp2(shifts)
    np.testing.assert_allclose(found, 2.0**14 / np.sqrt(squares), rtol=1e-5)


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16])
def test_last_bits_without_beta(dtype: DType) -> None:
    # Two outliers make the variance; what lies at the mean between them is small, and its output
    # has the scale of what beta would be added to.
    rng = np.random.default_rng(0)
    low, high = dtype.limits
    values = rng.integers(-2, 3, (40, 64)).astype(dtype.numpy)
    values[:, 0], values[:, 1] = low, high
    x = Tensor("x", values.shape, dtype, Quantization.per_tensor(0.1, 0))
    fraction = 14 if dtype is DType.INT8 else 22
    assert_equals_interpreter(LayerNorm(), x, values, Quantization.per_tensor(2.0**-fraction, 0))
