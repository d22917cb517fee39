"""Constants of weighted sums: folded biases, packed factors, packed and interleaved weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.c_emitter.kernel import Constant, Kernel, Layer, Places
from midge.c_emitter.windowed import activation_fields
from midge.graph import Activation, Rounding, Tensor
from midge.graph.accumulate import (
    WeightedSum,
    accumulator_bounds,
    centred_weights,
    is_long,
    worst_sum,
)
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.requantize import INT32_MAX, Requantization, reduced_multiplier

NARROW_SUM = 2**30
"""Sums under this may be doubled, and rounded before they are corrected, within int32."""
ROUNDINGS = {
    Rounding.TFLITE_DOUBLE: "MIDGE_TFLITE_DOUBLE",
    Rounding.SINGLE: "MIDGE_SINGLE",
}
"""Roundings that `device/kernels/requantize.h` has, of any number."""
SUM_ROUNDINGS = {**ROUNDINGS, Rounding.HALF_EVEN: "MIDGE_HALF_EVEN"}
"""The same of numbers that become int8 or int16 at once."""
_NARROW_SHIFT = 17
"""From this shift on `requantize_16x8.h` needs the upper word of a product alone."""
_INT4_SHIFTS = np.array([12, 8, 28, 24, 4, 0, 20, 16], np.uint32)
"""Of each of eight taps in its word: see `device/kernels/int4_dsp.h`."""
_INT4_BLOCK_SUM = 4095
"""Magnitudes of weights may come to this: times 128 and 2**12, the sum is under 2**31."""
_INT4_BLOCK = 496
"""Weights of -8 that do not come to more, a multiple of 16, for which the kernels are unrolled."""


def folded_bias(x: Tensor, w: Tensor, b: Tensor | None, channel_axis: int) -> npt.NDArray[np.int32]:
    """``b - x_zero * sum(w - w_zero)``: the kernel may then sum stored values; int32 [channels].

    `midge.graph.accumulate.check_weighted` has proved that it, and every partial sum that starts
    from it, fits.
    """
    return _folded_bias(x, w, b, channel_axis).astype(np.int32)


def _folded_bias(
    x: Tensor, w: Tensor, b: Tensor | None, channel_axis: int
) -> npt.NDArray[np.int64]:
    sums = centred_weights(w, channel_axis).sum(axis=0, dtype=np.int64)
    bias = np.zeros_like(sums) if b is None else np.asarray(b.data).astype(np.int64)
    folded: npt.NDArray[np.int64] = bias - x.zero_point * sums
    return folded


@dataclass(frozen=True, eq=False)
class Channels:
    """What a weighted sum takes of each output channel beside the weights, as its kernel reads it.

    Attributes:
        bias: C expression of the folded biases.
        factors: Fields of ``struct midge_factors``.
        constants: The arrays that both name.
    """

    bias: str
    factors: Mapping[str, object]
    constants: tuple[Constant, ...]


class SummingKernel(Kernel):
    """A kernel of weighted sums that are rescaled.

    Attributes:
        channel_axis: Dimension of the weights that counts the output channels.
        in_pairs: Biases are read two at a time.
    """

    channel_axis = 0
    in_pairs = False

    def _channels(self, layer: Layer, places: Places) -> Channels:
        """Biases, and factors, as arrays in flash."""
        x, w, b = layer.input(0), layer.input(1), layer.optional(2)
        factors, constants = factor_fields(
            summing(layer).factors(x, w, layer.output),
            is_narrow(x, w, b, self.channel_axis),
            places,
        )
        bias = folded_bias(x, w, b, self.channel_axis)
        bias = padded_bias(bias) if self.in_pairs else bias
        return Channels(places.constant("bias"), factors, (Constant("bias", bias), *constants))


def summing(layer: Layer) -> Conv2D | DepthwiseConv2D:
    """The attributes of a convolution."""
    attributes = layer.op.attributes
    if not isinstance(attributes, Conv2D | DepthwiseConv2D):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def is_narrow(x: Tensor, w: Tensor, b: Tensor | None, channel_axis: int) -> bool:
    """True when no sum can reach 2**30."""
    least, greatest = accumulator_bounds(x, w, b, channel_axis)
    return bool(greatest.max() < NARROW_SUM and -least.min() < NARROW_SUM)


def factor_fields(
    factors: Requantization, narrow: bool, places: Places, name: str = "factors"
) -> tuple[Mapping[str, object], tuple[Constant, ...]]:
    """``struct midge_factors`` and its arrays, in the smallest form that holds them.

    Packed words take 4 bytes a channel; they need multipliers that are not 0 and shifts that lie
    within 3 of each other. Split arrays take 5.
    """
    multiplier = factors.multiplier.astype(np.int64)
    # Whatever is multiplied by 0 may be shifted as suits.
    right = np.where(multiplier == 0, 1, -factors.shift.astype(np.int64))
    if multiplier.size > 1 and (multiplier == multiplier[0]).all() and (right == right[0]).all():
        multiplier, right = multiplier[:1], right[:1]
    fields: dict[str, object] = {}
    constants: tuple[Constant, ...]
    if multiplier.size == 1:
        fields = {"one_multiplier": int(multiplier[0]), "base_shift": int(right[0])}
        constants = ()
    elif (multiplier != 0).all() and right.max() - right.min() <= 3:
        words = (multiplier - 2**30) | ((right - right.min()) << 30)
        constants = (Constant(name, words.astype(np.uint32)),)
        fields = {"packed": places.constant(name), "base_shift": int(right.min())}
    else:
        constants = (
            Constant(f"{name}_multiplier", multiplier.astype(np.int32)),
            Constant(f"{name}_shift", right.astype(np.int8), 1),
        )
        fields = {
            "multiplier": places.constant(f"{name}_multiplier"),
            "shift": places.constant(f"{name}_shift"),
        }
    fields["rounding"] = SUM_ROUNDINGS[factors.rounding]
    fields["narrow"] = narrow and bool(right.min() >= 1 and right.max() <= 31)
    fields["wide"] = not narrow or bool(right.min() < 0)
    return fields, constants


def long_factor_fields(
    factors: Requantization, narrow: bool, places: Places, name: str = "factors"
) -> tuple[Mapping[str, object], tuple[Constant, ...]]:
    """``struct midge_factors_16x8`` and its array, one word a channel or one for all."""
    multiplier = reduced_multiplier(factors.multiplier.astype(np.int64))
    # Whatever is multiplied by 0 may be shifted as suits.
    shift = np.where(multiplier == 0, _NARROW_SHIFT, 15 - factors.shift.astype(np.int64))
    words = (multiplier | (shift << 16)).astype(np.uint32)
    fields: dict[str, object] = {"narrow": narrow and bool(shift.min() >= _NARROW_SHIFT)}
    if (words == words[0]).all():
        return fields | {"one_word": int(words[0])}, ()
    return fields | {"words": places.constant(name)}, (Constant(name, words),)


def has_rounding_s16(op: WeightedSum) -> bool:
    """True when `sums_s16.h` has the operator's rounding."""
    return op.rounding in (Rounding.TFLITE_16X8, Rounding.TFLITE_DOUBLE)


def sums_s16_fields(
    layer: Layer,
    factors: Requantization,
    activation: Activation,
    places: Places,
    channel_axis: int = 0,
) -> tuple[Mapping[str, object], tuple[Constant, ...]]:
    """``struct midge_sums_s16`` of a layer with int16 activations, and its arrays."""
    x, w, b = layer.input(0), layer.input(1), layer.optional(2)
    narrow = worst_sum(x, w, b, channel_axis) <= INT32_MAX
    fields: dict[str, object] = {"narrow": narrow, "is_long": is_long(factors.rounding)}
    fields |= activation_fields(layer.output, activation)
    constants: tuple[Constant, ...]
    if is_long(factors.rounding):
        fields["long_factors"], constants = long_factor_fields(factors, narrow, places)
    else:
        narrow_factors = is_narrow(x, w, b, channel_axis)
        fields["factors"], constants = factor_fields(factors, narrow_factors, places)
    bias = _folded_bias(x, w, b, channel_axis)
    if bias.any():
        fields["bias" if narrow else "long_bias"] = places.constant("bias")
        constants += (Constant("bias", bias.astype(np.int32) if narrow else bias, 8),)
    return fields, constants


def packed_int4(rows: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Rows of int4 elements, two to a byte, the first in the low half; each starts on a byte."""
    padded = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).astype(np.uint8) & 15
    packed = (padded[:, ::2] | (padded[:, 1::2] << 4)).astype(np.uint8)
    return packed.reshape(-1).view(np.int8)


def interleaved_pairs(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Rows [outputs, taps] as words of four taps, alternating between two outputs.

    Taps are filled up to a multiple of 4 and outputs to a multiple of 2, with zeros.
    """
    outputs, taps = weights.shape
    padded = np.pad(weights, ((0, outputs % 2), (0, -taps % 4)))
    return padded.reshape(-1, 2, padded.shape[1] // 4, 4).transpose(0, 2, 1, 3).reshape(-1)


def interleaved_int4_pairs(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.uint32]:
    """Rows [outputs, taps] of int4 elements as words of eight, alternating between two outputs.

    Taps are filled up to a multiple of 8 and outputs to a multiple of 2, with zeros. Where each
    tap stands in its word follows `device/kernels/int4_dsp.h`.
    """
    outputs, taps = weights.shape
    padded = np.pad(weights, ((0, outputs % 2), (0, -taps % 8))).astype(np.uint32) & 15
    shifted = padded.reshape(-1, 2, padded.shape[1] // 8, 8) << _INT4_SHIFTS
    words = np.bitwise_or.reduce(shifted, axis=3).transpose(0, 2, 1).reshape(-1)
    return np.asarray(words, np.uint32)


def int4_block(weights: npt.NDArray[np.int8]) -> int:
    """How many taps of rows [outputs, taps] `int4_dsp.h` sums before it scales the sum back.

    Returns:
        All taps, rounded up to a multiple of 8, where no sum of them can leave int32; else what
        always holds, 496.
    """
    taps = weights.shape[1]
    greatest = int(np.abs(weights.astype(np.int64)).sum(axis=1).max())
    return -(-taps // 8) * 8 if greatest <= _INT4_BLOCK_SUM else _INT4_BLOCK


def padded_bias(bias: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """A bias for an even number of outputs."""
    return np.pad(bias, (0, bias.size % 2))
