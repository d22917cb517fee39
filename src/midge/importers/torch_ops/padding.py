"""Borders around a tensor."""

from __future__ import annotations

from math import prod

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.ops.broadcast_to import BroadcastTo
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.pad import Mirror, MirrorPad, Pad
from midge.graph.ops.slice import Slice
from midge.importers.torch_ops.call import Call
from midge.importers.torch_ops.registry import converts


@converts("aten.pad.default")
def pad(call: Call) -> Tensor:
    """By a value, the mirror image or the last element."""
    mode = call.text("mode", "constant")
    if mode == "constant":
        return _constant(call, call.real("value", 0.0))
    call.expect("value", 0, 0.0)
    if mode == "reflect":
        return _reflected(call)
    if mode == "replicate":
        return _replicated(call)
    raise UnsupportedError(f'mode is "{mode}"; supported: constant, reflect, replicate')


@converts("aten.constant_pad_nd.default")
def constant_pad_nd(call: Call) -> Tensor:
    """By a value."""
    return _constant(call, call.real("value", 0.0))


@converts("aten.reflection_pad1d.default", "aten.reflection_pad2d.default")
def reflection_pad(call: Call) -> Tensor:
    """By the mirror image; the last element is not repeated."""
    return _reflected(call, "padding")


@converts("aten.replication_pad1d.default", "aten.replication_pad2d.default")
def replication_pad(call: Call) -> Tensor:
    """By the last element."""
    return _replicated(call, "padding")


def _widths(call: Call, x: Tensor, name: str = "pad") -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Before and after along each dimension; the list begins with the last dimension."""
    given = call.integers(name)
    if len(given) % 2 or len(given) // 2 > len(x.shape):
        raise UserError(f"{name} {list(given)} of {x.name}{list(x.shape)}")
    free = (0,) * (len(x.shape) - len(given) // 2)
    return free + given[::2][::-1], free + given[1::2][::-1]


def _constant(call: Call, value: float) -> Tensor:
    """Negative widths cut."""
    x = call.tensor("self")
    before, after = _widths(call, x)
    cut_before, cut_after = (tuple(max(-w, 0) for w in widths) for widths in (before, after))
    if any((*cut_before, *cut_after)):
        size = tuple(n - b - a for n, b, a in zip(x.shape, cut_before, cut_after, strict=True))
        if min(size) < 1:
            raise UserError(f"cuts all of {x.name}{list(x.shape)}")
        step = (1,) * len(size)
        x = call.emit(Slice(begin=cut_before, size=size, step=step, shape=size), x, suffix="cut")
    wide_before, wide_after = (tuple(max(w, 0) for w in widths) for widths in (before, after))
    if not any((*wide_before, *wide_after)):
        return x
    border = (call.number(value, x),) if value else ()
    return call.emit(Pad(before=wide_before, after=wide_after), x, *border)


def _reflected(call: Call, name: str = "pad") -> Tensor:
    x = call.tensor("self")
    before, after = _widths(call, x, name)
    return call.emit(MirrorPad(before=before, after=after, mirror=Mirror.REFLECT), x)


def _replicated(call: Call, name: str = "pad") -> Tensor:
    y = call.tensor("self")
    before, after = _widths(call, y, name)
    if min(*before, *after) < 0:
        raise UnsupportedError(f"{name} {list(call.integers(name))} cuts; supported: at least 0")
    for axis in range(len(y.shape)):
        end = y.shape[axis] - 1
        parts = [y]
        if before[axis]:
            parts.insert(0, _edge(call, y, axis, 0, before[axis]))
        if after[axis]:
            parts.append(_edge(call, y, axis, end, after[axis]))
        y = call.emit(Concatenation(axis=axis), *parts) if len(parts) > 1 else y
    return y


def _edge(call: Call, x: Tensor, axis: int, at: int, width: int) -> Tensor:
    """One slice, repeated."""
    rank = len(x.shape)
    size = tuple(1 if d == axis else n for d, n in enumerate(x.shape))
    begin = tuple(at if d == axis else 0 for d in range(rank))
    part = call.emit(Slice(begin=begin, size=size, step=(1,) * rank, shape=size), x, suffix="edge")
    shape = tuple(width if d == axis else n for d, n in enumerate(x.shape))
    return part if prod(shape) == part.size else call.emit(BroadcastTo(shape=shape), part)
