"""The learner of `midge.adapt` as the protocols call it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from midge.adapt import Settings, StreamModel
from midge.adapt.benchmark.forecasting import Forecaster
from midge.adapt.benchmark.linear import Series
from midge.adapt.engine import Engine, Runner
from midge.adapt.settings import JOINT

RAM = "8 KB"
RAM_WIDE = "16 KB"
"""Budgets for every protocol: of up to `WIDE` channels, and of more, which do not fit in 8 KB."""
WIDE = 4

_NEVER = 1e30


def new_model(channels: int, horizon: int) -> StreamModel:
    """A learner that knows nothing yet; the same setting for every protocol."""
    return StreamModel(channels=channels, horizon=horizon, ram=ram_for(channels))


def ram_for(channels: int) -> str:
    """The budget of so many channels."""
    return RAM if channels <= WIDE else RAM_WIDE


def learner(engine: Engine) -> Forecaster:
    """Forecasts [ticks, leads, channels] of a new learner for every series."""

    def forecast(series: Series, leads: Sequence[int]) -> Series:
        model = new_model(series.shape[1], max(leads))
        return _forecasts(engine.start(model), series, leads)

    return forecast


def one_rls(series: Series, leads: Sequence[int]) -> Series:
    """The same with one regression as its only unit, and no regimes: what the rest adds to.

    By the twin: there is no C of it.
    """
    settings = Settings(change_evidence=_NEVER, recall_advantage=_NEVER)
    model = _OneUnit(series.shape[1], max(leads), ram_for(series.shape[1]), settings=settings)
    return _forecasts(model, series, leads)


def _forecasts(runner: Runner, series: Series, leads: Sequence[int]) -> Series:
    return np.asarray(runner.run(series, horizons=tuple(leads)).forecasts, np.float64)


class _OneUnit(StreamModel):
    """Believes the unit that sees all channels, whatever the others' errors."""

    def _look_ahead(self) -> None:
        self.state.fitness[:] = 1.0
        self.state.fitness[JOINT] = 0.0
        super()._look_ahead()
