"""Nothing that a protocol scores depends on what has not been seen: the future is shuffled."""

from __future__ import annotations

import numpy as np
import pytest

from midge.adapt.alarms import alarms_of
from midge.adapt.benchmark.forecasting import normalised_online
from midge.adapt.benchmark.learner import learner, new_model, one_rls
from midge.adapt.benchmark.linear import persistence, rls_ar, rls_var
from midge.adapt.benchmark.nab import windowed_gaussian
from midge.adapt.benchmark.switching_systems import make_stream
from midge.adapt.engine import TWIN
from midge.adapt.settings import default_anchors

LEADS = (1, 6, 11)
NOW = 260

FORECASTERS = {
    "persistence": persistence,
    "RLS-VAR": lambda series, leads: rls_var(series, leads, lags=3),
    "RLS-VAR, constant": lambda series, leads: rls_var(series, leads, lags=2, constant=True),
    "RLS-AR": lambda series, leads: rls_ar(series, leads, lags=4),
    "normalised online": normalised_online(lambda s, leads: rls_var(s, leads, lags=3)),
    "learner": learner(TWIN),
    "one RLS": one_rls,
}


def two_futures() -> tuple[np.ndarray, np.ndarray]:
    """Series that are equal up to sample NOW."""
    series = make_stream("sensors", 5, segments=2).series[:400]
    other = series.copy()
    other[NOW + 1 :] = np.random.default_rng(1).permutation(other[NOW + 1 :]) * 3
    return series, other


@pytest.mark.parametrize("name", FORECASTERS)
def test_forecasts_do_not_depend_on_the_future(name: str):
    series, other = two_futures()
    forecast = FORECASTERS[name]

    first, second = forecast(series, LEADS), forecast(other, LEADS)

    assert first.shape == (400, len(LEADS), 4)
    np.testing.assert_array_equal(first[: NOW + 1], second[: NOW + 1])
    assert not np.array_equal(first[NOW + 1 :], second[NOW + 1 :])


def test_the_test_finds_a_forecaster_that_learns_too_early():
    """A target that is used at once, not when it is observed, is what the test is for."""
    series, other = two_futures()

    def hasty(values: np.ndarray) -> np.ndarray:
        return np.roll(values, -1, axis=0)

    assert not np.array_equal(hasty(series)[: NOW + 1], hasty(other)[: NOW + 1])


def test_what_the_learner_says_of_a_sample_does_not_depend_on_the_next():
    series, other = two_futures()

    leads = default_anchors(11)
    first, second = (new_model(4, 11).run(xs, horizons=leads) for xs in (series, other))

    alarms, others = (
        alarms_of(xs, trace.forecasts, leads) for xs, trace in ((series, first), (other, second))
    )
    assert alarms[: NOW + 1] == others[: NOW + 1]
    assert alarms[NOW + 1 :] != others[NOW + 1 :]
    for name in ("anomaly", "is_flagged", "regime", "drift"):
        one, two = (np.asarray(getattr(trace, name))[: NOW + 1] for trace in (first, second))
        np.testing.assert_array_equal(one, two)


def test_the_windowed_gaussian_does_not_look_ahead():
    series, other = two_futures()

    first, second = windowed_gaussian(series[:, 0]), windowed_gaussian(other[:, 0])

    np.testing.assert_array_equal(first[: NOW + 1], second[: NOW + 1])
