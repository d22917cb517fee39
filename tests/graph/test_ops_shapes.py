"""Every operator's shape rule."""

from __future__ import annotations

import numpy as np
import pytest
from graph_builders import int8, int32, plain

from midge.graph import (
    OPS,
    Attributes,
    DType,
    Tensor,
    TensorType,
)
from midge.graph.ops.add import Add
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.pad import Pad
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.softmax import Softmax
from support.framework_layers import every_case
from support.networks import every_single_op, imported

IMAGE = int8("x", 2, 9, 7, 4)
SAME_3X3 = {"pad_before": (1, 1), "pad_after": (1, 1)}
W = int8("w", 6, 3, 3, 4, data=1)
W_DEPTHWISE = int8("w", 1, 3, 3, 8, data=1)
ROW, W_ROW = int8("x", 3, 8), int8("w", 5, 8, data=1)


SHAPES: list[tuple[Attributes, tuple[Tensor | None, ...], tuple[int, ...]]] = [
    (Conv2D(), (IMAGE, W), (2, 7, 5, 6)),
    (Conv2D(), (IMAGE, W, None), (2, 7, 5, 6)),
    (Conv2D(), (IMAGE, W, int32("b", np.zeros(6))), (2, 7, 5, 6)),
    (Conv2D(**SAME_3X3), (IMAGE, W), (2, 9, 7, 6)),
    (Conv2D(stride=(2, 3), **SAME_3X3), (IMAGE, W), (2, 5, 3, 6)),
    (Conv2D(dilation=(4, 3)), (IMAGE, W), (2, 1, 1, 6)),
    (Conv2D(pad_before=(0, 2), pad_after=(1, 0)), (IMAGE, W), (2, 8, 7, 6)),
    (Conv2D(), (IMAGE, int8("w", 6, 3, 3, 2, data=1)), (2, 7, 5, 6)),
    (Conv2D(), (IMAGE, int8("w", 8, 3, 3, 1, data=1)), (2, 7, 5, 8)),
    (DepthwiseConv2D(), (IMAGE, int8("w", 1, 3, 3, 4, data=1)), (2, 7, 5, 4)),
    (DepthwiseConv2D(stride=(2, 1)), (IMAGE, W_DEPTHWISE, None), (2, 4, 5, 8)),
    (DepthwiseConv2D(dilation=(2, 2), **SAME_3X3), (IMAGE, W_DEPTHWISE), (2, 7, 5, 8)),
    (FullyConnected(), (ROW, W_ROW), (3, 5)),
    (FullyConnected(), (int8("x", 2, 3, 4), W_ROW, None), (3, 5)),
    (FullyConnected(keep_dims=True), (int8("x", 2, 3, 8), W_ROW), (2, 3, 5)),
    (AveragePool2D(kernel=(3, 2), stride=(3, 2)), (IMAGE,), (2, 3, 3, 4)),
    (AveragePool2D(kernel=(9, 7)), (IMAGE,), (2, 1, 1, 4)),
    (MaxPool2D(kernel=(2, 2), stride=(2, 2), pad_after=(1, 1)), (IMAGE,), (2, 5, 4, 4)),
    (Add(), (int8("a", 2, 1, 3), int8("b", 5, 1)), (2, 5, 3)),
    (Add(), (int8("a"), int8("b", 4, data=1)), (4,)),
    (Softmax(), (int8("x", 2, 5),), (2, 5)),
    (Pad(before=(0, 1), after=(2, 3)), (int8("x", 4, 5),), (6, 9)),
    (Reshape(shape=(4, 1, 6)), (int8("x", 2, 12),), (4, 1, 6)),
    (Reshape(shape=()), (int8("x", 1, 1),), ()),
]


@pytest.mark.tiny
@pytest.mark.parametrize(("attributes", "inputs", "shape"), SHAPES)
def test_shape_rule(
    attributes: Attributes, inputs: tuple[Tensor | None, ...], shape: tuple[int, ...]
) -> None:
    assert attributes.infer(inputs) == (TensorType(shape, DType.INT8),)


def test_every_operator_takes_the_types_that_it_says_and_is_tested_by_a_network() -> None:
    met: dict[str, set[DType]] = {}
    for made in every_single_op():
        graph = imported(made)
        for op in graph.ops:
            first = graph.op_inputs(op)[0]
            assert first is not None
            met.setdefault(op.kind, set()).add(first.dtype)
    for case in every_case():
        met.setdefault(case.graph.ops[0].kind, set()).add(case.dtype)
    # Of more than one layer, and one that no file has: `test_quantized_constants.py`.
    elsewhere = ("read_variable", "assign_variable", "lookup")
    for kind, operator in OPS.items():
        if kind not in elsewhere:
            assert met.get(kind, set()) == set(operator.types), kind


def test_reshape_keeps_any_type() -> None:
    rule = Reshape(shape=(6,)).infer([plain("x", 2, 3, dtype=DType.INT32)])
    assert rule == (TensorType((6,), DType.INT32),)
