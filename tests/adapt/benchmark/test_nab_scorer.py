"""The scorer is the benchmark's: constants it documents, its extremes, a published detector's score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from midge.adapt.benchmark import data_files
from midge.adapt.benchmark.nab import windowed_gaussian
from midge.adapt.benchmark.nab_scorer import (
    LOW_FALSE_ALARMS,
    LOW_MISSES,
    PROFILES,
    STANDARD,
    nab_score,
    probation_rows,
    row_values,
)
from support.streams import STREAMS, needs_streams


def test_a_detection_is_worth_what_the_benchmark_documents():
    value, window = row_values(1000, [(200, 299)], STANDARD)

    # Documented: 0.98661 at the left edge, 0.84828 halfway, -0.98661 one width past; hits are
    # divided by the first of these.
    assert value[200] == pytest.approx(1.0)
    assert value[250] == pytest.approx(0.84828 / 0.98661, abs=1e-5)
    assert value[299] == pytest.approx((2 / (1 + np.exp(-0.05)) - 1) / 0.98661, abs=1e-5)
    assert value[299 + 99] == pytest.approx(-0.11 * 0.98661, abs=1e-6)
    assert value[100] == -0.11
    assert value[999] == -0.11
    assert window[199] == -1
    assert window[200] == window[299] == 0
    assert window[300] == -1


@pytest.mark.parametrize(("rows", "expected"), [(100, 15), (1000, 150), (5000, 750), (22695, 750)])
def test_the_first_rows_are_not_scored(rows: int, expected: int):
    assert probation_rows(rows) == expected


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_never_detecting_is_0_and_perfection_is_100(profile):
    windows = [[(300, 349), (600, 649)], []]
    silent = [np.zeros(1000), np.zeros(500)]
    perfect = [np.zeros(1000), np.zeros(500)]
    perfect[0][[300, 600]] = 1.0

    assert nab_score(silent, windows, profile, threshold=0.5).score == 0.0
    assert nab_score(perfect, windows, profile).score == pytest.approx(100.0)


def test_only_the_earliest_detection_of_a_window_counts():
    windows = [[(300, 349)]]
    once, often = np.zeros(1000), np.zeros(1000)
    once[310] = 1.0
    often[310:350] = 1.0

    assert nab_score([once], windows).score == pytest.approx(nab_score([often], windows).score)


def test_false_alarms_and_misses_weigh_by_profile():
    windows = [[(300, 349), (600, 649)]]
    scores = np.zeros(1000)
    scores[[200, 300]] = 1.0

    # One window hit at its start, one false alarm before any window, one window missed.
    def expected(false_alarm: float, miss: float) -> float:
        return 100 * (1.0 - false_alarm - miss + 2 * miss) / (2 + 2 * miss)

    for profile, weights in (
        (STANDARD, (0.11, 1)),
        (LOW_FALSE_ALARMS, (0.22, 1)),
        (LOW_MISSES, (0.11, 2)),
    ):
        assert nab_score([scores], windows, profile, 0.5).score == pytest.approx(expected(*weights))


def test_detections_in_probation_count_for_nothing():
    scores = np.zeros(1000)
    scores[100] = 1.0

    assert nab_score([scores], [[(300, 349)]], threshold=0.5).false_alarms == 0


@settings(max_examples=25, deadline=None)
@given(arrays(np.float64, 300, elements=st.integers(0, 5).map(float)))
def test_the_best_threshold_is_the_best_of_all_fixed_ones(scores: np.ndarray):
    windows = [[(80, 99), (200, 229)]]
    fixed = [nab_score([scores], windows, threshold=float(value)).score for value in range(7)]

    assert nab_score([scores], windows).score == pytest.approx(max(0.0, *fixed))


@needs_streams
def test_the_windowed_gaussian_gets_its_published_score():
    files = data_files.nab(STREAMS)
    scores = [windowed_gaussian(file.values) for file in files]
    windows = [file.windows for file in files]

    assert len(files) == 58
    assert sum(map(len, windows)) == 116
    # As in the benchmark's results/final_results.json.
    assert nab_score(scores, windows).score == pytest.approx(39.649523496, abs=1e-8)
    assert nab_score(scores, windows, LOW_MISSES).score == pytest.approx(47.410027158, abs=1e-8)
