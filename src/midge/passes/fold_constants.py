"""fold_constants: what depends on constants alone is computed now."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from midge.errors import UserError
from midge.graph import Graph, Op
from midge.graph.ops.conversions import Dequantize, Quantize

MOST_ELEMENTS = 1 << 22
"""Of an operator's outputs: beyond any flash; stops a small file from growing large here."""


def fold_constants(graph: Graph, *, keep_quantized: bool = False) -> Graph:
    """Replace every operator by its results that reads only constants, or types of tensors.

    Raises UserError where the results are too large to be anybody's constants. With
    `keep_quantized`, what is quantised and dequantised of constants is left: there the stored
    integers and their scales are the model's, and the reals only what they stand for.

    Requires a verified graph; ensures that every remaining operator reads at least one computed
    tensor, and its values.
    """
    tensors = dict(graph.tensors)
    kept: list[Op] = []
    for op in graph.ops:
        inputs = [tensors[n] if n else None for n in op.inputs]
        computed = any(t is not None and not t.is_constant for t in inputs)
        quantized = isinstance(op.attributes, Quantize | Dequantize)
        if (computed and op.attributes.reads_values) or (keep_quantized and quantized):
            kept.append(op)
            continue
        outputs = graph.op_outputs(op)
        if sum(t.size for t in outputs) > MOST_ELEMENTS:
            raise UserError(
                f"{graph.name}: op {op.name!r} ({op.kind}) computes over {MOST_ELEMENTS} "
                "constants; export the model with them stored"
            )
        values = [None if t is None else t.data for t in inputs]
        for tensor, value in zip(
            outputs, op.attributes.evaluate(values, inputs, outputs), strict=True
        ):
            tensors[tensor.name] = replace(tensor, data=np.asarray(value, order="C"))
    return graph if len(kept) == len(graph.ops) else graph.with_ops(kept, tensors)
