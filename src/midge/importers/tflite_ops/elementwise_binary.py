"""Operators on each element of two or more tensors that broadcast."""

from __future__ import annotations

from typing import Any

import tflite

from midge.errors import UnsupportedError
from midge.graph import Activation, Attributes, DType
from midge.graph.elementwise import Activated
from midge.graph.ops.add import Add, SquaredDifference, Sub
from midge.graph.ops.add_n import AddN
from midge.graph.ops.comparison import (
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    NotEqual,
)
from midge.graph.ops.div import Div
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.floor_division import FloorDiv, FloorMod
from midge.graph.ops.logical import LogicalAnd, LogicalOr
from midge.graph.ops.mul import Mul
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.select import Select
from midge.importers.tflite_ops.operands import Operands, activation
from midge.importers.tflite_ops.registry import Convert, Converted, converts

_WITH_ACTIVATION: dict[str, tuple[type[Activated], type[Any]]] = {
    "ADD": (Add, tflite.AddOptions),
    "SUB": (Sub, tflite.SubOptions),
    "MUL": (Mul, tflite.MulOptions),
    "DIV": (Div, tflite.DivOptions),
}
_WITHOUT_OPTIONS: dict[str, type[Attributes]] = {
    "SQUARED_DIFFERENCE": SquaredDifference,
    "MINIMUM": Minimum,
    "MAXIMUM": Maximum,
    "FLOOR_DIV": FloorDiv,
    "FLOOR_MOD": FloorMod,
    "PRELU": Prelu,
    "EQUAL": Equal,
    "NOT_EQUAL": NotEqual,
    "GREATER": Greater,
    "GREATER_EQUAL": GreaterEqual,
    "LESS": Less,
    "LESS_EQUAL": LessEqual,
    "LOGICAL_AND": LogicalAnd,
    "LOGICAL_OR": LogicalOr,
    "ADD_N": AddN,
    "SELECT_V2": Select,
}


def _with_activation(kind: type[Activated], options: type[Any]) -> Convert:
    def convert(op: Operands) -> Converted:
        """Read the activation.

        `pot_scale_int16` of ADD and SUB says how another runtime may compute; TFLite Micro computes
        the same with and without it, and so does Midge.
        """
        fused = activation(op.options(options).FusedActivationFunction())
        if kind is Add and fused is not Activation.NONE and op.input(0).dtype is DType.INT32:
            raise UnsupportedError(
                f"fused {fused.value} in an ADD of int32 is not supported (TFLite Micro computes "
                "it as none, TFLite clamps); supported: NONE"
            )
        return kind(activation=fused), op.inputs

    return convert


def _without_options(kind: type[Attributes]) -> Convert:
    def convert(op: Operands) -> Converted:
        """The options tables have no fields."""
        return kind(), op.inputs

    return convert


for _builtin, (_kind, _options) in _WITH_ACTIVATION.items():
    converts(_builtin, _kind)(_with_activation(_kind, _options))
for _builtin, _plain in _WITHOUT_OPTIONS.items():
    converts(_builtin, _plain)(_without_options(_plain))
