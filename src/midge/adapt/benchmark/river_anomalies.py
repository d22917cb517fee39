"""Detectors of `river`: half-space trees for anomalies, ADWIN and Page-Hinkley for changes.

Importing this module needs `river`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import anomaly, drift, preprocessing

SEED = 7


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
