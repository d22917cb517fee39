"""What runs a learner over a recorded stream: the NumPy twin, or its C with the same bits.

This room knows no compiler: who has one hands an `Engine` in (`midge.driver.learner_host`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from numpy.typing import ArrayLike

from midge.adapt.model import StreamModel
from midge.adapt.trace import Trace


class Runner(Protocol):
    """A learner under way."""

    def run(self, series: ArrayLike, horizons: Iterable[int] = (1,)) -> Trace:
        """As `StreamModel.run`; goes on from where it is."""

    def save(self) -> bytes:
        """A checkpoint, as `StreamModel.save`."""


@dataclass(frozen=True)
class Engine:
    """A way to run learners, bit-equal to every other.

    Attributes:
        name: For tables.
        start: From a model that has seen nothing, what runs it.
    """

    name: str
    start: Callable[[StreamModel], Runner]


TWIN = Engine("NumPy twin", lambda model: model)
"""What is always there."""
