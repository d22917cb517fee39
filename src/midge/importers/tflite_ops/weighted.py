"""What converters of weighted sums share: the bias, and how sums are rescaled."""

from __future__ import annotations

from typing import Any

import tflite

from midge.graph import DType, Rounding, Tensor
from midge.importers.tflite_ops.operands import Operands


def weighted_inputs(op: Operands) -> tuple[Tensor | None, ...]:
    """The inputs, of which the third is a bias."""
    return tuple(optional_bias(op, 2) if i == 2 else t for i, t in enumerate(op.inputs))


def optional_bias(op: Operands, index: int) -> Tensor | None:
    """A bias; None where it is left out, or has no elements, which converters write for none."""
    bias = op.inputs[index] if index < len(op.inputs) else None
    return None if bias is None or bias.size == 0 else bias


def sum_rounding(x: Tensor, bias: Tensor | None, options: Any) -> Rounding:
    """Sums of int16 have 64 bits, unless the bias, or the file in its absence, says 32.

    Sources: TFLM `micro/kernels/conv.cc`, `micro/kernels/fully_connected.cc`.
    """
    if x.dtype is not DType.INT16:
        return Rounding.TFLITE_DOUBLE
    if bias is None:
        is_short = options.QuantizedBiasType() == tflite.TensorType.INT32
    else:
        is_short = bias.dtype is DType.INT32
    return Rounding.TFLITE_DOUBLE if is_short else Rounding.TFLITE_16X8


def long_sum_rounding(x: Tensor) -> Rounding:
    """Sums of int16 have 64 bits, whatever the file says."""
    return Rounding.TFLITE_16X8 if x.dtype is DType.INT16 else Rounding.TFLITE_DOUBLE
