"""Biases and the threshold of suspicion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.recipes.ecg.thresholds import Thresholds, choose_thresholds, margins


def drawn(seed: int, count: int, offset: tuple[float, float, float]) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    labels = random.choice(3, count, p=(0.8, 0.1, 0.1)).astype(np.int64)
    scores = random.standard_normal((count, 3)).astype(np.float32)
    scores[np.arange(count), labels] += 4
    return scores - np.array(offset, np.float32), labels


def test_a_bias_that_scores_lack_is_given_back() -> None:
    scores, labels = drawn(0, 4000, (0, 1.5, -1.5))
    _, s, v = choose_thresholds(scores, labels).bias
    assert s > 0.75
    assert v < -0.75


def test_sound_scores_keep_theirs() -> None:
    _, labels = drawn(0, 400, (0, 0, 0))
    scores = 3 * np.eye(3, dtype=np.float32)[labels]
    assert choose_thresholds(scores, labels).bias == (0, 0, 0)


def test_sensitivity_to_s_is_worth_something() -> None:
    # S stands within N: the best mean F1 alone would call no beat S.
    random = np.random.default_rng(1)
    labels = np.array([0] * 900 + [1] * 50 + [2] * 50, np.int64)
    scores = np.zeros((1000, 3), np.float32)
    scores[labels == 2, 2] = 10
    scores[:, 1] = np.where(labels == 1, 0.9, 0.0) + random.standard_normal(1000)
    scores[:, 0] = 1.5
    said = choose_thresholds(scores, labels).labels(scores)
    assert np.mean(said[labels == 1] == 1) > 0.3


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.9))
def test_as_many_are_suspicious_as_allowed_or_as_are_called_ectopic(
    seed: int, share: float
) -> None:
    scores, labels = drawn(seed, 200, (0, 0, 0))
    thresholds = choose_thresholds(scores, labels, share)
    lead = margins(scores, thresholds.bias)
    suspicious = lead < thresholds.suspicious_below
    ectopic = thresholds.labels(scores) != 0
    assert np.all(suspicious[ectopic & (lead < 0)])
    assert suspicious.mean() <= max(share, ectopic.mean()) + 1e-9


def test_labels_take_the_bias() -> None:
    scores = np.array([[1.0, 0.0, 0.5]], np.float32)
    assert Thresholds((0, 0, 0), 0).labels(scores).tolist() == [0]
    assert Thresholds((0, 1.25, 0), 0).labels(scores).tolist() == [1]
    assert margins(scores, (0, 0, 1.0)).tolist() == pytest.approx([-0.5])
