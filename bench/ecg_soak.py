"""Four whole records on three emulated boards, every event against the twin's.

    python -m bench.ecg_soak [FOLDER]

Runs the heart-rhythm recipe, or goes on with the run in FOLDER, by default ``build/ecg``. Writes
``bench/results/ecg_soak.md`` and ``.json``, and exits with 1 where anything differed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.markdown import RESULTS, table, write_results
from bench.mlperf_tiny import REPOSITORY
from midge.cli import main as midge

HEAD = (
    *("record", "board", "beats", "different", "instructions", "cycles", "longest beat, ms"),
    *("duty, %", "RAM", "flash"),
)

MADE_BY = "bench.ecg_soak of Midge"

Json = dict[str, Any]


def main(folder: Path) -> int:
    """Run, compare, write."""
    code = midge(["recipe", "run", "ecg", "--records-on-device", "4", "--out", str(folder)])
    if code:
        return code
    content = json.loads((folder / "report" / "report.json").read_text("utf-8"))
    runs = []
    for board in content["boards"]:
        for record in board["records"]:
            path = folder / "emulate" / f"{board['name']}-{record}.json"
            run = json.loads(path.read_text("utf-8"))
            runs.append({"record": record, "board": board["name"], **run})
    write_results(RESULTS, "ecg_soak", text_of(content, runs), {"made by": MADE_BY, "runs": runs})
    different = [run for run in runs if run["different"]]
    print(f"{len(runs)} runs, {sum(run['beats'] for run in runs):,} beats, {len(different)} differ")
    return 1 if different else 0


def text_of(content: Json, runs: list[Json]) -> str:
    """The page."""
    rows = [_row(run) for run in runs]
    synthetic = "SYNTHETIC records. " if content["synthetic"] else ""
    return (
        "# The heart-rhythm application of Midge on emulated boards\n\n"
        f"{synthetic}Whole records, fed sample by sample ({content['database']}). Positions, "
        "windows, features, quality, scores, labels, margins, suspicions and the bytes to be sent "
        "are compared with the twin's in every bit. Cycles are modelled. Made by "
        "`python -m bench.ecg_soak`.\n\n" + table(HEAD, rows, left=2)
    )


def _row(run: Json) -> list[object]:
    cost = run["cost"]
    cycles = cost["cycles_modelled"] or cost["cycles"]
    return [
        run["record"],
        run["board"],
        run["beats"],
        ", ".join(run["different"]) or "none",
        cost["instructions"],
        cycles,
        None if cost["longest_ms"] is None else f"{cost['longest_ms']:.2f}",
        None if cost["duty"] is None else f"{100 * cost['duty']:.2f}",
        cost["ram"]["total"],
        cost["flash"]["total"],
    ]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "build" / "ecg"))
