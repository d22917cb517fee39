"""Who is believed: each unit by its recent squared error, for every channel and anchor.

The weight of a unit is ``1 / error^2`` of its mean squared error (`judging.py`), to a constant; a
mean of all units is hard to beat (they err in different directions), and this stays near it until
one is clearly better. Between anchors weights are interpolated, and so is what the direct unit and
persistence forecast; but they take over how the season's forecast bends away from a straight line
there. Where anchors lie a season apart, as they often do, those two look right at each and know
nothing of the night between two noons.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.settings import DIRECT, PERSISTENCE, REGIME, SEASON, Places, Sizes
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


def mixed(sizes: Sizes, shares: Float32s, forecasts: Float32s, leads: int) -> Float32s:
    """[leads, channels]: the first leads, by weights.

    Beyond the first anchor direct and persistence, each in a straight line times a share that goes
    straight, are one curve of the way between anchors, less the line under the season's path, which
    takes their share as well.

    Args:
        sizes: Dimensions of the state.
        shares: [anchors, units, channels].
        forecasts: [leads, units, channels] of leads from 1 on, to `sizes.reach(leads)` or further.
        leads: How many to mix.
    """
    before, after = sizes.mix_anchors
    part = sizes.mix_places[1][:leads, None]
    share = shares[before[:leads]]
    gain = shares[after[:leads]] - share
    bent = np.arange(sizes.anchors[0], leads)
    curves = _curves(sizes, share[bent], gain[bent], forecasts, bent)
    for part_of in (share, gain):
        part_of[bent, SEASON] += part_of[bent, DIRECT] + part_of[bent, PERSISTENCE]
    terms = (share + part[:, None] * gain) * forecasts[:leads]
    # Adding -0.0 leaves every number as it is; 0.0 would change the sign of another -0.0.
    terms[bent, DIRECT] = -0.0
    terms[bent, PERSISTENCE] = curves
    out: Float32s = np.add.accumulate(terms, axis=1)[:, -1]
    return out


def _curves(
    sizes: Sizes, share: Float32s, gain: Float32s, forecasts: Float32s, rows: Places
) -> Float32s:
    """[rows, channels]: direct and persistence, less the season's line, of these leads less 1.

    Args:
        sizes: Dimensions of the state.
        share: [rows, units, channels], at the anchor before.
        gain: The same, from there to the next.
        forecasts: [leads, units, channels].
        rows: Beyond the first anchor.
    """
    before, after = (anchors[rows] for anchors in sizes.mix_rows)
    part = sizes.mix_places[1][rows, None]
    path, direct = forecasts[:, SEASON], forecasts[:, DIRECT]
    slope = path[after] - path[before]
    above, last = direct[before] - path[before], forecasts[0, PERSISTENCE] - path[before]
    rise = (direct[after] - direct[before]) - slope
    a, b = share[:, DIRECT], gain[:, DIRECT]
    c, d = share[:, PERSISTENCE], gain[:, PERSISTENCE]
    start = a * above + c * last
    grows = (b * above + a * rise) + (d * last - c * slope)
    bends = b * rise - d * slope
    out: Float32s = start + part * (grows + part * bends)
    return out
