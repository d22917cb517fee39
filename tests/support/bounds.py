"""Limits of time and memory for what reads files of strangers."""

from __future__ import annotations

import contextlib
import resource
import signal
import sys
import tracemalloc
from collections.abc import Iterator

WATCHDOG_S = 20.0
"""Of the processor, not of the clock: a busy machine fails no test. An import may take two."""


@contextlib.contextmanager
def coming_back() -> Iterator[None]:
    """The block ends before the watchdog barks."""

    def bark(*_: object) -> None:
        raise TimeoutError(f"no answer within {WATCHDOG_S} s of processor time")

    before = signal.signal(signal.SIGPROF, bark)
    signal.setitimer(signal.ITIMER_PROF, WATCHDOG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextlib.contextmanager
def bounded(megabytes: float) -> Iterator[None]:
    """The block allocates at most so much at a time, touched or not, and comes back."""
    tracemalloc.start()
    try:
        with coming_back():
            yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < megabytes * 1e6


def peak_memory_megabytes() -> float:
    """The most that this process has held in memory so far; costs nothing to ask."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
