"""Operators that move elements, added to a network that is being built.

Each takes the builder and the tensor it reads, gives its output the tensor's type and quantisation,
and returns the output's name, or all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.synthetic.model_description import Fields, Quantization
from midge.synthetic.network_builder import NetworkBuilder

Shape = tuple[int, ...]
Reals = NDArray[np.float64]

PLAIN = Fields()
"""An operator without an options table."""


def quantization_of(builder: NetworkBuilder, x: str) -> Quantization | None:
    """That of a tensor; None for plain numbers."""
    return builder.quantization(x) if builder.is_quantized(x) else None


def random_values(builder: NetworkBuilder, shape: Shape, dtype: str) -> NDArray[Any]:
    """Values for a constant of this type, over all of it."""
    rng = builder.rng
    if dtype == "float32":
        return rng.standard_normal(shape).astype(np.float32)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, np.dtype(dtype).type, endpoint=True)


def constant_like(builder: NetworkBuilder, x: str, shape: Shape) -> str:
    """A constant of x's type and quantisation, and of this shape."""
    values = random_values(builder, shape, builder.dtype(x))
    return builder.constant(values, quantization_of(builder, x))


def int32(builder: NetworkBuilder, values: Any) -> str:
    """A constant that carries axes, sizes or indices."""
    return builder.constant(np.array(values, np.int32))


def moved(
    builder: NetworkBuilder,
    op: str,
    x: str,
    inputs: Sequence[str],
    real: Reals,
    options: Fields = PLAIN,
    version: int = 1,
) -> str:
    """An operator whose output has x's type and quantisation."""
    quantization, dtype = quantization_of(builder, x), builder.dtype(x)
    return builder.operator(
        op, tuple(inputs), options, real, quantization, dtype=dtype, version=version
    )


def moved_apart(
    builder: NetworkBuilder,
    op: str,
    x: str,
    inputs: Sequence[str],
    reals: Sequence[Reals],
    options: Fields = PLAIN,
) -> list[str]:
    """An operator of several outputs, each of x's type and quantisation."""
    quantizations = [quantization_of(builder, x)] * len(reals)
    return builder.operators(
        op, tuple(inputs), options, reals, quantizations, dtype=builder.dtype(x)
    )


def transpose(builder: NetworkBuilder, x: str, axes: Shape) -> str:
    """TRANSPOSE."""
    real = np.transpose(builder.values(x), (0, *(a + 1 for a in axes)))
    return moved(builder, "TRANSPOSE", x, (x, int32(builder, axes)), real)


def concatenation(builder: NetworkBuilder, names: Sequence[str], axis: int) -> str:
    """CONCATENATION; the axis may be negative."""
    positive = axis % len(builder.shape(names[0]))
    real = np.concatenate([builder.values(n) for n in names], positive + 1)
    options = Fields.of("ConcatenationOptions", Axis=axis)
    return moved(builder, "CONCATENATION", names[0], names, real, options)


def pack(builder: NetworkBuilder, names: Sequence[str], axis: int) -> str:
    """PACK; the axis may be negative."""
    positive = axis % (len(builder.shape(names[0])) + 1)
    real = np.stack([builder.values(n) for n in names], positive + 1)
    options = Fields.of("PackOptions", ValuesCount=len(names), Axis=axis)
    return moved(builder, "PACK", names[0], names, real, options)


def unpack(builder: NetworkBuilder, x: str, axis: int) -> list[str]:
    """UNPACK; the axis may be negative."""
    positive = axis % len(builder.shape(x))
    reals = list(np.moveaxis(builder.values(x), positive + 1, 0))
    options = Fields.of("UnpackOptions", Num=len(reals), Axis=axis)
    return moved_apart(builder, "UNPACK", x, (x,), reals, options)


def split(builder: NetworkBuilder, x: str, axis: int, count: int) -> list[str]:
    """SPLIT; the axis may be negative."""
    positive = axis % len(builder.shape(x))
    reals = np.split(builder.values(x), count, positive + 1)
    options = Fields.of("SplitOptions", NumSplits=count)
    return moved_apart(builder, "SPLIT", x, (int32(builder, axis), x), reals, options)


def split_v(
    builder: NetworkBuilder, x: str, axis: int, sizes: Shape, written: Shape | None = None
) -> list[str]:
    """SPLIT_V; the axis may be negative, and what is written for a size -1."""
    positive = axis % len(builder.shape(x))
    reals = np.split(builder.values(x), np.cumsum(sizes)[:-1], positive + 1)
    inputs = (x, int32(builder, written or sizes), int32(builder, axis))
    options = Fields.of("SplitVOptions", NumSplits=len(sizes))
    return moved_apart(builder, "SPLIT_V", x, inputs, reals, options)


def slice_(builder: NetworkBuilder, x: str, begin: Shape, size: Shape, dtype: str = "int32") -> str:
    """SLICE; a size of -1 reaches to the end."""
    taken = [slice(b, None if n == -1 else b + n) for b, n in zip(begin, size, strict=True)]
    real = builder.values(x)[(slice(None), *taken)]
    operands = (builder.constant(np.array(v, dtype)) for v in (begin, size))
    return moved(builder, "SLICE", x, (x, *operands), real)


def strided_slice(
    builder: NetworkBuilder,
    x: str,
    begin: Shape,
    end: Shape,
    strides: Shape,
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    shrink: int = 0,
) -> str:
    """STRIDED_SLICE."""
    index: list[Any] = []
    for i, (first, last, stride) in enumerate(zip(begin, end, strides, strict=True)):
        start = None if begin_mask >> i & 1 else first
        if shrink >> i & 1:
            index.append(0 if start is None else start)
        else:
            index.append(slice(start, None if end_mask >> i & 1 else last, stride))
    real = builder.values(x)[(slice(None), *index)]
    operands = (int32(builder, v) for v in (begin, end, strides))
    options = Fields.of(
        "StridedSliceOptions", BeginMask=begin_mask, EndMask=end_mask, ShrinkAxisMask=shrink
    )
    return moved(builder, "STRIDED_SLICE", x, (x, *operands), real, options)


def gather(builder: NetworkBuilder, x: str, indices: str, axis: int, batch_dims: int = 0) -> str:
    """GATHER; axis and batch dimensions may be negative. Simulated indices are clamped."""
    shape, chosen = builder.shape(x), builder.values(indices).astype(np.int64)
    axis_, batches = axis % len(shape), batch_dims % max(chosen.ndim - 1, 1)
    at = np.clip(chosen, 0, shape[axis_] - 1)
    real = np.stack(
        [
            _gathered(value, index, axis_, batches)
            for value, index in zip(builder.values(x), at, strict=True)
        ]
    )
    options = Fields.of("GatherOptions", Axis=axis, BatchDims=batch_dims)
    return moved(builder, "GATHER", x, (x, indices), real, options)


def _gathered(x: Reals, at: NDArray[np.int64], axis: int, batches: int) -> Reals:
    if batches:
        pairs = zip(x, at, strict=True)
        return np.stack([_gathered(v, i, axis - 1, batches - 1) for v, i in pairs])
    taken: Reals = np.take(x, at, axis)
    return taken


def broadcast_to(builder: NetworkBuilder, x: str, shape: Shape, dtype: str = "int32") -> str:
    """BROADCAST_TO."""
    own = builder.shape(x)
    values = builder.values(x)
    real = np.broadcast_to(
        values.reshape(len(values), *(1,) * (len(shape) - len(own)), *own), (len(values), *shape)
    )
    inputs = (x, builder.constant(np.array(shape, dtype)))
    return moved(builder, "BROADCAST_TO", x, inputs, real)


def tile(builder: NetworkBuilder, x: str, multiples: Shape) -> str:
    """TILE."""
    real = np.tile(builder.values(x), (1, *multiples))
    return moved(builder, "TILE", x, (x, int32(builder, multiples)), real)


def fill(builder: NetworkBuilder, value: str, shape: Shape) -> str:
    """FILL with a scalar tensor."""
    values = builder.values(value)
    real = np.broadcast_to(values.reshape(-1, *(1,) * len(shape)), (len(values), *shape))
    return moved(builder, "FILL", value, (int32(builder, shape), value), real)


def pad(
    builder: NetworkBuilder, x: str, paddings: Sequence[Shape], value: str | None = None
) -> str:
    """PAD, or PADV2 with a border of `value`, one element of x's type and quantisation."""
    inputs = (x, int32(builder, paddings))
    widths = [(0, 0), *paddings]
    if value is None:
        return moved(builder, "PAD", x, inputs, np.pad(builder.values(x), widths), version=2)
    border = float(builder.values(value).reshape(-1)[0])
    real = np.pad(builder.values(x), widths, constant_values=border)
    return moved(builder, "PADV2", x, (*inputs, value), real)


def mirror_pad(
    builder: NetworkBuilder, x: str, paddings: Sequence[Shape], mode: str, dtype: str = "int32"
) -> str:
    """MIRROR_PAD; `mode` is ``"reflect"`` or ``"symmetric"``."""
    widths = [(0, 0), *paddings]
    values = builder.values(x)
    real = np.pad(values, widths, "reflect" if mode == "reflect" else "symmetric")
    options = Fields.of("MirrorPadOptions", Mode=("reflect", "symmetric").index(mode))
    inputs = (x, builder.constant(np.array(paddings, dtype)))
    return moved(builder, "MIRROR_PAD", x, inputs, real, options)


def space_to_depth(builder: NetworkBuilder, x: str, block: int) -> str:
    """SPACE_TO_DEPTH."""
    batch, height, width, channels = builder.shape(x)
    shape = (batch, height // block, block, width // block, block, channels)
    real = builder.values(x).reshape(-1, *shape).transpose(0, 1, 2, 4, 3, 5, 6)
    real = real.reshape(-1, batch, shape[1], shape[3], channels * block * block)
    options = Fields.of("SpaceToDepthOptions", BlockSize=block)
    return moved(builder, "SPACE_TO_DEPTH", x, (x,), real, options)


def depth_to_space(builder: NetworkBuilder, x: str, block: int) -> str:
    """DEPTH_TO_SPACE."""
    batch, height, width, channels = builder.shape(x)
    shape = (batch, height, width, block, block, channels // block**2)
    real = builder.values(x).reshape(-1, *shape).transpose(0, 1, 2, 4, 3, 5, 6)
    real = real.reshape(-1, batch, height * block, width * block, shape[5])
    options = Fields.of("DepthToSpaceOptions", BlockSize=block)
    return moved(builder, "DEPTH_TO_SPACE", x, (x,), real, options)


def space_to_batch(builder: NetworkBuilder, x: str, block: Shape, paddings: Sequence[Shape]) -> str:
    """SPACE_TO_BATCH_ND over one or two dimensions."""
    padded = np.pad(builder.values(x), [(0, 0), (0, 0), *paddings, (0, 0)])
    samples, batch, *image, channels = padded.shape
    grid = [n for extent, b in zip(image, block, strict=True) for n in (extent // b, b)]
    cells = padded.reshape(samples, batch, *grid, channels)
    spatial = range(len(block))
    order = (0, *(3 + 2 * d for d in spatial), 1, *(2 + 2 * d for d in spatial), cells.ndim - 1)
    real = cells.transpose(order).reshape(samples, -1, *grid[::2], channels)
    inputs = (x, int32(builder, block), int32(builder, paddings))
    return moved(builder, "SPACE_TO_BATCH_ND", x, inputs, real)


def batch_to_space(builder: NetworkBuilder, x: str, block: Shape, crops: Sequence[Shape]) -> str:
    """BATCH_TO_SPACE_ND over one or two dimensions."""
    samples, batch, *cells, channels = builder.values(x).shape
    images = batch // int(np.prod(block))
    spread = builder.values(x).reshape(samples, *block, images, *cells, channels)
    count = len(block)
    order = [0, 1 + count]
    for d in range(count):
        order += [2 + count + d, 1 + d]
    extents = [n * b for n, b in zip(cells, block, strict=True)]
    whole = spread.transpose(*order, spread.ndim - 1).reshape(samples, images, *extents, channels)
    cut = [slice(b, n - a) for n, (b, a) in zip(extents, crops, strict=True)]
    real = whole[(slice(None), slice(None), *cut)]
    inputs = (x, int32(builder, block), int32(builder, crops))
    return moved(builder, "BATCH_TO_SPACE_ND", x, inputs, real)


def resize_nearest(
    builder: NetworkBuilder,
    x: str,
    size: Shape,
    *,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> str:
    """RESIZE_NEAREST_NEIGHBOR; any nearby pixels will do to simulate it."""
    _, height, width, _ = builder.shape(x)
    rows, columns = (np.arange(n) * m // n for n, m in zip(size, (height, width), strict=True))
    real = builder.values(x)[:, :, rows][:, :, :, columns]
    options = Fields.of(
        "ResizeNearestNeighborOptions",
        AlignCorners=align_corners,
        HalfPixelCenters=half_pixel_centers,
    )
    return moved(builder, "RESIZE_NEAREST_NEIGHBOR", x, (x, int32(builder, size)), real, options)


def reshaped(builder: NetworkBuilder, x: str, shape: Shape) -> str:
    """RESHAPE to a shape that stands in an operand."""
    real = builder.values(x).reshape(-1, *shape)
    return moved(builder, "RESHAPE", x, (x, int32(builder, shape)), real)


def squeeze(builder: NetworkBuilder, x: str, axes: Shape) -> str:
    """SQUEEZE the named dimensions, or all of extent 1; the axes may be negative."""
    shape = builder.shape(x)
    dropped = [a % len(shape) for a in axes] or [a for a, n in enumerate(shape) if n == 1]
    real = builder.values(x).squeeze(tuple(a + 1 for a in dropped))
    options = Fields.of("SqueezeOptions", SqueezeDims=axes)
    return moved(builder, "SQUEEZE", x, (x,), real, options)


def expand_dims(builder: NetworkBuilder, x: str, axis: int) -> str:
    """EXPAND_DIMS; the axis may be negative."""
    positive = axis % (len(builder.shape(x)) + 1)
    real = np.expand_dims(builder.values(x), positive + 1)
    return moved(builder, "EXPAND_DIMS", x, (x, int32(builder, axis)), real)


def shape_of(builder: NetworkBuilder, x: str, code: int = 2, dtype: str = "int32") -> str:
    """SHAPE as the schema's type `code`, which is `dtype`."""
    values = builder.values(x)
    real = np.broadcast_to(np.array(values.shape[1:], float), (len(values), values.ndim - 1))
    options = Fields.of("ShapeOptions", OutType=code)
    return builder.operator("SHAPE", (x,), options, real, None, dtype=dtype)


def zeros_like(builder: NetworkBuilder, x: str) -> str:
    """ZEROS_LIKE: what is stored is 0."""
    quantization = quantization_of(builder, x)
    zero = 0.0 if quantization is None else -quantization.zero_point * quantization.scale
    return moved(builder, "ZEROS_LIKE", x, (x,), np.full_like(builder.values(x), zero))
