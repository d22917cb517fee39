"""Windows of convolutions and pools: attributes as explicit padding, one or two dimensions as two.

Source: ONNX, Conv, ConvTranspose, MaxPool and AveragePool: `auto_pad`, `pads`, `ceil_mode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.window import LARGEST_PARAMETER, Pair, reach
from midge.importers.onnx_ops.operands import OnnxOp

AUTO_PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class Spatial:
    """A window's geometry along the one or two dimensions of an image.

    Attributes:
        image: Extents.
        kernel: Taps.
        stride: Step between windows.
        dilation: Step between taps.
        before: Padding in front of the image.
        after: Padding behind it.
    """

    image: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]


def image_of(op: OnnxOp, x: Tensor) -> tuple[int, ...]:
    """Extents of the dimensions that windows slide along.

    Raises:
        UnsupportedError: there are others than one or two of them.
    """
    if len(x.shape) not in (3, 4):
        raise UnsupportedError(
            f"{op.record.op_type} of {x.name}{list(x.shape)}; supported: [n, c, length] and "
            "[n, c, height, width]"
        )
    return x.shape[2:]


def listed(op: OnnxOp, name: str, rank: int, least: int, default: int) -> tuple[int, ...]:
    """An attribute with a number for each dimension."""
    found = op.wholes(name)
    if found is None:
        return (default,) * rank
    if len(found) != rank or min(found) < least or max(found) > LARGEST_PARAMETER:
        raise UserError(
            f"attribute {name} is {found[:16]}; expected {rank} numbers from {least} to "
            f"{LARGEST_PARAMETER}"
        )
    return tuple(found)


def auto_pad_of(op: OnnxOp) -> str:
    """The attribute."""
    found = op.text("auto_pad", "NOTSET")
    if found not in AUTO_PADS:
        raise UserError(f"attribute auto_pad is {found!r}; expected one of {', '.join(AUTO_PADS)}")
    return found


def spatial_of(op: OnnxOp, image: tuple[int, ...], kernel: Sequence[int]) -> Spatial:
    """The window that a node slides over an image, with explicit padding."""
    rank = len(image)
    stride = listed(op, "strides", rank, 1, 1)
    dilation = listed(op, "dilations", rank, 1, 1)
    pads = listed(op, "pads", 2 * rank, 0, 0)
    before, after = pads[:rank], pads[rank:]
    auto_pad = auto_pad_of(op)
    if auto_pad == "VALID":
        before = after = (0,) * rank
    elif auto_pad != "NOTSET":
        totals = [
            max((-(-extent // s) - 1) * s + reach(k, d) - extent, 0)
            for extent, k, s, d in zip(image, kernel, stride, dilation, strict=True)
        ]
        less, more = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
        before, after = (less, more) if auto_pad == "SAME_UPPER" else (more, less)
    return Spatial(image, tuple(kernel), stride, dilation, before, after)


def kernel_of(op: OnnxOp, rank: int, weights: Sequence[int] | None = None) -> tuple[int, ...]:
    """The attribute `kernel_shape`; where weights are there it only repeats theirs."""
    if weights is not None:
        named = listed(op, "kernel_shape", rank, 1, 1)
        if op.has_attribute("kernel_shape") and named != tuple(weights):
            raise UserError(
                f"attribute kernel_shape is {list(named)}; the weights are {list(weights)}"
            )
        return tuple(weights)
    if not op.has_attribute("kernel_shape"):
        raise UserError("has no attribute kernel_shape")
    return listed(op, "kernel_shape", rank, 1, 1)


def with_ceiling(spatial: Spatial, *, ceil_mode: bool) -> Spatial:
    """The padding behind the image as far as windows reach: less than said, or more.

    With `ceil_mode` a last window that is not whole counts, if it starts in the image or in the
    padding in front of it.
    """
    after = []
    for d, extent in enumerate(spatial.image):
        span = reach(spatial.kernel[d], spatial.dilation[d])
        stride = spatial.stride[d]
        room = extent + spatial.before[d] + spatial.after[d] - span
        if room < 0:
            raise UserError(f"a window of {spatial.kernel} taps does not fit {spatial.image}")
        windows = room // stride + 1
        if ceil_mode:
            windows = -(-room // stride) + 1
            if (windows - 1) * stride >= extent + spatial.before[d]:
                windows -= 1
        end = (windows - 1) * stride + span
        after.append(max(end - extent - spatial.before[d], 0))
    return Spatial(
        spatial.image,
        spatial.kernel,
        spatial.stride,
        spatial.dilation,
        spatial.before,
        tuple(after),
    )


def pair(values: Sequence[int], missing: int) -> Pair:
    """Numbers for one or two dimensions as (height, width); one stands for the width."""
    return (missing, values[0]) if len(values) == 1 else (values[0], values[1])


def as_image(op: OnnxOp, x: Tensor) -> Tensor:
    """[n, c, l] or [n, c, h, w] as [n, h, w, c], with h = 1 for the former."""
    last = op.builder.channels_last(x)
    if len(x.shape) == 3:
        batch, length, channels = last.shape
        last = op.builder.reshaped(last, (batch, 1, length, channels))
    return last


def from_image(op: OnnxOp, y: Tensor, rank: int) -> Tensor:
    """[n, h, w, c] as [n, c, h, w], or as [n, c, w] of rank 3."""
    if rank == 3:
        batch, _, length, channels = y.shape
        y = op.builder.reshaped(y, (batch, length, channels))
    return op.builder.channels_first(y)
