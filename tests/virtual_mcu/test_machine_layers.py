"""Stopping after each layer, reading and writing the arena, and what passes from run to run."""

from __future__ import annotations

import pytest

from midge.errors import UserError
from midge.virtual_mcu import MemoryView, UnicornMachine
from toolchain.sample_model import (
    UNICORN_CORES,
    meaning,
    sample_program,
    samples,
    tiny_program,
)

SAMPLES = samples(3)


@pytest.mark.parametrize("kind", ["zig", "gcc"])
@pytest.mark.parametrize("core", UNICORN_CORES)
def test_each_layer_is_seen_once_when_it_has_returned(core: str, kind: str) -> None:
    machine = UnicornMachine(sample_program(core, kind))
    gathered, normalised = meaning(SAMPLES[0], 1)
    seen = []

    def look(layer: int, memory: MemoryView) -> None:
        seen.append(layer)
        assert (memory.read_arena(288, 64) == gathered) is (layer >= 1)
        assert (memory.read_arena(352, 16) == normalised) is (layer >= 2)

    inference = machine.run_layers(SAMPLES[0], look)
    assert seen == [0, 1, 2]
    assert inference == machine.run([SAMPLES[0]])[0]


def test_bytes_that_a_layer_left_behind_can_be_changed() -> None:
    machine = UnicornMachine(sample_program("cortex-m4"))

    def overwrite(layer: int, memory: MemoryView) -> None:
        if layer == 1:
            memory.write_arena(288, bytes(64))

    changed = machine.run_layers(SAMPLES[0], overwrite)
    assert changed.outputs[0] == bytes(64)
    assert changed.outputs[1] != machine.run([SAMPLES[0]])[0].outputs[1]


def test_dead_bytes_may_be_poisoned() -> None:
    # Offsets whose last reader has run: the inputs, then what the first layer wrote.
    machine = UnicornMachine(sample_program("rv32imc"))
    dead = {0: [(0, 128)], 1: [(0, 288)], 2: [(0, 288), (368, 48)]}

    def poison(layer: int, memory: MemoryView) -> None:
        for offset, size in dead[layer]:
            memory.write_arena(offset, b"\xa5" * size)

    for sample in SAMPLES:
        assert machine.run_layers(sample, poison).outputs == meaning(sample, 1)


def test_layer_called_last_in_tail_position_is_seen() -> None:
    # The run function jumps to it and never gets control back.
    body = """
__attribute__((noinline)) static enum midge_status tiny_layer(void *a)
{
    *(volatile int8_t *)a = 7;
    return MIDGE_OK;
}
"""
    program = tiny_program("cortex-m4", body, calls="return tiny_layer(arena);")
    machine = UnicornMachine(program)
    seen = []

    def look(layer: int, memory: MemoryView) -> None:
        seen.append((layer, memory.read_arena(0, 1)))
        memory.write_arena(0, b"\x09")

    assert machine.run_layers((bytes(64),), look).outputs[0][0] == 9
    assert seen == [(0, b"\x07")]
    _, trace = machine.trace((bytes(64),))
    assert trace.layer_instructions[0] > 0


def test_error_in_the_callback_reaches_the_caller() -> None:
    machine = UnicornMachine(sample_program("cortex-m4"))

    def complain(layer: int, _memory: MemoryView) -> None:
        raise UserError(f"seen enough after layer {layer}")

    with pytest.raises(UserError, match="seen enough after layer 0"):
        machine.run_layers(SAMPLES[0], complain)
    assert machine.run([SAMPLES[0]])[0].outputs == meaning(SAMPLES[0], 1)


def test_state_passes_on_within_a_call_and_starts_anew_with_the_next() -> None:
    machine = UnicornMachine(sample_program("cortex-m4"))
    outputs = [inference.outputs for inference in machine.run([SAMPLES[0]] * 3)]
    assert outputs == [meaning(SAMPLES[0], runs) for runs in (1, 2, 3)]
    assert machine.read_state() == (3).to_bytes(4, "little")
    assert machine.run([SAMPLES[0]])[0].outputs == outputs[0]


def test_no_samples_give_no_inferences() -> None:
    assert UnicornMachine(sample_program("cortex-m4")).run([]) == []


def test_callback_sees_each_call_of_a_shared_function() -> None:
    body = """
__attribute__((noinline)) static void tiny_layer(void *a) { *(volatile int8_t *)a += (int8_t)1; }
"""
    program = tiny_program(
        "cortex-m3", body, layers=("tiny_layer",) * 3, calls="tiny_layer(arena);" * 3
    )
    seen = []
    UnicornMachine(program).run_layers(
        (bytes(64),), lambda layer, memory: seen.append((layer, memory.read_arena(0, 1)[0]))
    )
    assert seen == [(0, 1), (1, 2), (2, 3)]
