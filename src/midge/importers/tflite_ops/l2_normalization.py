"""L2_NORMALIZATION."""

from __future__ import annotations

import tflite

from midge.errors import UnsupportedError
from midge.graph import Activation
from midge.graph.ops.l2_normalization import L2Normalization
from midge.importers.tflite_ops.operands import Operands, activation
from midge.importers.tflite_ops.registry import Converted, converts


@converts("L2_NORMALIZATION", L2Normalization)
def convert(op: Operands) -> Converted:
    """Along the last dimension; TFLite Micro refuses a fused activation too."""
    fused = activation(op.options(tflite.L2NormOptions).FusedActivationFunction())
    if fused is not Activation.NONE:
        raise UnsupportedError(f"fused activation {fused.value} is not supported; expected none")
    return L2Normalization(), op.inputs
