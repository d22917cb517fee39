"""The softmax kernels where networks seldom lead: the greatest floats, every difference of codes."""

from __future__ import annotations

import numpy as np
import pytest
from single_layer import assert_equals_interpreter

from midge.graph import DType, Quantization, Tensor
from midge.graph.ops.log_softmax import LogSoftmax
from midge.graph.ops.softmax import Softmax

FILES = ("softmax_f32.h", "softmax_s16.h", "log_softmax_s8.h")
"""The kernels, whose mutants these tests judge."""


@pytest.mark.parametrize("operator", [Softmax(), LogSoftmax()], ids=lambda o: o.kind)
def test_rows_of_the_most_negative_numbers(operator: Softmax | LogSoftmax) -> None:
    lowest = -np.finfo(np.float32).max
    values = np.array([[lowest, -3e38], [-2e38, -2e38], [-np.inf, -3.1e38]], np.float32)
    assert_equals_interpreter(operator, Tensor("x", values.shape, DType.FLOAT32), values)


@pytest.mark.parametrize("scale", [2.0**-15, 0.0001, 0.0003, 0.002])
def test_every_difference_of_int16(scale: float) -> None:
    codes = np.arange(-(2**15), 2**15, dtype=np.int16)
    values = np.stack([np.full_like(codes, 32767), codes], axis=-1)
    x = Tensor("x", values.shape, DType.INT16, Quantization.per_tensor(scale, 0))
    assert_equals_interpreter(Softmax(), x, values, Quantization.per_tensor(2.0**-15, 0))


@pytest.mark.parametrize("scale", [0.01, 0.0624, 0.0625, 0.125, 0.126, 0.25, 0.9, 4.0])
def test_logarithms_of_every_difference_of_int8(scale: float) -> None:
    # Where the scale is a power of two, the first difference that does not count is the smallest.
    codes = np.arange(-128, 128, dtype=np.int8)
    values = np.stack([np.full_like(codes, 127), codes], axis=-1)
    x = Tensor("x", values.shape, DType.INT8, Quantization.per_tensor(scale, 0))
    assert_equals_interpreter(LogSoftmax(), x, values, Quantization.per_tensor(1 / 16, 127))
