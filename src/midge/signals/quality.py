"""Whether there is a signal at all: flat lines, samples at the converter's rails, noise.

The raw samples are looked at in blocks. What the last blocks show is the state of the signal; every
beat gathers the states from when it was found until it is decided.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midge.errors import UserError
from midge.signals.stage import Integers

FLAT = 1
"""The signal hardly moves: an electrode or a sensor is off."""
SATURATED = 2
"""Samples stand at a rail of the converter."""
NOISY = 4
"""The noise level of the detector is near its signal level."""

BLOCKS = 4
"""Blocks that the state looks back on."""


@dataclass(frozen=True)
class SignalQuality:
    """When a signal is no signal.

    Attributes:
        block: Raw samples of a block; the state covers the last four.
        flat_range: Highest less lowest sample of four blocks, below which they are flat.
        low_rail: A sample at or below it is saturated.
        high_rail: A sample at or above it is saturated.
        rail_samples: So many saturated samples in four blocks are too many.
    """

    block: int
    flat_range: int
    low_rail: int
    high_rail: int
    rail_samples: int

    def __post_init__(self) -> None:
        """Check the parameters.

        Raises:
            UserError: one is out of range.
        """
        if not 2 <= self.block <= 1 << 14:
            raise UserError(
                f"SignalQuality: block is {self.block}; expected 2 to 16384 raw samples"
            )
        if not -(1 << 15) <= self.low_rail < self.high_rail < 1 << 15:
            raise UserError(
                f"SignalQuality: rails {self.low_rail} and {self.high_rail}; expected two int16, "
                "the lower first"
            )
        for name in ("flat_range", "rail_samples"):
            if not 1 <= getattr(self, name) < 1 << 15:
                raise UserError(
                    f"SignalQuality: {name} is {getattr(self, name)}; expected 1 to 32767"
                )

    def states(self, samples: Integers) -> Integers:
        """The state behind every whole block, int64 [blocks]."""
        blocks = samples.size // self.block
        if not blocks:
            return np.zeros(0, np.int64)
        rows = samples[: blocks * self.block].reshape(blocks, self.block)
        railed = np.count_nonzero((rows <= self.low_rail) | (rows >= self.high_rail), axis=1)
        lows = _last_blocks(rows.min(axis=1), np.iinfo(np.int16).max)
        highs = _last_blocks(rows.max(axis=1), np.iinfo(np.int16).min)
        flat: NDArray[np.bool_] = highs.max(axis=1) - lows.min(axis=1) < self.flat_range
        flat[: BLOCKS - 1] = False
        saturated = _last_blocks(railed, 0).sum(axis=1) >= self.rail_samples
        return np.where(flat, FLAT, 0) + np.where(saturated, SATURATED, 0)

    def gathered(self, states: Integers, first: Integers, last: Integers) -> Integers:
        """States that hold between two raw samples, both included, for each beat.

        Args:
            states: From `states`.
            first: Raw samples, int64 [k].
            last: Raw samples, none before its first.
        """
        result = np.zeros(first.size, np.int64)
        if not states.any():
            return result
        begin = (first + 1) // self.block - 1
        end = (last + 1) // self.block - 1
        for index, (start, stop) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
            if stop >= 0:
                result[index] = np.bitwise_or.reduce(states[max(0, start) : stop + 1])
        return result

    def changes(self, states: Integers) -> Integers:
        """Where the state changes, int64 [m, 2]: the raw sample at which it is known, the state."""
        at = np.flatnonzero(np.diff(states, prepend=0))
        return np.stack([(at + 1) * self.block - 1, states[at]], axis=1)


def _last_blocks(values: Integers, before: int) -> Integers:
    padded = np.concatenate([np.full(BLOCKS - 1, before, np.int64), values])
    rows: Integers = np.lib.stride_tricks.sliding_window_view(padded, BLOCKS)
    return rows
