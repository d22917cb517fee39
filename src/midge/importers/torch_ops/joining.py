"""Several tensors as one, and one as several."""

from __future__ import annotations

from midge.errors import UnsupportedError, UserError
from midge.graph import DType, Tensor
from midge.graph.ops.concatenation import Concatenation, Pack
from midge.graph.ops.split import Split, Unpack
from midge.importers.torch_ops.call import Call, axis_of
from midge.importers.torch_ops.registry import Converted, converts


@converts("aten.cat.default", "aten.concat.default", "aten.concatenate.default")
def cat(call: Call) -> Tensor:
    """One behind the other."""
    parts = _alike(call)
    if len(parts) == 1:
        return parts[0]
    return call.emit(
        Concatenation(axis=axis_of(call.integer("dim", 0), len(parts[0].shape))), *parts
    )


@converts("aten.stack.default")
def stack(call: Call) -> Tensor:
    """Side by side along a new dimension."""
    parts = _alike(call)
    return call.emit(Pack(axis=axis_of(call.integer("dim", 0), len(parts[0].shape) + 1)), *parts)


def _alike(call: Call) -> list[Tensor]:
    parts = call.tensors("tensors")
    if not parts:
        raise UserError("joins no tensors")
    if len({t.dtype for t in parts}) > 1:
        if DType.FLOAT32 not in {t.dtype for t in parts}:
            raise UnsupportedError("joins tensors of several integer types")
        parts = [call.cast(t, DType.FLOAT32) for t in parts]
    if len({t.quantization for t in parts}) > 1:
        raise UnsupportedError("joins integers of several scales; supported: dequantize them first")
    return parts


@converts("aten.split.Tensor", may_alias=True)
def split(call: Call) -> Converted:
    """Pieces of one size, the last one smaller."""
    x, size = call.tensor("self"), call.integer("split_size")
    axis = axis_of(call.integer("dim", 0), len(x.shape))
    return _split(call, x, axis, size)


@converts("aten.split.sizes", "aten.split_with_sizes.default", may_alias=True)
def split_with_sizes(call: Call) -> Converted:
    """Pieces of these sizes."""
    name = "split_size" if call.node.op == "aten.split.sizes" else "split_sizes"
    x, sizes = call.tensor("self"), call.integers(name)
    return call.emit_many(Split(axis=axis_of(call.integer("dim", 0), len(x.shape)), sizes=sizes), x)


@converts("aten.chunk.default", may_alias=True)
def chunk(call: Call) -> Converted:
    """At most so many pieces of one size, the last one smaller."""
    x, chunks = call.tensor("self"), call.integer("chunks")
    axis = axis_of(call.integer("dim", 0), len(x.shape))
    if chunks < 1 or not x.shape:
        raise UserError(f"{chunks} chunks of {x.name}{list(x.shape)}")
    return _split(call, x, axis, -(-x.shape[axis] // chunks))


def _split(call: Call, x: Tensor, axis: int, size: int) -> Converted:
    if size < 1 or not x.shape:
        raise UserError(f"pieces of {size} elements of {x.name}{list(x.shape)}")
    whole, rest = divmod(x.shape[axis], size)
    if whole > MOST_PIECES:
        raise UnsupportedError(f"splits into {whole} pieces; supported: up to {MOST_PIECES}")
    sizes = (size,) * whole + ((rest,) if rest else ())
    return (x,) if len(sizes) == 1 else call.emit_many(Split(axis=axis, sizes=sizes), x)


MOST_PIECES = 1 << 12


@converts("aten.unbind.int", may_alias=True)
def unbind(call: Call) -> Converted:
    """Slices, without the dimension."""
    x = call.tensor("self")
    return call.emit_many(Unpack(axis=axis_of(call.integer("dim", 0), len(x.shape))), x)
