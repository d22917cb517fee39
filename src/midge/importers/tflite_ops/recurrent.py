"""SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM."""

from __future__ import annotations

import numpy as np
import tflite

from midge.errors import UnsupportedError, UserError
from midge.graph import DType, Tensor
from midge.graph.ops.lstm import Lstm
from midge.graph.ops.svdf import Svdf, SvdfActivation
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts

_CODES = tflite.ActivationFunctionType
_SVDF_ACTIVATIONS = {
    _CODES.NONE: SvdfActivation.NONE,
    _CODES.RELU: SvdfActivation.RELU,
    _CODES.RELU6: SvdfActivation.RELU6,
    _CODES.RELU_N1_TO_1: SvdfActivation.RELU_N1_TO_1,
    _CODES.TANH: SvdfActivation.TANH,
    _CODES.SIGN_BIT: SvdfActivation.SIGN_BIT,
}
_SVDF_INPUTS = 5
_LSTM_INPUTS = 24
# Inputs of variants that TFLite Micro does not have (`micro/kernels/lstm_shared.h`).
_VARIANTS = {
    "peephole weights": range(9, 12),
    "a projection": range(16, 18),
    "layer normalisation": range(20, 24),
}


@converts("SVDF", Svdf)
def svdf(op: Operands) -> Converted:
    """The memory stands in front of the bias; RELU of int8 is what the output's type does."""
    _expect_inputs(op, _SVDF_INPUTS)
    options = op.options(tflite.SVDFOptions)
    code = options.FusedActivationFunction()
    if code not in _SVDF_ACTIVATIONS:
        raise UserError(f"fused activation {code} is none of the schema's")
    activation = _SVDF_ACTIVATIONS[code]
    if activation is SvdfActivation.RELU and _ends_at_zero(op.output()):
        activation = SvdfActivation.NONE
    x, feature, time, memory = (op.input(i) for i in (0, 1, 2, 4))
    attributes = Svdf(rank=int(options.Rank()), activation=activation)
    return attributes, (x, feature, time, memory, op.inputs[3])


def _ends_at_zero(y: Tensor) -> bool:
    """An int8 tensor that holds no negative number."""
    quantization = y.quantization
    if y.dtype is not DType.INT8 or quantization is None:
        return False
    return bool(np.all(quantization.zero_point == y.dtype.limits[0]))


@converts("UNIDIRECTIONAL_SEQUENCE_LSTM", Lstm)
def lstm(op: Operands) -> Converted:
    """Weights, biases, hidden state, cell; what belongs to variants must be left out."""
    _expect_inputs(op, _LSTM_INPUTS)
    options = op.options(tflite.UnidirectionalSequenceLSTMOptions)
    for variant, places in _VARIANTS.items():
        found = [t.name for t in (op.inputs[i] for i in places) if t is not None]
        if found:
            raise UnsupportedError(f"has {variant} ({found[0]}), as TFLite Micro does not take it")
    if options.FusedActivationFunction() != _CODES.TANH:
        raise UnsupportedError(
            f"fused activation {options.FusedActivationFunction()} is not supported "
            "(TFLite Micro ends the program); supported: TANH"
        )
    if options.DiagonalRecurrentTensors():
        raise UnsupportedError("diagonal recurrent weights are not supported; supported: matrices")
    attributes = Lstm(time_major=bool(options.TimeMajor()), cell_clip=float(options.CellClip()))
    return attributes, tuple(op.input(i) for i in (*range(9), *range(12, 16), 18, 19))


def _expect_inputs(op: Operands, count: int) -> None:
    if len(op.inputs) != count:
        raise UserError(f"has {len(op.inputs)} inputs; expected {count}, -1 for those left out")
