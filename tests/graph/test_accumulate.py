"""The bounds of accumulators, proven by inputs that reach them and by inputs at random."""

from __future__ import annotations

import numpy as np
from graph_builders import int8, int32, weights
from hypothesis import given
from hypothesis import strategies as st

from midge.graph import Tensor
from midge.graph.accumulate import accumulator_bounds

zeros = st.integers(-128, 127)
seeds = st.integers(0, 2**32)


def sums(x: Tensor, w: Tensor, b: Tensor | None, axis: int, values: np.ndarray) -> np.ndarray:
    """Sums for each channel after each product; `values` are [taps, channels], as stored."""
    taps = np.moveaxis(np.asarray(w.data), axis, -1).reshape(-1, w.shape[axis]).astype(np.int64)
    start = 0 if b is None else np.asarray(b.data).astype(np.int64)
    return start + np.cumsum(taps * (values.astype(np.int64) - x.zero_point), axis=0)


@given(zeros, st.sampled_from([0, 3]), st.booleans(), seeds)
def test_no_input_and_no_partial_sum_leaves_the_bounds(
    zero: int, axis: int, biased: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, w = int8("x", 1, zero_point=zero), weights("w", 2, 3, 2, 4, seed=seed)
    channels = w.shape[axis]
    b = int32("b", rng.integers(-(2**20), 2**20, channels)) if biased else None
    least, greatest = accumulator_bounds(x, w, b, axis)
    assert least.shape == greatest.shape == (channels,)
    assert least.dtype == greatest.dtype == np.int64
    for _ in range(5):
        values = rng.integers(-128, 128, (w.size // channels, channels))
        reached = sums(x, w, b, axis, values)
        assert np.all(least <= reached)
        assert np.all(reached <= greatest)


@given(zeros, seeds)
def test_the_bounds_are_reached(zero: int, seed: int) -> None:
    x, w = int8("x", 1, zero_point=zero), weights("w", 3, 2, 2, 4, seed=seed)
    taps = np.moveaxis(np.asarray(w.data), 0, -1).reshape(-1, 3)
    least, greatest = accumulator_bounds(x, w, None, 0)
    assert np.array_equal(sums(x, w, None, 0, np.where(taps > 0, 127, -128))[-1], greatest)
    assert np.array_equal(sums(x, w, None, 0, np.where(taps > 0, -128, 127))[-1], least)
    # A bias shifts the end that it points to; the other one must hold the sum without it.
    biased = accumulator_bounds(x, w, int32("b", [1000, -1000, 0]), 0)
    assert np.array_equal(biased[0] - least, [0, -1000, 0])
    assert np.array_equal(biased[1] - greatest, [1000, 0, 0])
