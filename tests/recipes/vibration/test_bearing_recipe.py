"""The vibration recipe: its recordings and its front end; the guide's test runs all of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from midge.errors import UserError
from midge.recipes.vibration.front_end import (
    DECIMATE,
    ENVELOPE_RATE_HZ,
    MEAN_CODE,
    WINDOW,
    envelope,
    windows_of,
)
from midge.recipes.vibration.recordings import (
    FAULT_ORDERS,
    RATE_HZ,
    SHAFT_HZ,
    open_recordings,
)


@pytest.fixture(autouse=True)
def _no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIDGE_DATA", raising=False)


def write(folder: Path, name: str, seconds: float = 1.0, variable: str = "X1_DE_time") -> Path:
    values = np.random.default_rng(0).normal(0, 0.1, (int(seconds * RATE_HZ), 1))
    savemat(folder / f"{name}.mat", {variable: values})
    return folder / f"{name}.mat"


WHOLE = ("97_Normal_0", "B_007_1", "IR_021_1", "OR_007_1", "B_014_1", "IR_014_1", "OR_014_1")


def test_faults_are_split_by_size_and_the_healthy_recording_in_time(tmp_path: Path) -> None:
    for name in WHOLE:
        write(tmp_path, name)
    recordings = open_recordings(tmp_path, seed=0)
    assert not recordings.synthetic
    for part in recordings.parts:
        if part.label:
            assert part.test == ("_014" in part.name)
    healthy = [part for part in recordings.parts if part.label == 0]
    assert [(p.test, p.samples.size) for p in healthy] == [(False, 28_800), (True, 14_400)]
    assert str(tmp_path) not in recordings.notice


def test_damaged_and_missing_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no \.mat files"):
        open_recordings(tmp_path, seed=0)
    for name in WHOLE[:-1]:
        write(tmp_path, name)
    with pytest.raises(UserError, match="no recording of outer race to test on"):
        open_recordings(tmp_path, seed=0)
    for name, arguments, expected in (
        ("OR_014_1", {"seconds": 0.5}, "at least a second"),
        ("OR_014_1", {"variable": "X1_FE_time"}, "one variable ..._DE_time, found 0"),
        ("motor", {}, "expected names like"),
    ):
        path = write(tmp_path, name, **arguments)
        with pytest.raises(UserError, match=expected):
            open_recordings(tmp_path, seed=0)
        path.unlink()
    path = write(tmp_path, "OR_014_1")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"OR_014_1\.mat: is no \.mat file that can be read"):
        open_recordings(tmp_path, seed=0)


def test_made_up_bearings_strike_at_their_rates() -> None:
    parts = open_recordings(None, seed=3).parts
    again = open_recordings(None, seed=3).parts
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(parts, again, strict=True))
    for part in parts:
        if not part.label:
            continue
        values = envelope(part.samples).astype(float)
        spectrum = np.abs(np.fft.rfft(values - values.mean()))
        peak = np.argmax(spectrum) * ENVELOPE_RATE_HZ / values.size
        strikes = FAULT_ORDERS[part.label] * SHAFT_HZ
        # Of the strikes, a multiple of them, or a side band of the shaft.
        nearest = [m * strikes + k * SHAFT_HZ for m in (1, 2, 3, 4) for k in (-1, 0, 1)]
        assert min(abs(peak - f) / f for f in nearest) < 0.03, (part.name, peak, strikes)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_windows_do_not_mind_how_loud_a_machine_is(seed: int, loudness: int) -> None:
    quiet = np.random.default_rng(seed).integers(-500, 500, (WINDOW + 40) * DECIMATE)
    one = windows_of(quiet.astype(np.int16), 16)
    other = windows_of((quiet * loudness).astype(np.int16), 16)
    assert one.shape == (3, WINDOW)
    assert one.dtype == np.int8
    assert np.abs(one.astype(int) - other).max() <= 1
    assert np.abs(one.astype(int).mean(axis=1)).max() <= 1
    assert one.min() >= -MEAN_CODE


def test_too_short_a_record_has_no_window_and_silence_no_division() -> None:
    assert windows_of(np.zeros(1000, np.int16), 8).shape == (0, WINDOW)
    silent = windows_of(np.zeros((WINDOW + 1) * DECIMATE, np.int16), 8)
    assert set(np.unique(silent)) == {-MEAN_CODE}
