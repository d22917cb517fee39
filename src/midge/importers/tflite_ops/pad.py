"""PAD, PADV2, MIRROR_PAD."""

from __future__ import annotations

import numpy as np
import tflite

from midge.errors import UserError
from midge.graph import Tensor
from midge.graph.movement import zero_of
from midge.graph.ops.pad import Mirror, MirrorPad, Pad
from midge.importers.tflite_ops.axes import expect_inputs
from midge.importers.tflite_ops.constant_inputs import pairs
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts

_MIRRORS = {
    tflite.MirrorPadMode.REFLECT: Mirror.REFLECT,
    tflite.MirrorPadMode.SYMMETRIC: Mirror.SYMMETRIC,
}


@converts("PADV2", Pad)
@converts("PAD", Pad)
def pad(op: Operands) -> Converted:
    """The constant [rank, 2] of paddings becomes two attributes; a third input is the border.

    TFLite Micro takes two or three inputs for either. A border of zeros is dropped, so that
    convolutions may take the padding over.
    """
    x = op.input(0)
    if len(op.inputs) > 3:
        raise UserError(f"has {len(op.inputs)} inputs; expected 2 or 3")
    before, after = pairs(op, 1, len(x.shape), x)
    attributes = Pad(before=before, after=after)
    if len(op.inputs) == 2:
        return attributes, (x,)
    value = op.input(2)
    return attributes, (x,) if _is_zero(value, op.output()) else (x, value)


def _is_zero(value: Tensor, output: Tensor) -> bool:
    """Whether a border is what it is without being given."""
    quantization = output.quantization
    if not value.is_constant or value.size != 1 or value.dtype is not output.dtype:
        return False
    if quantization != value.quantization or (
        quantization is not None and quantization.scale.size != 1
    ):
        return False
    zero = np.array(zero_of(output)).astype(output.dtype.numpy)
    return np.asarray(value.data).tobytes() == zero.tobytes()


@converts("MIRROR_PAD", MirrorPad)
def mirror_pad(op: Operands) -> Converted:
    """The constant [rank, 2] of paddings becomes two attributes."""
    expect_inputs(op, 2)
    x = op.input(0)
    mode = op.options(tflite.MirrorPadOptions).Mode()
    if mode not in _MIRRORS:
        raise UserError(f"mode {mode} is neither REFLECT nor SYMMETRIC")
    before, after = pairs(op, 1, len(x.shape), x)
    return MirrorPad(before=before, after=after, mirror=_MIRRORS[mode]), (x,)
