"""Builds quantised networks operator by operator, each output's scale taken from simulated values.

Every tensor carries a few samples as real numbers. Each operator computes its output on them,
chooses the output's scale and zero point from what came out, and rounds the samples to that grid,
so that the next operator sees what a device would (to within its rounding). Without this, random
int8 networks saturate after two layers and test nothing but the clamps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.synthetic import float_simulation as simulate
from midge.synthetic.calibration import (
    ACCUMULATOR_LIMIT,
    COVERING,
    FINEST_SCALE,
    MAX_ADD_SCALE_RATIO,
    SOFTMAX_OUTPUT,
    Calibration,
    at_least,
    resolve,
)
from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    ModelDescription,
    Operator,
    Options,
    PadOptions,
    Pool2DOptions,
    Quantization,
    ReshapeOptions,
    SoftmaxOptions,
    Tensor,
)

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weights:
    """A layer's constants.

    Attributes:
        values: int8, in the operator's layout.
        scales: One, or one per output channel.
        bias: int32, one per output channel; None leaves the bias out.
        absent_as_input: Without a bias, list the absent input as -1 instead of dropping it.
    """

    values: NDArray[np.int8]
    scales: tuple[float, ...]
    bias: NDArray[np.int32] | None = None
    absent_as_input: bool = False


class NetworkBuilder:
    """Collects tensors and operators of one network; operators return their output's name.

    Attributes:
        rng: The source of the samples; callers may draw weights from it too.
    """

    def __init__(self, seed: int, samples: int = 3) -> None:
        self.rng = np.random.default_rng(seed)
        self._samples = samples
        self._tensors: dict[str, Tensor] = {}
        self._operators: list[Operator] = []
        self._inputs: list[str] = []
        self._values: dict[str, Reals] = {}

    @property
    def operator_count(self) -> int:
        """Number of operators added so far."""
        return len(self._operators)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of the tensor `name`."""
        return self._tensors[name].shape

    def dtype(self, name: str) -> str:
        """Element type of the tensor `name`."""
        return self._tensors[name].dtype

    def is_quantized(self, name: str) -> bool:
        """Whether integers of the tensor `name` stand for real numbers."""
        return self._tensors[name].quantization is not None

    def quantization(self, name: str) -> Quantization:
        """Quantisation of the quantised tensor `name`."""
        quantization = self._tensors[name].quantization
        assert quantization is not None
        return quantization

    def values(self, name: str) -> Reals:
        """Simulated real values of `name`, (samples, *shape)."""
        return self._values[name]

    def build(self, outputs: Sequence[str], comment: str = "") -> ModelDescription:
        """Return the network with these outputs."""
        return ModelDescription(
            tensors=tuple(self._tensors.values()),
            operators=tuple(self._operators),
            inputs=tuple(self._inputs),
            outputs=tuple(outputs),
            comment=comment,
        )

    def input(
        self, shape: tuple[int, ...], quantization: Quantization | None, dtype: str = "int8"
    ) -> str:
        """Add a network input; its samples are uniform over all codes, floats of order 1."""
        name = f"input_{len(self._inputs)}"
        self._inputs.append(name)
        self._tensors[name] = Tensor(name, shape, dtype, quantization)
        full = (self._samples, *shape)
        if dtype == "float32":
            self._values[name] = self.rng.standard_normal(full).astype(np.float32).astype(float)
        elif quantization is None:
            high = 2 if dtype == "bool" else 100
            self._values[name] = self.rng.integers(0, high, full).astype(float)
        else:
            low, high = code_limits(dtype)
            codes = self.rng.integers(low, high + 1, full)
            self._values[name] = _dequantize(codes, quantization)
        return name

    def constant(
        self,
        values: NDArray[Any],
        quantization: Quantization | None = None,
        dtype: str | None = None,
    ) -> str:
        """Add a constant operand of any type; `dtype` where it is not that of `values` (int4)."""
        name = f"constant_{len(self._tensors)}"
        self._add_constant(name, values, quantization, dtype)
        real = values.astype(float) if quantization is None else _dequantize(values, quantization)
        self._values[name] = np.broadcast_to(real, (self._samples, *values.shape))
        return name

    def variable(
        self, shape: tuple[int, ...], quantization: Quantization | None, dtype: str
    ) -> str:
        """Add a tensor that outlives a run, as SVDF and LSTM have."""
        name = f"variable_{len(self._tensors)}"
        self._tensors[name] = Tensor(name, shape, dtype, quantization, variable=True)
        return name

    def operator(
        self,
        op: str,
        inputs: tuple[str | None, ...],
        options: Options,
        real: Reals,
        output: Calibration | Quantization | None,
        *,
        dtype: str,
        version: int = 1,
    ) -> str:
        """Add any operator with one output.

        Args:
            op: Its schema name.
            inputs: Names; None for one that is left out.
            options: Its attributes.
            real: What comes out for the samples, (samples, *shape), as real numbers.
            output: The output's quantisation, or the rule that gives it; None for plain numbers.
            dtype: The output's element type.
            version: The schema's operator version.
        """
        return self.operators(
            op, inputs, options, (real,), (output,), dtype=dtype, version=version
        )[0]

    def operators(
        self,
        op: str,
        inputs: tuple[str | None, ...],
        options: Options,
        reals: Sequence[Reals],
        outputs: Sequence[Calibration | Quantization | None],
        *,
        dtype: str,
        version: int = 1,
    ) -> list[str]:
        """Add any operator with several outputs of one type; arguments as for `operator`."""
        stem = f"{op.lower()}_{len(self._operators)}"
        names = [stem if len(reals) == 1 else f"{stem}/{i}" for i in range(len(reals))]
        self._operators.append(Operator(op, inputs, tuple(names), options, version))
        for name, real, output in zip(names, reals, outputs, strict=True):
            quantization = None if output is None else resolve(output, real, dtype)
            self._tensors[name] = Tensor(name, real.shape[1:], dtype, quantization)
            self._values[name] = _as_stored(real, quantization, dtype)
        return names

    def conv_2d(
        self,
        x: str,
        weights: Weights,
        options: Conv2DOptions,
        output: Calibration | Quantization = COVERING,
    ) -> str:
        """Add a CONV_2D over an NHWC tensor; grouped when the weights' depth divides C."""
        grouped = weights.values.shape[3] != self.shape(x)[3]
        real = simulate.conv_2d(
            self._images(x),
            _per_channel(weights, 0),
            options.stride,
            options.dilation,
            options.padding,
        )
        return self._layer(
            "CONV_2D",
            x,
            weights,
            options,
            version=6 if grouped else 3,
            channel_axis=0,
            products=real,
            output=output,
        )

    def depthwise_conv_2d(
        self,
        x: str,
        weights: Weights,
        options: DepthwiseConv2DOptions,
        output: Calibration | Quantization = COVERING,
    ) -> str:
        """Add a DEPTHWISE_CONV_2D over an NHWC tensor."""
        real = simulate.depthwise_conv_2d(
            self._images(x),
            _per_channel(weights, 3),
            options.stride,
            options.dilation,
            options.padding,
        )
        return self._layer(
            "DEPTHWISE_CONV_2D",
            x,
            weights,
            options,
            version=3,
            channel_axis=3,
            products=real,
            output=output,
        )

    def fully_connected(
        self,
        x: str,
        weights: Weights,
        options: FullyConnectedOptions,
        output: Calibration | Quantization = COVERING,
    ) -> str:
        """Add a FULLY_CONNECTED; `x` of any rank is read as rows of the weights' depth."""
        depth = weights.values.shape[1]
        rows = self._values[x].reshape(-1, depth)
        real = rows @ _per_channel(weights, 0).T
        if options.keep_num_dims:
            real = real.reshape(self._samples, *self.shape(x)[:-1], -1)
        else:
            real = real.reshape(self._samples, -1, weights.values.shape[0])
        has_two_inputs = weights.bias is None and not weights.absent_as_input
        version = 6 if has_two_inputs else 5 if options.keep_num_dims else 4
        return self._layer(
            "FULLY_CONNECTED",
            x,
            weights,
            options,
            version=version,
            channel_axis=0,
            products=real,
            output=output,
        )

    def pool_2d(self, op: str, x: str, options: Pool2DOptions) -> str:
        """Add an AVERAGE_POOL_2D or MAX_POOL_2D; the quantisation passes through."""
        pool = simulate.average_pool_2d if op == "AVERAGE_POOL_2D" else simulate.max_pool_2d
        real = pool(self._images(x), options.filter, options.stride, options.padding)
        real = simulate.activate(real, options.activation)
        return self._operator(
            op, (x,), options, self._as_samples(real), self.quantization(x), version=2
        )

    def add(
        self,
        a: str,
        b: str,
        options: AddOptions,
        output: Calibration | Quantization = COVERING,
    ) -> str:
        """Add an ADD with NumPy broadcasting."""
        rank = max(len(self.shape(a)), len(self.shape(b)))
        left, right = (
            self._values[name].reshape(self._samples, *_padded(self.shape(name), rank))
            for name in (a, b)
        )
        real = simulate.activate(left + right, options.activation)
        quantization = resolve(output, real)
        larger = max(self.quantization(a).scale, self.quantization(b).scale)
        floor = max(larger / MAX_ADD_SCALE_RATIO, FINEST_SCALE)
        quantization = at_least(floor, quantization)
        return self._operator("ADD", (a, b), options, real, quantization, version=2)

    def softmax(self, x: str, beta: float = 1.0) -> str:
        """Add a SOFTMAX over the last axis."""
        real = simulate.softmax(self._values[x], beta)
        return self._operator(
            "SOFTMAX", (x,), SoftmaxOptions(beta), real, SOFTMAX_OUTPUT, version=2
        )

    def reshape(self, x: str, shape: tuple[int, ...], written_shape: Sequence[int] | None) -> str:
        """Add a RESHAPE to `shape`.

        Args:
            x: The tensor to reshape.
            shape: The resulting shape.
            written_shape: The shape operand's contents, which may hold one -1; None leaves the
                operand out and writes the shape as an attribute.
        """
        real = self._values[x].reshape(self._samples, *shape)
        if written_shape is None:
            options = ReshapeOptions(shape)
            return self._same("RESHAPE", (x,), options, real)
        operand = f"shape_{len(self._tensors)}"
        self._add_constant(operand, np.array(written_shape, np.int32), None)
        inputs = (x, operand)
        return self._same("RESHAPE", inputs, ReshapeOptions(), real)

    def pad(self, x: str, paddings: Sequence[tuple[int, int]]) -> str:
        """Add a PAD with (before, after) per axis; the quantisation passes through."""
        operand = f"paddings_{len(self._tensors)}"
        self._add_constant(operand, np.array(paddings, np.int32), None)
        real = np.pad(self._values[x], [(0, 0), *paddings])
        version = 4 if len(paddings) > 4 else 2
        inputs = (x, operand)
        return self._operator(
            "PAD", inputs, PadOptions(), real, self.quantization(x), version=version
        )

    def _same(
        self, op: str, inputs: tuple[str, ...], options: Options, real: Reals, version: int = 1
    ) -> str:
        """An operator whose output has the type and quantisation of its first input."""
        first = self._tensors[inputs[0]]
        return self.operator(
            op, inputs, options, real, first.quantization, dtype=first.dtype, version=version
        )

    def _layer(
        self,
        op: str,
        x: str,
        weights: Weights,
        options: Conv2DOptions | DepthwiseConv2DOptions | FullyConnectedOptions,
        *,
        version: int,
        channel_axis: int,
        products: Reals,
        output: Calibration | Quantization,
    ) -> str:
        """Add bias and activation to the products, and the operator with its constants."""
        name = f"{op.lower()}_{len(self._operators)}"
        scales = tuple(float(scale) for scale in np.array(weights.scales, np.float32))
        zeros = (0,) * len(scales)
        per_channel = channel_axis if len(scales) > 1 else 0
        quantization = Quantization(scales, zeros, per_channel)
        self._add_constant(f"{name}/weights", weights.values, quantization)
        inputs: tuple[str | None, ...] = (x, f"{name}/weights")
        accumulator_scales = tuple(self.quantization(x).scale * scale for scale in scales)
        other_axes = tuple(axis for axis in range(weights.values.ndim) if axis != channel_axis)
        largest = 255 * np.abs(weights.values.astype(np.int64)).sum(axis=other_axes)
        if weights.bias is not None:
            largest = largest + np.abs(weights.bias.astype(np.int64))
            bias_quantization = Quantization(accumulator_scales, zeros)
            self._add_constant(f"{name}/bias", weights.bias, bias_quantization)
            products = products + weights.bias * np.array(accumulator_scales)
            inputs += (f"{name}/bias",)
        elif weights.absent_as_input:
            inputs += (None,)
        if not isinstance(options, FullyConnectedOptions):
            products = self._as_samples(products)
        real = simulate.activate(products, options.activation)
        floor = float((largest * np.array(accumulator_scales)).max()) / ACCUMULATOR_LIMIT
        chosen = at_least(max(floor, FINEST_SCALE), resolve(output, real))
        return self._operator(op, inputs, options, real, chosen, version=version)

    def _operator(
        self,
        op: str,
        inputs: tuple[str | None, ...],
        options: Options,
        real: Reals,
        quantization: Quantization,
        *,
        version: int,
    ) -> str:
        return self.operator(op, inputs, options, real, quantization, dtype="int8", version=version)

    def _add_constant(
        self,
        name: str,
        values: NDArray[Any],
        quantization: Quantization | None,
        dtype: str | None = None,
    ) -> None:
        tensor = Tensor(name, values.shape, dtype or values.dtype.name, quantization, values)
        self._tensors[name] = tensor

    def _images(self, x: str) -> Reals:
        return self._values[x].reshape(-1, *self.shape(x)[1:])

    def _as_samples(self, images: Reals) -> Reals:
        return images.reshape(self._samples, -1, *images.shape[1:])


def code_limits(dtype: str) -> tuple[int, int]:
    """The least and the greatest code of a quantised type."""
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _as_stored(real: Reals, quantization: Quantization | None, dtype: str) -> Reals:
    """Samples rounded to what a tensor can hold."""
    if quantization is None:
        return real.astype(np.float32).astype(float) if dtype == "float32" else real
    codes = np.rint(real / quantization.scale) + quantization.zero_point
    return _dequantize(np.clip(codes, *code_limits(dtype)), quantization)


def _dequantize(codes: NDArray[Any], quantization: Quantization) -> Reals:
    real: Reals = (codes.astype(np.float64) - quantization.zero_point) * quantization.scale
    return real


def _per_channel(weights: Weights, axis: int) -> Reals:
    shape = [1] * weights.values.ndim
    shape[axis] = -1
    real: Reals = weights.values * np.array(weights.scales, np.float64).reshape(shape)
    return real


def _padded(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return (1,) * (rank - len(shape)) + shape
