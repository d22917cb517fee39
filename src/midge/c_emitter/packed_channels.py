"""Biases and factors of a layer in as few bits as hold them: `device/kernels/packed_channels.h`.

A channel's factor takes four or five bytes otherwise, beside its bias. But it is ``x_scale /
y_scale``, one number for the layer, times a float32, the scale of the channel's weights: 24 bits
tell all of it. So a channel takes its bias as a Rice code (R. F. Rice, "Some Practical Universal
Noiseless Coding Techniques", JPL 79-22), its shift in as many bits as the layer's shifts differ by,
and the 23 bits of its scale behind the first, which is always one. At the layer's start all this
becomes arrays in scratch, as the kernels read them.

Whether the products give each multiplier to the last bit is checked here. Where they do not, but
the multipliers have no more than 24 bits, as under `half_even`, these stand for the scales. Else,
or where a layer has one factor for all, the kernels that use this do not apply.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from midge.c_emitter import weighted
from midge.c_emitter.kernel import Constant, Layer, Places
from midge.c_emitter.weighted import Channels, SummingKernel
from midge.graph.requantize import Requantization

Int64Array = npt.NDArray[np.int64]
SOURCE = "packed_channels.h"
_MOST_LOW_BITS = 24
"""Of a bias as they stand: what one field holds."""
_MOST_QUOTIENT = 62
"""Of a bias by the power of two of its low bits."""
_MOST_SHIFT_BITS = 5
_NUMBER_BITS = 44
"""Of the layer's number."""
_PRODUCT_BITS = 55
"""From here on a product of a scale and the layer's number is taken by half."""
_CUT_BITS = _NUMBER_BITS - 32
_LEAST_SHIFT = -31


def bytes_unpacked(channels: int) -> int:
    """Bytes of scratch for the arrays: a bias and a multiplier of four bytes, a shift of one."""
    return 9 * channels


def packed(
    bias: npt.NDArray[np.int32], factors: Requantization, scales: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8] | None:
    """The stream of a layer; None where it cannot hold it.

    Args:
        bias: int32 [channels].
        factors: One a channel.
        scales: Of the channels' weights, float32 [channels].
    """
    multiplier, shift = factors.multiplier.astype(np.int64), -factors.shift.astype(np.int64)
    if not multiplier.size == scales.size == bias.size > 1 or (multiplier == 0).any():
        return None
    mantissas, _ = np.frexp(scales.astype(np.float64))
    scale = (mantissas * 2**24).astype(np.int64)
    number = _number(scale, multiplier)
    if number is None:
        scale = multiplier >> 7
        number = _number(scale, multiplier)
    extra = shift - shift.min()
    shift_bits = int(extra.max()).bit_length()
    if number is None or shift_bits > _MOST_SHIFT_BITS:
        return None
    wide = bias.astype(np.int64)
    # 0, -1, 1, -2, ... as 0, 1, 2, 3, ...
    folded = np.where(wide < 0, -1 - 2 * wide, 2 * wide)
    low_bits = _low_bits(folded)
    if low_bits is None:
        return None
    quotient = folded >> low_bits
    layer = [
        (low_bits, 5),
        (shift_bits, 3),
        (int(shift.min()) - _LEAST_SHIFT, 6),
        (number, _NUMBER_BITS),
    ]
    channels = [
        (np.int64(1) << quotient, quotient + 1),
        (folded & ((1 << low_bits) - 1), np.full_like(folded, low_bits)),
        (extra, np.full_like(folded, shift_bits)),
        (scale - 2**23, np.full_like(folded, 23)),
    ]
    values = np.array([v for v, _ in layer], np.int64)
    lengths = np.array([n for _, n in layer], np.int64)
    more, theirs = (np.stack(rows, axis=1).reshape(-1) for rows in zip(*channels, strict=True))
    return _bytes_of(np.concatenate([values, more]), np.concatenate([lengths, theirs]))


def unpacked(
    stream: npt.NDArray[np.uint8], channels: int
) -> tuple[list[int], list[int], list[int]]:
    """Biases, multipliers and shifts to the right, as `midge_unpack_channels` makes them."""
    bits, at = int.from_bytes(stream.tobytes(), "little"), 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return bits >> (at - count) & ((1 << count) - 1)

    low_bits, shift_bits, least = take(5), take(3), take(6) + _LEAST_SHIFT
    number = take(_NUMBER_BITS)
    biases, multipliers, shifts = [], [], []
    for _ in range(channels):
        quotient = 0
        while not take(1):
            quotient += 1
        folded = quotient << low_bits | take(low_bits)
        biases.append(-1 - (folded >> 1) if folded & 1 else folded >> 1)
        shifts.append(least + take(shift_bits))
        multipliers.append(_multiplier(take(23) + 2**23, number))
    return biases, multipliers, shifts


class PackedChannels(SummingKernel):
    """What changes in a kernel of weighted sums whose biases and factors are packed.

    Comes in front of the kernel's class.
    """

    by_rule = False
    spares_flash = True
    further_sources = (SOURCE,)

    def applies(self, layer: Layer) -> bool:
        """Where a factor is a float32 scale times a number of the layer."""
        return super().applies(layer) and self._channel_stream(layer) is not None

    def scratch_bytes(self, layer: Layer) -> int:
        """That of the kernel, and the arrays behind it."""
        return self._arrays_at(layer) + bytes_unpacked(layer.output.shape[-1])

    def _arrays_at(self, layer: Layer) -> int:
        return -(-super().scratch_bytes(layer) // 4) * 4

    def _channel_stream(self, layer: Layer) -> npt.NDArray[np.uint8] | None:
        x, w = layer.input(0), layer.input(1)
        if w.quantization is None:
            return None
        bias = weighted.folded_bias(x, w, layer.optional(2), self.channel_axis)
        factors = weighted.summing(layer).factors(x, w, layer.output)
        return packed(bias, factors, w.quantization.scale)

    def _channels(self, layer: Layer, places: Places) -> Channels:
        """Arrays in scratch, which the expression of the bias fills on its way."""
        stream, plain = self._channel_stream(layer), super()._channels(layer, places)
        if stream is None:
            raise ValueError(f"{layer.op.name}: {self.variant} does not apply")
        count, at = layer.output.shape[-1], self._arrays_at(layer)
        arrays = f"{places.scratch} + {at}"
        bias = (
            f"midge_unpack_channels({places.constant('channels')}, {count}, "
            f"(int32_t *)(void *)({arrays}))"
        )
        kept = {
            name: value
            for name, value in plain.factors.items()
            if name in ("rounding", "narrow", "wide")
        }
        multiplier = f"(const int32_t *)(const void *)({places.scratch} + {at + 4 * count})"
        shift = f"(const int8_t *)({places.scratch} + {at + 8 * count})"
        factors = {"multiplier": multiplier, "shift": shift, **kept}
        return Channels(bias, factors, (Constant("channels", stream, 1),))


def _number(scale: Int64Array, multiplier: Int64Array) -> int | None:
    """The layer's number, of which every scale makes its multiplier; None where there is none.

    Each channel allows a range; where its product is taken by half, one twice as high.
    """
    half = 1 << (_PRODUCT_BITS - 32 + _CUT_BITS)
    first: int | None = None
    least, greatest = 1 << (_NUMBER_BITS - 1), (1 << _NUMBER_BITS) - 1
    for s, m in zip(scale.tolist(), multiplier.tolist(), strict=True):
        ranges = []
        for doubled in (1, 2):
            low = -(-(2 * m - 1) * half * doubled // s)
            high = -(-(2 * m + 1) * half * doubled // s) - 1
            ranges.append((low, high))
        if first is None:
            first = next((r[0] for r in ranges if r[1] >= least), 0)
        low, high = min(ranges, key=lambda r: abs(r[0] - (first or 0)))
        least, greatest = max(least, low), min(greatest, high)
    if least > greatest:
        return None
    number = (least + greatest) // 2
    made = [_multiplier(s, number) for s in scale.tolist()]
    return number if made == multiplier.tolist() else None


def _multiplier(scale: int, number: int) -> int:
    """As the C makes it, [2**30, 2**31)."""
    product = scale * number >> _CUT_BITS
    cut = _PRODUCT_BITS - 31 + (product >> _PRODUCT_BITS)
    return ((product >> (cut - 1)) + 1) >> 1


def _low_bits(folded: Int64Array) -> int | None:
    """How many bits of each bias stand as they are, for the shortest code; None for large ones."""
    least = max(0, int(folded.max() // (_MOST_QUOTIENT + 1)).bit_length())
    lengths = {
        k: int((folded >> k).sum()) + k * folded.size for k in range(least, _MOST_LOW_BITS + 1)
    }
    return min(lengths, key=lengths.__getitem__, default=None)


def _bytes_of(values: Int64Array, lengths: Int64Array) -> npt.NDArray[np.uint8]:
    """Values of so many bits each, one behind the other, least bits first."""
    places = np.arange(64)
    bits = values[:, None] >> np.minimum(places, 63) & 1
    return np.packbits(bits[places < lengths[:, None]].astype(np.uint8), bitorder="little")
