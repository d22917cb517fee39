"""Who is believed, as `midge.adapt.mixing` has it: squared errors are Q27, shares Q24.

Between anchors a share goes in equal steps to what it is at the next, so that a lead costs an
addition for each; what the steps' rounding leaves is made up behind the anchor. The straight line
from which the season's path bends goes in equal steps as well; what it is taken off from is rounded
by itself, since it is known at the anchor only.
"""

from __future__ import annotations

import numpy as np

from midge.adapt.fixed.arithmetic import LIMIT, Int64s, digits, narrow, quotient, rounded, wide
from midge.adapt.fixed.numbers import mix_parts
from midge.adapt.fixed.state import FixedState
from midge.adapt.settings import DIRECT, PERSISTENCE, REGIME, SEASON, Places, Sizes
from midge.adapt.state import KNOWN


def weights(state: FixedState, sizes: Sizes) -> Int64s:
    """[anchors, units, channels]; they sum to 1 over units, to rounding down."""
    fitness = np.swapaxes(wide(state.fitness), 0, 1)
    left_out = np.zeros(fitness.shape, bool)
    left_out[: len(sizes.anchors) - sizes.direct_anchors, DIRECT] = True
    left_out[:, REGIME] |= bool(state.counters[KNOWN] == 0)
    best = np.where(left_out, LIMIT, fitness).min(axis=1, keepdims=True)
    down = np.maximum(digits(fitness + 1) - 16, 0)
    ratio = np.where(left_out, 0, ((best + 1) >> down << 15) // ((fitness + 1) >> down))
    shares = ratio * ratio >> 2
    total = shares.sum(axis=1, keepdims=True)
    return shares * quotient(np.full_like(total, 1 << 28), total, 24) >> 28


def mixed(sizes: Sizes, shares: Int64s, forecasts: Int64s, leads: int) -> Int64s:
    """[leads, channels]: the first leads of forecasts [leads, units, channels], by weights.

    Forecasts reach to `sizes.reach(leads)` or further.
    """
    share = np.empty((max(leads, sizes.anchors[-1]), *shares.shape[1:]), np.int64)
    share[0] = now = shares[0]
    done = 1
    for lead, at_anchor, part in zip(sizes.anchors, shares, mix_parts(sizes), strict=True):
        if lead > done:
            slope = rounded((at_anchor - now) * part, 31)
            share[done:lead] = now + slope * np.arange(1, lead - done + 1)[:, None, None]
            done, now = lead, share[lead - 1]
    share[done:] = now
    share = share[:leads]
    bent = np.arange(sizes.anchors[0], leads)
    straight = _straight(sizes, share[bent], forecasts, bent)
    share[bent, SEASON] += share[bent, DIRECT] + share[bent, PERSISTENCE]
    share[bent, DIRECT] = 0
    share[bent, PERSISTENCE] = 0
    out = narrow(rounded(np.sum(share * forecasts[:leads], axis=1), 24))
    out[bent] = narrow(out[bent] + straight)
    return out


def _straight(sizes: Sizes, share: Int64s, forecasts: Int64s, rows: Places) -> Int64s:
    """[rows, channels]: direct and persistence, less the season's line, of these leads less 1.

    Args:
        sizes: Dimensions of the state.
        share: [rows, units, channels].
        forecasts: [leads, units, channels].
        rows: Beyond the first anchor.
    """
    before, after = (anchors[rows] for anchors in sizes.mix_rows)
    part = np.array(mix_parts(sizes), np.int64)[sizes.mix_anchors[1][rows]]
    path = forecasts[:, SEASON]
    slope = rounded((path[after] - path[before]) * part[:, None], 31)
    line = path[before] + slope * (rows - before)[:, None]
    direct = narrow(forecasts[rows, DIRECT] - line)
    last = narrow(forecasts[0, PERSISTENCE] - line)
    return rounded(share[:, DIRECT] * direct + share[:, PERSISTENCE] * last, 24)
