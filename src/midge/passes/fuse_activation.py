"""fuse_activation: a rectifier behind a layer becomes the layer's own clamp."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from midge.graph import Activation, DType, Graph, Op
from midge.graph.elementwise import Activated
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.pool_2d import Pool2D
from midge.graph.ops.rectifiers import Relu, Relu6, ReluN1To1
from midge.graph.ops.transpose_conv import TransposeConv


def fuse_activation(graph: Graph) -> Graph:
    """Merge each float relu, relu6 and relu_n1_to_1 into the operator in front of it.

    Exact: an operator with a fused activation clamps its float32 result just so. Integers are left
    alone, since their rectifiers rescale.

    Requires a verified graph; ensures that none of the three stands alone behind a float operator
    that can clamp, does not yet, and has no other reader.
    """
    readers = Counter(n for op in graph.ops for n in op.inputs if n)
    readers.update(graph.outputs)
    ops: list[Op] = []
    at: dict[str, int] = {}
    for op in graph.ops:
        number = at.get(op.inputs[0]) if op.inputs else None
        fused = None
        if number is not None and readers[op.inputs[0]] == 1:
            fused = _fused(graph, ops[number], op)
        if number is not None and fused is not None:
            ops[number] = fused
        else:
            number = len(ops)
            ops.append(op)
        at |= dict.fromkeys(op.outputs, number)
    return graph.with_ops(ops) if len(ops) < len(graph.ops) else graph


def _fused(graph: Graph, op: Op, behind: Op) -> Op | None:
    """The operator with the clamp of the one behind it; None where they do not merge."""
    attributes, rectifier = op.attributes, behind.attributes
    if not isinstance(rectifier, Relu | Relu6 | ReluN1To1):
        return None
    if not isinstance(
        attributes, Conv2D | DepthwiseConv2D | TransposeConv | FullyConnected | Pool2D | Activated
    ):
        return None
    if attributes.activation is not Activation.NONE:
        return None
    if graph.tensors[behind.inputs[0]].dtype is not DType.FLOAT32:
        return None
    clamped = replace(attributes, activation=rectifier.activation)
    return replace(op, attributes=clamped, outputs=behind.outputs)
