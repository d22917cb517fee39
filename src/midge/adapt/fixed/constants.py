"""The float twin's constants as integers, by their names in C; Q20 and so on as `arithmetic.q`."""

from __future__ import annotations

from midge.adapt import anomaly, learning, measures, normalise, regimes, season, units
from midge.adapt.fixed.arithmetic import q

LARGEST_FEATURE = q(units.LARGEST_FEATURE, 20)
RANGE, REACH = int(units.RANGE), int(units.REACH)
"""Whole, unlike all others."""
LARGEST_ERROR = q(learning.LARGEST_ERROR, 20)
SLOWEST = q(normalise.SLOWEST, 31)
OUTLIER = q(normalise.OUTLIER, 20)
LARGEST_JUDGED = q(measures.LARGEST_JUDGED**0.5, 20)
"""An error, not its square."""
RECENT = q(regimes.RECENT, 31)
LARGEST_SURPRISE = q(regimes.LARGEST_SQUARE**0.5, 20)
"""An error, not its square; `LARGEST_CALM` is the square."""
LARGEST_CALM = q(regimes.LARGEST_SQUARE, 20)
LARGEST_EXCESS = q(regimes.LARGEST_EXCESS, 20)
LARGEST_RISE = q(regimes.LARGEST_RISE, 24)
YOUNG_LEVEL_RATE, LEVEL_RATE = (q(rate, 31) for rate in regimes.LEVEL_RATES)
CALM = q(regimes.CALM, 24)
LARGEST_SLACK = q(regimes.LARGEST_SLACK, 20)
ADVANTAGE_SLACK = q(regimes.ADVANTAGE_SLACK, 20)
LARGEST_ADVANTAGE = q(regimes.LARGEST_ADVANTAGE, 20)
SEASON_RATE = q(season.RATE, 31)
CLEARLY, DEEP, BETTER = (q(part, 24) for part in (season.CLEARLY, season.DEEP, season.BETTER))
LARGEST_DISTANCE = 1 << 24
"""Of a channel from its past, Q20: sixteen."""
TAIL = q(anomaly.TAIL, 29)
GUESS = int(anomaly.GUESS)
TAIL_SLOWEST = q(anomaly.SLOWEST, 31)
RESIDUAL_RATE = q(anomaly.RESIDUAL_RATE, 31)
EDGES = tuple(q(edge, 16) for edge in anomaly.EDGES)
