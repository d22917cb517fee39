"""`midge adapt benchmark`: every protocol, into one JSON, its tables and its pictures."""

from __future__ import annotations

import datetime
import importlib
import itertools
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt.benchmark import data_files, ett, mocap, nab, speed, switching, vibration
from midge.adapt.benchmark.forecasting import Forecaster, chosen
from midge.adapt.benchmark.learner import learner, new_model, one_rls
from midge.adapt.benchmark.linear import Series
from midge.errors import ToolError

LEARNER = "learner"
ONE_RLS = "learner, one RLS its only unit"

_RIVER_LAGS = 4
_QUICK_LENGTHS = (300, 1_000)

Json = dict[str, Any]
Told = Callable[[str], None]


def run_benchmark(
    before: Json, only: Sequence[str], data: Path | None, quick: bool, told: Told
) -> Json:
    """Measure the protocols named.

    Args:
        before: An earlier result; what is not measured now stays.
        only: Some of `midge.adapt.benchmark.PROTOCOLS`.
        data: Folder of the streams; None for MIDGE_DATA's.
        quick: Little data, and without what `midge[adapt-bench]` installs.
        told: Hears what is under way.

    Raises:
        UserError: data are missing.
        ToolError: a library is missing.
    """
    content: Json = {
        # First: a file of results says near its beginning who wrote it.
        "made_by": "midge adapt benchmark",
        **before,
        "command": "midge adapt benchmark" + (" --quick" if quick else ""),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "quick": quick,
    }
    for name in only:
        content[name] = _MEASURES[name](data, quick, told)
    return content


def read_before(path: Path) -> Json:
    """An earlier whole result, or nothing."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and not found.get("quick", True) else {}


def _mocap(data: Path | None, quick: bool, told: Told) -> Json:
    series = mocap.load(data)
    if quick:
        series = {name: one[:400] for name, one in series.items()}
    others = {} if quick else {"river's best": _river_best(mocap.LEADS, told)}
    return mocap.run(series, {LEARNER: learner, ONE_RLS: one_rls}, others, told)


def _ett(data: Path | None, quick: bool, told: Told) -> Json:
    series = ett.load(data)
    if quick:
        series = {name: one[: 6 * ett.MONTH] for name, one in series.items()}
    return ett.run(series, {LEARNER: learner}, told)


def _switching(_data: Path | None, quick: bool, told: Told) -> Json:
    streams = switching.make_streams(switching.SEEDS[:1] if quick else switching.SEEDS)
    others = {} if quick else {"river's best": _river_best(switching.LEADS, told, fast=True)}
    alarms = {}
    if not quick:
        detectors = _needed("river_anomalies")
        alarms = {
            "ADWIN on RLS-VAR's error": detectors.adwin,
            "Page-Hinkley on RLS-VAR's error": detectors.page_hinkley,
        }
    return switching.run(streams, {LEARNER: _watcher}, others, alarms, told)


def _nab(data: Path | None, quick: bool, told: Told) -> Json:
    files = data_files.nab(data)
    detectors: dict[str, nab.Detector] = {"windowed Gaussian": nab.windowed_gaussian}
    if quick:
        files = files[:6]
    else:
        detectors["half-space trees (river)"] = _needed("river_anomalies").half_space_trees
    # Scores and flags come from one pass over each file.
    passes = {}
    for file in files:
        told(f"NAB: {LEARNER}, {file.name}")
        passes[file.values.tobytes()] = _watch_values(file.values)
    detectors[LEARNER] = lambda values: passes[values.tobytes()][0]
    flags = {LEARNER: lambda values: passes[values.tobytes()][1]}
    return nab.run(files, detectors, flags, told)


def _speed(_data: Path | None, quick: bool, told: Told) -> Json:
    if quick:
        return speed.run(_tick, {}, _QUICK_LENGTHS, told)
    retrained = _needed("retrained")
    trainings = {
        "LightGBM": lambda series, _: {
            "seconds": retrained.lightgbm_seconds(series),
            "remark": f"LightGBM: {retrained.TREES} trees, one lead of {retrained.HORIZON} alone.",
        },
        "N-BEATS": lambda series, whole: _deep(retrained, series, whole),
    }
    return speed.run(_tick, trainings, speed.LENGTHS, told)


def _deep(retrained: ModuleType, series: Series, whole: bool) -> Json:
    seconds, batches = retrained.n_beats_seconds(series, whole)
    return {
        "seconds": seconds,
        "batches": batches,
        "remark": f"N-BEATS: {retrained.STACKS} blocks, width {retrained.WIDTH}, "
        f"{retrained.EPOCHS} epochs; on more than {speed.WHOLE_TRAININGS:,} samples, "
        f"{retrained.TIMED_BATCHES} batches were timed and multiplied up to all of them.",
    }


def _vibration(data: Path | None, quick: bool, told: Told) -> Json:
    records = data_files.bearings_or_made_up(data, quick)
    if quick:
        few = dict(itertools.islice(records.faults.items(), 2))
        return vibration.run(
            replace(records, faults=few), {}, told, noises_db=(None, 10.0), seeds=(0,)
        )
    trees = _needed("river_anomalies").frame_trees
    return vibration.run(records, {"half-space trees (river)": trees}, told)


_MEASURES: dict[str, Callable[[Path | None, bool, Told], Json]] = {
    "mocap": _mocap,
    "ett": _ett,
    "switching": _switching,
    "nab": _nab,
    "speed": _speed,
    "vibration": _vibration,
}


def _watcher(series: Series, leads: Sequence[int]) -> switching.Watched:
    trace = new_model(series.shape[1], max(leads)).run(series, horizons=tuple(leads))
    return switching.Watched(
        np.asarray(trace.forecasts, np.float64),
        np.asarray(trace.drift, bool),
        np.asarray(trace.regime, np.int64),
    )


def _watch_values(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Anomaly scores and flags of a series of one channel."""
    trace = new_model(1, 1).run(values[:, None], horizons=(1,))
    tail = np.asarray(trace.anomaly, np.float64)
    return -np.log10(np.maximum(tail, 1e-300)), np.asarray(trace.is_flagged, bool)


def _tick(channels: int) -> Callable[[Series, bool], object]:
    """An update, and where it is asked for the whole forecast: then it is all of a tick."""
    model = new_model(channels, speed.HORIZON)

    def tick(sample: Series, whole: bool) -> object:
        step = model.update(sample)
        return step.forecast if whole else step

    return tick


def _river_best(
    leads: Sequence[int], told: Told, fast: bool = False
) -> Callable[[Series], tuple[str, Series]]:
    """The regressor of `river` that is best on the first 20 % of a series, for each lead."""
    learners = _needed("river_learners")
    names = learners.FAST if fast else None

    def forecast(series: Series) -> tuple[str, Series]:
        told("river: choosing a regressor")
        candidates: dict[str, Forecaster] = {}
        for one in learners.candidates(names):
            title = f"{one.name}, {'changes' if one.change else 'values'}"
            candidates[title] = partial(learners.forecast, candidate=one, lags=_RIVER_LAGS)
        picked, forecasts = chosen(series, leads, candidates, mocap.WARM_UP)
        return "; ".join(dict.fromkeys(picked)), forecasts

    return forecast


def _needed(module: str) -> ModuleType:
    """A module of this package that needs libraries of `midge[adapt-bench]`."""
    try:
        return importlib.import_module(f"midge.adapt.benchmark.{module}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("midge"):
            raise
        raise ToolError(
            f"the benchmark needs {error.name}, which is not installed: "
            "pip install 'midge[adapt-bench]', or leave other learners out with --quick"
        ) from None
