"""Seconds a tick against the length of the stream: the learner, and what is trained anew.

All in one run on one machine. A tick of the learner is an update and its whole forecast. A tick of
a forecaster that is trained anew is one training on all that has been seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from midge.adapt import StreamModel
from midge.adapt.benchmark.learner import new_model
from midge.adapt.benchmark.linear import Series
from midge.adapt.benchmark.switching_systems import make_stream
from midge.adapt.engine import TWIN, Engine, Runner

HORIZON = 60
LENGTHS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
LONGEST_TRAINING = 100_000
WHOLE_TRAININGS = 3_000
"""Longest stream for which every epoch of the deep network is run; above, some of its batches."""
_TIMED_TICKS = 200
_BLOCK = 20

Json = dict[str, Any]


def long_stream(ticks: int) -> Series:
    """Switching oscillators of four channels, as long as wanted."""
    return make_stream("sensors", 0, segments=ticks // 250 + 1).series[:ticks]


def run(
    engine: Engine,
    trainings: dict[str, Callable[[Series, bool], Json]],
    lengths: Sequence[int],
    told: Callable[[str], None],
) -> Json:
    """Seconds a tick at every length.

    Args:
        engine: What runs the learner; where it is not the twin, the twin is timed as well.
        trainings: From a series, and whether it must be trained to the end, ``{"seconds": ...}``
            with any remarks.
        lengths: Ascending; of those above `LONGEST_TRAINING` only the learner is measured.
        told: Hears what is under way.
    """
    series = long_stream(max(lengths))
    told("speed: the learner")
    rows = _learner_rows(engine, series, lengths)
    for row in rows:
        length = row["ticks"]
        for name, training in trainings.items():
            if length > LONGEST_TRAINING:
                continue
            told(f"speed: {name} on {length:,} samples")
            row[name] = training(series[:length], length <= WHOLE_TRAININGS)
    return {"channels": series.shape[1], "horizon": HORIZON, "ours": _ours(engine), "rows": rows}


def _ours(engine: Engine) -> list[str]:
    return list(dict.fromkeys([engine.name, TWIN.name]))


def _learner_rows(engine: Engine, series: Series, lengths: Sequence[int]) -> list[Json]:
    """One pass; the twin takes over from a checkpoint wherever it is timed."""
    runner = engine.start(new_model(series.shape[1], HORIZON))
    rows: list[Json] = []
    seen = 0
    for length in lengths:
        begin = length - _TIMED_TICKS
        runner.run(series[seen:begin], ())
        row: Json = {"ticks": length}
        if engine is not TWIN:
            twin = StreamModel.restore(runner.save())
            row[TWIN.name] = {"seconds": _seconds(twin, series[begin:length])}
        row[engine.name] = {"seconds": _seconds(runner, series[begin:length])}
        rows.append(row)
        seen = length
    return rows


def _seconds(runner: Runner, series: Series) -> float:
    """Of a tick with its whole forecast: the median of a few blocks of ticks."""
    blocks = []
    for begin in range(0, len(series), _BLOCK):
        block = series[begin : begin + _BLOCK]
        begun = time.perf_counter()
        runner.run(block, (HORIZON,))
        blocks.append((time.perf_counter() - begun) / len(block))
    return float(np.median(blocks))
