"""`reductions.h` over eight dimensions that do not merge, and extremes of the greatest floats."""

from __future__ import annotations

import numpy as np
import pytest
from single_layer import assert_equals_interpreter

from midge.graph import DType, Quantization, Rounding, Tensor
from midge.graph.ops.reductions import Mean, ReduceMax, ReduceMin

FILES = ("reductions.h", "reductions_f32.h")
"""The kernels, whose mutants these tests judge."""
EXTENTS = (2, 3, 2, 2, 3, 2, 2, 3)


@pytest.mark.parametrize("axes", [(0, 2, 4, 6), (1, 3, 5, 7)], ids=["even", "odd"])
@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
def test_every_dimension_is_walked(dtype: DType, axes: tuple[int, ...]) -> None:
    scale = None if dtype is DType.FLOAT32 else Quantization.per_tensor(0.5, 3)
    x = Tensor("x", EXTENTS, dtype, scale)
    values = np.random.default_rng(0).permutation(np.prod(EXTENTS)) % 251 - 125
    for operator in (Mean(axes=axes, rounding=Rounding.TFLITE_DOUBLE), ReduceMax(axes=axes)):
        assert_equals_interpreter(operator, x, values.astype(dtype.numpy), scale)


@pytest.mark.parametrize("operator", [ReduceMax(axes=(1,)), ReduceMin(axes=(1,))])
def test_extremes_of_the_greatest_numbers(operator: ReduceMax | ReduceMin) -> None:
    greatest = np.finfo(np.float32).max
    rows = np.array(
        [[greatest, 2e38], [3e38, greatest], [np.inf, 3.2e38], [np.inf, np.inf], [np.nan, 3e38]],
        np.float32,
    )
    values = np.concatenate([rows, -rows])
    assert_equals_interpreter(operator, Tensor("x", values.shape, DType.FLOAT32), values)
