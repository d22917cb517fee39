"""PAD."""

from __future__ import annotations

from midge.errors import UserError
from midge.graph.ops.pad import Pad
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts


@converts("PAD", Pad)
def convert(op: Operands) -> Converted:
    """The constant [rank, 2] of paddings becomes two attributes."""
    x, paddings = op.input(0), op.constant(1)
    if paddings.shape != (len(x.shape), 2):
        raise UserError(
            f"paddings have shape {list(paddings.shape)}; expected [{len(x.shape)}, 2] for {x.name}"
        )
    before, after = (tuple(int(v) for v in paddings[:, side]) for side in (0, 1))
    return Pad(before=before, after=after), (x,)
