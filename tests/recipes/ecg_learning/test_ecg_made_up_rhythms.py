"""Made-up rhythms are those that they stand for, and come out of the chain's own arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from midge.recipes.ecg.made_up_rhythms import (
    COLUMNS,
    HABITS,
    Float32Array,
    broken_rhythm,
    fibrillating,
    made_up_features,
)
from midge.recipes.ecg.networks import FEATURES
from midge.signals.rhythm import interval_codes


def by_name(features: Float32Array) -> dict[str, Float32Array]:
    return dict(zip((FEATURES[c] for c in COLUMNS), features.T, strict=True))


def test_features_are_codes_and_repeatable() -> None:
    made_up = made_up_features()
    for features in (made_up.fibrillation, made_up.usual, made_up.early):
        assert features.dtype == np.float32
        assert features.shape[1] == len(COLUMNS)
        assert len(features) > 1000
        assert np.array_equal(features * 64, np.rint(features * 64))
        assert -2 <= features.min() < features.max() <= 127 / 64
    made_up_features.cache_clear()
    assert np.array_equal(made_up.early, made_up_features().early)


def test_fibrillation_is_restless_and_centred() -> None:
    named = by_name(made_up_features().fibrillation)
    assert abs(np.median(named["rr_before_to_local"])) < 0.05
    assert np.std(named["rr_before_to_local"]) > 0.1
    usual = by_name(made_up_features().usual)
    for name in ("rr_usual_change", "rr_novelty"):
        assert np.median(named[name]) > 1.5 * np.median(usual[name])


def test_early_beats_are_early_for_the_basic_rhythm() -> None:
    named = by_name(made_up_features().early)
    assert np.median(named["rr_before_to_basic"]) < -0.2
    assert np.median(by_name(made_up_features().usual)["rr_before_to_basic"]) > -0.05


@pytest.mark.parametrize("number", range(len(HABITS)))
def test_every_habit_gives_a_patient(number: int) -> None:
    habit = HABITS[number]
    intervals, labels = broken_rhythm(np.random.default_rng(number), habit)
    assert intervals.size == labels.size + 1
    assert 0.25 * 180 <= intervals.min() <= intervals.max() <= 6 * 180
    broken = habit.between[0] < 1000 and habit.early != (0,)
    assert set(labels.tolist()) == ({0, 2 if habit.ventricular else 1} if broken else {0})


def test_early_beats_may_be_the_majority_and_the_basic_rhythm_stays() -> None:
    """Twelve episodes of twenty beats at 0.6 s, four sinus beats of 1 s between them."""
    intervals = np.tile([108] * 20 + [216] + [180] * 4, 12)
    codes = interval_codes(("rr_before_to_local", "rr_before_to_basic"), intervals[:-1],
                           intervals[1:])  # fmt: skip
    early, inside = intervals[:-1] == 108, np.arange(intervals.size - 1) % 25 >= 8
    settled = np.arange(intervals.size - 1) >= 50
    # Inside an episode the local rhythm is that of the episode.
    assert np.median(codes[early & inside & settled, 0]) == 0
    assert codes[early & settled, 1].max() < -0.25 * 64


def test_fibrillating_intervals_are_those_of_a_heart() -> None:
    intervals = fibrillating(np.random.default_rng(0))
    assert intervals.dtype == np.int64
    assert 45 <= intervals.min() < intervals.max() <= 400
