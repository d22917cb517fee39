"""The detector's state machine, run over a whole record.

The C looks at every sample. Nothing happens at most of them, so the twin jumps from one local
maximum of the envelope to the next, with the three deadlines between them: a peak has stood
unbeaten for `hold`, the learning time is over, a beat is overdue. At one sample the C asks in this
order: confirm, end of learning, overdue, new maximum; the twin keeps to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.signals.levels import MedianLevel
from midge.signals.pulse_detector import PulseDetector
from midge.signals.stage import Integers

NEVER = 1 << 62


@dataclass(frozen=True)
class Pulse:
    """A peak that has stood, and what the band looks like around it.

    Attributes:
        at: Inner sample of the band's largest magnitude.
        height: The envelope's.
        slope: Largest step of the band between neighbouring samples, near it.
        amplitude: Highest less lowest value of the band, near it.
        width: Samples near it whose magnitude is over half the largest.
        extreme: The band's value at `at`.
    """

    at: int
    height: int
    slope: int
    amplitude: int
    width: int
    extreme: int


@dataclass(frozen=True)
class FoundPulse:
    """A beat, and when it was found.

    Attributes:
        pulse: Where and what.
        found_at: Inner sample at which the device knows.
        noisy: The noise level was high then.
    """

    pulse: Pulse
    found_at: int
    noisy: bool


def local_maxima(envelope: Integers) -> tuple[Integers, Integers]:
    """Where a signal rises and then falls, with zeros before it.

    Returns:
        the sample of each maximum, the first of equal ones; the sample at which it is known.
    """
    steps = np.diff(envelope, prepend=0)
    moves = np.flatnonzero(steps)
    rises = steps[moves] > 0
    tops = np.flatnonzero(rises[:-1] & ~rises[1:])
    return moves[tops], moves[tops + 1]


def look_around(band: Integers, middle: int, search: int, height: int) -> Pulse:
    """The peak near a sample of the band.

    Args:
        band: int64 [n].
        middle: Where to look; may lie before the start.
        search: How far to look to both sides.
        height: The envelope's, for the result.
    """
    first, end = max(0, middle - search), max(0, middle + search + 1)
    part = band[first:end]
    if not part.size:
        return Pulse(0, height, 0, 0, 0, 0)
    magnitudes = np.abs(part)
    top = int(magnitudes.argmax())
    steps = np.abs(np.diff(part, prepend=band[first - 1] if first else 0))
    return Pulse(
        at=first + top,
        height=height,
        slope=int(steps.max()),
        amplitude=int(part.max() - part.min()),
        width=int(np.count_nonzero(2 * magnitudes > magnitudes[top])),
        extreme=int(part[top]),
    )


class PulseSearch:
    """One pass over a record.

    Args:
        detector: The parameters.
        band: Band-passed signal, int64 [n].
        envelope: Its envelope, int64 [n], never negative.
        lag: Samples by which the envelope is later than the band.
        capacity: Peaks that are remembered while the levels are learnt.
    """

    def __init__(
        self,
        detector: PulseDetector,
        band: Integers,
        envelope: Integers,
        *,
        lag: int,
        capacity: int,
    ) -> None:
        """Start at silence."""
        self.found: list[FoundPulse] = []
        self._detector = detector
        self._band = band
        self._envelope = envelope
        self._lag = lag
        self._capacity = capacity
        self._signal = MedianLevel()
        self._noise = MedianLevel()
        self._rr = MedianLevel()
        self._peak_at = 0
        self._peak_height = 0
        self._confirm_at = NEVER
        self._learning = True
        self._learnt: list[Pulse] = []
        self._last: Pulse | None = None
        self._best: Pulse | None = None
        self._overdue = False
        self._due_at = NEVER

    def run(self) -> list[FoundPulse]:
        """Find the beats, in order."""
        tops, known = local_maxima(self._envelope)
        heights = self._envelope[tops]
        floor = self._detector.floor >> 2
        audible = np.flatnonzero(heights > floor)
        for at, height, now in zip(
            tops[audible].tolist(), heights[audible].tolist(), known[audible].tolist(), strict=True
        ):
            self._advance(now)
            if self._confirm_at == NEVER or height > self._peak_height:
                self._peak_at = at
                self._peak_height = height
                self._confirm_at = max(at + self._detector.hold, now + 1)
        self._advance(self._envelope.size - 1)
        return self.found

    def _advance(self, now: int) -> None:
        """Everything that is due up to and at a sample, in the order of the C."""
        learnt_at = self._detector.learning if self._learning else NEVER
        while True:
            at = min(self._confirm_at, learnt_at, self._due_at)
            if at > now:
                return
            if self._confirm_at == at:
                self._confirm_at = NEVER
                pulse = self._look_around()
                if not self._learning:
                    self._judge(pulse, at)
                elif len(self._learnt) < self._capacity:
                    self._learnt.append(pulse)
            elif learnt_at == at:
                learnt_at = NEVER
                self._end_learning(at)
            else:
                self._search_back(at)

    def _look_around(self) -> Pulse:
        middle = self._peak_at - self._lag
        return look_around(self._band, middle, self._detector.search, self._peak_height)

    def _end_learning(self, now: int) -> None:
        self._learning = False
        heights = [pulse.height for pulse in self._learnt]
        highest = max(heights, default=self._detector.floor)
        self._signal.fill(highest)
        self._noise.fill(highest >> 3)
        self._rr.fill(self._detector.first_rr)
        self._due_at = now + self._detector.longest_rr
        for pulse in self._learnt:
            self._judge(pulse, now)

    def _threshold(self) -> int:
        detector = self._detector
        span = max(0, self._signal.median - self._noise.median)
        level = self._noise.median + _share(span, detector.threshold)
        return max(level, detector.floor)

    def _judge(self, pulse: Pulse, now: int) -> None:
        detector = self._detector
        threshold = self._threshold()
        if self._overdue:
            threshold = max(_share(threshold, detector.search_back), detector.floor)
        slow = False
        if self._last is not None:
            since = pulse.at - self._last.at
            if since < detector.refractory:
                return
            slow = since < detector.slow_wave and pulse.slope < _share(
                self._last.slope, detector.slow_wave_slope
            )
        if pulse.height > threshold and not slow:
            self._accept(pulse, now)
            return
        self._noise.add(pulse.height)
        if not slow and (self._best is None or pulse.height > self._best.height):
            self._best = pulse

    def _search_back(self, now: int) -> None:
        detector = self._detector
        threshold = max(_share(self._threshold(), detector.search_back), detector.floor)
        if self._best is not None and self._best.height > threshold:
            self._accept(self._best, now)
            return
        if self._overdue:
            self._signal.relax()
        self._overdue = True
        # What was too low now would be too old for the window's memory later.
        self._best = None
        self._due_at = now + detector.relax

    def _accept(self, pulse: Pulse, now: int) -> None:
        detector = self._detector
        noisy = self._noise.median >= _share(self._signal.median, detector.noisy)
        self._signal.add(pulse.height)
        if self._last is not None:
            self._rr.add(min(pulse.at - self._last.at, detector.longest_rr))
        self._last = pulse
        self._best = None
        self._overdue = False
        wait = min(_share(self._rr.median, detector.search_back_rr), detector.longest_rr)
        self._due_at = max(pulse.at + self._lag + detector.hold + wait, now + 1)
        self.found.append(FoundPulse(pulse, now, noisy))


def _share(value: int, share: int) -> int:
    """A share of a value, in 256ths, rounded down; without a product beyond int32."""
    return (value >> 8) * share + (((value & 255) * share) >> 8)
