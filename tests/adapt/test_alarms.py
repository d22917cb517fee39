"""`Alarms`: one a burst, at about the rate asked for, from nothing later than the tick."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from learner_support import learner_of

from midge.adapt import StreamModel
from midge.adapt.alarm_rule import FIRST_TICKS, GUESS, _mean_logarithm
from midge.adapt.alarms import Alarms, alarms_of
from midge.adapt.anomaly import rank
from midge.adapt.settings import TAIL_BINS, default_anchors
from midge.errors import UserError

HORIZON = 12
LEADS = default_anchors(HORIZON)


def noise(ticks: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(ticks, channels))


def best(series: np.ndarray) -> np.ndarray:
    """What is forecast best of noise: its mean, at every lead."""
    return np.zeros((len(series), len(LEADS), series.shape[1]))


def raised(series: np.ndarray) -> list[int]:
    alarms = alarms_of(series, best(series), LEADS)
    return [tick for tick, alarm in enumerate(alarms) if alarm.is_raised]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_burst_raises_one_alarm(channels: int):
    series = noise(1500, channels)
    quiet = raised(series)
    series[1200:1230, channels - 1] += 12

    assert [tick for tick in raised(series) if tick not in quiet] == [1200]


def test_noise_raises_few():
    ticks = raised(noise(6000))

    # Three kinds of evidence at one in 500, in bursts: at most as many as were they unlike.
    assert 1 <= len(ticks) <= 3 * 6000 / 500
    assert min(ticks) >= FIRST_TICKS


def test_nothing_later_counts():
    series = noise(800)
    other = series.copy()
    other[401:] = 50

    first, second = (alarms_of(one, best(one), LEADS) for one in (series, other))

    assert first[:401] == second[:401]
    assert first[401:] != second[401:]


def test_what_is_missing_is_no_alarm():
    series = noise(600)
    series[300:400] = np.nan

    alarms = alarms_of(series, best(series), LEADS)

    assert {alarm.probability for alarm in alarms[300:400]} == {1.0}
    assert not any(alarm.is_raised for alarm in alarms[300:400])
    assert all(np.isfinite(alarm.probability) for alarm in alarms)


@pytest.mark.parametrize(
    "arguments", [{"channels": 0}, {"channels": 1, "horizon": 0}, {"channels": 1, "rate": 1.0}]
)
def test_numbers_out_of_range_are_refused(arguments: dict[str, float]):
    with pytest.raises(UserError, match="expected"):
        Alarms(**arguments)


def test_shapes_are_checked():
    with pytest.raises(UserError, match="found a sample of shape"):
        Alarms(2, HORIZON).update([0.0], np.zeros((len(LEADS), 2)))


def test_leads_are_checked():
    with pytest.raises(UserError, match="expected"):
        alarms_of(noise(5), np.zeros((5, 2, 1)), (1, HORIZON))


@pytest.mark.parametrize("steps", [None, 2.0**-10])
def test_no_alarm_sees_the_future(steps: float | None):
    """From the stream on: the learner forecasts, the alarms watch it."""
    kind = {} if steps is None else {"arithmetic": "fixed", "resolution": steps}
    series = noise(400, 2)
    changed = series.copy()
    changed[300:] += 100
    told = []
    for one in (series, changed):
        model = StreamModel(2, HORIZON, "5 KB", **kind)
        alarms = Alarms(2, HORIZON, rate=0.05, resolution=steps)
        forecasts = learner_of(model).run(one, LEADS).forecasts
        told.append([alarms.update(*pair) for pair in zip(one, forecasts, strict=True)])

    assert told[0][:300] == told[1][:300]
    assert told[0][300:] != told[1][300:]
    assert any(alarm.is_raised for alarm in told[0][:300])


@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_units_do_not_matter(size: float):
    series = noise(600)

    ours, theirs = (alarms_of(one, best(one), LEADS) for one in (series, series * size))

    for one, other in zip(ours, theirs, strict=True):
        assert one.probability == pytest.approx(other.probability, rel=1e-3)


def test_logarithms_are_exact_at_powers_of_two_and_straight_between():
    values = np.array([[0, 2.0**-100, 0.5, 0.75, 1, 1.5, 3, 2.0**32]], np.float32)

    assert _mean_logarithm(values).tolist() == [-127, -100, -1, -0.5, 0, 0.5, 1.5, 32]
    assert _mean_logarithm(np.repeat(values, 6, axis=0)).tolist()[-2:] == [1.5, 32]


def test_a_rank_is_the_share_above_and_beyond_all_a_power_law():
    """Of numbers whose logarithms are spread as those of a power law are."""
    tail, rng = np.zeros(TAIL_BINS, np.float32), np.random.default_rng(5)
    for count, place in enumerate(6 + rng.exponential(2, size=6000)):
        rank(tail, count, int(place), np.float32(place % 1), GUESS)

    for place in (8, 10, 13, 16):
        found = rank(tail.copy(), 6000, place, np.float32(0), GUESS)
        assert found == pytest.approx(np.exp(-(place - 6) / 2), rel=0.2)


@pytest.mark.parametrize(
    "given",
    [
        {"channels": 10**9},
        {"channels": 1.5},
        {"channels": "4"},
        {"channels": True},
        {"horizon": 10**9},
        {"horizon": float("nan")},
        {"rate": "0.1"},
        {"rate": None},
        {"quiet": float("inf")},
        {"quiet": 1 << 70},
        {"resolution": -1.0},
    ],
    ids=str,
)
def test_what_is_no_such_number_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"{next(iter(given))}: found .*; expected"):
        Alarms(**({"channels": 2} | given))


@pytest.mark.parametrize("sample", [["a", "b"], [1j, 0], [{}, 1]], ids=str)
def test_samples_are_numbers(sample: list[Any]) -> None:
    alarms = Alarms(channels=2, horizon=4)
    with pytest.raises(UserError, match="sample: expected numbers"):
        alarms.update(sample, np.zeros((len(alarms.leads), 2)))
