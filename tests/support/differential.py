"""One network, three answers: NumPy interpreter, TFLite Micro, emulated C on any core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import midge
from midge.graph import Graph, interpret, outputs_of
from midge.importers import import_tflite
from midge.synthetic import SyntheticNetwork
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
    return import_tflite(network.model_bytes, "net.tflite")


def interpreter_outputs(graph: Graph, sample: Sequence[Array]) -> list[Array]:
    """What the NumPy interpreter says."""
    values = interpret(graph, dict(zip(graph.inputs, sample, strict=True)))
    return list(outputs_of(graph, values).values())


def check_against_oracle(network: SyntheticNetwork, graph: Graph, seeds: Sequence[int]) -> None:
    """Interpreter and TFLite Micro agree on every byte."""
    samples = [network.sample_inputs(seed) for seed in seeds]
    for seed, sample, theirs in zip(
        seeds, samples, tflm_outputs_of_samples(network.model_bytes, samples), strict=True
    ):
        ours = interpreter_outputs(graph, sample)
        _expect_equal(network, f"interpreter, sample {seed}", ours, theirs)


def check_on_device(
    network: SyntheticNetwork, graph: Graph, machine: Machine, seeds: Sequence[int]
) -> None:
    """The emulated C and the interpreter agree on every byte."""
    artifact = midge.compile(graph, target=machine.core, cc=machine.cc)
    samples = [network.sample_inputs(seed) for seed in seeds]
    raw = [tuple(np.ascontiguousarray(x).tobytes() for x in sample) for sample in samples]
    device = artifact.open_machine(machine.emulator)
    for seed, sample, inference in zip(seeds, samples, device.run(raw), strict=True):
        outputs = list(artifact.from_bytes(inference.outputs).values())
        _expect_equal(
            network, f"{machine}, sample {seed}", outputs, interpreter_outputs(graph, sample)
        )


def _expect_equal(
    network: SyntheticNetwork, what: str, found: Sequence[Array], expected: Sequence[Array]
) -> None:
    for index, (a, b) in enumerate(zip(found, expected, strict=True)):
        if not np.array_equal(a.reshape(-1), b.reshape(-1)):
            unequal = a.reshape(-1) != b.reshape(-1)
            at = int(np.argmax(unequal))
            raise AssertionError(
                f"{what}: output {index}, element {at}: {a.reshape(-1)[at]}, expected "
                f"{b.reshape(-1)[at]}; {np.count_nonzero(unequal)} of {a.size} differ\n"
                f"{network.description}"
            )
