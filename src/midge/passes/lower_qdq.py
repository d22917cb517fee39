"""lower_qdq: float operators between `dequantize` and `quantize` become integer operators."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from midge.errors import InternalError, UnsupportedError, UserError
from midge.graph import Graph, Op, Rounding, Tensor, verify
from midge.graph.ops.reshape import Reshape
from midge.passes.lower_qdq_operators import Lowering
from midge.passes.remove_dead_ops import remove_dead_ops

REMEDY = (
    "Quantise what is named here (midge.quantize does, or the quantizer of your framework), or "
    "allow float operators, which cost time and flash"
)


def lower_qdq(
    graph: Graph,
    rounding: Rounding,
    *,
    allow_float: bool = False,
    keep_float: Collection[str] = (),
    remarks: list[str] | None = None,
) -> Graph:
    """The integer graph of a float graph with `quantize` and `dequantize` in it.

    Each float operator whose inputs come from dequantized tensors or constants, and whose output is
    quantised, becomes the same operator on integers. Clamps are fused behind sums; chains of
    operators on one element become tables; operators that only move elements keep the quantisation
    they find; where two disagree, one is rescaled. Float inputs that are quantised at once become
    integer inputs, outputs behind a `dequantize` integer outputs, under their names.

    Args:
        graph: A verified graph, images [n, h, w, c]. Weights are constants behind a `dequantize`.
        rounding: Of operators that rescale. int16 sums take `tflite_16x8`; operators that lack the
            rounding take `single` or `tflite_double`.
        allow_float: Operators that cannot be lowered stay float between `dequantize` and
            `quantize`, instead of being refused.
        keep_float: Names of operators that stay float in any case.
        remarks: Receives a sentence for each place where the result is not what the graph says up
            to a rounding.

    Returns:
        A verified graph.

    Raises:
        UnsupportedError: operators would stay float; all are named, with the reason.
    """
    lowering = Lowering(graph, rounding, allow_float, frozenset(keep_float))
    lowering.run()
    if remarks is not None:
        remarks.extend(lowering.remarks)
    if lowering.problems:
        count = len(lowering.problems)
        raise UnsupportedError(
            f"{graph.name}: {count} of its operators would run in float:\n  "
            + "\n  ".join(lowering.problems)
            + f"\n{REMEDY}"
        )
    try:
        return verify(remove_dead_ops(_with_ends(graph, lowering)))
    except UserError as error:
        raise InternalError(
            f"pass lower_qdq broke the graph: {error}. Please report this model"
        ) from error


def _with_ends(graph: Graph, lowering: Lowering) -> Graph:
    """The lowered operators under the graph's own names of inputs and outputs."""
    ops, tensors = list(lowering.ops), dict(lowering.tensors)
    inputs = set(graph.inputs)
    renamed: dict[str, str] = {}
    outputs: list[str] = []
    layouts = {n: p for n, p in graph.layouts.items() if n in inputs}
    for name in graph.outputs:
        found = lowering.output(name)
        ends = found.name
        if ends != name and ends not in inputs and found.is_computed:
            if ends in graph.outputs or ends in renamed:
                # One tensor under two names: a copy for the second.
                ops.append(_copy(found, name, tensors))
            else:
                renamed[ends] = name
            ends = name
        outputs.append(ends)
        if name in graph.layouts:
            layouts[ends] = graph.layouts[name]
    for old, new in renamed.items():
        tensors[new] = replace(tensors.pop(old), name=new)
    return replace(
        graph,
        ops=(),
        tensors=tensors,
        outputs=tuple(outputs),
        layouts=layouts,
    ).with_ops([_renamed(op, renamed) for op in ops], tensors)


def _copy(x: Tensor, name: str, tensors: dict[str, Tensor]) -> Op:
    tensors[name] = replace(x, name=name)
    return Op(f"{name}.copy", Reshape(shape=x.shape), (x.name,), (name,))


def _renamed(op: Op, names: dict[str, str]) -> Op:
    return replace(
        op,
        inputs=tuple(names.get(n, n) for n in op.inputs),
        outputs=tuple(names.get(n, n) for n in op.outputs),
    )
