"""How far a sweep is: rate, and time left."""

from __future__ import annotations

import sys
import time


class Progress:
    """A line on standard error: rewritten on a terminal, repeated every half minute elsewhere."""

    def __init__(self, name: str, total: float) -> None:
        """Start the clock.

        Args:
            name: What is swept.
            total: All of the work, in any unit.
        """
        self._name = name
        self._total = total
        self._done = 0.0
        self._start = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._shown = 0.0

    def advance(self, work: float, what: str) -> None:
        """Add finished work.

        Args:
            work: In the unit of the total.
            what: What is going on.
        """
        self._done += work
        now = time.monotonic()
        if now - self._shown < (0.2 if self._terminal else 30):
            return
        self._shown = now
        line = f"{self._name} {100 * self._done / max(self._total, self._done):.1f} %  {what}"
        line += f"  about {duration(self._seconds_left(now))} left"
        print(f"\r{line:<100}" if self._terminal else line, end="", file=sys.stderr, flush=True)
        if not self._terminal:
            print(file=sys.stderr, flush=True)

    def reach(self, done: float) -> None:
        """Say how much is finished altogether, where some of it needed no work."""
        self._done = max(self._done, done)

    def close(self) -> None:
        """Leave the line."""
        if self._terminal:
            print(file=sys.stderr, flush=True)

    def _seconds_left(self, now: float) -> float:
        rate = self._done / max(now - self._start, 1e-9)
        return (self._total - self._done) / max(rate, 1e-9)


def duration(seconds: float) -> str:
    """Seconds for people: ``42 s``, ``7 min``, ``1 h 05 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
