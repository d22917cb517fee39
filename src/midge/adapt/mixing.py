"""Who is believed: each unit by its recent squared error, for every channel and anchor.

The weight of a unit is ``1 / error^2`` of its mean squared error (`judging.py`), to a constant; a
mean of all units is hard to beat (they err in different directions), and this stays near it until
one is clearly better. Between anchors weights are interpolated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.settings import DIRECT, REGIME, Sizes
from midge.adapt.state import KNOWN, State

Float32s = NDArray[np.float32]

_TINY = np.float32(1e-9)


def weights(state: State, sizes: Sizes) -> Float32s:
    """[anchors, units, channels]; they sum to 1 over units, to rounding."""
    fitness = np.swapaxes(state.fitness, 0, 1)
    best = fitness.min(axis=1, keepdims=True)
    ratio = (best + _TINY) / (fitness + _TINY)
    shares = ratio * ratio
    shares[: len(sizes.anchors) - sizes.direct_anchors, DIRECT] = 0
    if state.counters[KNOWN] == 0:
        shares[:, REGIME] = 0
    total = np.add.accumulate(shares, axis=1)[:, -1:]
    out: Float32s = shares / total
    return out


def mixed(sizes: Sizes, shares: Float32s, forecasts: Float32s) -> Float32s:
    """[leads, channels]: forecasts [leads, units, channels] of leads from 1 on, by weights."""
    leads = len(forecasts)
    above, part = sizes.mix_places
    above, part = above[:leads], part[:leads, None, None]
    below = shares[np.maximum(above - 1, 0)]
    share = below + part * (shares[above] - below)
    out: Float32s = np.add.accumulate(share * forecasts, axis=1)[:, -1]
    return out
