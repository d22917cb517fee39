"""Every byte that the plan calls dead is poisoned, after every layer, on the device itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

import midge
from midge.c_emitter import KERNELS, Kernel, Layer
from midge.driver import Artifact
from midge.driver.samples import random_sample
from midge.graph import DType, interpret, outputs_of
from midge.synthetic import random_network
from midge.synthetic.model_description import AddOptions, FullyConnectedOptions, Pool2DOptions
from midge.synthetic.network_builder import NetworkBuilder
from midge.virtual_mcu import MemoryView, UnicornMachine
from support.kernels import compile_with
from support.networks import (
    INPUT,
    Array,
    bell_weights,
    conv,
    depthwise,
    imported,
    mobile_chain,
    network,
    residual_branches,
    two_by_two,
)

CORES = ("cortex-m4", "cortex-m0plus", "cortex-m33", "rv32imc")


@dataclass
class Poisoned:
    """What happened in a run with poison.

    Attributes:
        bytes: How many were poisoned, over all layers.
        problems: What differed, in words.
    """

    bytes: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return not self.problems


def live_bytes(artifact: Artifact, position: int) -> Array:
    """Which bytes hold what is needed after the op at this position; from the ops alone."""
    graph, plan = artifact.graph, artifact.plan
    written = dict.fromkeys(graph.inputs, -1)
    last_read = dict.fromkeys(graph.inputs, -1)
    for index, op in enumerate(graph.ops):
        written |= dict.fromkeys(op.outputs, index)
        last_read |= {n: index for n in op.inputs if n}
    last_read |= dict.fromkeys(graph.outputs, len(graph.ops))
    if artifact.settings.keep_input:
        last_read |= dict.fromkeys(graph.inputs, len(graph.ops))
    live = np.zeros(plan.arena_bytes, bool)
    for name, at in written.items():
        if at <= position < last_read.get(name, at):
            offset = plan.offsets[name]
            live[offset : offset + graph.tensors[name].size_bytes] = True
    return live


def run_poisoned(artifact: Artifact, seed: int) -> Poisoned:
    """Run one sample; after each layer overwrite what is dead and check what was computed."""
    machine = artifact.open_machine()
    assert isinstance(machine, UnicornMachine)
    sample = random_sample(artifact.graph, seed)
    expected = interpret(artifact.graph, sample)
    generator = np.random.default_rng(seed)
    positions = [i for i, symbol in enumerate(artifact.emitted.layer_symbols) if symbol]
    found = Poisoned()

    def poison(memory: MemoryView, live: Array) -> None:
        content = np.frombuffer(memory.read_arena(0, live.size), np.uint8).copy()
        content[~live] = generator.integers(0, 256, np.count_nonzero(~live))
        memory.write_arena(0, content.tobytes())
        found.bytes += int(np.count_nonzero(~live))

    def after_layer(index: int, memory: MemoryView) -> None:
        position = positions[index]
        for name in artifact.graph.ops[position].outputs:
            tensor = artifact.graph.tensors[name]
            device = memory.read_arena(artifact.plan.offsets[name], tensor.size_bytes)
            if device != expected[name].tobytes():
                found.problems.append(f"layer {artifact.graph.ops[position].name}: {name}")
        poison(memory, live_bytes(artifact, position))

    # Nothing may rely on what the arena holds before the first run either.
    poison(machine, np.zeros(artifact.plan.arena_bytes, bool))
    inference = machine.run_layers(artifact.to_bytes(sample), after_layer)
    outputs = artifact.from_bytes(inference.outputs)
    for name, value in outputs_of(artifact.graph, expected).items():
        if not np.array_equal(outputs[name], value):
            found.problems.append(f"output {name}")
    return found


@pytest.mark.parametrize("made", [mobile_chain, residual_branches, two_by_two])
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
def test_real_topologies_survive_poison(made, core: str) -> None:  # type: ignore[no-untyped-def]
    for keep_input in (False, True):
        artifact = midge.compile(imported(made()), target=core, keep_input=keep_input)
        assert artifact.plan.shared, "without sharing there is nothing to prove"
        found = run_poisoned(artifact, seed=7)
        assert found.equal, found.problems
        assert found.bytes > artifact.plan.arena_bytes


def test_random_networks_survive_poison() -> None:
    shared = reordered = 0
    for seed in range(12):
        made = random_network(seed, max_ops=10, max_elements=300)
        artifact = midge.compile(
            imported(made), target=CORES[seed % len(CORES)], optimisation="-O1"
        )
        found = run_poisoned(artifact, seed)
        assert found.equal, f"{found.problems}\n{made.description}"
        shared += len(artifact.plan.shared)
        reordered += artifact.plan.reordered
    assert shared >= 6
    assert reordered >= 1


def _diagonal(kind: str) -> midge.Graph:
    """A network of one layer that makes more of less, so that its arena needs the diagonal."""

    def add(builder: NetworkBuilder) -> str:
        if kind == "fully_connected":
            x = builder.input((12, 8), INPUT)
            weights = bell_weights(builder, (12, 8))
            return builder.fully_connected(x, weights, FullyConnectedOptions())
        x = builder.input((1, 9, 8, 4), INPUT)
        if kind == "conv_2d":
            return conv(builder, x, 8)
        if kind == "depthwise_conv_2d":
            return depthwise(builder, x)
        options = Pool2DOptions((3, 3), "SAME")
        return builder.pool_2d(kind.upper(), x, options)

    return imported(network(kind, add))


def is_plain_int8(kernel: Kernel) -> bool:
    """Computes ordinary int8 layers: not those of int4 weights, or of weights with a zero point."""
    return DType.INT8 in kernel.types and kernel.variant in ("portable", "dsp")


DIAGONAL = ("fully_connected", "conv_2d", "depthwise_conv_2d", "average_pool_2d", "max_pool_2d")


@pytest.mark.parametrize(
    "kernel",
    [k for kind in DIAGONAL for k in KERNELS[kind] if is_plain_int8(k)],
    ids=lambda k: f"{k.kinds[0]}-{k.variant}",
)
def test_poison_sees_an_overlap_that_goes_a_step_too_far(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = _diagonal(kernel.kinds[0])
    core = "cortex-m4" if kernel.variant == "dsp" else "cortex-m3"

    def compiled() -> Artifact:
        artifact = compile_with(kernel.variant, graph, core)
        assert artifact.choice == (kernel,)
        assert len(artifact.plan.shared) == 1
        return artifact

    sound = compiled()
    assert run_poisoned(sound, 3).equal
    promise = kernel.overlap

    def too_short(layer: Layer, index: int) -> int | None:
        # Two pixels, since kernels that make one channel after another keep one pixel in hand.
        distance = promise(layer, index)
        return None if distance is None else distance - 2 * layer.output.shape[-1]

    monkeypatch.setattr(type(kernel), "overlap", lambda _, *arguments: too_short(*arguments))
    broken = compiled()
    (x,), (y,) = graph.inputs, graph.outputs
    sound_gap, broken_gap = (a.plan.offsets[x] - a.plan.offsets[y] for a in (sound, broken))
    assert 0 < broken_gap < sound_gap
    assert not run_poisoned(broken, 3).equal


def test_poison_sees_a_tensor_that_is_called_dead_too_early() -> None:
    # The same test of the test, for lifetimes: an input is dropped a layer before its last reader.
    def add(builder: NetworkBuilder) -> str:
        x = builder.input((1, 4, 4, 4), INPUT)
        return builder.add(conv(builder, x, 4), x, AddOptions())

    artifact = midge.compile(imported(network("skip", add)), target="cortex-m3")
    (name,) = artifact.graph.inputs
    assert run_poisoned(artifact, 1).equal
    sample = random_sample(artifact.graph, 1)
    machine = artifact.open_machine()
    assert isinstance(machine, UnicornMachine)

    def spoil(index: int, memory: MemoryView) -> None:
        if index == 0:
            memory.write_arena(artifact.plan.offsets[name] + 5, b"\x55")

    outputs = artifact.from_bytes(machine.run_layers(artifact.to_bytes(sample), spoil).outputs)
    expected = outputs_of(artifact.graph, interpret(artifact.graph, sample))
    assert any(not np.array_equal(outputs[n], expected[n]) for n in expected)
