"""`midge adapt benchmark`: every protocol, into one JSON, its tables and its pictures."""

from __future__ import annotations

import datetime
import importlib
import itertools
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from midge.adapt.benchmark import (
    data_files,
    ett,
    mocap,
    nab,
    nab_alarms,
    speed,
    switching,
    vibration,
)
from midge.adapt.benchmark.forecasting import Forecaster, chosen
from midge.adapt.benchmark.kept import with_kept
from midge.adapt.benchmark.learner import learner, new_model, one_rls
from midge.adapt.benchmark.linear import Series
from midge.adapt.engine import TWIN, Engine
from midge.errors import ToolError

LEARNER = "learner"
ONE_RLS = "learner, one RLS its only unit"
RIVER = "river's best"
TREES = "half-space trees (river)"
ADWIN = "ADWIN on RLS-VAR's error"
PAGE_HINKLEY = "Page-Hinkley on RLS-VAR's error"

_KEPT = (RIVER, TREES, ADWIN, PAGE_HINKLEY)
"""Methods that take long, and have nothing of this project's that could change."""
_TWIN_ALONE = ("vibration",)
_RIVER_LAGS = 4
_QUICK_LENGTHS = (300, 1_000)

Json = dict[str, Any]
Told = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What every protocol is given; as `run_benchmark` has them."""

    data: Path | None
    quick: bool
    told: Told
    engine: Engine
    keep: bool


def run_benchmark(
    before: Json,
    only: Sequence[str],
    data: Path | None,
    quick: bool,
    told: Told,
    engine: Engine = TWIN,
    keep: bool = False,
) -> Json:
    """Measure the protocols named.

    Args:
        before: An earlier result; what is not measured now stays.
        only: Some of `midge.adapt.benchmark.PROTOCOLS`.
        data: Folder of the streams; None for MIDGE_DATA's.
        quick: Little data, and without what `midge[adapt-bench]` installs.
        told: Hears what is under way.
        engine: What runs the learner.
        keep: What `river` got stays as it is in `before`; everything else is measured anew.

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
        asked = Asked(data, quick, told, engine, keep)
        ran = TWIN if name in _TWIN_ALONE else engine
        found = {"engine": ran.name, **_MEASURES[name](asked)}
        content[name] = with_kept(before.get(name), found, _KEPT) if keep else found
    return content


def read_before(path: Path) -> Json:
    """An earlier whole result, or nothing."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and not found.get("quick", True) else {}


def _mocap(asked: Asked) -> Json:
    series = mocap.load(asked.data)
    if asked.quick:
        series = {name: one[:400] for name, one in series.items()}
    alone = asked.quick or asked.keep
    others = {} if alone else {RIVER: _river_best(mocap.LEADS, asked.told)}
    ours = {LEARNER: learner(asked.engine), ONE_RLS: one_rls}
    return mocap.run(series, ours, others, asked.told)


def _ett(asked: Asked) -> Json:
    series = ett.load(asked.data)
    if asked.quick:
        series = {name: one[: 6 * ett.MONTH] for name, one in series.items()}
    return ett.run(series, {LEARNER: learner(asked.engine)}, asked.told)


def _switching(asked: Asked) -> Json:
    ours = {LEARNER: partial(_watched, asked.engine)}
    streams = switching.make_streams(switching.SEEDS[:1] if asked.quick else switching.SEEDS)
    if asked.quick or asked.keep:
        return switching.run(streams, ours, {}, {}, asked.told)
    detectors = _needed("river_anomalies")
    alarms = {
        ADWIN: detectors.adwin,
        PAGE_HINKLEY: detectors.page_hinkley,
    }
    others = {RIVER: _river_best(switching.LEADS, asked.told, fast=True)}
    return switching.run(streams, ours, others, alarms, asked.told)


def _nab(asked: Asked) -> Json:
    files = data_files.nab(asked.data)
    detectors: dict[str, nab.Detector] = {"windowed Gaussian": nab.windowed_gaussian}
    if asked.quick:
        files = files[:6]
    elif not asked.keep:
        detectors[TREES] = _needed("river_anomalies").half_space_trees
    watched = nab_alarms.watch_files(files, asked.engine, asked.told)
    return nab.run(files, detectors, watched, nab_alarms.CHOSEN_ON, asked.told)


def _speed(asked: Asked) -> Json:
    if asked.quick:
        return speed.run(asked.engine, {}, _QUICK_LENGTHS, asked.told)
    retrained = _needed("retrained")
    trainings = {
        "LightGBM": lambda series, _: {
            "seconds": retrained.lightgbm_seconds(series),
            "remark": f"LightGBM: {retrained.TREES} trees, one lead of {retrained.HORIZON} alone.",
        },
        "N-BEATS": lambda series, whole: _deep(retrained, series, whole),
    }
    return speed.run(asked.engine, trainings, speed.LENGTHS, asked.told)


def _deep(retrained: ModuleType, series: Series, whole: bool) -> Json:
    seconds, batches = retrained.n_beats_seconds(series, whole)
    return {
        "seconds": seconds,
        "batches": batches,
        "remark": f"N-BEATS: {retrained.STACKS} blocks, width {retrained.WIDTH}, "
        f"{retrained.EPOCHS} epochs; on more than {speed.WHOLE_TRAININGS:,} samples, "
        f"{retrained.TIMED_BATCHES} batches were timed and multiplied up to all of them.",
    }


def _vibration(asked: Asked) -> Json:
    records = data_files.bearings_or_made_up(asked.data, asked.quick)
    if asked.quick:
        few = dict(itertools.islice(records.faults.items(), 2))
        return vibration.run(
            replace(records, faults=few), {}, asked.told, noises_db=(None, 10.0), seeds=(0,)
        )
    trees = _needed("river_anomalies").frame_trees
    return vibration.run(records, {"half-space trees (river)": trees}, asked.told)


_MEASURES: dict[str, Callable[[Asked], Json]] = {
    "mocap": _mocap,
    "ett": _ett,
    "switching": _switching,
    "nab": _nab,
    "speed": _speed,
    "vibration": _vibration,
}


def _watched(engine: Engine, series: Series, leads: Sequence[int]) -> switching.Watched:
    runner = engine.start(new_model(series.shape[1], max(leads)))
    trace = runner.run(series, horizons=tuple(leads))
    return switching.Watched(
        np.asarray(trace.forecasts, np.float64),
        np.asarray(trace.drift, bool),
        np.asarray(trace.regime, np.int64),
    )


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
