"""The results of the benchmark as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from midge.adapt.benchmark import vibration_report

_COMPARED = ("RLS-VAR", "river's best")
"""Whom the aim of the switching streams names."""

Json = dict[str, Any]


def markdown(content: Json) -> str:
    """All tables that were measured."""
    parts = ["# The learner against others\n", _made_by(content)]
    for name, writer in _WRITERS.items():
        if name in content:
            parts += [writer(content[name]), f"The learner: {content[name]['engine']}.\n"]
    return "\n".join(parts)


def _made_by(content: Json) -> str:
    machine = content["machine"]
    return (
        f"`{content['command']}`, {content['date']}, {machine}. No method sees a sample before its "
        "time, except where a row says so. Figures marked published are quoted.\n"
    )


def _mocap(content: Json) -> str:
    lookaheads = [f"l={value}" for value in content["lookaheads"]]
    parts = ["## Motion capture: RMSE / MAE\n"]
    for name, rows in content["series"].items():
        for title, sources in (
            ("whole series put on unit variance first", ("published", "baseline", "ours")),
            ("everything normalised online", ("online",)),
        ):
            body = [
                [
                    row["method"],
                    row["source"] if row["source"] == "published" else row.get("remark") or "",
                    *[f"{rmse:.3f} / {mae:.3f}" for rmse, mae in row["errors"]],
                ]
                for row in rows
                if row["source"] in sources
            ]
            parts.append(f"{name}, {title}\n")
            parts.append(table(["method", "", *lookaheads], body, left=2))
    return "\n".join(parts)


def _ett(content: Json) -> str:
    head = ["method", "", *[f"horizon {value}" for value in content["horizons"]]]
    parts = ["## Electricity transformers: mean squared error, delayed feedback\n"]
    for name, rows in content["series"].items():
        body = [
            [
                row["method"],
                row["source"] if row["source"] == "published" else row.get("remark") or "",
                *["–" if value is None else f"{value:.3f}" for value in row["mse"]],
            ]
            for row in rows
        ]
        parts += [f"{name}\n", table(head, body, left=2)]
    return "\n".join(parts)


def _switching(content: Json) -> str:
    by_method = {row["method"]: row["rmse"] for row in content["errors"]}
    body = []
    for kind in content["errors"][0]["rmse"]:
        for place, lead in enumerate(content["leads"]):
            found = {method: rmse[kind][place] for method, rmse in by_method.items()}
            cells = [f"{kind}, lead {lead}", *[f"{value:.3f}" for value in found.values()]]
            body.append([*cells, *[_against(found, other) for other in _COMPARED]])
    head = ["stream", *by_method, *[f"learner against {other}" for other in _COMPARED]]
    detected = [
        [
            method,
            _shown(row["median_delay"], "{:.0f}"),
            f"{100 * row['detected']:.0f} %",
            f"{row['false_alarms_per_1000']:.2f}",
            _shown(row.get("recognised"), "{:.0%}"),
        ]
        for method, row in content["detection"].items()
    ]
    return "\n".join(
        [
            "## Switching systems\n",
            f"RMSE of the forecasts made in the first {content['after']} ticks after a regime's "
            "return. The regression that is told the regime looks ahead: it is the floor.\n",
            table(head, body),
            f"Changes: ticks to the first alarm, the share noticed within {content['patience']} "
            "ticks, alarms outside those ticks, returns that get the same regime as last time.\n",
            table(
                ["method", "median delay", "noticed", "false alarms in 1,000 ticks", "recognised"],
                detected,
            ),
        ]
    )


def _against(found: dict[str, float], other: str) -> str:
    """By how much the learner's error is below or above another's."""
    if other not in found or "learner" not in found:
        return "–"
    return f"{found['learner'] / found[other] - 1:+.0%}".replace("-", "−").replace("%", " %")


def _nab(content: Json) -> str:
    rows = content["rows"]
    body = [
        [
            row["method"],
            row["source"],
            *[f"{value:.1f}" for value in row["scores"]],
            str(row.get("windows_hit", "–")),
            str(row.get("false_alarms", "–")),
        ]
        for row in sorted(rows, key=lambda row: -row["scores"][0])
    ]
    profiles = ["standard", "reward low FP", "reward low FN"]
    head = ["detector", "", *profiles, "windows hit", "false alarms"]
    halves = [
        [row["method"], *[_shown(value, "{:.1f}") for value in row["halves"]]]
        for row in rows
        if "halves" in row
    ]
    return "\n".join(
        [
            "## Numenta Anomaly Benchmark\n",
            f"{content['files']} files, {content['windows']} labelled windows, one setting for all "
            "files, the threshold chosen as the benchmark chooses it; none is chosen for what a "
            "method flags by itself.\n",
            table(head, body, left=2),
            f"The rule of alarms was chosen on {', '.join(content['chosen_on'])}. The standard "
            "score of these files and of the others, each half by itself:\n",
            table(["detector", "chosen on", "the others"], halves),
        ]
    )


def _speed(content: Json) -> str:
    ours, rows = content["ours"], content["rows"]
    others = [name for name in rows[0] if name not in ours and name != "ticks"]
    head = ["samples seen", *[f"learner, {name}" for name in ours], *others]
    head += [f"{name} : {mine}" for name in others for mine in ours]
    body = []
    for row in rows:
        cells = [f"{row['ticks']:,}"]
        cells += [_time(row, name) for name in (*ours, *others)]
        cells += [_ratio(row, name, mine) for name in others for mine in ours]
        body.append(cells)
    remarks = {
        row[name]["remark"] for row in rows for name in others if "remark" in row.get(name, {})
    }
    return "\n".join(
        [
            "## Time a tick\n",
            f"{content['channels']} channels, horizon {content['horizon']}. A tick of the learner "
            "is an update and its whole forecast; a tick of the others is one training on all that "
            "has been seen. " + " ".join(sorted(remarks)) + "\n",
            table(head, body),
        ]
    )


def _time(row: Json, name: str) -> str:
    if name not in row:
        return "–"
    seconds = row[name]["seconds"]
    factor, unit = next(
        (one for one in ((1, "s"), (1e3, "ms")) if seconds * one[0] >= 1), (1e6, "µs")
    )
    return f"{seconds * factor:,.0f} {unit}" if seconds >= 10 else f"{seconds * factor:.3g} {unit}"


def _ratio(row: Json, name: str, mine: str) -> str:
    if name not in row or mine not in row:
        return "–"
    return f"{row[name]['seconds'] / row[mine]['seconds']:,.0f}"


def _vibration(content: Json) -> str:
    return vibration_report.markdown(content, table)


_WRITERS = {
    "mocap": _mocap,
    "ett": _ett,
    "switching": _switching,
    "nab": _nab,
    "speed": _speed,
    "vibration": _vibration,
}


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table whose first `left` columns stand left-aligned."""
    rule = ["---" if column < left else "---:" for column in range(len(head))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *rows)) + "\n"
