"""What every forecasting protocol shares: forecasters, normalisation, errors, choosing settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from midge.adapt.benchmark.linear import Series

Forecaster = Callable[[Series, Sequence[int]], Series]
"""From a series [ticks, channels] and leads, forecasts [ticks, leads, channels]: row t is what is
forecast after sample t for samples t + lead, from nothing later than t."""

CHOOSING_SHARE = 0.2
"""Settings are chosen on this first part of a series."""

_LEAST_SCALE = 1e-6


class Errors(NamedTuple):
    """Errors of one lead over all its forecasts and channels.

    Attributes:
        rmse: Root of the mean squared error.
        mae: Mean absolute error.
    """

    rmse: float
    mae: float


def z_score(series: Series, learnt_from: int | None = None) -> Series:
    """Zero mean and unit variance of each channel, from its first `learnt_from` samples or all."""
    known = series[:learnt_from]
    spread = known.std(axis=0)
    out: Series = (series - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return out


def normalised_online(forecaster: Forecaster) -> Forecaster:
    """The same forecaster for a raw series: it sees samples on the scale of those before them.

    Mean and variance run over all samples so far, so nothing looks ahead.
    """

    def forecast(series: Series, leads: Sequence[int]) -> Series:
        mean, scale = _running_scale(series)
        forecasts = forecaster((series - mean) / scale, leads)
        return forecasts * scale[:, None, :] + mean[:, None, :]

    return forecast


def _running_scale(series: Series) -> tuple[Series, Series]:
    """Mean and standard deviation of all samples up to each tick, itself among them."""
    count = np.arange(1, len(series) + 1)[:, None]
    # Around the first sample, so that squares of a large constant do not drown the rest.
    around = series - series[0]
    mean = np.cumsum(around, axis=0) / count
    variance = np.maximum(np.cumsum(around**2, axis=0) / count - mean**2, 0.0)
    scale = np.sqrt(variance)
    return mean + series[0], np.where(scale > _LEAST_SCALE, scale, 1.0)


def errors(series: Series, forecasts: Series, lead: int, first: int, last: int) -> Errors:
    """Errors of the forecasts [ticks, channels] made after samples `first` to `last` - 1."""
    missed = forecasts[first:last] - series[first + lead : last + lead]
    return Errors(float(np.sqrt(np.mean(missed**2))), float(np.mean(np.abs(missed))))


def chosen(
    series: Series,
    leads: Sequence[int],
    candidates: Mapping[str, Forecaster],
    first: int,
) -> tuple[tuple[str, ...], Series]:
    """For each lead the candidate with the least squared error on the first part of a series.

    Args:
        series: On the scale that errors are compared on.
        leads: In ticks.
        candidates: By name.
        first: Forecasts from this tick on count.

    Returns:
        The name chosen for each lead, and forecasts [ticks, leads, channels] for the whole series.
    """
    known = series[: int(CHOOSING_SHARE * len(series))]
    names = []
    answers = {name: forecaster(known, leads) for name, forecaster in candidates.items()}
    for row, lead in enumerate(leads):
        best = min(
            candidates,
            key=lambda name: (
                errors(known, answers[name][:, row], lead, first, len(known) - lead).rmse
            ),
        )
        names.append(best)
    whole = {name: candidates[name](series, leads) for name in sorted(set(names))}
    return tuple(names), np.stack([whole[name][:, row] for row, name in enumerate(names)], axis=1)
