"""Biases and factors in few bits: what is unpacked is what was packed, or nothing is packed."""

from __future__ import annotations

import numpy as np
import pytest

from midge.c_emitter.packed_channels import packed, unpacked
from midge.graph import Rounding
from midge.graph.requantize import Requantization, requantization, scale_quotient

CHANNELS = 48


def random_layer(
    seed: int, rounding: Rounding, spread: int
) -> tuple[np.ndarray, Requantization, np.ndarray]:
    """Biases, factors and scales of the weights, which lie up to 2**spread apart."""
    rng = np.random.default_rng(seed)
    scales = (0.01 * 2.0 ** -rng.uniform(0, spread, CHANNELS)).astype(np.float32)
    x, y = (float(np.float32(s)) for s in rng.uniform(0.001, 0.3, 2))
    factors = requantization(scale_quotient((x, scales), y, rounding), rounding)
    bias = np.rint(rng.normal(0, 10.0 ** rng.uniform(0, 6), CHANNELS)).astype(np.int32)
    return bias, factors, scales


@pytest.mark.tiny
@pytest.mark.parametrize("rounding", [Rounding.TFLITE_DOUBLE, Rounding.SINGLE, Rounding.HALF_EVEN])
@pytest.mark.parametrize("seed", range(8))
def test_what_is_unpacked_is_what_was_packed(seed: int, rounding: Rounding) -> None:
    bias, factors, scales = random_layer(seed, rounding, seed)
    stream = packed(bias, factors, scales)
    assert stream is not None
    biases, multipliers, shifts = unpacked(stream, CHANNELS)
    assert biases == bias.tolist()
    assert multipliers == factors.multiplier.tolist()
    assert shifts == (-factors.shift).tolist()
    assert stream.nbytes < 8 * CHANNELS


@pytest.mark.tiny
def test_what_does_not_fit_is_not_packed() -> None:
    bias, factors, scales = random_layer(1, Rounding.TFLITE_DOUBLE, 2)
    large = bias.copy()
    large[0] = 2**31 - 1
    assert packed(large, factors, scales) is None
    multiplier = factors.multiplier.copy()
    multiplier[3] = 0
    assert packed(bias, Requantization(multiplier, factors.shift, factors.rounding), scales) is None
    # Not a scale times one number: another channel's factor has a bit more than 24 tell.
    multiplier[3] = factors.multiplier[3] ^ 255
    assert packed(bias, Requantization(multiplier, factors.shift, factors.rounding), scales) is None
    one = Requantization(factors.multiplier[:1], factors.shift[:1], factors.rounding)
    assert packed(bias, one, scales[:1]) is None
