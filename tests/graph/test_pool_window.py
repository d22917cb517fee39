"""Windows far larger than their image, as fuzzing found: taps that never meet it cost nothing."""

from __future__ import annotations

import numpy as np
import pytest

from midge.errors import UserError
from midge.graph import DType, Quantization, Tensor
from midge.graph.ops.max_pool_2d import MaxPool2D

CODES = Quantization.per_tensor(0.5, 3)


def test_taps_that_never_meet_the_image_are_left_out() -> None:
    op = MaxPool2D(kernel=(1001, 301), pad_before=(500, 150), pad_after=(500, 150))
    image = np.arange(6, dtype=np.int8).reshape(1, 2, 3, 1)
    assert len(list(op.taps(image, -128))) == 3 * 5
    x = Tensor("x", image.shape, DType.INT8, CODES)
    y = Tensor("y", image.shape, DType.INT8, CODES)
    (found,) = op.evaluate([image], [x], [y])
    assert (found == 5).all()


def test_a_window_over_more_of_the_image_than_anybody_has_is_refused() -> None:
    x = Tensor("x", (1, 400, 400, 1), DType.INT8, CODES)
    y = Tensor("y", (1, 1, 1, 1), DType.INT8, CODES)
    with pytest.raises(UserError, match="400 x 400 taps over x; supported: up to 131072"):
        MaxPool2D(kernel=(400, 400)).check([x], [y])
