from __future__ import annotations

from math import prod

import numpy as np

from midge.synthetic import keyword_model
from support.oracle import tflm_outputs_of_samples

NETWORK = keyword_model()


def test_it_has_the_benchmarks_work() -> None:
    model = NETWORK.model
    macs = 0
    for operator in model.operators:
        if operator.op in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            assert operator.inputs[1] is not None
            weights = model.tensor(operator.inputs[1]).shape
            output = model.tensor(operator.outputs[0]).shape
            taps = prod(weights[:3]) if operator.op == "DEPTHWISE_CONV_2D" else prod(weights[1:])
            macs += prod(output) * taps
    assert macs == 2_656_768
    assert model.tensor(model.inputs[0]).shape == (1, 49, 10, 1)
    assert model.tensor(model.outputs[0]).shape == (1, 12)


def test_different_inputs_give_different_classes() -> None:
    samples = [NETWORK.sample_inputs(5 * i) for i in range(12)]
    outputs = tflm_outputs_of_samples(NETWORK.model_bytes, samples)
    classes = {int(np.argmax(output)) for (output,) in outputs}
    assert len(classes) >= 4


def test_the_seed_decides() -> None:
    assert keyword_model().model_bytes == NETWORK.model_bytes
    assert keyword_model(1).model_bytes != NETWORK.model_bytes
