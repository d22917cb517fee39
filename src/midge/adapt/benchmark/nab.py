"""The Numenta Anomaly Benchmark: one setting for all files, scored by its own rule.

Rows of this project's own beside the published table: the learner, a windowed Gaussian written
from the benchmark's description of it (its published figure checks the scorer and the files), and
half-space trees of `river` where it is installed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt.benchmark.data_files import NabFile
from midge.adapt.benchmark.nab_scorer import PROFILES, STANDARD, nab_score
from midge.adapt.benchmark.published import NAB

Json = dict[str, Any]
Detector = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From values [rows] to anomaly scores [rows], row by row from nothing later."""

_WINDOW = 6400
_STEP = 100
_DIGITS = 12
_LEAST_SPREAD = 1e-6


def run(
    files: Sequence[NabFile],
    detectors: Mapping[str, Detector],
    flags: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.bool_]]],
    told: Callable[[str], None],
) -> Json:
    """All rows of the table.

    Args:
        files: The corpus.
        detectors: Scored with the best threshold over all files, as the benchmark does.
        flags: Scored with what they flag by themselves, no threshold chosen on labels.
        told: Hears what is under way.
    """
    rows: list[Json] = [
        {"method": method, "source": "published", "scores": list(scores)}
        for method, scores in NAB.items()
    ]
    windows = [file.windows for file in files]
    for method, detector in detectors.items():
        told(f"NAB: {method}")
        scores = [detector(file.values) for file in files]
        standard = nab_score(scores, windows, STANDARD)
        rows.append(
            {
                "method": method,
                "source": "measured",
                "scores": [nab_score(scores, windows, profile).score for profile in PROFILES],
                "windows_hit": standard.windows_hit,
                "false_alarms": standard.false_alarms,
            }
        )
    for method, flag in flags.items():
        told(f"NAB: {method}, its own flags")
        raised = [flag(file.values).astype(np.float64) for file in files]
        fixed = [nab_score(raised, windows, profile, threshold=0.5) for profile in PROFILES]
        rows.append(
            {
                "method": f"{method}, its own flags",
                "source": "measured",
                "scores": [one.score for one in fixed],
                "windows_hit": fixed[0].windows_hit,
                "false_alarms": fixed[0].false_alarms,
            }
        )
    return {"files": len(files), "windows": sum(map(len, windows)), "rows": rows}


def windowed_gaussian(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """One minus the tail of a normal distribution fitted to the last 6,400 values, in steps of 100.

    The window and the step are the benchmark's, tuned on it by its authors; twelve digits, as in
    its published result files, without which the published score does not come out.
    """
    out = np.zeros(len(values))
    first, last = 0, 0
    mean, spread = 0.0, 1.0
    squares = 0.0  # of distances from the mean, of a window that still grows
    for row, value in enumerate(values.tolist()):
        if row:
            tail = 0.5 * math.erfc(abs(value - mean) / spread / math.sqrt(2))
            out[row] = 1 - tail
        if last - first < _WINDOW:
            last = row + 1
            before = value - mean
            mean += before / last
            squares += before * (value - mean)
            spread = math.sqrt(squares / last) or _LEAST_SPREAD
        elif row + 1 - last == _STEP:
            first, last = first + _STEP, row + 1
            window = values[first:last]
            mean, spread = float(window.mean()), float(window.std()) or _LEAST_SPREAD
    return np.round(out, _DIGITS)
