"""Random networks of image layers, as graphs: any window, stride, dilation, padding and skip."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from midge.graph import (
    Activation,
    Attributes,
    DType,
    Graph,
    Op,
    Quantization,
    Rounding,
    Tensor,
    verify,
)
from midge.graph.ops.add import Add
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.mul import Mul
from midge.graph.ops.pool_2d import Pool2D
from midge.graph.ops.rectifiers import LeakyRelu
from midge.graph.window import reach

WIDEST = 12
DEEPEST = 9


@dataclass
class Images:
    """A network in the making.

    Attributes:
        random: Where all choices come from.
        rounding: Of every layer.
    """

    random: np.random.Generator
    rounding: Rounding = Rounding.TFLITE_DOUBLE
    tensors: dict[str, Tensor] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)

    def image(self, shape: tuple[int, ...], like: Tensor | None = None) -> Tensor:
        """A computed tensor, with random quantisation unless it is to have another's."""
        quantization = (
            Quantization.per_tensor(
                float(self.random.uniform(0.05, 0.4)), int(self.random.integers(-128, 128))
            )
            if like is None
            else like.quantization
        )
        return self.add(Tensor(f"t{len(self.tensors)}", shape, DType.INT8, quantization))

    def constant(self, values: np.ndarray, quantization: Quantization | None) -> Tensor:
        dtype = DType.INT8 if values.dtype == np.int8 else DType.INT32
        name = f"c{len(self.tensors)}"
        return self.add(Tensor(name, values.shape, dtype, quantization, values))

    def add(self, tensor: Tensor) -> Tensor:
        self.tensors[tensor.name] = tensor
        return tensor

    def op(
        self, attributes: Attributes, inputs: list[Tensor], like: Tensor | None = None
    ) -> Tensor:
        (kind,) = attributes.infer(inputs)
        output = self.image(kind.shape, like)
        names = tuple(t.name for t in inputs)
        self.ops.append(Op(f"{len(self.ops)}_{attributes.kind}", attributes, names, (output.name,)))
        return output

    # -- layers ---------------------------------------------------------------------------------

    def weighted(self, x: Tensor, *, depthwise: bool) -> Tensor | None:
        window = self.window(x)
        if window is None:
            return None
        (kernel_h, kernel_w), options = window
        channels = x.shape[3]
        if depthwise:
            outputs = channels * int(self.random.integers(1, 3))
            shape: tuple[int, ...] = (1, kernel_h, kernel_w, outputs)
        else:
            outputs = int(self.random.integers(1, DEEPEST))
            shape = (outputs, kernel_h, kernel_w, channels)
        axis = 3 if depthwise else 0
        values = self.random.integers(-127, 128, shape).astype(np.int8)
        if self.random.random() < 0.3:
            values = np.where(values > 0, 127, -128).astype(np.int8)
        taps = kernel_h * kernel_w * (1 if depthwise else channels)
        scales = self.random.uniform(0.3, 1.2, outputs) / (60 * np.sqrt(taps))
        if self.random.random() < 0.3:
            scales[:] = scales[0]
        w = self.constant(
            values, Quantization(scales.astype(np.float32), np.zeros(outputs, np.int64), axis)
        )
        bias = self.constant(
            self.random.integers(-3000, 3000, outputs).astype(np.int32),
            Quantization(
                scales.astype(np.float32) * np.float32(x.scale), np.zeros(outputs, np.int64), 0
            ),
        )
        operator = DepthwiseConv2D if depthwise else Conv2D
        activation = [Activation.NONE, Activation.RELU, Activation.RELU6][self.random.integers(3)]
        attributes = operator(**options, activation=activation, rounding=self.rounding)
        return self.op(attributes, [x, w, bias])

    def window(self, x: Tensor, *, dilated: bool = True):  # type: ignore[no-untyped-def]
        kernel = int(self.random.integers(1, 6)), int(self.random.integers(1, 5))
        if self.random.random() < 0.3:
            kernel = 1, 1
        dilation = (1, 1)
        if dilated and self.random.random() < 0.2:
            dilation = int(self.random.integers(1, 3)), int(self.random.integers(1, 3))
        spans = [reach(k, d) for k, d in zip(kernel, dilation, strict=True)]
        before = tuple(int(self.random.integers(0, s)) for s in spans)
        after = tuple(int(self.random.integers(0, s)) for s in spans)
        stride = int(self.random.integers(1, 4)), int(self.random.integers(1, 3))
        if self.random.random() < 0.5:
            stride = (1, 1)
        if any(
            n + b + a < s for n, b, a, s in zip(x.shape[1:3], before, after, spans, strict=True)
        ):
            return None
        options = {"stride": stride, "pad_before": before, "pad_after": after}
        return kernel, options | ({"dilation": dilation} if dilated else {})

    def pool(self, x: Tensor) -> Tensor | None:
        window = self.window(x, dilated=False)
        if window is None:
            return None
        kernel, options = window
        operator: type[Pool2D] = MaxPool2D if self.random.random() < 0.5 else AveragePool2D
        if operator is AveragePool2D and self.random.random() < 0.8:
            options["pad_before"] = 0, options["pad_before"][1]
            options["pad_after"] = 0, options["pad_after"][1]
        if self.random.random() < 0.5:
            kernel = int(self.random.integers(1, x.shape[1] + 1)), kernel[1]
            options |= {"stride": (kernel[0], 1), "pad_before": (0, 0), "pad_after": (0, 0)}
        attributes = operator(kernel=kernel, **options)
        try:
            output = self.op(attributes, [x], like=x)
            attributes.check([x], [output])
        except Exception:
            self.ops = [op for op in self.ops if op.attributes is not attributes]
            return None
        return output

    def sum(self, x: Tensor) -> Tensor | None:
        alike = [
            t
            for t in self.tensors.values()
            if t.is_computed and t.shape == x.shape and t.name != x.name
        ]
        if not alike:
            return None
        other = alike[self.random.integers(len(alike))]
        return self.op(Add(rounding=self.rounding), [x, other])

    def elementwise(self, x: Tensor) -> Tensor:
        if self.random.random() < 0.5:
            return self.op(LeakyRelu(alpha=0.25, rounding=self.rounding), [x])
        values = self.random.integers(-127, 128, (x.shape[3],)).astype(np.int8)
        factor = self.constant(values, Quantization.per_tensor(0.01, 3))
        return self.op(Mul(rounding=self.rounding), [x, factor])


def random_images(seed: int, layers: int = 6) -> Graph:
    """A network of image layers, one behind the other, with sums of what came before."""
    random = np.random.default_rng(seed)
    rounding = Rounding.SINGLE if seed % 4 == 3 else Rounding.TFLITE_DOUBLE
    images = Images(random, rounding)
    height, width = int(random.integers(4, 20)), int(random.integers(1, WIDEST))
    channels = int(random.choice([1, 2, 3, 4, 8]))
    x = source = images.image((1, height, width, channels))
    while len(images.ops) < layers:
        kind = random.choice(5, p=[0.35, 0.25, 0.12, 0.18, 0.1])
        made = (
            images.weighted(x, depthwise=False)
            if kind == 0
            else images.weighted(x, depthwise=True)
            if kind == 1
            else images.pool(x)
            if kind == 2
            else images.sum(x)
            if kind == 3
            else images.elementwise(x)
        )
        x = made or x
    graph = Graph("net", images.tensors, tuple(images.ops), (source.name,), (x.name,))
    return verify(without_dead_ops(graph))


def without_dead_ops(graph: Graph) -> Graph:
    """Every op's output is read, or is the network's."""
    needed, kept = set(graph.outputs), []
    for op in reversed(graph.ops):
        if needed & set(op.outputs):
            kept.append(op)
            needed |= set(op.inputs)
    return graph.with_ops(tuple(reversed(kept)))
