"""Operators on each element of one tensor: activations, elementary functions, conversions."""

from __future__ import annotations

import tflite

from midge.graph import Attributes
from midge.graph.ops.conversions import Cast, Dequantize, Quantize
from midge.graph.ops.elementary_functions import Cos, Exp, Log, Rsqrt, Sin, Sqrt, Square
from midge.graph.ops.logistic_tanh import Logistic, Tanh
from midge.graph.ops.rectifiers import LeakyRelu, Relu, Relu6, ReluN1To1
from midge.graph.ops.sign_and_rounding import Abs, Ceil, Floor, LogicalNot, Neg, Round
from midge.graph.ops.smooth_units import Elu, Gelu, HardSwish
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Convert, Converted, converts

_WITHOUT_OPTIONS: dict[str, Attributes] = {
    "ABS": Abs(),
    "CEIL": Ceil(),
    "COS": Cos(),
    "DEQUANTIZE": Dequantize(),
    "ELU": Elu(),
    "EXP": Exp(),
    "FLOOR": Floor(),
    "HARD_SWISH": HardSwish(),
    "LOG": Log(),
    "LOGICAL_NOT": LogicalNot(),
    "LOGISTIC": Logistic(),
    "NEG": Neg(),
    "RELU": Relu(),
    "RELU6": Relu6(),
    "RELU_N1_TO_1": ReluN1To1(),
    "ROUND": Round(),
    "RSQRT": Rsqrt(),
    "SIN": Sin(),
    "SQRT": Sqrt(),
    "SQUARE": Square(),
    "TANH": Tanh(),
}
"""By the schema's names; what options some of them have hold nothing."""


def _always(attributes: Attributes) -> Convert:
    def convert(op: Operands) -> Converted:
        return attributes, op.inputs

    return convert


for _builtin, _attributes in _WITHOUT_OPTIONS.items():
    converts(_builtin, type(_attributes))(_always(_attributes))


@converts("LEAKY_RELU", LeakyRelu)
def convert_leaky_relu(op: Operands) -> Converted:
    """Read the slope."""
    return LeakyRelu(alpha=op.options(tflite.LeakyReluOptions).Alpha()), op.inputs


@converts("GELU", Gelu)
def convert_gelu(op: Operands) -> Converted:
    """Read which of the two functions it is."""
    return Gelu(approximate=op.options(tflite.GeluOptions).Approximate()), op.inputs


@converts("QUANTIZE", Quantize)
def convert_quantize(op: Operands) -> Converted:
    """The output's tensor says the type."""
    return Quantize(to=op.output().dtype), op.inputs


@converts("CAST", Cast)
def convert_cast(op: Operands) -> Converted:
    """The tensors say the types; runtimes pass over those in the options."""
    return Cast(to=op.output().dtype), op.inputs
