"""fuse_layer_norm: a layer normalisation that is spelt out becomes one operator."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from midge.graph import DType, Graph, Op, Tensor
from midge.graph.ops.add import Add, SquaredDifference, Sub
from midge.graph.ops.div import Div
from midge.graph.ops.elementary_functions import Rsqrt, Sqrt, Square
from midge.graph.ops.layer_norm import LayerNorm
from midge.graph.ops.mul import Mul
from midge.graph.ops.reductions import Mean
from midge.passes.names import free_name
from midge.passes.pattern import Pattern
from midge.passes.remove_dead_ops import remove_dead_ops


@dataclass(frozen=True)
class _Norm:
    """What is normalised, with the constants behind it.

    Attributes:
        x: The tensor.
        epsilon: What is added to its variance.
        gamma: Name of the factor of each element of a row; "" where there is none.
        beta: Name of the addend.
    """

    x: str
    epsilon: float
    gamma: str = ""
    beta: str = ""


def fuse_layer_norm(graph: Graph) -> Graph:
    """Replace float means, differences and roots that normalise rows of the last dimension.

    ``d / sqrt(mean(d * d) + epsilon) * gamma + beta`` with ``d = x - mean(x)``; gamma and beta may
    be missing, the root may be a reciprocal one, and d may be computed twice. Results agree up to
    rounding.

    Requires a verified graph, in the layout of the device; ensures that no such pattern stands
    whose inner tensors have no other reader.
    """
    pattern = Pattern(graph)
    tensors = dict(graph.tensors)
    norms: dict[str, _Norm] = {}
    for op in graph.ops:
        found = _normalised(pattern, op) or _scaled(pattern, op, norms)
        if found is not None:
            norms[op.outputs[0]] = found
    if not norms:
        return graph
    ops = []
    for op in graph.ops:
        norm = norms.get(op.outputs[0]) if op.outputs else None
        if norm is None:
            ops.append(op)
            continue
        gamma, beta = (_row(name, tensors) for name in (norm.gamma, norm.beta))
        inputs = (norm.x, gamma, beta) if beta else (norm.x, gamma) if gamma else (norm.x,)
        ops.append(replace(op, attributes=LayerNorm(epsilon=norm.epsilon), inputs=inputs))
    return remove_dead_ops(graph.with_ops(ops, tensors))


def _row(name: str, tensors: dict[str, Tensor]) -> str:
    """A constant of one dimension with the elements of another."""
    if not name or len(tensors[name].shape) == 1:
        return name
    row = np.ascontiguousarray(tensors[name].data).reshape(-1)
    made = free_name(name, tensors)
    tensors[made] = replace(tensors[name], name=made, shape=row.shape, data=row)
    return made


def _normalised(pattern: Pattern, op: Op) -> _Norm | None:
    """Of the operator that divides by the root, or multiplies by the reciprocal one."""
    if not isinstance(op.attributes, Div | Mul) or not pattern.is_float(op):
        return None
    pairs = [op.inputs] if isinstance(op.attributes, Div) else [op.inputs, op.inputs[::-1]]
    for difference, factor in pairs:
        root = pattern.made(factor, Sqrt if isinstance(op.attributes, Div) else Rsqrt)
        total = None if root is None else pattern.made(root.inputs[0], Add)
        if total is None:
            continue
        for variance, epsilon in (total.inputs, total.inputs[::-1]):
            added = pattern.number(epsilon)
            x = _centred(pattern, difference)
            if added is not None and added >= 0 and x and _is_variance(pattern, variance, x):
                return _Norm(x, added)
    return None


def _centred(pattern: Pattern, name: str) -> str | None:
    """The x of ``x - mean(x)``."""
    op = pattern.producers.get(name)
    if op is None or not isinstance(op.attributes, Sub) or not pattern.is_float(op):
        return None
    x, mean = op.inputs
    return x if _is_mean(pattern, mean, x) else None


def _is_mean(pattern: Pattern, name: str, x: str) -> bool:
    """True for the mean of each row of x, which stays as a dimension of one."""
    op = pattern.producers.get(name)
    if op is None or not isinstance(op.attributes, Mean) or op.inputs[0] != x:
        return False
    last = len(pattern.tensors[x].shape) - 1
    return op.attributes.keep_dims and op.attributes.axes == (last,)


def _is_variance(pattern: Pattern, name: str, x: str) -> bool:
    """True for the mean of each row of the squares of ``x - mean(x)``."""
    mean = pattern.producers.get(name)
    if mean is None or not mean.inputs or not _is_mean(pattern, name, mean.inputs[0]):
        return False
    squares = pattern.producers.get(mean.inputs[0])
    if squares is None:
        return False
    if isinstance(squares.attributes, SquaredDifference):
        return squares.inputs[0] == x and _is_mean(pattern, squares.inputs[1], x)
    if isinstance(squares.attributes, Square):
        return _centred(pattern, squares.inputs[0]) == x
    if isinstance(squares.attributes, Mul) and pattern.is_float(squares):
        return squares.inputs[0] == squares.inputs[1] and _centred(pattern, squares.inputs[0]) == x
    return False


def _scaled(pattern: Pattern, op: Op, norms: dict[str, _Norm]) -> _Norm | None:
    """Of a product or sum with a constant of a row behind a normalisation."""
    if not isinstance(op.attributes, Mul | Add) or not pattern.is_float(op):
        return None
    for inner, name in (op.inputs, op.inputs[::-1]):
        norm = norms.get(inner)
        constant = pattern.tensors[name]
        if norm is None or not constant.is_constant or pattern.readers[inner] != 1:
            continue
        row = pattern.tensors[inner].shape[-1:]
        fits = constant.shape[-1:] == row and constant.shape[-1] == constant.size
        if constant.dtype is not DType.FLOAT32 or not fits:
            continue
        if isinstance(op.attributes, Add) and not norm.beta:
            return replace(norm, beta=name)
        if isinstance(op.attributes, Mul) and not norm.gamma and not norm.beta:
            return replace(norm, gamma=name)
    return None
