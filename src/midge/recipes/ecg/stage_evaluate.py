"""Stage `evaluate`: what every system says of every beat of the test records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from midge.errors import InternalError
from midge.files import read_arrays
from midge.recipes.ecg.application_files import uplink_for
from midge.recipes.ecg.beat_matching import match_record
from midge.recipes.ecg.judged import Judged, Labels
from midge.recipes.ecg.records import Record
from midge.recipes.ecg.report_build import systems_of
from midge.recipes.ecg.scores import SAID
from midge.recipes.ecg.stage_data import load_detections, load_records
from midge.recipes.ecg.stage_learning import Learnt, load_learnt
from midge.recipes.ecg.uplink import Received, Traffic, send
from midge.recipes.processes import each
from midge.recipes.run_log import append_run
from midge.recipes.stage_context import StageContext
from midge.signals import Detections

LOG = "ds2-runs.jsonl"
"""In the run's folder: every evaluation of the test records."""
BEHIND = 1e4
"""By how much more the normal class leads at a beat that was not flagged: it ranks behind all."""
_LETTERS = np.array(list(SAID))
_TRAFFIC = tuple(field.name for field in fields(Traffic))

Arrays = dict[str, npt.NDArray[Any]]


def evaluate(context: StageContext) -> None:
    """Leaves ``<name>.npz`` of each test record, and adds a line to the run's log.

    What a killed run left of a record is not computed again.
    """
    records = load_records(context, "test")
    found = load_detections(context, [record.name for record in records])
    left = [
        (record, detections)
        for record, detections in zip(records, found, strict=True)
        if not (context.folder / f"{record.name}.npz").exists()
    ]
    for number, (name, arrays) in enumerate(each(_judge, left, _learn, (context,))):
        context.save_arrays(f"{name}.npz", arrays)
        context.progress.at(number + 1, len(left), f"record {name}")
    _log(context, [_read(context.folder, record) for record in records])


_LEARNT: list[Learnt] = []
"""Of this process: read once, for all the records that it judges."""


def _learn(context: StageContext) -> None:
    _LEARNT[:] = [load_learnt(context)]


def _judge(work: tuple[Record, Detections]) -> tuple[str, Arrays]:
    record, found = work
    return record.name, judge(_LEARNT[0], record, found)


def load_judged(context: StageContext) -> list[Judged]:
    """The test records with what `evaluate` left of them."""
    folder = context.inputs["evaluate"]
    return [_read(folder, record) for record in load_records(context, "test")]


def judge(learnt: Learnt, record: Record, found: Detections) -> Arrays:
    """All systems on one record.

    Args:
        learnt: The networks.
        record: The record.
        found: Its beats, k of them.

    Returns:
        arrays for a file; labels are indices into `SAID`.
    """
    arrays: Arrays = {"positions": found.positions}
    scores, labels, suspicious, received = _at(learnt, record, found)
    arrays |= {f"scores {name}": values.astype(np.float32) for name, values in scores.items()}
    arrays |= {f"labels {name}": values for name, values in labels.items()}
    at_reference = learnt.application.chain.describe(record.samples, record.beats)
    _, reference, _, _ = _at(learnt, record, at_reference)
    arrays |= {f"reference {name}": values for name, values in reference.items()}
    return arrays | {
        "flagged": suspicious,
        "sent": received.spans,
        "traffic": np.array([getattr(received.traffic, name) for name in _TRAFFIC], np.float64),
    }


def _at(
    learnt: Learnt, record: Record, found: Detections
) -> tuple[dict[str, npt.NDArray[np.float32]], Arrays, npt.NDArray[np.bool_], Received]:
    """Scores, biases added, and labels of all systems; which beats are flagged, what went up."""
    integer = learnt.device(found)
    decision = learnt.application.decision
    biased = (integer + np.asarray(decision.biases, np.int64)).astype(np.float32)
    scores = {
        "float": learnt.float_device(found),
        "int8": biased,
        "device": biased,
        "cloud": learnt.cloud(record, found),
    }
    labels: Arrays = {name: values.argmax(axis=1) for name, values in scores.items()}
    label, margin, suspicious = decision.decide(integer, found.quality)
    labels["device"] = label.astype(np.int64)
    received = send(
        uplink_for(record.rate_hz),
        record.samples,
        found.positions,
        found.decided_at,
        margin,
        suspicious,
        decision.suspicious_below,
        learnt.payloads(integer, found),
    )
    confirmed, answered = learnt.confirm(record, found, received)
    scores["cascade"] = biased.copy()
    scores["cascade"][:, 0] += BEHIND
    scores["cascade"][answered] = confirmed[answered]
    labels["cascade"] = np.where(answered, confirmed.argmax(axis=1), labels["device"])
    return scores, labels, suspicious, received


def _read(folder: Path, record: Record) -> Judged:
    arrays = read_arrays(str(folder / f"{record.name}.npz"))
    if not isinstance(arrays, dict):
        raise InternalError(f"{folder}: {record.name}.npz holds one array without a name")
    given = dict(zip(_TRAFFIC, arrays["traffic"].tolist(), strict=True))
    counted = {name: value if name == "seconds" else int(value) for name, value in given.items()}
    positions = arrays["positions"].astype(np.int64)
    return Judged(
        record=record,
        positions=positions,
        matching=match_record(record, positions),
        labels=_named(arrays, "labels ", _letters),
        scores=_named(arrays, "scores ", lambda values: values.astype(np.float32)),
        flagged=arrays["flagged"].astype(np.bool_),
        sent=arrays["sent"].astype(np.int64),
        traffic=Traffic(**counted),
        at_reference=_named(arrays, "reference ", _letters),
    )


def _named(arrays: Mapping[str, Any], prefix: str, form: Any) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): form(values)
        for name, values in arrays.items()
        if name.startswith(prefix)
    }


def _letters(indices: npt.NDArray[Any]) -> Labels:
    return np.asarray(_LETTERS[indices.astype(np.int64)])


def _log(context: StageContext, judged: Sequence[Judged]) -> None:
    """The test records have been looked at: say so where it stays."""
    content = context.load_json("records", "records.json")
    figures = {
        system.name: {
            "macro_f1": system.scores["all"].macro_f1,
            "sensitivity": dict(system.scores["all"].sensitivity),
            "predictivity": dict(system.scores["all"].predictivity),
        }
        for system in systems_of(judged)
    }
    append_run(
        context.run_folder / LOG,
        {
            "recipe": context.recipe,
            "version": context.version,
            "seed": context.settings.seed,
            "quick": context.settings.quick,
            "synthetic": content["synthetic"],
            "records": content["test"],
            "digests": context.load_json("quantise", "quantise.json")["digests"],
            "figures": figures,
        },
    )
