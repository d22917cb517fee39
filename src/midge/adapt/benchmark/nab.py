"""The Numenta Anomaly Benchmark: one setting for all files, scored by its own rule.

Rows of this project's own beside the published table: the learner, a windowed Gaussian written
from the benchmark's description of it (its published figure checks the scorer and the files), and
half-space trees of `river` where it is installed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midge.adapt.benchmark.data_files import NabFile
from midge.adapt.benchmark.nab_scorer import PROFILES, STANDARD, NabScore, Windows, nab_score
from midge.adapt.benchmark.published import NAB

Json = dict[str, Any]
Detector = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From values [rows] to anomaly scores [rows], row by row from nothing later."""

_WINDOW = 6400
_STEP = 100
_DIGITS = 12
_LEAST_SPREAD = 1e-6


class Watched(NamedTuple):
    """What a method that flags by itself said of every file.

    Attributes:
        scores: Higher for stranger; [rows] each.
        flags: [rows] each.
    """

    scores: list[NDArray[np.float64]]
    flags: list[NDArray[np.bool_]]


def run(
    files: Sequence[NabFile],
    detectors: Mapping[str, Detector],
    watched: Mapping[str, Watched],
    chosen_on: Sequence[str],
    told: Callable[[str], None],
) -> Json:
    """All rows of the table.

    Args:
        files: The corpus.
        detectors: Scored with the best threshold over all files, as the benchmark does.
        watched: Scored so as well, and with what they flag by themselves, no threshold chosen.
        chosen_on: Folders on which settings of `watched` were chosen.
        told: Hears what is under way.
    """
    rows: list[Json] = [
        {"method": method, "source": "published", "scores": list(scores)}
        for method, scores in NAB.items()
    ]
    scored: dict[str, list[NDArray[np.float64]]] = {}
    for method, detector in detectors.items():
        told(f"NAB: {method}")
        scored[method] = [detector(file.values) for file in files]
    scored |= {method: one.scores for method, one in watched.items()}
    windows = [file.windows for file in files]
    halves = _halves(files, chosen_on)
    for method, scores in scored.items():
        found = [nab_score(scores, windows, profile) for profile in PROFILES]
        row = _row(method, found)
        row["halves"] = [_part(scores, windows, half) for half in halves]
        rows.append(row)
    for method, one in watched.items():
        raised = [flags.astype(np.float64) for flags in one.flags]
        fixed = [nab_score(raised, windows, profile, threshold=0.5) for profile in PROFILES]
        rows.append(_row(f"{method}, its own flags", fixed))
    return {
        "files": len(files),
        "windows": sum(map(len, windows)),
        "chosen_on": list(chosen_on),
        "rows": rows,
    }


def _row(method: str, found: Sequence[NabScore]) -> Json:
    return {
        "method": method,
        "source": "measured",
        "scores": [float(one.score) for one in found],
        "windows_hit": found[0].windows_hit,
        "false_alarms": found[0].false_alarms,
    }


def _halves(files: Sequence[NabFile], chosen_on: Sequence[str]) -> list[list[int]]:
    """Places of the files that settings were chosen on, and of the others."""
    chosen = [index for index, file in enumerate(files) if file.folder in chosen_on]
    return [chosen, [index for index in range(len(files)) if index not in chosen]]


def _part(
    scores: Sequence[NDArray[np.float64]], windows: Sequence[Windows], places: Sequence[int]
) -> float | None:
    """The standard score of some files by themselves; None without a window."""
    parts = [windows[place] for place in places]
    if not any(parts):
        return None
    return float(nab_score([scores[place] for place in places], parts, STANDARD).score)


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
