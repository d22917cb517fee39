"""Where random networks take their decisions from.

Every decision is one call ``draw(low, high)``, which returns an integer from low to high, both
included, the simplest choice being the lowest. So a test can pass hypothesis in, as
``lambda low, high: data.draw(st.integers(low, high))``, and a failing network shrinks to a small
one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

Draw = Callable[[int, int], int]
"""``draw(low, high)``: an integer from low to high, both included."""

T = TypeVar("T")


def seeded(rng: np.random.Generator) -> Draw:
    """Return a `Draw` that takes uniform integers from `rng`."""
    return lambda low, high: int(rng.integers(low, high + 1))


class Choices:
    """The decisions that generators take, in terms of one `Draw`."""

    def __init__(self, draw: Draw) -> None:
        self.integer = draw

    def one_of(self, options: Sequence[T]) -> T:
        """Return one of `options`, which start with the simplest; repeats weigh more."""
        return options[self.integer(0, len(options) - 1)]

    def one_in(self, count: int) -> bool:
        """Return True once in `count` times."""
        return self.integer(0, count - 1) == count - 1

    def divisor(self, number: int) -> int:
        """Return a divisor of `number`."""
        return self.one_of([d for d in range(1, number + 1) if number % d == 0])
