"""Dimensions that an operator names in a constant input."""

from __future__ import annotations

from midge.errors import UserError
from midge.graph import Tensor
from midge.importers.tflite_ops.operands import Operands


def expect_inputs(op: Operands, count: int) -> None:
    """The operator has so many inputs, none of which would be passed over in silence."""
    if len(op.inputs) != count:
        raise UserError(f"has {len(op.inputs)} inputs; expected {count}")


def input_and_axes(op: Operands) -> tuple[Tensor, tuple[int, ...]]:
    """The first of two inputs, and its dimensions that the second names, ascending.

    Raises:
        UserError: one is out of range, or named twice.
    """
    expect_inputs(op, 2)
    x, named = op.input(0), op.constant(1).reshape(-1)
    rank = len(x.shape)
    if named.size > rank or any(not -rank <= axis < rank for axis in named.tolist()):
        found = named[: rank + 1].tolist()
        raise UserError(
            f"{op.input(1).name} names dimensions {found} of {x.name}, which has {rank}"
        )
    axes = sorted(int(axis) % rank for axis in named.tolist())
    if len(set(axes)) != len(axes):
        raise UserError(f"{op.input(1).name} names a dimension twice: {named.tolist()}")
    return x, tuple(axes)


def input_and_axis(op: Operands) -> tuple[Tensor, int]:
    """The first of two inputs, and its one dimension that the second names."""
    x, axes = input_and_axes(op)
    if len(axes) != 1:
        raise UserError(f"{op.input(1).name} names {len(axes)} dimensions; expected 1")
    return x, axes[0]
