"""Random scales, zero points, weights and biases: mostly ordinary, in a fraction extreme."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.synthetic.calibration import Calibration
from midge.synthetic.choices import Choices
from midge.synthetic.model_description import Quantization
from midge.synthetic.network_builder import Weights

# Uniform int8 codes have this standard deviation: sqrt((256**2 - 1) / 12).
_UNIFORM_CODE_SIGMA = 73.9
_MAX_BIAS = 2**30


def random_scale(choices: Choices) -> float:
    """Return a scale in [2**-8, 1)."""
    return (1 + choices.integer(0, 999) / 1000) * 2.0 ** -choices.integer(1, 8)


def random_zero_point(choices: Choices) -> int:
    """Return a zero point, half of the time an end or the middle of the range."""
    zero_point = choices.one_of((0, -128, 127, None, None))
    return choices.integer(-127, 126) if zero_point is None else zero_point


def random_quantization(choices: Choices) -> Quantization:
    """Return a network input's or constant's quantisation."""
    return Quantization((random_scale(choices),), (random_zero_point(choices),))


def random_input_quantization(choices: Choices, dtype: str) -> Quantization | None:
    """Return the quantisation of a network input of this type; None for plain numbers."""
    if dtype == "int16":
        return Quantization((random_scale(choices) / 64,), (0,))
    return random_quantization(choices) if dtype == "int8" else None


def random_calibration(choices: Choices) -> Calibration:
    """Return a rule for an output's scale: mostly the covering one."""
    stretch = choices.one_of((1.0, 1.0, 1.0, 1.0, 1.0, 0.25, 0.05, 6.0))
    return Calibration(stretch=stretch, one_sided=choices.one_in(4))


def random_layer(
    choices: Choices,
    rng: np.random.Generator,
    input_scale: float,
    shape: tuple[int, ...],
    channel_axis: int,
) -> tuple[Weights, Calibration | Quantization]:
    """Return a layer's constants and how its output is quantised.

    Weight scales make the products of order 1 whatever the input's scale, so that RELU6 and
    RELU_N1_TO_1 clamp some and not all. One layer in six has an extreme multiplier
    (input scale * weight scale / output scale) instead, from 2**-20 to above 1, and a bias that
    reaches all output codes through it.

    Args:
        choices: The decisions.
        rng: The source of the numbers.
        input_scale: Scale of the layer's input.
        shape: Shape of the weights.
        channel_axis: The axis of `shape` that counts output channels.
    """
    channels = shape[channel_axis]
    values = _weight_values(choices, rng, shape, channel_axis)
    terms = max(values.size // channels, 1)
    sigma = max(float(np.sqrt(np.mean(values.astype(np.float64) ** 2))), 1e-3)
    accumulator_sigma = sigma * np.sqrt(terms) * _UNIFORM_CODE_SIGMA
    scale = random_scale(choices) * 8 / (input_scale * accumulator_sigma)
    scales = (scale,)
    if choices.one_of((True, True, False)) and channels > 1:
        scales = tuple(scale * np.exp(rng.uniform(-1.5, 1.5, channels)))
    output: Calibration | Quantization
    if choices.one_in(6):
        multiplier = 2.0 ** choices.integer(-20, 3) * (1 + choices.integer(0, 999) / 1000)
        output_scale = input_scale * scale / multiplier
        output = Quantization((output_scale,), (random_zero_point(choices),))
        bias_reach = 200 / multiplier
    else:
        output = random_calibration(choices)
        bias_reach = accumulator_sigma
    kind = choices.one_of(("random", "random", "none", "absent input"))
    bias = None
    if kind == "random":
        real = np.clip(rng.uniform(-bias_reach, bias_reach, channels), -_MAX_BIAS, _MAX_BIAS)
        bias = real.astype(np.int32)
    return Weights(values, scales, bias, absent_as_input=kind == "absent input"), output


def _weight_values(
    choices: Choices, rng: np.random.Generator, shape: tuple[int, ...], channel_axis: int
) -> NDArray[np.int8]:
    style = choices.one_of(("bell", "bell", "uniform", "ends", "sparse", "tiny"))
    values: NDArray[Any]
    if style == "bell":
        values = rng.normal(0, 40, shape)
    elif style == "ends":
        values = rng.choice(np.array([-128, 127]), shape)
    elif style == "tiny":
        values = rng.integers(-1, 2, shape)
    else:
        values = rng.integers(-127, 128, shape)
        if style == "sparse":  # whole output channels of zeros, and scattered ones
            silent = [1] * len(shape)
            silent[channel_axis] = shape[channel_axis]
            values = values * (rng.random(shape) < 0.3) * (rng.random(silent) < 0.7)
    return np.clip(np.rint(values), -128, 127).astype(np.int8)
