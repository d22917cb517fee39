"""Attention: a softmax over products of queries and keys weighs values."""

from __future__ import annotations

import math

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import DType, Tensor
from midge.graph.ops.add import Add
from midge.graph.ops.batch_matmul import BatchMatmul
from midge.graph.ops.mul import Mul
from midge.graph.ops.select import Select
from midge.graph.ops.softmax import Softmax
from midge.importers.torch_ops.call import Call
from midge.importers.torch_ops.registry import Converted, converts


@converts("aten.scaled_dot_product_attention.default")
def attention(call: Call) -> Tensor:
    """``softmax(query @ key.T * scale + mask) @ value``."""
    return _attention(call)


@converts("aten._scaled_dot_product_flash_attention_for_cpu.default")
def flash_attention(call: Call) -> Converted:
    """After decomposition; the logarithms of the sums are not there."""
    return _attention(call), None


def _attention(call: Call) -> Tensor:
    query, key, value = (call.tensor(name) for name in ("query", "key", "value"))
    call.expect("dropout_p", 0, 0.0)
    call.expect("enable_gqa", False)
    if min(len(t.shape) for t in (query, key, value)) < 2:
        raise UserError("attends to tensors of fewer than 2 dimensions")
    scale = call.real("scale", 1 / math.sqrt(query.shape[-1]))
    scaled = call.emit(Mul(), query, call.number(scale, query, "scale"), suffix="scaled_query")
    scores = call.emit(BatchMatmul(adj_y=True), scaled, key, suffix="scores")
    if call.flag("is_causal"):
        past = np.tri(query.shape[-2], key.shape[-2], dtype=np.bool_)
        scores = _masked(call, scores, call.vector(past, "past"))
    if call.has("attn_mask"):
        mask = call.tensor("attn_mask")
        if mask.dtype is DType.BOOL:
            scores = _masked(call, scores, mask)
        elif mask.dtype is DType.FLOAT32:
            scores = call.emit(Add(), scores, mask, suffix="masked")
        else:
            raise UnsupportedError(f"a mask of {mask.dtype.value}; supported: bool and float32")
    weights = call.emit(Softmax(), scores, suffix="weights")
    return call.emit(BatchMatmul(), weights, value)


def _masked(call: Call, scores: Tensor, mask: Tensor) -> Tensor:
    """What the mask does not let through weighs nothing."""
    nothing = call.number(-math.inf, scores, "nothing")
    return call.emit(Select(), mask, scores, nothing, suffix="masked")
