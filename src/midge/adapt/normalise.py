"""Units of a channel: an offset and a power of two, exact to change.

Units learn in ``(x - offset) / scale``. Both stand still until mean or spread has left them behind;
then covariances and coefficients are carried over to the new unit, so that nothing learned is lost
or bent: exactly for a scale, which is a power of two, and to rounding for an offset. A running mean
and spread in their place would change the meaning of every coefficient at every tick, worst while
the first samples come in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.covariance import scale_features, shift_features
from midge.adapt.settings import Sizes
from midge.adapt.state import KNOWN, TICKS, State

Float32s = NDArray[np.float32]

LARGEST_INPUT = np.float32(1e18)
"""A larger number is taken as missing."""
LARGEST_NORMALISED = np.float32(1e4)
LARGEST_COEFFICIENT = np.float32(1e3)
SLOWEST = np.float32(0.0005)
"""Least rate of mean and variance: they forget over 2,000 ticks."""
OUTLIER = np.float32(8)
"""A deviation counts for at most so many scales, after `SETTLING` ticks."""
SETTLING = 32
FREE_TICKS = 4
"""For so long the scale goes straight to where it belongs; later it moves one doubling a tick.
Nothing is learned before."""


def normalised(state: State, samples: Float32s) -> Float32s:
    """[..., channels], from the user's units into those of the channels."""
    units = (samples - state.offset) / state.scale
    out: Float32s = np.minimum(np.maximum(units, -LARGEST_NORMALISED), LARGEST_NORMALISED)
    return out


def in_user_units(state: State, values: Float32s) -> Float32s:
    """The inverse, without the bound."""
    out: Float32s = state.offset + state.scale * values
    return out


def filled_in(state: State) -> Float32s:
    """[channels], what stands for a missing sample: as it was forecast, within what is a number."""
    expected = in_user_units(state, state.expected)
    out: Float32s = np.minimum(np.maximum(expected, -LARGEST_INPUT), LARGEST_INPUT)
    return out


def begin(state: State, sample: Float32s) -> None:
    """The first sample: the past is taken to have been the same."""
    state.offset[:] = sample
    state.mean[:] = sample
    state.ring[:] = sample
    for channel in range(len(sample)):
        floor = _floor(state.mean)[channel]
        scale = np.float32(1)
        while scale < floor:
            scale *= np.float32(2)
        while scale > np.float32(2) * floor:
            scale *= np.float32(0.5)
        state.scale[channel] = scale


def follow(state: State, sizes: Sizes, sample: Float32s) -> None:
    """Take a sample into mean and variance, and change units that no longer fit."""
    ticks = int(state.counters[TICKS])
    rate = max(np.float32(1) / np.float32(ticks + 1), SLOWEST)
    bound = OUTLIER * state.scale
    before = sample - state.mean
    if ticks > SETTLING:
        before = np.clip(before, -bound, bound)
    state.mean += rate * before
    after = sample - state.mean
    if ticks > SETTLING:
        after = np.clip(after, -bound, bound)
    state.variance += rate * (before * after - state.variance)
    for _ in range(64 if ticks < FREE_TICKS else 1):
        factors = _factors(state)
        if not np.any(factors != 1):
            break
        for channel in np.flatnonzero(factors != 1):
            _rescale(state, sizes, int(channel), factors[channel])
    moved = np.abs(state.mean - state.offset) > state.scale
    for channel in np.flatnonzero(moved):
        _recentre(state, sizes, int(channel))


def _floor(mean: Float32s) -> Float32s:
    """Least scale: what float32 still resolves at that level."""
    return np.float32(1e-6) * np.abs(mean) + np.float32(1e-12)


def _factors(state: State) -> Float32s:
    """By what each scale should be multiplied: 2, 1 or 1/2."""
    square = state.scale * state.scale
    half = np.float32(0.5) * state.scale
    doubled = state.variance > np.float32(4) * square
    halved = (state.variance < np.float32(0.0625) * square) & (half > _floor(state.mean))
    return np.where(doubled, np.float32(2), np.where(halved, np.float32(0.5), np.float32(1)))


def _rescale(state: State, sizes: Sizes, channel: int, factor: np.float32) -> None:
    """One channel's scale times `factor`."""
    inverse = np.float32(1) / factor
    prior = sizes.settings.prior
    joint = np.ones(sizes.joint_features, np.float32)
    joint[1 + channel :: sizes.channels] = factor
    scale_features(state.joint_upper, state.joint_variances, joint, prior)
    for coefficients in (state.joint, *state.pool[: state.counters[KNOWN]]):
        np.multiply(coefficients, joint[:, None], out=coefficients)
        coefficients[:, channel] *= inverse
        _bound(coefficients)
    one = slice(channel, channel + 1)
    for name in ("fast", "season"):
        factors = _own_factors(getattr(state, name).shape[0], factor)
        upper, variances = getattr(state, f"{name}_upper"), getattr(state, f"{name}_variances")
        scale_features(upper[one], variances[one], factors, prior)
        getattr(state, name)[0, channel] *= inverse
        _bound(getattr(state, name))
    factors = _own_factors(sizes.direct_features, factor)
    for place in range(sizes.direct_anchors):
        scale_features(
            state.direct_upper[place, one], state.direct_variances[place, one], factors, prior
        )
    state.direct[:, 0, channel] *= inverse
    _bound(state.direct)
    state.scale[channel] *= factor
    state.residual[channel] *= inverse
    state.expected[channel] *= inverse
    state.fitness[:, :, channel] *= inverse * inverse


def _own_factors(features: int, factor: np.float32) -> Float32s:
    factors = np.full(features, factor, np.float32)
    factors[0] = 1
    return factors


def _recentre(state: State, sizes: Sizes, channel: int) -> None:
    """One channel's offset moves to its mean."""
    shift = (state.mean[channel] - state.offset[channel]) / state.scale[channel]
    joint = np.zeros(sizes.joint_features, np.float32)
    joint[1 + channel :: sizes.channels] = shift
    shift_features(state.joint_upper, joint)
    for coefficients in (state.joint, *state.pool[: state.counters[KNOWN]]):
        _shift_constant(coefficients, joint)
    one = slice(channel, channel + 1)
    for name in ("fast", "season"):
        coefficients = getattr(state, name)
        shifts = _own_shifts(len(coefficients), shift)
        shift_features(getattr(state, f"{name}_upper")[one], shifts)
        _shift_constant(coefficients[:, one], shifts)
    shifts = _own_shifts(sizes.direct_features, shift)
    for place in range(sizes.direct_anchors):
        shift_features(state.direct_upper[place, one], shifts)
        _shift_constant(state.direct[place][:, one], shifts)
    state.expected[channel] -= shift
    state.offset[channel] = state.mean[channel]


def _own_shifts(features: int, shift: np.float32) -> Float32s:
    shifts = np.full(features, shift, np.float32)
    shifts[0] = 0
    return shifts


def _shift_constant(coefficients: Float32s, shifts: Float32s) -> None:
    """The constant takes over what features lose; [features, outputs], changed in place."""
    for index in range(1, len(shifts)):
        coefficients[0] += shifts[index] * coefficients[index]
    _bound(coefficients)


def _bound(coefficients: Float32s) -> None:
    np.clip(coefficients, -LARGEST_COEFFICIENT, LARGEST_COEFFICIENT, out=coefficients)
