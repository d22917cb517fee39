"""Sigmoid and tanh of int16 values, bit for bit as TFLite Micro interpolates them in one table.

Both functions take their argument in steps of 1/12288: 3/4 of Q3.12, so that the range of an int16
widens from [-8, 8] to [-10.7, 10.7]. Their results are in Q0.15.

Sources: TFLM `kernels/internal/reference/integer_ops/logistic.h` and `tanh.h`, int16.
"""

from __future__ import annotations

import math

import numpy as np

from midge.graph.requantize import Int64Array

_RAISED = (
    *(4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40),
    *(41, 43, 44, 45, 46, 49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255),
)
"""Entries that stand one above the rounded value: chords of a concave function lie below it."""

SIGMOID_TABLE: Int64Array = np.array(
    [math.floor(65536 / (1 + math.exp(-i / 24)) + 0.5) + (i in _RAISED) for i in range(256)],
    np.int64,
)
"""sigmoid(i / 24) in Q0.16."""


def scaled_argument(values: Int64Array, multiplier: int, shift: int) -> Int64Array:
    """``values * multiplier / 2**shift``, rounded half up: the argument of the two functions."""
    half = (1 << shift) >> 1
    return (values * multiplier + half) >> shift


def sigmoid_q15(argument: Int64Array) -> Int64Array:
    """``sigmoid(argument / 12288)`` in Q0.15, from 1 to 32767."""
    positive = _interpolated(np.abs(argument), 9, 0x7FFF << 10)
    return np.where(argument >= 0, positive + 512, (1 << 25) - positive + 511) >> 10


def tanh_q15(argument: Int64Array) -> Int64Array:
    """``tanh(argument / 12288)`` in Q0.15, as ``2 * sigmoid(2 * x) - 1``."""
    positive = _interpolated(np.abs(argument), 8, 0xFFFF << 8)
    return np.where(argument >= 0, positive - (1 << 23) + 128, (1 << 23) - positive + 127) >> 8


def _interpolated(magnitude: Int64Array, fraction_bits: int, largest: int) -> Int64Array:
    """The table at ``magnitude / 2**fraction_bits``, with as many more bits; `largest` beyond."""
    place = magnitude >> fraction_bits
    index = np.minimum(place, 254)
    low, high = SIGMOID_TABLE[index], SIGMOID_TABLE[index + 1]
    fraction = magnitude & ((1 << fraction_bits) - 1)
    return np.where(place >= 255, largest, (low << fraction_bits) + fraction * (high - low))
