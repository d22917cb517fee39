"""Blocks of an image as channels or as batches, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from midge.errors import UserError
from midge.graph.movement import Move, Movement, View, expect_byte_zero, zero_of
from midge.graph.operands import expect_rank, expect_type, take, tensor
from midge.graph.types import Array, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class SpaceToDepth(Movement):
    """``y[n, i, j, (p * block + q) * c + k] = x[n, i * block + p, j * block + q, k]``.

    Input:
        x: [n, h, w, c] of any type; h and w are multiples of `block`. The output has its type and
            quantisation.

    Source: TFLM `micro/kernels/space_to_depth.cc`.
    """

    kind = "space_to_depth"
    block: int

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [n, h / block, w / block, c * block**2]."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        expect_rank(x, 4)
        batch, height, width, channels = x.shape
        if self.block < 1 or height % self.block or width % self.block:
            raise UserError(f"blocks of {self.block} do not divide {x.name}{list(x.shape)}")
        shape = (batch, height // self.block, width // self.block, channels * self.block**2)
        return (TensorType(shape, x.dtype),)

    def moves(
        self,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Move, ...]:
        """One."""
        source = View.of(tensor(inputs[0]).shape).split(2, self.block).split(1, self.block)
        source = source.permuted((0, 1, 3, 2, 4, 5))
        return (Move(View.of(source.extents), source),)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Rows and columns are split, and what they are within a block goes to the channels."""
        batch, height, width, _ = outputs[0].shape
        blocks = np.asarray(values[0]).reshape(batch, height, self.block, width, self.block, -1)
        return (blocks.transpose(0, 1, 3, 2, 4, 5).reshape(outputs[0].shape),)


@dataclass(frozen=True, kw_only=True)
class DepthToSpace(Movement):
    """``y[n, i * block + p, j * block + q, k] = x[n, i, j, (p * block + q) * c + k]``.

    Input:
        x: [n, h, w, c * block**2] of any type. The output has its type and quantisation.

    Source: TFLM `micro/kernels/depth_to_space.cc`.
    """

    kind = "depth_to_space"
    block: int

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [n, h * block, w * block, c]."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        expect_rank(x, 4)
        batch, height, width, channels = x.shape
        if self.block < 1 or channels % self.block**2:
            raise UserError(
                f"blocks of {self.block}x{self.block} do not divide the {channels} channels of "
                f"{x.name}"
            )
        shape = (batch, height * self.block, width * self.block, channels // self.block**2)
        return (TensorType(shape, x.dtype),)

    def moves(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> tuple[Move, ...]:
        """One."""
        channels = outputs[0].shape[3]
        source = View.of(tensor(inputs[0]).shape).split(3, self.block * channels)
        source = source.split(4, channels).permuted((0, 1, 3, 2, 4, 5))
        return (Move(View.of(source.extents), source),)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Channels are split, and become rows and columns."""
        batch, height, width, _ = tensor(inputs[0]).shape
        blocks = np.asarray(values[0]).reshape(batch, height, width, self.block, self.block, -1)
        return (blocks.transpose(0, 1, 3, 2, 4, 5).reshape(outputs[0].shape),)


@dataclass(frozen=True, kw_only=True)
class _Blocks(Movement):
    """What space_to_batch and batch_to_space share: an image that stands on a grid of blocks.

    The grid has ``block[d]`` pixels a cell along spatial dimension d. What a pixel is within its
    cell says which batch of the blocked tensor it is in, the cell says where.
    """

    block: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    def expect_grid(self, x: Tensor) -> None:
        """One or two spatial dimensions, and an entry of the attributes for each."""
        expect_type(x, *self.types)
        expect_rank(x, 3, 4)
        spatial = len(x.shape) - 2
        if not len(self.block) == len(self.before) == len(self.after) == spatial:
            raise UserError(
                f"block {list(self.block)}, {list(self.before)} before and {list(self.after)} "
                f"after do not name each of the {spatial} spatial dimensions of {x.name}"
            )
        if min(self.block) < 1 or min(*self.before, *self.after) < 0:
            raise UserError(
                f"block {list(self.block)} must be at least 1, {list(self.before)} before and "
                f"{list(self.after)} after at least 0"
            )

    def placed(self, image: tuple[int, ...], blocked: tuple[int, ...]) -> list[tuple[View, View]]:
        """The same pixels in the image and in the blocked tensor, as boxes that cover the image.

        Rows of whole cells are one box; those of a cell that the image begins or ends in another.
        """
        ranges = [
            _cells(extent, block, before)
            for extent, block, before in zip(image[1:-1], self.block, self.before, strict=True)
        ]
        # Batches of the blocked tensor: the places within a cell, then the image's own batches.
        spread = View.of((*self.block, image[0], *blocked[1:]))
        spatial = len(self.block)
        pairs = []
        for boxes in product(*ranges):
            whole, part = View.of(image), spread
            for d, (begin, cell, cells, place, places) in reversed(list(enumerate(boxes))):
                whole = whole.cut(1 + d, begin, cells * places).split(1 + d, places)
                part = part.cut(spatial + 1 + d, cell, cells).cut(d, place, places)
            # Batches, then cells and places of each spatial dimension, then channels.
            order = [spatial, *(a for d in range(spatial) for a in (spatial + 1 + d, d))]
            pairs.append((whole, part.permuted((*order, 2 * spatial + 1))))
        return pairs

    def blocked_axes(self, spatial: int) -> tuple[int, ...]:
        """Batches, cells and places of each dimension, channels: with the places in front."""
        cells = [1 + 2 * d for d in range(spatial)]
        return (*(1 + c for c in cells), 0, *cells, 1 + 2 * spatial)


def _cells(extent: int, block: int, before: int) -> list[tuple[int, int, int, int, int]]:
    """Pixels 0 to `extent` of a grid that begins `before` pixels earlier, as boxes.

    Each is (first pixel, first cell, number of cells, first place in a cell, number of places).
    """
    boxes = []
    pixel = 0
    while pixel < extent:
        cell, place = divmod(before + pixel, block)
        if place == 0 and extent - pixel >= block:
            cells, places = (extent - pixel) // block, block
        else:
            cells, places = 1, min(block - place, extent - pixel)
        boxes.append((pixel, cell, cells, place, places))
        pixel += cells * places
    return boxes


@dataclass(frozen=True, kw_only=True)
class SpaceToBatch(_Blocks):
    """``y[(p * block[1] + q) * n + b, i, j] = x'[b, i * block[0] + p, j * block[1] + q]``.

    ``x'`` is x in a border of `before` and `after` zero points; with one spatial dimension there
    is neither q nor j.

    Input:
        x: [n, h, w, c] or [n, h, c] of any type. The output has its type and quantisation.

    Source: TFLM `micro/kernels/space_to_batch_nd.cc`, whose border of int8 holds what it finds in
    uninitialised memory; TFLite's holds the zero point.
    """

    kind = "space_to_batch"

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [n * blocks, cells, ..., c]."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        self.expect_grid(x)
        padded = [b + n + a for b, n, a in zip(self.before, x.shape[1:-1], self.after, strict=True)]
        if any(n % block for n, block in zip(padded, self.block, strict=True)):
            raise UserError(
                f"blocks of {list(self.block)} do not divide {x.name}, which is padded to {padded}"
            )
        cells = [n // block for n, block in zip(padded, self.block, strict=True)]
        return (TensorType((x.shape[0] * prod(self.block), *cells, x.shape[-1]), x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Input and output stand for the same reals."""
        super().check(inputs, outputs)
        if outputs[0].size > tensor(inputs[0]).size:
            expect_byte_zero(outputs[0])

    def moves(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> tuple[Move, ...]:
        """The border first, as all of the output; then the image."""
        x, y = tensor(inputs[0]), outputs[0]
        border = [Move(View.of((y.size,)), None)] if y.size > x.size else []
        image = [Move(part, whole) for whole, part in self.placed(x.shape, y.shape)]
        return (*border, *image)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Padded, split into cells and places, places in front."""
        y = outputs[0]
        widths = ((0, 0), *zip(self.before, self.after, strict=True), (0, 0))
        padded = np.pad(np.asarray(values[0]), widths, constant_values=zero_of(y))
        grid = zip(y.shape[1:-1], self.block, strict=True)
        cells = padded.reshape(padded.shape[0], *(n for pair in grid for n in pair), y.shape[-1])
        return (cells.transpose(self.blocked_axes(len(self.block))).reshape(y.shape),)


@dataclass(frozen=True, kw_only=True)
class BatchToSpace(_Blocks):
    """``y'[b, i * block[0] + p, j * block[1] + q] = x[(p * block[1] + q) * n + b, i, j]``.

    y is y' without `before` and `after` pixels at its ends; with one spatial dimension there is
    neither q nor j.

    Input:
        x: [n * blocks, h, w, c] or [n * blocks, h, c] of any type. The output has its type and
            quantisation.

    Source: TFLM `micro/kernels/batch_to_space_nd.cc`.
    """

    kind = "batch_to_space"

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [n, h * block - crops, ..., c]."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        self.expect_grid(x)
        if x.shape[0] % prod(self.block):
            raise UserError(
                f"blocks of {list(self.block)} do not divide the {x.shape[0]} batches of {x.name}"
            )
        cropped = tuple(
            n * block - b - a
            for n, block, b, a in zip(
                x.shape[1:-1], self.block, self.before, self.after, strict=True
            )
        )
        if min(cropped) < 1:
            raise UserError(
                f"crops {list(self.before)} before and {list(self.after)} after leave nothing of "
                f"{x.name}{list(x.shape)}"
            )
        return (TensorType((x.shape[0] // prod(self.block), *cropped, x.shape[-1]), x.dtype),)

    def moves(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> tuple[Move, ...]:
        """One for each box of whole or partial cells."""
        x, y = tensor(inputs[0]), outputs[0]
        return tuple(Move(whole, part) for whole, part in self.placed(y.shape, x.shape))

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Places in a cell go behind the cells; then the crop."""
        x, y = tensor(inputs[0]), outputs[0]
        spread = np.asarray(values[0]).reshape(*self.block, y.shape[0], *x.shape[1:])
        cells = spread.transpose(np.argsort(self.blocked_axes(len(self.block))))
        grid = [n * block for n, block in zip(x.shape[1:-1], self.block, strict=True)]
        image = cells.reshape(y.shape[0], *grid, y.shape[-1])
        ranges = [slice(b, b + n) for b, n in zip(self.before, y.shape[1:-1], strict=True)]
        return (np.ascontiguousarray(image[(slice(None), *ranges)]),)
