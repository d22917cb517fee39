"""Pairs of detected and reference beats: by hand, by property, and against wfdb's comparison."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.errors import UserError
from midge.recipes.ecg.beat_matching import NO_BEAT, Counts, match_beats, match_record
from midge.recipes.ecg.records import Record

RATE_HZ = 360


def indices(*values):
    return np.array(values, np.int64)


def record_with(beats, classes, flutter=None, seconds=1000):
    return Record(
        name="hand",
        rate_hz=RATE_HZ,
        lead="MLII",
        samples=np.zeros(seconds * RATE_HZ, np.int16),
        gain=200.0,
        beats=indices(*beats),
        classes=np.array(list(classes), "<U1"),
        flutter=np.array(flutter or [], np.int64).reshape(-1, 2),
    )


@pytest.mark.tiny
def test_150_ms_are_within_and_one_sample_more_is_not():
    assert match_beats(indices(1054), indices(1000), RATE_HZ).counts == Counts(1, 0, 0)
    assert match_beats(indices(1055), indices(1000), RATE_HZ).counts == Counts(0, 1, 1)
    assert match_beats(indices(946), indices(1000), RATE_HZ).counts == Counts(1, 0, 0)
    assert match_beats(indices(945), indices(1000), RATE_HZ).counts == Counts(0, 1, 1)


@pytest.mark.tiny
def test_the_nearer_of_two_detections_is_the_beat():
    matching = match_beats(indices(960, 1010), indices(1000), RATE_HZ)
    assert matching.reference_of.tolist() == [-1, 0]
    assert matching.counts == Counts(1, 0, 1)


def test_the_nearer_of_two_beats_is_found():
    matching = match_beats(indices(1040), indices(1000, 1050), RATE_HZ)
    assert matching.detected_of.tolist() == [-1, 0]
    assert matching.counts == Counts(1, 1, 0)


def test_classes_are_carried_and_missed():
    matching = match_beats(indices(100, 500, 900), indices(110, 905, 1400), RATE_HZ)
    classes = np.array(["N", "V", "S"], "<U1")
    assert matching.carried(classes).tolist() == ["N", NO_BEAT, "V"]
    assert matching.missed(classes).tolist() == ["S"]


def test_flutter_counts_neither_way():
    record = record_with([1000, 5000], "NN", [(2000, 4000)])
    detected = indices(1000, 1990, 3000, 4050, 4600, 5000)
    counts = match_record(record, detected).counts
    assert counts == Counts(2, 0, 1)  # only 4600 is false


def test_a_beat_beside_flutter_still_counts():
    record = record_with([1990, 5000], "NN", [(2000, 4000)])
    assert match_record(record, indices(1991, 5000)).counts == Counts(2, 0, 0)


def test_five_minutes_are_left_out_where_ec57_is_asked_for():
    start = 300 * RATE_HZ
    record = record_with([1000, start - 5, start + 5], "NNN")
    detected = indices(2000, start + 2, start + 600)
    assert match_record(record, detected).counts == Counts(1, 2, 2)
    # The detection after the border is nearer to the beat behind it.
    assert match_record(record, detected, whole=False).counts == Counts(1, 0, 1)


def test_counts_add_and_divide():
    gross = Counts(90, 10, 5) + Counts(10, 0, 5)
    assert (gross.beats, gross.sensitivity, gross.predictivity) == (110, 100 / 110, 100 / 110)
    assert gross.error_rate == 20 / 110
    assert np.isnan(Counts().sensitivity)
    assert np.isnan(Counts().predictivity)


def test_unsorted_beats_are_refused():
    with pytest.raises(UserError, match="detected beats are not sorted"):
        match_beats(indices(5, 3), indices(1), RATE_HZ)


beats = st.lists(st.integers(0, 3000), max_size=30, unique=True).map(
    lambda values: np.array(sorted(values), np.int64)
)


@given(detected=beats, reference=beats)
def test_pairs_are_one_to_one_near_and_in_order(detected, reference):
    matching = match_beats(detected, reference, RATE_HZ)
    d = np.flatnonzero(matching.reference_of >= 0)
    r = matching.reference_of[d]
    assert np.all(np.diff(r) > 0)
    assert np.all(np.abs(detected[d] - reference[r]) <= 54)
    assert matching.detected_of[r].tolist() == d.tolist()
    assert np.sum(matching.detected_of >= 0) == d.size
    counts = matching.counts
    assert counts.beats == reference.size
    assert counts.found + counts.false == detected.size


@given(reference=st.lists(st.integers(120, 500), min_size=1, max_size=20), data=st.data())
def test_with_beats_further_apart_than_two_tolerances_every_answer_equals_wfdb(reference, data):
    processing = pytest.importorskip("wfdb.processing")
    beats = np.cumsum(reference).astype(np.int64)
    moved = [
        beat + shift
        for beat in beats.tolist()
        if (shift := data.draw(st.integers(-59, 59))) not in (55, -55)
    ]
    # wfdb fails without any detection.
    detected = np.array(sorted({*moved, int(beats[-1]) + 400}), np.int64)
    ours = match_beats(detected, beats, RATE_HZ).counts
    # wfdb counts a pair when it is nearer than the window; ours may be as far.
    theirs = processing.compare_annotations(beats, detected, 55)
    assert (ours.found, ours.missed, ours.false) == (theirs.tp, theirs.fn, theirs.fp)
