"""How much of what is alike a run takes: a sample of it for `make test`, all for `make soak`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_takes_all = False


def take_all() -> None:
    """From now on nothing is left out; `--thorough` asks for it."""
    global _takes_all  # noqa: PLW0603 - said once, before the first test is collected
    _takes_all = True


def takes_all() -> bool:
    """Whether nothing is left out."""
    return _takes_all


def sample_of(things: Sequence[T], count: int) -> list[T]:
    """So many of them, evenly spread, the first among them; all of them in a thorough run."""
    if _takes_all or len(things) <= count:
        return list(things)
    return [things[at * len(things) // count] for at in range(count)]
