"""The loop: learns, is repeatable, goes on after a kill, draws and varies as it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_beats import made_up_beats

from midge.errors import UserError
from midge.recipes.ecg.beats import BeatSet
from midge.recipes.ecg.networks import FEATURES, device_network
from midge.recipes.ecg.training import Plan, State, draw_chances, scores_of, train

PLAN = Plan(epochs=4, draws=512, batch=64, rate=1e-2, averaging=0.9)


class KilledError(Exception):
    """Stands for a kill between two epochs."""


def learn(beats: BeatSet, checkpoint: Path, plan: Plan = PLAN, kill_at: int = -1) -> State:
    def told(done: float, total: float, what: str) -> None:
        assert 0 < done <= total == plan.epochs
        assert "loss" in what
        if done == kill_at:
            raise KilledError

    return train(device_network, beats, plan, seed=3, progress=told, checkpoint=checkpoint)


def equal(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> State:
    return learn(made_up_beats(), tmp_path_factory.mktemp("trained") / "c.pt")


def test_it_learns_to_tell_new_beats_apart(trained: State) -> None:
    new = made_up_beats(seed=1)
    said = scores_of(device_network(), trained, new.windows, new.features).argmax(axis=1)
    for label in range(3):
        assert np.mean(said[new.labels == label] == label) > 0.9


def test_the_same_seed_gives_the_same_weights(trained: State, tmp_path: Path) -> None:
    assert equal(trained, learn(made_up_beats(), tmp_path / "c.pt"))


def test_another_seed_gives_others(trained: State, tmp_path: Path) -> None:
    other = train(
        device_network, made_up_beats(), PLAN, seed=4, progress=lambda *_: None,
        checkpoint=tmp_path / "c.pt",
    )  # fmt: skip
    assert not equal(trained, other)


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_killed_run_comes_to_the_same_weights(trained: State, tmp_path: Path, epoch: int) -> None:
    with pytest.raises(KilledError):
        learn(made_up_beats(), tmp_path / "c.pt", kill_at=epoch)
    assert equal(trained, learn(made_up_beats(), tmp_path / "c.pt"))


def test_a_finished_run_trains_no_more(tmp_path: Path) -> None:
    first = learn(made_up_beats(), tmp_path / "c.pt")
    assert equal(first, learn(made_up_beats(), tmp_path / "c.pt", kill_at=PLAN.epochs))


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04" + bytes(40)])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"c\.pt: is no checkpoint of this training.*Delete it"):
        learn(made_up_beats(), tmp_path / "c.pt")


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"network": {"w": torch.zeros(3)}}, tmp_path / "c.pt")
    with pytest.raises(UserError, match="is no checkpoint of this training"):
        learn(made_up_beats(), tmp_path / "c.pt")


def test_a_loss_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    beats = made_up_beats()
    spoilt = replace(beats, windows=np.full_like(beats.windows, np.inf))
    with pytest.raises(UserError, match=r"a loss of (nan|inf) in epoch 1"):
        learn(spoilt, tmp_path / "c.pt")


def test_draws_share_classes_and_patients() -> None:
    labels = np.array([0] * 100 + [1] * 4 + [1] * 16 + [2], np.int64)
    patients = np.array([0] * 100 + [0] * 4 + [1] * 16 + [2], np.int64)
    beats = BeatSet(
        np.zeros((121, 1, 1, 8), np.float32),
        np.zeros((121, len(FEATURES)), np.float32),
        labels,
        patients,
    )
    chances = draw_chances(beats, Plan(shares=(0.5, 0.3, 0.2), patient_power=0.5))
    assert chances.sum() == pytest.approx(1)
    assert [chances[labels == c].sum() for c in range(3)] == pytest.approx([0.5, 0.3, 0.2])
    # The roots of 4 and 16.
    assert chances[100:104].sum() == pytest.approx(0.1)
    assert chances[104:120].sum() == pytest.approx(0.2)
