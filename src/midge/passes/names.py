"""Names for what a pass adds to a graph."""

from __future__ import annotations

import itertools
from collections.abc import Container


def free_name(name: str, taken: Container[str]) -> str:
    """The name, or with the first number behind it that makes it free."""
    if name not in taken:
        return name
    return next(n for i in itertools.count(2) if (n := f"{name}_{i}") not in taken)
