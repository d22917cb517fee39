"""Running levels that one odd beat does not move: the median of the last eight values."""

from __future__ import annotations

from dataclasses import dataclass, field

SIZE = 8
"""Values that count; even, so that the median is the mean of the middle two."""


@dataclass
class MedianLevel:
    """The twin of ``struct midge_level``.

    Attributes:
        values: The last values, the oldest overwritten first.
        at: Where the next one goes.
        median: Of `values`, rounded down.
    """

    values: list[int] = field(default_factory=lambda: [0] * SIZE)
    at: int = 0
    median: int = 0

    def fill(self, value: int) -> None:
        """Forget the past; the level is `value`."""
        self.values = [value] * SIZE
        self.median = value

    def add(self, value: int) -> None:
        """Take a value in."""
        self.values[self.at] = value
        self.at = (self.at + 1) % SIZE
        ordered = sorted(self.values)
        self.median = (ordered[SIZE // 2 - 1] + ordered[SIZE // 2]) >> 1

    def relax(self) -> None:
        """Lower every value by a quarter."""
        for index, value in enumerate(self.values):
            self.values[index] = value - (value >> 2)
        ordered = sorted(self.values)
        self.median = (ordered[SIZE // 2 - 1] + ordered[SIZE // 2]) >> 1
