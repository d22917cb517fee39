"""Models by hand on which some runtime refuses, dies or computes something else.

Converters do not write them; damaged or hostile files, and other tools, may. Each is a network of
one operator, changed in the one place that its name says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.second_oracle_answers import Sample
from midge.synthetic import OPERATORS, ModelDescription, SyntheticNetwork
from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Pool2DOptions,
    Quantization,
)
from midge.synthetic.network_builder import NetworkBuilder, Weights

SAMPLE_SEEDS = range(5)
"""One sample of each kind that `SyntheticNetwork.sample_inputs` makes."""

Shape = tuple[int, ...]

_FINE = Quantization((1e-4,), (0,))
_USUAL_SCALES = (0.03, 0.05, 0.09)
"""Of an ADD: its inputs' and its output's."""


@dataclass(frozen=True)
class Corner:
    """A model and what it is run on.

    Attributes:
        network: Named after its operator and what is odd about it.
        samples: Its inputs.
        undefined: TFLite Micro uses memory that it never wrote, or writes where it must not: what
            it gives is chance.
        usual: The model without its oddity, or in a form of the same meaning that TFLite Micro
            takes; with inputs of the same bytes.
    """

    network: SyntheticNetwork
    samples: tuple[Sample, ...]
    undefined: bool
    usual: SyntheticNetwork | None

    @property
    def usual_samples(self) -> list[Sample]:
        """The samples in the shapes of `usual`."""
        if self.usual is None:
            return []
        shapes = [self.usual.model.tensor(name).shape for name in self.usual.model.inputs]
        return [
            [x.reshape(shape) for x, shape in zip(sample, shapes, strict=True)]
            for sample in self.samples
        ]


_UNDEFINED = frozenset(
    {
        "DEPTHWISE_CONV_2D/depth_multiplier_0",
        "AVERAGE_POOL_2D/RELU6_beyond_int32",
        "MAX_POOL_2D/RELU6_beyond_int32",
        "PAD/negative",
    }
)


def corners() -> list[Corner]:
    """All of them, by operator; last those that may harm what is run after them."""
    usual = _usual()
    found = []
    for name, model in _models():
        network = SyntheticNetwork(name, model)
        samples = [network.sample_inputs(seed) for seed in SAMPLE_SEEDS]
        if "equal_maxima" in name:
            samples = [[np.full(model.tensor(model.inputs[0]).shape, 3, np.int8)]]
        elif "one_maximum" in name:
            row = np.full(model.tensor(model.inputs[0]).shape, -128, np.int8)
            row[..., 7] = 127
            samples = [[row]]
        twin = SyntheticNetwork(f"usual form of {name}", usual[name]) if name in usual else None
        found.append(Corner(network, tuple(samples), name in _UNDEFINED, twin))
    order = [*OPERATORS]
    return sorted(found, key=lambda c: (c.undefined, order.index(c.network.name.partition("/")[0])))


def _usual() -> dict[str, ModelDescription]:
    """The usual forms, by the names of the odd ones."""
    dense, add = _fully_connected(), _add((9,), (9,), _USUAL_SCALES)
    ordinary = {**_layers(), "ADD": add, "RESHAPE": _reshape(), "PAD": _pad_image()}
    ordinary |= {op: _pool(op) for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D")}
    oddities = (
        *("weights_zero_point_5", "fused_TANH", "fused_SIGN_BIT", "bias_scale_1"),
        *("operator_version_99", "dilation_0", "depth_multiplier_0", "output_scale_1e-4_off"),
        *("output_scale_5e-7_off", "other_zero_point", "other_scale", "other_quantisation"),
    )
    usual = {f"{op}/{odd}": model for op, model in ordinary.items() for odd in oddities}
    return usual | {
        "DEPTHWISE_CONV_2D/bias_index_-1": _depthwise_conv_2d(bias="none"),
        "FULLY_CONNECTED/one_scale_weights_zero_point_5": dense,
        "FULLY_CONNECTED/one_scale_bias_scale_1": dense,
        "FULLY_CONNECTED/one_scale_bias_not_quantised": dense,
        "FULLY_CONNECTED/one_scale_bias_not_quantised_fine_output": _tensor(
            dense, dense.outputs[0], quantization=_FINE
        ),
        "PAD/rank_6": _pad((2,) * 5, ((1, 0),) * 5),
    }


def _models() -> Iterator[tuple[str, ModelDescription]]:
    yield from _weighted()
    yield from _weighted_numbers()
    yield from _softmax_and_add()
    yield from _pools()
    yield from _moves()


def _weighted() -> Iterator[tuple[str, ModelDescription]]:
    """Attributes and shapes of CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED."""
    layers = _layers()
    yield "DEPTHWISE_CONV_2D/bias_index_-1", _depthwise_conv_2d(bias="-1")
    for op, model in layers.items():
        weights = _operand(model, 1)
        quantization = model.tensor(weights).quantization
        assert quantization is not None
        zero_points = (5,) * len(quantization.scales)
        changed = replace(quantization, zero_points=zero_points)
        yield f"{op}/weights_zero_point_5", _tensor(model, weights, quantization=changed)
        yield f"{op}/fused_TANH", _options(model, activation="TANH")
        yield f"{op}/fused_SIGN_BIT", _options(model, activation="SIGN_BIT")
        far_off = Quantization((1.0,), (0,))
        yield f"{op}/bias_scale_1", _tensor(model, _operand(model, 2), quantization=far_off)
        finest = _tensor(model, model.outputs[0], quantization=Quantization((1e-10,), (0,)))
        yield f"{op}/RELU6_beyond_int32", _options(finest, activation="RELU6")
        yield f"{op}/operator_version_99", _operator(model, version=99)
    dense = layers["FULLY_CONNECTED"]
    fitting = Quantization((0.05 * 0.01,), (0,))
    yield (
        "FULLY_CONNECTED/bias_with_the_first_scale_fine_output",
        _tensor(
            _tensor(dense, _operand(dense, 2), quantization=fitting),
            dense.outputs[0],
            quantization=_FINE,
        ),
    )
    dense = _fully_connected(scales=1)
    weights = _operand(dense, 1)
    yield (
        "FULLY_CONNECTED/one_scale_weights_zero_point_5",
        _tensor(dense, weights, quantization=Quantization((0.01,), (5,))),
    )
    bias = _operand(dense, 2)
    far_off = Quantization((1.0,), (0,))
    yield "FULLY_CONNECTED/one_scale_bias_scale_1", _tensor(dense, bias, quantization=far_off)
    unquantised = _tensor(dense, bias, quantization=None)
    yield "FULLY_CONNECTED/one_scale_bias_not_quantised", unquantised
    yield (
        "FULLY_CONNECTED/one_scale_bias_not_quantised_fine_output",
        _tensor(unquantised, dense.outputs[0], quantization=_FINE),
    )
    conv = layers["CONV_2D"]
    two = Quantization((0.01, 0.02), (0, 0))
    yield "CONV_2D/two_scales_for_four_channels", _tensor(conv, _operand(conv, 1), quantization=two)
    yield "CONV_2D/dilation_0", _options(conv, dilation=(0, 0))
    yield "CONV_2D/output_a_row_short", _tensor(conv, conv.outputs[0], shape=(1, 3, 5, 4))
    depthwise = layers["DEPTHWISE_CONV_2D"]
    yield "DEPTHWISE_CONV_2D/depth_multiplier_0", _options(depthwise, depth_multiplier=0)


def _weighted_numbers() -> Iterator[tuple[str, ModelDescription]]:
    """Sums and factors at the ends of int32."""
    ends = np.array([2**31 - 1, -(2**31)], np.int32)
    coarse = Quantization((0.05 * 0.01 * 2.0**24,), (0,))
    for op, made in (("CONV_2D", _conv_2d), ("FULLY_CONNECTED", _fully_connected)):
        model = made()
        shape = model.tensor(_operand(model, 1)).shape
        model = _tensor(model, _operand(model, 2), values=np.resize(ends, shape[0]))
        model = _tensor(model, model.outputs[0], quantization=coarse)
        yield f"{op}/sums_beyond_int32", model
        # Sums of a few steps: their left shift is what int32 may not hold.
        unit = np.zeros(shape, np.int8)
        unit[..., 0] = 1
        for exponent in (29, 30, 31):
            # Scales that are powers of two: a bias of zeros then has a scale of its own to match.
            factor = Quantization((2.0 ** (-10 - exponent),), (0,))
            model = _tensor(made(), "input_0", quantization=Quantization((2.0**-4,), (0,)))
            weights, bias = _operand(model, 1), _operand(model, 2)
            step = Quantization((2.0**-6,), (0,))
            model = _tensor(model, weights, values=unit, quantization=step)
            zeros = np.zeros(shape[0], np.int32)
            sums = Quantization((2.0**-10,), (0,))
            model = _tensor(model, bias, values=zeros, quantization=sums)
            yield (
                f"{op}/factor_2^{exponent}",
                _tensor(model, model.outputs[0], quantization=factor),
            )


def _softmax_and_add() -> Iterator[tuple[str, ModelDescription]]:
    for length in (511, 512, 2048):
        yield f"SOFTMAX/row_of_{length}_equal_maxima", _softmax((1, length))
    yield "SOFTMAX/row_of_512_one_maximum", _softmax((1, 512), scale=0.2)
    yield "SOFTMAX/scale_2^-26", _softmax((1, 9), scale=2.0**-26)
    yield "SOFTMAX/beta_-1", _softmax((1, 9), beta=-1.0)
    model = _softmax((1, 9))
    other = Quantization((1 / 255,), (-128,))
    yield "SOFTMAX/output_scale_1_255th", _tensor(model, model.outputs[0], quantization=other)
    shape = (9,)
    below = 2.0**10 - 2.0**-10
    yield "ADD/scales_just_under_2^19_apart", _add(shape, shape, (below, 1.0, 2.0**-9))
    yield "ADD/scales_2^19_apart", _add(shape, shape, (2.0**10, 1.0, 2.0**-9))
    for rank in (6, 7):
        wide, narrow = (2,) * (rank - 1) + (3,), (1, 2) * 3 + (3,)
        yield f"ADD/broadcast_rank_{rank}", _add(wide, narrow[-rank:], _USUAL_SCALES)
    yield "ADD/fused_TANH", _options(_add(shape, shape, _USUAL_SCALES), activation="TANH")
    yield "ADD/operator_version_99", _operator(_add(shape, shape, _USUAL_SCALES), version=99)


def _pools() -> Iterator[tuple[str, ModelDescription]]:
    for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        model = _pool(op)
        x, y = model.inputs[0], model.outputs[0]
        for name, scale, zero_point in (
            ("output_scale_5e-7_off", 0.06 + 5e-7, -11),
            ("output_scale_1e-4_off", 0.06 + 1e-4, -11),
            ("other_zero_point", 0.06, -10),
        ):
            other = Quantization((scale,), (zero_point,))
            yield f"{op}/{name}", _tensor(model, y, quantization=other)
        yield f"{op}/fused_TANH", _options(model, activation="TANH")
        fine = Quantization((1e-10,), (0,))
        fine_model = _tensor(_tensor(model, x, quantization=fine), y, quantization=fine)
        yield f"{op}/RELU6_beyond_int32", _options(fine_model, activation="RELU6")
        yield f"{op}/output_a_row_short", _tensor(model, y, shape=(1, 2, 3, 2))


def _moves() -> Iterator[tuple[str, ModelDescription]]:
    """PAD and RESHAPE."""
    model = _pad_image()
    y = model.outputs[0]
    yield "PAD/other_zero_point", _tensor(model, y, quantization=Quantization((0.06,), (5,)))
    yield "PAD/other_scale", _tensor(model, y, quantization=Quantization((0.12,), (-11,)))
    yield "PAD/output_a_column_long", _tensor(model, y, shape=(1, 5, 7, 2))
    cropping = np.array([(0, 0), (-1, 1), (1, 1), (0, 0)], np.int32)
    cropped = _tensor(model, _operand(model, 1), values=cropping)
    yield "PAD/negative", _tensor(cropped, y, shape=(1, 3, 6, 2))
    yield "PAD/rank_6", _pad((1, *(2,) * 5), ((0, 0), *((1, 0),) * 5))
    model = _reshape()
    other = Quantization((0.12,), (5,))
    yield "RESHAPE/other_quantisation", _tensor(model, model.outputs[0], quantization=other)


def _layers() -> dict[str, ModelDescription]:
    return {
        "CONV_2D": _conv_2d(scales=4),
        "DEPTHWISE_CONV_2D": _depthwise_conv_2d(),
        "FULLY_CONNECTED": _fully_connected(scales=5),
    }


def _conv_2d(scales: int = 1) -> ModelDescription:
    builder = NetworkBuilder(seed=1)
    x = builder.input((1, 4, 5, 3), Quantization((0.05,), (-3,)))
    weights = _weights(builder, (4, 3, 3, 3), 4, scales)
    return builder.build([builder.conv_2d(x, weights, Conv2DOptions())])


def _depthwise_conv_2d(bias: str = "random") -> ModelDescription:
    builder = NetworkBuilder(seed=1)
    x = builder.input((1, 4, 5, 3), Quantization((0.05,), (-3,)))
    weights = _weights(builder, (1, 3, 3, 3), 3, 3)
    if bias != "random":
        weights = replace(weights, bias=None, absent_as_input=bias == "-1")
    return builder.build([builder.depthwise_conv_2d(x, weights, DepthwiseConv2DOptions())])


def _fully_connected(scales: int = 1) -> ModelDescription:
    builder = NetworkBuilder(seed=1)
    x = builder.input((3, 10), Quantization((0.05,), (-3,)))
    weights = _weights(builder, (5, 10), 5, scales)
    return builder.build([builder.fully_connected(x, weights, FullyConnectedOptions())])


def _weights(builder: NetworkBuilder, shape: Shape, channels: int, scales: int) -> Weights:
    values = builder.rng.integers(-60, 61, shape).astype(np.int8)
    bias = builder.rng.integers(-3000, 3001, channels).astype(np.int32)
    return Weights(values, tuple(0.01 * (1 + i) for i in range(scales)), bias)


def _softmax(shape: Shape, scale: float = 0.08, beta: float = 1.0) -> ModelDescription:
    builder = NetworkBuilder(seed=1)
    return builder.build(
        [builder.softmax(builder.input(shape, Quantization((scale,), (4,))), beta)]
    )


def _add(a: Shape, b: Shape, scales: tuple[float, float, float]) -> ModelDescription:
    builder = NetworkBuilder(seed=1)
    first = builder.input(a, Quantization((scales[0],), (1,)))
    second = builder.input(b, Quantization((scales[1],), (2,)))
    output = Quantization((scales[2],), (0,))
    # Set afterwards: the builder keeps outputs away from the limit that is the subject here.
    model = builder.build([builder.add(first, second, AddOptions())])
    return _tensor(model, model.outputs[0], quantization=output)


def _pool(op: str) -> ModelDescription:
    builder = NetworkBuilder(seed=1)
    x = builder.input((1, 4, 4, 2), Quantization((0.06,), (-11,)))
    return builder.build([builder.pool_2d(op, x, Pool2DOptions((2, 2)))])


def _reshape() -> ModelDescription:
    builder = NetworkBuilder(seed=1)
    x = builder.input((2, 6), Quantization((0.06,), (-11,)))
    return builder.build([builder.reshape(x, (3, 4), (3, 4))])


def _pad_image() -> ModelDescription:
    return _pad((1, 3, 4, 2), ((0, 0), (1, 1), (1, 1), (0, 0)))


def _pad(shape: Shape, paddings: tuple[tuple[int, int], ...]) -> ModelDescription:
    builder = NetworkBuilder(seed=1)
    x = builder.input(shape, Quantization((0.06,), (-11,)))
    return builder.build([builder.pad(x, paddings)])


def _operand(model: ModelDescription, index: int) -> str:
    name = model.operators[0].inputs[index]
    assert name is not None
    return name


def _tensor(model: ModelDescription, name: str, **changes: Any) -> ModelDescription:
    tensors = (replace(t, **changes) if t.name == name else t for t in model.tensors)
    return replace(model, tensors=tuple(tensors))


def _options(model: ModelDescription, **changes: Any) -> ModelDescription:
    return _operator(model, options=replace(model.operators[0].options, **changes))


def _operator(model: ModelDescription, **changes: Any) -> ModelDescription:
    return replace(model, operators=(replace(model.operators[0], **changes),))
