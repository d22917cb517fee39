"""Pad: a border of a constant, of the mirror image, of the edge, or of the other end."""

from __future__ import annotations

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.ops.broadcast_to import Tile
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.pad import Mirror, MirrorPad, Pad
from midge.importers.onnx_ops.operands import OnnxOp, axes_of
from midge.importers.onnx_ops.parts import sliced
from midge.importers.onnx_ops.registry import Converted, converts

MODES = ("constant", "reflect", "edge", "wrap")


@converts("Pad", keeps_codes=True)
def convert_pad(op: OnnxOp) -> Converted:
    """Borders of known widths; negative ones cut."""
    x, pads = op.tensor(0), op.integers(1)
    mode = op.text("mode", "constant")
    if mode not in MODES:
        raise UserError(f"attribute mode is {mode!r}; expected one of {', '.join(MODES)}")
    rank = len(x.shape)
    axes = axes_of(op.integers(3), rank) if op.has(3) else tuple(range(rank))
    if len(pads) != 2 * len(axes):
        raise UserError(f"has {len(pads)} pads for {len(axes)} axes; expected two each")
    before, after = [0] * rank, [0] * rank
    for place, axis in enumerate(axes):
        before[axis], after[axis] = pads[place], pads[len(axes) + place]
    x = _cut(op, x, before, after)
    before, after = [max(n, 0) for n in before], [max(n, 0) for n in after]
    if not any((*before, *after)):
        return x
    if mode == "constant":
        made = Pad(before=tuple(before), after=tuple(after))
        value = _value(op, x)
        return op.emit(made, x) if value is None else op.emit(made, x, value)
    if mode == "reflect":
        return op.emit(
            MirrorPad(before=tuple(before), after=tuple(after), mirror=Mirror.REFLECT), x
        )
    for axis in range(rank):
        if before[axis] or after[axis]:
            x = _continued(op, x, axis, before[axis], after[axis], wrap=mode == "wrap")
    return x


def _cut(op: OnnxOp, x: Tensor, before: list[int], after: list[int]) -> Tensor:
    """Without what negative widths take away."""
    begin = [max(-n, 0) for n in before]
    size = [
        extent - first - max(-n, 0) for extent, first, n in zip(x.shape, begin, after, strict=True)
    ]
    if min(size, default=1) < 1:
        raise UserError(f"pads {before}, {after} leave nothing of {x.name}{list(x.shape)}")
    return sliced(op, x, begin, size, [1] * len(size))


def _value(op: OnnxOp, x: Tensor) -> Tensor | None:
    """The constant of the border; None for 0, where the graph has that without being told."""
    if not op.has(2):
        if op.reads_shifted() or x.quantization is not None:
            raise UnsupportedError(
                "pads codes with the code 0; supported: with a value that is given"
            )
        return None
    value = op.tensor(2)
    if value.size != 1:
        raise UserError(f"constant_value has {value.size} elements; expected 1")
    if value.is_constant and x.quantization is None and not np.any(np.asarray(value.data)):
        return None
    if value.is_constant and x.quantization is not None:
        return op.constant(value.data, x.dtype.numpy, part="value", quantization=x.quantization)
    return value


def _continued(op: OnnxOp, x: Tensor, axis: int, before: int, after: int, *, wrap: bool) -> Tensor:
    """Put between copies of its ends along one dimension, or of itself."""
    extent = x.shape[axis]

    def part(first: int, count: int) -> Tensor:
        begin, size = [0] * len(x.shape), list(x.shape)
        begin[axis], size[axis] = first, count
        return sliced(op, x, begin, size, [1] * len(x.shape))

    if wrap:
        if max(before, after) > extent:
            raise UnsupportedError(f"wraps {before} and {after} around {extent} elements")
        front = [part(extent - before, before)] if before else []
        return op.emit(Concatenation(axis=axis), *front, x, *([part(0, after)] if after else []))

    def repeated(first: int, times: int) -> list[Tensor]:
        if not times:
            return []
        multiples = tuple(times if d == axis else 1 for d in range(len(x.shape)))
        return [op.emit(Tile(multiples=multiples), part(first, 1), part="edge")]

    pieces = (*repeated(0, before), x, *repeated(extent - 1, after))
    return op.emit(Concatenation(axis=axis), *pieces)
