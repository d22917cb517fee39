"""How unusual a tick is, as `midge.adapt.anomaly` tells it.

Shares of ticks are Q29, surprises Q16, mean errors Q24.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from midge.adapt.anomaly import CLIP_AFTER
from midge.adapt.fixed.arithmetic import (
    LIMIT,
    Int64s,
    dither,
    product,
    quotient,
    rate,
    ratio,
    towards,
    wide,
)
from midge.adapt.fixed.constants import EDGES, GUESS, RESIDUAL_RATE, TAIL, TAIL_SLOWEST
from midge.adapt.fixed.state import CERTAIN, FixedState
from midge.adapt.settings import TAIL_BINS
from midge.adapt.state import TICKS

Mask = NDArray[np.bool_]

_WHOLE = 1 << 24
_MOST_GUESSED = TAIL // 4


def surprise_of(state: FixedState, sample: Int64s, known: Mask) -> int:
    """The surprise of a sample, in mean errors; the mean errors are followed.

    Args:
        state: `residual` is changed.
        sample: [channels], in units of the channel.
        known: Channels that were seen.
    """
    ticks = int(state.counters[TICKS])
    errors = np.abs(sample - state.expected)
    residual = wide(state.residual)
    relative = np.where(known, quotient(errors, residual + 16, 20), 0)
    counted = np.minimum(errors, LIMIT // 16) * 16
    if ticks > CLIP_AFTER:
        counted = np.minimum(counted, np.minimum(residual, LIMIT // 4) * 4)
    speed = rate(ticks + 1, RESIDUAL_RATE)
    followed = towards(residual, counted, speed, dither(ticks))
    state.residual[:] = np.where(known, followed, residual)
    return int(relative.max())


def probability_of(state: FixedState, surprise: int) -> int:
    """The share of ticks that are expected to surprise as much; the histogram is followed."""
    ticks = int(state.counters[TICKS])
    bin_ = max(bisect_right(EDGES, surprise) - 1, 0)
    speed = rate(ticks + 1, TAIL_SLOWEST)
    guessed = min(GUESS * (speed >> 2), _MOST_GUESSED)
    place = _place(bin_, surprise)
    bent = product(place, 7 * _WHOLE - 3 * place >> 2, 24)
    out = _tail_probability([int(share) for share in state.tail], bin_, bent, guessed)
    hit = np.zeros(TAIL_BINS, np.int64)
    hit[bin_] = CERTAIN
    state.tail[:] = towards(wide(state.tail), hit, speed, dither(ticks))
    return min(max(out, CERTAIN // 8 // (ticks + 1)), CERTAIN)


def _tail_probability(tail: list[int], bin_: int, place: int, guessed: int) -> int:
    above, total, higher, far = 0, 0, 0, TAIL_BINS
    for one in range(TAIL_BINS - 1, -1, -1):
        higher = total if one == bin_ else higher
        total = min(total + tail[one], CERTAIN)
        if total <= TAIL:
            far, above = one, total
    if bin_ < far:
        return higher + product(tail[bin_], _WHOLE - place, 24)
    moment = guessed + sum(share * beyond for beyond, share in enumerate(tail[far:]))
    fall = ratio(moment, moment + above + guessed, 24)
    out = max(above, guessed)
    for _ in range(bin_ - far):
        out = product(out, fall, 24)
    return out - product(out, product(_WHOLE - fall, place, 24), 24)


def _place(bin_: int, surprise: int) -> int:
    """Where in its bin a surprise lies, 0 to 1, Q24."""
    low = EDGES[bin_] if bin_ else 0
    high = EDGES[bin_ + 1] if bin_ + 1 < TAIL_BINS else 2 * low
    return min(ratio(surprise - low, high - low, 24), _WHOLE)
