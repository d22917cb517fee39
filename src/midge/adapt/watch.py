"""Lets a learner watch a recorded stream, and says how that went: figures and a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt import StreamModel
from midge.adapt.page import heading, html_table, note, page
from midge.adapt.stream_csv import CsvStream
from midge.adapt.svg import Line, band_chart, line_chart

Json = dict[str, Any]
Floats = NDArray[np.float64]

_LEAST_TAIL = 1e-12
"""Of the tail probability, on a logarithmic scale."""


@dataclass(frozen=True)
class Watch:
    """A stream, and what a learner said of it while it saw it for the first time.

    Attributes:
        stream: What it saw.
        leads: How far ahead it was asked.
        forecasts: [ticks, leads, channels]; row t holds what it said after sample t.
        anomaly: Tail probability of each sample [ticks], small for strange ones.
        flagged: [ticks]
        regimes: Which regime held [ticks].
        alarms: Where a change was noticed [ticks].
        ram_bytes: What its state takes on a device.
    """

    stream: CsvStream
    leads: tuple[int, ...]
    forecasts: Floats
    anomaly: Floats
    flagged: NDArray[np.bool_]
    regimes: NDArray[np.int64]
    alarms: NDArray[np.bool_]
    ram_bytes: int


def watch(stream: CsvStream, horizon: int, ram: str) -> Watch:
    """One pass of a new learner over a stream.

    Raises:
        UserError: the learner does not fit the RAM.
    """
    model = StreamModel(channels=len(stream.names), horizon=horizon, ram=ram)
    leads = tuple(sorted({1, max(1, horizon // 4), horizon}))
    trace = model.run(stream.values, horizons=leads)
    return Watch(
        stream,
        leads,
        np.asarray(trace.forecasts, np.float64),
        np.asarray(trace.anomaly, np.float64),
        np.asarray(trace.is_flagged, bool),
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
    lines = [
        f"{told['ticks']:,} samples of {len(told['channels'])} channels, "
        f"{told['ram_bytes']:,} bytes of state",
        f"{len(told['flagged'])} samples flagged, {len(told['changes'])} changes noticed, "
        f"{told['regimes']} regimes",
    ]
    if told["left_out"]:
        lines.append(f"left out, not numbers: {', '.join(told['left_out'])}")
    lines += ["", *("  ".join(cell.rjust(12) for cell in row) for row in _error_cells(told))]
    return "\n".join(lines)


def _error_cells(told: Json) -> list[list[str]]:
    rows = [["channel", *[f"RMSE +{row['lead']}" for row in told["leads"]], "last sample"]]
    for index, name in enumerate(told["channels"]):
        cells = [_shown(row["rmse"][index]) for row in told["leads"]]
        last = " ".join(_shown(row["last_sample"][index]) for row in told["leads"])
        rows.append([name, *cells, last])
    return rows


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def html(title: str, seen: Watch) -> str:
    """The run as a page: truth and forecasts, regimes, how strange each sample was."""
    told = figures(seen)
    head, *rows = _error_cells(told)
    parts = [
        note(text(told).partition("\n\n")[0].replace("\n", "; ") + "."),
        html_table(head, rows),
        heading("What was seen, and what was forecast"),
        note(f"Forecasts stand where they aim at, {seen.leads[-1]} samples after they were made."),
    ]
    for index, name in enumerate(seen.stream.names):
        aimed = np.full(len(seen.stream.values), np.nan)
        lead, row = seen.leads[-1], len(seen.leads) - 1
        aimed[lead:] = seen.forecasts[:-lead, row, index]
        lines = [Line("seen", seen.stream.values[:, index]), Line(f"forecast +{lead}", aimed)]
        parts.append(line_chart(name, lines, marks=told["flagged"]))
    strange = -np.log10(np.maximum(seen.anomaly, _LEAST_TAIL))
    parts += [
        heading("Regimes"),
        band_chart("", [("regime", seen.regimes)]),
        heading("How strange"),
        note("Minus the logarithm of the tail probability; flagged samples carry a red tick."),
        line_chart("", [Line("-log10 p", strange)], height=140, marks=told["flagged"]),
    ]
    return page(title, parts)
