"""Bilinear kernels at their ends: infinite neighbours, scales whose rounding leads off the image."""

from __future__ import annotations

import numpy as np
import pytest
from single_layer import assert_equals_interpreter

from midge.graph import DType, Quantization, Tensor
from midge.graph.ops.resize_bilinear import ResizeBilinear

FILES = ("resize_bilinear_f32.h", "resize_bilinear_s8.h")
"""The kernels, whose mutants these tests judge."""


def test_neighbours_of_no_weight_are_not_read() -> None:
    # Every other pixel of the output stands on one of the input; times an infinity 0 is no number.
    values = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    values[0, 1::2], values[0, :, 1::2] = np.inf, -np.inf
    x = Tensor("x", values.shape, DType.FLOAT32)
    assert_equals_interpreter(ResizeBilinear(size=(8, 8)), x, values)


@pytest.mark.parametrize("size", [(2049, 1), (1, 2049), (3001, 1)])
def test_positions_beyond_the_last_pixel(size: tuple[int, int]) -> None:
    # With steps of 1/1024 the last of 2049 positions is 2, on an image of two pixels.
    shape = (3, *(2 if extent > 1 else 1 for extent in size), 1)
    scale = Quantization.per_tensor(0.5, 3)
    x = Tensor("x", shape, DType.INT8, scale)
    values = np.array([-100, 90, 55, -7, 120, -128], np.int8)
    assert_equals_interpreter(ResizeBilinear(size=size, align_corners=True), x, values, scale)
