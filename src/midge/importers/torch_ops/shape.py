"""The same elements under another shape, in another order, or in several places."""

from __future__ import annotations

import math
from collections.abc import Sequence

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.ops.broadcast_to import BroadcastTo, Tile
from midge.importers.torch_ops.call import Call, axis_of
from midge.importers.torch_ops.registry import converts


@converts("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", may_alias=True)
def view(call: Call) -> Tensor:
    """One extent may follow from the others."""
    name = "shape" if call.node.op == "aten.reshape.default" else "size"
    x, wanted = call.tensor("self"), call.integers(name)
    return call.view(x, _completed(wanted, x.size))


def _completed(wanted: Sequence[int], size: int) -> tuple[int, ...]:
    if list(wanted).count(-1) != 1:
        return tuple(wanted)
    others = -math.prod(wanted)
    if others < 1 or size % others:
        raise UserError(f"{size} elements have not the shape {list(wanted)}")
    return tuple(size // others if extent == -1 else extent for extent in wanted)


@converts("aten.view_as.default", "aten.reshape_as.default", may_alias=True)
def view_as(call: Call) -> Tensor:
    """The shape of another."""
    return call.view(call.tensor("self"), call.tensor("other").shape)


@converts("aten.flatten.using_ints", may_alias=True)
def flatten(call: Call) -> Tensor:
    """Some dimensions as one."""
    x = call.tensor("self")
    rank = len(x.shape)
    first = axis_of(call.integer("start_dim", 0), rank)
    last = axis_of(call.integer("end_dim", -1), rank)
    if first > last:
        raise UserError(f"flattens dimensions {first} to {last}")
    if not x.shape:
        return call.view(x, (1,))
    middle = math.prod(x.shape[first : last + 1])
    return call.view(x, (*x.shape[:first], middle, *x.shape[last + 1 :]))


@converts("aten.ravel.default", may_alias=True)
def ravel(call: Call) -> Tensor:
    """All dimensions as one."""
    x = call.tensor("self")
    return call.view(x, (x.size,))


@converts("aten.unflatten.int", may_alias=True)
def unflatten(call: Call) -> Tensor:
    """One dimension as several."""
    x = call.tensor("self")
    axis = axis_of(call.integer("dim"), len(x.shape))
    sizes = _completed(call.integers("sizes"), x.shape[axis])
    return call.view(x, (*x.shape[:axis], *sizes, *x.shape[axis + 1 :]))


@converts("aten.unsqueeze.default", may_alias=True)
def unsqueeze(call: Call) -> Tensor:
    """A further dimension."""
    x = call.tensor("self")
    axis = axis_of(call.integer("dim"), len(x.shape) + 1)
    return call.view(x, (*x.shape[:axis], 1, *x.shape[axis:]))


@converts("aten.squeeze.default", "aten.squeeze.dim", "aten.squeeze.dims", may_alias=True)
def squeeze(call: Call) -> Tensor:
    """Without dimensions of extent 1, all or those that are named."""
    x = call.tensor("self")
    named = call.integers("dim") if call.has("dim") else range(len(x.shape))
    axes = {axis_of(axis, len(x.shape)) for axis in named}
    return call.view(x, [n for d, n in enumerate(x.shape) if d not in axes or n != 1])


@converts("aten.permute.default", may_alias=True)
def permute(call: Call) -> Tensor:
    """Dimensions in another order."""
    x = call.tensor("self")
    order = [axis_of(axis, len(x.shape)) for axis in call.integers("dims")]
    if sorted(order) != list(range(len(x.shape))):
        raise UserError(f"order {order} of {x.name}{list(x.shape)}")
    return call.permuted(x, order)


@converts("aten.transpose.int", "aten.swapaxes.default", "aten.swapdims.default", may_alias=True)
def transpose(call: Call) -> Tensor:
    """Two dimensions in each other's place."""
    x = call.tensor("self")
    names = ("axis0", "axis1") if call.node.op == "aten.swapaxes.default" else ("dim0", "dim1")
    first, second = (axis_of(call.integer(name), len(x.shape)) for name in names)
    order = list(range(len(x.shape)))
    if order:
        order[first], order[second] = second, first
    return call.permuted(x, order)


@converts("aten.t.default", "aten.numpy_T.default", "aten.mT.default", may_alias=True)
def t(call: Call) -> Tensor:
    """A matrix transposed; `numpy_T` turns all dimensions around, `mT` the last two."""
    x = call.tensor("self")
    order = list(range(len(x.shape)))
    if call.node.op == "aten.mT.default":
        order = [*order[:-2], *order[:-3:-1]]
    else:
        order.reverse()
    return call.permuted(x, order)


@converts("aten.movedim.int", "aten.movedim.intlist", may_alias=True)
def movedim(call: Call) -> Tensor:
    """Some dimensions elsewhere."""
    x = call.tensor("self")
    rank = len(x.shape)
    source = [axis_of(axis, rank) for axis in call.integers("source")]
    target = [axis_of(axis, rank) for axis in call.integers("destination")]
    if len(set(source)) != len(source) or len(set(target)) != len(target) != len(source):
        raise UserError(f"moves dimensions {source} to {target}")
    order = [axis for axis in range(rank) if axis not in source]
    for place, axis in sorted(zip(target, source, strict=True)):
        order.insert(place, axis)
    return call.permuted(x, order)


@converts("aten.expand.default", may_alias=True)
def expand(call: Call) -> Tensor:
    """Repeated along dimensions of extent 1; -1 keeps an extent."""
    x, wanted = call.tensor("self"), call.integers("size")
    return _broadcast(call, x, wanted)


@converts("aten.broadcast_to.default", may_alias=True)
def broadcast_to(call: Call) -> Tensor:
    """As `expand`."""
    return _broadcast(call, call.tensor("self"), call.integers("size"))


@converts("aten.expand_as.default", may_alias=True)
def expand_as(call: Call) -> Tensor:
    """To the shape of another."""
    return _broadcast(call, call.tensor("self"), call.tensor("other").shape)


@converts("aten.copy.default")
def copy(call: Call) -> Tensor:
    """The second under the shape and type of the first."""
    target, source = call.tensor("self"), call.tensor("src")
    return _broadcast(call, call.cast(source, target.dtype), target.shape)


def _broadcast(call: Call, x: Tensor, wanted: Sequence[int]) -> Tensor:
    missing = len(wanted) - len(x.shape)
    if missing < 0:
        raise UserError(f"{x.name}{list(x.shape)} is expanded to {list(wanted)}")
    extents = (1,) * missing + x.shape
    shape = tuple(n if w == -1 else w for n, w in zip(extents, wanted, strict=True))
    return x if shape == x.shape else call.emit(BroadcastTo(shape=shape), x)


@converts("aten.repeat.default", "aten.tile.default")
def repeat(call: Call) -> Tensor:
    """Copies side by side."""
    name = "repeats" if call.node.op == "aten.repeat.default" else "dims"
    x, multiples = call.tensor("self"), call.integers(name)
    missing = len(multiples) - len(x.shape)
    if missing < 0 and name == "dims":
        multiples = (1,) * -missing + multiples
    elif missing < 0:
        raise UserError(f"repeats {list(multiples)} of {x.name}{list(x.shape)}")
    wide = call.reshaped(x, (1,) * max(missing, 0) + x.shape)
    return call.emit(Tile(multiples=multiples), wide)


@converts("aten.repeat_interleave.self_int")
def repeat_interleave(call: Call) -> Tensor:
    """Each element so often along one dimension."""
    x, times = call.tensor("self"), call.integer("repeats")
    call.expect("output_size")
    if not call.has("dim"):
        x = call.reshaped(x, (x.size,))
    axis = axis_of(call.integer("dim", 0), len(x.shape))
    if times < 1:
        raise UnsupportedError(f"repeats {times} times; supported: 1 and more")
    before, after = x.shape[: axis + 1], x.shape[axis + 1 :]
    wide = call.emit(
        BroadcastTo(shape=(*before, times, *after)), call.reshaped(x, (*before, 1, *after))
    )
    return call.reshaped(wide, (*x.shape[:axis], x.shape[axis] * times, *after))


@converts(
    *("aten.contiguous.default", "aten.alias.default", "aten.detach.default", "aten.clone.default"),
    *("aten.lift_fresh_copy.default", "aten.lift_fresh.default", "aten.view_of.default"),
    *("aten.detach_.default",),
    may_alias=True,
)
def same(call: Call) -> Tensor:
    """The tensor itself."""
    return call.tensor("self")


@converts(
    "aten.dropout.default",
    "aten.feature_dropout.default",
    "aten.alpha_dropout.default",
    may_alias=True,
)
def dropout(call: Call) -> Tensor:
    """Nothing, in evaluation mode."""
    call.real("p")
    if call.flag("train"):
        raise UnsupportedError(
            "drops elements at random; export the module in evaluation mode, module.eval()"
        )
    return call.tensor("input")


@converts(
    *("aten.to.dtype", "aten.to.dtype_layout", "aten._to_copy.default", "aten.to.device"),
    *("aten.type_as.default", "aten.to.other"),
    may_alias=True,
)
def to(call: Call) -> Tensor:
    """Elements of another type."""
    x = call.tensor("self")
    if call.has("other"):
        return call.cast(x, call.tensor("other").dtype)
    return call.cast(x, call.dtype("dtype") or x.dtype)


@converts("aten._assert_tensor_metadata.default")
def assert_metadata(call: Call) -> tuple[Tensor | None, ...]:
    """What a tensor is, which is known anyway."""
    for name in ("a", "size", "stride", "dtype", "tensor"):
        call.ignore(name)
    return ()
