"""From records to networks: what is learnt from, the integers, the cloud, the cascade."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_beats import made_up_beats

from midge.errors import UserError
from midge.graph import DType, Graph
from midge.recipes.ecg.beats import folds_of, gather_beats, labels_of, network_inputs
from midge.recipes.ecg.cascade import PAYLOAD_BYTES, confirm, payloads
from midge.recipes.ecg.cloud import cloud_scores, learn_cloud, waves_at
from midge.recipes.ecg.learning import (
    calibration_beats,
    decision_of,
    device_scores,
    learn_device,
    quantise_device,
)
from midge.recipes.ecg.networks import (
    FEATURES,
    INPUT_CODES,
    WAVE_POINTS,
    cloud_network,
    device_chain,
    device_network,
    parameter_count,
)
from midge.recipes.ecg.records import Record
from midge.recipes.ecg.synthetic import synthesise
from midge.recipes.ecg.thresholds import Thresholds
from midge.recipes.ecg.training import State
from midge.recipes.ecg.uplink import ecg_uplink, send
from midge.signals import Application, Detections


@cache
def records() -> tuple[Record, ...]:
    return tuple(synthesise(f"syn{n:02}", seconds=90.0) for n in (1, 2, 3))


@cache
def detections() -> tuple[Detections, ...]:
    return tuple(device_chain(360).detect(record.samples) for record in records())


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> tuple[State, Thresholds]:
    return learn_device(
        records(), detections(), seed=0, quick=True, progress=lambda *_: None,
        checkpoint=tmp_path_factory.mktemp("device") / "c.pt",
    )  # fmt: skip


@pytest.fixture(scope="module")
def graph(device: tuple[State, Thresholds]) -> Graph:
    return quantise_device(device[0], records(), detections())


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[State], Thresholds]:
    seen: list[float] = []
    made = learn_cloud(
        records(), detections(), seed=0, quick=True,
        progress=lambda done, total, _: seen.append(done / total),
        checkpoint=tmp_path_factory.mktemp("cloud") / "c.pt",
    )  # fmt: skip
    assert seen == sorted(seen)
    assert seen[-1] == 1
    return made


def test_labels_leave_out_what_is_not_told_apart() -> None:
    record, found = records()[0], detections()[0]
    at = int(found.positions[10])
    index = int(np.abs(record.beats - at).argmin())
    classes = record.classes.copy()
    classes[index] = "F"
    fused = replace(record, classes=classes)
    assert labels_of(fused, found)[10] == -1
    without = replace(
        record, beats=np.delete(record.beats, index), classes=np.delete(record.classes, index)
    )
    assert labels_of(without, found)[10] == 0
    flutter = replace(without, flutter=np.array([[at - 5, at + 5]], np.int64))
    assert labels_of(flutter, found)[10] == -1


def test_records_without_a_class_are_refused() -> None:
    record = records()[0]
    usual = replace(record, classes=np.full(record.classes.shape, "N"))
    with pytest.raises(UserError, match="syn01: no beat of class S, V was detected"):
        gather_beats([usual], [detections()[0]])


def test_folds_keep_patients_whole_and_spread_what_is_rare() -> None:
    beats = made_up_beats(900, patients=9)
    folds = folds_of(beats, 3)
    for patient in range(9):
        assert np.unique(folds[beats.patients == patient]).size == 1
    assert set(folds.tolist()) == {0, 1, 2}
    share = [int(np.sum(beats.labels[folds == f] == 1)) for f in range(3)]
    assert max(share) < 2 * min(share)


def test_the_networks_take_the_codes_of_the_chain(graph: Graph) -> None:
    for name, (scale, zero_point) in INPUT_CODES.items():
        tensor = graph.tensors[name]
        assert tensor.dtype is DType.INT8
        assert tensor.scale == np.float32(scale)
        assert tensor.zero_point == zero_point
    chain = device_chain(360)
    assert chain.features == FEATURES
    assert chain.window.count == graph.tensors["window"].shape[2] == 72


def test_sizes_are_as_documented() -> None:
    assert 3_000 < parameter_count(device_network()) < 4_500
    assert parameter_count(cloud_network()) > 40_000


def test_s_against_n_does_not_hang_on_the_window() -> None:
    network = device_network().eval()
    random = torch.Generator().manual_seed(0)
    windows = torch.randn(8, 1, 1, 72, generator=random)
    features = torch.zeros(8, len(FEATURES))
    with torch.no_grad():
        scores = network(windows, features)
    assert torch.equal(scores[:, :2], scores[:1, :2].expand(8, 2))
    assert scores[:, 2].std() > 0


def test_integers_say_what_float_says(device: tuple[State, Thresholds], graph: Graph) -> None:
    state, thresholds = device
    decision = decision_of(graph, thresholds)
    application = Application(device_chain(360), graph, decision)
    output = graph.tensors[graph.outputs[0]]
    flagged = 0
    for found in detections():
        scores = application.scores(found)
        said, _, suspicious = decision.decide(scores, found.quality)
        right = device_scores(state, found)
        real = (scores.astype(np.float64) - output.zero_point) * output.scale
        assert np.abs(real - right).max() < 0.06 * np.ptp(right)
        assert np.mean(said == thresholds.labels(right)) > 0.9
        flagged += int(suspicious.sum())
        assert np.all(suspicious[(said != 0) & (found.quality == 0)])
    assert flagged


def test_calibration_takes_some_of_each_class() -> None:
    labels = np.repeat([0, 1, 2], [5000, 3, 500]).astype(np.int64)
    chosen = calibration_beats(labels)
    assert np.bincount(labels[chosen]).tolist() == [120, 3, 120]
    assert np.unique(chosen).size == chosen.size


def test_inputs_are_the_codes_in_their_units() -> None:
    found = detections()[0]
    windows, features = network_inputs(found)
    assert windows.shape == (len(found), 1, 1, 72)
    assert np.array_equal(np.rint(windows[:, 0, 0] * 96), found.windows)
    assert np.array_equal(features * 64, found.codes)


def test_waves_are_centred_on_the_beat_and_go_on_at_the_ends() -> None:
    samples = np.zeros(3600, np.int16)
    samples[1800:1804] = 400
    wave = waves_at(samples, 360, np.array([1802, 0, 3599], np.int64))
    assert wave.shape == (3, 1, 1, WAVE_POINTS)
    assert abs(int(wave[0, 0, 0].argmax()) - WAVE_POINTS // 2) <= 1
    assert wave[0].max() == 1
    assert not wave[1:].any()
    assert waves_at(samples, 360, np.zeros(0, np.int64)).shape == (0, 1, 1, WAVE_POINTS)


def test_the_cloud_confirms_from_what_was_sent_alone(
    cloud: tuple[list[State], Thresholds],
) -> None:
    members, _ = cloud
    record, found = records()[0], detections()[0]
    suspicious = np.zeros(len(found), np.bool_)
    suspicious[[0, 5, 20, 21, len(found) - 1]] = True
    margin = np.where(suspicious, -5, 5).astype(np.int16)
    sent = payloads(np.zeros((len(found), 3), np.int8), found.codes)
    received = send(
        ecg_uplink(record.rate_hz, PAYLOAD_BYTES), record.samples, found.positions,
        found.decided_at, margin, suspicious, 0, sent,
    )  # fmt: skip
    size = record.samples.size
    scores, answered = confirm(members, received, found.positions, size, record.rate_hz)
    assert answered[[5, 20, 21]].all()
    assert not answered[~suspicious].any()
    # As if the whole lead were there, bit for bit up to the order of a batch's sums.
    whole = cloud_scores(members, record.samples, record.rate_hz, found.positions, found.codes)
    assert np.allclose(scores[answered], whole[answered], atol=1e-4)
    assert not scores[~answered].any()


def test_nothing_sent_is_nothing_answered(cloud: tuple[list[State], Thresholds]) -> None:
    record, found = records()[0], detections()[0]
    received = send(
        ecg_uplink(record.rate_hz, PAYLOAD_BYTES), record.samples, found.positions,
        found.decided_at, np.full(len(found), 9, np.int16), np.zeros(len(found), np.bool_), 0,
        payloads(np.zeros((len(found), 3), np.int8), found.codes),
    )  # fmt: skip
    scores, answered = confirm(cloud[0], received, found.positions, 1000, record.rate_hz)
    assert not answered.any()
    assert not scores.any()


def test_learning_is_done_anew_from_checkpoints(
    device: tuple[State, Thresholds], tmp_path: Path
) -> None:
    def stopping(done: float, total: float, _: str) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    def go(progress: object) -> tuple[State, Thresholds]:
        return learn_device(
            records(), detections(), seed=0, quick=True, progress=progress,  # type: ignore[arg-type]
            checkpoint=tmp_path / "c.pt",
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        go(stopping)
    assert len(list(tmp_path.glob("c-*.pt"))) == 2
    state, thresholds = go(lambda *_: None)
    assert thresholds == device[1]
    assert all(torch.equal(state[name], device[0][name]) for name in state)
