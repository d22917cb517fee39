"""Tensors joined or repeated: CONCATENATION, PACK, BROADCAST_TO, TILE, FILL."""

from __future__ import annotations

import tflite

from midge.errors import UnsupportedError, UserError
from midge.graph.ops.broadcast_to import BroadcastTo, Tile
from midge.graph.ops.concatenation import Concatenation, Pack
from midge.importers.tflite_ops.axes import expect_inputs
from midge.importers.tflite_ops.constant_inputs import integers, resolved
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts


@converts("CONCATENATION", Concatenation)
def concatenation(op: Operands) -> Converted:
    """No fused activation, as in TFLite Micro."""
    options = op.options(tflite.ConcatenationOptions)
    code = options.FusedActivationFunction()
    if code != tflite.ActivationFunctionType.NONE:
        raise UnsupportedError(
            f"fused activation {code} is not supported (TFLite Micro refuses it); supported: NONE"
        )
    axis = resolved(options.Axis(), len(op.input(0).shape))
    return Concatenation(axis=axis), op.inputs


@converts("PACK", Pack)
def pack(op: Operands) -> Converted:
    """The axis is one of the output's."""
    options = op.options(tflite.PackOptions)
    if options.ValuesCount() != len(op.inputs):
        raise UserError(f"packs {options.ValuesCount()} values; has {len(op.inputs)} inputs")
    return Pack(axis=resolved(options.Axis(), len(op.input(0).shape) + 1)), op.inputs


@converts("BROADCAST_TO", BroadcastTo)
def broadcast_to(op: Operands) -> Converted:
    """The constant shape becomes an attribute."""
    expect_inputs(op, 2)
    return BroadcastTo(shape=integers(op, 1)), (op.input(0),)


@converts("TILE", Tile)
def tile(op: Operands) -> Converted:
    """The constant multiples become an attribute."""
    expect_inputs(op, 2)
    x = op.input(0)
    return Tile(multiples=integers(op, 1, len(x.shape))), (x,)


@converts("FILL", BroadcastTo)
def fill(op: Operands) -> Converted:
    """One element under a constant shape."""
    expect_inputs(op, 2)
    value = op.input(1)
    if value.size != 1:
        raise UserError(f"fills with {value.name}{list(value.shape)}; expected one element")
    return BroadcastTo(shape=integers(op, 0)), (value,)
