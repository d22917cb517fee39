"""The wrist's network: learnt in float, judged on patients left out, brought to integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import midge
from midge.graph import Graph
from midge.recipes.ecg.beats import (
    FOLDS,
    BeatSet,
    Float32Array,
    Int64Array,
    folds_of,
    gather_beats,
    network_inputs,
)
from midge.recipes.ecg.networks import INPUT_CODES, SAID, BeatNetwork, device_network
from midge.recipes.ecg.records import Record
from midge.recipes.ecg.thresholds import Thresholds, choose_thresholds
from midge.recipes.ecg.training import Plan, Progress, State, scores_of, train
from midge.signals import Decision, Detections

PLAN = Plan()
QUICK = Plan(epochs=2, draws=2000)
CALIBRATION = 120
"""Beats of each class from which ranges are taken."""


def learn_device(
    records: Sequence[Record],
    detections: Sequence[Detections],
    *,
    seed: int,
    quick: bool,
    progress: Progress,
    checkpoint: Path,
) -> tuple[State, Thresholds]:
    """Learn the wrist's network from all patients, and its thresholds from folds of them.

    Args:
        records: To learn from.
        detections: What the chain of `networks.device_chain` found in each.
        seed: Of everything random.
        quick: Few epochs, two folds.
        progress: Is told of each epoch.
        checkpoint: Where a killed run is gone on with; files beside it have its name and a number.

    Returns:
        Weights, and thresholds in units of the float scores.

    Raises:
        UserError: the records do not suffice, or a checkpoint is of something else.
    """
    beats = gather_beats(records, detections)
    plan = QUICK if quick else PLAN
    count = fold_count(records, quick=quick)

    def told(done: float, total: float, what: str) -> None:
        progress(done, total + 1, what)  # all patients come behind

    _, scores = train_folds(
        device_network, beats, plan, [seed] * count, "fold", progress=told, checkpoint=checkpoint
    )
    state = train(
        device_network,
        beats,
        plan,
        seed=seed,
        progress=stage_of(progress, count, count + 1, "all patients"),
        checkpoint=numbered(checkpoint, count),
    )
    return state, choose_thresholds(scores, beats.labels)


def fold_count(records: Sequence[Record], *, quick: bool) -> int:
    """How many folds the patients are dealt into."""
    return min(2 if quick else FOLDS, len(records))


def train_folds(
    make: Callable[[], BeatNetwork],
    beats: BeatSet,
    plan: Plan,
    seeds: Sequence[int],
    called: str,
    *,
    progress: Progress,
    checkpoint: Path,
) -> tuple[list[State], Float32Array]:
    """Train a network for each fold of the patients, on all the others.

    Args:
        make: The network with its first weights.
        beats: What to learn, n of them.
        plan: How.
        seeds: One a fold.
        called: What the progress calls one: ``fold``, ``member``.
        progress: Is told of each epoch.
        checkpoint: As of `learn_device`.

    Returns:
        The weights of each, and what each says of the patients that it has not seen, float32
        [n, 3].
    """
    folds, count = folds_of(beats, len(seeds)), len(seeds)
    scores = np.zeros((len(beats.labels), len(SAID)), np.float32)
    states = []
    for fold, seed in enumerate(seeds):
        left_out = folds == fold
        state = train(
            make,
            part_of(beats, ~left_out),
            plan,
            seed=seed,
            progress=stage_of(progress, fold, count, f"{called} {fold + 1} of {count}"),
            checkpoint=numbered(checkpoint, fold),
        )
        states.append(state)
        scores[left_out] = scores_of(
            make(), state, beats.windows[left_out], beats.features[left_out]
        )
    return states, scores


def part_of(beats: BeatSet, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> BeatSet:
    """Some of the beats, bool [n]."""
    return BeatSet(
        beats.windows[chosen],
        beats.features[chosen],
        beats.labels[chosen],
        beats.patients[chosen],
    )


def numbered(checkpoint: Path, number: int) -> Path:
    """The checkpoint of one of several trainings."""
    return checkpoint.with_name(f"{checkpoint.stem}-{number}{checkpoint.suffix}")


def stage_of(progress: Progress, number: int, count: int, name: str) -> Progress:
    """Progress of one of several trainings as progress of all of them."""

    def told(done: float, total: float, what: str) -> None:
        progress(number + done / total, count, f"{name}, {what}")

    return told


def device_scores(state: State, detections: Detections) -> Float32Array:
    """The float network's scores of beats, float32 [k, 3]."""
    scores: Float32Array = scores_of(device_network(), state, *network_inputs(detections))
    return scores


def quantise_device(
    state: State, records: Sequence[Record], detections: Sequence[Detections]
) -> Graph:
    """The network of integers, whose inputs are the chain's own codes.

    Args:
        state: Weights of the float network.
        records: Ranges are taken from beats of each class in these.
        detections: What the chain found in each.

    Returns:
        inputs `window` int8 [1, 1, w, 1] and `features` int8 [1, f]; output int8 [1, 3].
    """
    network = device_network()
    network.load_state_dict(state)
    beats = gather_beats(records, detections)
    chosen = calibration_beats(beats.labels)
    windows, features = beats.windows[chosen], beats.features[chosen]
    package = midge.quantize(
        network.eval(),
        {"window": windows, "features": features},
        example_inputs=_example(windows, features),
        input_codes=INPUT_CODES,
        explained=False,
    )
    return package.graph


def _example(windows: Float32Array, features: Float32Array) -> tuple[object, ...]:
    import torch  # noqa: PLC0415 - the only use of it here

    return torch.from_numpy(windows[:1]), torch.from_numpy(features[:1])


def calibration_beats(labels: Int64Array) -> Int64Array:
    """Indices of beats evenly spread over those of each class, int64 [m]."""
    chosen = []
    for label in range(len(SAID)):
        own = np.flatnonzero(labels == label)
        count = min(CALIBRATION, own.size)
        chosen.append(own[np.arange(count) * own.size // max(count, 1)])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def decision_of(graph: Graph, thresholds: Thresholds) -> Decision:
    """Thresholds in the codes of a network's output.

    Args:
        graph: The network of integers.
        thresholds: In units of the float scores.
    """
    quantization = graph.tensors[graph.outputs[0]].quantization
    step = float(quantization.scale[0]) if quantization is not None else 1.0
    return Decision(
        classes=SAID,
        normal=SAID[0],
        bias=tuple(round(value / step) for value in thresholds.bias),
        suspicious_below=int(np.ceil(thresholds.suspicious_below / step)),
    )
