"""The learner of `midge.adapt` as the protocols call it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from midge.adapt import Settings, StreamModel
from midge.adapt.benchmark.linear import Series
from midge.adapt.settings import JOINT

RAM = "8 KB"
"""One budget for every protocol."""

_NEVER = 1e30


def new_model(channels: int, horizon: int) -> StreamModel:
    """A learner that knows nothing yet; the same setting for every protocol."""
    return StreamModel(channels=channels, horizon=horizon, ram=RAM)


def learner(series: Series, leads: Sequence[int]) -> Series:
    """Forecasts [ticks, leads, channels] of a new learner."""
    return _forecasts(new_model(series.shape[1], max(leads)), series, leads)


def one_rls(series: Series, leads: Sequence[int]) -> Series:
    """The same with one regression as its only unit, and no regimes: what the rest adds to."""
    settings = Settings(change_evidence=_NEVER, recall_advantage=_NEVER)
    model = _OneUnit(series.shape[1], max(leads), RAM, settings=settings)
    return _forecasts(model, series, leads)


def _forecasts(model: StreamModel, series: Series, leads: Sequence[int]) -> Series:
    return np.asarray(model.run(series, horizons=tuple(leads)).forecasts, np.float64)


class _OneUnit(StreamModel):
    """Believes the unit that sees all channels, whatever the others' errors."""

    def _look_ahead(self) -> None:
        self.state.fitness[:] = 1.0
        self.state.fitness[JOINT] = 0.0
        super()._look_ahead()
