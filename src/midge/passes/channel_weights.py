"""The weights of convolutions and fully connected layers, seen in one way.

An input channel reaches an output channel through taps; what it adds to the sum depends on how
often a tap lies in the image. Groups do not mix: a depthwise convolution has one for each channel.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.graph import Attributes, DType, Tensor
from midge.graph.accumulate import centred_weights
from midge.graph.operands import tensor
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.requantize import Int64Array
from midge.graph.window import Window

Flags = npt.NDArray[np.bool_]
Weighted = Conv2D | DepthwiseConv2D | FullyConnected


class Inside(enum.IntEnum):
    """In how many windows a tap lies in the image; outside it the input is the zero point."""

    NEVER = 0
    SOMETIMES = 1
    ALWAYS = 2


@dataclass(frozen=True)
class ChannelWeights:
    """Centred weights by tap, group, and channel within the group.

    Attributes:
        values: int64 [taps, groups, inputs, outputs].
        inside: `Inside` of each tap, int64 [taps].
        axis: The dimension of the weights' tensor that counts output channels.
    """

    values: Int64Array
    inside: Int64Array
    axis: int

    @property
    def groups(self) -> int:
        """How many there are."""
        return int(self.values.shape[1])

    @property
    def inputs(self) -> int:
        """Input channels of a group."""
        return int(self.values.shape[2])

    @property
    def outputs(self) -> int:
        """Output channels of a group."""
        return int(self.values.shape[3])

    def sums(self, low: Int64Array, high: Int64Array) -> tuple[Int64Array, Int64Array]:
        """The least and the greatest sum of each output channel, without a bias.

        Args:
            low: The least centred value of each input channel, int64 [groups * inputs].
            high: The greatest.

        Returns:
            int64 [groups * outputs] each. Taps are taken as if each chose its value alone, so the
            true sums lie within.
        """
        often = self.inside[:, None]
        # Outside the image a channel adds nothing.
        least = np.where(often == Inside.ALWAYS, low, np.minimum(low, 0)) * (often > 0)
        greatest = np.where(often == Inside.ALWAYS, high, np.maximum(high, 0)) * (often > 0)
        return self._product(least, greatest), self._product(greatest, least)

    def _product(self, beside_positive: Int64Array, beside_negative: Int64Array) -> Int64Array:
        # Under 2**53 (`check_weighted` bounds the sums), so float64 is exact, and fast.
        total = np.zeros((self.groups, 1, self.outputs))
        for part, ends in (
            (np.maximum(self.values, 0), beside_positive),
            (np.minimum(self.values, 0), beside_negative),
        ):
            rows = ends.reshape(-1, self.groups, 1, self.inputs).astype(np.float64)
            total += np.matmul(rows, part.astype(np.float64)).sum(axis=0)
        return total.reshape(-1).astype(np.int64)


def channel_weights(
    attributes: Attributes, inputs: Sequence[Tensor | None]
) -> ChannelWeights | None:
    """The weights of an integer layer whose input's last dimension is its channels.

    None for every other operator, and for a fully connected layer whose rows are not whole pixels.
    """
    if not isinstance(attributes, Weighted):
        return None
    x, w = tensor(inputs[0]), tensor(inputs[1])
    if x.dtype is DType.FLOAT32:
        return None
    if isinstance(attributes, FullyConnected):
        return _of_features(x, w)
    inside = _inside(attributes.window(w), (x.shape[1], x.shape[2]))
    if isinstance(attributes, DepthwiseConv2D):
        values = centred_weights(w, 3).astype(np.int64)
        return ChannelWeights(values.reshape(len(inside), x.shape[3], 1, -1), inside, 3)
    per_group = w.shape[3]
    groups = x.shape[3] // per_group
    values = centred_weights(w, 0).astype(np.int64)
    by_group = values.reshape(len(inside), per_group, groups, w.shape[0] // groups)
    return ChannelWeights(by_group.transpose(0, 2, 1, 3), inside, 0)


def _of_features(x: Tensor, w: Tensor) -> ChannelWeights | None:
    """Feature j of a row is channel ``j % channels`` of its pixel ``j // channels``."""
    features, channels = w.shape[1], x.shape[-1] if x.shape else 1
    if features % channels:
        return None
    pixels = features // channels
    values = centred_weights(w, 0).astype(np.int64)
    inside = np.full(pixels, Inside.ALWAYS, np.int64)
    return ChannelWeights(values.reshape(pixels, 1, channels, w.shape[0]), inside, 0)


def _inside(window: Window, image: tuple[int, int]) -> Int64Array:
    """`Inside` of each tap, rows first."""
    along = []
    for taken, extent in zip(window.tap_indices(image), image, strict=True):
        hits = (taken >= 0) & (taken < extent)
        along.append(np.where(hits.all(axis=0), Inside.ALWAYS, hits.any(axis=0).astype(np.int64)))
    return np.minimum(along[0][:, None], along[1][None, :]).reshape(-1).astype(np.int64)
