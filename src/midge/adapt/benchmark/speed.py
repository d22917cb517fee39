"""Seconds a tick against the length of the stream: the learner, and what is trained anew.

All in one run on one machine. A tick of the learner is an update and its whole forecast. A tick of
a forecaster that is trained anew is one training on all that has been seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from midge.adapt.benchmark.linear import Series
from midge.adapt.benchmark.switching_systems import make_stream

HORIZON = 60
LENGTHS = (1_000, 3_000, 10_000, 30_000, 100_000)
WHOLE_TRAININGS = 3_000
"""Longest stream for which every epoch of the deep network is run; above, some of its batches."""
_TIMED_TICKS = 200

Json = dict[str, Any]


def long_stream(ticks: int) -> Series:
    """Switching oscillators of four channels, as long as wanted."""
    return make_stream("sensors", 0, segments=ticks // 250 + 1).series[:ticks]


def run(
    new_tick: Callable[[int], Callable[[Series, bool], object]],
    trainings: dict[str, Callable[[Series, bool], Json]],
    lengths: Sequence[int],
    told: Callable[[str], None],
) -> Json:
    """Seconds a tick at every length.

    Args:
        new_tick: From the number of channels, what takes a sample, and whether to forecast too.
        trainings: From a series, and whether it must be trained to the end, ``{"seconds": ...}``
            with any remarks.
        lengths: Ascending.
        told: Hears what is under way.
    """
    series = long_stream(max(lengths))
    told("speed: the learner")
    ours = _ticks(new_tick(series.shape[1]), series, lengths)
    rows: list[Json] = []
    for length in lengths:
        row: Json = {"ticks": length, "learner": {"seconds": ours[length]}}
        for name, training in trainings.items():
            told(f"speed: {name} on {length:,} samples")
            row[name] = training(series[:length], length <= WHOLE_TRAININGS)
            row[name]["ratio"] = row[name]["seconds"] / ours[length]
        rows.append(row)
    return {"channels": series.shape[1], "horizon": HORIZON, "rows": rows}


def _ticks(
    tick: Callable[[Series, bool], object], series: Series, lengths: Sequence[int]
) -> dict[int, float]:
    """Median seconds of the last ticks before each length."""
    seconds = np.zeros(len(series))
    timed = np.zeros(len(series), bool)
    for length in lengths:
        timed[max(0, length - _TIMED_TICKS) : length] = True
    for index, sample in enumerate(series):
        begun = time.perf_counter()
        tick(sample, bool(timed[index]))
        seconds[index] = time.perf_counter() - begun
    return {
        length: float(np.median(seconds[max(0, length - _TIMED_TICKS) : length]))
        for length in lengths
    }
