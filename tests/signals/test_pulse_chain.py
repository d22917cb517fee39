"""What a chain finds: beats where they are, windows, features, the quality of the signal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from chain_support import ALL_FEATURES, pulse_train, small_chain

from midge.errors import UserError
from midge.signals import FLAT, SATURATED, PulseDetector, heartbeat_chain

CHAIN = small_chain()


def test_every_pulse_is_found_where_it_is() -> None:
    samples, at = pulse_train(60)
    found = CHAIN.detect(samples)
    assert found.positions.size == at.size
    assert np.abs(found.positions - at).max() <= 2
    assert not found.quality.any()


@pytest.mark.parametrize("rate_hz", [180, 250, 360, 500, 1000])
def test_rates_from_180_to_1000_hz(rate_hz: int) -> None:
    samples, at = pulse_train(30, rate_hz=rate_hz)
    found = heartbeat_chain("beats", rate_hz).detect(samples)
    assert found.positions.size == at.size
    assert np.abs(found.positions - at).max() <= 0.012 * rate_hz


def test_an_inverted_signal_has_the_same_beats() -> None:
    samples, _ = pulse_train(40)
    upright, inverted = CHAIN.detect(samples), CHAIN.detect(-samples)
    assert upright.positions.size == inverted.positions.size
    assert np.abs(upright.positions - inverted.positions).max() <= 2


def test_an_offset_and_a_factor_change_no_position() -> None:
    samples, _ = pulse_train(40)
    plain = CHAIN.detect(samples)
    np.testing.assert_array_equal(CHAIN.detect(samples + np.int16(300)).positions, plain.positions)
    larger = CHAIN.detect((2 * samples).astype(np.int16))
    assert np.abs(larger.positions - plain.positions).max() <= 2


def test_windows_are_in_units_of_the_usual_beat() -> None:
    samples, _ = pulse_train(40)
    small, large = CHAIN.detect(samples), CHAIN.detect((2 * samples).astype(np.int16))
    assert np.abs(small.windows.astype(int) - large.windows).max() <= 12
    top = np.abs(small.windows[3:].astype(int)).argmax(axis=1)
    assert (np.abs(top * CHAIN.window.stride - CHAIN.window.before) <= CHAIN.window.stride).all()


def test_beats_behind_a_drop_of_the_amplitude_are_found_again() -> None:
    samples, at = pulse_train(60)
    samples = samples.astype(np.int64)
    samples[30 * 360 :] //= 4
    found = CHAIN.detect(samples.astype(np.int16))
    late = at[at > 40 * 360]
    near = np.abs(found.positions[:, None] - late).min(axis=0)
    assert (near <= 3).all()


def test_an_early_beat_shows_in_the_features() -> None:
    chain = small_chain(features=ALL_FEATURES)
    early_s = 0.5
    time = np.arange(360 * 40) / 360
    beats = [0.5 + 0.8 * k for k in range(45)]
    beats[20] -= 0.8 - early_s
    signal = sum(300 * np.exp(-(((time - b) / 0.012) ** 2)) for b in beats)
    found = chain.detect(np.rint(signal).astype(np.int16))
    before = dict(zip(chain.features, found.features[20].tolist(), strict=True))
    assert abs(before["rr_before_ms"] - 500) <= 12
    assert abs(before["rr_after_ms"] - 1100) <= 12
    assert abs(before["rr_before_to_local"] - 256 * 500 // 800) <= 4
    assert abs(before["rr_before_to_after"] - 256 * 500 // 1100) <= 4
    assert before["rr_unrest"] < 8
    assert before["template_at"] < 16
    following = dict(zip(chain.features, found.features[21].tolist(), strict=True))
    assert following["rr_unrest"] > 5
    assert found.codes[20, chain.features.index("rr_before_to_local")] < -20


def test_a_beat_that_none_follows_is_decided_after_the_timeout() -> None:
    samples, at = pulse_train(20)
    silent = samples.copy()
    silent[at[-3] + 200 :] = silent[at[-3] + 200]
    found = CHAIN.detect_fed(np.concatenate([silent, np.repeat(silent[-1:], 4000)]))
    last = int(np.abs(found.positions - at[-3]).argmin())
    waited = found.decided_at[last] - found.positions[last]
    assert abs(waited - CHAIN.timeout * CHAIN.decimate - CHAIN.band_delay) <= 2 * CHAIN.decimate
    assert found.features[last, 0] < 300


def test_a_beat_is_decided_once_the_next_one_is_known() -> None:
    samples, _ = pulse_train(30)
    found = CHAIN.detect(samples)
    waited = found.decided_at[3:-3] - found.positions[4:-2]
    longest = CHAIN.decimate * (CHAIN.detector.hold + CHAIN.lag + 1) + CHAIN.band_delay + 20
    assert (waited > 0).all()
    assert (waited <= longest).all()


def test_leads_off_are_flat_and_hold_no_beats() -> None:
    samples, at = pulse_train(40)
    samples[10 * 360 : 25 * 360] = 17
    found = CHAIN.detect(samples)
    inside = (found.positions > 11 * 360) & (found.positions < 24 * 360)
    assert not inside.any()
    states = dict(found.quality_changes.tolist())
    assert FLAT in states.values()
    assert list(states.values())[-1] == 0
    early = at[at < 9 * 360]
    assert (np.abs(found.positions[:, None] - early).min(axis=0) <= 3).all()
    late = at[at > 30 * 360]
    assert (np.abs(found.positions[:, None] - late).min(axis=0) <= 3).all()


def test_a_flat_line_from_the_beginning_gives_nothing() -> None:
    found = CHAIN.detect(np.full(8000, -5, np.int16))
    assert len(found) == 0
    assert found.quality_changes.tolist()[0][1] == FLAT


def test_samples_at_the_rails_mark_the_beats_around() -> None:
    samples, _ = pulse_train(40)
    samples[20 * 360 : 20 * 360 + 40] = 1023
    found = CHAIN.detect(samples)
    marked = (found.quality & SATURATED) != 0
    assert marked.any()
    assert (np.abs(found.positions[marked] - 20 * 360) < 3 * 360).all()


def test_no_signal_leaves_the_template_as_it_is() -> None:
    samples, _ = pulse_train(30)
    found = CHAIN.detect(samples)
    assert found.templates is not None
    np.testing.assert_array_equal(found.templates[0], found.windows[0])
    apart = np.abs(found.templates[10:].astype(int) - found.windows[10:]).mean()
    assert apart < 6


def test_describing_the_found_beats_gives_their_windows() -> None:
    samples, _ = pulse_train(40)
    found = CHAIN.detect(samples)
    described = CHAIN.describe(samples, found.positions)
    np.testing.assert_array_equal(described.positions, found.positions)
    assert np.abs(described.windows.astype(int) - found.windows).max() <= 2
    assert np.abs(described.features[:-1].astype(int) - found.features[:-1]).max() <= 8


def test_beats_do_not_depend_on_what_comes_later() -> None:
    samples, _ = pulse_train(30)
    whole, part = CHAIN.detect_fed(samples), CHAIN.detect_fed(samples[: 20 * 360])
    known = whole.decided_at < 20 * 360
    for name in ("positions", "windows", "features", "quality", "decided_at"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[known])


@pytest.mark.parametrize("size", [0, 1, 2, 50, 400])
def test_records_shorter_than_the_learning_time(size: int) -> None:
    samples, _ = pulse_train(4)
    found = CHAIN.detect(samples[:size])
    assert (found.positions < max(size, 1)).all()
    assert found.windows.shape == (len(found), CHAIN.window.count)


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (np.zeros(5), r"float64 \[5\]"),
        (np.zeros((5, 2), np.int16), r"int16 \[5, 2\]"),
        (np.zeros(5, np.int32), r"int32 \[5\]"),
    ],
)
def test_samples_of_another_form_are_refused(samples: np.ndarray, found: str) -> None:
    with pytest.raises(UserError, match=rf"chain 'beats': samples are {found}; expected int16"):
        CHAIN.detect(samples)


@pytest.mark.parametrize("positions", [[5, 3], [-1, 4], [3, 500]])
def test_positions_out_of_order_are_refused(positions: list[int]) -> None:
    with pytest.raises(UserError, match="positions of beats must ascend within the record's 400"):
        CHAIN.describe(np.zeros(400, np.int16), np.asarray(positions))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a b"}, "expected a name that is an identifier of C"),
        ({"decimate": 0}, "decimate is 0; expected 1 to 256"),
        ({"features": ("rr_nothing",)}, "no feature is called rr_nothing; known: rr_before_ms"),
        ({"features": ()}, "no features; a chain has one at least"),
        ({"band": ()}, None),
        ({"band": CHAIN.band[:-1]}, "the band can reach .* Put a ShiftRight or Saturate last"),
        ({"detector": replace(CHAIN.detector, search=400)}, "search 400 reaches beyond"),
    ],
)
def test_chains_whose_parts_do_not_fit_are_refused(
    change: dict[str, object], message: str | None
) -> None:
    if message is None:
        assert replace(CHAIN, **change).band_delay < CHAIN.band_delay
        return
    with pytest.raises(UserError, match=message):
        replace(CHAIN, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hold_s": 200.0}, "hold is 36000; expected 1 to 16384 samples"),
        ({"threshold": 2.0}, "threshold is 512; expected 1 to 256 256ths"),
        ({"refractory_s": 0.5}, "must rise in this order"),
    ],
)
def test_rules_out_of_range_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        PulseDetector.for_rate(180, **change)  # type: ignore[arg-type]
