"""The public face of the learner, and that it learns what it should."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from learner_support import held, learner_of

from midge.adapt import Settings, StreamModel, Trace
from midge.adapt.settings import default_anchors, ram_bytes_of
from midge.adapt.state import PERIOD
from midge.errors import UserError

SMALL = {"channels": 2, "horizon": 12, "ram": "5 KB"}


def oscillators(segments, ticks=300, seed=3, noise=0.02):
    """Two channels through rotations of the given angles; changes of regime are known."""
    random = np.random.default_rng(seed)
    state, rows = np.array([1.0, 0.0]), []
    for angle in segments:
        turn = 0.998 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for _ in range(ticks):
            state = turn @ state + 0.06 * random.standard_normal(2)
            rows.append(state + noise * random.standard_normal(2))
    return np.array(rows)


def ran(model, series, leads) -> Trace:
    """As the model's own `run`, by its C, which has the same bits: `test_learner_in_c.py`."""
    return learner_of(model).run(series, leads)


def errors_of(trace, series, lead, place=0):
    return (trace.forecasts[:-lead, place] - series[lead:]) ** 2


def test_four_channels_at_horizon_60_fit_8_kb():
    model = StreamModel(channels=4, horizon=60, ram="8 KB")
    assert model.ram_bytes <= 8192
    assert model.sizes.joint_lags == 4
    assert model.sizes.regimes >= 4


def test_more_ram_keeps_more_of_the_past():
    small, large = StreamModel(1, 24, "4 KB"), StreamModel(1, 24, "8 KB")
    assert small.ram_bytes <= 4096 < large.ram_bytes <= 8192
    assert large.sizes.ring > small.sizes.ring


def test_a_deterministic_wave_is_forecast(kind):
    t = np.arange(600)
    series = np.stack([np.sin(t / 5), 100 + 3 * np.cos(t / 9)], axis=1)
    finest = kind | {"resolution": 2.0**-18} if kind else {}  # rounding is noise, and this has none
    trace = ran(StreamModel(**SMALL, **finest), series, (1, 10))
    assert errors_of(trace, series, 10, 1)[300:].max() < 0.01


def test_forecasts_beat_the_last_sample_on_an_oscillator(kind):
    series = oscillators([0.3] * 3)
    trace = ran(StreamModel(**SMALL, **kind), series, (1, 5))
    for place, lead in enumerate((1, 5)):
        ours = errors_of(trace, series, lead, place)[200:].mean()
        assert ours < 0.5 * ((series[lead:] - series[:-lead]) ** 2)[200:].mean()


def test_a_season_is_found(kind):
    random = np.random.default_rng(1)
    shape = random.standard_normal(24)
    series = np.tile(shape, 60)[:, None] + 0.1 * random.standard_normal((1440, 1))
    model = StreamModel(1, 24, "8 KB", **kind)
    learner = learner_of(model)
    trace = learner.run(series, (1,))
    assert held(learner, model)["counters"][PERIOD] == 24
    assert errors_of(trace, series, 1)[1000:].mean() < 0.2 * shape.var()


def test_a_regime_that_returns_is_recognised(kind):
    angles = (0.2, 0.9, 0.2, 0.9, 0.2, 0.9)
    series = oscillators(angles)
    trace = ran(StreamModel(**SMALL, **kind), series, (1,))
    names = [np.bincount(trace.regime[300 * k + 100 : 300 * k + 300]).argmax() for k in range(6)]
    assert names[0] == names[2] == names[4]
    assert names[1] == names[3] == names[5]
    assert names[0] != names[1]
    assert trace.is_new.sum() == 2
    assert trace.drift.sum() >= 5
    squares = errors_of(trace, series, 1)
    first_visit = squares[305:320].mean()
    assert squares[905:920].mean() < 0.7 * first_visit
    assert squares[1505:1520].mean() < 0.7 * first_visit


def test_alarms_come_at_the_target_rate_and_for_a_spike(kind):
    random = np.random.default_rng(5)
    series = random.standard_normal((4000, 1)) + np.sin(np.arange(4000) / 6)[:, None]
    series[3500] += 15
    trace = ran(StreamModel(1, 4, "4 KB", false_alarm_rate=0.005, **kind), series, ())
    assert trace.is_flagged[3500]
    assert trace.anomaly[3500] < 1e-3
    quiet = np.delete(trace.is_flagged, slice(3500, 3520))
    assert quiet.mean() < 0.01
    assert np.mean(trace.anomaly[500:3500] < 0.05) == pytest.approx(0.05, abs=0.015)


def test_missing_samples_are_filled_in_and_not_learned(kind):
    series = oscillators([0.3] * 3)
    holes = series.copy()
    holes[::9, 0] = np.nan
    whole = errors_of(ran(StreamModel(**SMALL, **kind), series, (1,)), series, 1)[300:]
    full_of_holes = errors_of(ran(StreamModel(**SMALL, **kind), holes, (1,)), series, 1)[300:]
    assert full_of_holes.mean() < 1.6 * whole.mean()


def test_one_dict_at_a_time_as_in_river(kind):
    model = StreamModel(**SMALL, **kind)
    for row in oscillators([0.3]):
        model.learn_one({"a": row[0], "b": row[1]})
    predicted = model.predict_one(horizon=3)
    assert list(predicted) == ["a", "b"]
    assert predicted["b"] == pytest.approx(model.forecast()[2, 1])
    assert model.learn_one({"a": 1.0}).ticks == 301


def test_steps_of_the_past_have_no_forecast(kind):
    model = StreamModel(**SMALL, **kind)
    step = model.update([1.0, 2.0])
    np.testing.assert_array_equal(step.forecast_at(4), step.forecast[3])
    model.update([1.0, 2.0])
    with pytest.raises(UserError, match="tick 1 is past, the model is at 2"):
        _ = step.forecast


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_goes_on_by_itself(kind, copied):
    model = StreamModel(**SMALL, **kind)
    series = oscillators([0.3])
    for row in series[:100]:
        model.update(row)
    before, other = model.save(), copied(model)
    for row in series[100:]:
        other.update(row)
    assert model.save() == before
    for row in series[100:]:
        model.update(row)
    assert model.save() == other.save() != before


def test_drift_from_a_checkpoint_is_told(kind):
    model = StreamModel(**SMALL, **kind)
    series = oscillators([0.3, 1.0])
    for row in series[:300]:
        model.update(row)
    release = model.save()
    still = model.drift_from(release)
    assert (still.ticks, still.coefficients, still.scale) == (0, 0.0, 1.0)
    for row in series[300:]:
        model.update(row * 40)
    moved = model.drift_from(release)
    assert moved.ticks == 300
    assert moved.coefficients > 0.1
    assert moved.scale > 4
    with pytest.raises(UserError, match="other sizes"):
        model.drift_from(StreamModel(1, 12, **kind).save())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 0}, "channels: found 0; expected a whole number, 1 to 64"),
        ({"horizon": 5000}, "horizon: found 5000"),
        ({"ram": "8 parsecs"}, "ram: found '8 parsecs'"),
        ({"ram": 900}, "needs at least .* bytes; found 900"),
        ({"arithmetic": "double"}, "arithmetic: found 'double'; expected 'float32' or 'fixed'"),
        ({"resolution": 0.5}, "resolution: float32 has no steps"),
        ({"arithmetic": "fixed", "resolution": 0.0}, "resolution: found 0.0"),
        (
            {"channels": 64, "horizon": 1, "ram": "1 MB", "arithmetic": "fixed"},
            "a unit of 257 features does not fit 'fixed'",
        ),
        ({"false_alarm_rate": 0.0}, "false_alarm_rate: found 0.0"),
        ({"settings": Settings(anchors=(2, 4))}, "anchors: found"),
        ({"settings": Settings(fast_memory=1.5)}, "fast_memory: found 1.5"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        StreamModel(**arguments)


def test_a_sample_of_another_shape_is_refused():
    with pytest.raises(UserError, match=r"shape \(3,\); expected 2"):
        StreamModel(**SMALL).update([1, 2, 3])


@pytest.mark.parametrize("damage", [b"", b"MDGL", b"junk" * 30, "flip", "cut", "version"])
def test_a_damaged_checkpoint_is_refused(damage):
    good = StreamModel(**SMALL).save()
    data = {
        "flip": good[:500] + bytes([good[500] ^ 1]) + good[501:],
        "cut": good[:-9],
        "version": good[:4] + b"\x09\x00" + good[6:],
    }.get(damage, damage)
    with pytest.raises(UserError, match="checkpoint"):
        StreamModel.restore(data)


def test_texts_of_ram_and_anchors():
    assert ram_bytes_of("8 KB") == ram_bytes_of("8kib") == ram_bytes_of(8192) == 8192
    assert ram_bytes_of("1.5 MB") == 1536 * 1024
    assert default_anchors(60) == (1, 4, 8, 15, 30, 60)
    assert default_anchors(1) == (1,)
    assert default_anchors(48) == (1, 3, 6, 12, 24, 48)
