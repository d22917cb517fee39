"""What a tensor held, and which range of it has codes.

A histogram has a bin for each of the 65536 values of a float32's upper half: sign, exponent and
seven bits of the fraction. Such bins need no range to be known in advance, are 0.8 percent of their
value wide at most, and counting them gives the same result in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph import Array, DType, Quantization

Float64Array = npt.NDArray[np.float64]
Range = tuple[float, float]

BINS = 1 << 16
BIN_WIDTH = 2.0**-7.5
"""Of a bin, on average, relative to what it holds."""
SEARCH_STEPS = 48
"""Ends that are tried along one side of a range."""
LEAST_SHARE = 0.1
"""Of a side of the range of all elements: no range is cut further."""
UNUSED_SCALE = 1.0
"""Of a tensor that holds nothing but zeros."""


@dataclass
class Histogram:
    """What a tensor held in all runs.

    Attributes:
        counts: Elements in each bin.
        low: The least element, at most 0.
        high: The greatest element, at least 0.
    """

    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    low: float = 0.0
    high: float = 0.0

    def add(self, values: Array) -> None:
        """Count the elements of an array of finite float32.

        Raises:
            UserError: one is not finite.
        """
        floats = np.ascontiguousarray(values, np.float32).reshape(-1)
        if not floats.size:
            return
        low, high = float(floats.min()), float(floats.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise UserError("is not finite")
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.counts += np.bincount(floats.view(np.uint32) >> 16, minlength=BINS)

    def merge(self, other: Histogram) -> Histogram:
        """Both together."""
        return Histogram(
            self.counts + other.counts, min(self.low, other.low), max(self.high, other.high)
        )

    def points(self) -> tuple[Float64Array, Float64Array]:
        """Values in ascending order and how often they stand there, one for each bin in use."""
        used = np.flatnonzero(self.counts).astype(np.uint32)
        # The middle of a bin; the bins around zero hold nothing that any scale tells from zero.
        middles = ((used << 16) | 0x8000).astype(np.uint32).view(np.float32).astype(np.float64)
        middles = np.where((used & 0x7FFF) == 0, 0.0, middles)
        middles = np.clip(middles, self.low, self.high)
        order = np.argsort(middles, kind="stable")
        return middles[order], self.counts[used][order].astype(np.float64)


def of_array(values: Array) -> Histogram:
    """The histogram of one array."""
    histogram = Histogram()
    histogram.add(values)
    return histogram


def affine(low: float, high: float, dtype: DType) -> Quantization:
    """Parameters whose codes reach from `low` to `high`, which include zero.

    int8 has its zero point where zero is exact; int16 is symmetric, with -32768 left over.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if dtype is DType.INT16:
        scale = _scale(max(-low, high) / 32767)
        return Quantization.per_tensor(scale, 0)
    scale = _scale((high - low) / 255)
    zero_point = int(np.clip(np.rint(-128 - low / scale), -128, 127))
    return Quantization.per_tensor(scale, zero_point)


def _scale(real: float) -> float:
    """As float32 holds it, with its reciprocal."""
    rounded = float(np.float32(real))
    return rounded if rounded > 1e-36 else UNUSED_SCALE


def quantization_error(
    points: Float64Array, weights: Float64Array, quantization: Quantization, dtype: DType
) -> float:
    """The mean squared error of a histogram's points, which stand there as `weights` say.

    A bin that is wider than a step holds elements everywhere between two codes: their error is that
    of any rounding, ``step**2 / 12``. That of a narrower one is its middle's.
    """
    low, high = dtype.limits
    scale, zero = float(quantization.scale[0]), int(quantization.zero_point[0])
    steps = points / scale
    codes = np.clip(np.rint(steps), low - zero, high - zero)
    errors = (steps - codes) ** 2
    is_wide = np.abs(steps) * BIN_WIDTH > 1
    inside = np.abs(steps - codes) <= 0.5
    errors = np.where(is_wide & inside, 1 / 12, errors)
    return float((weights * errors).sum() / max(weights.sum(), 1.0)) * scale**2


def minmax_range(histogram: Histogram) -> Range:
    """All of it."""
    return histogram.low, histogram.high


def percentile_range(histogram: Histogram, percentile: float) -> Range:
    """What is left when the smallest and the largest elements are set aside, as many on each side.

    Args:
        histogram: What the tensor held.
        percentile: Share of the elements that stays, in percent.
    """
    points, weights = histogram.points()
    if not points.size:
        return 0.0, 0.0
    aside = weights.sum() * (1 - percentile / 100) / 2
    from_below, from_above = np.cumsum(weights), np.cumsum(weights[::-1])
    low = points[min(int(np.searchsorted(from_below, aside, "right")), points.size - 1)]
    high = points[::-1][min(int(np.searchsorted(from_above, aside, "right")), points.size - 1)]
    return min(float(low), 0.0), max(float(high), 0.0)


def mse_range(histogram: Histogram, dtype: DType) -> Range:
    """The range with the least mean squared error: both ends together, then each alone, twice."""
    points, weights = histogram.points()
    low, high = histogram.low, histogram.high
    shares = np.linspace(LEAST_SHARE, 1.0, SEARCH_STEPS)

    def best(ends: list[Range]) -> Range:
        errors = [quantization_error(points, weights, affine(*e, dtype), dtype) for e in ends]
        return ends[int(np.argmin(errors))]

    chosen = best([(low * share, high * share) for share in shares])
    if dtype is DType.INT16:
        return chosen
    for _ in range(2):
        if low < 0:
            chosen = best([(low * share, chosen[1]) for share in shares])
        if high > 0:
            chosen = best([(chosen[0], high * share) for share in shares])
    return chosen


def observed_range(observer: str, percentile: float) -> Callable[[Histogram, DType], Range]:
    """The observer of this name, as a function of what was seen and of the codes' type."""
    if observer == "minmax":
        return lambda histogram, _: minmax_range(histogram)
    if observer == "percentile":
        return lambda histogram, _: percentile_range(histogram, percentile)
    return mse_range
