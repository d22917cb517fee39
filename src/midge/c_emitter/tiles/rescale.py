"""Requantisation in two or three instructions a sum: from a lifted sum to int8, bit for bit.

A sum that arrives *lifted*, multiplied by 2**lift, which costs nothing where the weights are
multiplied at compile time, needs no shift in front of the multiplication::

    smmla  r, sum, multiplier, addend      @ addend + floor(sum * multiplier / 2**32)
    ssat   r, #8, r, asr #shift            @ shift, and clamp to [-128, 127]

The addend holds both halves that round and the output's zero point. With multiplier and right
shift n of a channel (factor = multiplier * 2**(-31 - n)), lift a and zero point z:

- ``single`` rounding: addend = 2**(n+a-2) + z * 2**(n+a-1), shift = n + a - 1. Exact: nothing is
  cut off below the half.
- ``tflite_double`` where the clamp is at or above the zero point: addend + 2**(a-2), the half of
  the first rounding; lift at least 2. What rounds away from zero below 0 is clamped anyway.
- ``tflite_double`` without such a clamp: the shift rounds half away from zero, so a negative sum
  loses one unit of the first rounding's result before the shift. With lift 1 that is
  ``smmlar t, sum, multiplier, addend`` and ``add t, t, sum, asr #31``; with others
  ``asr t, sum, #31`` and ``add t, addend, t, lsl #(lift - 1)`` in front of the SMMLA.

Lifts are chosen so that the shift is one constant for all channels where sums leave room for it,
|sum| * 2**lift < 2**31; otherwise the shift of a channel is a third word beside its factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from midge.c_emitter.kernel import Layer
from midge.graph import Activation, Rounding
from midge.graph.accumulate import WeightedSum, accumulator_bounds
from midge.graph.requantize import INT32_MAX, Requantization, activation_range

Int64Array = npt.NDArray[np.int64]
LARGEST_SHIFT = 22
"""z * 2**shift and a product's upper word, under 2**30, then add up within int32."""


class Form(Enum):
    """Which instructions rescale a sum."""

    PLAIN = "plain"
    CORRECTED = "corrected"
    CORRECTED_ONE = "corrected, lift 1"


@dataclass(frozen=True, eq=False)
class Sums:
    """The sums of a layer and what becomes of them.

    Attributes:
        factors: Multipliers and shifts of [channels] or one for all.
        least: The least possible sum of each channel, int64 [channels].
        greatest: The greatest.
        y_zero: The output's zero point.
        low: Least output, included.
        high: Greatest output, included.
    """

    factors: Requantization
    least: Int64Array
    greatest: Int64Array
    y_zero: int
    low: int
    high: int

    @property
    def channels(self) -> int:
        """How many sums a pixel has."""
        return int(self.least.size)

    @property
    def multiplier(self) -> Int64Array:
        """Of each channel, int64 [channels]."""
        return np.broadcast_to(self.factors.multiplier.astype(np.int64), self.least.shape)

    @property
    def right(self) -> Int64Array:
        """The shift to the right of each channel, int64 [channels].

        A channel whose multiplier is 0 may be shifted as suits: as the others are at least.
        """
        right = np.broadcast_to(-self.factors.shift.astype(np.int64), self.least.shape)
        used = right[self.multiplier != 0]
        spare = int(used.min()) if used.size else 1
        return np.where(self.multiplier == 0, spare, right)

    @property
    def greatest_lift(self) -> Int64Array:
        """Bits by which each channel's sums may be shifted left within int32, int64 [channels]."""
        worst = np.maximum(np.maximum(np.abs(self.least), np.abs(self.greatest)), 1)
        lifts = np.arange(31)
        fits: Int64Array = ((worst[:, None] << lifts) <= INT32_MAX).sum(axis=1).astype(np.int64)
        return fits - 1


def sums_of(layer: Layer, op: WeightedSum, activation: Activation, channel_axis: int) -> Sums:
    """The sums of a convolution or a fully connected layer with int8 inputs."""
    x, w, b = layer.input(0), layer.input(1), layer.optional(2)
    least, greatest = accumulator_bounds(x, w, b, channel_axis)
    low, high = activation_range(layer.output, activation)
    factors = op.factors(x, w, layer.output)
    return Sums(factors, least, greatest, layer.output.zero_point, low, high)


@dataclass(frozen=True, eq=False)
class Rescale:
    """How a tile turns the lifted sums of a layer into int8.

    Attributes:
        form: The instructions.
        lift: Bits by which each channel's sums have to arrive shifted left, int64 [channels].
        multiplier: int64 [channels].
        addend: int64 [channels], within int32.
        shifts: To the right, int64 [channels].
        uniform: All shifts are one: it is an immediate then, otherwise a third word.
        low: Least output where it is not -128, which saturation gives.
        high: Greatest output where it is not 127.
    """

    form: Form
    lift: Int64Array
    multiplier: Int64Array
    addend: Int64Array
    shifts: Int64Array
    uniform: bool
    low: int | None
    high: int | None

    @property
    def words_a_channel(self) -> int:
        """Words that the instructions of one channel need in registers."""
        return 2 if self.uniform else 3

    def words(self, channel: int) -> list[int]:
        """Multiplier, addend and, unless it is the same for all, shift."""
        found = [int(self.multiplier[channel]), int(self.addend[channel])]
        return found if self.uniform else [*found, int(self.shifts[channel])]

    @property
    def key(self) -> str:
        """What of it the instructions depend on, as part of a function's name."""
        shift = str(int(self.shifts[0])) if self.uniform else "r"
        lift = f"l{int(self.lift[0])}" if self.form is Form.CORRECTED else ""
        form = {Form.PLAIN: "p", Form.CORRECTED: "c", Form.CORRECTED_ONE: "o"}[self.form]
        ends = (("lo", self.low), ("hi", self.high))
        clamp = "".join(f"{n}{v}" for n, v in ends if v is not None).replace("-", "m")
        return f"{form}{shift}{lift}{clamp}"

    def lines(self, total: str, words: tuple[str, ...], temporary: str) -> list[str]:
        """Instructions that leave the int8 value in the register of the sum.

        Args:
            total: The register of the lifted sum.
            words: Registers of the channel's words: multiplier, addend and shift; untouched.
            temporary: A register that may be overwritten; plain forms leave it alone.
        """
        multiplier, addend = words[:2]
        if self.form is Form.PLAIN:
            lines = [f"smmla {total}, {total}, {multiplier}, {addend}"]
        elif self.form is Form.CORRECTED_ONE:
            lines = [
                f"smmlar {temporary}, {total}, {multiplier}, {addend}",
                f"add {total}, {temporary}, {total}, asr #31",
            ]
        else:
            lines = [
                f"asr {temporary}, {total}, #31",
                f"add {temporary}, {addend}, {temporary}, lsl #{int(self.lift[0]) - 1}",
                f"smmla {total}, {total}, {multiplier}, {temporary}",
            ]
        if not self.uniform:
            lines += [f"asr {total}, {total}, {words[2]}", f"ssat {total}, #8, {total}"]
        elif self.shifts[0]:
            lines.append(f"ssat {total}, #8, {total}, asr #{int(self.shifts[0])}")
        else:
            lines.append(f"ssat {total}, #8, {total}")
        if self.low is not None:
            lines += [f"cmp {total}, #{self.low}", "it lt", f"movlt {total}, #{self.low}"]
        if self.high is not None:
            lines += [f"cmp {total}, #{self.high}", "it gt", f"movgt {total}, #{self.high}"]
        return lines


def plan_rescale(
    sums: Sums, least_lift: Int64Array | int = 1, greatest_lift: Int64Array | int = 30
) -> Rescale | None:
    """How to rescale sums that may arrive lifted by so many bits; None where no form is exact.

    Args:
        sums: Of the layer.
        least_lift: Of each channel, or of all; what the tile's own arithmetic cannot go below.
        greatest_lift: What it cannot go above, 16-bit weights for instance. Sums that would leave
            int32 are never lifted so far.

    Returns:
        One shift for all channels where the lifts allow it; else each lifted as little as goes.
    """
    n = sums.right
    form = _form(sums, int(np.max(least_lift)))
    if form is None or n.min() < (1 if form is not Form.PLAIN else 0):
        return None
    low_lift = np.broadcast_to(np.asarray(least_lift, np.int64), n.shape)
    high_lift = np.minimum(np.asarray(greatest_lift, np.int64), sums.greatest_lift)
    if form is Form.CORRECTED_ONE:
        low_lift, high_lift = np.ones_like(n), np.minimum(high_lift, 1)
    elif form is Form.CORRECTED:
        # The lift is an immediate of the instructions.
        one = int(low_lift.max())
        low_lift, high_lift = np.full_like(n, one), np.minimum(high_lift, one)
    else:
        low_lift = np.maximum(low_lift, 2)
    if (low_lift > high_lift).any():
        return None
    lowest, highest = int((n + low_lift - 1).max()), int((n + high_lift - 1).min())
    uniform = lowest <= highest
    lift = lowest + 1 - n if uniform else low_lift
    shifts = n + lift - 1
    if shifts.max() > LARGEST_SHIFT:
        return None
    return Rescale(
        form,
        lift,
        sums.multiplier,
        _addend(sums, form, lift),
        shifts,
        uniform,
        sums.low if sums.low != -128 else None,
        sums.high if sums.high != 127 else None,
    )


def _form(sums: Sums, least_lift: int) -> Form | None:
    match sums.factors.rounding:
        case Rounding.SINGLE:
            return Form.PLAIN
        case Rounding.TFLITE_DOUBLE:
            if sums.low >= sums.y_zero:
                return Form.PLAIN
            return Form.CORRECTED_ONE if least_lift <= 1 else Form.CORRECTED
        case _:
            return None


def _addend(sums: Sums, form: Form, lift: Int64Array) -> Int64Array:
    """Both halves that round, and the zero point, int64 [channels]."""
    n, one = sums.right, np.int64(1)
    double = sums.factors.rounding is Rounding.TFLITE_DOUBLE
    # What the shift cuts off is rounded only where there is a shift.
    shift_half = np.where(n + lift >= 2, one << np.maximum(n + lift - 2, 0), 0)
    if double:
        shift_half = np.where(n > 0, shift_half, 0)
    # SMMLAR rounds the product by itself.
    first_half = one << np.maximum(lift - 2, 0) if double and form is not Form.CORRECTED_ONE else 0
    addend: Int64Array = shift_half + first_half + (np.int64(sums.y_zero) << (n + lift - 1))
    return addend
