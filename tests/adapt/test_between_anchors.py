"""What is forecast between anchors: straight lines that bend as the season does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from midge.adapt import Settings, StreamModel
from midge.adapt.mixing import mixed
from midge.adapt.settings import DIRECT, PERSISTENCE, SEASON, UNITS
from midge.driver.learner_host import HostLearner

DAY = 24
FIXED = {"arithmetic": "fixed", "resolution": 2.0**-12}


@pytest.mark.parametrize("arithmetic", [{}, FIXED], ids=["float32", "fixed"])
def test_the_night_between_two_noons_is_forecast(arithmetic: dict[str, Any]) -> None:
    """Anchors at 24 and 48 are a day apart; what repeats a sample looks right at both."""
    rng = np.random.default_rng(5)
    ticks = np.arange(1000)
    level = np.cumsum(rng.normal(0, 0.1, ticks.size))
    stream = np.sin(2 * np.pi * ticks / DAY) ** 3 + level - level.mean()
    stream += rng.normal(0, 0.3, ticks.size)
    model = StreamModel(channels=1, horizon=2 * DAY, ram="4 KB", **arithmetic)
    errors = []
    for tick, sample in enumerate(stream):
        step = model.update([sample])
        if tick >= 600 and tick + 2 * DAY < ticks.size:
            ahead = stream[tick + 1 : tick + 1 + 2 * DAY]
            errors.append((step.forecast[:, 0] - ahead) ** 2)
    squares = np.mean(errors, axis=0)
    at_anchors = (squares[DAY - 1] + squares[2 * DAY - 1]) / 2
    assert squares[DAY : 2 * DAY - 1].mean() < 1.2 * at_anchors, "1.37 without bends"


def test_a_mix_is_what_is_written() -> None:
    """Against the same in Python's floats, lead by lead; the last leads lie beyond the anchors."""
    anchors = (1, 3, 8, 14)
    model = StreamModel(channels=2, horizon=20, ram="8 KB", settings=Settings(anchors=anchors))
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.ones(len(UNITS)), (len(anchors), 2)).swapaxes(1, 2)
    forecasts = rng.normal(size=(20, len(UNITS), 2))
    found = mixed(model.sizes, shares.astype(np.float32), forecasts.astype(np.float32), 17)
    assert found.shape == (17, 2)
    path, direct = forecasts[:, SEASON], forecasts[:, DIRECT]
    for lead in range(1, 18):
        after = next((i for i, anchor in enumerate(anchors) if anchor >= lead), len(anchors) - 1)
        before = max(after - 1, 0) if lead <= anchors[-1] else after
        low, high = anchors[before], anchors[after]
        part = (lead - low) / (high - low) if high > low else 1.0
        share = part * shares[after] + (1 - part) * shares[before]
        bend = path[lead - 1] - (part * path[high - 1] + (1 - part) * path[low - 1])
        values = forecasts[lead - 1].copy()
        values[DIRECT] = part * direct[high - 1] + (1 - part) * direct[low - 1] + bend
        values[PERSISTENCE] = forecasts[0, PERSISTENCE] + bend
        np.testing.assert_allclose(found[lead - 1], (share * values).sum(axis=0), atol=1e-5)


def test_leads_beyond_the_anchors_are_the_same_in_c() -> None:
    stream = np.random.default_rng(7).normal(size=(300, 2)).cumsum(axis=0)
    settings = Settings(anchors=(1, 3, 8, 14))
    model = StreamModel(channels=2, horizon=20, ram="8 KB", settings=settings)
    learner = HostLearner(model)
    leads = range(1, 21)
    np.testing.assert_array_equal(
        model.run(stream, leads).forecasts, learner.run(stream, leads).forecasts
    )
