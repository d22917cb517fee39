"""Convolutions of one and two dimensions, transposed ones among them."""

from __future__ import annotations

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.transpose_conv import TransposeConv
from midge.graph.window import reach
from midge.importers.torch_ops.call import Call
from midge.importers.torch_ops.images import as_image, as_source, pair
from midge.importers.torch_ops.registry import converts

Pads = tuple[tuple[int, int], tuple[int, int]]
"""Before and after: (height, width) each."""


@converts("aten.conv1d.default", "aten.conv1d.padding")
def conv1d(call: Call) -> Tensor:
    """An image of height 1."""
    return _convolution(call, spatial=1)


@converts("aten.conv2d.default", "aten.conv2d.padding")
def conv2d(call: Call) -> Tensor:
    """Grouped, dilated, padded with zeros."""
    return _convolution(call, spatial=2)


@converts("aten.conv_transpose1d.default")
def conv_transpose1d(call: Call) -> Tensor:
    """An image of height 1."""
    return _transposed(call, spatial=1)


@converts("aten.conv_transpose2d.input")
def conv_transpose2d(call: Call) -> Tensor:
    """One group."""
    return _transposed(call, spatial=2)


@converts("aten.convolution.default", "aten._convolution.default")
def convolution(call: Call) -> Tensor:
    """All of them, after decomposition."""
    spatial = len(call.tensor("weight").shape) - 2
    call.flag("transposed")
    for name in ("benchmark", "deterministic", "allow_tf32"):
        call.flag(name)
    if spatial not in (1, 2):
        raise UnsupportedError(f"convolves {spatial} dimensions; supported: 1 and 2")
    if call.flag("transposed"):
        return _transposed(call, spatial)
    if any(call.integers("output_padding", (0,))):
        raise UserError("has output_padding and is not transposed")
    return _convolution(call, spatial)


def _convolution(call: Call, spatial: int) -> Tensor:
    w, b = call.settled(call.tensor("weight")), call.optional("bias")
    if len(w.shape) != spatial + 2:
        raise UserError(f"{w.name} has shape {list(w.shape)}; expected {spatial + 2} dimensions")
    stride, dilation = pair(call, "stride", spatial, 1), pair(call, "dilation", spatial, 1)
    groups = call.integer("groups", 1)
    if spatial == 1:
        w = call.builder.unsqueezed(w, 2)
    before, after = _padding(call, spatial, (w.shape[2], w.shape[3]), dilation)

    def convert(x: Tensor) -> Tensor:
        channels = x.shape[1]
        if w.shape[1] * groups != channels:
            raise UserError(
                f"{w.name} has shape {list(w.shape)}; {groups} groups of it do not make the "
                f"{channels} channels of {x.name}"
            )
        image = as_image(call, x)
        depthwise = groups == channels and w.shape[1] == 1
        kind = DepthwiseConv2D if depthwise else Conv2D
        attributes = kind(stride=stride, dilation=dilation, pad_before=before, pad_after=after)
        weights = call.builder.transposed(w, (1, 2, 3, 0) if depthwise else (0, 2, 3, 1))
        return as_source(call, call.emit(attributes, image, weights, b), len(x.shape))

    return call.batched(call.tensor("input"), spatial + 2, convert)


def _padding(call: Call, spatial: int, taps: tuple[int, int], dilation: tuple[int, int]) -> Pads:
    """Zeros around the image; the odd one of "same" goes after."""
    words = call.node.arguments.get("padding")
    if isinstance(words, str):
        word = call.text("padding", "valid")
        if word not in ("valid", "same"):
            raise UserError(f'padding is "{word}"; expected "valid" or "same"')
        total = [
            reach(t, d) - 1 if word == "same" else 0 for t, d in zip(taps, dilation, strict=True)
        ]
        return (total[0] // 2, total[1] // 2), (total[0] - total[0] // 2, total[1] - total[1] // 2)
    both = pair(call, "padding", spatial, 0)
    return both, both


def _transposed(call: Call, spatial: int) -> Tensor:
    """The output's extent is explicit; rows that padding would cut are never computed."""
    w, b = call.settled(call.tensor("weight")), call.optional("bias")
    if len(w.shape) != spatial + 2:
        raise UserError(f"{w.name} has shape {list(w.shape)}; expected {spatial + 2} dimensions")
    if call.integer("groups", 1) != 1:
        raise UnsupportedError(
            f"transposed convolution in {call.integer('groups', 1)} groups; supported: 1"
        )
    if pair(call, "dilation", spatial, 1) != (1, 1):
        raise UnsupportedError(
            f"transposed convolution with dilation {list(call.integers('dilation'))}; supported: 1"
        )
    stride, padding = pair(call, "stride", spatial, 1), pair(call, "padding", spatial, 0)
    extra = pair(call, "output_padding", spatial, 0)
    if spatial == 1:
        w = call.builder.unsqueezed(w, 2)

    def convert(x: Tensor) -> Tensor:
        image = as_image(call, x)
        height, width = (
            (image.shape[1 + d] - 1) * stride[d] - 2 * padding[d] + w.shape[2 + d] + extra[d]
            for d in (0, 1)
        )
        attributes = TransposeConv(extent=(height, width), stride=stride, pad_before=padding)
        # [in, out, h, w] as [out, h, w, in].
        weights = call.builder.transposed(w, (1, 2, 3, 0))
        return as_source(call, call.emit(attributes, image, weights, b), len(x.shape))

    return call.batched(call.tensor("input"), spatial + 2, convert)
