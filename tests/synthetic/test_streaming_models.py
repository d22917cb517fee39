from __future__ import annotations

import numpy as np
import pytest

from midge.synthetic import SyntheticNetwork
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.ring_buffers import RingBuffers
from midge.synthetic.streaming_models import lstm_model, streaming_keyword_model
from support.differential import interpreter_outputs
from support.networks import INPUT, imported
from support.oracle import tflm_outputs_of_samples

MODELS = (streaming_keyword_model, lstm_model)


@pytest.mark.tiny
@pytest.mark.parametrize("make", MODELS)
def test_the_same_seed_gives_the_same_bytes(make) -> None:  # type: ignore[no-untyped-def]
    assert make(4).model_bytes == make(4).model_bytes
    assert make(4).model_bytes != make(5).model_bytes
    assert make(4).name == f"{make.__name__}(4)"


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_classes_take_turns(make, seed: int) -> None:  # type: ignore[no-untyped-def]
    made = make(seed)
    samples = [made.sample_inputs(5 * step) for step in range(60)]
    outputs = np.stack([o[0] for o in interpreter_outputs(imported(made), samples)])
    winners = outputs.reshape(-1, 12).argmax(axis=1)
    assert len(np.unique(winners)) >= 4
    assert np.bincount(winners).max() < 0.8 * winners.size


@pytest.mark.tiny
def test_the_keyword_model_has_the_parts_of_a_streaming_keras_model() -> None:
    model = streaming_keyword_model().model
    ops = [op.op for op in model.operators]
    assert ops[0] == "CALL_ONCE"
    for op in ("VAR_HANDLE", "READ_VARIABLE", "CONCATENATION", "STRIDED_SLICE", "ASSIGN_VARIABLE"):
        assert ops.count(op) == 4, op
    assert "SVDF" in ops
    (function,) = model.functions
    assert [op.op for op in function.operators] == ["VAR_HANDLE", "ASSIGN_VARIABLE"] * 4
    assert not function.inputs
    assert not function.outputs


def test_a_window_holds_the_steps_before_in_order() -> None:
    builder = NetworkBuilder(seed=0)
    buffers = RingBuffers(builder)
    x = builder.input((1, 2, 3), INPUT)
    first = np.arange(-9, 6, dtype=np.int8).reshape(1, 5, 3)
    made = SyntheticNetwork("window", buffers.build((buffers.window(x, 5, first),)))
    rng = np.random.default_rng(1)
    samples = [rng.integers(-128, 128, (1, 2, 3)).astype(np.int8) for _ in range(6)]
    past = first
    found = interpreter_outputs(imported(made), [[s] for s in samples])
    theirs = tflm_outputs_of_samples(made.model_bytes, [[s] for s in samples], stream=True)
    for sample, (ours,), (oracle,) in zip(samples, found, theirs, strict=True):
        expected = np.concatenate([past, sample], axis=1)
        assert np.array_equal(ours, expected)
        assert np.array_equal(oracle, expected)
        past = expected[:, -5:]
