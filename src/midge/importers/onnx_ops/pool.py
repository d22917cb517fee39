"""Pools: over windows, and over whole images."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.div import Div
from midge.graph.ops.elementary_functions import Exp, Log, Sqrt, Square
from midge.graph.ops.gather import Gather
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.mul import Mul
from midge.graph.ops.pad import Pad
from midge.graph.ops.reductions import Mean, ReduceMax, Sum
from midge.graph.ops.sign_and_rounding import Abs
from midge.graph.window import Window
from midge.importers.onnx_ops.operands import OnnxOp
from midge.importers.onnx_ops.registry import Converted, converts
from midge.importers.onnx_ops.windows import (
    Spatial,
    as_image,
    from_image,
    image_of,
    kernel_of,
    pair,
    spatial_of,
    with_ceiling,
)

HIGHEST_ORDER = 8
"""Of a norm, whose powers are products."""


def _window(op: OnnxOp, x: Tensor) -> Spatial:
    image = image_of(op, x)
    return spatial_of(op, image, kernel_of(op, len(image)))


def _is_dilated(spatial: Spatial) -> bool:
    return any(d > 1 and k > 1 for d, k in zip(spatial.dilation, spatial.kernel, strict=True))


def _geometry(spatial: Spatial) -> Window:
    """Along height and width."""
    return Window(
        pair(spatial.kernel, 1),
        pair(spatial.stride, 1),
        pair(spatial.dilation, 1),
        pair(spatial.before, 0),
        pair(spatial.after, 0),
    )


def _ceiling(op: OnnxOp) -> bool:
    return op.flag("ceil_mode")


@converts("MaxPool", keeps_codes=True)
def convert_max_pool(op: OnnxOp) -> Converted:
    """The largest value of each window; where it stood is not given."""
    op.ignore("storage_order")
    if op.has_output(1):
        raise UnsupportedError("gives indices; supported: values alone")
    x = op.tensor(0)
    spatial = with_ceiling(_window(op, x), ceil_mode=_ceiling(op))
    image = as_image(op, x)
    if _is_dilated(spatial):
        image, made = _side_by_side(op, image, _geometry(spatial))
    else:
        made = MaxPool2D(
            kernel=pair(spatial.kernel, 1),
            stride=pair(spatial.stride, 1),
            pad_before=pair(spatial.before, 0),
            pad_after=pair(spatial.after, 0),
        )
    return from_image(op, op.emit(made, image), len(x.shape))


def _side_by_side(op: OnnxOp, image: Tensor, window: Window) -> tuple[Tensor, MaxPool2D]:
    """The taps of dilated windows one window after the other, and a pool over such windows.

    A tap outside the image is taken for one of its window inside, which changes no maximum.
    """
    extents = image.shape[1], image.shape[2]
    window.expect_touching(extents)
    window.expect_gatherable(image.shape)
    for d, places in enumerate(window.tap_indices(extents)):
        inside = (places >= 0) & (places < extents[d])
        some = np.take_along_axis(places, inside.argmax(axis=1)[:, None], axis=1)
        taps = np.where(inside, places, some).reshape(-1)
        indices = op.constant(taps, np.int32, part="taps")
        image = op.emit(Gather(axis=1 + d), image, indices, part="gather")
    return image, MaxPool2D(kernel=window.kernel, stride=window.kernel)


@converts("AveragePool")
def convert_average_pool(op: OnnxOp) -> Converted:
    """The mean of each window; explicit padding counts where `count_include_pad`."""
    x = op.tensor(0)
    return _averaged(op, x, _window(op, x), include=op.flag("count_include_pad"))


def _averaged(op: OnnxOp, x: Tensor, spatial: Spatial, *, include: bool) -> Tensor:
    ceiling = with_ceiling(spatial, ceil_mode=_ceiling(op))
    before, after = pair(ceiling.before, 0), pair(ceiling.after, 0)
    image = as_image(op, x)
    if include and any((*spatial.before, *spatial.after)):
        # Beyond the padding that is said lies what only rounding up has reached: it never counts.
        behind = pair(spatial.after, 0)
        image = op.emit(Pad(before=(0, *before, 0), after=(0, *behind, 0)), image, part="pad")
        before = (0, 0)
        after = (max(after[0] - behind[0], 0), max(after[1] - behind[1], 0))
    if _is_dilated(spatial):
        window = Window(
            pair(spatial.kernel, 1),
            pair(spatial.stride, 1),
            pair(spatial.dilation, 1),
            before,
            after,
        )
        return from_image(op, _dilated_means(op, image, window), len(x.shape))
    made = AveragePool2D(
        kernel=pair(spatial.kernel, 1),
        stride=pair(spatial.stride, 1),
        pad_before=before,
        pad_after=after,
    )
    return from_image(op, op.emit(made, image), len(x.shape))


def _dilated_means(op: OnnxOp, image: Tensor, window: Window) -> Tensor:
    """Sums by a depthwise convolution with ones, divided by the numbers of taps in the image."""
    extents, channels = (image.shape[1], image.shape[2]), image.shape[3]
    window.expect_touching(extents)
    window.expect_gatherable(image.shape)
    ones = op.constant(np.ones((1, *window.kernel, channels)), part="ones")
    made = DepthwiseConv2D(
        stride=window.stride,
        dilation=window.dilation,
        pad_before=window.pad_before,
        pad_after=window.pad_after,
    )
    counts = window.inside(extents).sum(axis=(3, 4), dtype=np.float32)
    return op.emit(Div(), op.emit(made, image, ones, part="sum"), op.constant(counts, part="count"))


@converts("LpPool")
def convert_lp_pool(op: OnnxOp) -> Converted:
    """The norm of each window: a mean of powers times the number of taps, and a root."""
    x, order = op.float32(0), _order(op)
    spatial = _window(op, x)
    # Rounding up would reach taps that no mean counts.
    if with_ceiling(spatial, ceil_mode=_ceiling(op)) != with_ceiling(spatial, ceil_mode=False):
        raise UnsupportedError("ceil_mode with windows that are not whole; supported: whole ones")
    means = _averaged(op, _powers(op, x, order), spatial, include=True)
    taps = op.constant(math.prod(spatial.kernel), part="taps")
    return _root(op, op.emit(Mul(), means, taps, part="sum"), order)


def _order(op: OnnxOp) -> int:
    """Of the norm: 1 is the sum of magnitudes, 2 is Euclid's."""
    order = op.whole("p", 2)
    if not 1 <= order <= HIGHEST_ORDER:
        raise UnsupportedError(f"norm of order {order}; supported: 1 to {HIGHEST_ORDER}")
    return order


def _powers(op: OnnxOp, x: Tensor, order: int) -> Tensor:
    """Magnitudes to the order's power."""
    if order == 2:
        return op.emit(Square(), x, part="square")
    sizes = op.emit(Abs(), x, part="abs")
    return reduce(lambda product, _: op.emit(Mul(), product, sizes), range(order - 1), sizes)


def _root(op: OnnxOp, x: Tensor, order: int) -> Tensor:
    """``x ** (1 / order)`` of what is not under 0."""
    if order == 1:
        return x
    if order == 2:
        return op.emit(Sqrt(), x)
    share = op.constant(1 / order, part="share")
    return op.emit(Exp(), op.emit(Mul(), op.emit(Log(), x, part="log"), share, part="mul"))


def _image_axes(x: Tensor) -> tuple[int, ...]:
    if len(x.shape) < 3:
        raise UserError(f"{x.name} has shape {list(x.shape)}; expected [n, c, ...]")
    return tuple(np.arange(2, len(x.shape)).tolist())


@converts("GlobalAveragePool")
def convert_global_average_pool(op: OnnxOp) -> Converted:
    """The mean of each channel."""
    x = op.float32(0)
    return op.emit(Mean(axes=_image_axes(x), keep_dims=True), x)


@converts("GlobalMaxPool", keeps_codes=True)
def convert_global_max_pool(op: OnnxOp) -> Converted:
    """The largest value of each channel."""
    x = op.tensor(0)
    return op.emit(ReduceMax(axes=_image_axes(x), keep_dims=True), x)


@converts("GlobalLpPool")
def convert_global_lp_pool(op: OnnxOp) -> Converted:
    """The norm of each channel."""
    x, order = op.float32(0), _order(op)
    made = Sum(axes=_image_axes(x), keep_dims=True)
    return _root(op, op.emit(made, _powers(op, x, order), part="sum"), order)
