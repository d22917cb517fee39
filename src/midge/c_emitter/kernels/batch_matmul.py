"""Kernels of batch_matmul: `batch_matmul_s8.h`, `_s16.h`, `_f32.h`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from midge.c_emitter import weighted
from midge.c_emitter.kernel import Call, Kernel, Layer, Places, operands
from midge.graph import DType, Tensor
from midge.graph.accumulate import is_long
from midge.graph.ops.batch_matmul import BatchMatmul
from midge.graph.requantize import INT32_MAX

_BATCH_RANK = 3


def _attributes(layer: Layer) -> BatchMatmul:
    attributes = layer.op.attributes
    if not isinstance(attributes, BatchMatmul):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def _batch_steps(value: Tensor) -> list[int]:
    """Elements from batch to batch along each leading dimension; 0 where it is broadcast."""
    shape = (1,) * (_BATCH_RANK + 2 - len(value.shape)) + value.shape
    dense = np.cumprod(shape[:0:-1])[::-1][:_BATCH_RANK]
    return [
        0 if extent == 1 else int(step)
        for extent, step in zip(shape[:_BATCH_RANK], dense, strict=True)
    ]


def _matrices(layer: Layer) -> Mapping[str, object]:
    """``struct midge_matrices``."""
    attributes, a, b, y = _attributes(layer), layer.input(0), layer.input(1), layer.output
    a_row, a_depth = (1, a.shape[-1]) if attributes.adj_x else (a.shape[-1], 1)
    b_column, b_depth = (b.shape[-1], 1) if attributes.adj_y else (1, b.shape[-1])
    batches = (1,) * (_BATCH_RANK + 2 - len(y.shape)) + y.shape[:-2]
    return {
        "batches": list(batches),
        "a_step": _batch_steps(a),
        "b_step": _batch_steps(b),
        "rows": y.shape[-2],
        "columns": y.shape[-1],
        "depth": attributes.depth(a),
        "a_row": a_row,
        "a_depth": a_depth,
        "b_column": b_column,
        "b_depth": b_depth,
    }


class _BatchMatmul(Kernel):
    """Output by output; both operands are read until the last one."""

    kinds = ("batch_matmul",)
    struct: str

    def _fields(self, layer: Layer, places: Places) -> dict[str, object]:  # noqa: ARG002
        return {}

    def call(self, layer: Layer, places: Places) -> Call:
        """A constant operand stands in flash."""
        inputs, constants = operands(layer, places, ("a", "b"))
        fields = {"matrices": _matrices(layer), **self._fields(layer, places)}
        return Call((*inputs, places.outputs[0]), self.struct, fields, constants)


class BatchMatmulInt8(_BatchMatmul):
    """int8, with zero points."""

    function = "midge_batch_matmul_s8"
    source = "batch_matmul_s8.h"
    struct = "midge_batch_matmul_s8"

    def applies(self, layer: Layer) -> bool:
        """Any shape."""
        return _attributes(layer).rounding in weighted.SUM_ROUNDINGS

    def _fields(self, layer: Layer, places: Places) -> dict[str, object]:
        attributes, a, b, y = _attributes(layer), layer.input(0), layer.input(1), layer.output
        narrow = attributes.largest_sum(a, b) < weighted.NARROW_SUM
        factors, _ = weighted.factor_fields(attributes.factors(a, b, y), narrow, places)
        zeros = {"a_zero": a.zero_point, "b_zero": b.zero_point, "y_zero": y.zero_point}
        return {**zeros, "factors": factors}


class BatchMatmulInt16(_BatchMatmul):
    """int16, summed in 64 bits."""

    types = (DType.INT16,)
    function = "midge_batch_matmul_s16"
    source = "batch_matmul_s16.h"
    struct = "midge_batch_matmul_s16"

    def applies(self, layer: Layer) -> bool:
        """Any shape."""
        return is_long(_attributes(layer).rounding)

    def _fields(self, layer: Layer, places: Places) -> dict[str, object]:
        attributes, a, b = _attributes(layer), layer.input(0), layer.input(1)
        narrow = attributes.largest_sum(a, b) <= INT32_MAX
        factors = attributes.factors(a, b, layer.output)
        return {"factors": weighted.long_factor_fields(factors, narrow, places)[0]}


class BatchMatmulFloat(_BatchMatmul):
    """float32."""

    types = (DType.FLOAT32,)
    function = "midge_batch_matmul_f32"
    source = "batch_matmul_f32.h"
    struct = "midge_batch_matmul_f32"


KERNELS = (BatchMatmulInt8(), BatchMatmulInt16(), BatchMatmulFloat())
