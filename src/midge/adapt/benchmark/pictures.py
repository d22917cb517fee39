"""The benchmark's page: forecasts against truth, regimes over time, anomaly scores, speed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from midge.adapt.alarms import alarms_of
from midge.adapt.benchmark import data_files, mocap, nab_alarms, vibration_report
from midge.adapt.benchmark.data_files import NabFile
from midge.adapt.benchmark.forecasting import z_score
from midge.adapt.benchmark.learner import learner, new_model
from midge.adapt.benchmark.linear import rls_var
from midge.adapt.benchmark.switching_systems import make_stream
from midge.adapt.engine import TWIN, Engine
from midge.adapt.page import heading, note, page
from midge.adapt.svg import Line, band_chart, line_chart

_LEAD = 11
_SHOWN = 600
_NAB_FILES = (
    "realKnownCause/nyc_taxi.csv",
    "realKnownCause/machine_temperature_system_failure.csv",
)
_STREAM = ("sensors", 0)
_LEAST_TAIL = 1e-12

Json = dict[str, Any]


def benchmark_page(
    content: Json, data: Path | None, told: Callable[[str], None], engine: Engine = TWIN
) -> str:
    """Pictures of what was measured, from new runs of the learner over some of the streams."""
    parts: list[str] = []
    drawn = {"mocap": _mocap, "switching": _switching, "nab": _nab}
    for name, draw in drawn.items():
        if name in content:
            told(f"drawing {name}")
            parts += draw(data, engine)
    if "speed" in content:
        parts += _speed(content["speed"])
    if "vibration" in content:
        told("drawing vibration")
        quick = bool(content.get("quick"))
        parts += vibration_report.pictures(data_files.bearings_or_made_up(data, quick))
    return page("Midge: the learner against others", parts)


def _mocap(data: Path | None, engine: Engine) -> list[str]:
    parts = [
        heading("Motion capture"),
        note(f"The last {_SHOWN} ticks; forecasts made {_LEAD} ticks earlier."),
    ]
    for name, title in data_files.MOCAP.items():
        parts += _mocap_charts(name, title, range(2), data, engine)
    return parts


def _mocap_charts(
    name: str, title: str, channels: Iterable[int], data: Path | None, engine: Engine
) -> list[str]:
    series = z_score(data_files.mocap(name, data))
    ours = learner(engine)(series, mocap.LEADS)[:, mocap.LEADS.index(_LEAD)]
    linear = rls_var(series, [_LEAD], lags=4)
    parts = []
    for channel in channels:
        lines = [
            Line("seen", series[-_SHOWN:, channel]),
            Line("RLS-VAR", linear[-_SHOWN - _LEAD : -_LEAD, 0, channel]),
            Line("learner", ours[-_SHOWN - _LEAD : -_LEAD, channel]),
        ]
        parts.append(line_chart(f"{name} ({title}), channel {channel + 1}", lines))
    return parts


def _switching(_data: Path | None, engine: Engine) -> list[str]:
    stream = make_stream(*_STREAM)
    trace = engine.start(new_model(stream.series.shape[1], 10)).run(stream.series, horizons=(1,))
    regimes = np.asarray(trace.regime, np.int64)
    alarms = np.flatnonzero(np.asarray(trace.drift, bool)).tolist()
    missed = np.full(len(regimes), np.nan)
    ahead = np.asarray(trace.forecasts, np.float64)[:-1, 0] - stream.series[1:]
    missed[1:] = np.sqrt(np.mean(ahead**2, axis=1))
    return [
        heading("Switching systems"),
        note("Colours are identities: the same colour on a return is a regime recognised."),
        band_chart(stream.name, [("true", stream.regimes), ("learner", regimes)]),
        line_chart(
            "error one tick ahead; red: changes noticed", [Line("RMS", missed)], marks=alarms
        ),
    ]


def _nab(data: Path | None, engine: Engine) -> list[str]:
    parts = [
        heading("Numenta Anomaly Benchmark"),
        note(
            "Minus the logarithm of the tail probability, alarms in red; the band shows the "
            "labelled windows."
        ),
    ]
    for file in data_files.nab(data):
        if file.name in _NAB_FILES:
            parts += _nab_file(file, engine)
    return parts


def _nab_file(file: NabFile, engine: Engine) -> list[str]:
    series = file.values[:, None]
    trace = engine.start(new_model(1, nab_alarms.HORIZON)).run(series, horizons=nab_alarms.LEADS)
    alarms = alarms_of(series, trace.forecasts, nab_alarms.LEADS)
    strange = -np.log10([max(alarm.probability, _LEAST_TAIL) for alarm in alarms])
    inside = np.zeros(len(series), np.int64)
    for first, last in file.windows:
        inside[first : last + 1] = 1
    raised = [tick for tick, alarm in enumerate(alarms) if alarm.is_raised]
    return [
        line_chart(file.name, [Line("value", file.values)], height=140),
        line_chart("", [Line("-log10 p", strange)], height=120, marks=raised),
        band_chart("", [("windows", inside)]),
    ]


def documentation_pictures(data: Path | None, engine: Engine) -> dict[str, str]:
    """What docs/learner.md shows, by file name."""
    taxi = next(file for file in data_files.nab(data) if file.name == _NAB_FILES[0])
    value, strange, _windows = _nab_file(taxi, engine)
    name = next(iter(data_files.MOCAP))
    return {
        "learner-forecast.svg": _mocap_charts(name, data_files.MOCAP[name], [0], data, engine)[0],
        "learner-regimes.svg": _switching(data, engine)[2],
        "learner-taxi.svg": value,
        "learner-taxi-alarms.svg": strange,
    }


def _speed(content: Json) -> list[str]:
    rows = content["rows"]
    names = [name for name in rows[0] if name != "ticks"]
    ticks = np.array([float(row["ticks"]) for row in rows])
    lines = [
        Line(
            name, np.array([row[name]["seconds"] if name in row else np.nan for row in rows]), ticks
        )
        for name in names
    ]
    return [
        heading("Seconds a tick against samples seen"),
        line_chart("both axes logarithmic", lines, height=260, logarithmic=True),
    ]
