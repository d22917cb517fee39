"""How far a long computation is, for somebody who waits at a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Protocol, TypeVar

Item_co = TypeVar("Item_co", covariant=True)

SILENT_S = 2.0
"""What takes less is done before anybody asks."""
INTERVAL_S = 0.2


class SizedIterable(Sized, Iterable[Item_co], Protocol[Item_co]):
    """What can be counted and walked along."""


def shown(items: SizedIterable[Item_co], what: str) -> Iterator[Item_co]:
    """The items, with a line on standard error that counts them where that is a terminal."""
    start, said = time.monotonic(), False
    last = start
    for number, item in enumerate(items):
        now = time.monotonic()
        if now - start > SILENT_S and now - last > INTERVAL_S and sys.stderr.isatty():
            left = (now - start) * (len(items) - number) / max(number, 1)
            line = f"{what}: {number} of {len(items)}, about {left:.0f} s left"
            print(f"\r{line:<79}", end="", file=sys.stderr, flush=True)
            said, last = True, now
        yield item
    if said:
        print(f"\r{what}: {len(items)} of {len(items)}".ljust(80), file=sys.stderr, flush=True)
