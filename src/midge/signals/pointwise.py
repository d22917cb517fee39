"""Stages that look at one sample at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.signals.stage import LARGEST_INT16, Integers, StageCode, check_count


@dataclass(frozen=True)
class StartAtZero:
    """Less the first sample, clamped: an offset of the source is no step at the start.

    Attributes:
        limit: The largest magnitude that passes, 1 to 32767.
    """

    limit: int = LARGEST_INT16

    def __post_init__(self) -> None:
        """Check the limit."""
        check_count("StartAtZero", "limit", self.limit, 1, LARGEST_INT16)

    @property
    def delay_half_samples(self) -> int:
        """See `Stage`."""
        return 0

    def largest(self, input_largest: int) -> int:
        """See `Stage`."""
        return min(2 * input_largest, self.limit)

    def run(self, samples: Integers) -> Integers:
        """See `Stage`."""
        first = samples[0] if samples.size else 0
        return np.clip(samples - first, -self.limit, self.limit)

    def code(self, input_largest: int) -> StageCode:
        """See `Stage`."""
        del input_largest
        members = ("int32_t @_first", "uint8_t @_started")
        call = f"midge_start_at_zero(&@_first, &@_started, {self.limit}, x)"
        return StageCode("start_at_zero.h", members, call)


@dataclass(frozen=True)
class Absolute:
    """The magnitude."""

    @property
    def delay_half_samples(self) -> int:
        """See `Stage`."""
        return 0

    def largest(self, input_largest: int) -> int:
        """See `Stage`."""
        return input_largest

    def run(self, samples: Integers) -> Integers:
        """See `Stage`."""
        return np.abs(samples)

    def code(self, input_largest: int) -> StageCode:
        """See `Stage`."""
        del input_largest
        return StageCode("pointwise.h", (), "midge_absolute(x)")


@dataclass(frozen=True)
class Square:
    """The square, as Pan and Tompkins take it; large values count for more."""

    @property
    def delay_half_samples(self) -> int:
        """See `Stage`."""
        return 0

    def largest(self, input_largest: int) -> int:
        """See `Stage`."""
        return input_largest * input_largest

    def run(self, samples: Integers) -> Integers:
        """See `Stage`."""
        return samples * samples

    def code(self, input_largest: int) -> StageCode:
        """See `Stage`."""
        del input_largest
        return StageCode("pointwise.h", (), "midge_square(x)")


@dataclass(frozen=True)
class ShiftRight:
    """Divided by a power of two, rounded down.

    Attributes:
        bits: 1 to 30.
    """

    bits: int

    def __post_init__(self) -> None:
        """Check the number of bits."""
        check_count("ShiftRight", "bits", self.bits, 1, 30)

    @property
    def delay_half_samples(self) -> int:
        """See `Stage`."""
        return 0

    def largest(self, input_largest: int) -> int:
        """See `Stage`; rounding down can enlarge a negative magnitude."""
        return -(-input_largest >> self.bits)

    def run(self, samples: Integers) -> Integers:
        """See `Stage`."""
        return samples >> self.bits

    def code(self, input_largest: int) -> StageCode:
        """See `Stage`."""
        del input_largest
        return StageCode("pointwise.h", (), f"midge_shift_down(x, {self.bits})")


@dataclass(frozen=True)
class Saturate:
    """Clamped to a range.

    Attributes:
        limit: The largest magnitude that passes, 1 to 32767.
    """

    limit: int

    def __post_init__(self) -> None:
        """Check the limit."""
        check_count("Saturate", "limit", self.limit, 1, LARGEST_INT16)

    @property
    def delay_half_samples(self) -> int:
        """See `Stage`."""
        return 0

    def largest(self, input_largest: int) -> int:
        """See `Stage`."""
        return min(input_largest, self.limit)

    def run(self, samples: Integers) -> Integers:
        """See `Stage`."""
        return np.clip(samples, -self.limit, self.limit)

    def code(self, input_largest: int) -> StageCode:
        """See `Stage`."""
        del input_largest
        return StageCode("pointwise.h", (), f"midge_saturate(x, {self.limit})")
