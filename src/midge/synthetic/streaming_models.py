"""Made networks that keep state from run to run: a streaming keyword model, and an LSTM.

They have learnt nothing; their shapes are those of trained ones.
"""

from __future__ import annotations

import numpy as np

from midge.synthetic.calibration import Calibration
from midge.synthetic.model_description import (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Pool2DOptions,
    Quantization,
)
from midge.synthetic.network_builder import NetworkBuilder, Weights
from midge.synthetic.recurrent_layers import LstmLayer, SvdfLayer, add_lstm, add_svdf
from midge.synthetic.ring_buffers import RingBuffers
from midge.synthetic.synthetic_network import SyntheticNetwork

FEATURES = 40
"""Mel bands of a frame."""
CLASSES = 12
_CHANNELS = 24
_FILTERS = 32
_SAMPLES = 24
_INPUT = Quantization((0.11,), (-9,))
_RELU_OUTPUT = Calibration(one_sided=True)
_POOLED = 10
"""Runs that the mean in front of the classifier reaches over."""


def streaming_keyword_model(seed: int = 0) -> SyntheticNetwork:
    """A model that takes one frame of features a run and gives the classes of the last second.

    Convolutions over time read their past from resource variables, which a CALL_ONCE sets; an SVDF
    remembers by itself; the classifier reads the mean of the last runs.

    Args:
        seed: Of the weights.
    """
    builder = NetworkBuilder(seed, samples=_SAMPLES)
    buffers = RingBuffers(builder)
    x = builder.input((1, 1, 1, FEATURES), _INPUT)
    # What comes before the first frame is noise here, so that a state of zeros is not this one.
    noise = builder.rng.integers(-60, 60, (1, 2, 1, FEATURES)).astype(np.int8)
    x = buffers.window(x, 2, noise)
    x = builder.conv_2d(
        x,
        _weights(builder, x, (_CHANNELS, 3, 1, FEATURES), 0),
        Conv2DOptions("VALID", activation="RELU"),
        _RELU_OUTPUT,
    )
    for steps in (4, 8):
        y = buffers.window(x, steps)
        y = builder.depthwise_conv_2d(
            y,
            _weights(builder, y, (1, steps + 1, 1, _CHANNELS), 3),
            DepthwiseConv2DOptions("VALID", activation="RELU"),
            _RELU_OUTPUT,
        )
        x = builder.conv_2d(
            y,
            _weights(builder, y, (_CHANNELS, 1, 1, _CHANNELS), 0),
            Conv2DOptions("VALID", activation="RELU"),
            _RELU_OUTPUT,
        )
    x = builder.reshape(x, (1, _CHANNELS), (1, _CHANNELS))
    x = add_svdf(builder, x, SvdfLayer(_FILTERS, rank=2, steps=6, memory="int8"))
    x = builder.reshape(x, (1, 1, 1, _FILTERS), (1, 1, 1, _FILTERS))
    x = buffers.window(x, _POOLED - 1)
    x = builder.pool_2d("AVERAGE_POOL_2D", x, Pool2DOptions((_POOLED, 1)))
    x = builder.reshape(x, (1, _FILTERS), (1, _FILTERS))
    x = builder.fully_connected(x, _centred(builder, x), FullyConnectedOptions())
    x = builder.softmax(x)
    return SyntheticNetwork(f"streaming_keyword_model({seed})", buffers.build((x,)))


def lstm_model(seed: int = 0) -> SyntheticNetwork:
    """A model that takes four steps of 20 features a run through an LSTM of 24 units.

    Args:
        seed: Of the weights.
    """
    builder = NetworkBuilder(seed, samples=_SAMPLES)
    x = builder.input((1, 4, 20), _INPUT)
    x = add_lstm(builder, x, LstmLayer(_CHANNELS, cell_clip=10.0))
    weights = _weights(builder, x, (CLASSES, _CHANNELS), 0)
    x = builder.fully_connected(x, weights, FullyConnectedOptions(keep_num_dims=True))
    x = builder.softmax(x)
    return SyntheticNetwork(f"lstm_model({seed})", builder.build([x]))


def _centred(builder: NetworkBuilder, x: str) -> Weights:
    """A classifier's weights, with a bias that gives every class its turn."""
    weights = _weights(builder, x, (CLASSES, builder.shape(x)[1]), 0)
    products = builder.values(x).reshape(_SAMPLES, -1) @ weights.values.T.astype(np.float64)
    scale = 3 / float(products.std(axis=0).mean())
    bias = -np.rint(products.mean(axis=0) / builder.quantization(x).scale)
    return Weights(weights.values, (scale,), bias.astype(np.int32))


def _weights(builder: NetworkBuilder, x: str, shape: tuple[int, ...], channel_axis: int) -> Weights:
    """Weights whose sums of products with `x` have a standard deviation of about 2."""
    channels = shape[channel_axis]
    values = np.clip(np.rint(builder.rng.normal(0, 40, shape)), -127, 127).astype(np.int8)
    rms = float(np.sqrt(np.mean(builder.values(x) ** 2)))
    scale = 2 / (40 * np.sqrt(values.size // channels) * rms)
    scales = scale * np.exp(builder.rng.normal(0, 0.3, channels))
    bias = builder.rng.normal(0, 0.3, channels) / (scales * builder.quantization(x).scale)
    return Weights(values, tuple(scales), np.rint(bias).astype(np.int32))
