"""The cloud's committee: larger networks on two seconds of raw signal.

Each member learns from all patients but one fold of them. So every beat of the training records has
scores of a member that has not seen its patient, which is what thresholds are chosen on, and the
mean of all members judges new patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from midge.recipes.ecg.beats import BeatSet, Float32Array, gather_beats, labels_of
from midge.recipes.ecg.learning import fold_count, train_folds
from midge.recipes.ecg.networks import (
    INPUT_CODES,
    WAVE_POINTS,
    cloud_network,
    parameter_count,
)
from midge.recipes.ecg.records import Record
from midge.recipes.ecg.thresholds import Thresholds, choose_thresholds
from midge.recipes.ecg.training import Plan, Progress, State, scores_of
from midge.signals import Detections

CONTEXT_S = 1.0
"""Of raw signal before and behind a beat."""
PLAN = Plan(epochs=6, rate=3e-3, gain=0.15, noise=0.02, shift=2)
QUICK = replace(PLAN, epochs=1, draws=1000)
LEAST_SPAN = 40.0
"""Of raw units between the lowest and the highest sample; smaller spans are not magnified."""

Int16Array = npt.NDArray[np.int16]
Int64Array = npt.NDArray[np.int64]
Int8Array = npt.NDArray[np.int8]


def learn_cloud(
    records: Sequence[Record],
    detections: Sequence[Detections],
    *,
    seed: int,
    quick: bool,
    progress: Progress,
    checkpoint: Path,
) -> tuple[list[State], Thresholds]:
    """Learn the committee.

    Args:
        records: To learn from.
        detections: What the chain of `networks.device_chain` found in each.
        seed: Of everything random.
        quick: Two members, one epoch.
        progress: Is told of each epoch.
        checkpoint: Where a killed run is gone on with; files beside it have its name and a number.

    Returns:
        Weights of each member, and thresholds.

    Raises:
        UserError: the records do not suffice, or a checkpoint is of something else.
    """
    beats = _with_waves(records, detections)
    plan = QUICK if quick else PLAN
    seeds = [seed + fold for fold in range(fold_count(records, quick=quick))]
    members, scores = train_folds(
        cloud_network, beats, plan, seeds, "member", progress=progress, checkpoint=checkpoint
    )
    return members, choose_thresholds(_likelihoods(scores), beats.labels)


def cloud_parameters(members: Sequence[State]) -> int:
    """Trained numbers of all members."""
    return len(members) * parameter_count(cloud_network())


def cloud_scores(
    members: Sequence[State], samples: Int16Array, rate_hz: int, positions: Int64Array,
    codes: Int8Array,
) -> Float32Array:  # fmt: skip
    """What the committee says of beats: the mean over members of the logarithm of likelihoods.

    Args:
        members: Weights of each.
        samples: One lead, int16 [n].
        rate_hz: Of the samples.
        positions: Sample of each beat, int64 [k].
        codes: Features as the device sends them, int8 [k, f].

    Returns:
        float32 [k, 3].
    """
    waves = waves_at(samples, rate_hz, positions)
    features = (codes * np.float32(INPUT_CODES["features"][0])).astype(np.float32)
    scores = [_member_scores(state, waves, features) for state in members]
    mean: Float32Array = np.mean(scores, axis=0, dtype=np.float32)
    return mean


def waves_at(samples: Int16Array, rate_hz: int, positions: Int64Array) -> Float32Array:
    """The raw signal around beats, each as high as one unit.

    Args:
        samples: int16 [n]; its ends go on as they are.
        rate_hz: Of the samples.
        positions: int64 [k].

    Returns:
        float32 [k, 1, 1, WAVE_POINTS].
    """
    half = round(CONTEXT_S * rate_hz)
    step = 2 * half // WAVE_POINTS
    at = positions[:, None] - step * WAVE_POINTS // 2 + np.arange(step * WAVE_POINTS)
    around = samples[np.clip(at, 0, samples.size - 1)].astype(np.float32)
    points = around.reshape(-1, WAVE_POINTS, step).mean(axis=2)
    if not points.size:
        return np.zeros((0, 1, 1, WAVE_POINTS), np.float32)
    span = np.maximum(np.ptp(points, axis=1, keepdims=True), LEAST_SPAN)
    waves: Float32Array = (points - np.median(points, axis=1, keepdims=True)) / span
    return waves[:, None, None, :].astype(np.float32)


def _with_waves(records: Sequence[Record], detections: Sequence[Detections]) -> BeatSet:
    """What is learnt from, with the raw signal in place of the windows."""
    beats = gather_beats(records, detections)
    waves = [
        waves_at(record.samples, record.rate_hz, found.positions[labels_of(record, found) >= 0])
        for record, found in zip(records, detections, strict=True)
    ]
    return BeatSet(np.concatenate(waves), beats.features, beats.labels, beats.patients)


def _member_scores(state: State, waves: Float32Array, features: Float32Array) -> Float32Array:
    return _likelihoods(scores_of(cloud_network(), state, waves, features))


def _likelihoods(scores: Float32Array) -> Float32Array:
    """Their logarithms, float32 [n, 3]."""
    likelihoods: Float32Array = torch.log_softmax(torch.from_numpy(scores), 1).numpy()
    return likelihoods
