"""Streams that switch between dynamical systems and come back to them, with known change points.

Three kinds, so that no single trick is rewarded:

- ``frequencies``: noisy oscillators whose periods alone change; sensors stay as they are.
- ``sensors``: periods, mixing and offsets of the sensors change at once.
- ``limit cycles``: two Van der Pol oscillators whose stiffness, speed and mixing change.

The state runs on through a change. Each regime is visited once in order, then they return in random
order. Everything follows from the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midge.adapt.benchmark.linear import Series

KINDS = ("frequencies", "sensors", "limit cycles")
CHANNELS = 4
REGIMES = 4
SEGMENTS = 20
SEGMENT_TICKS = (250, 450)
NOISE = 0.03
"""Standard deviation of the sensors' noise; channels have about unit variance."""

_PERIODS = (8.0, 40.0)
_STEPS = 4
"""Of the limit cycles' integration, a tick."""

_DAMPING = 0.995
"""What is left of an oscillation a tick later; noise keeps it going."""


@dataclass(frozen=True)
class SwitchingStream:
    """A made-up stream.

    Attributes:
        kind: One of `KINDS`.
        name: Kind and seed.
        series: [ticks, CHANNELS].
        regimes: Which system made each sample.
        changes: First tick of each segment but the first.
        returns: The changes that lead to a regime seen before.
    """

    kind: str
    name: str
    series: Series
    regimes: NDArray[np.int64]
    changes: tuple[int, ...]
    returns: tuple[int, ...]


def make_stream(kind: str, seed: int, segments: int = SEGMENTS) -> SwitchingStream:
    """One stream of a kind."""
    random = np.random.default_rng([KINDS.index(kind), seed])
    order = _order(random, segments)
    ticks = random.integers(*SEGMENT_TICKS, size=segments)
    regimes = np.repeat(order, ticks)
    begins = np.concatenate([[0], np.cumsum(ticks)[:-1]])
    changes = tuple(int(begin) for begin in begins[1:])
    returns = tuple(
        change for index, change in enumerate(changes, 1) if order[index] in order[:index]
    )
    clean = _MAKERS[kind](random, regimes)
    series = clean + NOISE * random.standard_normal(clean.shape)
    return SwitchingStream(kind, f"{kind} {seed}", series, regimes, changes, returns)


def _order(random: np.random.Generator, segments: int) -> NDArray[np.int64]:
    order = list(range(min(REGIMES, segments)))
    while len(order) < segments:
        order.append(int(random.choice([r for r in range(REGIMES) if r != order[-1]])))
    return np.array(order)


def _frequencies(random: np.random.Generator, regimes: NDArray[np.int64]) -> Series:
    mixing = np.repeat(_mixing(random)[None], REGIMES, axis=0)
    return _oscillators(random, regimes, mixing, np.zeros((REGIMES, CHANNELS)))


def _sensors(random: np.random.Generator, regimes: NDArray[np.int64]) -> Series:
    mixing = np.stack([_mixing(random) for _ in range(REGIMES)])
    return _oscillators(random, regimes, mixing, 0.5 * random.standard_normal((REGIMES, CHANNELS)))


def _oscillators(
    random: np.random.Generator, regimes: NDArray[np.int64], mixing: Series, offsets: Series
) -> Series:
    """Two damped rotations driven by noise, seen through `mixing` [regimes, channels, 4]."""
    periods = np.exp(random.uniform(np.log(_PERIODS[0]), np.log(_PERIODS[1]), size=(REGIMES, 2)))
    steps = np.stack([_rotations(2 * np.pi / of_regime) for of_regime in periods])
    drive = np.sqrt(1 - _DAMPING**2)
    state = random.standard_normal(4)
    out = np.empty((len(regimes), CHANNELS))
    for tick, regime in enumerate(regimes):
        state = steps[regime] @ state + drive * random.standard_normal(4)
        out[tick] = offsets[regime] + mixing[regime] @ state
    return out


def _rotations(angles: NDArray[np.float64]) -> Series:
    step = np.zeros((4, 4))
    for index, angle in enumerate(angles):
        cosine, sine = np.cos(angle), np.sin(angle)
        step[2 * index : 2 * index + 2, 2 * index : 2 * index + 2] = [
            [cosine, -sine],
            [sine, cosine],
        ]
    return _DAMPING * step


def _limit_cycles(random: np.random.Generator, regimes: NDArray[np.int64]) -> Series:
    """Two Van der Pol oscillators, integrated by Heun's method in four steps a tick."""
    mixing = np.stack([_mixing(random) for _ in range(REGIMES)])
    stiffness = random.uniform(0.3, 3.0, size=(REGIMES, 2))
    speed = np.exp(random.uniform(np.log(0.15), np.log(0.6), size=(REGIMES, 2)))
    place, slope = random.uniform(-1, 1, 2), random.uniform(-1, 1, 2)
    out = np.empty((len(regimes), CHANNELS))
    for tick, regime in enumerate(regimes):
        for _ in range(_STEPS):
            place, slope = _heun(place, slope, stiffness[regime], speed[regime] / _STEPS)
        out[tick] = mixing[regime] @ np.concatenate([place / 1.4, slope / 1.6])
    return out


def _heun(place: Series, slope: Series, stiffness: Series, step: Series) -> tuple[Series, Series]:
    def bend(x: Series, v: Series) -> Series:
        return stiffness * (1 - x * x) * v - x

    ahead, steeper = place + step * slope, slope + step * bend(place, slope)
    return (
        place + step / 2 * (slope + steeper),
        slope + step / 2 * (bend(place, slope) + bend(ahead, steeper)),
    )


def _mixing(random: np.random.Generator) -> Series:
    """How four state variables are seen by the channels: a random rotation."""
    return np.linalg.qr(random.standard_normal((CHANNELS, 4)))[0]


_MAKERS: dict[str, Callable[[np.random.Generator, NDArray[np.int64]], Series]] = {
    "frequencies": _frequencies,
    "sensors": _sensors,
    "limit cycles": _limit_cycles,
}
