"""A layer cut down to one row of its output, and the rows of its inputs which that needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from midge.c_emitter.kernel import Kernel, Layer
from midge.c_emitter.kernels import KERNELS
from midge.c_emitter.kernels.elementwise_unary import FLOAT_KINDS
from midge.graph import DType, Tensor
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.pool_2d import Pool2D
from midge.graph.window import Window, reach

ELEMENTWISE = frozenset(
    {"add", "sub", "mul", "div", "squared_difference", "prelu", "minimum", "maximum"}
    | {"lookup", "quantize", *FLOAT_KINDS}
)
"""Operators whose element at a place follows from the operands' elements at that place."""
_ROW_TYPES = (DType.INT8, DType.INT16, DType.FLOAT32)
_IMAGE_RANK = 4


@dataclass(frozen=True)
class Reading:
    """How a layer reads the rows of one operand.

    Attributes:
        operand: Index among the layer's inputs.
        reach: Rows, one below the other, that one row of the output follows from.
        stride: How many rows further down the next output row begins.
        pad_before: Rows of padding above the image.
        pad_after: Rows of padding below it that some output row reads.
        fill: The byte of which padding consists.
    """

    operand: int
    reach: int = 1
    stride: int = 1
    pad_before: int = 0
    pad_after: int = 0
    fill: int = 0

    @property
    def is_padded(self) -> bool:
        """True when it reads rows that are not there."""
        return self.pad_before + self.pad_after > 0


@dataclass(frozen=True)
class RowLayer:
    """A layer that makes one row: the same operator on a smaller image.

    Attributes:
        layer: Its input images have the rows that one output row reads, without padding above or
            below; its output image has one row. Tensors keep their names.
        readings: One for each operand that is computed.
        rows: Output rows of the whole layer.
    """

    layer: Layer
    readings: tuple[Reading, ...]
    rows: int


def row_bytes(tensor: Tensor) -> int:
    """Bytes of one row of an NHWC image."""
    return tensor.size_bytes // tensor.shape[1]


def is_image(tensor: Tensor) -> bool:
    """One NHWC image whose rows can be handed on one by one."""
    return len(tensor.shape) == _IMAGE_RANK and tensor.shape[0] == 1 and tensor.dtype in _ROW_TYPES


def row_layer(layer: Layer) -> RowLayer | None:
    """The layer as one of rows; None where it cannot be computed row by row."""
    images = [*(t for t in layer.inputs if t is not None and t.is_computed), *layer.outputs]
    if layer.has_state or len(layer.outputs) != 1 or not all(map(is_image, images)):
        return None
    attributes = layer.op.attributes
    if isinstance(attributes, Conv2D | DepthwiseConv2D):
        if len(images) != 2:  # the image and the output: weights are constants
            return None
        x = layer.input(0)
        fill = x.zero_point & 0xFF if x.dtype is DType.INT8 else 0
        return _windowed(layer, attributes, attributes.window(layer.input(1)), fill)
    if isinstance(attributes, Pool2D):
        window = attributes.window()
        # Padding does not count: the least number never wins, but a mean would have to know.
        if layer.op.kind == "max_pool_2d" and layer.input(0).dtype is DType.INT8:
            return _windowed(layer, attributes, window, 0x80)
        row = _windowed(layer, attributes, window, 0)
        return row if row is not None and not row.readings[0].is_padded else None
    return _elementwise(layer) if layer.op.kind in ELEMENTWISE else None


def _windowed(
    layer: Layer, attributes: Conv2D | DepthwiseConv2D | Pool2D, window: Window, fill: int
) -> RowLayer | None:
    x, y = layer.input(0), layer.output
    rows, height = y.shape[1], x.shape[1]
    covered, stride = reach(window.kernel[0], window.dilation[0]), window.stride[0]
    before = window.pad_before[0]
    after = max(0, (rows - 1) * stride + covered - before - height)
    if max(before, after) >= covered:
        return None
    unpadded = replace(
        attributes,
        pad_before=(0, window.pad_before[1]),
        pad_after=(0, window.pad_after[1]),
    )
    cut = replace(
        layer,
        op=replace(layer.op, attributes=unpadded),
        inputs=(_rows_of(x, covered), *layer.inputs[1:]),
        outputs=(_rows_of(y, 1),),
    )
    return RowLayer(cut, (Reading(0, covered, stride, before, after, fill),), rows)


def _elementwise(layer: Layer) -> RowLayer | None:
    y = layer.output
    for tensor in layer.inputs:
        if tensor is None:
            continue
        outer = ((1,) * _IMAGE_RANK + tensor.shape)[-_IMAGE_RANK:][:2]
        if tensor.shape != y.shape if tensor.is_computed else outer != (1, 1):
            return None
    cut = replace(
        layer,
        inputs=tuple(
            _rows_of(t, 1) if t is not None and t.is_computed else t for t in layer.inputs
        ),
        outputs=(_rows_of(y, 1),),
    )
    readings = [Reading(i) for i, t in enumerate(layer.inputs) if t is not None and t.is_computed]
    return RowLayer(cut, tuple(readings), y.shape[1])


def _rows_of(tensor: Tensor, rows: int) -> Tensor:
    return replace(tensor, shape=(1, rows, *tensor.shape[2:]))


def row_kernel(layer: Layer, wanted: Kernel, features: frozenset[str]) -> Kernel | None:
    """The kernel for a layer of one row.

    Args:
        layer: A `RowLayer.layer`.
        wanted: The kernel chosen for the whole layer, which is kept where it applies to a row.
        features: Of the core.
    """
    if _computes(wanted, layer):
        return wanted
    found: Sequence[Kernel] = [
        k
        for k in KERNELS.get(layer.op.kind, ())
        if k.by_rule
        and k.requires <= features
        and not k.excludes & features
        and _computes(k, layer)
    ]
    return found[-1] if found else None


def _computes(kernel: Kernel, layer: Layer) -> bool:
    return layer.input(0).dtype in kernel.types and kernel.applies(layer)
