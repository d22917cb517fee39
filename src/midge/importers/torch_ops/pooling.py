"""Pools of one and two dimensions."""

from __future__ import annotations

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.pad import Pad
from midge.graph.ops.pool_2d import Pool2D
from midge.graph.ops.reductions import Mean, ReduceMax
from midge.importers.torch_ops.call import Call
from midge.importers.torch_ops.images import as_image, as_source, pair
from midge.importers.torch_ops.registry import Converted, converts

Pair = tuple[int, int]


@converts("aten.max_pool1d.default")
def max_pool1d(call: Call) -> Tensor:
    """The largest of each window."""
    return _max_pool(call, spatial=1)


@converts("aten.max_pool2d.default")
def max_pool2d(call: Call) -> Tensor:
    """The largest of each window."""
    return _max_pool(call, spatial=2)


@converts("aten.max_pool2d_with_indices.default")
def max_pool2d_with_indices(call: Call) -> Converted:
    """After decomposition; the indices are not there."""
    return _max_pool(call, spatial=2), None


@converts("aten.avg_pool1d.default")
def avg_pool1d(call: Call) -> Tensor:
    """The mean of each window."""
    return _average_pool(call, spatial=1)


@converts("aten.avg_pool2d.default")
def avg_pool2d(call: Call) -> Tensor:
    """The mean of each window."""
    return _average_pool(call, spatial=2)


@converts("aten.adaptive_avg_pool1d.default")
def adaptive_avg_pool1d(call: Call) -> Tensor:
    """Windows of one size that cover the signal."""
    return _adaptive(call, 1, Mean, AveragePool2D)


@converts("aten.adaptive_avg_pool2d.default", "aten._adaptive_avg_pool2d.default")
def adaptive_avg_pool2d(call: Call) -> Tensor:
    """Windows of one size that cover the image."""
    return _adaptive(call, 2, Mean, AveragePool2D)


@converts("aten.adaptive_max_pool1d.default")
def adaptive_max_pool1d(call: Call) -> Converted:
    """Windows of one size that cover the signal; the indices are not there."""
    return _adaptive(call, 1, ReduceMax, MaxPool2D), None


@converts("aten.adaptive_max_pool2d.default")
def adaptive_max_pool2d(call: Call) -> Converted:
    """Windows of one size that cover the image; the indices are not there."""
    return _adaptive(call, 2, ReduceMax, MaxPool2D), None


def _geometry(call: Call, spatial: int) -> tuple[Pair, Pair, Pair]:
    """Kernel, stride and padding; without a stride, windows stand side by side."""
    kernel = pair(call, "kernel_size", spatial, None)
    given = call.has("stride") and call.integers("stride")
    stride = pair(call, "stride", spatial, None) if given else kernel
    padding = pair(call, "padding", spatial, 0)
    if min(*kernel, *stride) < 1 or min(padding) < 0:
        raise UserError(f"kernel {kernel}, stride {stride} and padding {padding} are out of range")
    return kernel, stride, padding


def _overhang(call: Call, image: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Pixels behind the padding that the last windows reach with `ceil_mode`.

    Source: PyTorch `aten/src/ATen/native/Pool.h`, pooling_output_shape: a window that would begin
    behind the image and the padding before it is left out.
    """
    if not call.flag("ceil_mode"):
        return 0, 0
    beyond = []
    for d in (0, 1):
        span = image[d] + 2 * padding[d] - kernel[d]
        windows = -(-span // stride[d]) + 1
        if (windows - 1) * stride[d] >= image[d] + padding[d]:
            windows -= 1
        beyond.append(max((windows - 1) * stride[d] - span, 0))
    return beyond[0], beyond[1]


def _max_pool(call: Call, spatial: int) -> Tensor:
    kernel, stride, padding = _geometry(call, spatial)
    dilation = pair(call, "dilation", spatial, 1)
    if dilation != (1, 1):
        raise UnsupportedError(f"dilation is {list(call.integers('dilation'))}; supported: 1")

    def convert(x: Tensor) -> Tensor:
        image = as_image(call, x)
        beyond = _overhang(call, (image.shape[1], image.shape[2]), kernel, stride, padding)
        after = padding[0] + beyond[0], padding[1] + beyond[1]
        attributes = MaxPool2D(kernel=kernel, stride=stride, pad_before=padding, pad_after=after)
        return as_source(call, call.emit(attributes, image), len(x.shape))

    return call.batched(call.tensor("self"), spatial + 2, convert)


def _average_pool(call: Call, spatial: int) -> Tensor:
    """Zeros of the padding count, unless the module says otherwise; they are put there then."""
    kernel, stride, padding = _geometry(call, spatial)
    call.expect("divisor_override")

    def convert(x: Tensor) -> Tensor:
        image = as_image(call, x)
        beyond = _overhang(call, (image.shape[1], image.shape[2]), kernel, stride, padding)
        before, after = padding, (padding[0] + beyond[0], padding[1] + beyond[1])
        if call.flag("count_include_pad", True) and any(padding):
            border = (0, *padding, 0)
            image = call.emit(Pad(before=border, after=border), image, suffix="pad")
            before, after = (0, 0), beyond
        attributes = AveragePool2D(kernel=kernel, stride=stride, pad_before=before, pad_after=after)
        return as_source(call, call.emit(attributes, image), len(x.shape))

    return call.batched(call.tensor("self"), spatial + 2, convert)


def _adaptive(
    call: Call, spatial: int, whole: type[Mean | ReduceMax], pool: type[Pool2D]
) -> Tensor:
    """An output of one pixel is a reduction, whatever the layout."""
    x, wanted = call.tensor("self"), call.integers("output_size")
    wanted = wanted * spatial if len(wanted) == 1 else wanted
    if len(wanted) != spatial or min(wanted) < 1 or len(x.shape) < spatial + 1:
        raise UserError(f"output_size {list(wanted)} of {x.name}{list(x.shape)}")
    rank = len(x.shape)
    if set(wanted) == {1}:
        return call.emit(whole(axes=tuple(range(rank - spatial, rank)), keep_dims=True), x)
    extents = x.shape[rank - spatial :]
    if any(n % w for n, w in zip(extents, wanted, strict=True)):
        raise UnsupportedError(
            f"windows of unequal sizes, from {list(extents)} to {list(wanted)}; supported: sizes "
            "that divide"
        )
    taps = tuple(n // w for n, w in zip(extents, wanted, strict=True))
    kernel = (1, taps[0]) if spatial == 1 else (taps[0], taps[1])

    def convert(x: Tensor) -> Tensor:
        pooled = call.emit(pool(kernel=kernel, stride=kernel), as_image(call, x))
        return as_source(call, pooled, len(x.shape))

    return call.batched(x, spatial + 2, convert)
