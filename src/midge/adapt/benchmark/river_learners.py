"""Online regressors of `river`, one for each channel and lead, with delayed targets.

Every candidate gets what the linear baselines get: the last lags of all channels. Each may learn
the value itself or its change from now, whichever is better on the part that settings are chosen
on. Importing this module needs `river`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from river import forest, linear_model, neighbors, optim, rules, tree

from midge.adapt.benchmark.linear import CLIP, Series

SEED = 7
FAST = ("linear, SGD", "linear, Adam", "passive-aggressive", "Bayesian linear")
"""What takes less than a millisecond a sample; where trees were tried they were no better."""


class Candidate(NamedTuple):
    """A regressor, and what it is asked for.

    Attributes:
        name: For tables.
        make: Builds one regressor for one channel and lead.
        change: It forecasts the change from the present sample, not the value.
    """

    name: str
    make: Callable[[], Any]
    change: bool


_REGRESSORS: dict[str, Callable[[], Any]] = {
    "linear, SGD": lambda: linear_model.LinearRegression(
        optim.SGD(0.01), intercept_lr=0.0, clip_gradient=10.0
    ),
    "linear, Adam": lambda: linear_model.LinearRegression(
        optim.Adam(0.005), intercept_lr=0.0, clip_gradient=10.0
    ),
    "passive-aggressive": lambda: linear_model.PARegressor(C=0.01, mode=2, learn_intercept=False),
    "Bayesian linear": lambda: linear_model.BayesianLinearRegression(smoothing=0.995),
    "nearest neighbours": lambda: neighbors.KNNRegressor(n_neighbors=5),
    "Hoeffding adaptive tree": lambda: tree.HoeffdingAdaptiveTreeRegressor(
        grace_period=50, leaf_prediction="adaptive", seed=SEED
    ),
    "adaptive random forest": lambda: forest.ARFRegressor(n_models=5, seed=SEED),
    "adaptive rules": lambda: rules.AMRules(n_min=50, delta=0.1),
}


def candidates(names: Sequence[str] | None = None) -> tuple[Candidate, ...]:
    """Every regressor, on values and on changes."""
    chosen = _REGRESSORS if names is None else {name: _REGRESSORS[name] for name in names}
    return tuple(
        Candidate(name, make, change) for name, make in chosen.items() for change in (False, True)
    )


def forecast(series: Series, leads: Sequence[int], candidate: Candidate, lags: int) -> Series:
    """Forecasts [ticks, leads, channels] of a series of unit variance, no target used early."""
    ticks, channels = series.shape
    models = [[candidate.make() for _ in range(channels)] for _ in leads]
    features = _features(series, lags)
    out = np.zeros((ticks, len(leads), channels))
    for tick in range(ticks):
        for row, lead in enumerate(leads):
            for channel in range(channels):
                model, then = models[row][channel], tick - lead
                if then >= lags - 1:
                    base = series[then, channel] if candidate.change else 0.0
                    model.learn_one(features[then], float(series[tick, channel] - base))
                if tick >= lags - 1:
                    base = series[tick, channel] if candidate.change else 0.0
                    out[tick, row, channel] = base + float(model.predict_one(features[tick]))
    return np.clip(np.nan_to_num(out, nan=0.0, posinf=CLIP, neginf=-CLIP), -CLIP, CLIP)


def _features(series: Series, lags: int) -> list[dict[str, float]]:
    """What a regressor sees at each tick; complete from tick `lags` - 1 on."""
    names = [f"{lag}.{channel}" for lag in range(lags) for channel in range(series.shape[1])]
    out: list[dict[str, float]] = []
    for tick in range(len(series)):
        if tick < lags - 1:
            out.append({})
            continue
        window = series[tick - lags + 1 : tick + 1][::-1].ravel()
        out.append(dict(zip(names, map(float, window), strict=True)))
    return out
