"""How well the ECG recipe's beat detector finds beats: all 44 records, beside published detectors.

::

    python -m bench.ecg_detector [--data FOLDER] [--output FOLDER]

Every beat is detected by the integer chain's twin, which equals the device bit for bit. The
parameters were chosen on DS1; nothing here chooses any. The summary goes to
``bench/results/ecg_detector.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import midge
from bench.markdown import RESULTS, table, write_results
from bench.progress import Progress
from midge import MidgeError, UserError
from midge.recipes.ecg.beat_matching import Counts, match_record
from midge.recipes.ecg.database import Database, open_database
from midge.recipes.ecg.detector import ecg_chain
from midge.signals import Chain

PUBLISHED = (
    ("Pan and Tompkins 1985, IEEE TBME 32(3)", "99.76", "99.56", "0.675", "48 records"),
    ("Hamilton and Tompkins 1986, IEEE TBME 33(12)", "99.69", "99.77", "0.54", "48 records"),
    ("Martínez et al. 2004, IEEE TBME 51(4)", "over 99.8", "over 99.8", None, "lead 1"),
    ("Christov 2004, BioMed Eng OnLine 3:28", "99.74", "99.65", None, "48 records"),
    ("Kim and Shin 2016, PLoS ONE 11(3):e0150144", "99.90", "99.91", None, "as they count"),
)
"""Detector, sensitivity, predictivity and failed detections in percent, on what: as published."""
_COLUMNS = ("record", "beats", "missed", "false", "Se, %", "+P, %", "failed, %")


@dataclass(frozen=True)
class Row:
    """One record.

    Attributes:
        name: Its name.
        counts: Of the whole record.
        after_learning: Of what follows the first five minutes, as EC57 counts.
        missed_by_class: Class -> missed beats.
        offset_ms: Median and 95 % of the distance of detection and annotation.
        flagged: Beats with a bit of signal quality.
    """

    name: str
    counts: Counts
    after_learning: Counts
    missed_by_class: dict[str, int]
    offset_ms: tuple[float, float]
    flagged: int


def measure(database: Database, chain: Chain, name: str) -> Row:
    """Detect and match the beats of one record."""
    record = database.record(name)
    found = chain.detect(record.samples)
    matching = match_record(record, found.positions)
    missed, numbers = np.unique(matching.missed(record.classes), return_counts=True)
    pairs = np.flatnonzero(matching.reference_of >= 0)
    apart = np.abs(found.positions[pairs] - record.beats[matching.reference_of[pairs]])
    apart_ms = apart * 1000 / record.rate_hz
    return Row(
        name,
        matching.counts,
        match_record(record, found.positions, whole=False).counts,
        dict(zip(missed.tolist(), numbers.tolist(), strict=True)),
        (float(np.median(apart_ms)), float(np.percentile(apart_ms, 95))),
        int(np.count_nonzero(found.quality)),
    )


def gross(counts: Iterable[Counts]) -> Counts:
    """All beats together, as EC57 calls it."""
    return sum(counts, Counts())


def report(database: Database, rows: Sequence[Row]) -> str:
    """The page of `rows`."""
    ds1 = [row for row in rows if row.name in database.ds1]
    ds2 = [row for row in rows if row.name in database.ds2]
    sets = (("all 44 records", rows), ("DS1, where it was tuned", ds1), ("DS2, unseen", ds2))
    title = "# The beat detector of the ECG recipe\n\n"
    if database.synthetic:
        title += "**SYNTHETIC records: these figures say nothing about real hearts.**\n\n"
    summary = table(
        _COLUMNS,
        [
            [name, *_cells(gross(getattr(row, part) for row in group))]
            for part, suffix in (("counts", ""), ("after_learning", ", after 5 min (EC57)"))
            for name, group in ((label + suffix, group) for label, group in sets)
        ],
    )
    published = table(
        ["published", "Se, %", "+P, %", "failed, %", "on"], [list(row) for row in PUBLISHED]
    )
    each = table(
        [*_COLUMNS, "missed by class", "off, ms", "off in 95 %, ms", "flagged"],
        [
            [
                row.name,
                *_cells(row.counts),
                " ".join(f"{c} {n}" for c, n in row.missed_by_class.items()) or None,
                *(f"{value:.1f}" for value in row.offset_ms),
                row.flagged,
            ]
            for row in rows
        ],
    )
    return (
        f"{title}Written by `python -m bench.ecg_detector`. Midge {midge.__version__}. "
        f"{database.notice.split(' (')[0]}.\n\n"
        "One lead (MLII), integers, sample by sample; no paced records. Beats match within 150 ms. "
        "Whole records; episodes of ventricular flutter (in 207) left out, as EC57 says. "
        "`failed` is missed and false over beats.\n\n"
        f"{summary}\nPublished detectors, as their authors count. Theirs include the four paced "
        "records, and lead 1 of 114 is V5: near, not the same measurement.\n\n"
        f"{published}\n`off` is the distance from detection to annotation. `flagged` counts the "
        "detections while the signal was flat, at the rails or noisy.\n\n"
        f"{each}"
    )


def content(database: Database, rows: Sequence[Row]) -> dict[str, Any]:
    """The same as `report`, for programs."""
    return {
        "midge": midge.__version__,
        "synthetic": database.synthetic,
        "gross": _numbers(gross(row.counts for row in rows)),
        "gross_after_learning": _numbers(gross(row.after_learning for row in rows)),
        "records": {
            row.name: {
                **_numbers(row.counts),
                "missed_by_class": row.missed_by_class,
                "offset_ms": {"median": row.offset_ms[0], "p95": row.offset_ms[1]},
                "flagged": row.flagged,
            }
            for row in rows
        },
    }


def _cells(counts: Counts) -> list[object]:
    percent = (counts.sensitivity, counts.predictivity, counts.error_rate)
    return [
        counts.beats,
        counts.missed,
        counts.false,
        *(f"{100 * value:.{digits}f}" for value, digits in zip(percent, (2, 2, 3), strict=True)),
    ]


def _numbers(counts: Counts) -> dict[str, Any]:
    return {
        "beats": counts.beats,
        "missed": counts.missed,
        "false": counts.false,
        "sensitivity": counts.sensitivity,
        "predictivity": counts.predictivity,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the summary."""
    parser = argparse.ArgumentParser(description="The ECG recipe's beat detector alone.")
    parser.add_argument("--data", help="folder with the records of MIT-BIH")
    parser.add_argument("--output", default=RESULTS, help="folder of the summary")
    options = parser.parse_args(arguments)
    try:
        database = open_database(options.data)
        if database.synthetic and options.data is None:
            raise UserError(f"{database.notice}. Figures are kept of real records only")
        names = sorted(database.ds1 + database.ds2)
        chain, rows = ecg_chain(), []
        progress = Progress("ecg detector", len(names))
        for name in names:
            rows.append(measure(database, chain, name))
            progress.advance(1, name)
        progress.close()
        write_results(
            options.output, "ecg_detector", report(database, rows), content(database, rows)
        )
    except MidgeError as error:
        print(f"midge: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
