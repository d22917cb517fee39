"""Quotes a run of the heart-rhythm recipe: in the README, its page, the list of evaluations of DS2.

python -m bench.ecg_runs build/ecg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.markdown import RESULTS, put_between, table, write_results
from bench.mlperf_tiny import REPOSITORY
from midge.errors import UserError

COMMAND = "midge recipe run ecg --data DIR --target nrf52840 --out build/ecg"
SCORED = "NSV"
_FOR_PEOPLE = {
    "all": "",
    "without 232": ", without record 232",
    "reference beats": ", at reference beats",
}

Json = dict[str, Any]


def main(folder: Path) -> int:
    """Read the run's report and log, rewrite the quotes."""
    try:
        report = json.loads((folder / "report" / "report.json").read_text("utf-8"))
        log = (folder / "ds2-runs.jsonl").read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: holds no finished run: {error}; first: {COMMAND}") from None
    if report["synthetic"] or report["quick"]:
        raise UserError(f"{folder}: a synthetic or quick run has no figures to quote")
    runs = [json.loads(line) for line in log]
    put_between(REPOSITORY / "README.md", "ecg", readme_text(report, runs[-1]["at"][:10]))
    put_between(REPOSITORY / "docs" / "ecg.md", "heart", heart_text(report["heart_rate"]))
    listed = _kept_runs() + [run for run in runs if not run["quick"] and not run["synthetic"]]
    listed = list({run["at"]: run for run in listed}.values())
    write_results(
        RESULTS,
        "ecg_runs",
        runs_text(listed),
        {"made by": "bench.ecg_runs of Midge", "runs": listed},
    )
    return 0


def _kept_runs() -> list[Json]:
    path = Path(RESULTS) / "ecg_runs.json"
    return json.loads(path.read_text("utf-8"))["runs"] if path.exists() else []


def readme_text(report: Json, day: str) -> str:
    """The table of the README, its command and its date."""
    head = ["decided by", "macro-F1", *(f"{c} {k}" for c in SCORED for k in ("Se", "+P"))]
    rows = []
    for key, said in _FOR_PEOPLE.items():
        for system in report["systems"]:
            scores = system["scores"].get(key)
            if scores is not None and (key == "all" or system["name"] in ("device", "cascade")):
                rows.append([f"{system['title']}{said}", *_figures(scores)])
    board, uplink = report["boards"][0], report["uplink"]
    sent = uplink["sent_bytes"] / uplink["packed_bytes"]
    lines = [
        table(head, rows),
        f"Percent, {len(report['test'])} patients that were not learnt from, beats as the device "
        f"detects them. Sent to the cloud: {100 * sent:.1f} % of the lead's samples in 12 bits. "
        f"On the {board['title']}: {board['flash_bytes']:,} bytes of flash, "
        f"{board['ram_bytes']:,} of RAM with stack, "
        f"{board['beat_ms']:.1f} ms for the slowest beat, busy {100 * board['duty']:.2f} % of the "
        f"time. `{COMMAND}`, {day}.",
    ]
    return "\n".join(lines)


def heart_text(heart: Json) -> str:
    """What the learner made of the heart rate: a table, and a line on regimes and cost."""
    head = ["", "beats", "learner", "last rate", "mean of eight", "flagged of 1,000"]
    head += ["of them at odd beats", "near a change of rhythm"]
    rows = []
    for title, found in (
        (f"record {heart['record']}", heart["shown"]),
        (f"all {heart['all']['records']} test records", heart["all"]),
    ):
        errors = [found[f"{name}_bpm"] / found["forecast"] for name in ("learner", "last", "mean")]
        shares = [
            f"{_share(found[f'flagged_{name}'], found['flagged'])} "
            f"({_share(found[name], found['beats'])} of all)"
            for name in ("odd", "near")
        ]
        flags = f"{1000 * found['flagged'] / found['beats']:.1f}"
        figures = [f"{error:.2f}" for error in errors]
        rows.append([title, f"{found['beats']:,}", *figures, flags, *shares])
    shown, every, board = heart["shown"], heart["all"], heart["board"]
    named = [
        _share(found[name], found["rhythm_beats"])
        for found in (shown, every)
        for name in ("by_regime", "commonest")
    ]
    cycles = "–" if board["cycles"] is None else f"{board['cycles']:,.0f}"
    lines = [
        table(head, rows),
        "Mean absolute errors a beat ahead, in beats a minute. The learner's is below that of the "
        f"last rate in {every['below_last']} of {every['records']} records, below that of the mean "
        f"in {every['below_mean']}. Regimes, each named after its commonest rhythm, are right for "
        f"{named[0]} of the record's beats (all of it named after its commonest: {named[1]}), and "
        f"for {named[2]} ({named[3]}) in all records with several rhythms. On the {board['title']} "
        f"a beat takes {cycles} cycles, the forecast included, and {board['ram_bytes']:,} bytes of "
        f"RAM with stack; {'equal' if board['equal'] else 'NOT equal'} to the twin in every bit.",
    ]
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def runs_text(runs: list[Json]) -> str:
    """The list of evaluations."""
    head = ["at", "version", "seed", "device network", "decided by", "macro-F1"]
    head += [f"{c} {k}" for c in SCORED for k in ("Se", "+P")]
    rows = []
    for run in runs:
        told = (run["at"], run["version"], str(run["seed"]), run["digests"]["device network"][:12])
        for name, figures in run["figures"].items():
            rows.append([*told, name, *_figures(figures)])
    return (
        "# Every evaluation of DS2 by the heart-rhythm recipe of Midge\n\n"
        "One for each released version of the recipe, and again where a version runs on another "
        "processor, on which PyTorch adds up in another order and the same seed trains other "
        "networks. Percent; beats as the device detects them. "
        f"Made by `{COMMAND}`, quoted by `python -m bench.ecg_runs build/ecg`.\n\n"
        + table(head, rows, left=5)
    )


def _figures(scores: Json) -> list[str]:
    values = [scores["macro_f1"]]
    for letter in SCORED:
        values += [scores["sensitivity"].get(letter), scores["predictivity"].get(letter)]
    return ["–" if value is None else f"{100 * value:.1f}" for value in values]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/ecg")))
