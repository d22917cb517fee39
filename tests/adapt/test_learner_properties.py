"""What must hold for any stream: nothing is ever not finite, movement is bounded, bits are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from learner_support import ARITHMETICS, held, learner_of

from midge.adapt import Settings, StreamModel
from midge.adapt.state import PERIOD, SINCE, bytes_of, to_bytes
from midge.driver.learner_host import HostLearner

SMALL = {"channels": 2, "horizon": 12, "ram": "5 KB"}

_values = st.one_of(
    st.floats(width=32, allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, 1e30, -1e30, 1e17, -9e17, 1e-38, 5e-324, float("nan")]),
)


def assert_sound(model: StreamModel) -> None:
    for field in model.dialect.members(model.sizes):
        array = getattr(model.state, field.name)
        assert array.dtype == np.dtype(field.dtype), field.name
        assert array.shape == field.shape, field.name
        assert np.all(np.isfinite(array)), field.name
    StreamModel.restore(model.save())  # which refuses what is out of range
    if model.arithmetic == "float32":
        for name in ("joint", "fast", "season", "direct"):
            assert np.all(getattr(model.state, f"{name}_variances") > 0), name
    assert np.all(np.isfinite(model.forecast()))


def assert_c_sound(learner: HostLearner, model: StreamModel) -> None:
    arrays = held(learner, model)
    for name, array in arrays.items():
        assert np.all(np.isfinite(array)), name
        if model.arithmetic == "float32" and name.endswith("variances"):
            assert np.all(array > 0), name
    StreamModel.restore(learner.save())  # which refuses what is out of range
    assert np.all(np.isfinite(learner.forecast()))


def _two_numbers_then_none() -> np.ndarray:
    """What is filled in is learned from, and grew beyond what a square can hold."""
    series = np.full((60, 2), 1e30)
    series[1, 1], series[4, 1] = 262145.0, 1e17
    return series


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@settings(max_examples=8, deadline=None)
@given(series=arrays(np.float64, (60, 2), elements=_values))
@example(series=_two_numbers_then_none())
def test_a_wild_stream_never_makes_a_number_that_is_not_finite(arithmetic, series):
    model = StreamModel(**SMALL, **ARITHMETICS[arithmetic])
    for sample in series:
        step = model.update(sample)
        assert 0 <= step.anomaly <= 1
        assert 0 <= step.score <= 1
    assert_sound(model)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@settings(max_examples=100, deadline=None)
@given(series=arrays(np.float64, (60, 2), elements=_values))
@example(series=_two_numbers_then_none())
def test_a_wild_stream_makes_none_in_c(arithmetic, series):
    model = StreamModel(**SMALL, **ARITHMETICS[arithmetic])
    learner = learner_of(model)
    anomaly = learner.run(series, ()).anomaly
    assert np.all((anomaly >= 0) & (anomaly <= 1))
    assert_c_sound(learner, model)


@pytest.mark.parametrize("name", ["constant", "huge", "tiny", "steps", "missing", "alternating"])
def test_a_long_hard_stream_is_survived(name, kind):
    random = np.random.default_rng(7)
    t = np.arange(1500)
    made = {
        "constant": np.full(1500, 3.25),
        "huge": 9e17 * np.sign(random.standard_normal(1500)),
        "tiny": 1e-30 * random.standard_normal(1500),
        "steps": np.cumsum(10.0 ** random.integers(-9, 9, 1500) * random.standard_normal(1500)),
        "missing": np.where(random.random(1500) < 0.9, np.nan, np.sin(t / 5)),
        "alternating": np.where(t % 2, 1e6, -1e6) * (1 + t),
    }[name]
    second = [1e6 + np.sin(value) if np.isfinite(value) else value for value in made]
    model = StreamModel(**SMALL, **kind)
    learner = learner_of(model)
    learner.run(np.stack([made, second], axis=1))
    assert_c_sound(learner, model)


def _waves(ticks: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    t = np.arange(ticks)
    clean = np.stack([np.sin(t / 4), np.cos(t / 7) + 0.3 * np.sin(t / 4)], axis=1)
    return clean + 0.05 * random.standard_normal(clean.shape)


@pytest.mark.parametrize("attack", ["spikes", "stuck", "drifting", "missing"])
def test_coefficients_move_by_no_more_than_was_granted(attack, kind):
    model = StreamModel(**SMALL, **kind)
    learner = learner_of(model)
    learner.run(_waves(400))
    bad = _waves(1000, seed=1)
    if attack == "spikes":
        bad[::7] *= 1e4
    elif attack == "stuck":
        bad[:, 0] = bad[0, 0]
    elif attack == "drifting":
        bad[:, 1] += np.linspace(0, 1e3, 1000)
    else:
        bad[100:900] = np.nan
    scale, one = ("exponent", 1 << 22) if kind else ("scale", 1)
    units = ("joint", "fast", "season", "direct")
    now = {name: held(learner, model)[name] for name in (*units, scale, "offset", "counters")}
    moved, moves = {unit: np.zeros(2) for unit in units}, 0
    for sample in bad:
        before = {name: array.copy() for name, array in now.items()}
        learner.run(sample[None])
        # A change of units rewrites the constant; it is exact and no movement. A recall goes back
        # to what was learned before, on credit too, and a new season begins at zero.
        if any(not np.array_equal(now[name], before[name]) for name in (scale, "offset")):
            continue
        is_recall = now["counters"][SINCE] <= before["counters"][SINCE]
        is_season = now["counters"][PERIOD] != before["counters"][PERIOD]
        for unit in units:
            if not (is_recall and unit == "joint") and not (is_season and unit == "season"):
                way = np.abs(now[unit] - before[unit]).sum(axis=-2) / one  # features
                moved[unit] = moved[unit] + way
        moves += 1
    assert moves > 100
    s = model.sizes.settings
    most = s.movement_reserve + 1000 * s.movement_rate + 1
    assert max(way.max() for way in moved.values()) <= most
    assert all(way.max() > 0 for way in moved.values())


def test_a_small_grant_binds(kind):
    tight = Settings(movement_rate=1e-3, movement_reserve=0.5)
    model = StreamModel(**SMALL, settings=tight, **kind)
    learner, moved, one = learner_of(model), np.zeros(2), 1 << 22 if kind else 1
    now = held(learner, model)["fast"][1:]
    for sample in _waves(500):
        before = now.copy()
        learner.run(sample[None])
        moved += np.abs(now - before).sum(axis=0) / one
    assert 0 < moved.max() <= 0.5 + 500e-3 + 1e-2


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@settings(max_examples=5, deadline=None)
@given(cut=st.integers(0, 90), seed=st.integers(0, 1000))
def test_a_restored_model_goes_on_with_the_same_bits(arithmetic, cut, seed):
    series = _waves(cut + 40, seed)
    series[50:60, 0] = np.nan
    model = StreamModel(**SMALL, **ARITHMETICS[arithmetic])
    for sample in series[:cut]:
        model.update(sample)
    other = StreamModel.restore(model.save())
    np.testing.assert_array_equal(model.forecast(), other.forecast())
    for sample in series[cut:]:
        ours, theirs = model.update(sample), other.update(sample)
        assert (ours.anomaly, ours.regime, ours.drift) == (
            theirs.anomaly,
            theirs.regime,
            theirs.drift,
        )
    assert model.save() == other.save()


def test_forecasts_that_are_read_change_nothing(kind):
    series = _waves(150)
    read, unread = StreamModel(**SMALL, **kind), StreamModel(**SMALL, **kind)
    for sample in series:
        assert read.update(sample).forecast.shape == (12, 2)
        unread.update(sample)
    assert read.save() == unread.save()


def test_no_forecast_sees_the_future(kind):
    series = _waves(200)
    changed = series.copy()
    changed[120:] += 100
    first, second = StreamModel(**SMALL, **kind), StreamModel(**SMALL, **kind)
    ours = first.run(series, (1, 5)).forecasts
    theirs = second.run(changed, (1, 5)).forecasts
    np.testing.assert_array_equal(ours[:120], theirs[:120])
    assert not np.array_equal(ours[120:], theirs[120:])


def test_a_power_of_two_changes_no_decision():
    series = _waves(300)
    first, second = StreamModel(**SMALL), StreamModel(**SMALL)
    ours = first.run(series, (1, 8))
    theirs = second.run(series * 1024, (1, 8))
    # The least scale is not proportional near zero, so only what follows is equal.
    np.testing.assert_allclose(ours.forecasts[50:] * 1024, theirs.forecasts[50:], rtol=0.1, atol=60)


def test_the_count_of_ticks_wraps_without_a_trace(kind):
    series = _waves(400)
    model = StreamModel(**SMALL, **kind)
    for sample in series[:300]:
        model.update(sample)
    late = StreamModel.restore(model.save())
    period = int(
        np.lcm.reduce(
            [32, *(s * p for s, p in zip(model.sizes.strides, model.sizes.pending, strict=True))]
        )
    )
    late.state.counters[0] += ((1 << 30) - 350) // period * period
    with_wrap, without = [], []
    for sample in series[300:]:
        with_wrap.append(late.update(sample).forecast.copy())
        without.append(model.update(sample).forecast.copy())
    assert late.ticks < 1 << 30
    rate_differs = 1e-2  # the rates 1 / ticks are at their floor there and not yet here
    np.testing.assert_allclose(with_wrap, without, atol=0.5, rtol=rate_differs)


def test_the_bytes_of_a_state_are_what_sizes_say(kind):
    for channels, horizon, ram in (
        (1, 1, "3 KB"),
        (1, 60, "8 KB"),
        (4, 60, "8 KB"),
        (12, 24, "64 KB"),
    ):
        model = StreamModel(channels, horizon, ram, **kind)
        layout = model.dialect.members
        assert len(to_bytes(model.state, model.sizes, layout)) == model.ram_bytes
        longer = replace(model.sizes, ring=model.sizes.ring + 1)
        assert bytes_of(longer, layout) > model.ram_bytes
