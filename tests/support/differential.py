"""One network, three answers: NumPy interpreter, TFLite Micro, emulated C on any core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import midge
from midge.c_emitter import choose_kernels
from midge.driver.compare_layers import unequal_elements
from midge.graph import Graph, initial_state, interpret, outputs_of, state_after
from midge.passes import run_passes
from midge.synthetic import SyntheticNetwork
from midge.virtual_mcu import CORES
from support.float_bounds import ulp_bound, ulp_distance
from support.layer_bench import Bench, build_layers
from support.networks import imported, join
from support.oracle import tflm_outputs_of_samples

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Machine:
    """Where to run.

    Attributes:
        core: A target.
        cc: Compiler.
        emulator: Emulator.
    """

    core: str
    cc: str = "zig"
    emulator: str = "unicorn"

    def __str__(self) -> str:
        return f"{self.core}/{self.cc}/{self.emulator}"


def graph_of(network: SyntheticNetwork) -> Graph:
    """The network, imported."""
    return imported(network)


def interpreter_outputs(graph: Graph, samples: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """What the NumPy interpreter says of samples that are one stream."""
    state = initial_state(graph)
    results = []
    for sample in samples:
        values = interpret(graph, dict(zip(graph.inputs, sample, strict=True)), state)
        state = state_after(graph, values)
        results.append(list(outputs_of(graph, values).values()))
    return results


def check_against_oracle(network: SyntheticNetwork, graph: Graph, seeds: Sequence[int]) -> None:
    """Interpreter and TFLite Micro agree: on every byte of integers, within bounds on floats.

    Networks of which TFLite Micro lacks an operator, and those of several float operators, whose
    errors add up to anything, are left to the comparison with the device.
    """
    chained = network.has_floats and len(network.model.operators) > 1
    if chained or not network.is_taken_by_tflm:
        return
    samples = [network.sample_inputs(seed) for seed in seeds]
    stream = bool(graph.variables)
    theirs = tflm_outputs_of_samples(network.model_bytes, samples, stream=stream)
    ours = interpreter_outputs(graph, samples)
    for seed, a, b in zip(seeds, ours, theirs, strict=True):
        _expect_equal(network, f"interpreter, sample {seed}", a, b, float_bound=ulp_bound(network))


def check_on_device(
    network: SyntheticNetwork, graph: Graph, machine: Machine, seeds: Sequence[int]
) -> None:
    """The emulated C and the interpreter agree on every byte."""
    artifact = midge.compile(graph, target=machine.core, cc=machine.cc)
    samples = [network.sample_inputs(seed) for seed in seeds]
    raw = [tuple(np.ascontiguousarray(x).tobytes() for x in sample) for sample in samples]
    device = artifact.open_machine(machine.emulator)
    expected = interpreter_outputs(graph, samples)
    for seed, ours, inference in zip(seeds, expected, device.run(raw), strict=True):
        outputs = list(artifact.from_bytes(inference.outputs).values())
        _expect_equal(network, f"{machine}, sample {seed}", outputs, ours)


def check_joined_on_device(
    networks: Sequence[SyntheticNetwork], machine: Machine, seeds: Sequence[int]
) -> None:
    """As `check_on_device`, for networks side by side in one program; a batch is one stream."""
    joined = join(networks)
    lowered = run_passes(joined.graph)
    choice = choose_kernels(lowered, CORES[machine.core].features)
    # Planning memory for so many networks at once would take longer than all the rest.
    artifact = build_layers(lowered, choice, Bench(machine.core, machine.cc))
    samples = [joined.sample(seed) for seed in seeds]
    device = artifact.open_machine(machine.emulator)
    expected = interpreter_outputs(joined.graph, [list(s.values()) for s in samples])
    runs = device.run([artifact.to_bytes(sample) for sample in samples])
    for seed, ours, inference in zip(seeds, expected, runs, strict=True):
        found = artifact.from_bytes(inference.outputs)
        for (name, value), right in zip(found.items(), ours, strict=True):
            network = joined.network_of(name)
            _expect_equal(network, f"{machine}, sample {seed}", [value], [right])


def _expect_equal(
    network: SyntheticNetwork,
    what: str,
    found: Sequence[Array],
    expected: Sequence[Array],
    float_bound: float = 0.0,
) -> None:
    for index, pair in enumerate(zip(found, expected, strict=True)):
        a, b = (np.ascontiguousarray(value).reshape(-1) for value in pair)
        assert a.dtype == b.dtype, f"{what}: output {index} is {a.dtype}, expected {b.dtype}"
        unequal = unequal_elements(a, b)
        if float_bound and a.dtype.kind == "f":
            unequal &= ulp_distance(a, b) > float_bound
        if unequal.any():
            at = int(np.argmax(unequal))
            raise AssertionError(
                f"{what}: output {index}, element {at}: {a[at]!r}, expected "
                f"{b[at]!r}; {np.count_nonzero(unequal)} of {a.size} differ\n"
                f"{network.description}"
            )
