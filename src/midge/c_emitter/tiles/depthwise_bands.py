"""How a depthwise convolution is cut into bands of rows and groups of channels.

A band's columns stand in scratch, group by group, and its last pair of rows is widened again by the
next band. So larger bands take fewer instructions. They take more memory too: for the columns, and
because a band's outputs may not overwrite rows that its other groups still need.

Tiles that read the image in place have bands too, of all channels: there is nothing but the
overlapping to gain, and each channel's words are loaded once a band.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from midge.c_emitter import overlap
from midge.c_emitter.tiles.depthwise_columns import PAIRS, TOGETHER
from midge.c_emitter.tiles.depthwise_direct import LARGEST_ROW
from midge.c_emitter.tiles.depthwise_row import Columns
from midge.graph.window import Window

SCRATCH_BYTES = 4096
"""For the columns of a band; a layer whose single pair of rows takes more has no such kernel."""
_GROUPS = (4, 8, 12, 16, 24, 32, 48, 64)
_DIRECT_OUTPUT, _DIRECT_CALL, _DIRECT_CHANNEL = 15, 60, 20
"""Instructions of tiles that read in place: of an output, of a band, of a channel of it."""
_INSTRUCTIONS_A_BYTE = 0.25
"""What the fastest band may cost more for a byte less."""
_CALLS, _CHANNEL = 90, 30
"""Instructions of a group of a band, and of a channel of it, besides those that follow."""
_PIXEL, _ROW = 13, 20
"""Instructions that turn four channels of two rows into columns, of a pixel and besides."""


@dataclass(frozen=True)
class Band:
    """How a layer is cut.

    Attributes:
        steps: Pairs of output rows, or at row stride 2 rows, that are made at a time.
        group: Channels whose columns stand in scratch at a time.
    """

    steps: int
    group: int

    @property
    def pairs(self) -> int:
        """Words that stand side by side: one more than the steps, and often the same number."""
        return next(pairs for pairs in PAIRS if pairs > self.steps)


@dataclass(frozen=True)
class Shape:
    """A layer's shape.

    Attributes:
        batches: Images.
        image: Height and width of the input.
        output: Height and width of the output.
        channels: Of both.
        window: What slides.
    """

    batches: int
    image: tuple[int, int]
    output: tuple[int, int]
    channels: int
    window: Window

    @property
    def is_dense(self) -> bool:
        """Output rows come in twos."""
        return self.window.stride[0] == 1

    @cached_property
    def columns(self) -> Columns:
        """Which columns outputs take."""
        w = self.window
        return Columns(self.image[1], self.output[1], w.kernel[1], w.stride[1], w.pad_before[1])

    @property
    def all_steps(self) -> int:
        """Steps of the whole image."""
        return -(-self.output[0] // 2) if self.is_dense else self.output[0]

    def scratch_bytes(self, band: Band) -> int:
        """Columns of a group of channels."""
        return 4 * self.image[1] * band.pairs * band.group

    def fits(self, band: Band, scratch_bytes: int) -> bool:
        """Whether columns find room, and instructions reach them."""
        return band.steps < PAIRS[-1] and self.scratch_bytes(band) <= scratch_bytes

    def cost(self, band: Band) -> float:
        """About how many instructions a layer takes besides its products and stores."""
        bands = -(-self.all_steps // band.steps)
        groups = [band.group] * (self.channels // band.group)
        groups += [self.channels % band.group] if self.channels % band.group else []
        pairs = self.all_steps + bands
        fours = sum(-(-group // TOGETHER) for group in groups)
        loads = pairs * fours * (_PIXEL * self.image[1] + _ROW)
        return loads + bands * (_CALLS * len(groups) + _CHANNEL * self.channels)

    def distance(self, band: Band) -> int:
        """How far the input must stand behind the output.

        A band is written while its rows are read, or after that where one group holds all channels.
        """
        rows = band.steps * (2 if self.is_dense else 1)
        return self._distance(rows, reads_first=band.group >= self.channels)

    def direct_distance(self, rows: int) -> int:
        """The same for tiles that read in place, and bands of so many output rows."""
        return self._distance(rows, reads_first=False)

    def _distance(self, rows: int, *, reads_first: bool) -> int:
        return overlap.sliding(
            self.window,
            self.batches,
            self.image,
            self.channels,
            self.channels,
            step=rows * self.output[1],
            reads_first=reads_first,
        )

    @cached_property
    def edges(self) -> tuple[int, ...]:
        """By how many rows the three of each output row reach over an edge: above less than 0."""
        tops = np.arange(self.output[0]) * self.window.stride[0] - self.window.pad_before[0]
        inside = np.clip(tops, 0, max(self.image[0] - 3, 0))
        return tuple((tops - inside).tolist())

    @property
    def can_be_direct(self) -> bool:
        """Whether there are tiles that read this image in place."""
        height, width = self.image
        return (
            height >= 3
            and width * self.channels <= LARGEST_ROW
            and min(self.edges) >= -1
            and max(self.edges) <= 1
        )

    def direct_cost(self, rows: int) -> float:
        """About how many instructions bands of so many output rows take besides outputs."""
        bands = -(-self.output[0] // rows) + len(set(self.edges)) - 1
        return self.batches * bands * (_DIRECT_CALL + _DIRECT_CHANNEL * self.channels)

    def bands(self, scratch_bytes: int) -> list[Band]:
        """All that find room."""
        groups = [g for g in _GROUPS if g < self.channels] + [self.channels]
        return [
            band
            for steps in range(1, self.all_steps + 1)
            for group in groups
            if self.fits(band := Band(steps, group), scratch_bytes)
        ]


@lru_cache(maxsize=1024)
def fastest(shape: Shape, scratch_bytes: int) -> Band | None:
    """The band with the fewest instructions; memory decides where they are nearly as many."""

    def merit(band: Band) -> float:
        memory = shape.scratch_bytes(band) + shape.distance(band)
        return shape.cost(band) + memory * _INSTRUCTIONS_A_BYTE

    return min(shape.bands(scratch_bytes), key=merit, default=None)


@lru_cache(maxsize=1024)
def fastest_direct(shape: Shape) -> int:
    """The rows of a band with the fewest instructions, as `fastest`."""

    def merit(rows: int) -> float:
        return shape.direct_cost(rows) + shape.direct_distance(rows) * _INSTRUCTIONS_A_BYTE

    return min(range(1, shape.output[0] + 1), key=merit)


@lru_cache(maxsize=1024)
def leanest_direct(shape: Shape) -> int:
    """The rows of a band that takes little memory beyond the output's, and is not slow for it."""
    outputs = shape.batches * shape.output[0] * shape.output[1] * shape.channels

    def merit(rows: int) -> float:
        memory = max(shape.direct_distance(rows), 1)
        return memory * (_DIRECT_OUTPUT * outputs + shape.direct_cost(rows))

    return min(range(1, shape.output[0] + 1), key=merit)
