"""Made-up switching streams, and the figures of detection taken from them."""

from __future__ import annotations

import numpy as np
import pytest

from midge.adapt.benchmark import switching
from midge.adapt.benchmark.linear import persistence
from midge.adapt.benchmark.switching_systems import CHANNELS, KINDS, REGIMES, make_stream


@pytest.fixture(scope="module")
def stream():
    return make_stream("sensors", 0, segments=8)


@pytest.mark.parametrize("kind", KINDS)
def test_streams_follow_from_their_seed(kind: str):
    first, again = make_stream(kind, 2, segments=6), make_stream(kind, 2, segments=6)

    np.testing.assert_array_equal(first.series, again.series)
    assert not np.array_equal(first.series[:500], make_stream(kind, 3, segments=6).series[:500])
    assert first.series.shape == (len(first.regimes), CHANNELS)
    assert np.isfinite(first.series).all()
    assert 0.5 < first.series.std() < 2.0


def test_changes_and_returns_are_where_the_regime_says(stream):
    changed = np.flatnonzero(np.diff(stream.regimes)) + 1

    assert list(stream.changes) == changed.tolist()
    assert len(stream.returns) == 8 - REGIMES
    for change in stream.returns:
        assert stream.regimes[change] in stream.regimes[:change]


def test_alarms_are_held_against_changes(stream):
    alarms = np.zeros(len(stream.series), bool)
    alarms[[change + 7 for change in stream.changes[:3]]] = True
    alarms[stream.changes[0] + 20] = True
    alarms[stream.changes[-1] - 1] = True

    found = switching.detection(stream, alarms)

    assert found["delays"] == [7, 7, 7]
    assert found["changes"] == 7
    assert found["false_alarms"] == 1


def test_returns_are_recognised_by_the_same_name(stream):
    # Other names than the stream's own, taken late, are as good.
    late = np.roll(stream.regimes, 20) * 10 + 3

    assert switching.recognised(stream, late) == 1.0
    assert switching.recognised(stream, np.arange(len(late)) // 100) == 0.0


def test_errors_are_those_of_the_first_ticks_after_returns(stream):
    forecasts = persistence(stream.series, switching.LEADS)
    spoilt = forecasts.copy()
    outside = np.ones(len(spoilt), bool)
    for change in stream.returns:
        outside[change : change + switching.AFTER] = False
    spoilt[outside] = 1e6

    found = [switching.squared_after_returns(stream, one, 1, 5) for one in (forecasts, spoilt)]

    assert found[0] == found[1] > 0


def test_a_run_has_every_row(stream):
    def watcher(series, leads):
        quiet = np.zeros(len(series), bool)
        return switching.Watched(persistence(series, leads), quiet, stream.regimes)

    content = switching.run([stream], {"mine": watcher}, {}, {}, lambda _: None)

    rmse = {row["method"]: row["rmse"]["sensors"] for row in content["errors"]}
    assert list(rmse) == ["persistence", "RLS-VAR", "VAR that is told the regime", "mine"]
    assert rmse["mine"] == rmse["persistence"]
    assert rmse["VAR that is told the regime"][1] < rmse["RLS-VAR"][1] < rmse["persistence"][1]
    assert content["detection"]["mine"]["detected"] == 0
    assert content["detection"]["mine"]["recognised"] == 1.0
