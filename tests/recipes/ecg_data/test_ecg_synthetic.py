"""Synthetic records: the paper's equations, ectopic beats, and the same bytes for a seed."""

import hashlib

import numpy as np
import pytest

from midge.errors import UserError
from midge.recipes.ecg.records import RATE_HZ
from midge.recipes.ecg.synthetic import (
    NORMAL,
    SYNTHETIC_DS1,
    SYNTHETIC_DS2,
    Patient,
    _integrate,
    synthesise,
)


@pytest.fixture(scope="module")
def records():
    return [synthesise(name, seconds=60) for name in (*SYNTHETIC_DS1, *SYNTHETIC_DS2)]


def runge_kutta_in_three_dimensions(seconds, margin_s):
    """The paper's three equations as they stand, with the same waves; a beat a second."""
    h = 1 / RATE_HZ

    def slope(t, x, y, z):
        pull = 1 - np.hypot(x, y)
        omega = 2 * np.pi
        away = np.arctan2(y, x) - NORMAL.angles
        away = (away + np.pi) % (2 * np.pi) - np.pi
        waves = np.sum(NORMAL.heights * away * np.exp(-(away**2) / (2 * NORMAL.widths**2)))
        scale = 2 * np.pi / (30 * 0.01)
        z0 = 0.15 * np.sin(2 * np.pi * 0.25 * t)
        return np.array([pull * x - omega * y, pull * y + omega * x, -scale * waves - (z - z0)])

    state, shown = np.array([1.0, 0.0, 0.0]), []
    for n in range(int((seconds + margin_s) * RATE_HZ)):
        t = n * h
        k1 = slope(t, *state)
        k2 = slope(t + h / 2, *(state + h / 2 * k1))
        k3 = slope(t + h / 2, *(state + h / 2 * k2))
        k4 = slope(t + h, *(state + h * k3))
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        shown.append(state[2])
    return np.array(shown)[int(margin_s * RATE_HZ) :]


def test_a_regular_heart_equals_the_three_equations_of_the_paper():
    patient = Patient({"N": NORMAL}, 1.0, 0.0, 0.5, (0, 0, 0), 1.0, 0.0, 0.0)
    times = np.arange(12.0)
    ours = _integrate(patient, times, np.full(12, "N"), 5.0)
    theirs = runge_kutta_in_three_dimensions(5.0, 3.0)
    # Their angle is integrated too: an error of the order of the step to the fourth.
    np.testing.assert_allclose(ours, theirs[: ours.size], atol=2e-3)


def test_the_same_seed_gives_the_same_bytes():
    def digest(seed):
        record = synthesise("syn03", seed, 20)
        parts = (record.samples, record.beats, record.classes)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    assert digest(0) == digest(0)
    assert digest(0) != digest(1)


def test_all_are_marked_synthetic_and_have_the_form_of_real_ones(records):
    for record in records:
        assert record.synthetic
        assert record.samples.dtype == np.int16
        assert record.samples.size == 60 * RATE_HZ
        assert (record.rate_hz, record.lead, record.gain) == (360, "MLII", 200.0)
        assert record.samples.min() >= -1024
        assert record.samples.max() <= 1023
        assert record.beats.size == record.classes.size
        assert np.all(np.diff(record.beats) > 0.25 * RATE_HZ)
        assert set(record.classes) <= set("NSVF")


def test_patients_differ(records):
    assert len({record.samples.tobytes() for record in records}) == 44
    rates = [record.beats.size for record in records]
    assert max(rates) > 1.3 * min(rates)


@pytest.mark.parametrize("half", [slice(0, 22), slice(22, 44)])
def test_each_set_has_all_classes_that_a_learner_needs(records, half):
    classes = np.concatenate([record.classes for record in records[half]])
    for name, least in (("N", 1000), ("S", 20), ("V", 50), ("F", 2)):
        assert np.sum(classes == name) >= least, name


@pytest.mark.parametrize("first", [0, 22])
def test_the_first_five_patients_of_a_set_have_them_whatever_the_seed(first):
    names = (*SYNTHETIC_DS1, *SYNTHETIC_DS2)[first : first + 5]
    classes = np.concatenate([synthesise(name, seed=9).classes for name in names])
    assert min(int(np.sum(classes == kind)) for kind in "NSV") >= 20


def test_ectopic_beats_are_early_and_the_pause_is_that_of_their_kind(records):
    before, both = {"S": [], "V": []}, {"S": [], "V": []}
    for record in records:
        intervals = np.diff(record.beats) / np.median(np.diff(record.beats))
        for at in range(2, record.beats.size - 1):
            kind = record.classes[at]
            if kind in before:
                before[kind].append(intervals[at - 1])
                both[kind].append(intervals[at - 1] + intervals[at])
    assert max(np.median(before["S"]), np.median(before["V"])) < 0.8
    assert np.median(both["V"]) == pytest.approx(2, abs=0.1)
    assert np.median(both["S"]) < 1.85


def test_ventricular_beats_are_wider(records):
    def width(record, beat):
        """Samples of the deflection above half its height."""
        around = record.samples[beat - 60 : beat + 60].astype(int)
        around = np.abs(around - np.median(around))
        above = around > around[60] / 2
        left = 60 - np.argmin(above[60::-1])
        return int(np.argmin(above[60:]) + 60 - left)

    widths = {"N": [], "V": []}
    for record in records:
        for beat, kind in zip(record.beats.tolist(), record.classes.tolist(), strict=True):
            if kind in widths and 60 <= beat < record.samples.size - 60:
                widths[kind].append(width(record, beat))
    assert np.median(widths["V"]) > 1.5 * np.median(widths["N"])


def test_the_annotation_stands_on_the_peak_of_a_normal_beat(records):
    record = records[1]
    normal = record.beats[(record.classes == "N") & (record.beats > 20)][:-1]
    offsets = [
        int(np.argmax(record.samples[beat - 15 : beat + 16])) - 15 for beat in normal.tolist()
    ]
    assert np.median(np.abs(offsets)) <= 3


@pytest.mark.parametrize(("name", "seconds"), [("syn45", 60), ("100", 60), ("syn01", 3)])
def test_what_there_is_not(name, seconds):
    with pytest.raises(UserError, match="expected"):
        synthesise(name, seconds=seconds)
