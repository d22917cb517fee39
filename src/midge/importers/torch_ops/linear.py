"""Products of matrices."""

from __future__ import annotations

from midge.errors import UnsupportedError, UserError
from midge.graph import Tensor
from midge.graph.ops.add import Add
from midge.graph.ops.batch_matmul import BatchMatmul
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.mul import Mul
from midge.importers.torch_ops.call import Call
from midge.importers.torch_ops.registry import converts


@converts("aten.linear.default")
def linear(call: Call) -> Tensor:
    """Weights [o, k]."""
    x, b = call.tensor("input"), call.optional("bias")
    w = call.settled(call.tensor("weight"))
    return call.emit(FullyConnected(keep_dims=True), x, w, b)


@converts("aten.addmm.default")
def addmm(call: Call) -> Tensor:
    """``beta * self + alpha * mat1 @ mat2``; a bias where it has one number a column."""
    bias, a, b = call.tensor("self"), call.tensor("mat1"), call.tensor("mat2")
    call.expect("beta", 1, 1.0)
    call.expect("alpha", 1, 1.0)
    if not _is_weight(call, b):
        return call.emit(Add(), call.emit(BatchMatmul(), a, b, suffix="product"), bias)
    w = call.builder.transposed(b, (1, 0))
    if bias.shape == (w.shape[0],):
        return call.emit(FullyConnected(keep_dims=True), a, w, bias)
    product = call.emit(FullyConnected(keep_dims=True), a, w, suffix="product")
    return call.emit(Add(), product, bias)


@converts("aten.mm.default", "aten.bmm.default")
def mm(call: Call) -> Tensor:
    """Of matrices, or one a batch."""
    return _product(call, call.tensor("self"), call.tensor("mat2"))


@converts("aten.matmul.default")
def matmul(call: Call) -> Tensor:
    """A vector stands for a row on the left, and for a column on the right."""
    return _product(call, call.tensor("self"), call.tensor("other"))


@converts("aten.baddbmm.default")
def baddbmm(call: Call) -> Tensor:
    """``beta * self + alpha * batch1 @ batch2``."""
    product = call.emit(
        BatchMatmul(), call.tensor("batch1"), call.tensor("batch2"), suffix="product"
    )
    added = call.tensor("self")
    alpha, beta = call.real("alpha", 1.0), call.real("beta", 1.0)
    if alpha != 1:
        product = call.emit(Mul(), product, call.number(alpha, product, "alpha"), suffix="scaled")
    if beta == 0:
        return product
    if beta != 1:
        added = call.emit(Mul(), added, call.number(beta, added, "beta"), suffix="addend")
    return call.emit(Add(), product, added)


@converts("aten.dot.default", "aten.mv.default")
def dot(call: Call) -> Tensor:
    """With a vector on the right."""
    name = "tensor" if call.node.op.startswith("aten.dot") else "vec"
    return _product(call, call.tensor("self"), call.tensor(name))


def _product(call: Call, a: Tensor, b: Tensor) -> Tensor:
    if not a.shape or not b.shape:
        raise UserError(f"multiplies {list(a.shape)} and {list(b.shape)}; expected no scalar")
    left = call.reshaped(a, (1, *a.shape)) if len(a.shape) == 1 else a
    right = call.reshaped(b, (*b.shape, 1)) if len(b.shape) == 1 else b
    if len(right.shape) == 2 and _is_weight(call, right):
        y = call.emit(FullyConnected(keep_dims=True), left, call.builder.transposed(right, (1, 0)))
    elif max(len(left.shape), len(right.shape)) > 5:
        raise UnsupportedError(
            f"multiplies {list(a.shape)} and {list(b.shape)}; up to 5 dimensions"
        )
    else:
        y = call.emit(BatchMatmul(), left, right)
    shape = y.shape
    if len(b.shape) == 1:
        shape = shape[:-1]
    if len(a.shape) == 1:
        shape = (
            (*shape[:-1], *shape[len(shape) :])
            if len(b.shape) == 1
            else (
                *shape[:-2],
                shape[-1],
            )
        )
    return call.reshaped(y, shape)


def _is_weight(call: Call, b: Tensor) -> bool:
    """A constant, also one behind a change of order or a dequantize."""
    if b.is_constant:
        return True
    op = call.builder.producer(b)
    return (
        op is not None
        and op.kind == "dequantize"
        and call.builder.tensors[op.inputs[0]].is_constant
    )
