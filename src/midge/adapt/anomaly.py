"""How unusual a tick is: the tail probability of its one-step error, calibrated on the stream.

A tick's surprise is its largest error over channels, each in units of that channel's mean absolute
error. A histogram over logarithmic bins follows the surprise; the share of ticks above is the tail
probability. Beyond the last two percent the share is taken to fall by a constant factor a bin, a
power law whose exponent is estimated there (Hill's estimator in bins): so probabilities far below
one over the ticks seen are told, and a target rate of false alarms holds from early on. A guess,
that it halves at each bin, counts as a tick there, so that it is soon nothing beside what was seen.
Inside a bin the share falls as a parabola does, steeper at first: a line would tell light tails,
which fall tenfold in a bin, several times too much.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.settings import TAIL_BINS
from midge.adapt.state import TICKS, State

Float32s = NDArray[np.float32]
Mask = NDArray[np.bool_]

EDGES = np.array([2 ** (bin_ / 3 - 3) for bin_ in range(TAIL_BINS)], np.float32)
"""Lower edges of the bins; the first reaches down to 0, the last up to anything."""

SLOWEST = np.float32(1 / 8192)
TAIL = np.float32(0.02)
MOST_GUESSED = np.float32(0.25) * TAIL
"""Share of ticks that a guess of the tail counts as, at most."""
GUESS = np.float32(1)
"""Ticks that it counts as."""
RESIDUAL_RATE = np.float32(0.01)
CLIP_AFTER = 20
"""Ticks after which an error counts for at most four mean errors in the mean error."""
_TINY = np.float32(1e-6)
_HITS = np.eye(TAIL_BINS, dtype=np.float32)


def surprise_of(state: State, sample: Float32s, known: Mask) -> np.float32:
    """The surprise of a sample, in mean errors; the mean errors are followed.

    Args:
        state: `residual` is changed.
        sample: [channels], in units of the channel.
        known: Channels that were seen.
    """
    ticks = int(state.counters[TICKS])
    errors = np.abs(sample - state.expected)
    relative = np.where(known, errors / (state.residual + _TINY), np.float32(0))
    rate = max(np.float32(1) / np.float32(ticks + 1), RESIDUAL_RATE)
    counted = errors
    if ticks > CLIP_AFTER:
        counted = np.minimum(errors, np.float32(4) * state.residual)
    followed = state.residual + rate * (counted - state.residual)
    state.residual[:] = np.where(known, followed, state.residual)
    return np.float32(relative.max())


def probability_of(state: State, surprise: np.float32) -> np.float32:
    """The share of ticks that are expected to surprise as much; the histogram is followed."""
    bin_ = max(int(np.searchsorted(EDGES, surprise, side="right")) - 1, 0)
    place = _place(bin_, surprise)
    bent = place * (np.float32(1.75) - np.float32(0.75) * place)
    return rank(state.tail, int(state.counters[TICKS]), bin_, bent, GUESS)


def _place(bin_: int, surprise: np.float32) -> np.float32:
    """Where in its bin a surprise lies, 0 to 1."""
    low = EDGES[bin_] if bin_ else np.float32(0)
    high = EDGES[bin_ + 1] if bin_ + 1 < TAIL_BINS else np.float32(2) * low
    return min((surprise - low) / (high - low), np.float32(1))


def rank(tail: Float32s, count: int, bin_: int, place: np.float32, guess: np.float32) -> np.float32:
    """The share of numbers that are expected to be as large as one; then it counts among them.

    Args:
        tail: [TAIL_BINS], the share of numbers in each bin; changed.
        count: Numbers before.
        bin_: The number's bin.
        place: Where in it, 0 to 1; in a line with the share from there on.
        guess: Numbers that the guess of the tail counts as.
    """
    floor = np.float32(0.125) / np.float32(count + 1)
    rate = max(np.float32(1) / np.float32(count + 1), SLOWEST)
    out = _tail_probability(tail, bin_, place, min(guess * rate, MOST_GUESSED))
    tail += rate * (_HITS[bin_] - tail)
    return min(max(out, floor), np.float32(1))


def _tail_probability(
    tail: Float32s, bin_: int, place: np.float32, guessed: np.float32
) -> np.float32:
    above = np.add.accumulate(tail[::-1])[::-1]
    far = int(np.count_nonzero(above > TAIL))
    if bin_ < far:
        higher = above[bin_ + 1] if bin_ + 1 < TAIL_BINS else np.float32(0)
        return np.float32(higher + tail[bin_] * (np.float32(1) - place))
    beyond = np.arange(TAIL_BINS - far, dtype=np.float32)
    moment = np.add.accumulate(tail[far:] * beyond)[-1] + guessed
    mass = above[far] + guessed
    fall = moment / (moment + mass)
    out = max(above[far], guessed)
    for _ in range(bin_ - far):
        out = out * fall
    return np.float32(out * (np.float32(1) - (np.float32(1) - fall) * place))
