"""Networks that several rooms' tests compile: a few small ones, and many joined into one build."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from midge.graph import Graph, Op, Tensor, verify
from midge.importers import import_tflite
from midge.synthetic import SyntheticNetwork, single_op_networks
from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Pool2DOptions,
    Quantization,
)
from midge.synthetic.network_builder import NetworkBuilder, Weights

Array = NDArray[np.generic]
INPUT = Quantization((0.05,), (-3,))


def network(name: str, add: Callable[[NetworkBuilder], str | list[str]]) -> SyntheticNetwork:
    """The network whose operators `add` adds; it returns the output, or all of them."""
    builder = NetworkBuilder(seed=len(name), samples=2)
    outputs = add(builder)
    return SyntheticNetwork(
        name, builder.build([outputs] if isinstance(outputs, str) else outputs, name)
    )


def bell_weights(
    builder: NetworkBuilder, shape: tuple[int, ...], channel_axis: int = 0, spread: float = 0.4
) -> Weights:
    """Random weights with a bias; channels' scales are `spread` natural logarithms around one."""
    channels = shape[channel_axis]
    values = np.clip(np.rint(builder.rng.normal(0, 40, shape)), -127, 127).astype(np.int8)
    scales = 0.01 * np.exp(spread * np.linspace(-1, 1, channels))
    bias = builder.rng.integers(-2000, 2000, channels).astype(np.int32)
    return Weights(values, tuple(scales), bias)


def conv(builder: NetworkBuilder, x: str, channels: int, kernel: int = 3, stride: int = 1) -> str:
    """A SAME convolution with RELU."""
    depth = builder.shape(x)[3]
    options = Conv2DOptions("SAME", (stride, stride), activation="RELU")
    return builder.conv_2d(x, bell_weights(builder, (channels, kernel, kernel, depth)), options)


def depthwise(builder: NetworkBuilder, x: str, stride: int = 1, multiplier: int = 1) -> str:
    """A SAME 3x3 depthwise convolution with RELU6."""
    channels = builder.shape(x)[3] * multiplier
    options = DepthwiseConv2DOptions(
        "SAME", (stride, stride), depth_multiplier=multiplier, activation="RELU6"
    )
    weights = bell_weights(builder, (1, 3, 3, channels), channel_axis=3)
    return builder.depthwise_conv_2d(x, weights, options)


def classifier(builder: NetworkBuilder, x: str, classes: int) -> str:
    """Mean over the image, fully connected layer, softmax."""
    _, height, width, channels = builder.shape(x)
    x = builder.pool_2d("AVERAGE_POOL_2D", x, Pool2DOptions((height, width)))
    x = builder.reshape(x, (1, channels), (-1, channels))
    weights = bell_weights(builder, (classes, channels))
    return builder.softmax(builder.fully_connected(x, weights, FullyConnectedOptions()))


@cache
def dense() -> SyntheticNetwork:
    """The smallest useful one: 8 features, 5 classes."""

    def add(builder: NetworkBuilder) -> str:
        x = builder.input((1, 8), INPUT)
        return builder.fully_connected(
            x, bell_weights(builder, (5, 8)), FullyConnectedOptions("RELU")
        )

    return network("dense", add)


@cache
def mobile_chain() -> SyntheticNetwork:
    """Depthwise separable convolutions, as in MobileNet."""

    def add(builder: NetworkBuilder) -> str:
        x = conv(builder, builder.input((1, 14, 14, 3), INPUT), 8, stride=2)
        for channels, stride in ((12, 1), (16, 2), (17, 1), (20, 2)):
            x = conv(builder, depthwise(builder, x, stride), channels, kernel=1)
        return classifier(builder, x, 6)

    return network("mobile_chain", add)


@cache
def residual_branches() -> SyntheticNetwork:
    """Blocks with a way around, one of them with a convolution on it, as in ResNet."""

    def add(builder: NetworkBuilder) -> str:
        x = conv(builder, builder.input((1, 10, 10, 3), INPUT), 8)
        y = conv(builder, conv(builder, x, 8), 8)
        x = builder.add(x, y, AddOptions("RELU"))
        y = conv(builder, conv(builder, x, 12, stride=2), 12)
        x = builder.add(conv(builder, x, 12, kernel=1, stride=2), y, AddOptions("RELU"))
        return classifier(builder, x, 5)

    return network("residual_branches", add)


@cache
def two_by_two() -> SyntheticNetwork:
    """Two inputs and two outputs of different shapes."""

    def add(builder: NetworkBuilder) -> list[str]:
        a = builder.input((1, 4, 4, 3), INPUT)
        b = builder.input((1, 1, 1, 3), Quantization((0.04,), (7,)))
        total = builder.add(a, b, AddOptions())
        return [conv(builder, total, 4), classifier(builder, total, 3)]

    return network("two_by_two", add)


@cache
def padded() -> SyntheticNetwork:
    """A border that a convolution can take over, then one in front of a pool, which cannot."""

    def add(builder: NetworkBuilder) -> str:
        x = builder.pad(builder.input((1, 5, 6, 2), INPUT), ((0, 0), (2, 1), (0, 3), (0, 0)))
        options = Conv2DOptions("VALID", (2, 1))
        x = builder.conv_2d(x, bell_weights(builder, (4, 3, 3, 2)), options)
        x = builder.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return builder.pool_2d("MAX_POOL_2D", x, Pool2DOptions((2, 2), "VALID", (2, 2)))

    return network("padded", add)


def imported(made: SyntheticNetwork, name: str = "net") -> Graph:
    """The network as a graph; imported once, since many tests ask for the same ones."""
    return _graph_of(made.model_bytes, name)


@lru_cache(maxsize=4096)
def _graph_of(model_bytes: bytes, name: str) -> Graph:
    return import_tflite(model_bytes, f"{name}.tflite")


@cache
def every_single_op() -> tuple[SyntheticNetwork, ...]:
    """Every single-operator network; making them takes a second or two."""
    return tuple(single_op_networks())


@cache
def single_ops(operator: str) -> tuple[SyntheticNetwork, ...]:
    """Every single-operator network of one operator, such as ``CONV_2D``."""
    return tuple(n for n in every_single_op() if n.name.startswith(f"{operator}/"))


@dataclass(frozen=True, eq=False)
class Joined:
    """Networks side by side in one graph, so that one build and one run do for all.

    Attributes:
        graph: Their ops and tensors, each name behind its network's number and a slash.
        networks: In order.
    """

    graph: Graph
    networks: tuple[SyntheticNetwork, ...]

    def sample(self, seed: int) -> dict[str, Array]:
        """Each network's own inputs for this seed."""
        return {
            f"{number}/{name}": value
            for number, made in enumerate(self.networks)
            for name, value in zip(made.model.inputs, made.sample_inputs(seed), strict=True)
        }

    def network_of(self, name: str) -> SyntheticNetwork:
        """The network to which an op or tensor belongs."""
        return self.networks[int(name.split("/", maxsplit=1)[0])]


def join(networks: Sequence[SyntheticNetwork], name: str = "joined") -> Joined:
    """Set networks side by side."""
    tensors: dict[str, Tensor] = {}
    ops: list[Op] = []
    inputs: list[str] = []
    outputs: list[str] = []
    for number, made in enumerate(networks):
        part = imported(made)

        def named(tensor: str, number: int = number) -> str:
            return f"{number}/{tensor}" if tensor else ""

        ops += [
            replace(
                op,
                name=named(op.name),
                inputs=tuple(map(named, op.inputs)),
                outputs=tuple(map(named, op.outputs)),
            )
            for op in part.ops
        ]
        tensors |= {named(n): replace(t, name=named(n)) for n, t in part.tensors.items()}
        inputs += map(named, part.inputs)
        outputs += map(named, part.outputs)
    graph = Graph(name, tensors, tuple(ops), tuple(inputs), tuple(outputs))
    return Joined(verify(graph), tuple(networks))
