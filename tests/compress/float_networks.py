"""Float networks that are quantised in these tests, and samples for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midge.compress import Samples, take_samples
from midge.graph import Activation, Attributes, DType, Graph, Tensor, verify
from midge.graph.ops.add import Add
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.logistic_tanh import Logistic
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.mul import Mul
from midge.graph.ops.reductions import Mean
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.smooth_units import HardSwish
from midge.graph.ops.softmax import Softmax
from midge.importers.graph_builder import GraphBuilder

Floats = NDArray[np.float32]
RELU = Activation.RELU


class Layers:
    """A graph builder with random weights."""

    def __init__(self, seed: int = 0) -> None:
        self.builder = GraphBuilder()
        self.rng = np.random.default_rng(seed)

    def constant(self, name: str, values: ArrayLike) -> Tensor:
        return self.builder.constant(name, np.asarray(values, np.float32))

    def weights(self, name: str, shape: tuple[int, ...], fan_in: int) -> Tensor:
        return self.constant(name, self.rng.standard_normal(shape) * np.sqrt(2 / fan_in))

    def bias(self, name: str, channels: int) -> Tensor:
        return self.constant(name, self.rng.standard_normal(channels) * 0.1)

    def op(self, name: str, attributes: Attributes, *inputs: Tensor, output: str = "") -> Tensor:
        return self.builder.one(name, attributes, inputs, output=output)

    def conv(
        self,
        name: str,
        x: Tensor,
        channels: int,
        kernel: int = 3,
        activation: Activation = RELU,
        groups: int = 1,
    ) -> Tensor:
        depth, pad = x.shape[3] // groups, (kernel // 2, kernel // 2)
        w = self.weights(f"{name}.w", (channels, kernel, kernel, depth), kernel * kernel * depth)
        conv = Conv2D(pad_before=pad, pad_after=pad, activation=activation)
        return self.op(name, conv, x, w, self.bias(f"{name}.b", channels))

    def depthwise(self, name: str, x: Tensor, activation: Activation = RELU) -> Tensor:
        w = self.weights(f"{name}.w", (1, 3, 3, x.shape[3]), 9)
        conv = DepthwiseConv2D(pad_before=(1, 1), pad_after=(1, 1), activation=activation)
        return self.op(name, conv, x, w, self.bias(f"{name}.b", x.shape[3]))

    def fully(self, name: str, x: Tensor, outputs: int, output: str = "") -> Tensor:
        w = self.weights(f"{name}.w", (outputs, x.shape[-1]), x.shape[-1])
        attributes = FullyConnected(keep_dims=True)
        return self.op(name, attributes, x, w, self.bias(f"{name}.b", outputs), output=output)

    def graph(self, name: str, inputs: list[Tensor], outputs: list[Tensor]) -> Graph:
        return verify(self.builder.graph(name, inputs, outputs))


def residual(seed: int = 0, channels: int = 8) -> Graph:
    """A convolution, a depthwise block with a sum around it, pooling, a classifier."""
    net = Layers(seed)
    x = net.builder.input("x", (1, 8, 8, 2), DType.FLOAT32)
    stem = net.conv("stem", x, channels)
    depthwise = net.depthwise("depthwise", stem)
    pointwise = net.conv("pointwise", depthwise, channels, 1, Activation.NONE)
    added = net.op("added", Add(activation=RELU), pointwise, stem)
    pooled = net.op("pooled", MaxPool2D(kernel=(2, 2), stride=(2, 2)), added)
    mean = net.op("mean", Mean(axes=(1, 2)), pooled)
    logits = net.fully("classifier", mean, 4)
    return net.graph("residual", [x], [net.op("softmax", Softmax(), logits, output="y")])


def branches(seed: int = 0) -> Graph:
    """Two inputs and outputs; a gate, a concatenation of it, constant operands, a flattened image."""
    net = Layers(seed)
    x = net.builder.input("x", (1, 4, 4, 3), DType.FLOAT32)
    z = net.builder.input("z", (1, 5), DType.FLOAT32)
    image = net.conv("image", x, 6, groups=3)
    gate = net.op("gate", Logistic(), net.conv("squeeze", image, 6, 1, Activation.NONE))
    gated = net.op("gated", Mul(), gate, image)
    joined = net.op("joined", Concatenation(axis=3), gate, gated)
    scaled = net.op("scaled", Mul(), joined, net.constant("factor", np.linspace(-2, 2, 12)))
    flat = net.op("flat", Reshape(shape=(1, 192)), net.op("swish", HardSwish(), scaled))
    both = net.op("both", Concatenation(axis=1), net.fully("left", flat, 5), z)
    shifted = net.op("shifted", Add(), both, net.constant("shift", np.linspace(0, 3, 10)))
    return net.graph("branches", [x, z], [net.fully("right", shifted, 3, output="y"), gate])


def chain(seed: int = 0, spread: float = 6.0, channels: int = 8, groups: int = 1) -> Graph:
    """Two convolutions whose channels in between differ by up to `spread` doublings either way."""
    net = Layers(seed)
    x = net.builder.input("x", (1, 6, 6, 3), DType.FLOAT32)
    factors = 2.0 ** np.linspace(-spread, spread, channels)
    w = net.rng.standard_normal((channels, 3, 3, 3)) / 5 * factors[:, None, None, None]
    b = np.abs(net.rng.standard_normal(channels)) * 0.1 * factors
    first = net.op(
        "first",
        Conv2D(pad_before=(1, 1), pad_after=(1, 1), activation=RELU),
        x,
        net.constant("first.w", w),
        net.constant("first.b", b),
    )
    pooled = net.op("pooled", MaxPool2D(kernel=(2, 2), stride=(2, 2)), first)
    depth = channels // groups
    back = (1 / factors).reshape(groups, depth).repeat(4 // groups, axis=0)
    w = net.rng.standard_normal((4, 1, 1, depth)) * back[:, None, None, :]
    second = net.op(
        "second", Conv2D(), pooled, net.constant("second.w", w), net.bias("second.b", 4)
    )
    return net.graph("chain", [x], [net.op("y", Reshape(shape=(1, 36)), second)])


NETWORKS: dict[str, Callable[[], Graph]] = {
    "residual": residual,
    "branches": branches,
    "chain": lambda: chain(spread=1.0),
}


def arrays(graph: Graph, count: int = 24, seed: int = 1) -> dict[str, Floats]:
    """Ordinary values for each input, [count, ...]."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.standard_normal((count, *graph.tensors[name].shape[1:])).astype(np.float32)
        for name in graph.inputs
    }


def samples(graph: Graph, count: int = 24, seed: int = 1) -> Samples:
    return take_samples(graph, arrays(graph, count, seed))
