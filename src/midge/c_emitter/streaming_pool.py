"""The kernel of pools that keep a running result instead of the rows of a window: `row_pool.h`."""

from __future__ import annotations

from midge.c_emitter.kernel import Call, Kernel, Layer, Places
from midge.c_emitter.windowed import clamp_fields, window_fields
from midge.graph import DType
from midge.graph.ops.pool_2d import Pool2D

_HELD_BYTES = 4


class RowPool(Kernel):
    """A row at a time; the row's number in its window is the C variable ``row``.

    Of windows that do not share rows and lie in the image from top to bottom.
    """

    variant = "rows"
    source = "row_pool.h"

    def __init__(self, kind: str) -> None:
        self.kinds = (kind,)
        self.function = f"midge_row_{kind}_s8"

    def applies(self, layer: Layer) -> bool:
        """Windows below each other, and a window that is cheaper to sum than to keep."""
        attributes, x = layer.op.attributes, layer.input(0)
        if not isinstance(attributes, Pool2D) or x.dtype is not DType.INT8:
            return False
        rows, kernel_rows = layer.output.shape[1], attributes.kernel[0]
        apart = attributes.stride[0] == kernel_rows or (rows == 1 and kernel_rows == x.shape[1])
        inside = attributes.pad_before[0] == 0 and rows * kernel_rows <= x.shape[1]
        row_bytes = x.size_bytes // x.shape[1]
        return apart and inside and self.held_bytes(layer) < (kernel_rows - 1) * row_bytes

    @staticmethod
    def held_bytes(layer: Layer) -> int:
        """What stands in the arena from row to row: an int32 a column and channel."""
        _, _, columns, channels = layer.output.shape
        return _HELD_BYTES * columns * channels

    def call(self, layer: Layer, places: Places) -> Call:
        """The running results stand in the scratch."""
        attributes = layer.op.attributes
        if not isinstance(attributes, Pool2D):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        fields: dict[str, object] = {
            "window": window_fields(layer.input(0), layer.output, attributes.window())
        }
        fields |= clamp_fields(layer.output, attributes.activation)
        held = f"(int32_t *)(void *){places.scratch}"
        arguments = (places.inputs[0], places.outputs[0], held, "row")
        return Call(arguments, "midge_row_pool", fields)


ROW_POOLS = {kind: RowPool(kind) for kind in ("average_pool_2d", "max_pool_2d")}
