"""Units of a channel, as `midge.adapt.normalise` has them: an offset in steps and a power of two.

Samples are whole steps. The scale is ``2**exponent`` steps; what is normalised is Q20.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.fixed.arithmetic import (
    LIMIT,
    Int64s,
    dither,
    limited,
    narrow,
    rate,
    rounded,
    towards,
    wide,
)
from midge.adapt.fixed.constants import OUTLIER, SLOWEST
from midge.adapt.fixed.covariance import scale_features, shift_features, shifted
from midge.adapt.fixed.numbers import numbers_of
from midge.adapt.fixed.state import LARGEST_EXPONENT, LEAST_EXPONENT, FixedState
from midge.adapt.normalise import FREE_TICKS
from midge.adapt.settings import Sizes
from midge.adapt.state import KNOWN, TICKS

Mask = NDArray[np.bool_]

_DOUBLED, _HALVED = 4 << 24, 1 << 20
"""Variances, Q24, above and below which a scale changes: 4 and 1/16."""


def normalised(state: FixedState, samples: Int64s) -> Int64s:
    """[..., channels], from steps into units of the channels."""
    apart = samples - state.offset
    up = 20 - wide(state.exponent)
    most = LIMIT >> np.maximum(up, 0)
    left = np.where(np.abs(apart) > most, np.sign(apart) * LIMIT, apart << np.maximum(up, 0))
    out: Int64s = np.where(up >= 0, left, rounded(apart, np.maximum(-up, 1)))
    return out


def in_steps(state: FixedState, values: Int64s) -> Int64s:
    """The inverse, in whole steps."""
    down = 20 - wide(state.exponent)
    coarse, fine = rounded(values, np.maximum(down, 1)), values << np.maximum(-down, 0)
    apart: Int64s = np.where(down > 0, coarse, fine)
    return narrow(apart + state.offset)


def filled_in(state: FixedState) -> Int64s:
    """[channels], what stands for a missing sample: as it was forecast."""
    return in_steps(state, wide(state.expected))


def begin(state: FixedState, sample: Int64s) -> None:
    """The first sample: the past is taken to have been the same."""
    state.offset[:] = sample
    state.ring[:] = sample


def follow(state: FixedState, sizes: Sizes, sample: Int64s) -> None:
    """Take a sample, in steps, into mean and variance, and change units that no longer fit."""
    ticks = int(state.counters[TICKS])
    for channel in range(sizes.channels):
        if ticks < FREE_TICKS:
            _make_room(state, sizes, channel, int(sample[channel]))
        _follow_channel(state, channel, int(normalised(state, sample)[channel]))
        variance, exponent = int(state.variance[channel]), int(state.exponent[channel])
        if variance > _DOUBLED and exponent < LARGEST_EXPONENT:
            _rescale(state, sizes, channel, doubled=True)
        elif variance < _HALVED and exponent > LEAST_EXPONENT:
            _rescale(state, sizes, channel, doubled=False)
        if abs(int(state.mean[channel])) > 1 << 24:
            _recentre(state, sizes, channel)


def _make_room(state: FixedState, sizes: Sizes, channel: int, sample: int) -> None:
    """In the first ticks a scale goes at once to where a deviation is four of it at most."""
    apart = 4 * abs(sample - int(state.offset[channel]))
    while apart > 1 << (int(state.exponent[channel]) + 4):
        _rescale(state, sizes, channel, doubled=True)


def _follow_channel(state: FixedState, channel: int, sample: int) -> None:
    ticks = int(state.counters[TICKS])
    speed = rate(ticks + 1, SLOWEST)
    mean, variance = int(state.mean[channel]), int(state.variance[channel])
    before = _bounded(sample - ((mean + 8) >> 4), OUTLIER)
    mean = limited(mean + ((speed * before + (1 << 26)) >> 27))
    after = _bounded(sample - ((mean + 8) >> 4), OUTLIER)
    square = _bounded(before * after >> 16, LIMIT)
    state.mean[channel] = mean
    state.variance[channel] = max(towards(variance, square, speed, dither(ticks)), 0)


def _bounded(value: int, limit: int) -> int:
    return min(max(value, -limit), limit)


def _rescale(state: FixedState, sizes: Sizes, channel: int, *, doubled: bool) -> None:
    """One channel's scale times 2 or 1/2."""
    prior = numbers_of(sizes.settings).prior
    own = _own_joint(sizes, channel)
    scale_features(state.joint_factor, state.joint_variances, own, doubled, prior)
    output = np.arange(sizes.channels) == channel
    for coefficients in (state.joint, *state.pool[: state.counters[KNOWN]]):
        lags, steps = own[:, None] & ~output, ~own[:, None] & output
        coefficients[:] = np.where(lags, shifted(coefficients, doubled), coefficients)
        coefficients[:] = np.where(steps, shifted(coefficients, not doubled), coefficients)
    for factor, variances, constants in _own_units(state, channel):
        scale_features(factor, variances, _all_lags(variances.shape[1]), doubled, prior)
        constants[0, channel] = shifted(constants[0, channel], not doubled)
    state.exponent[channel] += 1 if doubled else -1
    for array in (state.mean, state.residual, state.expected, state.waiting):
        array[..., channel] = shifted(array[..., channel], not doubled)
    for array in (state.variance, state.fitness):
        values = array[..., channel].astype(np.int64)
        array[..., channel] = (values + 2) >> 2 if doubled else narrow(4 * values)


def _own_units(
    state: FixedState, channel: int
) -> list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]]:
    """Factor, variances and coefficients of every unit that sees one channel, as views."""
    one = slice(channel, channel + 1)
    return [
        (state.fast_factor[one], state.fast_variances[one], state.fast),
        (state.season_factor[one], state.season_variances[one], state.season),
        *(
            (state.direct_factor[place, one], state.direct_variances[place, one], coefficients)
            for place, coefficients in enumerate(state.direct)
        ),
    ]


def _own_joint(sizes: Sizes, channel: int) -> Mask:
    own = np.zeros(sizes.joint_features, bool)
    own[1 + channel :: sizes.channels] = True
    return own


def _all_lags(features: int) -> Mask:
    return np.arange(features) > 0


def _recentre(state: FixedState, sizes: Sizes, channel: int) -> None:
    """One channel's offset moves to its mean, as far as whole steps go."""
    down, level = 20 - int(state.exponent[channel]), (int(state.mean[channel]) + 8) >> 4
    apart = (level + (1 << (down - 1))) >> down if down > 0 else level << -down
    offset = int(state.offset[channel])
    moved = limited(offset + apart) - offset
    if moved == 0:
        return
    shift = moved << down if down > 0 else moved >> -down
    state.offset[channel] = offset + moved
    state.mean[channel] = limited(int(state.mean[channel]) - 16 * shift)
    own = _own_joint(sizes, channel)
    shift_features(state.joint_factor, own, shift)
    for coefficients in (state.joint, *state.pool[: state.counters[KNOWN]]):
        _shift_constant(coefficients, own, shift)
    for factor, variances, coefficients in _own_units(state, channel):
        lags = _all_lags(variances.shape[1])
        shift_features(factor, lags, shift)
        _shift_constant(coefficients[:, channel : channel + 1], lags, shift)
    for array in (state.expected, state.waiting):
        array[..., channel] = narrow(array[..., channel].astype(np.int64) - shift)


def _shift_constant(coefficients: NDArray[np.int32], own: Mask, shift: int) -> None:
    """The constant takes over what features lose; [features, outputs], changed in place."""
    sums = np.sum(wide(coefficients[own]) * shift, axis=0)
    coefficients[0] = narrow(coefficients[0] + rounded(sums, 20))
