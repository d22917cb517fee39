"""Biases of the classes and the threshold of suspicion, chosen on patients that were left out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from midge.recipes.ecg.beats import Float32Array, Int64Array

FLAGGED = 0.15
"""Share of the training beats that are suspicious at least. On folds of DS1's patients, this took
11.3 percent of the raw bytes, 0.12 took 9.4 and 0.19 took 13.5. Of the bytes, 15 percent are
allowed, and new patients may have more to flag. The cascade's mean F1 was that of the cloud alone
or better with each."""
WANTED_SENSITIVITY = 0.70
"""Of S, the class that is hardest to tell from N."""
SHORTFALL_COST = 0.5
"""What sensitivity that is missing to `WANTED_SENSITIVITY` costs in mean F1. Without it, the biases
for folds of DS1 find 54 percent of S with 53 percent predictivity; with it 70 with 41."""
BIASES = np.arange(-2.0, 2.01, 0.25)
"""Of S and of V against N, in units of scores before softmax."""


@dataclass(frozen=True)
class Thresholds:
    """How scores are read.

    Attributes:
        bias: Added to the scores of N, S and V.
        suspicious_below: A beat whose N leads by less is suspicious.
    """

    bias: tuple[float, float, float]
    suspicious_below: float

    def labels(self, scores: Float32Array) -> Int64Array:
        """The class of each beat, int64 [n], of scores float32 [n, 3]."""
        labels: Int64Array = (scores + np.asarray(self.bias, np.float32)).argmax(axis=1)
        return labels


def margins(scores: Float32Array, bias: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """By how much N leads, float64 [n]."""
    biased = scores.astype(np.float64) + np.asarray(bias)
    lead: npt.NDArray[np.float64] = biased[:, 0] - biased[:, 1:].max(axis=1)
    return lead


def choose_thresholds(
    scores: Float32Array, labels: Int64Array, flagged: float = FLAGGED
) -> Thresholds:
    """The biases that are worth most, and the threshold that flags the wanted share.

    Worth is the mean F1, less what is missing to the wanted sensitivity of S.

    Args:
        scores: Of beats that the network has not learnt from, float32 [n, 3].
        labels: What they are, int64 [n].
        flagged: Share of the beats that are to be suspicious, at least those called ectopic.

    Returns:
        Of equally good biases those nearest to none.
    """
    tried = sorted(product(BIASES, BIASES), key=lambda b: (abs(b[0]) + abs(b[1]), b))
    rated = [
        _worth((scores + np.array([0, *pair], np.float32)).argmax(axis=1), labels) for pair in tried
    ]
    s, v = tried[int(np.argmax(rated))]
    bias = (0.0, float(s), float(v))
    below = float(np.quantile(margins(scores, bias), flagged, method="lower"))
    # What is called ectopic is always suspicious.
    return Thresholds(bias, max(below, 0.0))


def _worth(said: Int64Array, labels: Int64Array) -> float:
    """Mean F1 of N, S and V, less the cost of what is missing in sensitivity to S."""
    table = np.bincount(3 * labels + said, minlength=9).reshape(3, 3)
    hits, beats, called = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    mean_f1 = float(np.mean(2 * hits / np.maximum(beats + called, 1)))
    missing = max(0.0, WANTED_SENSITIVITY - float(hits[1] / max(beats[1], 1)))
    return mean_f1 - SHORTFALL_COST * missing
