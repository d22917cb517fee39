"""Random graphs with `quantize` and `dequantize` in random places: lowered, or refused by name."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from qdq_graphs import FLOAT, QdqBuilder, furthest

from midge.errors import UnsupportedError
from midge.graph import DType, Graph, Rounding, Tensor
from midge.graph.ops.add import Add
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.logistic_tanh import Logistic
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.mul import Mul
from midge.graph.ops.rectifiers import Relu, Relu6
from midge.graph.ops.softmax import Softmax
from midge.graph.ops.transpose import Transpose
from midge.passes.lower_qdq import lower_qdq

STEPS = 7
KINDS = ("conv", "depthwise", "relu", "relu6", "gate", "add", "constant", "concat", "pool")
MORE = ("max", "turn", "softmax")


def step(b: QdqBuilder, kind: str, number: int, x: Tensor, other: Tensor) -> Tensor:
    """A layer on an image [1, 6, 6, 4] that gives another."""
    name, same = f"layer{number}", {"pad_before": (1, 1), "pad_after": (1, 1)}
    match kind:
        case "conv":
            w = b.weights(f"w{number}", 4, 3, 3, 4)
            return b.layer(name, Conv2D(**same), x, w, b.numbers(f"b{number}", 4))
        case "depthwise":
            w = b.weights(f"w{number}", 1, 3, 3, 4, axis=3)
            return b.layer(name, DepthwiseConv2D(**same), x, w)
        case "relu" | "relu6":
            return b.layer(name, Relu() if kind == "relu" else Relu6(), x)
        case "gate":
            return b.layer(name, Mul(), x, b.layer(f"{name}.gate", Logistic(), x))
        case "add":
            return b.layer(name, Add(), x, other)
        case "constant":
            return b.layer(name, Add(), x, b.numbers(f"c{number}", 4))
        case "concat":
            y = b.layer(f"{name}.joined", Concatenation(axis=3), x, other)
            w = b.weights(f"w{number}", 4, 1, 1, 8)
            return b.layer(name, Conv2D(), b.quantized(y, 0.03, 3), w)
        case "pool":
            return b.layer(name, AveragePool2D(kernel=(3, 3), **same), x)
        case "max":
            return b.layer(name, MaxPool2D(kernel=(3, 3), **same), x)
        case "turn":
            return b.layer(name, Transpose(permutation=(0, 2, 1, 3)), x)
        case _:
            return b.layer(name, Softmax(), x)


def random_graph(seed: int, *, everywhere: bool) -> Graph:
    """Layers in a row with shortcuts; what is not quantised everywhere is so four times in five."""
    b = QdqBuilder(seed)
    x = b.fed("x", 1, 6, 6, 4)
    seen = [x]
    for number in range(STEPS):
        kind = str(b.random.choice((*KINDS, *MORE)))
        x = step(b, kind, number, x, seen[int(b.random.integers(len(seen)))])
        if everywhere or b.random.random() < 0.8:
            scale, zero = (1 / 200, -120) if kind == "softmax" else (0.04, -6)
            x = b.quantized(x, scale * b.random.uniform(0.9, 1.1), zero)
        seen.append(x)
    return b.finish(x)


@pytest.mark.parametrize("rounding", [Rounding.SINGLE, Rounding.HALF_EVEN])
def test_what_is_quantised_everywhere_is_lowered(rounding: Rounding) -> None:
    met: Counter[str] = Counter()
    for seed in range(40):
        graph = random_graph(seed, everywhere=True)
        lowered = lower_qdq(graph, rounding)
        met.update(op.kind for op in lowered.ops)
        assert all(t.dtype in (DType.INT8, DType.INT32) for t in lowered.tensors.values())
        assert np.isfinite(furthest(graph, lowered, seeds=1))
    assert len(met) >= 9


def test_what_is_not_is_refused_or_stays_float() -> None:
    refused = 0
    for seed in range(60):
        graph = random_graph(seed, everywhere=False)
        partly = lower_qdq(graph, Rounding.SINGLE, allow_float=True)
        assert partly.outputs == graph.outputs
        stays = any(
            op.kind != "dequantize" and any(partly.tensors[n].dtype is FLOAT for n in op.outputs)
            for op in partly.ops
        )
        try:
            whole = lower_qdq(graph, Rounding.SINGLE)
        except UnsupportedError as error:
            refused += 1
            assert stays, error
        else:
            assert not stays
            assert all(t.dtype is not FLOAT for t in whole.tensors.values())
    assert 5 <= refused <= 55
