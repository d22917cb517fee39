"""Baselines that fit one linear map per lead: recursive least squares on lags.

Every forecaster here is a function of a whole series and answers with forecasts [ticks, leads,
channels], where row t holds what is forecast after sample t for the samples t + lead. It reads no
sample later than t: targets are used once they have been observed, `lead` ticks late. Rows before
the first full set of lags forecast zero, which is the mean of a normalised series.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]

FORGETTING = 0.995
START_COVARIANCE = 100.0
"""What the inverse correlation matrix starts from, times the identity: a weak prior."""
CLIP = 4.0
"""No forecast leaves this many standard deviations (the series are normalised)."""


def persistence(series: Series, leads: Sequence[int]) -> Series:
    """The last sample, for every lead."""
    return np.repeat(series[:, None, :], len(leads), axis=1)


def rls_var(
    series: Series,
    leads: Sequence[int],
    *,
    lags: int,
    forgetting: float = FORGETTING,
    clip: float = CLIP,
    constant: bool = False,
) -> Series:
    """A vector autoregression: each channel of each lead from the last `lags` of all channels."""
    ticks, channels = series.shape
    features = lagged(series, lags).reshape(ticks, 1, lags * channels)
    if constant:
        features = np.concatenate([features, np.ones((ticks, 1, 1))], axis=2)
    forecasts = _direct_rls(features, series[:, None, :], leads, lags, forgetting)
    return np.clip(forecasts[:, :, 0, :], -clip, clip)


def rls_ar(
    series: Series,
    leads: Sequence[int],
    *,
    lags: int,
    forgetting: float = FORGETTING,
    clip: float = CLIP,
) -> Series:
    """An autoregression of each channel on its own: its last `lags` and a constant."""
    ticks, channels = series.shape
    ones = np.ones((ticks, channels, 1))
    features = np.concatenate([lagged(series, lags).transpose(0, 2, 1), ones], axis=2)
    forecasts = _direct_rls(features, series[:, :, None], leads, lags, forgetting)
    return np.clip(forecasts[:, :, :, 0], -clip, clip)


def lagged(series: Series, lags: int) -> Series:
    """The last samples at every tick [ticks, lags, channels], newest first; zeros at the start."""
    ticks, channels = series.shape
    out = np.zeros((ticks, lags, channels))
    for lag in range(lags):
        out[lag:, lag] = series[: ticks - lag]
    return out


def _direct_rls(
    features: Series, targets: Series, leads: Sequence[int], lags: int, forgetting: float
) -> Series:
    """One regression for each lead and group, its targets `lead` ticks late.

    Args:
        features: [ticks, groups, n], known at their tick.
        targets: [ticks, groups, outputs].
        leads: In any order.
        lags: Features are whole from tick `lags` - 1 on.
        forgetting: What a sample weighs a tick later.

    Returns:
        Forecasts [ticks, leads, groups, outputs].
    """
    ticks, groups, n = features.shape
    order = np.argsort(leads, kind="stable")
    sorted_leads = np.asarray(leads)[order]
    inverse = np.broadcast_to(np.eye(n) * START_COVARIANCE, (len(leads), groups, n, n)).copy()
    weights = np.zeros((len(leads), groups, n, targets.shape[2]))
    forecasts = np.zeros((ticks, len(leads), groups, targets.shape[2]))
    for tick in range(ticks):
        due = int(np.searchsorted(sorted_leads, tick - lags + 1, side="right"))
        if due:
            then = features[tick - sorted_leads[:due]]
            update_rls(inverse[:due], weights[:due], then, targets[tick], forgetting)
        if tick >= lags - 1:
            answers = np.matmul(features[tick][:, None, :], weights)
            forecasts[tick, order] = answers[:, :, 0, :]
    return forecasts


def update_rls(
    inverse: Series, weights: Series, features: Series, targets: Series, forgetting: float
) -> None:
    """One step of recursive least squares, in place, for every regression at once.

    Args:
        inverse: [leads, groups, n, n], the inverse of the weighted correlation of features.
        weights: [leads, groups, n, outputs].
        features: [leads, groups, n].
        targets: [groups, outputs] or [leads, groups, outputs].
        forgetting: What the past weighs against this sample.
    """
    projected = np.matmul(inverse, features[..., None])[..., 0]
    spread = forgetting + np.sum(features * projected, axis=-1)
    gain = projected / spread[..., None]
    errors = targets - np.matmul(features[..., None, :], weights)[..., 0, :]
    weights += gain[..., :, None] * errors[..., None, :]
    inverse -= gain[..., :, None] * projected[..., None, :]
    inverse /= forgetting
    # Rounding would make it unsymmetric, then indefinite.
    inverse += np.swapaxes(inverse, -1, -2)
    inverse *= 0.5
