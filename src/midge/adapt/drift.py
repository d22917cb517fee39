"""How far a learner has moved from what it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midge.adapt.arithmetic import AnyState
from midge.adapt.state import CURRENT, TICKS

Float64s = NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """How far a learner has moved from a checkpoint.

    Attributes:
        ticks: Ticks since.
        coefficients: Distance of the units' coefficients, relative to the checkpoint's length.
        scale: Largest factor between a channel's scales, at least 1.
        regimes_new, regimes_lost: Identities in one pool and not in the other.
    """

    ticks: int
    coefficients: float
    scale: float
    regimes_new: tuple[int, ...]
    regimes_lost: tuple[int, ...]


def drift_between(now: AnyState, then: AnyState, scales: Float64s, before: Float64s) -> Drift:
    """From one state to another of the same sizes, whose channels have these scales [channels]."""
    moved = length = 0.0
    for name in ("joint", "fast", "season", "direct"):
        old = getattr(then, name).astype(np.float64)
        moved += float(np.sum((getattr(now, name) - old) ** 2))
        length += float(np.sum(old**2))
    ratio = scales / before
    here, there = _identities(now), _identities(then)
    return Drift(
        int(now.counters[TICKS]) - int(then.counters[TICKS]),
        float(np.sqrt(moved / max(length, 1e-12))),
        float(np.max(np.maximum(ratio, 1 / ratio))),
        tuple(sorted(here - there)),
        tuple(sorted(there - here)),
    )


def _identities(state: AnyState) -> set[int]:
    known = int(np.count_nonzero(state.pool_used)) if state.counters[CURRENT] >= 0 else 0
    return {int(identity) for identity in state.pool_id[:known]}
