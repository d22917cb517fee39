"""Streams of hundreds of steps: interpreter, TFLite Micro and emulated cores, equal at every step.

`python -m bench.soak --only streaming` runs ten thousand.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import midge
from midge.graph import Graph
from midge.synthetic import SyntheticNetwork
from midge.synthetic.streaming_models import lstm_model, streaming_keyword_model
from support.differential import interpreter_outputs
from support.networks import Array, imported
from support.oracle import tflm_outputs_of_samples
from support.tools import GCC, QEMU

STEPS = 300
MODELS = {"kws": streaming_keyword_model, "rnn": lstm_model}
MACHINES = (
    ("cortex-m4", "zig", "unicorn"),
    ("cortex-m4", GCC, QEMU),
    ("cortex-m0plus", "zig", QEMU),
    ("cortex-m0plus", GCC, "unicorn"),
    ("rv32imc", "zig", "unicorn"),
    ("rv32imc", GCC, QEMU),
)


@cache
def stream(name: str) -> tuple[SyntheticNetwork, Graph, list[Array], list[Array]]:
    """A model, its inputs, and what the interpreter makes of them step by step."""
    made = MODELS[name]()
    graph = imported(made, name)
    samples = [made.sample_inputs(seed)[0] for seed in range(STEPS)]
    expected = [outputs[0] for outputs in interpreter_outputs(graph, [[x] for x in samples])]
    return made, graph, samples, expected


def first_difference(found: list[Array], expected: list[Array]) -> int | None:
    """The first step whose outputs differ."""
    unequal = (k for k, (a, b) in enumerate(zip(found, expected, strict=True)) if (a != b).any())
    return next(unequal, None)


@pytest.mark.parametrize("name", MODELS)
def test_interpreter_equals_tflite_micro_at_every_step(name: str) -> None:
    made, _, samples, expected = stream(name)
    theirs = tflm_outputs_of_samples(made.model_bytes, [[x] for x in samples], stream=True)
    assert first_difference([outputs[0] for outputs in theirs], expected) is None
    # A stream that forgot would not do: each step alone gives something else.
    alone = tflm_outputs_of_samples(made.model_bytes, [[x] for x in samples[-3:]])
    assert not np.array_equal(np.stack([o[0] for o in alone]), np.stack(expected[-3:]))
    # Nor would one that got stuck.
    assert len(np.unique(np.stack(expected), axis=0)) > STEPS // 2


@pytest.mark.parametrize(("core", "cc", "emulator"), MACHINES)
@pytest.mark.parametrize("name", MODELS)
def test_emulated_core_equals_the_interpreter_at_every_step(
    name: str, core: str, cc: str, emulator: str
) -> None:
    _, graph, samples, expected = stream(name)
    artifact = midge.compile(graph, target=core, cc=cc)
    assert artifact.built.static_bytes == 0
    inferences = artifact.open_machine(emulator).run([(x.tobytes(),) for x in samples])
    found = [next(iter(artifact.from_bytes(i.outputs).values())) for i in inferences]
    assert first_difference(found, expected) is None
