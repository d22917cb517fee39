"""Stages `cloud`, `device`, `quantise`: learning both networks, the small one in integers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from midge.recipes.digests import digest_of_file
from midge.recipes.ecg.application_files import (
    NETWORK,
    read_application,
    save_application,
    uplink_for,
)
from midge.recipes.ecg.cascade import confirm, payloads
from midge.recipes.ecg.cloud import cloud_parameters, cloud_scores, learn_cloud
from midge.recipes.ecg.learning import decision_of, device_scores, learn_device, quantise_device
from midge.recipes.ecg.networks import device_chain, device_network, parameter_count
from midge.recipes.ecg.records import Record
from midge.recipes.ecg.stage_data import load_detections, load_records
from midge.recipes.ecg.thresholds import Thresholds
from midge.recipes.ecg.training import State
from midge.recipes.ecg.uplink import Received
from midge.recipes.stage_context import StageContext
from midge.signals import Application, Detections

WEIGHTS = "weights.npz"
THRESHOLDS = "thresholds.json"
CHECKPOINT = "checkpoint.pt"
DESCRIPTION = "quantise.json"

T = TypeVar("T")
Scores = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def learn_cloud_network(context: StageContext) -> None:
    """Leaves the weights of the cloud's committee, and its thresholds."""
    members, thresholds = _learn(context, learn_cloud)
    _save(context, members, thresholds)


def learn_device_network(context: StageContext) -> None:
    """Leaves the weights of the wrist's network, and its thresholds."""
    state, thresholds = _learn(context, learn_device)
    _save(context, [state], thresholds)


def _learn(context: StageContext, learn: Callable[..., T]) -> T:
    records = load_records(context, "train")
    return learn(
        records,
        load_detections(context, [record.name for record in records]),
        seed=context.settings.seed,
        quick=context.settings.quick,
        progress=context.progress.at,
        checkpoint=context.folder / CHECKPOINT,
    )


def quantise(context: StageContext) -> None:
    """Leaves the application, and ``quantise.json``: digests, sizes, what was chosen."""
    records = load_records(context, "train")
    (state,), thresholds = _load(context, "device")
    members, cloud_thresholds = _load(context, "cloud")
    detections = load_detections(context, [record.name for record in records])
    graph = quantise_device(state, records, detections)
    decision = decision_of(graph, thresholds)
    save_application(context, graph, decision)
    constants = [t.data.nbytes for t in graph.tensors.values() if t.data is not None]
    uplink = uplink_for(records[0].rate_hz)
    context.save_json(
        DESCRIPTION,
        {
            "digests": {
                "device network": digest_of_file(context.folder / NETWORK),
                "cloud network": digest_of_file(context.input("cloud", WEIGHTS)),
            },
            "sizes": {
                "parameters of the device network": parameter_count(device_network()),
                "bytes of its weights and biases": sum(constants),
                "parameters of the cloud network": cloud_parameters(members),
                "bytes of RAM to keep what is flagged": uplink.ram_bytes,
            },
            "settings": {
                "wrist": f"biases of N, S, V {_listed(thresholds.bias)}; suspicious where N leads "
                f"by less than {thresholds.suspicious_below:.2f}",
                "cloud": f"biases of N, S, V {_listed(cloud_thresholds.bias)}",
            },
        },
    )


def load_application(context: StageContext) -> Application:
    """What `quantise` left."""
    return read_application(context.inputs["quantise"], device_chain())


@dataclass(frozen=True)
class Learnt:
    """Everything that judges beats.

    Attributes:
        application: The wrist's chain and its network of integers.
        state: Weights of the wrist's float network.
        thresholds: Of its scores.
        members: Weights of the cloud's committee.
        cloud_thresholds: Of its scores.
    """

    application: Application
    state: State
    thresholds: Thresholds
    members: Sequence[State]
    cloud_thresholds: Thresholds

    def device(self, found: Detections) -> npt.NDArray[np.int8]:
        """Scores of the network of integers, int8 [k, 3]."""
        return self.application.scores(found)

    def float_device(self, found: Detections) -> Scores:
        """Scores of the float network, biases added, float32 [k, 3]."""
        return _biased(device_scores(self.state, found), self.thresholds)

    def cloud(self, record: Record, found: Detections) -> Scores:
        """Scores of the cloud, as if all had been streamed, biases added, float32 [k, 3]."""
        scores = cloud_scores(
            self.members, record.samples, record.rate_hz, found.positions, found.codes
        )
        return _biased(scores, self.cloud_thresholds)

    def confirm(
        self, record: Record, found: Detections, received: Received
    ) -> tuple[Scores, npt.NDArray[np.bool_]]:
        """The cloud's scores of what was flagged, from what was sent alone, biases added.

        Returns:
            float32 [k, 3], and which beats it has answered, bool [k].
        """
        scores, answered = confirm(
            self.members, received, found.positions, record.samples.size, record.rate_hz
        )
        return _biased(scores, self.cloud_thresholds), answered

    def payloads(self, scores: npt.NDArray[np.int8], found: Detections) -> npt.NDArray[np.int8]:
        """What is sent with each beat, int8 [k, PAYLOAD_BYTES]."""
        return payloads(scores, found.codes)


def load_learnt(context: StageContext) -> Learnt:
    """What the stages of learning left."""
    (state,), thresholds = _load(context, "device")
    members, cloud_thresholds = _load(context, "cloud")
    application = load_application(context)
    return Learnt(application, state, thresholds, members, cloud_thresholds)


def _biased(scores: Scores, thresholds: Thresholds) -> Scores:
    return np.asarray(scores + np.asarray(thresholds.bias, np.float32), np.float32)


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _save(context: StageContext, states: Sequence[State], thresholds: Thresholds) -> None:
    """Weights as plain arrays: the same weights are the same bytes. Checkpoints have done."""
    arrays: dict[str, npt.NDArray[Any]] = {
        f"{number}/{name}": tensor.numpy()
        for number, state in enumerate(states)
        for name, tensor in state.items()
    }
    context.save_json(THRESHOLDS, asdict(thresholds))
    context.save_arrays(WEIGHTS, arrays)
    stem, ending = Path(CHECKPOINT).stem, Path(CHECKPOINT).suffix
    for checkpoint in context.folder.glob(f"{stem}*{ending}"):
        checkpoint.unlink()


def _load(context: StageContext, stage: str) -> tuple[list[State], Thresholds]:
    states: dict[int, State] = {}
    for key, array in context.load_arrays(stage, WEIGHTS).items():
        number, _, name = key.partition("/")
        states.setdefault(int(number), {})[name] = torch.from_numpy(array)
    read = json.loads(context.input(stage, THRESHOLDS).read_text("utf-8"))
    thresholds = Thresholds(tuple(read["bias"]), read["suspicious_below"])
    return [states[number] for number in sorted(states)], thresholds
