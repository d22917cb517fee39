"""Linear filters that cost a few additions a sample, whatever their length.

A running sum (boxcar) is the cheapest exact low-pass: one addition, one subtraction, no rounding
and so no drift. In cascade, and subtracted from its own middle sample, it gives the band-passes of
Pan and Tompkins, "A real-time QRS detection algorithm", IEEE TBME 32(3), 1985. `Fir` is there for
what they cannot do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.signals.stage import (
    Integers,
    StageCode,
    check_count,
    kernel_suffix,
    ring_type,
)

LONGEST = 4096
"""Samples of a filter's memory; more would not fit a small RAM."""


@dataclass(frozen=True)
class MovingSum:
    """The sum of the last `length` samples: a low-pass with its first zero at rate / length.

    Attributes:
        length: Samples, 2 to `LONGEST`.
    """

    length: int

    def __post_init__(self) -> None:
        """Check the length."""
        check_count("MovingSum", "length", self.length, 2, LONGEST)

    @property
    def delay_half_samples(self) -> int:
        """See `Stage`."""
        return self.length - 1

    def largest(self, input_largest: int) -> int:
        """See `Stage`."""
        return input_largest * self.length

    def run(self, samples: Integers) -> Integers:
        """See `Stage`."""
        return moving_sum(samples, self.length)

    def code(self, input_largest: int) -> StageCode:
        """See `Stage`."""
        return StageCode(
            "moving_sum.h",
            (f"{ring_type(input_largest)} @_ring[{self.length}]", "uint16_t @_at", "int32_t @_sum"),
            f"midge_moving_sum_{kernel_suffix(input_largest)}(@_ring, &@_at, &@_sum, "
            f"{self.length}, x)",
        )


@dataclass(frozen=True)
class RemoveMean:
    """`length` times the middle sample less the sum of `length` samples: a high-pass.

    Attributes:
        length: Samples, 2 to `LONGEST`. What changes within fewer passes.
    """

    length: int

    def __post_init__(self) -> None:
        """Check the length."""
        check_count("RemoveMean", "length", self.length, 2, LONGEST)

    @property
    def delay(self) -> int:
        """Samples between the newest sample and the middle one."""
        return (self.length - 1) // 2

    @property
    def delay_half_samples(self) -> int:
        """See `Stage`."""
        return 2 * self.delay

    def largest(self, input_largest: int) -> int:
        """See `Stage`."""
        return 2 * (self.length - 1) * input_largest

    def run(self, samples: Integers) -> Integers:
        """See `Stage`."""
        middle = delayed(samples, self.delay)
        return self.length * middle - moving_sum(samples, self.length)

    def code(self, input_largest: int) -> StageCode:
        """See `Stage`."""
        return StageCode(
            "remove_mean.h",
            (f"{ring_type(input_largest)} @_ring[{self.length}]", "uint16_t @_at", "int32_t @_sum"),
            f"midge_remove_mean_{kernel_suffix(input_largest)}(@_ring, &@_at, &@_sum, "
            f"{self.length}, {self.delay}, x)",
        )


@dataclass(frozen=True)
class Difference:
    """A sample less the one `lag` samples before: a derivative.

    Attributes:
        lag: Samples, 1 to `LONGEST`.
    """

    lag: int

    def __post_init__(self) -> None:
        """Check the lag."""
        check_count("Difference", "lag", self.lag, 1, LONGEST)

    @property
    def delay_half_samples(self) -> int:
        """See `Stage`."""
        return self.lag

    def largest(self, input_largest: int) -> int:
        """See `Stage`."""
        return 2 * input_largest

    def run(self, samples: Integers) -> Integers:
        """See `Stage`."""
        return samples - delayed(samples, self.lag)

    def code(self, input_largest: int) -> StageCode:
        """See `Stage`."""
        return StageCode(
            "difference.h",
            (f"{ring_type(input_largest)} @_ring[{self.lag}]", "uint16_t @_at"),
            f"midge_difference_{kernel_suffix(input_largest)}(@_ring, &@_at, {self.lag}, x)",
        )


@dataclass(frozen=True)
class Fir:
    """A filter of any symmetric impulse response, in integers.

    Attributes:
        taps: Odd number of weights, the same from both ends, each within int16.
    """

    taps: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the weights."""
        check_count("Fir", "number of taps", len(self.taps), 1, LONGEST)
        if len(self.taps) % 2 == 0 or self.taps != self.taps[::-1]:
            raise UserError(
                f"Fir: {len(self.taps)} taps; expected an odd number of them, symmetric, so that "
                "no frequency comes later than another"
            )
        for tap in self.taps:
            check_count("Fir", "a tap", tap, -(1 << 15), (1 << 15) - 1)

    @property
    def delay_half_samples(self) -> int:
        """See `Stage`; that of a symmetric response."""
        return len(self.taps) - 1

    def largest(self, input_largest: int) -> int:
        """See `Stage`."""
        return input_largest * max(1, sum(abs(tap) for tap in self.taps))

    def run(self, samples: Integers) -> Integers:
        """See `Stage`."""
        taps = np.asarray(self.taps, np.int64)
        return np.convolve(samples, taps)[: samples.size]

    def code(self, input_largest: int) -> StageCode:
        """See `Stage`."""
        taps = ", ".join(str(tap) for tap in self.taps)
        return StageCode(
            "fir.h",
            (f"{ring_type(input_largest)} @_ring[{len(self.taps)}]", "uint16_t @_at"),
            f"midge_fir_{kernel_suffix(input_largest)}(@_ring, &@_at, {len(self.taps)}, "
            f"(const int16_t[{len(self.taps)}]){{{taps}}}, x)",
        )


def delayed(samples: Integers, lag: int) -> Integers:
    """A signal `lag` samples later, zeros before."""
    result = np.zeros_like(samples)
    result[lag:] = samples[: max(0, samples.size - lag)]
    return result


def moving_sum(samples: Integers, length: int) -> Integers:
    """Sums of the last `length` samples, zeros before the first."""
    total = np.cumsum(samples)
    return total - delayed(total, length)
