"""Float graphs with `quantize` and `dequantize` in them, and what they mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from midge.graph import (
    Attributes,
    DType,
    Graph,
    Quantization,
    Tensor,
    interpret,
    outputs_of,
    verify,
)
from midge.graph.ops.conversions import Dequantize, Quantize
from midge.importers.graph_builder import GraphBuilder

FLOAT = DType.FLOAT32


def q(scale: float, zero_point: int = 0) -> Quantization:
    return Quantization.per_tensor(scale, zero_point)


class QdqBuilder(GraphBuilder):
    """Builds as exporters of quantised networks do."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.random = np.random.default_rng(seed)

    def real(self, name: str, *shape: int) -> Tensor:
        return self.input(name, shape, FLOAT)

    def quantized(
        self, x: Tensor, scale: float, zero: int = 0, dtype: DType = DType.INT8
    ) -> Tensor:
        made = self.one(f"{x.name}.q", Quantize(to=dtype), (x,), quantization=q(scale, zero))
        return self.one(f"{x.name}.dq", Dequantize(), (made,))

    def fed(
        self, name: str, *shape: int, scale: float = 0.02, zero: int = 3, dtype: DType = DType.INT8
    ) -> Tensor:
        """An input, quantised at once."""
        return self.quantized(self.real(name, *shape), scale, zero, dtype)

    def weights(self, name: str, *shape: int, axis: int | None = 0, zero: int = 0) -> Tensor:
        count = 1 if axis is None else shape[axis]
        data = self.random.integers(-127, 128, shape).astype(np.int8)
        scales = self.random.uniform(0.001, 0.01, count).astype(np.float32)
        held = self.constant(name, data, Quantization(scales, np.full(count, zero, np.int64), axis))
        return self.one(f"{name}.dq", Dequantize(), (held,))

    def numbers(self, name: str, *shape: int) -> Tensor:
        return self.constant(name, self.random.normal(size=shape).astype(np.float32))

    def layer(self, name: str, attributes: Attributes, *inputs: Tensor | None) -> Tensor:
        return self.one(name, attributes, inputs)

    def finish(self, *outputs: Tensor) -> Graph:
        inputs = [t for t in self.tensors.values() if t.is_computed and self.producer(t) is None]
        return verify(self.graph("net", inputs, outputs))


def stored_inputs(graph: Graph, seed: int = 0) -> dict[str, Any]:
    """Random codes for each input of a lowered graph."""
    random = np.random.default_rng(seed)
    found = {}
    for name in graph.inputs:
        x = graph.tensors[name]
        if x.dtype is FLOAT:
            found[name] = random.normal(size=x.shape).astype(np.float32)
        else:
            low, high = x.dtype.limits
            found[name] = random.integers(low, high, x.shape, endpoint=True).astype(x.dtype.numpy)
    return found


def reals(x: Tensor, codes: Any) -> Any:
    """What codes stand for."""
    if x.quantization is None:
        return np.asarray(codes)
    return (np.asarray(codes).astype(np.float32) - x.zero_point) * np.float32(x.scale)


def furthest(graph: Graph, lowered: Graph, seeds: int = 4) -> float:
    """The largest difference of any output to the float graph's, in steps of the output."""
    worst = 0.0
    for seed in range(seeds):
        codes = stored_inputs(lowered, seed)
        floats = {n: reals(lowered.tensors[n], v) for n, v in codes.items()}
        expected = outputs_of(graph, interpret(graph, floats))
        found = outputs_of(lowered, interpret(lowered, codes))
        for before, after in zip(graph.outputs, lowered.outputs, strict=True):
            y = lowered.tensors[after]
            step = 1.0 if y.quantization is None else y.scale
            off = np.abs(reals(y, found[after]) - np.asarray(expected[before], np.float32))
            worst = max(worst, float(off.max()) / step)
    return worst
