"""What can be set in a learner, and how it sizes itself into a budget of RAM.

Nothing here depends on data. A `Sizes` says every dimension of the state (`state.py`); the C
learner is generated from the same record.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt.given import real, whole
from midge.errors import UserError

Places = NDArray[np.int64]
Float32s = NDArray[np.float32]

UNITS = ("joint", "fast", "season", "direct", "regime", "persistence")
"""Who forecasts, in the order of every array that has a place for each unit (`units.py`)."""

JOINT, FAST, SEASON, DIRECT, REGIME, PERSISTENCE = range(len(UNITS))

TAIL_BINS = 48
COUNTERS = 8
MAX_CHANNELS, MAX_HORIZON = 64, 1024

_LONGEST_RING = 512
_LEAST_REGIMES = 3
_RAM_UNITS = {"b": 1, "kb": 1024, "kib": 1024, "mb": 1 << 20, "mib": 1 << 20}


@dataclass(frozen=True)
class Settings:
    """Everything that can be tuned, with what was chosen.

    The defaults were chosen on motion capture, electricity and made-up streams together
    (docs/learner.md); nothing has to be set for a stream of another kind.

    Attributes:
        joint_lags: Lags of the unit that sees all channels; lowered where RAM is short.
        fast_lags, season_lags, direct_lags: Lags of the units that see one channel.
        joint_memory, fast_memory, season_memory, direct_memory: What a sample's weight is
            multiplied by each tick, 0.5 to 1.
        prior: Variance of a coefficient before anything is known, in units of the noise's.
        largest_variance: Bound of a coefficient's variance: what stops windup on a flat stream.
        anchors: Leads at which units are judged, ascending from 1; None halves the horizon down.
        pending: Forecasts of one anchor that wait for their truth at a time.
        fitness_memory: Memory of a unit's squared error, in judgements.
        regimes: Most regimes to remember; None takes what the RAM allows, up to 8.
        shortest_season: Shortest period that is looked for, in ticks.
        change_slack: By what part of its level error must exceed it before evidence of a change
            grows, where errors are those of noise; more where they come in bursts.
        change_evidence: Evidence at which a change is told.
        recall_advantage: A regime is also recalled, at any time, when it has forecast better for so
            long that its summed advantage, in usual errors, is above this.
        recall_ratio: A regime is recalled when its error is below this part of the present one's.
        search_ticks: How long after a change a known regime may still be recalled before a new one
            is opened.
        doubt: Variance that coefficients get back when a change is told.
        trust: Error that a recalled regime is credited with, in parts of the best unit's.
        movement_rate, movement_reserve: How far learning may move the coefficients of one output of
            a unit (sum of absolute changes): in the long run a tick, and at once. Recalls and new
            seasons do not count.
        stuck_ticks: A channel that repeats one value longer is not learned from.
    """

    joint_lags: int = 4
    fast_lags: int = 6
    season_lags: int = 4
    direct_lags: int = 4
    joint_memory: float = 0.998
    fast_memory: float = 0.98
    season_memory: float = 0.998
    direct_memory: float = 0.998
    prior: float = 100.0
    largest_variance: float = 1e6
    anchors: tuple[int, ...] | None = None
    pending: int = 4
    fitness_memory: float = 0.97
    regimes: int | None = None
    shortest_season: int = 8
    change_slack: float = 0.2
    change_evidence: float = 11.0
    recall_advantage: float = 3.0
    recall_ratio: float = 0.6
    search_ticks: int = 32
    doubt: float = 0.1
    trust: float = 0.2
    movement_rate: float = 0.5
    movement_reserve: float = 400.0
    stuck_ticks: int = 16


@dataclass(frozen=True)
class Sizes:
    """Every dimension of a learner's state.

    Attributes:
        channels, horizon: As the user said.
        joint_lags: Lags of the joint unit.
        ring: Samples that are kept; also the longest season plus 2.
        anchors: Leads at which units are judged.
        pending: Forecasts that wait at each anchor.
        regimes: Places in the pool.
        settings: The rest.
    """

    channels: int
    horizon: int
    joint_lags: int
    ring: int
    anchors: tuple[int, ...]
    pending: tuple[int, ...]
    regimes: int
    settings: Settings

    @property
    def joint_features(self) -> int:
        """A constant, then the lags of every channel."""
        return 1 + self.joint_lags * self.channels

    @property
    def fast_features(self) -> int:
        """A constant and lags."""
        return 1 + self.settings.fast_lags

    @property
    def season_features(self) -> int:
        """A constant, lags, and three samples one period before what is forecast."""
        return 1 + self.settings.season_lags + 3

    @property
    def direct_features(self) -> int:
        """A constant and lags."""
        return 1 + self.settings.direct_lags

    @property
    def direct_anchors(self) -> int:
        """The direct unit serves the last anchors only; how many."""
        return min(3, len(self.anchors))

    @property
    def strides(self) -> tuple[int, ...]:
        """A forecast in how many is judged, for each anchor."""
        return tuple(
            -(-lead // slots) for lead, slots in zip(self.anchors, self.pending, strict=True)
        )

    @cached_property
    def mix_places(self) -> tuple[Places, Float32s]:
        """For each lead: the first anchor that reaches it, and the part of the way to there."""
        return _places(self.anchors, self.horizon, first=0)

    @cached_property
    def direct_places(self) -> tuple[Places, Float32s]:
        """The same among lead 0 and the direct unit's anchors, in that order."""
        leads = (0, *self.anchors[-self.direct_anchors :])
        return _places(leads, self.horizon, first=1)

    @cached_property
    def mix_anchors(self) -> tuple[Places, Places]:
        """For each lead the anchors around it; the last is on both sides of what lies beyond."""
        after = self.mix_places[0]
        before = np.where(
            np.arange(self.horizon) < self.anchors[-1], np.maximum(after - 1, 0), after
        )
        return before, after

    @cached_property
    def mix_rows(self) -> tuple[Places, Places]:
        """The same as leads less 1, which are rows of forecasts."""
        rows = np.array(self.anchors) - 1
        before, after = self.mix_anchors
        return rows[before], rows[after]

    def reach(self, leads: int) -> int:
        """How far units go so that these leads can be mixed: to the end of the way to an anchor."""
        return next((anchor for anchor in self.anchors if anchor >= leads), leads)

    @property
    def longest_season(self) -> int:
        """In ticks."""
        return self.ring - 2


Cost = Callable[[Sizes], int]


def _places(ends: tuple[int, ...], horizon: int, first: int) -> tuple[Places, Float32s]:
    """[horizon] each: where a lead lies among ends; from place `first` on."""
    above = np.empty(horizon, np.int64)
    part = np.ones(horizon, np.float32)
    for lead in range(1, horizon + 1):
        place = next((i for i, end in enumerate(ends) if end >= lead), len(ends) - 1)
        place = above[lead - 1] = max(place, first)
        if place > 0:
            low, high = ends[place - 1], ends[place]
            between = np.float32(lead - low) / np.float32(high - low)
            part[lead - 1] = min(between, np.float32(1))
    return above, part


def ram_bytes_of(ram: str | int) -> int:
    """``8 KB`` or a number of bytes, as bytes.

    Raises:
        UserError: If it is neither.
    """
    text = str(ram) if isinstance(ram, str | Integral) and not isinstance(ram, bool) else ""
    match = re.fullmatch(r"\s*(-?\d{1,18}(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text, re.ASCII)
    factor = _RAM_UNITS.get(match[2].lower() or "b") if match else None
    if match is None or factor is None:
        raise UserError(f"ram: found {ram!r}; expected a number of bytes or, say, '8 KB'")
    return int(float(match[1]) * factor)


def default_anchors(horizon: int) -> tuple[int, ...]:
    """The horizon halved down at most five times, and 1."""
    anchors: list[int] = []
    lead = horizon
    while lead > 1 and len(anchors) < 5:
        anchors.insert(0, lead)
        lead = (lead + 1) // 2
    return (1, *anchors)


def sizes_within(
    channels: int, horizon: int, ram_bytes: int, settings: Settings, cost: Cost
) -> Sizes:
    """The largest learner whose state is at most `ram_bytes`.

    What is given up first: regimes beyond four, then pending forecasts, then lags of the joint
    unit. What is left over lengthens the ring, so that longer seasons are found.

    Args:
        channels: Numbers a sample.
        horizon: Longest lead, in ticks.
        ram_bytes: The budget.
        settings: Wishes.
        cost: Bytes of the state of such sizes (`state.bytes_of`).

    Raises:
        UserError: If the arguments are out of range or the smallest learner does not fit.
    """
    channels, horizon = _checked_reach(channels, horizon)
    settings = checked(settings, horizon)
    smallest = None
    for sizes in _candidates(channels, horizon, settings):
        smallest = cost(sizes)
        if smallest <= ram_bytes:
            spare = ram_bytes - smallest
            a_sample = cost(replace(sizes, ring=sizes.ring + 1)) - smallest
            longer = min(_LONGEST_RING - sizes.ring, spare // a_sample)
            return replace(sizes, ring=sizes.ring + max(0, longer))
    raise UserError(
        f"ram: a learner of {channels} channels and horizon {horizon} needs at least "
        f"{smallest} bytes; found {ram_bytes}. Give it more, or shorten the horizon"
    )


_ANY = 1e30
"""Not bounded by what a learner can hold."""
_WHOLE = {
    **dict.fromkeys(("joint_lags", "fast_lags", "season_lags", "direct_lags"), (1, 32)),
    "pending": (1, 64),
    "shortest_season": (4, 64),
    "search_ticks": (2, 1 << 20),
    "stuck_ticks": (1, 1 << 20),
}
_REAL = {
    **{f"{name}_memory": (0.5, 1) for name in UNITS[: DIRECT + 1]},
    "fitness_memory": (0.5, 0.9999),
    "prior": (1e-3, 1e6),
    "largest_variance": (1e-3, 1e6),
    "doubt": (0, 1e6),
    "movement_rate": (1e-6, 1e3),
    "movement_reserve": (1e-3, 1e4),
    "trust": (1e-3, 1),
    **dict.fromkeys(
        ("change_slack", "change_evidence", "recall_advantage", "recall_ratio"), (0, _ANY)
    ),
}


def checked(settings: Settings, horizon: int) -> Settings:
    """Settings as plain numbers.

    Raises:
        UserError: If one is out of range.
    """
    if not isinstance(settings, Settings):
        raise UserError(f"settings: found {settings!r}; expected midge.adapt.Settings")
    given = vars(settings)
    plain: dict[str, Any] = {name: whole(name, given[name], *ends) for name, ends in _WHOLE.items()}
    plain |= {name: real(name, given[name], *ends) for name, ends in _REAL.items()}
    real("largest_variance", settings.largest_variance, settings.prior, 1e6)
    real("doubt", settings.doubt, 0, settings.prior)
    if settings.regimes is not None:
        plain["regimes"] = whole("regimes", settings.regimes, 2, 64)
    if settings.anchors is not None:
        plain["anchors"] = _checked_anchors(settings.anchors, horizon)
    return Settings(**plain)


def _checked_anchors(anchors: object, horizon: int) -> tuple[int, ...]:
    listed = anchors if isinstance(anchors, tuple | list) else ()
    plain = tuple(whole("anchors", lead, 1, horizon) for lead in listed)
    if plain[:1] != (1,) or any(b <= a for a, b in itertools.pairwise(plain)):
        raise UserError(
            f"anchors: found {anchors!r}; expected leads that rise from 1 to at most {horizon}"
        )
    return plain


def checked_sizes(sizes: Sizes) -> Sizes:
    """Sizes as a file has them, as plain numbers.

    Raises:
        UserError: If `sizes_within` comes to no such learner, whatever the budget.
    """
    channels, horizon = _checked_reach(sizes.channels, sizes.horizon)
    settings = checked(sizes.settings, horizon)
    like = replace(sizes, settings=settings)
    for found in _candidates(channels, horizon, settings):
        if replace(found, ring=sizes.ring) == like:
            longest = max(found.ring, _LONGEST_RING)
            return replace(found, ring=whole("ring", sizes.ring, found.ring, longest))
    raise UserError(f"found the dimensions of no learner: {replace(like, settings=Settings())}")


def _checked_reach(channels: object, horizon: object) -> tuple[int, int]:
    return (
        whole("channels", channels, 1, MAX_CHANNELS),
        whole("horizon", horizon, 1, MAX_HORIZON),
    )


def _candidates(channels: int, horizon: int, settings: Settings) -> Iterator[Sizes]:
    """From rich to poor."""
    anchors = settings.anchors or default_anchors(horizon)
    lags = max(settings.fast_lags, settings.season_lags, settings.joint_lags)
    ring = max(anchors[-1] + settings.direct_lags, settings.shortest_season + lags + 2, lags + 2)
    most = settings.regimes or 8
    least = most if settings.regimes else 4
    for joint_lags in range(settings.joint_lags, 0, -1):
        for slots in range(settings.pending, 0, -1):
            floor = least if slots > 1 or settings.regimes else _LEAST_REGIMES
            for regimes in range(most, floor - 1, -1):
                pending = tuple(min(slots, lead) for lead in anchors)
                yield Sizes(
                    channels, horizon, joint_lags, ring, anchors, pending, regimes, settings
                )
