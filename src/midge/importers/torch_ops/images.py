"""Signals and images in channels-first order, as the graph's NHWC images and back."""

from __future__ import annotations

from midge.errors import UserError
from midge.graph import Tensor
from midge.importers.torch_ops.call import Call


def as_image(call: Call, x: Tensor) -> Tensor:
    """[n, c, h, w] as [n, h, w, c], and [n, c, l] as [n, 1, l, c]."""
    last = call.builder.channels_last(x)
    if len(x.shape) == 3:
        return call.reshaped(last, (last.shape[0], 1, *last.shape[1:]))
    return last


def as_source(call: Call, y: Tensor, rank: int) -> Tensor:
    """The way back, to 4 or 3 dimensions."""
    if rank == 3:
        y = call.reshaped(y, (y.shape[0], *y.shape[2:]))
    return call.builder.channels_first(y)


def pair(call: Call, name: str, spatial: int, default: int | None) -> tuple[int, int]:
    """An attribute of each dimension as (height, width); for a signal's height it is neutral.

    Args:
        call: The call.
        name: The argument's.
        spatial: Dimensions that the operator knows.
        default: What is neutral, and meant where the argument is left out.
    """
    found = call.integers(name, None if default is None else (default,))
    found = found * spatial if len(found) == 1 else found
    if len(found) != spatial:
        raise UserError(f"{name} is {list(found)}; expected {spatial} numbers")
    if spatial == 1:
        return (1 if default is None else default), found[0]
    return found[0], found[1]
