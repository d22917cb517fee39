"""Stages `records` and `detect`: the recordings, and the beats that the chain finds in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from midge.recipes.digests import digest_of_file, digest_of_json
from midge.recipes.ecg.database import SYNTHETIC, Database, open_database
from midge.recipes.ecg.networks import device_chain
from midge.recipes.ecg.records import CLASSES, Record
from midge.recipes.recipe import Settings
from midge.recipes.stage_context import StageContext
from midge.signals import Detections

QUICK_RECORDS = 5
"""Of each half, where a run is quick."""

TEMPLATES = "templates"
"""Of the detections: large, and the networks take distances to them instead."""

MIT_BIH = "MIT-BIH Arrhythmia Database"
MODEL = "made up by the dynamical model of McSharry, Clifford, Tarassenko and Smith 2003"


def database_of(settings: Settings) -> Database:
    """Where a run's records come from; looked for once, for without a network that takes long."""
    return _database(settings.data, settings.seed)


@cache
def _database(data: Path | None, seed: int) -> Database:
    return open_database(None if data is None else str(data), seed)


def fingerprint(settings: Settings) -> str:
    """The digest of the recordings' files, or of what made-up ones are made from."""
    database = database_of(settings)
    if database.folder is None:
        return f"{SYNTHETIC} {settings.seed}"
    names = [f"{n}.{e}" for n in database.ds1 + database.ds2 for e in ("hea", "dat", "atr")]
    return digest_of_json({name: digest_of_file(database.folder / name) for name in names})


def gather_records(context: StageContext) -> None:
    """Read all records once; later stages need neither wfdb nor the user's folder.

    Leaves ``records.json`` and ``<name>.npz`` of each record.
    """
    settings = context.settings
    database = database_of(settings)
    context.progress.say(database.notice)
    halves = {"train": database.ds1, "test": database.ds2}
    if settings.quick:
        halves = {half: names[:QUICK_RECORDS] for half, names in halves.items()}
    names = halves["train"] + halves["test"]
    described: dict[str, Any] = {}
    for number, name in enumerate(names):
        context.progress.at(number, len(names), f"record {name}")
        record = database.record(name)
        context.save_arrays(
            f"{name}.npz",
            {
                "samples": record.samples,
                "beats": record.beats,
                "classes": record.classes.astype("S1").view(np.uint8),
                "flutter": record.flutter,
            },
        )
        described[name] = {
            "lead": record.lead,
            "rate_hz": record.rate_hz,
            "gain": record.gain,
            "adc_bits": record.adc_bits,
            "beats": {c: int(np.sum(record.classes == c)) for c in CLASSES},
        }
    context.save_json(
        "records.json",
        {
            "database": MODEL if database.synthetic else MIT_BIH,
            "synthetic": database.synthetic,
            **{half: list(chosen) for half, chosen in halves.items()},
            "records": described,
        },
    )


def load_records(context: StageContext, half: str) -> list[Record]:
    """The records of a half, ``train`` or ``test``, as `gather_records` left them."""
    content = context.load_json("records", "records.json")
    return [_load_record(context, content, name) for name in content[half]]


def _load_record(context: StageContext, content: dict[str, Any], name: str) -> Record:
    arrays = context.load_arrays("records", f"{name}.npz")
    described = content["records"][name]
    return Record(
        name=name,
        rate_hz=described["rate_hz"],
        lead=described["lead"],
        samples=arrays["samples"],
        gain=described["gain"],
        beats=arrays["beats"],
        classes=arrays["classes"].view("S1").astype("<U1"),
        adc_bits=described["adc_bits"],
        flutter=arrays["flutter"],
        synthetic=content["synthetic"],
    )


def detect_beats(context: StageContext) -> None:
    """Run the chain's twin over every record.

    Leaves ``<name>.npz``: what `Chain.detect` returns but for the templates, which none needs.
    """
    content = context.load_json("records", "records.json")
    names = content["train"] + content["test"]
    for number, name in enumerate(names):
        context.progress.at(number, len(names), f"record {name}")
        record = _load_record(context, content, name)
        found = device_chain(record.rate_hz).detect(record.samples)
        kept = {field.name: getattr(found, field.name) for field in fields(Detections)}
        del kept[TEMPLATES]
        context.save_arrays(f"{name}.npz", kept)


def load_detections(context: StageContext, names: Iterable[str]) -> list[Detections]:
    """What `detect_beats` left of these records, without templates."""
    wanted = [field.name for field in fields(Detections) if field.name != TEMPLATES]
    loaded = [context.load_arrays("detect", f"{name}.npz") for name in names]
    return [
        Detections(**{name: arrays[name] for name in wanted}, templates=None) for arrays in loaded
    ]
