"""One tick of every unit's least squares, with bounded movement.

Coefficients may move, summed over a unit's coefficients of one output, by `movement_rate` a tick in
the long run and by `movement_reserve` at once. So spikes, stuck sensors and slow poisoning move a
learner by at most ``reserve + 1000 rate`` in 1,000 ticks, whatever they are, while a real change of
level is still learned: nothing is left out, everything is bounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from midge.adapt.arithmetic import AnyState, Arithmetic, Mask, Values
from midge.adapt.normalise import FREE_TICKS
from midge.adapt.state import PERIOD, TICKS

LARGEST_ERROR = np.float32(8)
"""Of a direct unit, in units of the channel: its leads are long and its errors large."""


def learn(a: Arithmetic, state: AnyState, past: Values, sample: Values, learned: Mask) -> None:
    """Move every unit towards a sample.

    Args:
        a: The learner's numbers.
        state: Changed in place.
        past: [ring, channels] before the sample, in units of the channel, the last first.
        sample: [channels], in units of the channel.
        learned: Channels to learn from.
    """
    if not learned.any() or state.counters[TICKS] < FREE_TICKS:
        return
    n, s, features = a.numbers, a.sizes.settings, a.units.FEATURES
    credit = a.wide(state.credit) + n.movement_rate
    state.credit[:] = np.minimum(credit, n.movement_reserve)
    step = sample - past[0]
    _learn_joint(a, state, features.joint(past, a.sizes.joint_lags), step, learned)
    lags = features.lags(past, s.fast_lags)
    _learn_each(a, state, "fast", lags, step, n.fast, state.credit[1], learned)
    lags = features.season(past, s.season_lags, int(state.counters[PERIOD]))
    _learn_each(a, state, "season", lags, step, n.season, state.credit[2], learned)
    _learn_direct(a, state, past, sample, learned)


def _learn_joint(
    a: Arithmetic, state: AnyState, features: Values, step: Values, learned: Mask
) -> None:
    n, factor = a.numbers, getattr(state, f"joint_{a.factor}")
    errors = a.narrow(step - a.units.joint_steps(state.joint, features))
    gains = a.covariance.gain_and_update(
        factor, state.joint_variances, features[None], n.joint, n.largest_variance
    )
    shared = np.repeat(gains, a.sizes.channels, axis=0)
    a.units.move(state.joint, shared, errors, state.credit[0], learned)


def _learn_each(
    a: Arithmetic,
    state: AnyState,
    unit: str,
    features: Values,
    step: Values,
    memory: Any,
    credit: Values,
    learned: Mask,
) -> None:
    """A unit that sees one channel at a time; features are [features, channels]."""
    coefficients = getattr(state, unit)
    errors = a.narrow(step - a.units.channel_steps(coefficients, features))
    factor, variances = getattr(state, f"{unit}_{a.factor}"), getattr(state, f"{unit}_variances")
    gains = _gains(a, factor, variances, features.T, memory, learned)
    a.units.move(coefficients, gains, errors, credit, learned)


def _learn_direct(
    a: Arithmetic, state: AnyState, past: Values, sample: Values, learned: Mask
) -> None:
    """All anchors that the past reaches at once: their filters do not depend on each other."""
    z, largest, ticks = a.sizes, a.constants.LARGEST_ERROR, int(state.counters[TICKS])
    leads = [lead for lead in z.anchors[-z.direct_anchors :] if lead <= ticks]
    if not leads:
        return
    count, before = len(leads), past[np.subtract(leads, 1)]
    each = [a.units.FEATURES.lags(past, z.settings.direct_lags, ago=lead - 1) for lead in leads]
    features = np.stack(each)
    steps = a.units.channel_steps(state.direct[:count], features)
    errors = np.maximum(np.minimum(a.narrow(sample - before - steps), largest), -largest)
    factor = getattr(state, f"direct_{a.factor}")[:count]
    learns = np.broadcast_to(learned, (count, z.channels))
    seen = np.swapaxes(features, 1, 2)
    gains = _gains(a, factor, state.direct_variances[:count], seen, a.numbers.direct, learns)
    for place in range(count):
        credit = state.credit[3 + place]
        a.units.move(state.direct[place], gains[place], errors[place], credit, learned)


def _gains(
    a: Arithmetic,
    factor: Values,
    variances: Values,
    features: Values,
    memory: Any,
    learned: Mask,
) -> Values:
    """[..., channels, n], for as many features; what is not learned keeps its covariance."""
    update, largest = a.covariance.gain_and_update, a.numbers.largest_variance
    if learned.all():
        n = features.shape[-1]
        # Views of the state, which are changed.
        whole, diagonals = factor.reshape(-1, n, n), variances.reshape(-1, n)
        gains = update(whole, diagonals, features.reshape(-1, n), memory, largest)
        return gains.reshape(features.shape)
    some_factor, some_variances = factor[learned], variances[learned]
    gains = np.zeros_like(features)
    gains[learned] = update(some_factor, some_variances, features[learned], memory, largest)
    factor[learned], variances[learned] = some_factor, some_variances
    return gains
