"""Alarms: a learner's errors at all its leads, calibrated, and one alarm a burst.

`Step.is_flagged` judges a tick by its one-step error alone, and flags every tick of a burst. Here
three kinds of evidence are watched: the one-step error; the geometric mean of the errors at all
anchors, because what is strange misses the forecasts of an hour ago and those of a day ago; and
that mean, smoothed, for what is strange by going on. Each is ranked among its own past as the
learner ranks its surprise (`anomaly`), the most unusual counts, and what follows on an alarm within
`quiet` ticks is part of the same burst. A fixed amount of work and memory a tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midge.adapt.anomaly import SLOWEST
from midge.adapt.ranking import Ranking
from midge.adapt.settings import default_anchors
from midge.errors import UserError

Floats = NDArray[np.float64]

RATE = 1 / 500
QUIET = 90
"""Chosen among 1/200, 1/500, 1/1000 and 30, 60, 90, 120 on half of the files of the Numenta Anomaly
Benchmark."""

FIRST_TICKS = 100
"""No alarm before: evidence has nothing to be ranked among."""

_LEVEL_FROM = 20
"""Errors count for nothing before their mean stands on so many."""
_SMOOTHING = 0.1
_FLOOR = 0.1
"""Added to every relative error: a forecast that happens to be right says little."""
_RESOLUTION = 1e-6
"""Relative to a sample: float32 forecasts say no more."""
_EVIDENCE = 3


@dataclass(frozen=True)
class Alarm:
    """What a tick told.

    Attributes:
        probability: The share of ticks expected to be as unusual, of the most unusual evidence.
        is_raised: An alarm begins.
    """

    probability: float
    is_raised: bool


class Alarms:
    """Watches the forecasts of a learner.

    Args:
        channels: Numbers a sample.
        horizon: Of the forecasts, in ticks; errors are watched at the horizon halved down, and 1.
        rate: Probability below which evidence is an alarm.
        quiet: Ticks without such evidence that end a burst.

    Raises:
        UserError: A number is out of range.
    """

    def __init__(
        self, channels: int, horizon: int = 48, rate: float = RATE, quiet: int = QUIET
    ) -> None:
        for name, value, low in (("channels", channels, 1), ("horizon", horizon, 1)):
            if value < low:
                raise UserError(f"{name}: found {value}; expected {low} or more")
        if not 0 < rate < 1 or quiet < 0:
            raise UserError(
                f"rate, quiet: found {rate}, {quiet}; expected a rate of 0 to 1, 0 ticks or more"
            )
        self.leads = default_anchors(horizon)
        self._rate, self._quiet = rate, quiet
        self._due, self._places = np.array(self.leads), np.arange(len(self.leads))
        self._waiting = np.full((horizon, len(self.leads), channels), np.nan)
        self._level = np.zeros((len(self.leads), channels))
        self._smooth = np.zeros(channels)
        self._rankings = [Ranking() for _ in range(_EVIDENCE)]
        self._ticks = 0
        self._burst_until = -1

    def update(self, sample: ArrayLike, forecasts: ArrayLike) -> Alarm:
        """Judge a sample by what was forecast of it, and keep what is forecast now.

        Args:
            sample: [channels]; NaN where it is missing.
            forecasts: [leads, channels], made behind the sample, for `leads` ticks ahead.

        Raises:
            UserError: A shape is another.
        """
        seen, ahead = np.asarray(sample, np.float64), np.asarray(forecasts, np.float64)
        if ahead.shape != self._level.shape or seen.shape != ahead.shape[1:]:
            raise UserError(
                f"update: found a sample of shape {seen.shape} and forecasts of shape "
                f"{ahead.shape}; expected {self._level.shape[1:]} and {self._level.shape}"
            )
        probability = self._judge(self._errors(seen), seen)
        self._waiting[self._ticks % len(self._waiting)] = ahead
        self._ticks += 1
        unusual = probability < self._rate and self._ticks > FIRST_TICKS
        raised = unusual and self._ticks > self._burst_until
        if unusual:
            self._burst_until = self._ticks + self._quiet
        return Alarm(probability, raised)

    def _errors(self, seen: Floats) -> Floats:
        """Absolute errors [leads, channels] of the forecasts that came due; NaN for none."""
        rows = (self._ticks - self._due) % len(self._waiting)
        out: Floats = np.abs(seen - self._waiting[rows, self._places])
        return out

    def _judge(self, errors: Floats, seen: Floats) -> float:
        known = np.isfinite(errors)
        rate = max(1 / (self._ticks + 1), float(SLOWEST))
        relative = np.zeros_like(errors)
        if self._ticks >= _LEVEL_FROM and known.any():
            least = _RESOLUTION * np.abs(np.nan_to_num(seen)) + np.finfo(np.float32).tiny
            relative = np.where(known, errors, 0) / (self._level + least)
        self._level += rate * (np.where(known, errors, self._level) - self._level)
        mean = np.log(relative + _FLOOR).mean(axis=0)
        self._smooth += _SMOOTHING * (mean - self._smooth)
        if not known.any():
            return 1.0
        evidence = (relative[0].max(), np.exp(mean.max()), np.exp(self._smooth.max()))
        pairs = zip(self._rankings, evidence, strict=True)
        return min(ranking.rank(float(one)) for ranking, one in pairs)


def alarms_of(series: Floats, forecasts: ArrayLike, leads: Sequence[int]) -> list[Alarm]:
    """One pass over a series [ticks, channels] with the forecasts [ticks, leads, channels] of it.

    Raises:
        UserError: The leads are not those of `Alarms` with the last of them as its horizon.
    """
    alarms = Alarms(series.shape[1], horizon=leads[-1])
    if tuple(leads) != alarms.leads:
        raise UserError(f"leads: found {tuple(leads)}; expected {alarms.leads}")
    pairs = zip(series, np.asarray(forecasts, np.float64), strict=True)
    return [alarms.update(sample, ahead) for sample, ahead in pairs]
