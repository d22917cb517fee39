"""BATCH_MATMUL."""

from __future__ import annotations

import tflite

from midge.graph.ops.batch_matmul import BatchMatmul
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts
from midge.importers.tflite_ops.weighted import long_sum_rounding


@converts("BATCH_MATMUL", BatchMatmul)
def convert(op: Operands) -> Converted:
    """Read the attributes."""
    options = op.options(tflite.BatchMatMulOptions)
    attributes = BatchMatmul(
        adj_x=bool(options.AdjX()),
        adj_y=bool(options.AdjY()),
        rounding=long_sum_rounding(op.input(0)),
    )
    return attributes, op.inputs
