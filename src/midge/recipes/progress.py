"""How far a run is and what is left, for somebody who waits at a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

TERMINAL_INTERVAL_S = 0.2
LOG_INTERVAL_S = 10.0
"""Where no terminal rewrites its line, lines are kept apart."""
_WIDTH = 99


class Progress:
    """Lines on standard error: one a stage, and within a stage how far it is."""

    def __init__(self, weights: Sequence[float]) -> None:
        """Start the clock.

        Args:
            weights: Of all stages, in order, in any unit of time.
        """
        self._weights = tuple(weights)
        self._stage = 0
        self._title = ""
        self._worked = 0.0
        self._worked_s = 0.0
        self._start = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def begin(self, number: int, title: str) -> None:
        """A stage begins; `number` counts from 0."""
        self._stage, self._title = number, title
        self._start = self._shown = time.monotonic()
        self._line(f"{self._head()} ...")

    def skip(self, number: int, title: str) -> None:
        """A stage was done by an earlier run."""
        self._stage, self._title = number, title
        self._line(f"{self._head()}: done already")
        self._leave()

    def end(self) -> None:
        """The stage is done."""
        spent = time.monotonic() - self._start
        self._worked += self._weights[self._stage]
        self._worked_s += spent
        left = self._left(1.0)
        self._line(f"{self._head()}: done in {duration(spent)}{left}")
        self._leave()

    def at(self, done: float, total: float, what: str) -> None:
        """Within the stage: so much of so much is done.

        Args:
            done: In any unit.
            total: In the same.
            what: What is going on: ``epoch 3 of 20, loss 0.21``.
        """
        now = time.monotonic()
        interval = TERMINAL_INTERVAL_S if self._terminal else LOG_INTERVAL_S
        if now - self._shown < interval:
            return
        self._shown = now
        share = min(done / total, 1.0) if total else 0.0
        self._line(f"{self._head()} {100 * share:.0f} %: {what}{self._left(share)}")

    def say(self, text: str) -> None:
        """A line that stays, such as a notice about the data."""
        self._line(text)
        self._leave()

    def _head(self) -> str:
        return f"[{self._stage + 1}/{len(self._weights)}] {self._title}"

    def _left(self, share: float) -> str:
        """The time left, once there is anything to judge it by."""
        weight = self._weights[self._stage]
        spent, done = self._worked_s, self._worked
        if share < 1.0:
            spent += time.monotonic() - self._start
            done += weight * share
        rest = sum(self._weights[self._stage + 1 :]) + weight * (1.0 - share)
        if not rest or spent < 1.0 or not done:
            return ""
        return f", about {duration(rest * spent / done)} left"

    def _line(self, text: str) -> None:
        if self._terminal:
            print(f"\r{text:<{_WIDTH}.{_WIDTH}}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def _leave(self) -> None:
        if self._terminal:
            print(file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds for people: ``0.4 s``, ``42 s``, ``7 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
