"""What the fixed-point learner keeps between ticks: the float learner's fields, as int32.

A `Format` says for each what an integer of it means and between what it stays. The factors of
covariances stand by columns; in place of a scale there is an exponent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midge.adapt.fixed.arithmetic import LIMIT
from midge.adapt.fixed.numbers import numbers_of
from midge.adapt.settings import COUNTERS, TAIL_BINS, UNITS, Sizes
from midge.adapt.state import CURRENT, LEVEL, PERIOD, SPREAD, Field

Int32s = NDArray[np.int32]

LEAST_EXPONENT, LARGEST_EXPONENT = -4, 30
CERTAIN = 1 << 29
"""A share of ticks of one."""
_COUNT = (1 << 31) - 1


class Format(NamedTuple):
    """What the integers of a field mean.

    Attributes:
        places: Binary places behind the point; None where they are no numbers.
        least, most: Between what they stay.
    """

    places: int | None
    least: int
    most: int


def _signed(places: int) -> Format:
    return Format(places, -LIMIT - 1, LIMIT)


def _positive(places: int) -> Format:
    return Format(places, 0, LIMIT)


FORMATS = {
    "counters": Format(None, -1, _COUNT),
    "offset": _signed(0),
    "exponent": Format(None, LEAST_EXPONENT, LARGEST_EXPONENT),
    "mean": _signed(24),
    "variance": _positive(24),
    "ring": _signed(0),
    **{
        name: form
        for unit in ("joint", "fast", "season", "direct")
        for name, form in (
            (f"{unit}_factor", _signed(24)),
            (f"{unit}_variances", Format(None, 0, LIMIT)),
            (unit, _signed(22)),
        )
    },
    "credit": _positive(16),
    "waiting": _signed(20),
    "fitness": _positive(27),
    "season_errors": _positive(20),
    "residual": _positive(24),
    "expected": _signed(20),
    "repeats": Format(None, 0, 1 << 20),
    "tail": Format(29, 0, CERTAIN),
    "watch": _positive(20),
    "pool": _signed(22),
    "pool_error": _positive(20),
    "pool_level": _positive(20),
    "pool_advantage": _signed(20),
    "pool_id": Format(None, 0, _COUNT),
    "pool_used": Format(None, 0, _COUNT),
}
"""Of every field, in the order of the state. `offset` and `ring` are steps; what is normalised is
in units of 2**exponent steps; `variances` are words of `covariance.py`."""


def formats_of(sizes: Sizes) -> dict[str, Format]:
    """`FORMATS`, with what settings bound."""
    return FORMATS | {"repeats": Format(None, 0, sizes.settings.stuck_ticks)}


@dataclass
class FixedState:
    """The arrays, by the names of `FORMATS`; what they mean is told in `midge.adapt.state`.

    Attributes:
        mean, variance: Of a channel, here in its own units, like all else but `offset` and `ring`.
        waiting: Here in units of the channels, carried over when these change.
    """

    counters: Int32s
    offset: Int32s
    exponent: Int32s
    mean: Int32s
    variance: Int32s
    ring: Int32s
    joint_factor: Int32s
    joint_variances: Int32s
    joint: Int32s
    fast_factor: Int32s
    fast_variances: Int32s
    fast: Int32s
    season_factor: Int32s
    season_variances: Int32s
    season: Int32s
    direct_factor: Int32s
    direct_variances: Int32s
    direct: Int32s
    credit: Int32s
    waiting: Int32s
    fitness: Int32s
    season_errors: Int32s
    residual: Int32s
    expected: Int32s
    repeats: Int32s
    tail: Int32s
    watch: Int32s
    pool: Int32s
    pool_error: Int32s
    pool_level: Int32s
    pool_advantage: Int32s
    pool_id: Int32s
    pool_used: Int32s


def fixed_fields(z: Sizes) -> tuple[Field, ...]:
    """The layout of a state."""
    c, places, a = z.channels, z.regimes, z.direct_anchors
    v, f, s, d = z.joint_features, z.fast_features, z.season_features, z.direct_features
    shapes: dict[str, tuple[int, ...]] = {
        "counters": (COUNTERS,),
        "ring": (z.ring, c),
        "joint_factor": (1, v, v),
        "joint_variances": (1, v),
        "joint": (v, c),
        "fast_factor": (c, f, f),
        "fast_variances": (c, f),
        "fast": (f, c),
        "season_factor": (c, s, s),
        "season_variances": (c, s),
        "season": (s, c),
        "direct_factor": (a, c, d, d),
        "direct_variances": (a, c, d),
        "direct": (a, d, c),
        "credit": (3 + a, c),
        "waiting": (sum(z.pending), len(UNITS) - 1, c),
        "fitness": (len(UNITS), len(z.anchors), c),
        "season_errors": (z.ring,),
        "tail": (TAIL_BINS,),
        "watch": (4,),
        "pool": (places, v, c),
        **{name: (places,) for name in FORMATS if name.startswith("pool_")},
    }
    return tuple(
        Field(name, shapes.get(name, (c,)), packed=name.endswith("_factor"), dtype="<i4")
        for name in FORMATS
    )


def new_fixed_state(sizes: Sizes) -> FixedState:
    """The state before the first sample."""
    numbers = numbers_of(sizes.settings)
    arrays = {field.name: np.zeros(field.shape, np.int32) for field in fixed_fields(sizes)}
    for name in ("joint", "fast", "season", "direct"):
        arrays[f"{name}_variances"][:] = numbers.prior
    arrays["exponent"][:] = LEAST_EXPONENT
    arrays["residual"][:] = 1 << 24
    arrays["credit"][:] = numbers.movement_reserve
    arrays["counters"][[PERIOD, CURRENT]] = sizes.settings.shortest_season, -1
    arrays["watch"][[LEVEL, SPREAD]] = 1 << 20
    return FixedState(**arrays)
