"""Tensors out of nothing: they are constants."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import DType, Tensor
from midge.importers.torch_ops.call import Call
from midge.importers.torch_ops.registry import converts

LARGEST_CONSTANT = 1 << 24
"""Elements; a file of a few bytes may ask for any number."""


@converts("aten.zeros.default", "aten.new_zeros.default", "aten.zeros_like.default")
def zeros(call: Call) -> Tensor:
    """Of a size, or like another tensor."""
    return _filled(call, 0)


@converts("aten.ones.default", "aten.new_ones.default", "aten.ones_like.default")
def ones(call: Call) -> Tensor:
    """Of a size, or like another tensor."""
    return _filled(call, 1)


@converts("aten.full.default", "aten.new_full.default", "aten.full_like.default")
@converts("aten.fill.Scalar")
def full(call: Call) -> Tensor:
    """Any number."""
    value = call.operand("value" if call.node.op == "aten.fill.Scalar" else "fill_value")
    if isinstance(value, Tensor):
        raise UnsupportedError("is filled with a computed value; supported: a number")
    return _filled(call, value)


@converts("aten.scalar_tensor.default")
def scalar_tensor(call: Call) -> Tensor:
    """A number without dimensions."""
    return _constant(call, (), call.real("s"), call.dtype("dtype", DType.FLOAT32))


@converts("aten.arange.default", "aten.arange.start", "aten.arange.start_step")
def arange(call: Call) -> Tensor:
    """Numbers at equal distances."""
    given = [call.operand(name) for name in ("start", "end", "step") if call.has(name)]
    is_real = any(isinstance(v, float) for v in given)
    start, end, step = call.real("start", 0), call.real("end"), call.real("step", 1)
    if not step or not math.isfinite((end - start) / step):
        raise UserError(f"counts from {start:g} to {end:g} by {step:g}")
    count = math.ceil((end - start) / step)
    if not 0 < count <= LARGEST_CONSTANT:
        raise UnsupportedError(f"counts {count} numbers; supported: 1 to {LARGEST_CONSTANT}")
    dtype = call.dtype("dtype", DType.FLOAT32 if is_real else DType.INT32) or DType.FLOAT32
    return call.vector((start + step * np.arange(count)).astype(dtype.numpy), "numbers")


@converts("aten.tril.default", "aten.triu.default")
def triangle(call: Call) -> Tensor:
    """Of a matrix that is known."""
    values = call.known_values(call.tensor("self"))
    if values.ndim < 2:
        raise UserError(f"a triangle of {list(values.shape)}")
    cut = np.tril if call.node.op == "aten.tril.default" else np.triu
    return call.vector(cut(values, call.integer("diagonal", 0)).astype(values.dtype), "triangle")


def _filled(call: Call, value: float) -> Tensor:
    like = call.has("self")
    x = call.tensor("self") if like else None
    shape = x.shape if x is not None and not call.has("size") else call.integers("size")
    usual = DType.BOOL if isinstance(value, bool) else DType.FLOAT32
    if isinstance(value, int) and call.node.op == "aten.full.default":
        usual = DType.BOOL if isinstance(value, bool) else DType.INT32
    dtype = call.dtype("dtype", x.dtype if x is not None else usual)
    return _constant(call, shape, value, dtype)


def _constant(call: Call, shape: Sequence[int], value: float, dtype: DType | None) -> Tensor:
    if min(shape, default=1) < 1 or math.prod(shape) > LARGEST_CONSTANT:
        raise UnsupportedError(
            f"makes {list(shape)} elements; supported: 1 to {LARGEST_CONSTANT} in all"
        )
    scalar = call.number(value, Tensor("", (), dtype or DType.FLOAT32))
    return call.vector(np.full(shape, scalar.data), "constant")
