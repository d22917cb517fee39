"""Rhythms of atrial fibrillation, made up, so that unrest is learnt to explain early beats away.

In atrial fibrillation every interval is as long as it likes: early beats are the rule, and N. DS1
has three patients with it, so a fold may have one or none. Training therefore gives some N beats
the rhythm of a made-up fibrillation: independent log-normal intervals, whose spread is 0.10 to 0.28
of their mean. On five folds of DS1's patients it took the average precision of S from 0.48 to 0.53.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from midge.recipes.ecg.networks import FEATURES, INPUT_CODES

RHYTHMS = 100
BEATS = 120
"""Of each rhythm; the first `_SETTLING` are not used."""
_SETTLING = 40
_RATE_HZ = 180.0
COLUMNS = tuple(
    FEATURES.index(name)
    for name in (
        "rr_before_to_local",
        "rr_after_to_local",
        "rr_before_to_long",
        "rr_previous_to_local",
        "rr_before_to_after",
        "rr_local_to_long",
        "rr_unrest",
    )
)
"""Of the features: those that tell of the rhythm."""

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


def fibrillation_features(seed: int) -> Float32Array:
    """Features of beats in fibrillation.

    Args:
        seed: Of the intervals.

    Returns:
        float32 [RHYTHMS * (BEATS - settling - 1), len(COLUMNS)], values of codes, in the order of
        `COLUMNS`.
    """
    random = np.random.default_rng(seed)
    mean = random.uniform(0.5, 1.1, (RHYTHMS, 1)) * _RATE_HZ
    spread = random.uniform(0.10, 0.28, (RHYTHMS, 1))
    factor = np.exp(spread * random.standard_normal((RHYTHMS, BEATS)))
    intervals = np.rint(mean * np.clip(factor, 0.45, 2.0))
    rows = []
    long_mean, unrest = mean[:, 0].copy(), np.zeros(RHYTHMS)
    for beat in range(8, BEATS - 1):
        before, after = intervals[:, beat], intervals[:, beat + 1]
        previous = intervals[:, beat - 1]
        local = np.median(intervals[:, beat - 8 : beat], axis=1)
        if beat >= _SETTLING:
            above = (before, after, before, previous, before, local)
            below = (local, local, long_mean, local, after, long_mean)
            ratios = [_ratio_code(a / b) for a, b in zip(above, below, strict=True)]
            rows.append(np.stack([*ratios, _code(256 * unrest / local)], axis=1))
        # As the chain keeps them: 1/16 and 1/32 of what is new.
        unrest += (np.minimum(np.abs(before - previous), local) - unrest) / 16
        long_mean += (before - long_mean) / 32
    scale = np.float32(INPUT_CODES["features"][0])
    return (np.concatenate(rows) * scale).astype(np.float32)


def _ratio_code(ratio: Float64Array) -> Float64Array:
    return _code(64 * (ratio - 1))


def _code(value: Float64Array) -> Float64Array:
    codes: Float64Array = np.clip(np.floor(value), -128, 127)
    return codes
