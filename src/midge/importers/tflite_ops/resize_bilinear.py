"""RESIZE_BILINEAR."""

from __future__ import annotations

import tflite

from midge.errors import UserError
from midge.graph.ops.resize_bilinear import ResizeBilinear
from midge.importers.tflite_ops.axes import expect_inputs
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts


@converts("RESIZE_BILINEAR", ResizeBilinear)
def convert(op: Operands) -> Converted:
    """The constant size becomes an attribute."""
    expect_inputs(op, 2)
    x, size = op.input(0), op.constant(1)
    if size.shape != (2,):
        raise UserError(
            f"{op.input(1).name} has shape {list(size.shape)}; expected [2], height and width"
        )
    options = op.options(tflite.ResizeBilinearOptions)
    attributes = ResizeBilinear(
        size=(int(size[0]), int(size[1])),
        align_corners=bool(options.AlignCorners()),
        half_pixel_centers=bool(options.HalfPixelCenters()),
    )
    return attributes, (x,)
