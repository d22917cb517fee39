"""What a learner keeps between ticks: a fixed set of arrays, and their form in bytes.

`fields` is the one description of the layout: order, shape and type of every array, of the twin and
of the C struct alike. Covariance factors are square here and packed triangles in bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midge.adapt import sealed
from midge.adapt.settings import COUNTERS, TAIL_BINS, UNITS, Settings, Sizes, checked_sizes
from midge.errors import UserError

Float32s = NDArray[np.float32]
Int32s = NDArray[np.int32]
Int64s = NDArray[np.intp]

TICKS, POSITION, PERIOD, CURRENT, KNOWN, NEXT_ID, SEARCHING, SINCE = range(COUNTERS)
"""Places in `State.counters`: ticks seen; where the next sample goes in the ring; the season's
period; the present regime's place, or -1; regimes in the pool; the next identity; ticks into a
search for a regime, or 0; ticks since the last change of regime."""

ERROR, LEVEL, EVIDENCE, SPREAD = range(4)
"""Places in `State.watch`: recent error of the joint unit, its usual level, evidence of a change,
and the mean square of an error's distance from the level, in levels."""

TICKS_END = 1 << 30
"""The count of ticks goes back before it gets here."""

_LARGEST = (1 << 31) - 1
_LEAST_SCALE, _LARGEST_SCALE = 2.0**-42, 2.0**64


class Bound(NamedTuple):
    """What the floats of a field are within.

    Of some the margin is wide: what counts is that nothing overflows and that no mean of squares
    is negative.

    Attributes:
        most: Largest magnitude.
        is_signed: Whether they may be negative.
    """

    most: float
    is_signed: bool = False


BOUNDS = {
    **dict.fromkeys(("offset", "mean", "ring"), Bound(2e18, is_signed=True)),
    "scale": Bound(_LARGEST_SCALE),
    "variance": Bound(1e37),
    **{
        name: bound
        for unit in ("joint", "fast", "season", "direct")
        for name, bound in (
            (f"{unit}_upper", Bound(1e4, is_signed=True)),
            (f"{unit}_variances", Bound(1e6)),
            (unit, Bound(1e3, is_signed=True)),
        )
    },
    "credit": Bound(1e4),
    "waiting": Bound(1e24, is_signed=True),
    "fitness": Bound(1e36),
    "season_errors": Bound(1e7),
    "residual": Bound(1e30),
    "expected": Bound(1e5, is_signed=True),
    "tail": Bound(2),
    "watch": Bound(1e6),
    "pool": Bound(1e3, is_signed=True),
    **dict.fromkeys(("pool_error", "pool_level"), Bound(1e6)),
    "pool_advantage": Bound(1e6, is_signed=True),
}
"""Of every field of floats."""

MAGIC = b"MDGL"


@dataclass(frozen=True)
class Field:
    """One array of the state.

    Attributes:
        name: Its attribute of `State`.
        shape: Dimensions.
        packed: Whether the last two dimensions are a triangle without its diagonal: above it, of
            ``<f4``; below it, of ``<i4``.
        dtype: ``<f4`` or ``<i4``.
    """

    name: str
    shape: tuple[int, ...]
    packed: bool = False
    dtype: str = "<f4"

    @property
    def count(self) -> int:
        """Words in bytes' form."""
        if not self.packed:
            return prod(self.shape)
        n = self.shape[-1]
        return prod(self.shape[:-2]) * (n * (n - 1) // 2)

    @property
    def triangle(self) -> tuple[Int64s, Int64s]:
        """Rows and columns of what is packed, in the order of bytes' form."""
        if self.dtype == "<i4":
            return np.tril_indices(self.shape[-1], -1)
        return np.triu_indices(self.shape[-1], 1)


@dataclass
class State:
    """The arrays, by the names and shapes of `fields`. Units are those of `scale` unless said.

    Attributes:
        counters: See above.
        offset, scale: What is subtracted from and divides a channel; scale is a power of two.
        mean, variance: Of a channel, in the user's units.
        ring: Past samples in the user's units; missing ones as they were forecast.
        joint_upper, joint_variances, joint: The joint unit's covariance and coefficients
            [features, channels].
        fast_upper, fast_variances, fast: The same, for each channel.
        season_upper, season_variances, season: The same.
        direct_upper, direct_variances, direct: The same, for each of the last anchors.
        credit: How far coefficients may still move: of joint, fast, season, direct units.
        waiting: Forecasts of the first five units that wait for their truth, user's units.
        fitness: Mean squared error [unit, anchor, channel].
        season_errors: Mean distance to the sample that many ticks before, summed over channels.
        residual: Mean absolute error of the mixed forecast one tick ahead.
        expected: That forecast.
        repeats: For how many ticks a channel has shown one value.
        tail: Share of ticks whose surprise fell into each bin.
        watch: See above; errors are relative to `residual`.
        pool: Coefficients of the regimes.
        pool_error, pool_level: Recent error of each, and its usual one.
        pool_advantage: Evidence that each forecasts better than the joint unit.
        pool_id, pool_used: Identity, and when last used.
    """

    counters: Int32s
    offset: Float32s
    scale: Float32s
    mean: Float32s
    variance: Float32s
    ring: Float32s
    joint_upper: Float32s
    joint_variances: Float32s
    joint: Float32s
    fast_upper: Float32s
    fast_variances: Float32s
    fast: Float32s
    season_upper: Float32s
    season_variances: Float32s
    season: Float32s
    direct_upper: Float32s
    direct_variances: Float32s
    direct: Float32s
    credit: Float32s
    waiting: Float32s
    fitness: Float32s
    season_errors: Float32s
    residual: Float32s
    expected: Float32s
    repeats: Int32s
    tail: Float32s
    watch: Float32s
    pool: Float32s
    pool_error: Float32s
    pool_level: Float32s
    pool_advantage: Float32s
    pool_id: Int32s
    pool_used: Int32s


def fields(z: Sizes) -> tuple[Field, ...]:
    """The layout of a state."""
    c, places, a = z.channels, z.regimes, z.direct_anchors
    v, f, s, d = z.joint_features, z.fast_features, z.season_features, z.direct_features
    return (
        Field("counters", (COUNTERS,), dtype="<i4"),
        Field("offset", (c,)),
        Field("scale", (c,)),
        Field("mean", (c,)),
        Field("variance", (c,)),
        Field("ring", (z.ring, c)),
        Field("joint_upper", (1, v, v), packed=True),
        Field("joint_variances", (1, v)),
        Field("joint", (v, c)),
        Field("fast_upper", (c, f, f), packed=True),
        Field("fast_variances", (c, f)),
        Field("fast", (f, c)),
        Field("season_upper", (c, s, s), packed=True),
        Field("season_variances", (c, s)),
        Field("season", (s, c)),
        Field("direct_upper", (a, c, d, d), packed=True),
        Field("direct_variances", (a, c, d)),
        Field("direct", (a, d, c)),
        Field("credit", (3 + a, c)),
        Field("waiting", (sum(z.pending), len(UNITS) - 1, c)),
        Field("fitness", (len(UNITS), len(z.anchors), c)),
        Field("season_errors", (z.ring,)),
        Field("residual", (c,)),
        Field("expected", (c,)),
        Field("repeats", (c,), dtype="<i4"),
        Field("tail", (TAIL_BINS,)),
        Field("watch", (4,)),
        Field("pool", (places, v, c)),
        Field("pool_error", (places,)),
        Field("pool_level", (places,)),
        Field("pool_advantage", (places,)),
        Field("pool_id", (places,), dtype="<i4"),
        Field("pool_used", (places,), dtype="<i4"),
    )


Layout = Callable[[Any], tuple[Field, ...]]
"""From sizes of some kind."""


def bytes_of(sizes: Any, layout: Layout = fields) -> int:
    """Bytes of a state, in bytes' form and in C."""
    return 4 * sum(field.count for field in layout(sizes))


def new_state(sizes: Sizes) -> State:
    """The state before the first sample."""
    arrays = {field.name: np.zeros(field.shape, field.dtype) for field in fields(sizes)}
    prior = np.float32(sizes.settings.prior)
    for name in ("joint", "fast", "season", "direct"):
        arrays[f"{name}_variances"][:] = prior
    arrays["scale"][:] = 1
    arrays["residual"][:] = 1
    arrays["credit"][:] = np.float32(sizes.settings.movement_reserve)
    arrays["counters"][[PERIOD, CURRENT]] = sizes.settings.shortest_season, -1
    arrays["watch"][LEVEL] = 1
    arrays["watch"][SPREAD] = 1
    return State(**arrays)


def to_bytes(state: object, sizes: Any, layout: Layout = fields) -> bytes:
    """Arrays in the order of the layout, little-endian, triangles packed by rows."""
    parts = []
    for field in layout(sizes):
        array = getattr(state, field.name)
        if field.packed:
            array = array[..., *field.triangle]
        parts.append(np.ascontiguousarray(array, field.dtype).tobytes())
    return b"".join(parts)


def fill_from_bytes(state: object, data: bytes, sizes: Any, layout: Layout = fields) -> None:
    """The inverse of `to_bytes`, into a state's arrays."""
    at = 0
    for field in layout(sizes):
        flat = np.frombuffer(data, field.dtype, field.count, at)
        at += 4 * field.count
        array = getattr(state, field.name)
        if field.packed:
            array[:] = 0
            array[..., *field.triangle] = flat.reshape(*field.shape[:-2], -1)
        else:
            array[:] = flat.reshape(field.shape)


def check_sound(state: State, sizes: Sizes) -> None:
    """Refuse numbers that no learner can have; the C asks the same before it goes on.

    Args:
        state: As a file has it.
        sizes: Its dimensions.

    Raises:
        UserError: If a counter is out of range, a float beyond `BOUNDS`, or a scale no power of
            two.
    """
    check_counts(state, sizes)
    for name, (most, is_signed) in BOUNDS.items():
        values = getattr(state, name)
        # Written so that NaN is refused.
        if not np.all((np.abs(values) <= np.float32(most)) & (is_signed | (values >= 0))):
            least = -most if is_signed else 0
            raise unsound(f"numbers in '{name}' beyond {least:g} to {most:g}")
    if np.any(np.frexp(state.scale)[0] != 0.5) or np.any(state.scale < _LEAST_SCALE):
        raise unsound(f"scales {state.scale}; expected powers of two, 2^-42 to 2^64")


def check_counts(state: Any, sizes: Sizes) -> None:
    """The part of it that is the same in every arithmetic."""
    s, known = sizes.settings, int(state.counters[KNOWN])
    none = -1 if known == 0 else 0
    ranges = [
        ("ticks", state.counters[TICKS], 0, TICKS_END - 1),
        ("position", state.counters[POSITION], 0, sizes.ring - 1),
        ("period", state.counters[PERIOD], s.shortest_season, sizes.longest_season),
        ("known regimes", state.counters[KNOWN], 0, sizes.regimes),
        ("present regime", state.counters[CURRENT], none, known - 1),
        ("next identity", state.counters[NEXT_ID], 0, _LARGEST),
        ("ticks of the search", state.counters[SEARCHING], 0, s.search_ticks),
        ("ticks of the regime", state.counters[SINCE], 0, _LARGEST),
        ("repeats", state.repeats, 0, s.stuck_ticks),
        ("identities", state.pool_id, 0, _LARGEST),
        ("last uses", state.pool_used, 0, _LARGEST),
    ]
    for name, values, low, high in ranges:
        if np.any(values < low) or np.any(values > high):
            raise unsound(f"{name} {values}; expected {low} to {high}")


def unsound(found: str) -> UserError:
    """What a state is refused with."""
    return UserError(
        f"checkpoint: found {found}; no learner comes to such a state; save the model again"
    )


def checkpoint_head(sizes: Sizes, extra: dict[str, object], layout: Layout = fields) -> bytes:
    """What stands in a checkpoint before the state: header, then sizes and settings as JSON."""
    return sealed.head(MAGIC, asdict(sizes) | {"extra": extra}, bytes_of(sizes, layout))


def write_checkpoint(
    state: object, sizes: Sizes, extra: dict[str, object], layout: Layout = fields
) -> bytes:
    """A file that holds its own sizes: head, state, checksum."""
    body = to_bytes(state, sizes, layout)
    return sealed.seal(checkpoint_head(sizes, extra, layout), body)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        sizes: Dimensions of the state, settings.
        extra: What it tells besides.
        body: The state.
    """

    sizes: Sizes
    extra: dict[str, object]
    body: bytes


def read_checkpoint(data: bytes) -> Checkpoint:
    """The inverse of `write_checkpoint`; what stands in the body is for its layout to read.

    Raises:
        UserError: If the bytes are not a checkpoint, or not a whole one.
    """
    problem = "expected the bytes of StreamModel.save(); save the model again"
    described, body = sealed.unseal(data, MAGIC, problem)
    try:
        sizes, extra = _described(described)
    except (ValueError, KeyError, TypeError, AttributeError, UserError) as error:
        raise sealed.damaged(error, problem) from None
    return Checkpoint(sizes, extra, body)


def _described(described: Any) -> tuple[Sizes, dict[str, object]]:
    """What a checkpoint tells of itself; raises whatever there is to raise where it is no such."""
    extra, settings = dict(described.pop("extra")), described.pop("settings")
    if settings["anchors"] is not None:
        settings["anchors"] = tuple(settings["anchors"])
    for name in ("anchors", "pending"):
        described[name] = tuple(described[name])
    return checked_sizes(Sizes(settings=Settings(**settings), **described)), extra
