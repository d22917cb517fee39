"""The results of the benchmark as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from midge.adapt.benchmark import vibration_report

Json = dict[str, Any]


def markdown(content: Json) -> str:
    """All tables that were measured."""
    parts = ["# The learner against others\n", _made_by(content)]
    for name, writer in _WRITERS.items():
        if name in content:
            parts.append(writer(content[name]))
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
    leads = content["leads"]
    kinds = list(content["errors"][0]["rmse"])
    head = ["method", *[f"{kind}, lead {lead}" for kind in kinds for lead in leads]]
    body = [
        [row["method"], *[f"{value:.3f}" for kind in kinds for value in row["rmse"][kind]]]
        for row in content["errors"]
    ]
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


def _nab(content: Json) -> str:
    body = [
        [
            row["method"],
            row["source"],
            *[f"{value:.1f}" for value in row["scores"]],
            str(row.get("windows_hit", "–")),
            str(row.get("false_alarms", "–")),
        ]
        for row in content["rows"]
    ]
    head = [
        "detector",
        "",
        "standard",
        "reward low FP",
        "reward low FN",
        "windows hit",
        "false alarms",
    ]
    return "\n".join(
        [
            "## Numenta Anomaly Benchmark\n",
            f"{content['files']} files, {content['windows']} labelled windows, one setting for all "
            "files, the threshold chosen as the benchmark chooses it.\n",
            table(head, body, left=2),
        ]
    )


def _speed(content: Json) -> str:
    names = [name for name in content["rows"][0] if name != "ticks"]
    head = ["samples seen", *[f"{name}, s" for name in names]]
    head += [f"{name} : learner" for name in names if name != "learner"]
    body = []
    for row in content["rows"]:
        cells = [f"{row['ticks']:,}", *[f"{row[name]['seconds']:.3g}" for name in names]]
        cells += [f"{row[name]['ratio']:,.0f}" for name in names if name != "learner"]
        body.append(cells)
    remarks = {
        row[name]["remark"] for row in content["rows"] for name in names if "remark" in row[name]
    }
    return "\n".join(
        [
            "## Seconds a tick\n",
            f"{content['channels']} channels, horizon {content['horizon']}. "
            + " ".join(sorted(remarks))
            + "\n",
            table(head, body),
        ]
    )


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
