"""Requantisation without a long multiplication: a line under a staircase, proved at every step.

From an int32 sum to int8, whatever the rounding and the clamp, is a staircase that rises with the
sum and has at most 255 steps. So any line does that passes between the same steps::

    a = sum - least, held within [0, span]         # one comparison, unsigned
    y = (whole * a + (part * a >> part_bits) + offset) >> 24       # modulo 2**32, y the top byte

`least` is folded into the bias. `span` covers the steps alone, so `a` is short, and both products
fit 32 bits: two MULS and one comparison do, where rounding and clamping took some forty.

Whether a line fits is known at compile time: a step q begins at the sum T(q), and the line must be
at or above q at T(q) and below q at T(q) - 1. The offset that does so is an interval; slopes near
the exact one are tried until it is not empty.

`tflite_double` rounds half away from zero after a first rounding, so that below a sum of 0 every
step stands one unit of that first rounding later. Where such steps are climbed, no line fits, and
the staircase is *bent*: ``drop`` is subtracted where ``a < bend``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from midge.c_emitter.kernel import Layer
from midge.c_emitter.tiles.rescale import Int64Array, Sums, sums_of
from midge.graph import Rounding
from midge.graph.accumulate import WeightedSum
from midge.graph.requantize import INT32_MAX, Requantization, requantize

STEP_BITS = 24
"""A step of the output is 2**24: the output is the top byte."""
_LARGEST_PART_BITS = 16
_SETTLING_ROUNDS = 40
"""Steps begin within a few sums of where real arithmetic puts them."""
_FINEST = 14
"""Slopes are tried up to this many bits away from the exact one, relatively 2**-14."""


@dataclass(frozen=True, eq=False)
class Staircase:
    """The lines of a layer: all int64 [channels], or [1] where one line serves every channel.

    Attributes:
        least: Sums up to this give the least output.
        span: Sums from `least` + `span` on give the greatest.
        whole: Integer part of the slope, in output steps of 2**24.
        part: Its fraction.
        offset: uint32.
        bend: Subtract `drop` below it; 0: never.
        drop: One unit of the first rounding.
        part_bits: Bits of the fraction; `span` fits the other bits of a word.
    """

    least: Int64Array
    span: Int64Array
    whole: Int64Array
    part: Int64Array
    offset: Int64Array
    bend: Int64Array
    drop: Int64Array
    part_bits: int

    @property
    def is_bent(self) -> bool:
        """True when `bend` and `drop` matter."""
        return bool(self.bend.any())

    @property
    def words(self) -> npt.NDArray[np.uint32]:
        """uint32 [channels, 3 or 5]: span above part, whole, offset; if bent: bend, -drop."""
        first = (self.span << self.part_bits) | self.part
        bent = [self.bend, -self.drop & 0xFFFFFFFF] if self.is_bent else []
        return np.stack([first, self.whole, self.offset, *bent], axis=1).astype(np.uint32)

    def evaluate(self, sums: Int64Array) -> Int64Array:
        """What the device computes of sums [n, channels]."""
        a = np.clip(sums - self.least, 0, self.span)
        line = self.whole * a + (self.part * a >> self.part_bits) + self.offset
        line = line - np.where(a < self.bend, self.drop, 0)
        top = (line >> STEP_BITS) & 255
        return np.asarray(np.where(top > 127, top - 256, top))


def staircase_of(sums: Sums) -> Staircase | None:
    """Lines for the sums of a layer; None where there is none for some channel.

    A layer with one factor gets one line, whose steps reach over the sums of all channels.
    """
    factors, least, greatest = sums.factors, sums.least, sums.greatest
    if factors.multiplier.size == 1:
        least, greatest = least.min(keepdims=True), greatest.max(keepdims=True)
    if _wraps(factors, least, greatest):
        return None
    if (greatest - least > INT32_MAX).any():
        return None
    steps = steps_of(sums, least, greatest)
    if steps is None:
        return None
    slopes = _slopes(factors, least.size)
    straight = _fit(steps, slopes, np.zeros_like(least))
    if straight is not None or factors.rounding is not Rounding.TFLITE_DOUBLE:
        return straight
    right = np.broadcast_to(-factors.shift.astype(np.int64), least.shape)
    return _fit(steps, slopes, np.int64(1) << np.clip(STEP_BITS - right, 0, STEP_BITS))


@dataclass(frozen=True, eq=False)
class Steps:
    """Where the output steps up.

    Attributes:
        first: The output at the least sum, int64 [channels].
        last: The output at the greatest sum, int64 [channels].
        outputs: int64 [steps, 1]: every output but the least of all.
        begins: int64 [steps, channels]: the least sum with at least this output.
    """

    first: Int64Array
    last: Int64Array
    outputs: Int64Array
    begins: Int64Array

    @property
    def reached(self) -> npt.NDArray[np.bool_]:
        """Steps that some sum of the channel climbs: bool [steps, channels]."""
        return (self.outputs > self.first) & (self.outputs <= self.last)


def _wraps(factors: Requantization, least: Int64Array, greatest: Int64Array) -> bool:
    """A shift to the left leaves int32: the staircase would fall down somewhere."""
    left = np.maximum(factors.shift.astype(np.int64), 0)
    return bool((np.maximum(-least, greatest) << left > INT32_MAX).any())


def _slopes(factors: Requantization, channels: int) -> npt.NDArray[np.float64]:
    real = np.ldexp(factors.multiplier.astype(np.float64), factors.shift - 31)
    return np.broadcast_to(real, (channels,))


def steps_of(sums: Sums, least: Int64Array, greatest: Int64Array) -> Steps | None:
    """Where the outputs of sums from `least` to `greatest` step up; None where none is found."""

    def output(values: Int64Array) -> Int64Array:
        scaled = requantize(values, sums.factors) + sums.y_zero
        return np.clip(scaled, sums.low, sums.high)

    outputs = np.arange(sums.low + 1, sums.high + 1, dtype=np.int64)[:, None]
    slopes = np.maximum(_slopes(sums.factors, least.size), 2.0**-40)
    begins = np.ceil((outputs - sums.y_zero - 0.5) / slopes)
    begins = np.clip(begins, least, greatest + 1).astype(np.int64)
    first, last = output(least), output(greatest)
    for _ in range(_SETTLING_ROUNDS):
        # Beyond the greatest sum stands a step that is never reached.
        late = (begins > least) & (output(np.maximum(begins - 1, least)) >= outputs)
        early = (begins <= greatest) & (output(np.minimum(begins, greatest)) < outputs)
        if not late.any() and not early.any():
            return Steps(first, last, outputs, begins)
        begins = begins + early.astype(np.int64) - late.astype(np.int64)
    return None


def _fit(steps: Steps, slopes: npt.NDArray[np.float64], drop: Int64Array) -> Staircase | None:
    reached = steps.reached
    far = np.int64(2) ** 40
    lowest = np.where(reached, steps.begins, far).min(axis=0, initial=far)
    highest = np.where(reached, steps.begins, -far).max(axis=0, initial=-far)
    flat = ~reached.any(axis=0)
    least = np.where(flat, 0, lowest - 1)
    span = np.where(flat, 0, highest - least)
    bits = max(int(span.max(initial=0)).bit_length(), 1)
    part_bits = min(32 - bits, _LARGEST_PART_BITS)
    if part_bits < 1:
        return None
    bend = np.where(flat | (drop == 0), 0, np.clip(-least, 0, span + 1))
    begins = np.where(reached, steps.begins - least, 1)
    targets = np.where(reached, (steps.outputs - steps.first) << STEP_BITS, 1 << STEP_BITS)
    exact = np.where(flat, 0, np.rint(np.ldexp(slopes, STEP_BITS + part_bits))).astype(np.int64)
    slope, offset = exact.copy(), np.zeros_like(exact)
    found: npt.NDArray[np.bool_] = np.array(flat, np.bool_)
    for nudge in _nudges():
        open_channels = np.flatnonzero(~found)
        if not open_channels.size:
            break
        tried = exact[open_channels] + nudge
        low, high = _offsets(
            _Lines(tried, part_bits, bend[open_channels], drop[open_channels]),
            begins[:, open_channels],
            targets[:, open_channels],
            reached[:, open_channels],
        )
        fits = (low <= high) & (tried >= 0) & (abs(nudge) <= (tried >> _FINEST) + 1)
        chosen = open_channels[fits]
        slope[chosen] = tried[fits]
        offset[chosen] = ((low + high) >> 1)[fits]
        found[chosen] = True
    whole = slope >> part_bits
    if not found.all() or whole.max(initial=0) >= 1 << 32:
        return None
    total = (offset + (steps.first << STEP_BITS)) & 0xFFFFFFFF
    part = slope & ((1 << part_bits) - 1)
    return Staircase(least, span, whole, part, total, bend, drop, part_bits)


def _nudges() -> list[int]:
    """Changes to a slope, nearest first."""
    sizes = sorted({int(1.5**k) for k in range(50)})
    return [0, *(signed for size in sizes for signed in (size, -size))]


@dataclass(frozen=True, eq=False)
class _Lines:
    """Lines without their offsets, one a channel."""

    slope: Int64Array
    part_bits: int
    bend: Int64Array
    drop: Int64Array

    def __call__(self, a: Int64Array) -> Int64Array:
        whole, part = self.slope >> self.part_bits, self.slope & ((1 << self.part_bits) - 1)
        return np.asarray(
            whole * a + (part * a >> self.part_bits) - np.where(a < self.bend, self.drop, 0)
        )


def _offsets(
    line: _Lines, begins: Int64Array, targets: Int64Array, reached: npt.NDArray[np.bool_]
) -> tuple[Int64Array, Int64Array]:
    """The least and the greatest offset with which the line passes every step."""
    far = np.int64(2) ** 60
    low = np.where(reached, targets - line(begins), -far).max(axis=0, initial=-far)
    high = np.where(reached, targets - 1 - line(begins - 1), far).min(axis=0, initial=far)
    # At the ends the line stays within the least and the greatest output.
    low = np.maximum(low, -line(np.zeros_like(line.slope)))
    top = np.where(reached, targets, 0).max(axis=0, initial=0) + (1 << STEP_BITS) - 1
    last = np.where(reached, begins, 0).max(axis=0, initial=0)
    return low, np.minimum(high, top - line(last))


def final_sums(layer: Layer, op: WeightedSum, channel_axis: int) -> Sums:
    """The sums of a layer with int8 inputs, from the least that is possible at the end."""
    sums = sums_of(layer, op, op.activation, channel_axis)
    bias = layer.optional(2)
    if bias is None:
        return sums
    values = np.asarray(bias.data).astype(np.int64)
    # `accumulator_bounds` leave room for a bias alone, which is never the end.
    least = sums.least + np.maximum(values, 0)
    return replace(sums, least=least, greatest=sums.greatest + np.minimum(values, 0))
