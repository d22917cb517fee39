from __future__ import annotations

import numpy as np
import pytest

from midge.compress.weights import LARGEST_BIAS, quantize_weights
from midge.graph import DType

pytestmark = pytest.mark.tiny


def made(weights, bias=None, dtype=DType.INT8, **options):  # type: ignore[no-untyped-def]
    given = {"axis": 0, "x_scale": 0.1, "long_sums": False, **options}
    return quantize_weights(np.asarray(weights, np.float32), bias, dtype=dtype, **given)


@pytest.mark.parametrize("axis", [0, 1, 3])
def test_each_channel_has_codes_up_to_its_largest_weight(axis: int) -> None:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((3, 4, 5, 6)).astype(np.float32)
    codes, quantization = made(weights, axis=axis)
    assert quantization.axis == axis
    rows = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)
    coded = np.moveaxis(codes, axis, 0).reshape(rows.shape)
    assert np.all(np.abs(coded).max(axis=1) == 127)
    reals = coded * quantization.scale[:, None].astype(np.float64)
    assert np.all(np.abs(reals - rows).max(axis=1) <= quantization.scale * 0.5001)


def test_int4_ends_are_the_best_of_those_tried_and_heed_importance() -> None:
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((6, 64)).astype(np.float32)
    importance = rng.uniform(0, 4, 64) ** 4

    def error(codes, quantization, by):  # type: ignore[no-untyped-def]
        reals = codes * quantization.scale[:, None].astype(np.float64)
        return float(((reals - weights) ** 2 * by).sum())

    plain = made(weights, dtype=DType.INT4)
    heeding = made(weights, dtype=DType.INT4, importance=importance)
    assert np.abs(plain[0]).max() <= 7
    assert error(*heeding, importance) < error(*plain, importance)
    assert error(*plain, 1.0) <= error(*heeding, 1.0)
    top = np.abs(weights).max(axis=1) / 7
    naive = np.clip(np.rint(weights / top[:, None]), -7, 7) * top[:, None]
    assert error(*plain, 1.0) < float(((naive - weights) ** 2).sum())


@pytest.mark.parametrize("long_sums", [False, True])
def test_a_bias_fits_its_integers(long_sums: bool) -> None:
    weights = np.full((2, 4), 1e-9, np.float32)
    bias = np.array([3.0, 1e-12], np.float32)
    _, quantization = made(weights, bias, long_sums=long_sums)
    steps = np.abs(bias.astype(np.float64)) / (0.1 * quantization.scale.astype(np.float64))
    limit = LARGEST_BIAS[DType.INT64 if long_sums else DType.INT32]
    assert steps.max() <= limit * 1.001
    if long_sums:
        assert quantization.scale[0] == np.float32(1e-9 / 127)


def test_channels_of_zeros_have_the_scale_of_others() -> None:
    codes, quantization = made([[0, 0], [1, -2]])
    assert codes.tolist() == [[0, 0], [64, -127]]
    assert quantization.scale[0] == quantization.scale[1]
    codes, quantization = made(np.zeros((2, 3)))
    assert not codes.any()
    assert np.all(quantization.scale == 1)
