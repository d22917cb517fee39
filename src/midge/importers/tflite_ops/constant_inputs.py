"""What converters of operators that move elements read: axes, sizes and pairs from constants."""

from __future__ import annotations

from midge.errors import UserError
from midge.graph import Tensor
from midge.importers.tflite_ops.operands import Operands

HIGHEST_RANK = 8


def resolved(axis: int, rank: int) -> int:
    """An axis that may count from the end.

    Raises:
        UserError: there is no such dimension.
    """
    if not -rank <= axis < rank:
        raise UserError(f"axis {axis} is no dimension of {rank}")
    return axis % rank


def one_integer(op: Operands, index: int) -> int:
    """A constant input of one element."""
    values = op.constant(index)
    if values.size != 1:
        raise UserError(
            f"{op.input(index).name} has shape {list(values.shape)}; expected one element"
        )
    return int(values.reshape(-1)[0])


def integers(op: Operands, index: int, count: int | None = None) -> tuple[int, ...]:
    """A constant one-dimensional input, of `count` elements, or of no more than a shape has."""
    values = op.constant(index)
    name = op.input(index).name
    if values.ndim != 1 or (count is not None and values.size != count):
        expected = "one dimension" if count is None else f"[{count}]"
        raise UserError(f"{name} has shape {list(values.shape)}; expected {expected}")
    if count is None and values.size > HIGHEST_RANK:
        raise UserError(f"{name} has {values.size} elements; expected at most {HIGHEST_RANK}")
    return tuple(int(v) for v in values)


def pairs(
    op: Operands, index: int, count: int, x: Tensor
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A constant [count, 2] of what is before and after along dimensions of x."""
    values = op.constant(index)
    if values.shape != (count, 2):
        raise UserError(
            f"paddings have shape {list(values.shape)}; expected [{count}, 2] for {x.name}"
        )
    before, after = (tuple(int(v) for v in values[:, side]) for side in (0, 1))
    return before, after
