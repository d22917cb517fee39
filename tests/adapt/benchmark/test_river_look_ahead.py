"""The regressors of river get their targets when they are observed, not before."""

from __future__ import annotations

import numpy as np
import pytest

from midge.adapt.benchmark.switching_systems import make_stream

pytest.importorskip("river")


@pytest.mark.parametrize("change", [False, True])
def test_river_forecasts_do_not_depend_on_the_future(change: bool):
    from midge.adapt.benchmark.river_learners import candidates, forecast

    series = make_stream("sensors", 5, segments=2).series[:150]
    other = series.copy()
    other[101:] *= -2
    candidate = next(one for one in candidates(["linear, SGD"]) if one.change == change)

    first, second = (forecast(xs, (1, 6), candidate, 4) for xs in (series, other))

    np.testing.assert_array_equal(first[:101], second[:101])
    assert np.isfinite(first).all()
