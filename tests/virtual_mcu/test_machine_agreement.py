"""The same machine code on two emulators, by two compilers, on every core: one answer."""

from __future__ import annotations

import pytest

from midge.virtual_mcu import CacheGeometry, FlashMemory, QemuMachine, open_machine
from support.tools import needs_qemu
from toolchain.sample_model import (
    CORES,
    INTERFACE,
    UNICORN_CORES,
    meaning,
    sample_program,
    samples,
)

SAMPLES = samples(4)
EXPECTED = [meaning(sample, runs) for runs, sample in enumerate(SAMPLES, start=1)]
FLASH = FlashMemory(
    fetch=CacheGeometry(line_bytes=32, sets=4, ways=2),
    data=CacheGeometry(line_bytes=16, sets=2, ways=1),
    fetch_miss_cycles=5,
    data_miss_cycles=5,
    prefetch=False,
)


@pytest.mark.parametrize("kind", ["zig", "gcc"])
@pytest.mark.parametrize("core", UNICORN_CORES)
def test_unicorn_computes_what_the_c_means(core: str, kind: str) -> None:
    inferences = open_machine(sample_program(core, kind)).run(SAMPLES)
    assert [inference.outputs for inference in inferences] == EXPECTED


@needs_qemu
@pytest.mark.parametrize("kind", ["zig", "gcc"])
@pytest.mark.parametrize("core", CORES)
def test_qemu_computes_what_the_c_means(core: str, kind: str) -> None:
    inferences = open_machine(sample_program(core, kind), emulator="qemu").run(SAMPLES)
    assert [inference.outputs for inference in inferences] == EXPECTED


@needs_qemu
@pytest.mark.parametrize("core", UNICORN_CORES)
@pytest.mark.parametrize("kind", ["zig", "gcc"])
def test_emulators_count_alike(core: str, kind: str) -> None:
    program = sample_program(core, kind)
    unicorn, qemu = open_machine(program), open_machine(program, emulator="qemu")
    assert unicorn.run(SAMPLES) == qemu.run(SAMPLES)
    _, first = unicorn.trace(SAMPLES[0], flash=FLASH)
    _, second = qemu.trace(SAMPLES[0], flash=FLASH)
    # The emulators cut blocks at different lengths, so that edges may differ, but not their sums.
    assert first.layer_instructions == second.layer_instructions
    assert first.caller_instructions == second.caller_instructions
    assert first.flash == second.flash


@needs_qemu
@pytest.mark.parametrize("core", CORES)
def test_counts_agree_with_the_cores_own_clock(core: str) -> None:
    program = sample_program(core, "gcc", optimisation="-Os")
    machine = QemuMachine(program)
    counted = machine.run(SAMPLES)
    clocked = machine.run_by_clock(SAMPLES)
    for inference, reading in zip(counted, clocked, strict=True):
        assert reading.outputs == inference.outputs
        assert reading.instructions is not None
        # SysTick's ticks are 31 to 50 instructions; minstret counts each one.
        error = abs(reading.instructions - inference.instructions)
        assert error < reading.resolution, (reading, inference.instructions)
    if program.core.startswith("rv"):
        assert {reading.resolution for reading in clocked} == {1.0}


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7", "cortex-m33"])
def test_floating_point_unit_equals_library_routines(core: str) -> None:
    program = sample_program(core, "zig", "SAMPLE_FLOATS")
    assert program.library_functions == ("memcpy", "memset"), "floats ran on the unit"
    by_unit = open_machine(program).run(SAMPLES)
    by_library = open_machine(sample_program("cortex-m3", "gcc", "SAMPLE_FLOATS")).run(SAMPLES)
    assert [i.outputs for i in by_unit] == [i.outputs for i in by_library] == EXPECTED


@pytest.mark.parametrize("kind", ["zig", "gcc"])
def test_library_routines_run(kind: str) -> None:
    program = sample_program("cortex-m3", kind, "SAMPLE_DIVIDES")
    outputs = [inference.outputs for inference in open_machine(program).run(SAMPLES)]
    assert outputs == [meaning(s, n, divides=True) for n, s in enumerate(SAMPLES, start=1)]


def test_layers_and_caller_add_up() -> None:
    _, trace = open_machine(sample_program("cortex-m4")).trace(SAMPLES[0])
    assert trace.layers == INTERFACE.layers
    assert trace.instructions == sum(trace.layer_instructions) + trace.caller_instructions
    assert all(trace.layer_instructions)
    assert trace.caller_instructions > 0
    last = [edge for edge in trace.edges if edge.next_block is None]
    assert [(edge.layer, edge.count) for edge in last] == [(-1, 1)]
