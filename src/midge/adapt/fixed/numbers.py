"""Settings as integers, in the formats of the fixed-point learner."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from midge.adapt.arithmetic import Numbers
from midge.adapt.fixed.arithmetic import LIMIT, q
from midge.adapt.regimes import KNOWN_ALREADY
from midge.adapt.settings import Settings, Sizes
from midge.errors import UserError

MOST_FEATURES = 256
"""So many products are summed without overflow."""


@dataclass(frozen=True)
class Memory:
    """Forgetting of a unit.

    Attributes:
        forget: What a sample's weight is multiplied by each tick, Q31; up to 2**31.
        unforget: Its inverse, Q30.
    """

    forget: int
    unforget: int


def variance_of(value: float) -> int:
    """A variance as a word: 24 digits behind a leading one, and above them an exponent."""
    mantissa, exponent = math.frexp(value)
    whole = round(mantissa * (1 << 25))
    word = (exponent + 28) * (1 << 24) + whole
    return min(max(word, 0), LIMIT)


@lru_cache(maxsize=64)
def numbers_of(s: Settings) -> Numbers:
    """Settings as integers: variances as words, credit Q16, numbers, shares and rates."""
    return Numbers(
        joint=_memory(s.joint_memory),
        fast=_memory(s.fast_memory),
        season=_memory(s.season_memory),
        direct=_memory(s.direct_memory),
        prior=variance_of(s.prior),
        largest_variance=variance_of(s.largest_variance),
        doubt=variance_of(s.doubt),
        movement_rate=max(q(s.movement_rate, 16), 1),
        movement_reserve=q(s.movement_reserve, 16),
        fitness_rate=q(1 - s.fitness_memory, 31),
        change_slack=_positive(s.change_slack, 20),
        change_evidence=q(s.change_evidence, 20),
        recall_advantage=q(s.recall_advantage, 20),
        known_loss=_positive(KNOWN_ALREADY * s.search_ticks, 20),
        recall_ratio=_positive(s.recall_ratio, 24),
        trust=_positive(s.trust, 24),
    )


def _positive(value: float | np.floating[Any], places: int) -> int:
    return min(max(q(value, places), 0), LIMIT)


def _memory(memory: float) -> Memory:
    return Memory(round(memory * (1 << 31)), q(1 / memory, 30))


@lru_cache(maxsize=64)
def mix_parts(sizes: Sizes) -> tuple[int, ...]:
    """What a lead is of the way from the anchor before to each anchor, Q31; 0 for the first."""
    return (0, *_parts(sizes.anchors))


@lru_cache(maxsize=64)
def direct_parts(sizes: Sizes) -> tuple[int, ...]:
    """The same from lead 0 through the direct unit's anchors."""
    return _parts((0, *sizes.anchors[-sizes.direct_anchors :]))


def _parts(leads: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(q(1 / (high - low), 31) for low, high in itertools.pairwise(leads))


def check_fixed(sizes: Sizes) -> None:
    """Raise a `UserError` where integers do not reach."""
    most = max(sizes.joint_features, sizes.season_features)
    if most > MOST_FEATURES:
        raise UserError(
            f"arithmetic: a unit of {most} features does not fit 'fixed', which has room for "
            f"{MOST_FEATURES}; take fewer channels or lags, or 'float32'"
        )
