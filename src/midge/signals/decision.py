"""From a network's scores to what is said of a beat: a class, a margin, suspicious or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midge.errors import UserError
from midge.signals.stage import Integers

LARGEST_BIAS = 1024


@dataclass(frozen=True)
class Decision:
    """How scores are read. Scores and biases are in the codes of the network's output.

    Attributes:
        classes: Names, in the order of the scores.
        normal: The one that is not suspicious.
        bias: Added to each score; zeros when empty.
        suspicious_below: A beat is suspicious when the normal class leads by less than this.
    """

    classes: tuple[str, ...]
    normal: str
    bias: tuple[int, ...] = ()
    suspicious_below: int = 0

    def __post_init__(self) -> None:
        """Check the parts against each other.

        Raises:
            UserError: they do not fit.
        """
        if not 2 <= len(self.classes) <= 255:
            raise UserError(f"Decision: {len(self.classes)} classes; expected 2 to 255")
        if self.normal not in self.classes:
            raise UserError(
                f"Decision: the normal class {self.normal!r} is none of {', '.join(self.classes)}"
            )
        if self.bias and len(self.bias) != len(self.classes):
            raise UserError(
                f"Decision: {len(self.bias)} biases for {len(self.classes)} classes; expected one "
                "for each, or none"
            )
        for value in (*self.bias, self.suspicious_below):
            if not -LARGEST_BIAS <= value <= LARGEST_BIAS:
                raise UserError(
                    f"Decision: {value} is out of reach of int8 scores; expected -1024 to 1024"
                )

    @property
    def biases(self) -> tuple[int, ...]:
        """One for each class."""
        return self.bias or (0,) * len(self.classes)

    def decide(
        self, scores: NDArray[np.int8], quality: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int16], NDArray[np.bool_]]:
        """The label, the margin and the suspicion of k beats.

        Args:
            scores: int8 [k, classes].
            quality: Bits, uint8 [k]; with any set nothing is suspicious.
        """
        biased: Integers = scores.astype(np.int64) + np.asarray(self.biases, np.int64)
        index = self.classes.index(self.normal)
        rival = np.delete(biased, index, axis=1).max(axis=1)
        margin = biased[:, index] - rival
        suspicious = (margin < self.suspicious_below) & (quality == 0)
        return biased.argmax(axis=1).astype(np.uint8), margin.astype(np.int16), suspicious
