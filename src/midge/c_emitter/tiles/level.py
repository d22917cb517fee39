"""One shift for all channels of a layer whose factors differ, for a few bits of the multipliers.

A sum's factor is ``multiplier * 2**(-31 - n)``, and channels differ in n. Where lifts cannot make
up for it (`rescale.py`), a multiplier that is d bits shorter does::

    smmla  r, sum, multiplier >> d, addend
    ssat   r, #8, r, asr #(n + lift - 1 - d)

What is cut off matters only where the output steps up. From sum to int8 there are at most 255
steps, so each is looked at: step q begins at the sum T(q), and the line must be at or above q at
T(q) and below q at T(q) - 1. That leaves an interval for the addend; multipliers beside the
shortened one are tried until no interval is empty. So it saves the shift of each channel, an
instruction and a word, and is exact.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from midge.c_emitter.tiles.rescale import Form, Int64Array, Rescale, Sums
from midge.c_emitter.tiles.staircase import Steps, steps_of

_NUDGES = (0, 1, -1, 2, -2, 3, -3, 5, -5, 8, -8)
_LARGEST_ADDEND = (1 << 30) - 1
"""With a product's upper word, below 2**30, it stays within int32."""


def level(sums: Sums, rescale: Rescale, shifts: tuple[int, ...] = ()) -> Rescale:
    """The same with one shift for all channels, if there is one; else as it was.

    Args:
        sums: Of the layer.
        rescale: From `plan_rescale` for these sums.
        shifts: Which are tried first, so that layers that differ share a tile's function.

    Returns:
        A rescale with the same lifts.
    """
    least = int(rescale.shifts.min())
    wanted = [s for s in shifts if s <= least]
    if rescale.form is not Form.PLAIN or (rescale.uniform and not wanted):
        return rescale
    steps = steps_of(sums, sums.least, sums.greatest)
    if steps is None:
        return rescale
    for shift in dict.fromkeys((*wanted, least)):
        if rescale.uniform and shift == least:
            break
        found = _lines(sums, rescale, steps, shift)
        if found is not None:
            multiplier, addend = found
            return replace(
                rescale,
                multiplier=multiplier,
                addend=addend,
                shifts=np.full_like(rescale.shifts, shift),
                uniform=True,
            )
    return rescale


def _lines(
    sums: Sums, rescale: Rescale, steps: Steps, shift: int
) -> tuple[Int64Array, Int64Array] | None:
    """Multipliers and addends, int64 [channels], that climb every step; None if there are none."""
    cut = rescale.shifts - shift
    exact = np.where(
        cut > 0, ((rescale.multiplier >> np.maximum(cut - 1, 0)) + 1) >> 1, rescale.multiplier
    )
    multiplier, addend = exact.copy(), rescale.addend.copy()
    open_channels = np.flatnonzero(cut > 0)
    for nudge in _NUDGES:
        if not open_channels.size:
            return multiplier, addend
        tried = exact[open_channels] + nudge
        low, high = _addends(sums, rescale, steps, shift, tried, open_channels)
        fits = (low <= high) & (tried >= 0)
        chosen = open_channels[fits]
        multiplier[chosen] = tried[fits]
        addend[chosen] = ((low + high) >> 1)[fits]
        open_channels = open_channels[~fits]
    return None if open_channels.size else (multiplier, addend)


def _addends(
    sums: Sums,
    rescale: Rescale,
    steps: Steps,
    shift: int,
    multiplier: Int64Array,
    chosen: Int64Array,
) -> tuple[Int64Array, Int64Array]:
    """The least and the greatest addend with which the line climbs every step."""
    lift = rescale.lift[chosen]

    def high_word(values: Int64Array) -> Int64Array:
        return ((values << lift) * multiplier) >> 32

    begins, reached = steps.begins[:, chosen], steps.reached[:, chosen]
    inner = np.where(reached, begins, 0)
    target = steps.outputs << shift
    low = np.where(reached, target - high_word(inner), -_LARGEST_ADDEND).max(
        axis=0, initial=-_LARGEST_ADDEND
    )
    high = np.where(reached, target - 1 - high_word(inner - 1), _LARGEST_ADDEND).min(
        axis=0, initial=_LARGEST_ADDEND
    )
    # Outputs at both ends hold unless a clamp sees to it.
    first, last = steps.first[chosen], steps.last[chosen]
    at_least = (first << shift) - high_word(sums.least[chosen])
    at_most = ((last + 1) << shift) - 1 - high_word(sums.greatest[chosen])
    low = np.where(first > sums.low, np.maximum(low, at_least), low)
    high = np.where(last < sums.high, np.minimum(high, at_most), high)
    return low, high
