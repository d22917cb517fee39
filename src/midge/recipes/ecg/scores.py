"""Sensitivity, predictivity and their kin, counted as ANSI/AAMI EC57 says.

A matrix has a row for each class of the reference (N, S, V, F, Q) and one for detections where no
beat is; a column for each class that is said (N, S, V) and one for beats that were missed. Matrices
of several records add up to gross figures.

EC57, and de Chazal, O'Dwyer and Reilly 2004 (IEEE TBME 51(7), section II-E) after it, do not hold
everything against a system: a fusion beat (F) or an unclassifiable one (Q) that is called V is no
false V; a Q that is called S is no false S. F and Q have no column, for the device does not say
them; they count neither in the accuracy nor in the mean of F1. A false detection that is called S
or V is a false S or V; one that is called N is a matter of the detector alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.recipes.ecg.beat_matching import NO_BEAT
from midge.recipes.ecg.records import CLASSES

SAID = "NSV"
"""Classes that a system can say, and that are scored."""
ROWS = (*CLASSES, NO_BEAT)
MISSED = len(SAID)
"""The column of beats that were not detected."""
_EXCUSED = {"N": (NO_BEAT,), "S": ("Q",), "V": ("F", "Q")}
"""Rows that are not held against the predictivity of a class."""

Matrix = npt.NDArray[np.int64]
Labels = npt.NDArray[np.str_]
Share = float | None


@dataclass(frozen=True)
class Rates:
    """What a matrix says; shares from 0 to 1, None where there is nothing to divide.

    Attributes:
        sensitivity: By class of `SAID`: of its beats, missed ones included, those called so.
        predictivity: By class: of the beats called so, those that are; less what is excused.
        f1: By class: harmonic mean of the two; 0 where beats are there and none is found.
        macro_f1: Mean of `f1` over the classes that have beats.
        accuracy: Of the N, S and V beats, those with the right class.
    """

    sensitivity: Mapping[str, Share]
    predictivity: Mapping[str, Share]
    f1: Mapping[str, Share]
    macro_f1: Share
    accuracy: Share


def confusion(truth: Labels, said: Labels, missed: Labels | None = None) -> Matrix:
    """Count the beats of a record.

    Args:
        truth: <U1 [k], the reference's class of each detection, ``O`` where there is no beat.
        said: <U1 [k], what was said of it.
        missed: <U1 [m], classes of the beats that were not detected.

    Returns:
        int64 [6, 4]: rows `ROWS`, columns `SAID` and missed.

    Raises:
        UserError: a letter is none of these classes, or the lengths differ.
    """
    lost = np.array([], "<U1") if missed is None else missed
    if truth.shape != said.shape:
        raise UserError(f"confusion: {truth.size} beats and {said.size} answers; expected as many")
    matrix = np.zeros((len(ROWS), MISSED + 1), np.int64)
    np.add.at(matrix, (_indices(truth, ROWS), _indices(said, tuple(SAID))), 1)
    matrix[:, MISSED] = np.bincount(_indices(lost, ROWS), minlength=len(ROWS))
    return matrix


def _indices(letters: Labels, known: tuple[str, ...]) -> npt.NDArray[np.int64]:
    found = np.full(letters.shape, -1, np.int64)
    for index, letter in enumerate(known):
        found[letters == letter] = index
    if np.any(found < 0):
        strange = ", ".join(sorted(set(letters[found < 0].tolist())))
        raise UserError(f"confusion: classes {strange}; expected {', '.join(known)}")
    return found


def rates(matrix: Matrix) -> Rates:
    """What a matrix of `confusion`, or a sum of them, says."""
    sensitivity: dict[str, Share] = {}
    predictivity: dict[str, Share] = {}
    f1: dict[str, Share] = {}
    right = 0
    for column, letter in enumerate(SAID):
        row = ROWS.index(letter)
        hits, beats = int(matrix[row, column]), int(matrix[row].sum())
        excused = [ROWS.index(other) for other in _EXCUSED[letter]]
        called = int(matrix[:, column].sum() - matrix[excused, column].sum())
        right += hits
        sensitivity[letter] = hits / beats if beats else None
        predictivity[letter] = hits / called if called else None
        f1[letter] = 2 * hits / (beats + called) if beats else None
    scored = [ROWS.index(letter) for letter in SAID]
    known = [value for value in f1.values() if value is not None]
    total = int(matrix[scored].sum())
    return Rates(
        sensitivity=sensitivity,
        predictivity=predictivity,
        f1=f1,
        macro_f1=sum(known) / len(known) if known else None,
        accuracy=right / total if total else None,
    )


def roc(
    score: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_], most_points: int = 200
) -> tuple[list[tuple[float, float]], float]:
    """The receiver operating characteristic of a score.

    Args:
        score: float64 [k], higher for what is more likely positive.
        positive: bool [k].
        most_points: Points to keep, at least 3: of false alarms and sensitivity, spread along the
            curve.

    Returns:
        points from (0, 0) to (1, 1), rising; and the area under all of them, ties counted half.

    Raises:
        UserError: all are positive, or none is.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        raise UserError(f"roc: {positives} positive and {negatives} other; expected some of both")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(positive[order])
    alarms = np.cumsum(~positive[order])
    # Beats of equal score are told apart by nothing: the curve has a point behind each group.
    last = np.append(np.flatnonzero(np.diff(score[order])), score.size - 1)
    x = np.concatenate(([0.0], alarms[last] / negatives))
    y = np.concatenate(([0.0], hits[last] / positives))
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
    if x.size > most_points:
        # Even steps along the curve as it is drawn, false alarms on a logarithmic axis.
        along = np.log10(np.maximum(x, 1e-3)) / 3 + y
        kept = np.searchsorted(along, np.linspace(along[0], along[-1], most_points - 2))
        kept = np.unique(np.concatenate(([0], np.minimum(kept, x.size - 1), [x.size - 1])))
        x, y = x[kept], y[kept]
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)], area
