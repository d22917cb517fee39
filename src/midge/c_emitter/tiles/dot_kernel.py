"""What kernels with tiles of dot products share."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from midge.c_emitter import weighted
from midge.c_emitter.kernel import Constant, Kernel, Layer, Places, TileFunction
from midge.c_emitter.tiles.dot import dot_function
from midge.c_emitter.tiles.dot_shapes import MIXED_LIFT, DotShape, Weights
from midge.c_emitter.tiles.dot_stream import dot_stream, greatest_lift, may_be_mixed, stream_words
from midge.c_emitter.tiles.dot_tile import DotTile
from midge.c_emitter.tiles.level import level
from midge.c_emitter.tiles.rescale import Int64Array, Rescale, plan_rescale, sums_of
from midge.graph import DType
from midge.graph.accumulate import weights_zero
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.fully_connected import FullyConnected

_EVEN_ODD = [0, 2, 1, 3]
"""Where SXTB16 leaves the bytes of a word."""


LEAST_TILES_STAGED = 4
"""A stream is copied to RAM where so many tiles read it."""
_MIXED_SHIFT = 12
"""Most layers with mixed weights have lines with this shift, so that their functions are few."""
_UNROLL, _UNROLL_STAGED = 16, 6
"""Steps that are written out. Who stages has a slow flash with a small cache, which loops fit."""


class DotKernel(Kernel):
    """What the kernels share; their sums are one output channel each.

    Attributes:
        form: Of the weights.
        staged: The stream is copied to RAM first: for flash that is slower than the core.
    """

    requires = frozenset({"dsp"})
    rank = 20
    family: str = ""

    def __init__(self, form: Weights, *, staged: bool = False) -> None:
        """One of the family's ways.

        Args:
            form: Of the weights; those of 16 bits take twice the flash.
            staged: Copy the stream to RAM first.
        """
        self.form = form
        self.staged = staged
        self.variant = f"dot_{form.value}{self.family}{'_staged' if staged else ''}"
        self.rank += (2 if form is Weights.S16 else 0) + (4 if staged else 0)
        # By rule flash and RAM are spared.
        self.by_rule = self.by_rule and form is Weights.MIXED and not staged

    @property
    def unroll(self) -> int:
        """Steps that are written out before a loop is made of them."""
        return _UNROLL_STAGED if self.staged else _UNROLL

    def _weights(self, layer: Layer) -> Int64Array:
        return _weights_of(layer)

    def _bias(self, layer: Layer) -> Int64Array:
        x, w, b = layer.input(0), layer.input(1), layer.optional(2)
        return weighted.folded_bias(x, w, b, channel_axis=0).astype(np.int64)

    def _rescale(self, layer: Layer) -> Rescale | None:
        return _rescale_of(layer, self.form)

    def _fits(self, layer: Layer) -> bool:
        """Types, and sums that a tile rescales."""
        x, w = layer.input(0), layer.input(1)
        if (x.dtype, w.dtype) != (DType.INT8, DType.INT8) or weights_zero(w) != 0:
            return False
        return self._rescale(layer) is not None

    def applies(self, layer: Layer) -> bool:
        """Where every pixel is within reach of the instructions."""
        if self.staged and self._tile_count(layer) < LEAST_TILES_STAGED:
            return False
        return self._fits(layer) and self._tile(layer).reaches

    def _tile_count(self, layer: Layer) -> int:
        """Tiles of the layer, at most."""
        outputs = layer.input(1).shape[0]
        return layer.output.size // outputs // 2

    def _bound(self, layer: Layer) -> Rescale:
        rescale = self._rescale(layer)
        if rescale is None:
            raise ValueError(f"{layer.op.name}: {self.variant} does not apply")
        return rescale

    def _tile(self, layer: Layer) -> DotTile:
        raise NotImplementedError

    def _taps(self, layer: Layer) -> Int64Array:
        """Weights in the order of the pixels' halves, int64 [outputs, segments, 2 * words]."""
        raise NotImplementedError

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """The innermost loops."""
        return (dot_function(self._tile(layer)),)

    def scratch_bytes(self, layer: Layer) -> int:
        """What the loops need, and the stream where it is staged."""
        return self._stage_at(layer) + (self._stage_bytes(layer) if self.staged else 0)

    def _scratch(self, layer: Layer) -> tuple[int, ...]:
        """Bytes of each part of the scratch that the loops need."""
        raise NotImplementedError

    def _stage_at(self, layer: Layer) -> int:
        return -(-sum(self._scratch(layer)) // 8) * 8

    def _stage_bytes(self, layer: Layer) -> int:
        return 4 * stream_words(self._tile(layer))

    def _stream(self, layer: Layer, places: Places) -> tuple[Constant, tuple[str, str, str]]:
        """The constant, where it begins and ends, and where it is staged."""
        stream = dot_stream(self._tile(layer), self._taps(layer), self._bias(layer))
        name, stage = places.constant("stream"), "NULL"
        if self.staged:
            stage = f"(uint32_t *)(void *)({places.scratch} + {self._stage_at(layer)})"
        return Constant("stream", stream, 8), (name, f"{name} + {stream.size}", stage)


def pixels_tile(
    shape: DotShape, words: int, outputs: int, rescale: Rescale, unroll: int
) -> DotTile:
    """A tile of pixels that are widened side by side.

    Mixed weights are for small flash, so layers share functions; those of 16 bits are for speed.
    """
    shared = shape.weights is Weights.MIXED
    return DotTile(shape, 1, words, (), outputs, rescale, any_outputs=shared, unroll=unroll)


def ways(kernel: type[DotKernel]) -> tuple[DotKernel, ...]:
    """Both forms of weights, from flash and from RAM."""
    return tuple(kernel(form, staged=staged) for staged in (False, True) for form in Weights)


def in_fours(weights: Int64Array) -> Int64Array:
    """Taps [..., n] filled up to fours, and in the order in which bytes are widened."""
    padding = [(0, 0)] * (weights.ndim - 1)
    padded = np.pad(weights, (*padding, (0, -weights.shape[-1] % 4)))
    fours = padded.reshape(*padded.shape[:-1], -1, 4)[..., _EVEN_ODD]
    return fours.reshape(padded.shape)


def _weights_of(layer: Layer) -> Int64Array:
    """In the graph's order, int64 [outputs, taps]."""
    w = layer.input(1)
    return np.asarray(w.data).reshape(w.shape[0], -1).astype(np.int64)


@lru_cache(maxsize=512)
def _rescale_of(layer: Layer, form: Weights) -> Rescale | None:
    """How a layer's sums are rescaled; None where a tile cannot."""
    attributes = _summing(layer)
    sums = sums_of(layer, attributes, attributes.activation, channel_axis=0)
    weights = _weights_of(layer)
    if form is Weights.S16:
        rescale = plan_rescale(sums, 1, greatest_lift(weights))
        return None if rescale is None else level(sums, rescale)
    if not may_be_mixed(weights):
        return None
    rescale = plan_rescale(sums, MIXED_LIFT, MIXED_LIFT)
    return None if rescale is None else level(sums, rescale, (_MIXED_SHIFT,))


def _summing(layer: Layer) -> Conv2D | FullyConnected:
    attributes = layer.op.attributes
    if not isinstance(attributes, Conv2D | FullyConnected):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def conv_of(layer: Layer) -> Conv2D:
    """A convolution's attributes."""
    attributes = layer.op.attributes
    if not isinstance(attributes, Conv2D):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def is_ungrouped(layer: Layer) -> bool:
    """True when every output sums over all channels."""
    return layer.input(0).shape[3] == layer.input(1).shape[3]


def is_pointwise(layer: Layer) -> bool:
    """True for ungrouped windows of a single pixel, one for each pixel of the input."""
    attributes = conv_of(layer)
    unpadded = attributes.pad_before == attributes.pad_after == (0, 0)
    window = attributes.window(layer.input(1))
    return is_ungrouped(layer) and unpadded and window.kernel == window.stride == (1, 1)
