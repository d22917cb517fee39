"""AVERAGE_POOL_2D."""

from __future__ import annotations

from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.importers.tflite_ops.operands import Operands, activation, pool_window
from midge.importers.tflite_ops.registry import Converted, converts


@converts("AVERAGE_POOL_2D", AveragePool2D)
def convert(op: Operands) -> Converted:
    """Read the attributes; padding becomes explicit."""
    options, window = pool_window(op)
    attributes = AveragePool2D(
        kernel=window.kernel,
        stride=window.stride,
        pad_before=window.pad_before,
        pad_after=window.pad_after,
        activation=activation(options.FusedActivationFunction()),
    )
    return attributes, op.inputs
