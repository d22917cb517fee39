"""`Alarms`: one a burst, at about the rate asked for, from nothing later than the tick."""

from __future__ import annotations

import numpy as np
import pytest

from midge.adapt.alarms import FIRST_TICKS, Alarms, alarms_of
from midge.adapt.anomaly import probability_of
from midge.adapt.ranking import Ranking
from midge.adapt.settings import Settings, default_anchors, sizes_within
from midge.adapt.state import TICKS, bytes_of, new_state
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


def test_ranks_are_those_of_the_learner():
    """The same rule in other arithmetic, also when it has begun to forget."""
    state = new_state(sizes_within(1, 1, 1 << 14, Settings(), bytes_of))
    ranking = Ranking()
    values = np.exp(np.random.default_rng(5).normal(size=12_000)).astype(np.float32)

    for tick, value in enumerate(values):
        state.counters[TICKS] = tick
        twin, ours = probability_of(state, value), ranking.rank(float(value))
        if tick > 1000:
            # Within a bin the learner goes straight, not by the logarithm.
            assert ours == pytest.approx(float(twin), rel=0.1, abs=1e-5)
