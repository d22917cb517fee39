"""How unusual a number is among those before it: a tail probability, for any kind of evidence.

The rule is that of `anomaly`: a histogram over logarithmic bins that forgets, beyond its last two
percent a power law whose exponent is estimated there. Here in Python's floats, for what no device
has to follow bit for bit.
"""

from __future__ import annotations

import math

from midge.adapt.anomaly import SLOWEST, TAIL
from midge.adapt.settings import TAIL_BINS

_BINS_AN_OCTAVE = 3
_FIRST_EDGE = -3
"""Logarithm of the first bin's upper neighbour, to the base of 2; as in `anomaly.EDGES`."""
_PRIOR = 0.25
"""Of the tail's mass: stands for a fall by one half a bin before enough was seen."""
_RESCALE_ABOVE = 1e100
_LEAST = 2.0**-60


class Ranking:
    """Remembers how large the numbers before were, in a fixed amount of memory."""

    def __init__(self) -> None:
        self._weights = [0.0] * TAIL_BINS
        self._total = 0.0
        self._weight = 1.0
        self._seen = 0

    def rank(self, value: float) -> float:
        """The share of numbers expected to be as large as `value`, 0 or more; then it counts."""
        place = _BINS_AN_OCTAVE * (math.log2(max(value, _LEAST)) - _FIRST_EDGE)
        place = min(max(place, 0.0), math.nextafter(TAIL_BINS, 0))
        bin_ = int(place)
        out = self._tail(bin_, place - bin_) if self._seen else 1.0
        floor = 0.125 / (self._seen + 1)
        self._count(bin_)
        return min(max(out, floor), 1.0)

    def _tail(self, bin_: int, part: float) -> float:
        limit = float(TAIL) * self._total
        above, far, moment = 0.0, TAIL_BINS, 0.0
        while far > 0 and above + self._weights[far - 1] <= limit:
            moment += above  # each weight counts once for every bin that it lies beyond `far`
            far -= 1
            above += self._weights[far]
        if bin_ < far:
            higher = sum(self._weights[bin_ + 1 :])
            return (higher + self._weights[bin_] * (1 - part)) / self._total
        prior = _PRIOR * limit
        fall = (moment + prior) / (moment + above + 2 * prior)
        begun = max(above, prior) / self._total
        return float(begun * fall ** (bin_ - far) * (1 - (1 - fall) * part))

    def _count(self, bin_: int) -> None:
        self._seen += 1
        if self._seen * float(SLOWEST) > 1:
            self._weight /= 1 - float(SLOWEST)
        self._weights[bin_] += self._weight
        self._total += self._weight
        if self._weight > _RESCALE_ABOVE:
            self._weights = [one / self._weight for one in self._weights]
            self._total /= self._weight
            self._weight = 1.0
