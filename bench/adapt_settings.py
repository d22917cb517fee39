"""The learner's settings on first parts alone: ``python -m bench.adapt_settings [FOLDER]``.

Every setting is moved to both sides of its default by itself. What counts is what a user has before
the rest of a stream comes: the first 20 % of both motion-capture series, the first four months of
both transformers, switching streams of the seeds that the learner was developed on, and half of the
files of the Numenta Anomaly Benchmark (forecasts at leads 1 and 48; its score hangs on single
windows). Errors stand in parts of the defaults', as geometric means. Needs MIDGE_DATA.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.markdown import RESULTS, table, write_results
from midge.adapt import Settings, StreamModel
from midge.adapt.benchmark import data_files, ett, mocap, switching
from midge.adapt.benchmark.forecasting import CHOOSING_SHARE, errors, z_score
from midge.adapt.benchmark.learner import ram_for
from midge.adapt.benchmark.linear import Series
from midge.adapt.benchmark.nab_alarms import CHOSEN_ON
from midge.driver.learner_host import HOST_C

MADE_BY = "bench.adapt_settings of Midge"
SEEDS = (0, 1)
NAB_LEADS = (1, 48)
GRID: Mapping[str, tuple[float, ...]] = {
    "joint_lags": (3, 6),
    "fast_lags": (4, 8),
    "season_lags": (2, 6),
    "direct_lags": (2, 8),
    "joint_memory": (0.995, 0.999),
    "fast_memory": (0.96, 0.99),
    "season_memory": (0.995, 0.999),
    "direct_memory": (0.995, 0.9995),
    "fitness_memory": (0.94, 0.985),
    "movement_rate": (0.1, 2.0),
    "movement_reserve": (100.0, 1600.0),
    "doubt": (0.03, 0.3),
}
"""Beside the defaults."""

CONFIRMED_WITHIN = 0.01
"""What is better by less than one part in a hundred in the mean does not move a default."""


def _run(settings: Settings, series: Series, leads: tuple[int, ...]) -> Series:
    channels = series.shape[1]
    model = StreamModel(channels, max(leads), ram_for(channels), settings=settings)
    forecasts = HOST_C.start(model).run(series, horizons=leads).forecasts
    return np.asarray(forecasts, np.float64)


def _mocap_errors(settings: Settings) -> Iterator[float]:
    for raw in mocap.load(None).values():
        known = z_score(raw[: int(CHOOSING_SHARE * len(raw))])
        forecasts = _run(settings, known, mocap.LEADS)
        for row, lead in enumerate(mocap.LEADS):
            last = len(known) - lead
            yield errors(known, forecasts[:, row], lead, mocap.WARM_UP, last).rmse


def _ett_errors(settings: Settings) -> Iterator[float]:
    for raw in ett.load(None).values():
        known = z_score(raw[: ett.LEARNT])
        forecasts = _run(settings, known, ett.HORIZONS)
        for row, lead in enumerate(ett.HORIZONS):
            yield errors(known, forecasts[:, row], lead, ett.MONTH, len(known) - lead).rmse


def _switching_errors(settings: Settings) -> Iterator[float]:
    for stream in switching.make_streams(SEEDS):
        forecasts = _run(settings, stream.series, switching.LEADS)
        for row, lead in enumerate(switching.LEADS):
            yield float(np.sqrt(switching.squared_after_returns(stream, forecasts, row, lead)))


def _nab_errors(settings: Settings) -> Iterator[float]:
    for file in data_files.nab():
        if file.folder in CHOSEN_ON and file.windows:
            series = file.values[:, None]
            forecasts = _run(settings, series, NAB_LEADS)
            for row, lead in enumerate(NAB_LEADS):
                yield errors(series, forecasts[:, row], lead, 500, len(series) - lead).mae


PARTS: Mapping[str, Callable[[Settings], Iterator[float]]] = {
    "motion capture": _mocap_errors,
    "transformers": _ett_errors,
    "switching": _switching_errors,
    "anomaly files": _nab_errors,
}


def measure() -> dict[str, object]:
    """Ratios to the defaults' errors for every setting of the grid."""
    usual = {part: np.array(list(of(Settings()))) for part, of in PARTS.items()}
    rows = []
    for name, values in GRID.items():
        for value in values:
            print(f"{name} = {value:g}", file=sys.stderr, flush=True)
            change: dict[str, Any] = {name: value}
            settings = replace(Settings(), **change)
            ratios = {
                part: float(np.exp(np.mean(np.log(np.array(list(of(settings))) / usual[part]))))
                for part, of in PARTS.items()
            }
            mean = float(np.exp(np.mean(np.log(list(ratios.values())))))
            rows.append({"setting": name, "value": value, "ratios": ratios, "mean": mean})
    defaults = {name: getattr(Settings(), name) for name in GRID}
    return {"made_by": MADE_BY, "seeds": list(SEEDS), "defaults": defaults, "rows": rows}


def markdown(content: dict[str, object]) -> str:
    """The table, and what it says of the defaults."""
    rows, defaults = content["rows"], content["defaults"]
    assert isinstance(rows, list)
    assert isinstance(defaults, dict)
    body = [
        [
            row["setting"],
            f"{defaults[row['setting']]:g}",
            f"{row['value']:g}",
            *[f"{row['ratios'][part]:.3f}" for part in PARTS],
            f"{row['mean']:.3f}",
        ]
        for row in rows
    ]
    better = [row for row in rows if row["mean"] < 1 - CONFIRMED_WITHIN]
    said = (
        "better by more than one part in a hundred in the mean: "
        + ", ".join(f"{row['setting']} {row['value']:g} ({row['mean']:.3f})" for row in better)
        if better
        else "no other value is better by more than one part in a hundred in the mean of the parts"
    )
    return "\n".join(
        [
            "# The learner's settings, on first parts alone\n",
            f"`python -m {__name__ if __name__ != '__main__' else 'bench.adapt_settings'}`. Errors "
            "in parts of the defaults', one setting moved at a time; below 1 is better. "
            f"Of {len(rows)} values: {said}.\n",
            table(["setting", "default", "tried", *PARTS, "mean"], body, left=1),
        ]
    )


def main() -> None:
    """Measure, write, show."""
    content = measure()
    text = markdown(content)
    folder = sys.argv[1] if len(sys.argv) > 1 else RESULTS
    write_results(str(Path(folder)), "adapt_settings", text, content)
    print(text)


if __name__ == "__main__":
    main()
