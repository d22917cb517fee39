"""The linear baselines are what they say, and give the figures that were measured elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from midge.adapt.benchmark import ett, mocap
from midge.adapt.benchmark.forecasting import chosen, normalised_online, z_score
from midge.adapt.benchmark.linear import lagged, persistence, rls_ar, rls_var
from midge.adapt.benchmark.switching_systems import make_stream
from support.streams import STREAMS, needs_streams


def test_a_regression_without_forgetting_is_least_squares():
    series = make_stream("sensors", 3, segments=2).series[:200]
    lags, lead, now = 2, 3, 150

    answer = rls_var(series, [lead], lags=lags, forgetting=1.0, clip=1e9)[now, 0]

    # Its prior, a hundredth on the diagonal, is the only difference.
    features = lagged(series, lags).reshape(len(series), -1)
    known, targets = features[lags - 1 : now - lead + 1], series[lags - 1 + lead : now + 1]
    normal = known.T @ known + 0.01 * np.eye(known.shape[1])
    expected = features[now] @ np.linalg.solve(normal, known.T @ targets)
    np.testing.assert_allclose(answer, expected, rtol=1e-6, atol=1e-9)


def test_each_lead_answers_as_if_it_were_alone():
    series = make_stream("sensors", 3, segments=2).series[:200]

    together = rls_var(series, (11, 1, 6), lags=3)

    for row, lead in enumerate((11, 1, 6)):
        np.testing.assert_allclose(together[:, row], rls_var(series, [lead], lags=3)[:, 0])


def test_lags_stand_newest_first():
    series = np.arange(8.0).reshape(4, 2)

    assert lagged(series, 2)[3].tolist() == [[6, 7], [4, 5]]
    assert lagged(series, 2)[0].tolist() == [[0, 1], [0, 0]]


def test_normalising_online_keeps_units():
    series = 1000 + 50 * make_stream("sensors", 3, segments=2).series[:300]

    forecasts = normalised_online(lambda s, leads: rls_var(s, leads, lags=2))(series, (1,))

    missed = forecasts[100:-1, 0] - series[101:]
    last = series[100:-1] - series[101:]
    assert np.sqrt(np.mean(missed**2)) < np.sqrt(np.mean(last**2))


def test_a_setting_is_chosen_on_the_first_part_alone():
    series = make_stream("frequencies", 1, segments=4).series
    known = int(0.2 * len(series))
    spoilt = series.copy()
    spoilt[known:] = 0.0

    names, _ = chosen(series, (1, 6), mocap.var_candidates((1, 2, 4)), 50)

    assert chosen(spoilt, (1, 6), mocap.var_candidates((1, 2, 4)), 50)[0] == names


@needs_streams
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("No1", [(0.271, 0.170), (0.473, 0.295), (0.646, 0.403)]),
        ("No2", [(0.249, 0.165), (0.448, 0.298), (0.636, 0.424)]),
    ],
)
def test_persistence_on_motion_capture(name: str, expected: list[tuple[float, float]]):
    series = z_score(mocap.load(STREAMS)[name])

    found = mocap.score(series, persistence(series, mocap.LEADS))

    np.testing.assert_allclose(found, expected, atol=5.1e-4)


@needs_streams
def test_a_vector_autoregression_on_motion_capture():
    series = z_score(mocap.load(STREAMS)["No1"])

    found = mocap.score(series, rls_var(series, mocap.LEADS, lags=4))

    np.testing.assert_allclose([rmse for rmse, _ in found], [0.127, 0.293, 0.490], atol=5.1e-4)


@needs_streams
@pytest.mark.parametrize(
    ("name", "last", "linear"), [("ETTh1", 0.363, 0.297), ("ETTh2", 0.404, 0.366)]
)
def test_transformers_one_hour_ahead(name: str, last: float, linear: float):
    series = z_score(ett.load(STREAMS)[name][: ett.LAST], ett.LEARNT)

    forecasts = rls_ar(series, [1], lags=4, forgetting=0.999, clip=ett.NO_CLIP)

    assert ett.horizon_mse(series, persistence(series, [1]), 1) == pytest.approx(last, abs=5.1e-4)
    assert ett.horizon_mse(series, forecasts, 1) == pytest.approx(linear, abs=5.1e-4)
