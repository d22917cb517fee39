"""`StreamModel`: a learner that starts from nothing and learns at every tick.

What happens in a tick is told in `tick.py`, once for both arithmetics. In float32 every operation
is an addition, subtraction, multiplication, division, square root or comparison in the order that
is written, sums in ascending order from their first term: so C can follow bit for bit. In fixed
point (`midge.adapt.fixed`) all of it is integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from midge.adapt.alarms import Alarms
from midge.adapt.arithmetic import Ahead, Values
from midge.adapt.dialect import FLOAT32, Dialect
from midge.adapt.drift import Drift, drift_between
from midge.adapt.emit import emit_learner
from midge.adapt.emit_alarms import emit_alarms
from midge.adapt.fixed.dialect import FIXED
from midge.adapt.fixed.integers import Integers
from midge.adapt.float32 import Float32
from midge.adapt.given import Name, names, numbers, real, whole
from midge.adapt.past import wrap_back
from midge.adapt.settings import Settings, Sizes, ram_bytes_of, sizes_within
from midge.adapt.state import (
    CURRENT,
    TICKS,
    bytes_of,
    checkpoint_head,
    fill_from_bytes,
    read_checkpoint,
    write_checkpoint,
)
from midge.adapt.tick import Tick
from midge.adapt.trace import Floats, Trace
from midge.errors import UserError
from midge.version import VERSION

Arithmetic = Literal["float32", "fixed"]
DIALECTS = {"float32": FLOAT32, "fixed": FIXED}
_BEGUN_WITH = ("arithmetic", "resolution", "false_alarm_rate", "seed")
"""What a checkpoint tells besides sizes and names, in the order of `_begin`."""


@dataclass(frozen=True)
class Step:
    """What a tick told.

    Attributes:
        anomaly: The share of ticks expected to be as unusual as this one, 0 to 1.
        is_flagged: Whether that is below the target rate of false alarms.
        regime: The present regime's identity; -1 in the first ticks.
        is_new: A regime was opened at this tick.
        drift: A change was told at this tick.
        tick: Which tick, from 1.
    """

    anomaly: float
    is_flagged: bool
    regime: int
    is_new: bool
    drift: bool
    tick: int
    _model: StreamModel
    _rate: float

    @property
    def score(self) -> float:
        """Unusual is near 1, usual near 0; a half at the target rate of false alarms."""
        return self._rate / (self._rate + self.anomaly)

    @property
    def forecast(self) -> Floats:
        """[horizon, channels] in the user's units; row h - 1 is h ticks ahead.

        Raises:
            UserError: If the model has been updated since.
        """
        return self._model.forecast_of(self.tick)

    def forecast_at(self, lead: int) -> Floats:
        """[channels], `lead` ticks ahead: as a row of `forecast`, for less work."""
        row: Floats = self._model.forecast_of(self.tick, lead)[-1]
        return row


class StreamModel:
    """A self-evolving model of a stream, in a fixed amount of memory and time a tick.

    Args:
        channels: Numbers a sample, 1 to 64.
        horizon: Longest lead that is forecast, in ticks, 1 to 1024.
        ram: Budget of the state, as ``8 KB`` or in bytes.
        arithmetic: ``float32``, or ``fixed``: integers alone, for cores without floating point.
        false_alarm_rate: Target share of ticks that are flagged on a stream without anomalies.
        seed: Not used: nothing is random. Kept with checkpoints.
        settings: What to tune; None takes what was chosen for all.
        resolution: With ``fixed``, the user's units a step: samples are whole steps, at most
            2**30 - 1 of them. 1 is right for counts of a converter.

    Raises:
        UserError: If an argument is out of range, or no learner fits.
    """

    def __init__(
        self,
        channels: int = 4,
        horizon: int = 60,
        ram: str | int = "8 KB",
        arithmetic: Arithmetic = "float32",
        false_alarm_rate: float = 1e-3,
        seed: int | None = None,
        settings: Settings | None = None,
        resolution: float = 1.0,
    ) -> None:
        dialect = FIXED if arithmetic == "fixed" else FLOAT32
        budget, layout = ram_bytes_of(ram), dialect.members
        self.sizes: Sizes = sizes_within(
            channels,
            horizon,
            budget,
            Settings() if settings is None else settings,
            lambda sizes: bytes_of(sizes, layout),
        )
        self._begin(arithmetic, resolution, false_alarm_rate, seed)

    def _begin(
        self, arithmetic: object, resolution: object, false_alarm_rate: object, seed: object
    ) -> None:
        """The rest of a model whose sizes are known."""
        if arithmetic not in ("float32", "fixed"):
            raise UserError(f"arithmetic: found {arithmetic!r}; expected 'float32' or 'fixed'")
        self.arithmetic = arithmetic
        self.resolution = real("resolution", resolution, 1e-30, 1e30)
        if arithmetic == "float32" and resolution != 1:
            raise UserError("resolution: float32 has no steps; give it with arithmetic='fixed'")
        self.false_alarm_rate = real("false_alarm_rate", false_alarm_rate, 1e-9, 1 - 1e-6)
        self.seed = None if seed is None else whole("seed", seed, -(1 << 63), (1 << 64) - 1)
        self._numbers = (
            Integers(self.sizes, self.false_alarm_rate, self.resolution)
            if arithmetic == "fixed"
            else Float32(self.sizes, self.false_alarm_rate)
        )
        self._tick = Tick(self._numbers)
        self.state: Any = self._numbers.new_state()
        self._names: list[Name] | None = None
        self._ahead: Ahead | None = None
        self._forecast: Floats | None = None

    @property
    def ram_bytes(self) -> int:
        """Bytes of the state on the device."""
        return bytes_of(self.sizes, self.dialect.members)

    @property
    def ticks(self) -> int:
        """Samples seen; after 2**30, modulo a large number."""
        return int(self.state.counters[TICKS])

    @property
    def regime(self) -> int:
        """The present regime's identity; -1 in the first ticks."""
        current = int(self.state.counters[CURRENT])
        return int(self.state.pool_id[current]) if current >= 0 else -1

    def update(self, x: ArrayLike) -> Step:
        """Learn from one sample.

        Args:
            x: [channels], in the user's units; what is not finite or 1e18 and more is missing.

        Raises:
            UserError: If the shape is another, or there is something else than numbers.
        """
        given = np.atleast_1d(numbers("update", x))
        if given.shape != (self.sizes.channels,):
            raise UserError(
                f"update: found a sample of shape {given.shape}; expected {self.sizes.channels} "
                "numbers"
            )
        told = self._tick.learn(self.state, self._numbers.samples(given))
        self._look_ahead()
        return Step(
            anomaly=told.anomaly,
            is_flagged=told.is_flagged,
            regime=self.regime,
            is_new=told.change.is_new,
            drift=told.change.drift,
            tick=self.ticks,
            _model=self,
            _rate=self.false_alarm_rate,
        )

    @property
    def dialect(self) -> Dialect:
        """What the C of the learner has of its arithmetic."""
        return DIALECTS[self.arithmetic]

    def samples(self, series: ArrayLike) -> Values:
        """[..., channels] as the C of the learner takes them: float32, or whole steps in int32."""
        return self._numbers.samples(numbers("samples", series))

    def _look_ahead(self) -> None:
        """Forecast as far as is due, and keep it."""
        self._ahead = self._tick.ahead(self.state)
        self._forecast = None
        self._tick.look_ahead(self.state, self._ahead)

    def forecast(self) -> Floats:
        """[horizon, channels], from the last sample on, in the user's units."""
        return self.forecast_of(self.ticks)

    def forecast_of(self, tick: int, lead: int | None = None) -> Floats:
        """As `forecast` or its first `lead` rows, if `tick` is the present one.

        Raises:
            UserError: If it is not, or the lead is out of range.
        """
        if tick != self.ticks:
            raise UserError(
                f"forecast: tick {tick} is past, the model is at {self.ticks}; read a step's "
                "forecast before the next update"
            )
        longest = self.sizes.horizon
        rows = longest if lead is None else whole("forecast: lead", lead, 1, longest)
        if self._forecast is None or len(self._forecast) < rows:
            self._forecast = self._mixed(rows)
        return self._forecast[:rows].copy()  # the caller's, to do with as he likes

    def _mixed(self, rows: int) -> Floats:
        if self._ahead is None:
            if self.ticks == 0:
                return np.zeros((rows, self.sizes.channels), np.float32)
            self._ahead = self._tick.ahead(self.state)
        return self._tick.forecast(self.state, self._ahead, rows)

    def run(self, series: ArrayLike, horizons: Iterable[int] = (1,)) -> Trace:
        """Update with every row of a series [ticks, channels]; keep forecasts of `horizons`."""
        rows, longest = numbers("run", series), self.sizes.horizon
        leads = tuple(whole("run: horizons", lead, 1, longest) for lead in horizons)
        if rows.ndim != 2 or rows.shape[1] != self.sizes.channels:
            raise UserError(
                f"run: found a series of shape {rows.shape}; expected [ticks, "
                f"{self.sizes.channels}]"
            )
        steps = []
        kind = np.float32 if self.arithmetic == "float32" else np.float64
        forecasts = np.empty((len(rows), len(leads), self.sizes.channels), kind)
        for tick, row in enumerate(rows):
            steps.append(self.update(row))
            ahead = self.forecast_of(self.ticks, max(leads)) if leads else None
            for place, lead in enumerate(leads):
                assert ahead is not None
                forecasts[tick, place] = ahead[lead - 1]
        return Trace(
            forecasts,
            np.array([step.anomaly for step in steps]),
            np.array([step.is_flagged for step in steps], bool),
            np.array([step.regime for step in steps], np.int64),
            np.array([step.is_new for step in steps], bool),
            np.array([step.drift for step in steps], bool),
        )

    def learn_one(self, x: Mapping[Name, float], y: object = None) -> StreamModel:
        """As `river` has it: learn from a sample by channel name.

        Args:
            x: The first one names all channels; what a later one leaves out is missing.
            y: Not used.

        Raises:
            UserError: If there is a name that the first sample had not, or no number.
        """
        del y
        known = self._names
        if not isinstance(x, Mapping):
            raise UserError(f"learn_one: found {type(x).__name__}; expected numbers by name")
        if known is None:
            known = names("learn_one", x, self.sizes.channels)
        if not set(x) <= set(known):
            raise UserError(
                f"learn_one: found the names {list(x)}; expected those of the first sample, {known}"
            )
        self.update([x.get(name, float("nan")) for name in known])
        self._names = known
        return self

    def predict_one(
        self, x: Mapping[Name, float] | None = None, horizon: int = 1
    ) -> dict[Name, float]:
        """As `river` has it: the forecast `horizon` ticks ahead, by channel name."""
        del x
        lead = whole("predict_one: horizon", horizon, 1, self.sizes.horizon)
        row = self.forecast_of(self.ticks, lead)[-1]
        known = self._names or [str(channel) for channel in range(self.sizes.channels)]
        return {name: float(value) for name, value in zip(known, row, strict=True)}

    @property
    def _extra(self) -> dict[str, object]:
        """What a checkpoint tells besides sizes and state."""
        return {
            "false_alarm_rate": self.false_alarm_rate,
            "seed": self.seed,
            "names": self._names,
            "arithmetic": self.arithmetic,
            "resolution": self.resolution,
        }

    def save(self) -> bytes:
        """All of it, as a checkpoint that `restore` reads."""
        return write_checkpoint(self.state, self.sizes, self._extra, self.dialect.members)

    def emit(self, name: str = "learner", alarms: Alarms | None = None) -> dict[str, str]:
        """The C of a learner of these sizes and settings, by file name; it starts from nothing.

        On the device it restores what `save` of this model gives, and the other way round.

        Args:
            name: Prefix of files, functions and macros.
            alarms: Whose C is wanted too, in files of its own.

        Raises:
            UserError: If the name is none that C takes, or the alarms are not for this learner.
        """
        dialect, rate = self.dialect, self.false_alarm_rate
        head = checkpoint_head(self.sizes, self._extra, dialect.members)
        files = emit_learner(
            dialect, self.sizes, rate, head, wrap_back(self.sizes), name=name, version=VERSION
        )
        if alarms is None:
            return files
        alarms.check_watches(self.sizes, self._steps)
        theirs = emit_alarms(dialect, alarms.sizes, alarms.head, name=name, version=VERSION)
        return files | theirs

    @property
    def _steps(self) -> float | None:
        """The resolution, where samples are whole steps."""
        return self.resolution if self.arithmetic == "fixed" else None

    @classmethod
    def restore(cls, data: bytes) -> StreamModel:
        """The model that was saved: the same bits from then on.

        Raises:
            UserError: If `data` is not a whole checkpoint of a state that a learner can have.
        """
        found = read_checkpoint(data)
        said, model = found.extra, cls.__new__(cls)
        model.sizes = found.sizes
        try:
            model._begin(*(said.get(key) for key in _BEGUN_WITH))
        except UserError as error:
            raise UserError(f"checkpoint: {error}; save the model again") from None
        known = said.get("names")
        if known is not None:
            listed = known if isinstance(known, list) else ()
            model._names = names("checkpoint", listed, model.sizes.channels)
        if len(found.body) != model.ram_bytes:
            raise UserError("checkpoint: its state is not of its sizes; save the model again")
        fill_from_bytes(model.state, found.body, model.sizes, model.dialect.members)
        model._numbers.check(model.state)
        return model

    def drift_from(self, checkpoint: bytes) -> Drift:
        """How far this learner has moved from a checkpoint of the same sizes.

        Raises:
            UserError: If the checkpoint is not of this learner's sizes.
        """
        other = self.restore(checkpoint)
        ours, theirs = (
            (model.sizes, model.arithmetic, model.resolution) for model in (self, other)
        )
        if ours != theirs:
            raise UserError("drift_from: the checkpoint is of a learner of other sizes")
        scales = self._numbers.scales
        return drift_between(self.state, other.state, scales(self.state), scales(other.state))
