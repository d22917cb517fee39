"""A graph builder that computes at once what follows from constants alone.

Frameworks write shapes, axes and paddings as arithmetic; what reads them needs the numbers. They
are computed by the operators' own `evaluate`, so that nothing changes by being computed early.
Weighted sums and windows are left in the graph, where a pass folds them; so is `dequantize`, whose
integers are what is worth keeping.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, Attributes, DType, Quantization, Tensor, TensorType
from midge.graph.elementwise import Arithmetic, Binary, broadcast_shape
from midge.graph.elementwise_unary import Unary
from midge.graph.movement import Movement
from midge.graph.ops.conversions import Dequantize, Quantize
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.gather import Gather
from midge.graph.ops.pool_2d import Pool2D
from midge.graph.ops.reductions import Reduction
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.select import Select
from midge.graph.verify import HIGHEST_RANK, LARGEST_TENSOR_BYTES
from midge.importers.graph_builder import GraphBuilder

LARGEST_FOLDED_BYTES = 1 << 28
"""Of all constants that are computed while a model is read."""
LARGEST_REDUCED = 1 << 18
"""Elements of a constant that is summed up: it is done one by one."""

_KEEPING = (Movement, Reshape, Gather, Pool2D, Minimum, Maximum)
"""Operators whose output stands for reals as their first input does."""
_FOLDED = (Unary, Binary, Movement, Reshape, Gather, Select)


class FoldingBuilder(GraphBuilder):
    """As `GraphBuilder`; an operator on nothing but constants becomes constants.

    Integers of 64 bits are there for shape arithmetic alone: next to a computed tensor a constant
    of them becomes int32.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        super().__init__()
        self._folded_bytes = 0

    def op(
        self,
        name: str,
        attributes: Attributes,
        inputs: Sequence[Tensor | None],
        *,
        outputs: Sequence[str] = (),
        quantization: Quantization | None = None,
    ) -> tuple[Tensor, ...]:
        """As of `GraphBuilder`.

        Raises:
            UserError: the operator does not take such inputs, or gives more than a network has.
        """
        there = [t for t in inputs if t is not None]
        if there and all(t.is_constant for t in there) and _is_folded(attributes, there):
            return self._computed(name, attributes, there, quantization)
        narrow = [self._narrow(t) if t is not None and t.is_constant else t for t in inputs]
        types = attributes.infer(narrow)
        _expect_moderate(name, types)
        first = narrow[0] if narrow else None
        if (
            quantization is None
            and first is not None
            and isinstance(attributes, _KEEPING)
            and types[0].dtype is first.dtype
        ):
            quantization = first.quantization
        return super().op(name, attributes, narrow, outputs=outputs, quantization=quantization)

    def drop_unread(self, outputs: Sequence[Tensor]) -> None:
        """Forget operators on constants that nobody reads, as where these were transposed."""
        read = {name for op in self.ops for name in op.inputs} | {t.name for t in outputs}
        self.ops = [
            op
            for op in self.ops
            if not isinstance(op.attributes, Dequantize) or read.intersection(op.outputs)
        ]

    def narrow(self, x: Tensor) -> Tensor:
        """int64 constants as int32; everything else as it is.

        Raises:
            UnsupportedError: a number does not fit.
        """
        return self._narrow(x) if x.is_constant else x

    def annotated(self, x: Tensor, quantization: Quantization) -> Tensor:
        """The computed integers of `x`, said to stand for reals in this way.

        So do those from which they were moved.

        Raises:
            UserError: they stand for others already.
        """
        waiting = [x.name]
        while waiting:
            found = self.tensors[waiting.pop()]
            if found.dtype is not x.dtype or found.quantization == quantization:
                continue
            if found.quantization is not None:
                raise UserError(
                    f"{found.name} is quantised with another scale or zero point than it is "
                    "dequantised with"
                )
            self.tensors[found.name] = replace(found, quantization=quantization)
            producer = self.producer(found)
            if producer is not None and isinstance(producer.attributes, _KEEPING):
                waiting += [*producer.inputs, *producer.outputs]
        return self.tensors[x.name]

    def _narrow(self, x: Tensor) -> Tensor:
        if x.dtype is not DType.INT64:
            return x
        data = np.asarray(x.data)
        low, high = DType.INT32.limits
        if data.size and not low <= int(data.min()) <= int(data.max()) <= high:
            raise UnsupportedError(f"{x.name} holds an int64 beyond 32 bits; int32 is supported")
        return self.constant(x.name, data.astype(np.int32))

    def _computed(
        self,
        name: str,
        attributes: Attributes,
        inputs: Sequence[Tensor],
        quantization: Quantization | None,
    ) -> tuple[Tensor, ...]:
        arrays = [np.asarray(t.data) for t in inputs]
        if isinstance(attributes, Arithmetic) and inputs[0].dtype is DType.INT64:
            types: tuple[TensorType, ...] = (TensorType(broadcast_shape(*inputs), DType.INT64),)
        else:
            types = attributes.infer(inputs)
        _expect_moderate(name, types)
        self._folded_bytes += sum(math.prod(t.shape) * t.dtype.numpy.itemsize for t in types)
        if self._folded_bytes > LARGEST_FOLDED_BYTES:
            raise UnsupportedError(
                f"constants that are computed from others take over {LARGEST_FOLDED_BYTES} bytes"
            )
        if isinstance(attributes, Arithmetic) and inputs[0].dtype is DType.INT64:
            results: tuple[Array, ...] = (_integers(attributes, arrays),)
        else:
            ends = [Tensor(name, t.shape, t.dtype, quantization) for t in types]
            attributes.check(inputs, ends)
            results = attributes.evaluate(arrays, inputs, ends)
        return tuple(
            self.add(
                Tensor(
                    name,
                    t.shape,
                    t.dtype,
                    quantization,
                    np.ascontiguousarray(r, t.dtype.numpy).reshape(t.shape),
                )
            )
            for t, r in zip(types, results, strict=True)
        )


def _is_folded(attributes: Attributes, inputs: Sequence[Tensor]) -> bool:
    if isinstance(attributes, Dequantize | Quantize):
        return False
    if isinstance(attributes, Reduction):
        return sum(t.size for t in inputs) <= LARGEST_REDUCED
    return isinstance(attributes, _FOLDED) and all(t.quantization is None for t in inputs)


def _integers(attributes: Arithmetic, arrays: Sequence[Array]) -> Array:
    """Arithmetic in 64 bits."""
    a, b = (np.asarray(v, np.int64) for v in arrays)
    with np.errstate(all="ignore"):
        return np.asarray(attributes.of_integers(a, b))


def _expect_moderate(name: str, types: Sequence[TensorType]) -> None:
    for t in types:
        if len(t.shape) > HIGHEST_RANK:
            raise UnsupportedError(
                f"{name} would have {len(t.shape)} dimensions; up to {HIGHEST_RANK} are supported"
            )
        if any(extent < 1 for extent in t.shape):
            raise UnsupportedError(
                f"{name} would have shape {list(t.shape)}; every extent must be at least 1"
            )
        if math.prod(t.shape) * t.dtype.numpy.itemsize > LARGEST_TENSOR_BYTES:
            raise UnsupportedError(
                f"{name} would have shape {list(t.shape)}, over {LARGEST_TENSOR_BYTES} bytes"
            )
