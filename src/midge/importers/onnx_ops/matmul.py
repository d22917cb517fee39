"""MatMul, Gemm and Einsum: products of matrices."""

from __future__ import annotations

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.elementwise import broadcast_shape
from midge.graph.ops.add import Add
from midge.graph.ops.batch_matmul import BatchMatmul
from midge.graph.ops.conversions import Dequantize
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.mul import Mul
from midge.importers.onnx_ops.operands import OnnxOp
from midge.importers.onnx_ops.registry import Converted, converts


def is_weight(op: OnnxOp, w: Tensor) -> bool:
    """A constant, or one behind a dequantize."""
    if w.is_constant:
        return True
    producer = op.builder.producer(w)
    return (
        producer is not None
        and isinstance(producer.attributes, Dequantize)
        and op.builder.tensors[producer.inputs[0]].is_constant
    )


@converts("MatMul")
def convert_matmul(op: OnnxOp) -> Converted:
    """As NumPy multiplies matrices."""
    return multiplied(op, op.float32(0), op.float32(1))


def multiplied(op: OnnxOp, a: Tensor, b: Tensor) -> Tensor:
    """``a @ b``; by a fully connected layer where b is a matrix of weights."""
    if not a.shape or not b.shape:
        raise UserError("an operand is a scalar")
    if len(b.shape) == 2 and is_weight(op, b):
        if a.shape[-1] != b.shape[0]:
            raise UserError(f"shapes {list(a.shape)} and {list(b.shape)} do not multiply")
        return op.emit(FullyConnected(keep_dims=True), a, op.builder.transposed(b, (1, 0)))
    left = op.builder.reshaped(a, (1, *a.shape)) if len(a.shape) == 1 else a
    right = op.builder.reshaped(b, (*b.shape, 1)) if len(b.shape) == 1 else b
    y = op.emit(BatchMatmul(), left, right)
    shape = list(y.shape)
    if len(b.shape) == 1:
        del shape[-1]
    if len(a.shape) == 1:
        del shape[-1 if len(b.shape) == 1 else -2]
    return op.builder.reshaped(y, shape)


@converts("Gemm")
def convert_gemm(op: OnnxOp) -> Converted:
    """``alpha * A' @ B' + beta * C``, each transposed or not."""
    a, b = op.float32(0), op.float32(1)
    alpha, beta = op.real("alpha", 1.0), op.real("beta", 1.0)
    trans_a, trans_b = op.flag("transA"), op.flag("transB")
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise UserError(f"operands {list(a.shape)} and {list(b.shape)} are not matrices")
    c = op.float32(2) if op.has(2) else None
    if c is not None and beta != 1:
        c = op.emit(Mul(), c, op.constant(beta, part="beta"), part="scaled")
    if not is_weight(op, b):
        y = op.emit(BatchMatmul(adj_x=trans_a, adj_y=trans_b), a, b)
        return _finished(op, y, alpha, c)
    weights = b if trans_b else op.builder.transposed(b, (1, 0))
    x = op.builder.transposed(a, (1, 0)) if trans_a else a
    if x.shape[1] != weights.shape[1]:
        raise UserError(f"shapes {list(x.shape)} and {list(weights.shape)}' do not multiply")
    bias = _bias(op, c, weights.shape[0]) if alpha == 1 else None
    y = op.emit(FullyConnected(keep_dims=True), x, weights, bias)
    return _finished(op, y, alpha, None if bias is not None else c)


def _bias(op: OnnxOp, c: Tensor | None, outputs: int) -> Tensor | None:
    """C as an entry an output, if it is that."""
    if c is None or not is_weight(op, c):
        return None
    if c.shape == (outputs,):
        return c
    if c.is_constant and c.shape in ((), (1,), (1, 1), (1, outputs)):
        row = np.broadcast_to(np.asarray(c.data).reshape(-1), (outputs,))
        return op.constant(row, part="bias")
    return None


def _finished(op: OnnxOp, y: Tensor, alpha: float, c: Tensor | None) -> Tensor:
    if alpha != 1:
        y = op.emit(Mul(), y, op.constant(alpha, part="alpha"), part="scaled")
    if c is None:
        return y
    if broadcast_shape(y, c) != y.shape:
        raise UserError(f"C {list(c.shape)} does not broadcast to {list(y.shape)}")
    return op.emit(Add(), y, c, part="add")


@converts("Einsum")
def convert_einsum(op: OnnxOp) -> Converted:
    """Of two operands: one product of matrices, each dimension a batch, a row, a column or a sum.

    Indices may neither stand twice in one operand nor in one operand alone and be summed over.
    """
    equation = op.text("equation").replace(" ", "")
    terms, arrow, result = equation.partition("->")
    names = terms.split(",")
    if (
        len(names) != 2
        or not arrow
        or op.count != 2
        or not f"{terms}{result}".replace(",", "").isalpha()
    ):
        raise UnsupportedError(f"equation {equation!r}; supported: such as 'bij,bjk->bik'")
    a, b = op.float32(0), op.float32(1)
    extents: dict[str, int] = {}
    for name, operand in zip(names, (a, b), strict=True):
        if len(name) != len(operand.shape) or len(set(name)) != len(name):
            raise UnsupportedError(f"indices {name!r} of {operand.name}{list(operand.shape)}")
        for letter, extent in zip(name, operand.shape, strict=True):
            if extents.setdefault(letter, extent) != extent:
                raise UserError(f"index {letter!r} has extents {extents[letter]} and {extent}")
    first, second = names
    batch = [i for i in first if i in second and i in result]
    rows = [i for i in first if i not in second]
    columns = [i for i in second if i not in first]
    summed = [i for i in first if i in second and i not in result]
    if sorted(result) != sorted(batch + rows + columns):
        raise UnsupportedError(f"equation {equation!r}; supported: sums over common indices")

    def size(letters: list[str]) -> int:
        return int(np.prod([extents[i] for i in letters], dtype=object)) if letters else 1

    def matrices(x: Tensor, name: str, order: list[str], middle: list[str]) -> Tensor:
        turned = op.builder.transposed(x, [name.index(i) for i in order])
        rest = order[len(batch) :]
        front, back = rest[: len(middle)], rest[len(middle) :]
        return op.builder.reshaped(turned, (size(batch), size(front), size(back)))

    left = matrices(a, first, batch + rows + summed, rows)
    right = matrices(b, second, batch + summed + columns, summed)
    y = op.emit(BatchMatmul(), left, right)
    made = batch + rows + columns
    y = op.builder.reshaped(y, [extents[i] for i in made])
    return op.builder.transposed(y, [made.index(i) for i in result])
