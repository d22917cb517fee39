"""Stage `report`: what was found, as JSON, as a page and as text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from midge.recipes.ecg.beat_matching import Counts, match_record
from midge.recipes.ecg.heart_rate import HeartRate
from midge.recipes.ecg.published import CLASSIFIERS, DETECTORS
from midge.recipes.ecg.records import CLASSES
from midge.recipes.ecg.report_build import (
    detector_of,
    goals_of,
    rows_of,
    systems_of,
    uplink_of,
)
from midge.recipes.ecg.report_choice import choose_strips
from midge.recipes.ecg.report_data import Board, EcgReport
from midge.recipes.ecg.report_page import render_ecg_html
from midge.recipes.ecg.report_text import render_ecg_text
from midge.recipes.ecg.stage_data import load_detections, load_records
from midge.recipes.ecg.stage_evaluate import load_judged
from midge.recipes.stage_context import StageContext
from midge.version import VERSION


def write_report(context: StageContext) -> None:
    """Leaves ``report.json``, ``report.html`` and ``report.txt``."""
    report = build_report(context)
    context.save_json("report.json", report.to_json())
    context.save_text("report.html", render_ecg_html(report))
    context.save_text("report.txt", render_ecg_text(report))


def build_report(context: StageContext) -> EcgReport:
    """All of it, out of what the stages before left."""
    settings = context.settings
    content = context.load_json("records", "records.json")
    learnt = context.load_json("quantise", "quantise.json")
    judged = load_judged(context)
    systems = systems_of(judged)
    uplink = uplink_of(reduce(add, (one.traffic for one in judged)))
    boards = tuple(_board(entry) for entry in context.load_json("emulate", "boards.json"))
    test = reduce(add, (one.matching.counts for one in judged))
    everything = detector_of(test + _training_counts(context, content))
    some = content["records"][content["test"][0]]
    return EcgReport(
        midge=VERSION,
        recipe_version=context.version,
        database=content["database"],
        synthetic=content["synthetic"],
        quick=settings.quick,
        seed=settings.seed,
        target=settings.target,
        lead=some["lead"],
        rate_hz=some["rate_hz"],
        train=tuple(content["train"]),
        test=tuple(content["test"]),
        train_beats=_beats(content, "train"),
        test_beats=_beats(content, "test"),
        digests=learnt["digests"],
        sizes=learnt["sizes"],
        settings=learnt["settings"],
        systems=systems,
        detector=detector_of(test),
        detector_all=everything,
        uplink=uplink,
        boards=boards,
        rows=rows_of(judged),
        strips=choose_strips(judged),
        heart_rate=HeartRate.from_json(context.load_json("heart", "heart_rate.json")),
        goals=goals_of({s.name: s for s in systems}, uplink, boards, everything),
        published=CLASSIFIERS,
        detector_published=DETECTORS,
    )


def _training_counts(context: StageContext, content: Mapping[str, Any]) -> Counts:
    """The detector's on the training records."""
    records = load_records(context, "train")
    found = load_detections(context, content["train"])
    counts = (
        match_record(record, detections.positions).counts
        for record, detections in zip(records, found, strict=True)
    )
    return reduce(add, counts, Counts())


def _beats(content: Mapping[str, Any], half: str) -> dict[str, int]:
    described = [content["records"][name]["beats"] for name in content[half]]
    return {letter: int(np.sum([d[letter] for d in described])) for letter in CLASSES}


def _board(entry: Mapping[str, Any]) -> Board:
    pairs = {
        name: (float(entry[name][0]), int(entry[name][1]))
        for name in ("sample_instructions", "beat_instructions")
    }
    return Board(**{**entry, **pairs, "records": tuple(entry["records"])})
