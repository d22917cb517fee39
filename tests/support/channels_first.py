"""Networks as a framework says them, channels first, built with `GraphBuilder`; and how to compare."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from midge.graph import DType, Graph, Quantization, Tensor, interpret, outputs_of, verify
from midge.graph.ops.add import Add
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.conversions import Dequantize, Quantize
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.logistic_tanh import Logistic
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.mul import Mul
from midge.graph.ops.rectifiers import Relu, Relu6
from midge.graph.ops.reductions import Mean
from midge.graph.ops.transpose import Transpose
from midge.importers.graph_builder import GraphBuilder
from support.networks import Array


class ChannelsFirst:
    """A float network in the making; every method takes and gives tensors [n, c, ...]."""

    def __init__(self, seed: int = 0) -> None:
        self.builder = GraphBuilder()
        self.random = np.random.default_rng(seed)
        self.inputs: list[Tensor] = []

    def input(self, *shape: int) -> Tensor:
        self.inputs.append(self.builder.input(f"x{len(self.inputs)}", shape, DType.FLOAT32))
        return self.inputs[-1]

    def graph(self, *outputs: Tensor) -> Graph:
        return verify(self.builder.graph("network", self.inputs, outputs))

    def constant(self, *shape: int, low: float = -1.0, high: float = 1.0) -> Tensor:
        data = self.random.uniform(low, high, shape).astype(np.float32)
        return self.builder.constant("constant", data)

    def conv(
        self,
        x: Tensor,
        channels: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        depthwise: bool = False,
        bias: bool = False,
        pad: int | None = None,
    ) -> Tensor:
        border = kernel // 2 if pad is None else pad
        around = {"pad_before": (border, border), "pad_after": (border, border)}
        inner = 1 if depthwise else x.shape[1]
        w = self.constant(x.shape[1] if depthwise else channels, inner, kernel, kernel)
        w = self.builder.transposed(w, (1, 2, 3, 0) if depthwise else (0, 2, 3, 1))
        attributes = (DepthwiseConv2D if depthwise else Conv2D)(stride=(stride, stride), **around)
        operands = [self.builder.channels_last(x), w]
        if bias:
            operands.append(self.constant(x.shape[1] if depthwise else channels))
        return self.builder.channels_first(self.builder.one("conv", attributes, operands))

    def conv_1d(self, x: Tensor, channels: int, kernel: int = 3, *, stride: int = 1) -> Tensor:
        n, c, length = x.shape
        rows = self.builder.reshaped(self.builder.transposed(x, (0, 2, 1)), (n, 1, length, c))
        w = self.builder.transposed(self.constant(channels, c, 1, kernel), (0, 2, 3, 1))
        border = {"pad_before": (0, kernel // 2), "pad_after": (0, kernel // 2)}
        y = self.builder.one("conv_1d", Conv2D(stride=(1, stride), **border), (rows, w))
        flat = self.builder.reshaped(y, (n, y.shape[2], channels))
        return self.builder.transposed(flat, (0, 2, 1))

    def pool(self, x: Tensor, size: int = 2, *, largest: bool = True) -> Tensor:
        kind = MaxPool2D if largest else AveragePool2D
        attributes = kind(kernel=(size, size), stride=(size, size))
        y = self.builder.one("pool", attributes, (self.builder.channels_last(x),))
        return self.builder.channels_first(y)

    def norm(self, x: Tensor) -> Tensor:
        shape = (1, x.shape[1], *[1] * (len(x.shape) - 2))
        scaled = self.builder.one("norm.mul", Mul(), (x, self.constant(*shape, low=0.5, high=1.5)))
        return self.builder.one("norm", Add(), (scaled, self.constant(*shape)))

    def relu(self, x: Tensor) -> Tensor:
        return self.builder.one("relu", Relu(), (x,))

    def relu6(self, x: Tensor) -> Tensor:
        return self.builder.one("relu6", Relu6(), (x,))

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return self.builder.one("add", Add(), (a, b))

    def concatenated(self, a: Tensor, b: Tensor, axis: int = 1) -> Tensor:
        return self.builder.one("concatenation", Concatenation(axis=axis), (a, b))

    def mean(self, x: Tensor, *, keep_dims: bool = True) -> Tensor:
        axes = tuple(range(2, len(x.shape)))
        return self.builder.one("mean", Mean(axes=axes, keep_dims=keep_dims), (x,))

    def excited(self, x: Tensor) -> Tensor:
        """Squeeze and excitation."""
        gate = self.conv(self.relu(self.conv(self.mean(x), 2, 1)), x.shape[1], 1)
        return self.builder.one("scale", Mul(), (x, self.builder.one("gate", Logistic(), (gate,))))

    def flat(self, x: Tensor) -> Tensor:
        return self.builder.reshaped(x, (x.shape[0], x.size // x.shape[0]))

    def linear(self, x: Tensor, features: int) -> Tensor:
        w, b = self.constant(features, x.shape[-1]), self.constant(features)
        return self.builder.one("linear", FullyConnected(keep_dims=True), (x, w, b))

    def quantized(self, x: Tensor, scale: float = 0.05, zero_point: int = 3) -> Tensor:
        """Brought to int8 and back."""
        code = Quantization.per_tensor(scale, zero_point)
        q = self.builder.one("quantize", Quantize(to=DType.INT8), (x,), quantization=code)
        return self.builder.one("dequantize", Dequantize(), (q,))


def arrays(graph: Graph, seed: int) -> dict[str, Array]:
    """Inputs in the source model's order of dimensions."""
    random = np.random.default_rng(seed)
    made = {}
    for name in graph.inputs:
        shape, dtype = graph.source_shape(name), graph.tensors[name].dtype
        if dtype is DType.FLOAT32:
            made[name] = random.normal(size=shape).astype(np.float32)
        else:
            made[name] = random.integers(*dtype.limits, shape).astype(dtype.numpy)
    return made


def run_as_source(graph: Graph, inputs: dict[str, Array]) -> dict[str, Array]:
    """Outputs from inputs, both in the source model's order of dimensions."""
    turned = {
        name: np.ascontiguousarray(array.transpose(graph.layouts.get(name, range(array.ndim))))
        for name, array in inputs.items()
    }
    found = outputs_of(graph, interpret(graph, turned))
    return {
        name: array.transpose(np.argsort(graph.layouts.get(name, range(array.ndim))))
        for name, array in found.items()
    }


def assert_same(before: Graph, after: Graph, *, tolerance: float = 0.0, count: int = 2) -> None:
    """The same outputs: bit for bit without a tolerance, which is relative to each output's peak."""
    assert after.inputs == before.inputs
    assert after.outputs == before.outputs
    for seed in range(count):
        inputs = arrays(before, seed)
        expected, found = run_as_source(before, inputs), run_as_source(after, inputs)
        for name, array in expected.items():
            assert found[name].shape == array.shape
            if tolerance:
                peak = float(np.abs(array).max()) + 1e-6
                assert float(np.abs(found[name] - array).max()) <= tolerance * peak
            else:
                assert found[name].dtype == array.dtype
                assert found[name].tobytes() == np.asarray(array).tobytes()


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def transposes(graph: Graph) -> Sequence[str]:
    return [op.name for op in graph.ops if isinstance(op.attributes, Transpose)]
