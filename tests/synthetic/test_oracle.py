"""The oracle itself: its answers against the golden files, and its three kinds of answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from midge.synthetic import ModelDescription, write_tflite
from midge.synthetic.model_description import (
    AddOptions,
    DepthwiseConv2DOptions,
    Operator,
    Quantization,
    SoftmaxOptions,
    Tensor,
)
from midge.synthetic.network_builder import NetworkBuilder, Weights
from support.oracle import (
    ModelKilledInterpreterError,
    ModelRefusedError,
    tflm_outputs,
    tflm_outputs_of_samples,
    tflm_tensors,
)
from support.shared_data import (
    MLPERF_TINY,
    MLPERF_TINY_MODELS,
    mlperf_tiny_golden,
    mlperf_tiny_model,
    needs_mlperf_tiny,
)

# tflite-runtime ran these ADDs in place when the golden layers were recorded, so that the entries
# of their first operands (convolution outputs) hold the sums.
OVERWRITTEN_GOLDEN_LAYERS = {"ic01_resnet8_int8": {24, 28, 32}}


@needs_mlperf_tiny
@pytest.mark.parametrize("name", MLPERF_TINY_MODELS)
def test_golden_outputs(name: str) -> None:
    golden, model = mlperf_tiny_golden(name), mlperf_tiny_model(name)
    for kind in ("", "random_"):
        samples = [[sample[np.newaxis]] for sample in golden[f"{kind}inputs"][:3]]
        outputs = tflm_outputs_of_samples(model, samples)
        got = np.concatenate([sample[0] for sample in outputs])
        np.testing.assert_array_equal(got, golden[f"{kind}outputs"][:3])


@needs_mlperf_tiny
@pytest.mark.parametrize("name", MLPERF_TINY_MODELS)
def test_golden_layers(name: str) -> None:
    model = mlperf_tiny_model(name)
    tensors = tflm_tensors(model, [mlperf_tiny_golden(name)["inputs"][:1]])
    assert len(tensors) > 9
    with np.load(MLPERF_TINY / "golden" / f"{name}.layers_sample0.npz") as golden:
        differ = {i for i, t in tensors.items() if not np.array_equal(t, golden[f"{i:03d}"])}
    assert differ == OVERWRITTEN_GOLDEN_LAYERS.get(name, set())


def _sum_network() -> ModelDescription:
    builder = NetworkBuilder(seed=1)
    small = builder.input((2, 3), Quantization((0.5,), (0,)))
    large = builder.input((3,), Quantization((1.0,), (-10,)))
    total = builder.add(small, large, AddOptions(), Quantization((1.0,), (3,)))
    padded = builder.pad(small, ((0, 0), (1, 0)))
    return builder.build([padded, total])


A = np.array([[-128, 0, 20], [4, 6, 100]], np.int8)
B = np.array([-10, 30, 117], np.int8)
SUM = [[-61, 43, 127], [5, 46, 127]]  # A / 2 + (B + 10) + 3, clamped to 127


def test_several_inputs_and_outputs_keep_the_models_order() -> None:
    padded, total = tflm_outputs(write_tflite(_sum_network()), [A, B])
    np.testing.assert_array_equal(padded, np.pad(A, ((0, 0), (1, 0))))
    np.testing.assert_array_equal(total, SUM)
    assert (padded.dtype, total.dtype) == (np.int8, np.int8)


def test_samples_do_not_influence_each_other() -> None:
    model = write_tflite(_sum_network())
    together = tflm_outputs_of_samples(model, [[A, B], [A + 1, B - 1], [A, B]])
    np.testing.assert_array_equal(together[0][1], together[2][1])
    np.testing.assert_array_equal(together[1][1], tflm_outputs(model, [A + 1, B - 1])[1])
    assert not np.array_equal(together[0][1], together[1][1])


def test_every_computed_tensor_can_be_read() -> None:
    description = _sum_network()
    tensors = tflm_tensors(write_tflite(description), [A, B])
    names = [tensor.name for tensor in description.tensors]
    assert set(tensors) == {names.index("add_0"), names.index("pad_1")}
    np.testing.assert_array_equal(tensors[names.index("add_0")], SUM)


def _softmax(depth: int, output: Quantization) -> bytes:
    tensors = (
        Tensor("x", (1, depth), "int8", Quantization((0.1,), (0,))),
        Tensor("y", (1, depth), "int8", output),
    )
    operator = Operator("SOFTMAX", ("x",), ("y",), SoftmaxOptions(), 2)
    return write_tflite(ModelDescription(tensors, (operator,), ("x",), ("y",)))


def test_a_refusal_carries_tflite_micros_reason() -> None:
    model = _softmax(4, Quantization((1 / 128,), (-128,)))
    with pytest.raises(ModelRefusedError, match=r"output->params.scale == 1.f / 256 was not true"):
        tflm_outputs(model, [np.zeros((1, 4), np.int8)])


def test_a_wrong_input_shape_is_refused() -> None:
    model = _softmax(4, Quantization((1 / 256,), (-128,)))
    with pytest.raises(ModelRefusedError, match="Dimension mismatch"):
        tflm_outputs(model, [np.zeros((1, 5), np.int8)])


def _depthwise_with_absent_bias() -> bytes:
    builder = NetworkBuilder(seed=1)
    x = builder.input((1, 3, 3, 2), Quantization((0.1,), (0,)))
    weights = Weights(np.ones((1, 3, 3, 2), np.int8), (0.1,), None, absent_as_input=True)
    y = builder.depthwise_conv_2d(x, weights, DepthwiseConv2DOptions())
    return write_tflite(builder.build([y]))


def _add_with_a_scale_ratio_of_2_to_the_19() -> bytes:
    description = _sum_network()
    tensors = tuple(
        replace(t, quantization=Quantization((2.0**-19,), (0,))) if t.name == "add_0" else t
        for t in description.tensors
    )
    return write_tflite(replace(description, tensors=tensors))


@pytest.mark.parametrize(
    ("model", "inputs", "how"),
    [
        (_depthwise_with_absent_bias(), [np.zeros((1, 3, 3, 2), np.int8)], "SIGSEGV"),
        (_add_with_a_scale_ratio_of_2_to_the_19(), [A, B], "SIGABRT"),
        (
            _softmax(512, Quantization((1 / 256,), (-128,))),
            [np.zeros((1, 512), np.int8)],
            "SIGABRT",
        ),
    ],
)
def test_the_oracle_survives_models_that_kill_tflite_micro(
    model: bytes, inputs: list[np.ndarray], how: str
) -> None:
    with pytest.raises(ModelKilledInterpreterError, match=how):
        tflm_outputs(model, inputs)
    np.testing.assert_array_equal(tflm_outputs(write_tflite(_sum_network()), [A, B])[1], SUM)
