"""Work of a stage that falls into equal parts, on two processors where there are two."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

MOST_PROCESSES = 2
"""More would not fit the memory of a small machine: each holds PyTorch."""

Part = TypeVar("Part")
Result = TypeVar("Result")


def each(
    do: Callable[[Part], Result],
    parts: Sequence[Part],
    prepare: Callable[..., None] | None = None,
    given: tuple[Any, ...] = (),
) -> Iterator[Result]:
    """What each part comes to, as they end, in any order.

    Args:
        do: Is called with one part; a function that another process can import.
        parts: What there is to do. They and the results travel between processes.
        prepare: Is called once in every process, before its first part.
        given: Its arguments.

    Yields:
        results; one part alone is done in this process.
    """
    if len(parts) < 2:
        if prepare is not None:
            prepare(*given)
        yield from map(do, parts)
        return
    # Not forked: PyTorch's threads do not survive that.
    spawned = multiprocessing.get_context("spawn")
    with _interrupts_left_alone():
        pool = spawned.Pool(min(MOST_PROCESSES, os.cpu_count() or 1), prepare, given)
    with pool:
        yield from pool.imap_unordered(do, parts)


@contextlib.contextmanager
def _interrupts_left_alone() -> Iterator[None]:
    """Processes that start meanwhile do not hear Ctrl-C: it is for the one that ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
