"""Modules of PyTorch -> int8 -> an emulated Cortex-M4: the six networks, seen from outside."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import midge
from midge.driver.quantize import Package
from midge.graph import initial_state, interpret, outputs_of, state_after

CNNS = ("ds_cnn", "mobilenet_v2", "resnet8", "cnn_1d")
ALL = (*CNNS, "gru_spotter", "tiny_transformer")


def samples(name: str, count: int, seed: int) -> np.ndarray:
    from support.torch_networks import NETWORKS

    generator = np.random.default_rng(seed)
    shape = (count, *NETWORKS[name].sample)
    return (2 * generator.standard_normal(shape) + 0.3).astype(np.float32)


@cache
def package(name: str) -> Package:
    from support.torch_networks import seeded

    module, _ = seeded(name)
    return midge.quantize(module, samples(name, 48, 0), explained=False)


@pytest.mark.parametrize("name", ALL)
def test_the_device_equals_the_interpreter_bit_for_bit(name: str) -> None:
    made = package(name)
    unseen = samples(name, 6, 1)
    expected = made.run(unseen)
    for target in ("cortex-m4", "cortex-m0plus", "rv32imc"):
        assert np.array_equal(made.run_on_device(unseen, target), expected), target


@pytest.mark.parametrize("name", ALL)
def test_integers_stay_near_the_module(name: str) -> None:
    import torch

    from support.torch_networks import seeded

    module, _ = seeded(name)
    unseen = samples(name, 32, 2)
    with torch.no_grad():
        right = module(torch.from_numpy(unseen)).numpy().astype(np.float64)
    error = np.asarray(package(name).run(unseen)) - right
    snr_db = 10 * np.log10(np.sum(right**2) / np.sum(error**2))
    assert snr_db > 25, f"{snr_db:.1f} dB"


@pytest.mark.parametrize("name", ALL)
def test_no_layer_computes_in_float(name: str) -> None:
    graph = package(name).graph
    floats = [t.name for t in graph.tensors.values() if t.dtype is midge.graph.DType.FLOAT32]
    assert floats == []


@pytest.mark.parametrize("name", CNNS)
def test_no_transpose_in_the_c_of_a_cnn(name: str) -> None:
    artifact = package(name).compile("cortex-m4")
    kinds = [op.kind for op in artifact.graph.ops]
    assert "transpose" not in kinds
    moved = [k.function for k in artifact.choice if k is not None and "copy" in k.function]
    assert moved == [], "nothing is copied from one place to another"


def test_recurrent_network_is_one_rolled_layer() -> None:
    kinds = [op.kind for op in package("gru_spotter").graph.ops]
    assert kinds.count("gru") == 1
    assert len(kinds) < 12


def test_streaming_keeps_state_across_calls_with_constant_work() -> None:
    """One step a call: the last answer of a sequence is that of the whole sequence at once."""
    import torch

    from support.torch_networks import seeded

    module, _ = seeded("gru_spotter")
    sequence = samples("gru_spotter", 1, 3)
    steps = sequence[0][:, None, :]
    stepwise = midge.quantize(
        module,
        steps,
        example_inputs=(torch.from_numpy(steps[:1]),),
        streaming=True,
        explained=False,
    )
    graph = stepwise.graph
    assert graph.variables
    artifact = stepwise.compile("cortex-m4")
    machine = artifact.open_machine()
    state = initial_state(graph)
    (name,) = graph.inputs
    counts = []
    tensor = graph.tensors[name]
    stored = np.clip(np.rint(steps / tensor.scale) + tensor.zero_point, -128, 127).astype(np.int8)
    inferences = machine.run([artifact.to_bytes({name: s[None]}) for s in stored])
    for step, inference in zip(stored, inferences, strict=True):
        values = interpret(graph, {name: step[None]}, state)
        state = state_after(graph, values)
        (expected,) = outputs_of(graph, values).values()
        assert inference.outputs[0] == expected.tobytes()
        counts.append(inference.instructions)
    assert max(counts) - min(counts) < 0.02 * max(counts), "saturation is a branch or two"
    with torch.no_grad():
        right = module(torch.from_numpy(sequence)).numpy()[0]
    last = graph.tensors[graph.outputs[0]]
    real = (np.frombuffer(inferences[-1].outputs[0], np.int8) - last.zero_point) * last.scale
    assert np.abs(real - right).max() < 0.1 * np.abs(right).max()


def test_images_come_out_in_the_modules_own_order_of_dimensions() -> None:
    import torch
    from torch import nn

    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 1, 3, padding=1), nn.ReLU(), nn.Conv2d(1, 3, 1)).eval()
    images = np.random.default_rng(0).standard_normal((20, 2, 5, 7)).astype(np.float32)
    made = midge.quantize(module, images, explained=False)
    with torch.no_grad():
        right = module(torch.from_numpy(images)).numpy()
    given = made.run(images)
    assert given.shape == right.shape == (20, 3, 5, 7)
    assert np.abs(given - right).max() < 0.05 * np.abs(right).max()
    assert np.array_equal(made.run_on_device(images, "cortex-m4"), given)
