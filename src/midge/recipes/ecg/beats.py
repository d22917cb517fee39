"""Detected beats of many patients as arrays to learn from, and folds that keep patients whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.recipes.ecg.beat_matching import NO_BEAT, match_record
from midge.recipes.ecg.networks import INPUT_CODES, SAID
from midge.recipes.ecg.records import Record
from midge.signals import Detections

FOLDS = 5
_LEFT_OUT = -1
_WEIGHT = np.array([0.02, 1.0, 0.5])
"""How much a beat of N, S and V counts when folds are made alike."""

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class BeatSet:
    """The beats of some records, n of them, record after record.

    Attributes:
        windows: float32 [n, 1, 1, w], in units of the patient's usual beat.
        features: float32 [n, f], the real values of the codes.
        labels: int64 [n], index into `SAID`.
        patients: int64 [n], index of the record.
    """

    windows: Float32Array
    features: Float32Array
    labels: Int64Array
    patients: Int64Array


def network_inputs(found: Detections) -> tuple[Float32Array, Float32Array]:
    """Windows float32 [n, 1, 1, w] and features float32 [n, f] as real numbers."""
    windows = (found.windows * np.float32(INPUT_CODES["window"][0])).astype(np.float32)
    features = (found.codes * np.float32(INPUT_CODES["features"][0])).astype(np.float32)
    return windows[:, None, None, :], features


def labels_of(record: Record, found: Detections) -> Int64Array:
    """What each detected beat is to be called, int64 [k]; -1 where it is not to be learnt.

    A false detection is to be called N: nothing to be alarmed about. F and Q, and what is detected
    within ventricular flutter, are left out.
    """
    matching = match_record(record, found.positions)
    carried = matching.carried(record.classes)
    labels = np.full(len(found), _LEFT_OUT, np.int64)
    for index, letter in enumerate(SAID):
        labels[carried == letter] = index
    labels[(carried == NO_BEAT) & matching.detected_counts] = 0
    return labels


def gather_beats(records: Sequence[Record], detections: Sequence[Detections]) -> BeatSet:
    """Everything that can be learnt from.

    Args:
        records: With their reference.
        detections: What the chain found in each.

    Raises:
        UserError: a class has no beat at all.
    """
    parts = []
    for patient, (record, found) in enumerate(zip(records, detections, strict=True)):
        labels = labels_of(record, found)
        kept = labels != _LEFT_OUT
        windows, features = network_inputs(found)
        parts.append((windows[kept], features[kept], labels[kept], patient))
    gathered = BeatSet(
        np.concatenate([windows for windows, _, _, _ in parts]),
        np.concatenate([features for _, features, _, _ in parts]),
        np.concatenate([labels for _, _, labels, _ in parts]),
        np.repeat([p[3] for p in parts], [len(p[2]) for p in parts]).astype(np.int64),
    )
    missing = [s for i, s in enumerate(SAID) if not np.any(gathered.labels == i)]
    if missing:
        raise UserError(
            f"records {', '.join(r.name for r in records)}: no beat of class {', '.join(missing)} "
            "was detected; expected some of each of N, S and V to learn from. Give more records"
        )
    return gathered


def folds_of(beats: BeatSet, count: int = FOLDS) -> Int64Array:
    """The fold of each beat, int64 [n]: patients stay whole, rare classes are spread.

    The patients with the most S and V come first; each goes to the fold that has least so far.
    """
    patients = np.unique(beats.patients)
    loads = {
        int(p): float(_WEIGHT[beats.labels[beats.patients == p]].sum()) for p in patients.tolist()
    }
    total = np.zeros(count)
    chosen: dict[int, int] = {}
    for patient in sorted(loads, key=lambda p: (-loads[p], p)):
        chosen[patient] = int(total.argmin())
        total[chosen[patient]] += loads[patient]
    return np.array([chosen[p] for p in beats.patients.tolist()], np.int64)
