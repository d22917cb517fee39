"""Alarms: a learner's errors at all its leads, calibrated, and one alarm a burst.

`Step.is_flagged` judges a tick by its one-step error alone, and flags every tick of a burst. Here
three kinds of evidence are watched: the one-step error; the geometric mean of the errors at all
anchors, because what is strange misses the forecasts of an hour ago and those of a day ago; and
that mean, smoothed, for what is strange by going on. Each is ranked among its own past as the
learner ranks its surprise (`anomaly.rank`), the most unusual counts, and what follows on an alarm
within `quiet` ticks is part of the same burst. A fixed amount of work and memory a tick, on a
device too (`StreamModel.emit`), where the C gives the same bits (`alarm_rule.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midge.adapt import sealed
from midge.adapt.alarm_rule import AlarmSizes, alarm_fields, check_alarms, judge, new_alarm_state
from midge.adapt.fixed.arithmetic import LIMIT
from midge.adapt.given import numbers, real, whole
from midge.adapt.settings import MAX_CHANNELS, MAX_HORIZON, Sizes, default_anchors
from midge.adapt.state import bytes_of, fill_from_bytes, to_bytes
from midge.errors import UserError

Floats = NDArray[np.float64]

RATE = 1 / 500
QUIET = 90
"""Chosen among 1/200, 1/500, 1/1000 and 30, 60, 90, 120 on half of the files of the Numenta Anomaly
Benchmark."""

MAGIC = b"MDGA"
_LONGEST_QUIET = 1 << 30
_PROBLEM = "expected the bytes of Alarms.save(); save the alarms again"


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
        resolution: Of a learner in integers, its own: samples and forecasts are then whole steps,
            as its C has them. None takes them as float32.

    Raises:
        UserError: A number is out of range.
    """

    def __init__(
        self,
        channels: int,
        horizon: int = 48,
        rate: float = RATE,
        quiet: int = QUIET,
        resolution: float | None = None,
    ) -> None:
        self.sizes = AlarmSizes(
            whole("channels", channels, 1, MAX_CHANNELS),
            default_anchors(whole("horizon", horizon, 1, MAX_HORIZON)),
            real("rate", rate, 1e-9, 1 - 1e-6),
            whole("quiet", quiet, 0, _LONGEST_QUIET),
        )
        self.resolution = (
            None if resolution is None else real("resolution", resolution, 1e-30, 1e30)
        )
        self.state = new_alarm_state(self.sizes)

    @property
    def leads(self) -> tuple[int, ...]:
        """How far ahead forecasts are watched, ascending from 1."""
        return self.sizes.leads

    @property
    def ram_bytes(self) -> int:
        """Bytes of what is remembered on the device."""
        return bytes_of(self.sizes, alarm_fields)

    def check_watches(self, sizes: Sizes, resolution: float | None) -> None:
        """See that forecasts of a learner are what is watched.

        Raises:
            UserError: They are of other channels or steps, or do not reach so far.
        """
        ours = self.sizes.channels, self.leads[-1], self.resolution
        theirs = sizes.channels, sizes.horizon, resolution
        if ours[0] != theirs[0] or ours[1] > theirs[1] or ours[2] != theirs[2]:
            raise UserError(
                f"alarms: found channels, horizon, resolution {ours}; expected those of the "
                f"learner, {theirs}, or a shorter horizon"
            )

    def update(self, sample: ArrayLike, forecasts: ArrayLike) -> Alarm:
        """Judge a sample by what was forecast of it, and keep what is forecast now.

        Args:
            sample: [channels]; NaN where it is missing.
            forecasts: [leads, channels], made behind the sample, for `leads` ticks ahead.

        Raises:
            UserError: A shape is another.
        """
        seen, ahead = self._numbers("sample", sample), self._numbers("forecasts", forecasts)
        expected = self.state.level.shape
        if ahead.shape != expected or seen.shape != expected[1:]:
            raise UserError(
                f"update: found a sample of shape {seen.shape} and forecasts of shape "
                f"{ahead.shape}; expected {expected[1:]} and {expected}"
            )
        probability, is_raised = judge(self.state, self.sizes, seen, ahead)
        return Alarm(float(probability), is_raised)

    def _numbers(self, where: str, given: ArrayLike) -> NDArray[np.float32]:
        """As the device has them."""
        values = numbers(where, given)
        with np.errstate(over="ignore"):
            if self.resolution is not None:
                steps = np.clip(np.rint(values / self.resolution), -LIMIT - 1, LIMIT)
                values = np.where(np.isfinite(values), steps, np.nan)
            return values.astype(np.float32)

    @property
    def head(self) -> bytes:
        """What `save` begins with."""
        described: dict[str, Any] = asdict(self.sizes) | {"resolution": self.resolution}
        return sealed.head(MAGIC, described, self.ram_bytes)

    def save(self) -> bytes:
        """All of it, as bytes that `restore` and the C read."""
        return sealed.seal(self.head, to_bytes(self.state, self.sizes, alarm_fields))

    @classmethod
    def restore(cls, data: bytes) -> Alarms:
        """The alarms that were saved: the same bits from then on.

        Raises:
            UserError: If `data` is not all of what alarms can remember.
        """
        described, body = sealed.unseal(data, MAGIC, _PROBLEM)
        try:
            leads = tuple(described.pop("leads"))
            alarms = cls(horizon=leads[-1], **described)
        except (KeyError, TypeError, IndexError, UserError) as error:
            raise sealed.damaged(error, _PROBLEM) from None
        if leads != alarms.leads or len(body) != alarms.ram_bytes:
            raise UserError(f"checkpoint: its state is not of its sizes; {_PROBLEM}")
        fill_from_bytes(alarms.state, body, alarms.sizes, alarm_fields)
        check_alarms(alarms.state, alarms.sizes)
        return alarms


def alarms_of(series: Floats, forecasts: ArrayLike, leads: Sequence[int]) -> list[Alarm]:
    """One pass over a series [ticks, channels] with the forecasts [ticks, leads, channels] of it.

    Raises:
        UserError: The leads are not those of `Alarms` with the last of them as its horizon.
    """
    alarms = Alarms(series.shape[1], horizon=leads[-1])
    if tuple(leads) != alarms.leads:
        raise UserError(f"leads: found {tuple(leads)}; expected {alarms.leads}")
    pairs = zip(series, np.asarray(forecasts), strict=True)
    return [alarms.update(sample, ahead) for sample, ahead in pairs]
