"""The constants of a learner in float32, by their names in C."""

from __future__ import annotations

from midge.adapt import anomaly, covariance, learning, measures, normalise, regimes, season, units

LARGEST_INPUT = normalise.LARGEST_INPUT
LARGEST_NORMALISED = normalise.LARGEST_NORMALISED
LARGEST_COEFFICIENT = normalise.LARGEST_COEFFICIENT
SLOWEST = normalise.SLOWEST
OUTLIER = normalise.OUTLIER
SMALLEST_VARIANCE = covariance.SMALLEST_VARIANCE
LARGEST_FACTOR = covariance.LARGEST_FACTOR
LARGEST_FEATURE = units.LARGEST_FEATURE
LARGEST_VALUE = units.LARGEST_VALUE
RANGE = units.RANGE
REACH = units.REACH
LARGEST_ERROR = learning.LARGEST_ERROR
LARGEST_JUDGED = measures.LARGEST_JUDGED
RECENT = regimes.RECENT
LARGEST_CALM = regimes.LARGEST_SQUARE
LARGEST_SURPRISE = regimes.LARGEST_SQUARE
"""Of an error's square; in integers it is the error that is bounded."""
LARGEST_EXCESS = regimes.LARGEST_EXCESS
LARGEST_RISE = regimes.LARGEST_RISE
YOUNG_LEVEL_RATE, LEVEL_RATE = regimes.LEVEL_RATES
CALM = regimes.CALM
LARGEST_SLACK = regimes.LARGEST_SLACK
ADVANTAGE_SLACK = regimes.ADVANTAGE_SLACK
LARGEST_ADVANTAGE = regimes.LARGEST_ADVANTAGE
SEASON_RATE = season.RATE
CLEARLY, DEEP, BETTER = season.CLEARLY, season.DEEP, season.BETTER
TAIL = anomaly.TAIL
GUESS = anomaly.GUESS
TAIL_SLOWEST = anomaly.SLOWEST
RESIDUAL_RATE = anomaly.RESIDUAL_RATE
