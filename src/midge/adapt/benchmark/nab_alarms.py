"""What the learner says of the Numenta Anomaly Benchmark's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from midge.adapt.alarms import Alarm, alarms_of
from midge.adapt.benchmark.data_files import NabFile
from midge.adapt.benchmark.learner import new_model
from midge.adapt.benchmark.nab import Watched
from midge.adapt.engine import Engine
from midge.adapt.settings import default_anchors

HORIZON = 48
LEADS = default_anchors(HORIZON)
CHOSEN_ON = ("artificialNoAnomaly", "realAWSCloudwatch", "realTraffic")
"""Half of the files: on them alone the rule of `Alarms` was chosen."""

_LEAST_TAIL = 1e-300

Floats = NDArray[np.float64]


def watch_files(
    files: Sequence[NabFile], engine: Engine, told: Callable[[str], None]
) -> dict[str, Watched]:
    """By method: alarms of a learner, of persistence by the same rule, a learner's one-step flags.

    Args:
        files: Each is a stream of its own.
        engine: What runs the learner.
        told: Hears what is under way.
    """
    names = ("learner", "persistence, the learner's alarms", "learner, one step alone")
    out = {name: Watched([], []) for name in names}
    for file in files:
        told(f"NAB: learner, {file.name}")
        series = file.values[:, None]
        trace = engine.start(new_model(1, HORIZON)).run(series, horizons=LEADS)
        still = np.broadcast_to(series[:, None], (len(series), len(LEADS), 1))
        found = (
            _raised(alarms_of(series, trace.forecasts, LEADS)),
            _raised(alarms_of(series, still, LEADS)),
            (_score(np.asarray(trace.anomaly, np.float64)), np.asarray(trace.is_flagged, bool)),
        )
        for watched, (scores, flags) in zip(out.values(), found, strict=True):
            watched.scores.append(scores)
            watched.flags.append(flags)
    return out


def _raised(alarms: Sequence[Alarm]) -> tuple[Floats, NDArray[np.bool_]]:
    """The score of an alarm where it begins, 0 elsewhere; where it begins."""
    begins = np.array([one.is_raised for one in alarms])
    probability = np.array([one.probability for one in alarms])
    return np.where(begins, _score(probability), 0.0), begins


def _score(probability: Floats) -> Floats:
    out: Floats = -np.log10(np.maximum(probability, _LEAST_TAIL))
    return out
