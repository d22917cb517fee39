"""AVERAGE_POOL_2D, MAX_POOL_2D, L2_POOL_2D."""

from __future__ import annotations

from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.l2_pool_2d import L2Pool2D
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.pool_2d import Pool2D
from midge.importers.tflite_ops.operands import Operands, activation, pool_window
from midge.importers.tflite_ops.registry import Converted, converts


def _convert(op: Operands, pool: type[Pool2D]) -> Converted:
    """Padding becomes explicit."""
    options, window = pool_window(op)
    attributes = pool(
        kernel=window.kernel,
        stride=window.stride,
        pad_before=window.pad_before,
        pad_after=window.pad_after,
        activation=activation(options.FusedActivationFunction()),
    )
    return attributes, op.inputs


@converts("AVERAGE_POOL_2D", AveragePool2D)
def average(op: Operands) -> Converted:
    """Read the attributes."""
    return _convert(op, AveragePool2D)


@converts("MAX_POOL_2D", MaxPool2D)
def largest(op: Operands) -> Converted:
    """Read the attributes."""
    return _convert(op, MaxPool2D)


@converts("L2_POOL_2D", L2Pool2D)
def root_mean_square(op: Operands) -> Converted:
    """Read the attributes."""
    return _convert(op, L2Pool2D)
