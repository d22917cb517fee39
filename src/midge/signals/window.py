"""The piece of signal around a beat that a network sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midge.errors import UserError
from midge.signals.stage import Integers

GAIN_BITS = 14
"""Fraction bits of the factor that normalises."""
LEAST_LEVEL = 48
"""Amplitudes below it are not magnified further; keeps the product within int32."""
MOST_CODES = 127
LONGEST = 1024


@dataclass(frozen=True)
class BeatWindow:
    """Points of the band around a beat, as int8 in units of the usual beat.

    Attributes:
        before: Inner samples from the first point to the beat.
        count: Points.
        stride: Inner samples between points.
        codes: What the usual amplitude, highest less lowest, becomes; 1 to 127.
    """

    before: int
    count: int
    stride: int = 1
    codes: int = 96

    def __post_init__(self) -> None:
        """Check the parameters.

        Raises:
            UserError: one is out of range.
        """
        for name, low, high in (
            ("before", 0, LONGEST),
            ("count", 1, LONGEST),
            ("stride", 1, 64),
            ("codes", 1, MOST_CODES),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UserError(f"BeatWindow: {name} is {value}; expected {low} to {high}")

    @property
    def after(self) -> int:
        """Inner samples from the beat to the last point; negative when it lies before."""
        return (self.count - 1) * self.stride - self.before

    def cut(self, band: Integers, at: Integers, levels: Integers) -> NDArray[np.int8]:
        """The windows of beats.

        Args:
            band: int64 [n]; zeros stand before it.
            at: Inner samples of the beats, int64 [k], every window ending within the band.
            levels: The usual amplitude at each beat, int64 [k].

        Returns:
            int8 [k, count].
        """
        points = at[:, None] - self.before + self.stride * np.arange(self.count)
        values = np.where(points < 0, 0, band[np.maximum(points, 0)])
        gains = (self.codes << GAIN_BITS) // np.maximum(levels, LEAST_LEVEL)
        scaled: Integers = (values * gains[:, None] + (1 << (GAIN_BITS - 1))) >> GAIN_BITS
        return np.clip(scaled, -128, 127).astype(np.int8)
