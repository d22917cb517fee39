"""Lets a learner watch a recorded stream, and says how that went: figures and a page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt import StreamModel
from midge.adapt.alarms import alarms_of
from midge.adapt.engine import TWIN, Engine
from midge.adapt.normalise import LARGEST_INPUT
from midge.adapt.page import heading, html_table, note, page
from midge.adapt.settings import MAX_CHANNELS, default_anchors
from midge.adapt.stream_csv import CsvStream
from midge.adapt.svg import Line, band_chart, line_chart
from midge.errors import UserError

Json = dict[str, Any]
Floats = NDArray[np.float64]

_LEAST_TAIL = 1e-12
"""Of the tail probability, on a logarithmic scale."""
_WHOLE, _CLOSE = 600, 400
"""Up to so many samples are drawn with their forecasts; of longer streams so many of the end."""
_WHOLE_FROM = 1000
"""Errors from here on are shown as whole numbers."""


@dataclass(frozen=True)
class Watch:
    """A stream, and what a learner said of it while it saw it for the first time.

    Attributes:
        stream: What it saw.
        leads: How far ahead it was asked.
        forecasts: [ticks, leads, channels]; row t holds what it said after sample t.
        anomaly: Tail probability of each sample [ticks], small for strange ones.
        flagged: [ticks]
        raised: Where an alarm begins [ticks], by `Alarms`.
        regimes: Which regime held [ticks].
        alarms: Where a change was noticed [ticks].
        ram_bytes: What its state takes on a device.
    """

    stream: CsvStream
    leads: tuple[int, ...]
    forecasts: Floats
    anomaly: Floats
    flagged: NDArray[np.bool_]
    raised: NDArray[np.bool_]
    regimes: NDArray[np.int64]
    alarms: NDArray[np.bool_]
    ram_bytes: int


def watch(stream: CsvStream, horizon: int, ram: str, engine: Engine = TWIN) -> Watch:
    """One pass of a new learner over a stream, run by an engine.

    Raises:
        UserError: there are too many columns, or the learner does not fit the RAM.
    """
    if len(stream.names) > MAX_CHANNELS:
        raise UserError(
            f"the stream has {len(stream.names)} columns of numbers; expected {MAX_CHANNELS} at "
            "most; choose some of them (--columns)"
        )
    known = np.abs(stream.values) < LARGEST_INPUT
    stream = replace(
        stream, values=np.where(known, stream.values, np.nan)
    )  # as the learner sees it
    model = StreamModel(channels=len(stream.names), horizon=horizon, ram=ram)
    anchors = default_anchors(horizon)
    trace = engine.start(model).run(stream.values, horizons=anchors)
    forecasts = np.asarray(trace.forecasts, np.float64)
    alarms = alarms_of(stream.values, forecasts, anchors)
    shown = sorted({0, len(anchors) // 2, len(anchors) - 1})
    return Watch(
        stream,
        tuple(anchors[place] for place in shown),
        forecasts[:, shown],
        np.asarray(trace.anomaly, np.float64),
        np.asarray(trace.is_flagged, bool),
        np.array([alarm.is_raised for alarm in alarms], bool),
        np.asarray(trace.regime, np.int64),
        np.asarray(trace.drift, bool),
        int(model.ram_bytes),
    )


def figures(seen: Watch) -> Json:
    """The run as numbers; errors against those of repeating the last sample."""
    values = seen.stream.values
    flagged = np.flatnonzero(seen.flagged)
    return {
        "ticks": len(values),
        "channels": list(seen.stream.names),
        "left_out": list(seen.stream.left_out),
        "ram_bytes": seen.ram_bytes,
        "leads": [
            {"lead": lead, **_errors(values, seen.forecasts[:, row], lead)}
            for row, lead in enumerate(seen.leads)
        ],
        "flagged": flagged.tolist(),
        "alarms": np.flatnonzero(seen.raised).tolist(),
        "changes": np.flatnonzero(seen.alarms).tolist(),
        "regimes": len(np.unique(seen.regimes)) if len(values) else 0,
    }


def _errors(values: Floats, forecasts: Floats, lead: int) -> Json:
    """RMSE of each channel, the learner's and that of the last sample; None without any pair."""
    targets, ours, last = values[lead:], forecasts[:-lead], _last_seen(values)[:-lead]
    known = np.isfinite(targets) & np.isfinite(ours) & np.isfinite(last)

    def root(missed: Floats) -> list[float | None]:
        squares = [column[keep] ** 2 for column, keep in zip(missed.T, known.T, strict=True)]
        return [float(np.sqrt(np.mean(one))) if len(one) else None for one in squares]

    return {"rmse": root(targets - ours), "last_sample": root(targets - last)}


def _last_seen(values: Floats) -> Floats:
    """Each sample, or where it is missing the one before."""
    place = np.where(np.isfinite(values), np.arange(len(values))[:, None], 0)
    return np.take_along_axis(values, np.maximum.accumulate(place, axis=0), axis=0)


def text(told: Json) -> str:
    """The figures for a terminal."""
    rows = "\n".join("  ".join(cell.rjust(15) for cell in row) for row in _error_cells(told))
    return f"{_summary(told)}\n\n{rows}"


def _summary(told: Json) -> str:
    counts = (
        (len(told["flagged"]), "sample flagged", "samples flagged"),
        (len(told["alarms"]), "alarm", "alarms"),
        (len(told["changes"]), "change noticed", "changes noticed"),
        (told["regimes"], "regime", "regimes"),
    )
    samples = _counted(told["ticks"], "sample", "samples")
    channels = _counted(len(told["channels"]), "channel", "channels")
    lines = [
        f"{samples} of {channels}, {told['ram_bytes']:,} bytes of state",
        ", ".join(_counted(*count) for count in counts),
    ]
    if told["left_out"]:
        lines.append(f"left out, not numbers: {', '.join(told['left_out'])}")
    return "\n".join(lines)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _error_cells(told: Json) -> list[list[str]]:
    leads = told["leads"]
    head = ["channel", *[f"RMSE +{row['lead']}" for row in leads]]
    rows = [[*head, *[f"last sample +{row['lead']}" for row in leads]]]
    for index, name in enumerate(told["channels"]):
        cells = [_shown(row[kind][index]) for kind in ("rmse", "last_sample") for row in leads]
        rows.append([name, *cells])
    return rows


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= _WHOLE_FROM else f"{value:.4g}"


def html(title: str, seen: Watch) -> str:
    """The run as a page: truth and forecasts, regimes, how strange each sample was."""
    told = figures(seen)
    head, *rows = _error_cells(told)
    strange = -np.log10(np.maximum(seen.anomaly, _LEAST_TAIL))
    parts = [
        note(_summary(told).replace("\n", "; ") + "."),
        html_table(head, rows),
        *_pictures_of_channels(seen, told["alarms"]),
        heading("Regimes"),
        band_chart("", [("regime", seen.regimes)]),
        heading("How strange"),
        note(
            "Minus the logarithm of the tail probability of the error one sample ahead; alarms, "
            "which watch errors further ahead as well, carry a red tick."
        ),
        line_chart("", [Line("-log10 p", strange)], height=140, marks=told["alarms"]),
    ]
    return page(title, parts)


def _pictures_of_channels(seen: Watch, alarms: list[int]) -> list[str]:
    """The whole stream, and its end with forecasts; short ones with both in one."""
    ticks, lead = len(seen.stream.values), seen.leads[-1]
    first = ticks - _CLOSE if ticks > _WHOLE else 0
    whole = [heading("The stream"), note("Red ticks: alarms.")] if first else []
    close = [
        heading("Its end, and what was forecast" if first else "The stream, and what was forecast"),
        note(f"Forecasts stand where they aim at, {lead} samples after they were made."),
    ]
    places = np.arange(first, ticks, dtype=np.float64)
    for index, name in enumerate(seen.stream.names):
        values = seen.stream.values[:, index]
        aimed = np.full(ticks, np.nan)
        aimed[lead:] = seen.forecasts[:-lead, -1, index]
        lines = [
            Line("seen", values[first:], places),
            Line(f"forecast +{lead}", aimed[first:], places),
        ]
        marks = [tick for tick in alarms if tick >= first]
        close.append(line_chart(name, lines, marks=marks))
        if first:
            whole.append(line_chart(name, [Line("seen", values)], height=120, marks=alarms))
    return whole + close
