"""Counting as EC57 says, against figures worked out by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from midge.errors import UserError
from midge.recipes.ecg.scores import ROWS, SAID, confusion, rates, roc

LETTERS = np.array(list("NSV"))


def letters(text: str) -> np.ndarray:
    return np.array(list(text), "<U1")


def test_rows_and_columns() -> None:
    matrix = confusion(letters("NNSVFQO"), letters("NVSVVNS"), letters("VF"))
    assert ROWS == ("N", "S", "V", "F", "Q", "O")
    assert matrix.tolist() == [
        [1, 0, 1, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [1, 0, 0, 0],
        [0, 1, 0, 0],
    ]


def test_fusion_and_unclassifiable_beats_called_v_are_no_false_v() -> None:
    found = rates(confusion(letters("VVFQN"), letters("VVVVV")))
    assert found.predictivity["V"] == 2 / 3
    assert found.sensitivity["V"] == 1
    assert found.accuracy == 2 / 3


def test_an_unclassifiable_beat_called_s_is_no_false_s_but_a_fusion_beat_is() -> None:
    found = rates(confusion(letters("SQFO"), letters("SSSS")))
    assert found.predictivity["S"] == 1 / 3


def test_a_false_detection_called_normal_is_the_detector_s_matter() -> None:
    found = rates(confusion(letters("NOOF"), letters("NNVN")))
    assert found.predictivity["N"] == 1 / 2
    assert found.predictivity["V"] == 0


def test_missed_beats_are_errors_of_their_class() -> None:
    found = rates(confusion(letters("VVN"), letters("VVN"), letters("VVS")))
    assert found.sensitivity == {"N": 1, "S": 0, "V": 0.5}
    assert found.predictivity == {"N": 1, "S": None, "V": 1}
    assert found.f1 == {"N": 1, "S": 0, "V": 2 / 3}
    assert found.macro_f1 == pytest.approx((1 + 0 + 2 / 3) / 3)
    assert found.accuracy == 3 / 6


def test_nothing_is_none() -> None:
    found = rates(confusion(letters(""), letters("")))
    assert found.macro_f1 is None
    assert found.accuracy is None
    assert set(found.sensitivity.values()) == {None}


@given(st.integers(0, 2**32 - 1), st.integers(3, 60))
def test_without_special_beats_it_is_what_everybody_counts(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    truth = np.append(LETTERS, LETTERS[random.integers(0, 3, count)])
    said = np.append(LETTERS, LETTERS[random.integers(0, 3, count)])
    found = rates(confusion(truth, said))
    options = {"labels": list(SAID), "average": None, "zero_division": 0}
    assert list(found.sensitivity.values()) == pytest.approx(recall_score(truth, said, **options))
    assert list(found.predictivity.values()) == pytest.approx(
        precision_score(truth, said, **options)
    )
    assert found.macro_f1 == pytest.approx(
        f1_score(truth, said, labels=list(SAID), average="macro")
    )
    assert found.accuracy == pytest.approx(np.mean(truth == said))


@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.integers(1, 50))
def test_records_add_up(seed: int, count: int, cut: int) -> None:
    random = np.random.default_rng(seed)
    truth = np.array(list("NSVFQO"))[random.integers(0, 6, count)]
    said = LETTERS[random.integers(0, 3, count)]
    parts = confusion(truth[:cut], said[:cut]) + confusion(truth[cut:], said[cut:])
    assert np.array_equal(parts, confusion(truth, said))
    assert parts.sum() == count


@given(st.integers(0, 2**32 - 1), st.integers(2, 3000), st.integers(2, 500))
def test_the_area_is_that_of_all_pairs_and_the_curve_rises(
    seed: int, count: int, levels: int
) -> None:
    random = np.random.default_rng(seed)
    positive = np.append([True, False], random.random(count) < 0.3)
    score = random.integers(0, levels, count + 2).astype(float) + positive
    points, area = roc(score, positive)
    assert area == pytest.approx(roc_auc_score(positive, score))
    assert points[0] == (0, 0)
    assert points[-1] == (1, 1)
    assert points == sorted(points)
    assert len(points) <= 200
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in points)


@pytest.mark.parametrize(
    ("truth", "said", "match"),
    [
        ("NX", "NN", "classes X; expected N, S, V, F, Q, O"),
        ("NN", "NF", "classes F; expected N, S, V"),
        ("NN", "N", "2 beats and 1 answers"),
    ],
)
def test_strange_letters_are_refused(truth: str, said: str, match: str) -> None:
    with pytest.raises(UserError, match=match):
        confusion(letters(truth), letters(said))


def test_a_curve_needs_both_kinds() -> None:
    with pytest.raises(UserError, match="2 positive and 0 other"):
        roc(np.zeros(2), np.array([True, True]))
