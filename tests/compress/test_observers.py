from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from midge.compress.observers import (
    Histogram,
    affine,
    minmax_range,
    mse_range,
    of_array,
    percentile_range,
)
from midge.errors import UserError
from midge.graph import DType, Quantization

tiny = pytest.mark.tiny

Floats = NDArray[np.float32]


def distributions() -> dict[str, Floats]:
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(20000).astype(np.float32)
    outliers = normal.copy()
    outliers[:5] = 40
    return {
        "normal": normal,
        "rectified": np.maximum(normal, 0),
        "outliers": outliers,
        "both ends": np.concatenate([outliers, -3 * outliers]).astype(np.float32),
        "laplace": rng.laplace(size=20000).astype(np.float32),
        "uniform": rng.uniform(-1, 3, 20000).astype(np.float32),
        "negative": -np.abs(normal),
    }


def true_error(values: Floats, quantization: Quantization, dtype: DType) -> float:
    """Of the values themselves, not of a histogram."""
    low, high = dtype.limits
    scale, zero = float(quantization.scale[0]), int(quantization.zero_point[0])
    codes = np.clip(np.rint(values.astype(np.float64) / scale) + zero, low, high)
    return float(((codes - zero) * scale - values).__pow__(2).mean())


@pytest.mark.parametrize("name", distributions())
def test_mse_is_within_three_percent_of_the_best_of_all_pairs_of_ends(name: str) -> None:
    values = distributions()[name][::4]
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    shares = np.linspace(0.02, 1, 50)
    lows, highs = ({end * share for share in shares} for end in (low, high))
    best = min(
        true_error(values, affine(a, b, DType.INT8), DType.INT8)
        for a, b in itertools.product(lows, highs)
        if b > a
    )
    found = true_error(
        values, affine(*mse_range(of_array(values), DType.INT8), DType.INT8), DType.INT8
    )
    assert found <= 1.03 * best
    minmax = true_error(values, affine(low, high, DType.INT8), DType.INT8)
    assert found <= minmax * (1 + 1e-9)


@tiny
def test_mse_clips_rare_outliers_and_minmax_does_not() -> None:
    values = np.random.default_rng(0).standard_normal(200000).astype(np.float32)
    values[0] = 9
    histogram = of_array(values)
    assert minmax_range(histogram) == (float(values.min()), 9.0)
    assert mse_range(histogram, DType.INT8)[1] < 7


@tiny
@pytest.mark.parametrize("percentile", [90.0, 99.0, 99.9])
@pytest.mark.parametrize("name", ["normal", "laplace", "uniform"])
def test_percentile_leaves_the_share_that_it_says(name: str, percentile: float) -> None:
    values = distributions()[name]
    low, high = percentile_range(of_array(values), percentile)
    inside = ((values >= low * 1.008) & (values <= high * 1.008)).mean()
    assert inside >= percentile / 100
    tighter = ((values >= low * 0.984) & (values <= high * 0.984)).mean()
    assert tighter <= percentile / 100 + 0.01


@tiny
def test_all_of_it_is_the_hundredth_percentile() -> None:
    values = distributions()["both ends"]
    histogram = of_array(values)
    assert percentile_range(histogram, 100) == minmax_range(histogram)


@tiny
def test_the_order_of_what_is_counted_does_not_matter() -> None:
    values = distributions()["laplace"]
    forwards, backwards = Histogram(), Histogram()
    for part in np.split(values, 20):
        forwards.add(part)
    for part in np.split(values[::-1], 50):
        backwards.add(part)
    assert np.array_equal(forwards.counts, backwards.counts)
    merged = of_array(values[:5000]).merge(of_array(values[5000:]))
    assert np.array_equal(merged.counts, forwards.counts)
    assert (merged.low, merged.high) == (forwards.low, forwards.high)
    assert int(merged.counts.sum()) == values.size


@tiny
def test_bins_are_under_a_percent_wide() -> None:
    values = np.geomspace(1e-30, 1e30, 2000).astype(np.float32)
    points, weights = of_array(np.concatenate([values, -values])).points()
    assert weights.sum() == 4000
    expected = np.sort(np.concatenate([-values, values])).astype(np.float64)
    spread = np.repeat(points, weights.astype(int))
    assert np.abs(spread / expected - 1).max() < 0.008


@tiny
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(UserError, match="is not finite"):
        of_array(np.array([1, bad], np.float32))


@tiny
@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 3.0), (-1.0, 0.0), (-2.5, 0.7), (0.5, 4.0), (-3.0, -1.0)]
)
def test_zero_is_exact_and_the_ends_have_codes(low: float, high: float) -> None:
    made = affine(low, high, DType.INT8)
    scale, zero = float(made.scale[0]), int(made.zero_point[0])
    assert -128 <= zero <= 127
    ends = (-128 - zero) * scale, (127 - zero) * scale
    assert ends[0] <= min(low, 0) + scale / 2 * 1.001
    assert ends[1] >= max(high, 0) - scale / 2 * 1.001


@tiny
def test_int16_is_symmetric() -> None:
    made = affine(-3.0, 1.0, DType.INT16)
    assert int(made.zero_point[0]) == 0
    assert float(made.scale[0]) == pytest.approx(3 / 32767)


@tiny
def test_a_tensor_of_zeros_has_some_scale() -> None:
    made = affine(*mse_range(of_array(np.zeros(8, np.float32)), DType.INT8), DType.INT8)
    assert float(made.scale[0]) == 1
    assert percentile_range(Histogram(), 99) == (0, 0)
