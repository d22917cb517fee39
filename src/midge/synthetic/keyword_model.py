"""A keyword-spotting network with random weights, for a demo without data.

The topology is that of the MLPerf Tiny keyword model (Banbury et al., "MLPerf Tiny Benchmark",
2021; a DS-CNN after Zhang et al., "Hello Edge", 2017): 49 x 10 MFCC features in, 12 classes out,
2,656,768 multiply-accumulates. It has learnt nothing; its costs are those of a trained one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.synthetic.calibration import Calibration
from midge.synthetic.model_description import (
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    Pair,
    Pool2DOptions,
    Quantization,
)
from midge.synthetic.network_builder import NetworkBuilder, Weights
from midge.synthetic.synthetic_network import SyntheticNetwork

CLASSES = 12
_CHANNELS = 64
_BLOCKS = 4
_SAMPLES = 12
# MFCC features of real recordings span about this much; the trained model's input is quantised so.
_INPUT = Quantization((0.58,), (83,))
_RELU_OUTPUT = Calibration(one_sided=True)
_WEIGHT_SIGMA = 40.0
# Standard deviation of the logits over the samples: far enough apart for a class to stand out.
_LOGIT_SIGMA = 3.0


def keyword_model(seed: int = 0) -> SyntheticNetwork:
    """Make the network; the same seed gives the same bytes.

    The last layer is centred on a few random inputs and scaled so that different inputs give
    different classes, which random weights alone would not.

    Args:
        seed: Of the weights.
    """
    builder = NetworkBuilder(seed, samples=_SAMPLES)
    x = builder.input((1, 49, 10, 1), _INPUT)
    options = Conv2DOptions("SAME", (2, 2), activation="RELU")
    weights = _relu_weights(builder, x, (_CHANNELS, 10, 4, 1), 0)
    x = builder.conv_2d(x, weights, options, _RELU_OUTPUT)
    for _ in range(_BLOCKS):
        depthwise = DepthwiseConv2DOptions("SAME", activation="RELU")
        weights = _relu_weights(builder, x, (1, 3, 3, _CHANNELS), 3)
        x = builder.depthwise_conv_2d(x, weights, depthwise, _RELU_OUTPUT)
        pointwise = Conv2DOptions("SAME", activation="RELU")
        weights = _relu_weights(builder, x, (_CHANNELS, 1, 1, _CHANNELS), 0)
        x = builder.conv_2d(x, weights, pointwise, _RELU_OUTPUT)
    _, height, width, _ = builder.shape(x)
    image: Pair = (height, width)
    x = builder.pool_2d("AVERAGE_POOL_2D", x, Pool2DOptions(image, "VALID", image))
    x = builder.reshape(x, (1, _CHANNELS), (-1, _CHANNELS))
    x = builder.fully_connected(x, _classifier_weights(builder, x), FullyConnectedOptions())
    x = builder.softmax(x)
    return SyntheticNetwork(f"keyword_model({seed})", builder.build([x]))


def _relu_weights(
    builder: NetworkBuilder, x: str, shape: tuple[int, ...], channel_axis: int
) -> Weights:
    """Draw weights whose sums of products with `x` have a standard deviation of about 1."""
    channels = shape[channel_axis]
    values = _bell(builder, shape)
    terms = values.size // channels
    rms = float(np.sqrt(np.mean(builder.values(x) ** 2)))
    scale = 1 / (_WEIGHT_SIGMA * np.sqrt(terms) * rms)
    scales = scale * np.exp(builder.rng.normal(0, 0.3, channels))
    accumulator_scales = scales * builder.quantization(x).scale
    bias = np.rint(builder.rng.normal(0, 0.2, channels) / accumulator_scales)
    return Weights(values, tuple(scales), bias.astype(np.int32))


def _classifier_weights(builder: NetworkBuilder, x: str) -> Weights:
    values = _bell(builder, (CLASSES, _CHANNELS))
    features = builder.values(x).reshape(_SAMPLES, _CHANNELS)
    products = features @ values.T.astype(np.float64)
    scale = _LOGIT_SIGMA / float(products.std(axis=0).mean())
    bias = -np.rint(products.mean(axis=0) / builder.quantization(x).scale)
    return Weights(values, (scale,), bias.astype(np.int32))


def _bell(builder: NetworkBuilder, shape: tuple[int, ...]) -> NDArray[np.int8]:
    drawn = builder.rng.normal(0, _WEIGHT_SIGMA, shape)
    return np.clip(np.rint(drawn), -127, 127).astype(np.int8)
