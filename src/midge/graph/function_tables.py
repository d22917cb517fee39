"""Functions of reals as tables over integers, as TFLite makes and reads them.

Source: TFLite `kernels/internal/common.h`, LUTPopulateInt8, LUTPopulateInt16 and LUTLookup, in
float32 and in the order of operations of that file.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph.float_math import round_half_away
from midge.graph.types import Array, Tensor

Float32Array = npt.NDArray[np.float32]
RealFunction = Callable[[Float32Array], Float32Array]

INT16_STEPS = 512
"""Straight lines in an int16 table, of 128 codes each."""


def quietly(function: RealFunction, x: Float32Array) -> Float32Array:
    """The function's values; where it has none that is no warning."""
    with np.errstate(all="ignore"):
        return function(x)


def expect_usable_scale(value: Tensor) -> None:
    """Float32 holds the ends of the tensor's range, and steps of its scale."""
    with np.errstate(all="ignore"):
        usable = np.isfinite([np.float32(1) / value.scale, np.float32(2**17) * value.scale])
    if not usable.all():
        raise UserError(f"{value.name} has scale {value.scale:g}, beyond float32's range")


def int8_table(function: RealFunction, x: Tensor, y: Tensor) -> Array:
    """The output codes of the input codes -128 to 127."""
    codes = np.arange(-128, 128, dtype=np.int64) - x.zero_point
    reals = np.float32(x.scale) * codes.astype(np.float32)
    return to_codes(quietly(function, reals), y)


def int8_lookup(values: Array, table: Array) -> Array:
    """int8 codes through a table of `int8_table`."""
    return np.asarray(table[values.astype(np.int64) + 128])


def to_codes(reals: Float32Array, y: Tensor) -> Array:
    """Nearest codes, halfway cases away from zero; NaN becomes the least code."""
    low, high = y.dtype.limits
    with np.errstate(all="ignore"):
        scaled = round_half_away(reals * (np.float32(1) / np.float32(y.scale)))
        codes = np.clip(scaled + np.float32(y.zero_point), low, high)
    return np.where(np.isnan(codes), low, codes).astype(y.dtype.numpy)


def int16_table(function: RealFunction, x: Tensor, y: Tensor) -> Array:
    """The function at 513 places; the inner ones shifted by half of what the middle is off.

    The output's zero point is 0.
    """
    one = np.float32(1)
    ends = np.array([-32768 - x.zero_point, 32767 - x.zero_point], np.float32)
    x_low, x_high = np.float32(x.scale) * ends
    y_low, y_high = np.float32(y.scale) * np.array([-32768, 32767], np.float32)
    step = (x_high - x_low) / np.float32(INT16_STEPS)
    inverse = np.float32(65536) / (y_high - y_low)

    def real(places: Float32Array) -> Float32Array:
        values = quietly(function, places)
        values = np.where(np.isnan(values) | (values == -np.inf), y_low, values)
        return np.where(values == np.inf, y_high, values)

    index = np.arange(INT16_STEPS, dtype=np.float32)
    with np.errstate(all="ignore"):
        sample = round_half_away(real(x_low + index * step) * inverse)
        following = real(x_low + (index + one) * step)
        between = round_half_away((following * inverse + sample) / np.float32(2))
        middle = real(x_low + index * step + step / np.float32(2))
        error = between - round_half_away(middle * inverse)
        bias = round_half_away(error / np.float32(2))
        # Only values far outside the type are so large that nothing is left to be shifted.
        inner = sample - np.where(np.isfinite(bias), bias, np.float32(0))
        last = round_half_away(real(np.array([x_high], np.float32)) * inverse)
    return np.asarray(np.clip(np.concatenate([inner, last]), -32768, 32767).astype(np.int16))


def interpolate(values: Array, table: Array) -> Array:
    """int16 codes through a table of `int16_table`: seven fraction bits between two entries."""
    codes, entries = values.astype(np.int64), table.astype(np.int64)
    place = 256 + (codes >> 7)
    base = entries[place]
    slope = entries[place + 1] - base
    return np.asarray((base + ((slope * (codes & 0x7F) + 64) >> 7)).astype(np.int16))
