"""Operators that .tflite files do not have, on emulated cores and under sanitizers, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from midge.c_emitter import KERNELS, Kernel, Layer, choose_kernels, layers_of
from midge.driver.compare_layers import unequal_elements
from midge.graph import Graph, initial_state, interpret, outputs_of, state_after
from midge.virtual_mcu import CORES
from support.framework_layers import (
    ODD_FLOATS,
    Case,
    every_case,
    gru_cases,
    join_layers,
    joined_sample,
    layer_norm_cases,
    lstm_cases,
    unit_cases,
)
from support.layer_bench import Bench, Distance, build_layers, promised
from support.sanitized import run_checked, selftest_of_layers
from support.tools import GCC

BENCHES = (Bench("cortex-m0plus"), Bench("cortex-m4"), Bench("rv32imc", GCC))
FAMILIES = {
    "units": unit_cases,
    "layer_norm": layer_norm_cases,
    "gru": gru_cases,
    "lstm": lstm_cases,
}


def unequal_cases(
    cases: Sequence[Case], bench: Bench, seeds: Sequence[int], distance: Distance = promised
) -> dict[str, str]:
    """Run samples as one stream; what differs from the interpreter, by the case's name."""
    graph = join_layers(cases)
    choice = choose_kernels(graph, CORES[bench.core].features)
    artifact = build_layers(graph, choice, bench, distance)
    assert artifact.built.static_bytes == 0, "a kernel has no variables"
    return unequal_outputs(graph, artifact, [joined_sample(cases, seed) for seed in seeds])


def unequal_outputs(graph: Graph, artifact, samples) -> dict[str, str]:  # type: ignore[no-untyped-def]
    machine, state = artifact.open_machine(), initial_state(graph)
    wrong: dict[str, str] = {}
    runs = machine.run([artifact.to_bytes(s) for s in samples])
    for number, (sample, run) in enumerate(zip(samples, runs, strict=True)):
        device = artifact.from_bytes(run.outputs)
        values = interpret(graph, sample, state)
        state = state_after(graph, values)
        for name, expected in outputs_of(graph, values).items():
            unequal = np.argwhere(unequal_elements(device[name], np.ascontiguousarray(expected)))
            if len(unequal):
                at = tuple(unequal[0])
                wrong.setdefault(
                    name,
                    f"sample {number}, {list(at)}: {device[name][at]}, expected {expected[at]}",
                )
    return wrong


@pytest.mark.parametrize("bench", BENCHES, ids=lambda b: f"{b.core}-{b.cc}")
@pytest.mark.parametrize("family", FAMILIES)
def test_kernels_equal_the_interpreter_with_inputs_as_near_as_promised(
    family: str, bench: Bench
) -> None:
    assert not unequal_cases(FAMILIES[family](), bench, seeds=range(7))


@pytest.mark.parametrize("bench", BENCHES, ids=lambda b: f"{b.core}-{b.cc}")
def test_odd_floats(bench: Bench) -> None:
    cases = [c for c in every_case() if c.dtype.value == "float32"]
    graph = join_layers(cases)
    artifact = build_layers(graph, choose_kernels(graph, CORES[bench.core].features), bench)
    samples = []
    for turn in range(3):
        sample = joined_sample(cases, seed=turn + 1)
        for value in sample.values():
            odd = np.resize(np.roll(np.array(ODD_FLOATS, np.float32), 5 * turn), value.size)
            # Of a row with something infinite in it little is left: some rows stay ordinary.
            flat = value.reshape(-1)
            flat[: flat.size // 2] = odd[: flat.size // 2]
        samples.append(sample)
    assert not unequal_outputs(graph, artifact, samples)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_undefined_behaviour_and_no_byte_too_far(family: str) -> None:
    files = selftest_of_layers(join_layers(FAMILIES[family]()))
    done = run_checked(files, "address", "undefined")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.count(": equal, cycles 0\n") == 3


def broken_promise(kernel: Kernel, layer: Layer, index: int) -> int | None:
    """A distance shorter than the kernel's own by one row and a word."""
    distance, y = kernel.overlap(layer, index), layer.output
    return None if distance is None else distance - y.shape[-1] * y.dtype.size_bits // 8 - 4


@pytest.mark.parametrize("family", FAMILIES)
def test_inputs_that_stand_too_near_are_caught(family: str) -> None:
    wrong = unequal_cases(FAMILIES[family](), Bench("cortex-m4"), range(4, 6), broken_promise)
    assert len(wrong) > len(FAMILIES[family]()) // 3, wrong


@pytest.mark.tiny
def test_every_kernel_of_these_operators_is_met() -> None:
    kinds = {"silu", "mish", "softplus", "hard_sigmoid", "erf", "layer_norm", "gru", "lstm"}
    met: set[tuple[str, str]] = set()
    for features in (frozenset[str](), frozenset({"dsp"})):
        for case in every_case():
            for layer, kernel in zip(
                layers_of(case.graph), choose_kernels(case.graph, features), strict=True
            ):
                assert kernel is not None
                met.add((layer.op.kind, kernel.function))
    assert {pair for pair in met if pair[0] in kinds} == {
        (kind, kernel.function) for kind in kinds for kernel in KERNELS[kind]
    }
