"""The Numenta Anomaly Benchmark's score, from its published definition (Lavin and Ahmad 2015).

A detector gives each sample a score. Samples above one threshold, the same for all files, are
detections. The earliest detection within a labelled window earns up to 1, weighed by a sigmoid of
its place in the window; a window without any costs 1; each detection outside costs up to the
profile's weight, less where it follows closely on a window. The first samples of each file, 15 %
or 750, are not scored. The threshold is the one with the best sum over all files, and the sum is
put on a scale where a detector that never detects has 0 and a perfect one 100.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PROBATION = 0.15
PROBATION_ROWS = 5000
"""The share of a file that is not scored, at most that of so many rows."""

_FAR = 3.0
"""Window widths behind a window from which on a detection is wholly false."""


@dataclass(frozen=True)
class Profile:
    """What the benchmark weighs errors with.

    Attributes:
        name: Its published name.
        hit: What a window that is detected at its very start earns.
        false_alarm: What a detection far from any window costs.
        miss: What a window without a detection costs.
    """

    name: str
    hit: float
    false_alarm: float
    miss: float


STANDARD = Profile("standard", 1.0, 0.11, 1.0)
LOW_FALSE_ALARMS = Profile("reward low FP", 1.0, 0.22, 1.0)
LOW_MISSES = Profile("reward low FN", 1.0, 0.11, 2.0)
PROFILES = (STANDARD, LOW_FALSE_ALARMS, LOW_MISSES)

Windows = Sequence[tuple[int, int]]
"""First and last row of each labelled window of a file, both inside, in order."""


class NabScore(NamedTuple):
    """What a detector gets.

    Attributes:
        score: 0 for never detecting, 100 for perfection.
        threshold: Samples at or above it are detections.
        windows_hit: Windows with a detection.
        false_alarms: Detections outside windows.
    """

    score: float
    threshold: float
    windows_hit: int
    false_alarms: int


def probation_rows(rows: int) -> int:
    """How many first rows of a file are not scored."""
    return math.ceil(min(math.floor(PROBATION * rows), PROBATION * PROBATION_ROWS))


def nab_score(
    scores: Sequence[NDArray[np.float64]],
    windows: Sequence[Windows],
    profile: Profile = STANDARD,
    threshold: float | None = None,
) -> NabScore:
    """Score a detector on a whole corpus.

    Args:
        scores: For each file, each row's anomaly score, higher for stranger.
        windows: For each file, its labelled windows.
        profile: The weights.
        threshold: A fixed one; None takes the best, as the benchmark does.
    """
    rows, counted = _rows(scores, windows, profile)
    order = np.argsort(-rows.score, kind="stable")
    sorted_scores, places = rows.score[order], rows.window[order]
    value = rows.value[order]
    missed = -profile.miss * counted
    perfect = profile.hit * sum(len(of_file) for of_file in windows)

    best: dict[int, float] = {}
    state, alarms = missed, 0
    chosen = (missed, math.inf, 0, 0)
    for index in range(len(order)):
        here = sorted_scores[index]
        if threshold is not None and here < threshold:
            break
        place = int(places[index])
        if place < 0:
            state += value[index]
            alarms += 1
        else:
            before = best.get(place, -profile.miss)
            best[place] = max(before, float(value[index]))
            state += best[place] - before
        last_of_value = index + 1 == len(order) or sorted_scores[index + 1] != here
        if last_of_value and (threshold is not None or state > chosen[0]):
            chosen = (state, float(here), len(best), alarms)
    scale = 100.0 / (perfect - missed) if perfect > missed else 0.0
    return NabScore((chosen[0] - missed) * scale, *chosen[1:])


class _Rows(NamedTuple):
    score: NDArray[np.float64]
    value: NDArray[np.float64]
    window: NDArray[np.int64]


def _rows(
    scores: Sequence[NDArray[np.float64]], windows: Sequence[Windows], profile: Profile
) -> tuple[_Rows, int]:
    """Every scored row of all files with its value and window; how many windows are scored."""
    parts: list[_Rows] = []
    first = 0
    for of_file, limits in zip(scores, windows, strict=True):
        value, window = row_values(len(of_file), limits, profile)
        window = np.where(window >= 0, window + first, -1)
        first += len(limits)
        begin = probation_rows(len(of_file))
        parts.append(_Rows(np.asarray(of_file, np.float64)[begin:], value[begin:], window[begin:]))
    whole = _Rows(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return whole, len(np.unique(whole.window[whole.window >= 0]))


def row_values(
    rows: int, windows: Windows, profile: Profile
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What a detection at each row of a file is worth, and the window it lies in (-1: none)."""
    value = np.full(rows, -profile.false_alarm)
    window = np.full(rows, -1, np.int64)
    for index, (first, last) in enumerate(windows):
        width = last - first + 1
        inside = np.arange(first, last + 1)
        value[inside] = profile.hit * _sigmoid(-(last - inside + 1) / width) / _sigmoid(-1.0)
        window[inside] = index
        next_first = windows[index + 1][0] if index + 1 < len(windows) else rows
        behind = np.arange(last + 1, next_first)
        value[behind] = profile.false_alarm * _sigmoid((behind - last) / max(width - 1, 1))
    return value, window


def _sigmoid(position: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """1 far before the window's right edge, 0 on it, -1 far behind it."""
    place = np.asarray(position, np.float64)
    near = 2.0 / (1.0 + np.exp(5.0 * np.minimum(place, _FAR))) - 1.0
    return np.where(place > _FAR, -1.0, near)
