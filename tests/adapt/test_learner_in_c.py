"""The C of a learner on this machine: its twin's bits, checkpoints, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from learner_support import ARITHMETICS, HARD, Kind, Series, changing, learner_of, twin_told

from midge.adapt import Settings, StreamModel
from midge.adapt.state import to_bytes
from midge.errors import UserError
from support.effort import takes_all

HARD_TICKS = 600 if takes_all() else 300
RESTORED, UNREAD, FOREIGN, DAMAGED = range(4)

SHAPES = {
    "one channel, one lead": StreamModel(1, 1, "4 KB"),
    "two channels": StreamModel(2, 7, "4 KB"),
    "twelve channels": StreamModel(12, 24, "24 KB"),
    "few lags": StreamModel(
        3,
        40,
        "9 KB",
        settings=Settings(joint_lags=2, fast_lags=1, season_lags=8, direct_lags=3, anchors=(1, 10)),
    ),
    "nervous": StreamModel(
        2,
        5,
        "9 KB",
        false_alarm_rate=0.1,
        settings=Settings(
            joint_lags=1, regimes=2, search_ticks=5, change_evidence=2.0, shortest_season=4
        ),
    ),
}


def fresh(model: StreamModel, kind: Kind) -> StreamModel:
    """Another one like it, of an arithmetic."""
    return StreamModel(
        model.sizes.channels,
        model.sizes.horizon,
        model.ram_bytes,
        false_alarm_rate=model.false_alarm_rate,
        settings=model.sizes.settings,
        **kind,
    )


def check(model: StreamModel, series: Series) -> None:
    """The C and a twin tell the same, and hold the same."""
    learner = learner_of(model)
    told = twin_told(model, series)
    np.testing.assert_array_equal(learner.feed(series), told)
    held = to_bytes(model.state, model.sizes, model.dialect.members)
    assert learner.state.tobytes() == held
    assert learner.save() == model.save()
    assert learner.forecast().tobytes() == model.forecast().tobytes()


@pytest.mark.parametrize("make", HARD)
def test_it_follows_the_twin_through_hard_series(
    make: Callable[[int, int], Series], kind: Kind
) -> None:
    check(StreamModel(2, 12, "5 KB", **kind), make(HARD_TICKS, 2))


@pytest.mark.parametrize("shape", SHAPES)
def test_it_follows_the_twin_in_every_shape(shape: str, kind: Kind) -> None:
    model = fresh(SHAPES[shape], kind)
    check(model, changing(300, model.sizes.channels))


def test_a_checkpoint_goes_to_the_device_and_back(kind: Kind) -> None:
    series = changing(420, 2)
    whole, first = StreamModel(2, 12, "5 KB", **kind), StreamModel(2, 12, "5 KB", **kind)
    twin_told(first, series[:200])
    learner = learner_of(StreamModel(2, 12, "5 KB", **kind))
    assert learner.restore(first.save()) == RESTORED
    told = learner.feed(series[200:310])
    last = StreamModel.restore(learner.save())
    expected = twin_told(whole, series)
    np.testing.assert_array_equal(told, expected[200:310])
    np.testing.assert_array_equal(twin_told(last, series[310:]), expected[310:])


def test_what_is_no_checkpoint_of_it_starts_anew(kind: Kind) -> None:
    model = StreamModel(2, 7, "4 KB", **kind)
    learner = learner_of(model)
    start = learner.state.tobytes()
    other = StreamModel(2, 7, "4 KB", false_alarm_rate=0.01, **kind)
    whole = model.save()
    for data, said in (
        (whole[:-1], UNREAD),
        (whole[:100], UNREAD),
        (other.save(), FOREIGN),
        (whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:], DAMAGED),
    ):
        learner.feed(changing(20, 2))
        assert learner.restore(data) == said
        assert learner.state.tobytes() == start


def test_the_count_of_ticks_goes_back_without_a_trace(kind: Kind) -> None:
    model = StreamModel(2, 7, "4 KB", **kind)
    series = changing(260, 2)
    twin_told(model, series[:200], forecasts=False)
    model.state.counters[0] = (1 << 30) - 20
    learner = learner_of(fresh(model, kind))
    assert learner.restore(model.save()) == RESTORED
    np.testing.assert_array_equal(learner.feed(series[200:]), twin_told(model, series[200:]))
    assert model.ticks < 1 << 30
    assert learner.save() == model.save()


def test_arithmetics_and_resolutions_tell_their_checkpoints_apart() -> None:
    first, second, third = (
        StreamModel(2, 7, "4 KB", **arguments)
        for arguments in ({}, ARITHMETICS["fixed"], {"arithmetic": "fixed", "resolution": 0.5})
    )
    for model, others in ((first, (second, third)), (second, (first, third))):
        for other in others:
            assert learner_of(model).restore(other.save()) in (UNREAD, FOREIGN)
            with pytest.raises(UserError, match="drift_from: the checkpoint is of a learner of"):
                model.drift_from(other.save())
    again = StreamModel.restore(second.save())
    assert (again.arithmetic, again.resolution) == ("fixed", 2.0**-10)


def test_the_same_model_gives_the_same_c() -> None:
    assert StreamModel().emit("stream") == StreamModel().emit("stream")


@pytest.mark.parametrize("name", ["", "Stream", "2nd", "a b", "x.h"])
def test_a_name_that_c_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="expected lower-case letters"):
        StreamModel().emit(name)


def test_a_trace_of_the_c_is_the_trace_of_the_twin():
    model = StreamModel(2, 12, "5 KB")
    series = changing(300, 2).astype(np.float64)
    series[7, 1] = 1e300
    theirs, ours = learner_of(model).run(series, (1, 5, 12)), model.run(series, (1, 5, 12))
    for name in ("forecasts", "anomaly", "is_flagged", "regime", "is_new", "drift"):
        np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name), name)


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("law", ["normal", "student"])
def test_noise_is_flagged_about_as_often_as_asked(law: str, channels: int) -> None:
    """Behind the first ticks, which fill the histogram."""
    rng, shape = np.random.default_rng(channels), (100_000, channels)
    noise = rng.normal(size=shape) if law == "normal" else rng.standard_t(3, shape)
    anomaly = learner_of(StreamModel(channels, 4, "4 KB")).run(noise, ()).anomaly[3000:]
    assert 0.8 < np.mean(anomaly < 1e-2) / 1e-2 < 1.3
    assert 0.4 < np.mean(anomaly < 1e-3) / 1e-3 < 1.5
    assert np.mean(anomaly < 1e-4) < 2e-4


def test_the_c_refuses_a_series_of_another_shape():
    with pytest.raises(UserError, match=r"shape \(5, 3\); expected \[ticks, 2\]"):
        learner_of(StreamModel(2, 12, "5 KB")).run(np.zeros((5, 3)))


@pytest.mark.parametrize("lead", [0, 13, -1, 1.5])
def test_the_c_refuses_a_lead_out_of_range(lead):
    with pytest.raises(
        UserError, match=f"horizons: found {lead}; expected a whole number, 1 to 12"
    ):
        learner_of(StreamModel(2, 12, "5 KB")).run(np.zeros((5, 2)), (1, lead))
