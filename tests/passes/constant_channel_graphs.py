"""Networks with channels that no input can change: saturated or clamped by biases pushed far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from midge.graph import (
    Activation,
    Array,
    Attributes,
    DType,
    Graph,
    Op,
    Quantization,
    Rounding,
    Tensor,
    verify,
)
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.extremum import Maximum
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.mul import Mul
from midge.graph.ops.pad import Pad
from midge.graph.ops.reductions import Mean
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.smooth_units import HardSwish

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]
NO_PAD: Pads = ((0, 0), (0, 0))
SAME3: Pads = ((1, 1), (1, 1))
LOPSIDED: Pads = ((2, 0), (0, 2))
"""In front alone along the rows, behind alone along the columns."""
NARROW = (Rounding.TFLITE_DOUBLE, Rounding.SINGLE, Rounding.HALF_EVEN)
"""Roundings of int8."""
ACTIVATIONS = (Activation.NONE, Activation.RELU, Activation.RELU6)


class Drawing:
    """A network that grows operator by operator, with random weights.

    Attributes:
        rng: Draws them.
        dtype: Of all activations.
        rounding: Of all operators that rescale.
        fixed: The share of a layer's output channels that no input can change.
        dead: The share of a layer's input channels whose weights are zero.
    """

    def __init__(
        self,
        seed: int,
        *,
        dtype: DType = DType.INT8,
        rounding: Rounding = Rounding.TFLITE_DOUBLE,
        fixed: float = 0.4,
        dead: float = 0.1,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype, self.rounding, self.fixed, self.dead = dtype, rounding, fixed, dead
        self.tensors: dict[str, Tensor] = {}
        self.ops: list[Op] = []

    def graph(self, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
        """What has been drawn."""
        return verify(Graph("drawn", self.tensors, tuple(self.ops), tuple(inputs), tuple(outputs)))

    def tensor(self, name: str, shape: Sequence[int], zero_point: int | None = None) -> str:
        """An activation; the zero point is drawn where none is given."""
        if zero_point is None:
            zero_point = int(self.rng.choice([-128, -3, 5, int(self.rng.integers(-128, 128))]))
        zero_point = 0 if self.dtype is DType.INT16 else zero_point
        scale = 0.05 if self.dtype is DType.INT8 else 0.0005
        quantization = Quantization.per_tensor(scale, zero_point)
        self.tensors[name] = Tensor(name, tuple(shape), self.dtype, quantization)
        return name

    def constant(self, name: str, data: Array, quantization: Quantization | None) -> str:
        """A constant of its array's type."""
        dtype = DType(data.dtype.name)
        self.tensors[name] = Tensor(name, data.shape, dtype, quantization, data)
        return name

    def add(self, attributes: Attributes, inputs: Sequence[str], zero_point: int) -> str:
        """An operator with one output, whose shape it gives itself."""
        name = f"{attributes.kind}_{len(self.ops)}"
        found = [self.tensors[n] if n else None for n in inputs]
        (made,) = attributes.infer(found)
        self.tensor(f"{name}_y", made.shape, zero_point)
        self.ops.append(Op(name, attributes, tuple(inputs), (f"{name}_y",)))
        return f"{name}_y"

    def zero_point_of(self, x: str) -> int:
        return self.tensors[x].zero_point

    def weighted(
        self,
        attributes: Conv2D | DepthwiseConv2D | FullyConnected,
        x: str,
        shape: Sequence[int],
        *,
        axis: int,
        fixed: Sequence[int] | None = None,
        zero_point: int | None = None,
        bias: bool = True,
    ) -> str:
        """A layer; `fixed` names the output channels that saturate, None draws them."""
        number, channels = len(self.ops), shape[axis]
        values = np.clip(np.rint(self.rng.normal(0, 40, shape)), -127, 127).astype(np.int8)
        if axis == 0:
            values[..., self.rng.random(shape[-1]) < self.dead] = 0
        taps = values.size // channels
        scales = 0.04 / np.sqrt(taps) * np.exp(self.rng.normal(0, 0.3, channels))
        quantization = Quantization(scales.astype(np.float32), np.zeros(channels, np.int64), axis)
        names = [x, self.constant(f"w_{number}", values, quantization)]
        if bias:
            names.append(self._bias(f"b_{number}", values, axis, scales, fixed))
        return self.add(attributes, names, self._zero_point() if zero_point is None else zero_point)

    def _zero_point(self) -> int:
        return int(self.rng.choice([-128, -128, int(self.rng.integers(-128, 128))]))

    def _bias(
        self, name: str, values: Array, axis: int, scales: Array, fixed: Sequence[int] | None
    ) -> str:
        channels = values.shape[axis]
        by_channel = np.moveaxis(values.astype(np.int64), axis, 0).reshape(channels, -1)
        step = np.ceil(1 / np.asarray(scales, np.float64)).astype(np.int64)
        bias = (self.rng.integers(-40, 41, channels) * step).astype(np.int64)
        width = 2 * -self.dtype.limits[0]
        far = np.abs(by_channel).sum(axis=1) * width + 2 * width * step
        share = self.rng.random(channels) < self.fixed
        chosen = share if fixed is None else np.isin(np.arange(channels), fixed)
        sign = self.rng.choice([-1, 1], channels)
        bias = np.where(chosen, far * sign, bias)
        long = self.rounding is Rounding.TFLITE_16X8
        return self.constant(name, bias.astype(np.int64 if long else np.int32), None)

    def conv(
        self,
        x: str,
        channels: int,
        kernel: int = 1,
        pad: Pads = NO_PAD,
        *,
        groups: int = 1,
        stride: int = 1,
        activation: Activation = Activation.NONE,
        fixed: Sequence[int] | None = None,
        zero_point: int | None = None,
        bias: bool = True,
    ) -> str:
        attributes = Conv2D(
            stride=(stride, stride),
            pad_before=pad[0],
            pad_after=pad[1],
            activation=activation,
            rounding=self.rounding,
        )
        shape = (channels, kernel, kernel, self.tensors[x].shape[3] // groups)
        return self.weighted(
            attributes, x, shape, axis=0, fixed=fixed, zero_point=zero_point, bias=bias
        )

    def depthwise(
        self,
        x: str,
        multiplier: int = 1,
        pad: Pads = NO_PAD,
        *,
        activation: Activation = Activation.NONE,
        fixed: Sequence[int] | None = None,
        zero_point: int | None = None,
    ) -> str:
        attributes = DepthwiseConv2D(
            pad_before=pad[0], pad_after=pad[1], activation=activation, rounding=self.rounding
        )
        shape = (1, 3, 3, self.tensors[x].shape[3] * multiplier)
        return self.weighted(attributes, x, shape, axis=3, fixed=fixed, zero_point=zero_point)

    def dense(self, x: str, outputs: int, features: int, fixed: Sequence[int] | None = None) -> str:
        attributes = FullyConnected(rounding=self.rounding)
        return self.weighted(attributes, x, (outputs, features), axis=0, fixed=fixed)

    def concat(self, *xs: str, axis: int = 3) -> str:
        return self.add(Concatenation(axis=axis), xs, self.zero_point_of(xs[0]))

    def flat(self, x: str) -> str:
        tensor = self.tensors[x]
        return self.add(Reshape(shape=(1, tensor.size)), [x], self.zero_point_of(x))


def random_channels(seed: int) -> Graph:
    """A network of a few blocks of any kind that can carry constant channels on."""
    rng = np.random.default_rng(seed)
    wide = rng.random() < 0.25
    rounding = Rounding.TFLITE_16X8 if wide else NARROW[int(rng.integers(len(NARROW)))]
    drawing = Drawing(
        seed,
        dtype=DType.INT16 if wide else DType.INT8,
        rounding=rounding,
        fixed=float(rng.choice([0.3, 0.6, 0.95])),
        dead=float(rng.choice([0, 0.3])),
    )
    height, width = rng.integers(3, 8, 2)
    x = drawing.tensor("x", (int(rng.integers(1, 3)), int(height), int(width), 4))
    at = drawing.conv(x, 6, 3, SAME3)
    for _ in range(int(rng.integers(2, 6))):
        at = _block(drawing, rng, at)
    outputs = [_end(drawing, rng, at)]
    if rng.random() < 0.3:
        outputs.append(drawing.ops[int(rng.integers(len(drawing.ops) - 1))].outputs[0])
    return drawing.graph(["x"], list(dict.fromkeys(outputs)))


def _block(drawing: Drawing, rng: np.random.Generator, x: str) -> str:
    activation = ACTIVATIONS[int(rng.integers(len(ACTIVATIONS)))]
    pad = (SAME3, SAME3, LOPSIDED, NO_PAD)[int(rng.integers(4))]
    shape, zero = drawing.tensors[x].shape, drawing.zero_point_of(x)
    channels = shape[3]
    tall = min(shape[1:3]) >= 3 or pad is not NO_PAD
    rounding = drawing.rounding if drawing.dtype is DType.INT8 else Rounding.TFLITE_DOUBLE
    kinds = ["conv", "residual", "concat", "grouped", "pad", "pool", "elementwise"]
    match rng.choice([*kinds, *["depthwise"] * 3]) if tall else "conv":
        case "depthwise":
            multiplier = int(rng.choice([1, 1, 2]))
            return drawing.depthwise(x, multiplier, pad, activation=activation)
        case "residual":
            y = drawing.conv(x, 5, 3, SAME3, activation=activation)
            is_dead = rng.random() < 0.3
            y = drawing.conv(y, channels, fixed=range(channels) if is_dead else None)
            kind = Add if rng.random() < 0.7 else Sub
            return drawing.add(kind(activation=activation, rounding=rounding), [x, y], -128)
        case "concat":
            y = drawing.conv(x, 3, activation=activation, zero_point=zero)
            z = drawing.conv(x, 2, 3, SAME3, activation=activation, zero_point=zero)
            return drawing.concat(y, x, z)
        case "grouped":
            y = drawing.conv(x, 6)
            return drawing.conv(y, 12, 3, SAME3, groups=3, activation=activation)
        case "pad":
            pad_op = Pad(before=(0, 1, 0, 0), after=(0, 0, 2, 0))
            return drawing.conv(drawing.add(pad_op, [x], zero), 4, 2)
        case "pool":
            pool = MaxPool2D if rng.random() < 0.5 else AveragePool2D
            around = {"pad_before": (1, 0), "pad_after": (0, 1)}
            return drawing.add(pool(kernel=(2, 2), activation=activation, **around), [x], zero)
        case "elementwise":
            return _elementwise(drawing, rng, x, rounding)
    kernel = min(int(rng.integers(1, 3)), *shape[1:3])
    return drawing.conv(x, int(rng.integers(2, 9)), kernel, activation=activation)


def _elementwise(drawing: Drawing, rng: np.random.Generator, x: str, rounding: Rounding) -> str:
    zero, number = drawing.zero_point_of(x), len(drawing.ops)
    tensor = drawing.tensors[x]
    shape = (1, 1, 1, tensor.shape[3]) if rng.random() < 0.7 else (1,)
    values = rng.integers(-128, 128, shape).astype(tensor.dtype.numpy)
    other = drawing.constant(f"c_{number}", values, tensor.quantization)
    kind = int(rng.integers(4))
    if kind == 0:
        return drawing.add(Mul(rounding=rounding), [x, other], -128)
    if kind == 1:
        return drawing.add(Maximum(), [x, other], zero)
    if kind == 2 and drawing.dtype is DType.INT8:
        return drawing.add(HardSwish(), [x], zero)
    return drawing.add(Add(rounding=rounding), [other, x], int(rng.integers(-128, 128)))


def _end(drawing: Drawing, rng: np.random.Generator, x: str) -> str:
    tensor = drawing.tensors[x]
    zero, (batch, *_, channels) = drawing.zero_point_of(x), tensor.shape
    match int(rng.integers(4)):
        case 0:
            mean = Mean(axes=(1, 2), rounding=Rounding.TFLITE_DOUBLE)
            return drawing.dense(drawing.add(mean, [x], zero), 3, channels)
        case 1:
            return drawing.dense(drawing.flat(x), 3, tensor.size)
        case 2:
            # Rows that are not whole pixels where the batch has two images of odd extents.
            return drawing.dense(x, 3, tensor.size // batch)
    return drawing.conv(x, 3)
