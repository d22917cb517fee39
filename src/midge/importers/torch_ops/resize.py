"""Images of another size, and channels as pixels."""

from __future__ import annotations

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.ops.resize_bilinear import ResizeBilinear
from midge.graph.ops.resize_nearest import ResizeNearest
from midge.importers.torch_ops.call import Call
from midge.importers.torch_ops.images import as_image, as_source
from midge.importers.torch_ops.registry import converts

Pair = tuple[int, int]


@converts("aten.upsample_nearest2d.vec", "aten.upsample_nearest2d.default")
def nearest2d(call: Call) -> Tensor:
    """``floor(i * in / out)``."""
    return _nearest(call, 2)


@converts("aten.upsample_nearest1d.vec", "aten.upsample_nearest1d.default")
def nearest1d(call: Call) -> Tensor:
    """An image of height 1."""
    return _nearest(call, 1)


@converts("aten.upsample_bilinear2d.vec", "aten.upsample_bilinear2d.default")
def bilinear2d(call: Call) -> Tensor:
    """Between the four nearest pixels, by their centres or by the corners."""
    x = _named(call)
    size, _ = _size(call, x, 2)
    corners = call.flag("align_corners")
    attributes = ResizeBilinear(size=size, align_corners=corners, half_pixel_centers=not corners)
    return as_source(call, call.emit(attributes, as_image(call, x)), 4)


@converts("aten.pixel_shuffle.default")
def pixel_shuffle(call: Call) -> Tensor:
    """[n, c * r * r, h, w] as [n, c, h * r, w * r]: a change of order."""
    x, r = call.tensor("self"), call.integer("upscale_factor")
    if len(x.shape) != 4 or r < 1 or x.shape[1] % (r * r):
        raise UserError(f"blocks of {r} pixels out of {x.name}{list(x.shape)}")
    n, c, h, w = x.shape
    apart = call.reshaped(x, (n, c // (r * r), r, r, h, w))
    turned = call.builder.transposed(apart, (0, 1, 4, 2, 5, 3))
    return call.reshaped(turned, (n, c // (r * r), h * r, w * r))


@converts("aten.pixel_unshuffle.default")
def pixel_unshuffle(call: Call) -> Tensor:
    """The way back."""
    x, r = call.tensor("self"), call.integer("downscale_factor")
    if len(x.shape) != 4 or r < 1 or x.shape[2] % r or x.shape[3] % r:
        raise UserError(f"blocks of {r} pixels of {x.name}{list(x.shape)}")
    n, c, h, w = x.shape
    apart = call.reshaped(x, (n, c, h // r, r, w // r, r))
    turned = call.builder.transposed(apart, (0, 1, 3, 5, 2, 4))
    return call.reshaped(turned, (n, c * r * r, h // r, w // r))


def _named(call: Call) -> Tensor:
    return call.tensor("input" if call.has("input") else "self")


def _size(call: Call, x: Tensor, spatial: int) -> tuple[Pair, bool]:
    """The output's height and width, and whether positions follow from them alone.

    Raises:
        UnsupportedError: positions follow from a factor that the sizes do not have.
    """
    if len(x.shape) != spatial + 2:
        raise UserError(f"{x.name} has shape {list(x.shape)}; expected {spatial + 2} dimensions")
    image = x.shape[2:]
    for name in ("scales", "scales_h", "scales_w"):
        if call.has(name):
            at = {"scales_w": -1}.get(name, 0)
            size = call.integers("output_size")
            _expect_ratio(call.real(name), image[at], size[at])
    if call.has("output_size"):
        size = call.integers("output_size")
    else:
        factors = call.reals("scale_factors")
        if len(factors) != spatial:
            raise UserError(f"has {len(factors)} scale factors; expected {spatial}")
        size = tuple(int(np.floor(n * f)) for n, f in zip(image, factors, strict=True))
        for n, factor, resized in zip(image, factors, size, strict=True):
            _expect_ratio(factor, n, resized)
    if len(size) != spatial:
        raise UserError(f"output size {list(size)}; expected {spatial} extents")
    return ((1, size[0]) if spatial == 1 else (size[0], size[1])), True


def _expect_ratio(factor: float, extent: int, resized: int) -> None:
    if factor <= 0 or np.float32(1 / factor) != np.float32(extent) / np.float32(max(resized, 1)):
        raise UnsupportedError(
            f"scale factor {factor:g} takes {extent} pixels to {resized}, which is another ratio; "
            "supported: factors that give whole sizes, or recompute_scale_factor=True"
        )


def _nearest(call: Call, spatial: int) -> Tensor:
    x = _named(call)
    size, _ = _size(call, x, spatial)
    return as_source(call, call.emit(ResizeNearest(size=size), as_image(call, x)), len(x.shape))
