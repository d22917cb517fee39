"""Detectors of `river`: half-space trees for anomalies, ADWIN and Page-Hinkley for changes.

Importing this module needs `river`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import anomaly, drift, preprocessing

from midge.adapt.benchmark.vibration import Piece

SEED = 7
_FRAMES = 50
"""Of a window of trees for frames: the usual 250 are more than there are to learn from."""


def half_space_trees(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Anomaly scores [rows] of `river`'s trees with its defaults, values scaled online to 0..1."""
    scaler = preprocessing.MinMaxScaler()
    trees = anomaly.HalfSpaceTrees(seed=SEED)
    out = np.zeros(len(values))
    for row, value in enumerate(values):
        scaler.learn_one({"x": float(value)})
        sample = scaler.transform_one({"x": float(value)})
        out[row] = trees.score_one(sample)
        trees.learn_one(sample)
    return out


def frame_trees(learned: Piece, rate: float) -> Callable[[Piece], NDArray[np.bool_]]:
    """Flags of frames by trees that know those learned, energies scaled to their range.

    The limit is the quantile of the scores that the learned frames got from trees that had seen
    those before them; the first windows, in which there are no trees yet, are left out.
    """
    low, high = learned.energies.min(axis=0), learned.energies.max(axis=0)
    trees = anomaly.HalfSpaceTrees(window_size=_FRAMES, seed=SEED)

    def scaled(piece: Piece) -> list[dict[int, float]]:
        values = np.clip((piece.energies - low) / np.maximum(high - low, 1), 0, 1)
        return [dict(enumerate(row)) for row in values.tolist()]

    seen = []
    for sample in scaled(learned):
        seen.append(trees.score_one(sample))
        trees.learn_one(sample)
    limit = np.quantile(seen[2 * _FRAMES :], 1 - rate)
    return lambda piece: np.array([trees.score_one(one) for one in scaled(piece)]) > limit


def adwin(missed: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where ADWIN sees a change in a stream of errors."""
    return _changes(drift.ADWIN(), missed)


def page_hinkley(missed: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the Page-Hinkley test sees a change in a stream of errors."""
    return _changes(drift.PageHinkley(), missed)


def _changes(detector: Any, missed: NDArray[np.float64]) -> NDArray[np.bool_]:
    out = np.zeros(len(missed), bool)
    for tick, value in enumerate(missed):
        detector.update(float(value))
        out[tick] = detector.drift_detected
    return out
